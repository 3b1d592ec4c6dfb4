"""What the command line says of itself: help with the flow's own parameters, completion, and mistakes."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flownb.cli.main import MODULES, main
from flownb.session.commands import COMMANDS, command_help

CELLS = (
    "%%flow TrainFlow\n"
    "alpha = Parameter('alpha', default=0.1, help='Strength of the penalty.')\n"
    "n_rows = Parameter('n-rows', type=int, required=True)\n"
    "cfg = Config('cfg', default_value={'depth': 3})",
    "%%step load -> x\nx = 1",
    "%%step train -> y\ny = x",
)


@pytest.fixture
def here(write_notebook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook with parameters, in the current folder."""
    path = write_notebook(*CELLS)
    monkeypatch.chdir(path.parent)
    return path


def test_help_of_run_lists_the_parameters_of_the_flow(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has its name, type, meaning and default; a flow whose class cannot be executed has the names alone."""
    assert main(["run", "nb.ipynb", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    place = lines.index("Parameters of the flow:")
    assert [line.split(maxsplit=2) for line in lines[place + 1 : place + 3]] == [
        ["--alpha", "FLOAT", "Strength of the penalty. [default: 0.1]"],
        ["--n-rows", "INTEGER", "[required]"],
    ]
    assert main(["run", "--help"]) == 0
    assert "  --PARAMETER VALUE " in capsys.readouterr().out


def test_help_of_a_flow_that_cannot_be_executed(
    write_notebook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The names of its parameters are known from the text."""
    path = write_notebook("%%flow F\nalpha = Parameter('alpha', default=1 / 0)", "%%step a\nx = 1")
    monkeypatch.chdir(path.parent)
    assert main(["run", "nb.ipynb", "--help"]) == 0
    assert "  --alpha VALUE" in capsys.readouterr().out


def test_help_of_run_is_there_whatever_is_wrong(
    here: Path,
    write_notebook: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A notebook that is missing, code that ends the process, and a place that cannot be read do not prevent it."""
    assert main(["run", "nope.ipynb", "--help"]) == 0
    assert "  --PARAMETER VALUE " in capsys.readouterr().out
    write_notebook("%%shared\nimport sys\nsys.exit(3)", *CELLS, name="exits.ipynb")
    assert main(["run", "exits.ipynb", "--help"]) == 0
    assert "  --alpha VALUE" in capsys.readouterr().out
    monkeypatch.chdir(here.parent)
    monkeypatch.setenv("FLOWNB_DATASTORE", "foo://x")
    assert main(["run", "nb.ipynb", "--help"]) == 0
    assert "  --alpha VALUE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "proposed"),
    [
        ("flownb sp", ["spin"]),
        ("flownb run nb.ipynb --a", ["--alpha"]),
        ("flownb run nb.ipynb --n", ["--n-rows"]),
        ("flownb run nb.ipynb --ba", []),
        ("flownb spin nb.ipynb ", ["load", "train"]),
        ("flownb spin nb.ipynb train --from ", ["1"]),
        ("flownb resume nb.ipynb --origin-run-id ", ["1"]),
        ("flownb spin none.ipynb ", []),
        ("flownb runs F --status d", ["done"]),
    ],
)
def test_a_shell_completes(
    here: Path, typed: str, proposed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands, options, and what a notebook has: parameters, steps and runs."""
    assert main(["run", "nb.ipynb", "--n-rows", "1"]) == 0
    capsys.readouterr()
    completed(typed, monkeypatch)
    assert [line.rpartition(",")[2] for line in capsys.readouterr().out.split()] == proposed


def completed(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Print what completes a line that is typed."""
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split(" ")) - 1))
    monkeypatch.setenv("_FLOWNB_COMPLETE", "bash_complete")
    main([])


@pytest.mark.parametrize(
    ("typed", "proposed"),
    [
        ("flownb run ", "file,"),
        ("flownb run tra", "file,tra"),
        ("flownb runs tra", "file,tra"),
        ("flownb export nb.ipynb -o ", "file,"),
        ("flownb export nb.ipynb --output f", "file,f"),
        ("flownb spin nb.ipynb load --artifacts-module a", "file,a"),
        ("flownb run nb.ipynb --config ", ""),
        ("flownb run nb.ipynb --config cfg p", "file,p"),
        ("flownb du --datastore d", "dir,d"),
    ],
)
def test_a_shell_completes_files(
    typed: str, proposed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a word is a file or folder, the shell is asked to complete it itself."""
    completed(typed, monkeypatch)
    assert capsys.readouterr().out.strip() == proposed


def test_completion_and_help_know_the_configured_datastore(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs are completed from the place that IPython's configuration names; what the file prints is not shown."""
    profile = here.parent / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    place = here.parent / "elsewhere"
    code = f"print('hello')\nc = get_config()\nc.Flownb.datastore = {str(place)!r}"
    (profile / "ipython_config.py").write_text(code)
    monkeypatch.setenv("IPYTHONDIR", str(profile.parent))
    monkeypatch.setenv("FLOWNB_DATASTORE", "")
    assert main(["run", "nb.ipynb", "--n-rows", "1"]) == 0
    assert place.is_dir()
    monkeypatch.setenv("FLOWNB_DATASTORE", "")
    capsys.readouterr()
    completed("flownb resume nb.ipynb --origin-run-id ", monkeypatch)
    out, err = capsys.readouterr()
    assert (out, err) == ("plain,1\n", "")
    monkeypatch.delenv("_FLOWNB_COMPLETE")
    monkeypatch.setenv("FLOWNB_DATASTORE", "")
    assert main(["run", "nb.ipynb", "--help"]) == 0
    assert os.environ["FLOWNB_DATASTORE"] == str(place)


def test_every_command_has_its_function() -> None:
    """Each command of the terminal is a function of that name (`import_`) in the module that is imported for it."""
    names = [command.name for command in COMMANDS if command.terminal]
    assert names == list(MODULES)
    for name, module in MODULES.items():
        function = "import_" if name == "import" else name
        assert callable(getattr(importlib.import_module(f"flownb.cli.{module}"), function))


def test_completion_is_switched_on_by_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    """`flownb completion SHELL` prints what the shell is to read."""
    assert main(["completion", "zsh"]) == 0
    assert "_FLOWNB_COMPLETE=zsh_complete" in capsys.readouterr().out
    assert "_FLOWNB_COMPLETE" not in os.environ


def test_a_shell_completes_a_name_once(
    write_notebook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A parameter that has the name of an option is not proposed beside it."""
    path = write_notebook("%%flow F\nexecutor = Parameter('executor', default=1)", "%%step a\nx = 1")
    monkeypatch.chdir(path.parent)
    completed("flownb run nb.ipynb --ex", monkeypatch)
    assert capsys.readouterr().out == "plain,--executor\n"


def test_help_names_both_ways_to_ask_for_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-h` is read as well, but not within the value of a parameter."""
    assert main(["run", "nb.ipynb", "-h"]) == 0
    assert "  -h, --help " in capsys.readouterr().out
    assert main(["run", "nb.ipynb", "--n-rows", "-half"]) == 2
    assert "Parameter `n-rows` cannot be '-half'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "No command is named."),
        ("rnu", "`rnu` is not a command. Did you mean `run`?"),
        ("--versoin", "`--versoin` is not an option of flownb. Did you mean `--version`?"),
        ("run", "run is given no notebook. It works on the flow of a notebook. Write flownb run NOTEBOOK."),
        ("run --alpha 2", "run is given no notebook."),
        ("run nb.ipynb --alpha -1 --zzz", "`--zzz` has no value. It needs one. Write --zzz VALUE."),
        ("run nb.ipynb --max-workers 0", "`--max-workers 0` runs nothing. It is at least 1."),
        ("run nb.ipynb --prodution", "`--prodution` is not an option of run. Did you mean `--production`?"),
        ("run nb.ipynb --background", "`--background` is for notebooks."),
        ("spin nb.ipynb --form 1", "`--form` is not an option of spin. Did you mean `--from`?"),
        ("spin nb.ipynb", "spin is given no step. It runs one step. Write flownb spin NOTEBOOK STEP."),
        ("spin nb.ipynb load train", "`train` is one step too many. spin takes one step, here `load`."),
        ("spin nb.ipynb load --pdb=yes", "`--pdb` is given a value."),
        ("spin nb.ipynb load --isolate thread", "`thread` is not a way to isolate a spin."),
        ("logs F/1 --stdout --stderr", "`--stdout` and `--stderr` cannot be given together."),
        ("spin nb.ipynb load --config-value=cfg", "`--config-value` needs two words. They are the config's name"),
        ("run nb.ipynb --config-value=cfg", "for example --config-value cfg '{\"depth\": 6}'.\n"),
        ("run nb.ipynb --config-value cfg --y", "for example --config-value cfg '{\"depth\": 6}'.\n"),
        ("spin nb.ipynb load --config cfg", "for example --config cfg prod.json.\n"),
        ("run nb.ipynb --config cfg", "A parameter that is called config is given as --config=VALUE."),
        (
            "resume nb.ipynb --depth 4",
            "`--depth` is not an option of resume. A resume has the parameters of the run that it resumes",
        ),
        ("resume nb.ipynb --depth 4", "Leave it out, or start a run: run --depth …"),
        ("show nb.ipynb x", "`x` is one word too many. show takes no more words. Leave it out."),
        ("show nb.ipynb -- --x", "`--x` is not an option of show. It has no options."),
        ("export nb.ipynb foo.py", "`foo.py` is one word too many. export takes no more words. Write -o foo.py."),
        ("index", "index is given no action. Its only action is rebuild. Write flownb index rebuild."),
        ("check nb.ipynb --stric", "Its only option is --strict."),
        (
            "run nb.ipynb --max-workers -1",
            "`--max-workers -1` is not accepted. It has to be a whole number from 1.",
        ),
        ("runs F --limit -1", "`--limit -1` is not accepted. It has to be a whole number from 0."),
        ("use nb.ipynb 1 --none", "use was given a run, `1`, and --none."),
        ("rm", "rm is given no run. It removes the runs that are named."),
    ],
)
def test_a_mistake_is_one_line(here: Path, words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what happened, why, and what to do; the exit status is 2."""
    assert main(words.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_the_word_after_two_dashes_is_a_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`use NOTEBOOK -- --none` names a run of that name, which does not exist, and ends nothing."""
    assert main(["use", "nb.ipynb", "--", "--none"]) != 0
    assert capsys.readouterr().out == ""


def test_a_reader_that_has_seen_enough_gets_no_traceback(here: Path) -> None:
    """A pipe that is closed early ends a command quietly, with the status that a shell gives to it."""
    assert [_to_closed_pipe("run", "--help"), _to_closed_pipe("check", "nb.ipynb")] == [(141, b""), (141, b"")]


def _to_closed_pipe(*words: str) -> tuple[int, bytes]:
    """Exit status and standard error of a command whose output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        done = subprocess.run([sys.executable, "-m", "flownb", *words], stdout=output, stderr=subprocess.PIPE)
    return done.returncode, done.stderr


def test_help_that_is_not_for_a_terminal_is_as_wide_as_in_a_notebook(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not depend on the columns that a terminal would have."""
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["spin", "--help"]) == 0
    said = capsys.readouterr().out.splitlines()
    option = next(line for line in command_help("spin").splitlines() if "--artifacts-module" in line)
    assert option in said


def test_a_value_may_begin_with_a_dash(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A negative number is a value, before and after other options; two dashes need an equals sign."""
    assert main(["run", "nb.ipynb", "--alpha", "-1.5", "--tag=--odd", "--n-rows", "-2"]) == 0
    assert main(["spin", "nb.ipynb", "train", "--set", "x=-7"]) == 0
    assert "  y = -7" in capsys.readouterr().out
