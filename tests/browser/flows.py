"""Cells of small flows for the browser tests, and of a step that a test holds up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.browser.lab import code

__all__ = ["chain", "waits_for"]


def chain() -> list[Any]:
    """Cells `ext` and `flow`, then the steps `a`, `b` and `c` in cells of these names, then `dag` and `run`."""
    return [
        code("%load_ext flownb", id="ext"),
        code("%%flow Chain", id="flow"),
        code("%%step a -> x\nx = 1", id="a"),
        code("%%step b -> y\ny = x + 1", id="b"),
        code("%%step c -> z\nz = y * 10\nprint('z is', z)", id="c"),
        code("%flow", id="dag"),
        code("%flow run", id="run"),
    ]


def waits_for(file: Path) -> str:
    """Lines of a step that end when a file is there."""
    return (
        f"from pathlib import Path\nfrom time import sleep\nwhile not Path({str(file)!r}).exists():\n    sleep(0.01)\n"
    )
