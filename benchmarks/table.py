"""Rows of results, and how they are written as text and as Markdown.

A row has our figure beside a peer's and, where there is one, beside the machine's own limit: what the part of the work
that nobody can avoid costs on this machine, measured in the same run. Ratios are written so that more than 1 in
"times better" means that ours is better than the peer, whether less is better (times, bytes, counts) or more (rates).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Figure", "Row", "Unit", "better_by", "lines", "markdown", "print_table", "quantity"]

Unit = Literal["ms", "MB", "count", "GB/s"]
# Of these, more is better.
RATES = frozenset({"GB/s"})
HEADER = ("", "ours", "peer", "", "times better", "machine's limit", "", "× limit", "goal", "")
NUMBERS = frozenset({1, 3, 4, 6, 7})


@dataclass(frozen=True)
class Figure:
    """What one round of our side measured, for a comparison of two builds.

    Attributes
    ----------
    what : str
        As in the row that `measure` gives for it.
    value : float
        In seconds, bytes, numbers or bytes per second, whatever the unit says.
    unit : Unit
    """

    what: str
    value: float
    unit: Unit = "ms"


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    what, peer : str
        What is measured, and what it is compared with; ``"-"`` if nothing does the same.
    ours, theirs : float
        Medians: seconds if the unit is ms, bytes if it is MB, bytes per second if it is GB/s.
    goal : str
        The goal that the measured figure or ratio is compared with; empty if there is none.
    met : bool
    unit : {"ms", "MB", "count", "GB/s"}
    limit : str
        The name of the machine's own limit; empty if there is none.
    at_best : float, optional
        The limit, in the same unit.
    """

    what: str
    ours: float
    peer: str
    theirs: float
    goal: str
    met: bool
    unit: Unit = "ms"
    limit: str = ""
    at_best: float | None = None


def print_table(rows: Sequence[Row]) -> None:
    """Print rows under each other."""
    print("\n".join(lines([HEADER, *map(_cells, rows)], NUMBERS)))


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    cells = [("", "ours", "peer", "times better", "machine's limit", "× limit", "goal", "")]
    for row in rows:
        what, ours, peer, theirs, better, limit, at_best, times, goal, met = _cells(row)
        named = (f"{peer}: {theirs}" if theirs else "–", better, f"{limit}: {at_best}" if at_best else "–", times)
        cells.append((what, ours, *named, goal, met))
    marks = "|---|--:|---|--:|---|--:|---|---|"
    texts = ["| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in cells]
    return "\n".join([texts[0], marks, *texts[1:]])


def lines(cells: Sequence[Sequence[str]], numbers: frozenset[int]) -> list[str]:
    """Lines of text with aligned columns, those of numbers to the right."""
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    aligned = (
        [text.rjust(width) if column in numbers else text.ljust(width) for column, (text, width) in enumerate(pairs)]
        for pairs in (list(zip(line, widths, strict=True)) for line in cells)
    )
    return ["  ".join(line).rstrip() for line in aligned]


def quantity(value: float, unit: Unit) -> str:
    """A value with its unit: milliseconds, megabytes, a number, or gigabytes per second."""
    match unit:
        case "ms":
            shown = value * 1e3
            return f"{shown:,.{3 if abs(shown) < 0.1 else 2 if abs(shown) < 100 else 0}f} ms"
        case "MB":
            return f"{value / 1e6:,.{0 if value >= 1e7 else 1}f} MB"
        case "count":
            return f"{value:,.0f}"
        case "GB/s":
            return f"{value / 1e9:.2f} GB/s"


def better_by(ours: float, theirs: float, unit: Unit) -> float:
    """How many times ours is better; NaN where a difference of noisy times is not above zero."""
    if ours <= 0 or theirs <= 0:
        return math.nan
    return ours / theirs if unit in RATES else theirs / ours


def _cells(row: Row) -> tuple[str, ...]:
    """One line of the table."""
    has_peer = row.peer not in ("", "-")
    has_limit = row.at_best is not None
    better = better_by(row.ours, row.theirs, row.unit) if has_peer else math.nan
    times = better_by(row.at_best, row.ours, row.unit) if row.at_best is not None else math.nan
    return (
        row.what,
        quantity(row.ours, row.unit),
        row.peer if has_peer else "–",
        quantity(row.theirs, row.unit) if has_peer else "",
        _times(better),
        row.limit if has_limit else "",
        quantity(row.at_best, row.unit) if row.at_best is not None else "",
        _times(times) if has_limit else "",
        row.goal,
        "" if not row.goal else "met" if row.met else "MISSED",
    )


def _times(ratio: float) -> str:
    """A ratio; small ones with two digits behind the point."""
    if math.isnan(ratio):
        return "–"
    return f"{ratio:,.{2 if ratio < 10 else 1 if ratio < 100 else 0}f}×"
