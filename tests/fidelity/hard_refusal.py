"""How a case that must be refused, or that must be warned of and run, is made.

A case has a name, what the diagnostic is about, the promise, and cells.
"""

from __future__ import annotations

from tests.fidelity.hard_cell import HardCell

__all__ = ["START", "alone", "refused", "warned", "warned_alone"]

START = "%%step start -> x\nx = 1\n"


def refused(name: str, about: str, promise: str, *cells: str) -> HardCell:
    """Make a case that must be refused."""
    return HardCell(name, promise, cells, "refused", about)


def alone(name: str, about: str, promise: str, body: str) -> HardCell:
    """Make a case whose one bad body stands below a good start."""
    return refused(name, about, promise, START, f"%%step end\n{body}")


def warned(name: str, about: str, promise: str, *cells: str) -> HardCell:
    """Make a case that gets a warning, and runs on Metaflow and here with the same artifacts."""
    return HardCell(name, promise, cells, "warned", about)


def warned_alone(name: str, about: str, promise: str, body: str) -> HardCell:
    """Make such a case whose one odd body stands below a good start."""
    return warned(name, about, promise, START, f"%%step end\n{body}")
