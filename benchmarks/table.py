"""Rows of results and how they are printed.

Takes medians in seconds, or bytes; gives a table with our figure, the peer's, the ratio and the goal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Row", "print_table"]


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    what, peer : str
        What is measured, and what it stands beside.
    ours, theirs : float
        Medians, in seconds; bytes if the unit is MB.
    goal : str
        The goal or limit that the measured ratio is compared with.
    met : bool
    unit : {"ms", "MB"}
    """

    what: str
    ours: float
    peer: str
    theirs: float
    goal: str
    met: bool
    unit: Literal["ms", "MB"] = "ms"


def print_table(rows: list[Row]) -> None:
    """Print rows under each other, in milliseconds or megabytes."""
    cells = [("", "ours", "", "peer", "peer / ours", "goal", "")]
    for row in rows:
        ratio = f"{row.theirs / row.ours:,.1f}×" if row.ours > 0 else "–"
        mark = "met" if row.met else "MISSED"
        cells.append(
            (row.what, _text(row.ours, row.unit), row.peer, _text(row.theirs, row.unit), ratio, row.goal, mark)
        )
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        aligned = [
            text.rjust(width) if column in (1, 3, 4) else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(aligned).rstrip())


def _text(value: float, unit: str) -> str:
    return f"{value * 1e3:,.2f} ms" if unit == "ms" else f"{value / 1e6:,.0f} MB"
