"""How a case that must be refused is made.

Takes a name, what the diagnostic is about, the promise and cells; gives the case.
"""

from __future__ import annotations

from tests.fidelity.hard_cell import HardCell

__all__ = ["START", "alone", "refused"]

START = "%%step start -> x\nx = 1\n"


def refused(name: str, about: str, promise: str, *cells: str) -> HardCell:
    """Make a case that must be refused."""
    return HardCell(name, promise, cells, "refused", about)


def alone(name: str, about: str, promise: str, body: str) -> HardCell:
    """Make a case whose one bad body stands below a good start."""
    return refused(name, about, promise, START, f"%%step end\n{body}")
