"""Debuggers in a real IPython terminal that reads its input from a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CELLS = r"""%load_ext flownb
get_ipython().run_cell("%%step load -> x\nx = 20\nbreakpoint()\nx = x + 1")
p x + 2
c
print("x is", x)
get_ipython().run_cell("%%step load -> x\nimport asyncio as a\nz = a.run(a.sleep(0, 40))\nx = z / 0")
%debug
p z + 3
q
"""


def test_a_step_stops_and_is_debugged_in_a_terminal(tmp_path: Path) -> None:
    """breakpoint() stops at the step's next line, %debug is in the step's frame, and the shell goes on."""
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=nocolor"]
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(
        command, input=CELLS, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert "----> 4 x = x + 1" in done.stdout
    assert ["22", "43"] == [one for one in ("22", "43") if f"ipdb> {one}\n" in done.stdout]
    assert "x is 21" in done.stdout
    assert "flownb/" not in done.stdout + done.stderr
