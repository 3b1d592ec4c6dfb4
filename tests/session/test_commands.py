"""What help says of the commands, and that it is so."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flownb.cli.main import main
from flownb.errors import NotFound, ParameterError
from flownb.session.commands import CELLS, COMMANDS, asks_for_help, command_help, option_names, overview
from flownb.session.load import parse_load
from flownb.session.options import parse_card, parse_resume, parse_run, parse_spin
from flownb.session.parser import Argument
from flownb.session.runs import parse_runs

# A flow in which all that the examples of the help speak of exists.
FLOW = (
    "%%flow TrainingFlow\n"
    "alpha = Parameter('alpha', default=0.1)\ncfg = Config('cfg', default_value={'depth': 3})\nk = 1",
    "%%step load -> xs\nxs = [1, 2]",
    "%%step train --foreach xs -> model, score\n"
    "@card(type='blank', id='curves')\nmodel = self.input * k\nscore = alpha",
    "%%step pick --join -> best\nbest = max(one.model for one in inputs)",
)


@pytest.fixture
def notebook(write_notebook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook of that flow, in the current folder."""
    path = write_notebook(*FLOW)
    monkeypatch.chdir(path.parent)
    return path


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A terminal that could answer a debugger."""
    outer, inner = os.openpty()
    with os.fdopen(outer, "wb"), os.fdopen(inner) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield


@pytest.mark.usefixtures("terminal")
def test_every_example_of_the_command_line_works(
    notebook: Path, write_notebook: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """What help shows as an example is accepted, and ends well."""
    plain = write_notebook("alpha = 0.1", "print(alpha)", name="plain.ipynb")
    assert main(["run", str(notebook)]) == main(["export", str(notebook)]) == 0
    examples = [(one.name, call) for one in COMMANDS if one.terminal for call, _ in one.calls("command")]
    # What removes the run comes last.
    for name, words in sorted(examples, key=lambda one: one[0] in ("gc", "rm")):
        words = words.replace("TrainingFlow/2", "TrainingFlow/1").replace("--from 7", "--from 1")
        said = shlex.split(words.replace("NOTEBOOK", str(plain if name == "convert" else notebook)))
        for made in ("flow.ipynb", "train.ipynb", "plain_flow.ipynb"):
            Path(made).unlink(missing_ok=True)  # an earlier example's, which another does not replace
        differs = words == "flownb diff NOTEBOOK"  # the latest run had another parameter
        assert (main(said[1:]), words) == (int(differs), words), capsys.readouterr().err


def test_help_names_the_options_that_are_accepted() -> None:
    """Each option that help lists is read by the command's parser."""
    values = {"--max-workers": "2", "--max-num-splits": "5", "--executor": "inline", "--with": "retry", "--limit": "3"}
    values |= {"--status": "done", "--set": "k=1", "--isolate": "process", "--index": "1"}
    pairs = ("--config", "--config-value")
    flags = ("--background", "--production", "--persist", "--skip-decorators", "--pdb", "--overwrite")
    for name, parse in (("run", parse_run), ("resume", parse_resume), ("runs", parse_runs)):
        for option in option_names(name):
            given = [option, *([] if option in flags else ["a", "b"] if option in pairs else [values.get(option, "x")])]
            parse(given)  # type: ignore[operator]  # they have nothing in common but what they take
    for name, parse in (("spin", parse_spin), ("card", parse_card), ("load", parse_load)):
        for option in option_names(name):
            given = [option, *([] if option in flags else ["a", "b"] if option in pairs else [values.get(option, "x")])]
            parse(["step", *given])  # type: ignore[operator]  # as above


def test_both_faces_have_the_same_help(capsys: pytest.CaptureFixture[str]) -> None:
    """What a notebook and the command line say of an option is one text; each says how it is called there."""
    text = command_help("resume")
    assert text.startswith("Usage: %flow resume [STEP] [OPTIONS]\n\n  Run again what is no longer valid")
    assert main(["resume", "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Usage: flownb resume NOTEBOOK [STEP] [OPTIONS]\n")
    options = [line for line in text.splitlines() if line.startswith("  --") and "--background" not in line]
    assert [line.split()[0] for line in options] == [
        line.split()[0] for line in said.splitlines() if line.startswith("  --")
    ]
    assert "flownb resume NOTEBOOK train" in said
    assert "--background" not in said


def test_what_is_needed_says_why() -> None:
    """Each word that has to be given has a sentence for the message that it is missing."""
    needed = [one for found in (*COMMANDS, *CELLS) for one in found.parameters if isinstance(one, Argument)]
    assert [one.name for one in needed if one.required and not one.need.endswith(".")] == []


def test_the_overview_names_every_command_of_a_notebook() -> None:
    """Each has a line, which says what it does."""
    text = overview()
    assert [one.name for one in COMMANDS if one.notebook and f"  {one.notebook}" not in text] == []
    assert max(map(len, text.splitlines())) < 130


def test_who_asks_for_help_of_what_does_not_exist_gets_the_nearest() -> None:
    """An unknown command is refused; what comes after `--` is never a question."""
    with pytest.raises(NotFound, match=r"`rnu` is not a command\. Did you mean `run`\?"):
        command_help("rnu")
    assert [asks_for_help(words.split()) for words in ("--help", "train -h", "-- --help")] == [True, True, False]


@pytest.mark.parametrize(
    ("given", "meant"), [(["--backgroud"], "--background"), (["--prodution", "--k", "1"], "--production")]
)
def test_a_misspelt_switch_is_not_a_parameter_without_value(given: list[str], meant: str) -> None:
    """An option of run that takes no value is proposed for a misspelt name without one."""
    with pytest.raises(ParameterError, match=f"is not an option of run. Did you mean `{meant}`"):
        parse_run(given)
