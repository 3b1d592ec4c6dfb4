"""Whether a figure changed between two builds by more than the noise."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.table import RATES, Unit, lines, quantity

__all__ = ["MARKABLE", "Change", "change", "table"]

# A change is marked if rounds in random order would look like that in fewer of a hundred comparisons …
CHANCE = 0.01
# … for which each build needs so many rounds …
MARKABLE = 5
# … and if it is large enough to be looked at.
LEAST = 0.02


@dataclass(frozen=True)
class Change:
    """One row of a comparison.

    Attributes
    ----------
    what : str
    unit : Unit
    base, new : float
        Medians of all rounds.
    ratio : float
        The new median over the base's.
    lowest, highest : float
        The same ratio of single pairs of rounds: how far the noise reaches.
    mark : {"better", "WORSE", ""}
        Empty if the change is not larger than the noise.
    """

    what: str
    unit: Unit
    base: float
    new: float
    ratio: float
    lowest: float
    highest: float
    mark: str


def change(what: str, unit: Unit, base: Sequence[float], new: Sequence[float]) -> Change:
    """Compare the rounds of two builds, of which those with the same number were measured one after the other.

    Notes
    -----
    The test is that of Mann and Whitney: it looks at the order of all rounds and not at their distances, so that one
    round that a busy machine disturbed decides nothing. With five rounds each, all of one build must be below all of
    the other.
    """
    before, after = statistics.median(base), statistics.median(new)
    pairs = [one / other if other else float("nan") for one, other in zip(new, base, strict=True)]
    ratio = after / before if before else float("nan")
    mark = ""
    if len(base) >= MARKABLE and abs(ratio - 1) >= LEAST and _chance(base, new) < CHANCE:
        mark = "better" if (after > before) == (unit in RATES) else "WORSE"
    return Change(what, unit, before, after, ratio, min(pairs), max(pairs), mark)


def table(changes: Sequence[Change], base: str) -> list[str]:
    """The lines of a table of changes."""
    cells = [("", base, "new", "new / base", "in single rounds", "")]
    for one in changes:
        spread = f"{one.lowest:.2f} – {one.highest:.2f}"
        values = (quantity(one.base, one.unit), quantity(one.new, one.unit), f"{one.ratio:.2f}", spread)
        cells.append((one.what, *values, one.mark))
    return lines(cells, frozenset({1, 2, 3, 4}))


def _chance(base: Sequence[float], new: Sequence[float]) -> float:
    """How probable an order as clear as this one is if there is no difference."""
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(base, new).pvalue)
