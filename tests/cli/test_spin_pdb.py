"""``flownb spin --pdb`` in a terminal, and where nobody could answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

COMMAND = [sys.executable, "-m", "flownb.cli.main", "spin", "nb.ipynb", "divide", "--pdb"]
CELLS = ("%%step load -> x\nx = 40", "%%step divide -> y\nz = x + 1\ny = z / 0")


def test_a_terminal_gets_the_debugger(tmp_path: Path, write_notebook: Callable[..., Path]) -> None:
    """The step's error is shown, and the prompt is in its frame; without a terminal the option is refused."""
    write_notebook(*CELLS)
    subprocess.run([*COMMAND[:3], "run", "nb.ipynb"], cwd=tmp_path, capture_output=True, check=False)
    ours, theirs = os.openpty()
    os.write(ours, b"p z + 1\nup\nq\n")
    done = subprocess.run(COMMAND, cwd=tmp_path, stdin=theirs, capture_output=True, text=True, timeout=120, check=False)
    os.close(ours)
    os.close(theirs)
    assert (done.returncode, "42\n" in done.stdout, "Oldest frame" in done.stdout) == (1, True, True)
    assert ("ZeroDivisionError" in done.stderr, "flownb/" in done.stdout) == (True, False)
    done = subprocess.run(
        COMMAND, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )
    assert "`--pdb` cannot open a debugger here." in done.stderr
