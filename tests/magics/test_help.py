"""The help of the magics, and the list of runs, in a real kernel."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from flownb.magics.flow import RunMagics
from flownb.session.commands import COMMANDS
from tests.magics.test_magics import Kernel, kernel
from tests.session.test_commands import FLOW

__all__ = ["kernel"]


def test_every_example_of_a_notebook_works(kernel: Kernel, write_notebook: Callable[..., Path]) -> None:
    """What help shows as an example of a magic is accepted, and ends well; then the runs are listed."""
    saved = write_notebook(*FLOW)
    assert kernel.run(f"import os\nos.environ['JPY_SESSION_NAME'] = {str(saved)!r}").error == ""
    for number, cell in enumerate(FLOW):
        assert kernel.run(cell, cellId=f"c{number}").error == ""
    examples = [f"{one.notebook} {words}" for one in COMMANDS if one.notebook for words, _ in one.examples]
    for example in examples:
        if example.startswith("%flow stop"):
            continue  # nothing runs here
        if "--pdb" in example:
            continue  # nobody answers here; see tests/magics/test_debugging.py
        assert (example, kernel.run(example).error) == (example, "")
    (reply,) = kernel.run("%flow runs --tag nightly").displays
    header, line = reply["text/plain"].split("\n")
    assert header.split() == ["run", "started", "status", "time", "parameters", "tags"]
    assert re.fullmatch(r"3    \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  done    \d+\.?\d* s +alpha=0\.2 +nightly", line)
    assert "<td>alpha=0.2</td><td>nightly</td>" in reply["text/html"]
    (reply,) = kernel.run("%flow runs --status failed").displays
    assert reply["text/plain"] == "TrainingFlow has no such runs"
    assert "is not a status of a run" in kernel.run("%flow runs --status well").error
    assert "`3` is one word too many. runs takes no words." in kernel.run("%flow runs 3").error


def test_help_is_there_before_any_cell(kernel: Kernel) -> None:
    """`help` and `--help` print; a question mark shows the same in IPython's pager; nothing runs."""
    assert "  %flow runs " in kernel.run("%flow help").text
    assert kernel.run("%flow --help").text == kernel.run("%flow help").text
    assert kernel.run("%flow run --help").text == kernel.run("%flow help run").text
    assert kernel.run("%flow run --help").text.startswith("Usage: %flow run [OPTIONS]\n")
    for magic, usage in (("%spin", "%spin STEP"), ("%card", "%card STEP"), ("%%spin", "%spin STEP")):
        body = "\nx = 1" if magic.startswith("%%") else ""
        assert kernel.run(f"{magic} --help{body}").text.split("\n")[0] == f"Usage: {usage} [OPTIONS]"
    assert "Usage: %%step NAME" in kernel.run("%%step --help").text
    for magic, usage in (("%%step", "Usage: %%step NAME"), ("%%spin", "Usage: %spin STEP"), ("%flow", "%flow runs")):
        code = f"print(get_ipython().inspector.info(get_ipython()._ofind({magic!r}).obj)['docstring'])"
        assert usage in kernel.run(code).text
    assert "`x` is one command too many. help takes one command, here `run`." in kernel.run("%flow help run x").error
    assert "Did you mean `resume`?" in kernel.run("%flow help resum").error


def test_the_magic_has_each_command_of_the_table() -> None:
    """A command that a notebook calls with %flow has a function of its name."""
    names = [one.name for one in COMMANDS if one.notebook.startswith("%flow ")]
    assert [name for name in names if not hasattr(RunMagics, f"_{name}")] == []


def test_a_mistake_of_help_shows_no_traceback(kernel: Kernel) -> None:
    """An unknown command is refused with the ones there are."""
    reply = kernel.run("%flow hlep")
    assert "`%flow hlep` is not a command." in reply.error
    assert "Traceback" not in reply.error
