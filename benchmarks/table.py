"""Rows of results and how they are printed.

Takes medians in seconds; gives a table with our figure, the peer's, the ratio and the goal.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Row", "print_table"]


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    what, peer : str
        What is measured, and what it stands beside.
    ours, theirs : float
        Medians, in seconds.
    goal : str
        From LIMITS.md or the issue.
    met : bool
    """

    what: str
    ours: float
    peer: str
    theirs: float
    goal: str
    met: bool


def print_table(rows: list[Row]) -> None:
    """Print rows under each other, in milliseconds."""
    cells = [("", "ours", "", "peer", "peer / ours", "goal", "")]
    for row in rows:
        ratio = f"{row.theirs / row.ours:,.1f}×" if row.ours > 0 else "–"
        mark = "met" if row.met else "MISSED"
        cells.append((row.what, _ms(row.ours), row.peer, _ms(row.theirs), ratio, row.goal, mark))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        aligned = [
            text.rjust(width) if column in (1, 3, 4) else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(aligned).rstrip())


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.2f} ms"
