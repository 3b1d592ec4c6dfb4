"""Step cells and debuggers in an IPython terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from IPython.core.interactiveshell import InteractiveShell

ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[=>()].?)")
DEBUGGED = r"""%load_ext flownb
get_ipython().run_cell("%%step load -> x\nx = 20\nbreakpoint()\nx = x + 1")
p x + 2
c
print("x is", x)
get_ipython().run_cell("%%step load -> x\nimport asyncio as a\nz = a.run(a.sleep(0, 40))\nx = z / 0")
%debug
p z + 3
q
"""


class Terminal:
    """An IPython process on a pseudo-terminal."""

    def __init__(self, folder: Path, *options: str) -> None:
        environment = {
            **os.environ,
            "IPYTHONDIR": str(folder / "ipython"),
            "TERM": "xterm",
            "PROMPT_TOOLKIT_NO_CPR": "1",
        }
        arguments = ["-m", "IPython", "--no-banner", "--no-confirm-exit", *options]
        self.process = pexpect.spawn(
            sys.executable,
            arguments,
            cwd=str(folder),
            env=environment,
            encoding="utf-8",
            timeout=60,
            dimensions=(40, 100),
        )
        self.expect(r"In \[1\]:")

    def expect(self, pattern: str) -> str:
        """Wait for a text, and give what came before it."""
        self.process.expect(pattern)
        return ESCAPES.sub("", self.process.before or "")

    def cell(self, number: int, *lines: str) -> str:
        """Type a cell, the blank lines that end a cell magic included; give what is shown until the next prompt."""
        for line in lines:
            self.process.send(f"{line}\r")
            if lines[0].startswith("%%"):
                self.expect(r"\.\.\.:")
        if lines[0].startswith("%%"):
            self.process.send("\r")
            self.expect(r"\.\.\.:")
            self.process.send("\r")
        return self.expect(f"In \\[{number + 1}\\]:")


@pytest.fixture(params=["--simple-prompt", "--colors=NoColor"])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    """A terminal with the extension loaded: of the plain kind, and as people use it."""
    made = Terminal(tmp_path, request.param)
    try:
        made.cell(1, "%load_ext flownb")
        yield made
    finally:
        made.process.close(force=True)


def test_a_step_is_typed_like_any_cell_magic(terminal: Terminal) -> None:
    """The header asks for more, the lines below it too, and blank lines run the cell: as many as for %%time."""
    assert "Wall time" in terminal.cell(2, "%%time", "y = 1")
    assert "load" in terminal.cell(3, "%%step load -> x", "x = 41")
    assert "41" in terminal.cell(4, "x")
    terminal.cell(5, "%%shared", "k = 2")
    assert "nothing recorded" in terminal.cell(6, "%%spin load", "x = k + 5")
    assert "hold" in terminal.cell(7, "%%step hold")
    assert "no problems" in terminal.cell(8, "%flow check")
    assert "replaces" in terminal.cell(9, "%%flow F", "a = 1") + terminal.cell(10, "%%flow F", "a = 2")


def test_a_header_is_not_complete() -> None:
    """What a front end asks before it executes a line: a header continues, until a blank line ends the cell."""
    shell = InteractiveShell()
    shell.extension_manager.load_extension("flownb")
    texts = ["%%step a", "%%step a\nx = 1", "%%step\ta", "%%flow F", "%%shared", "%%spin a", "# c\n%%step a", "x = 1"]
    found = [shell.input_transformer_manager.check_complete(text)[0] for text in texts]
    assert found == [*["incomplete"] * 6, "complete", "complete"]
    ended = [shell.input_transformer_manager.check_complete(f"{text}\n\n")[0] for text in texts]
    assert ended == ["complete"] * 8


def test_a_step_stops_and_is_debugged_in_a_terminal(tmp_path: Path) -> None:
    """breakpoint() stops at the step's next line, %debug is in the step's frame, and the shell continues."""
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=nocolor"]
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(
        command, input=DEBUGGED, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert "----> 4 x = x + 1" in done.stdout
    assert [one for one in ("22", "43") if f"ipdb> {one}\n" in done.stdout] == ["22", "43"]
    assert "x is 21" in done.stdout
    assert "flownb/" not in done.stdout + done.stderr
