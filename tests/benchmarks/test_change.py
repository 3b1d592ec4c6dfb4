"""Whether a figure changed between two builds by more than the noise."""

from __future__ import annotations

from benchmarks.change import change, table
from benchmarks.compare import changes
from benchmarks.table import Figure

BASE = [1.00, 1.05, 0.98, 1.02, 1.01]
LESS = [0.50, 0.52, 0.49, 0.60, 0.51]


def test_a_change_that_is_larger_than_the_noise() -> None:
    """All rounds of one build below all of the other are a change: better for times, worse for rates."""
    assert change("a", "ms", BASE, LESS).mark == "better"
    assert change("a", "ms", LESS, BASE).mark == "WORSE"
    assert change("a", "GB/s", BASE, LESS).mark == "WORSE"
    assert change("a", "count", [1870] * 5, [600] * 5).mark == "better"


def test_a_change_within_the_noise() -> None:
    """Rounds that overlap, equal ones, and a clear but tiny difference are not marked."""
    assert change("a", "ms", BASE, [0.99, 1.04, 1.00, 1.03, 0.97]).mark == ""
    assert change("a", "count", [1870] * 5, [1870] * 5).mark == ""
    assert change("a", "count", [1870] * 5, [1871] * 5).mark == ""
    assert change("a", "MB", [0] * 5, [0] * 5).mark == ""


def test_one_disturbed_round_decides_nothing() -> None:
    """With enough rounds a change is seen in spite of one that took much longer."""
    assert change("a", "ms", [*BASE, *BASE], [*LESS, *LESS[:-1], 9.0]).mark == "better"


def test_too_few_rounds() -> None:
    """Four rounds can look like that by chance, so nothing is marked."""
    assert change("a", "ms", BASE[:4], LESS[:4]).mark == ""


def test_the_spread_is_that_of_pairs() -> None:
    """The ratio is that of the medians, and its spread the smallest and the largest of rounds next to each other."""
    found = change("a", "ms", [1.0, 2.0, 4.0], [1.0, 1.0, 8.0])
    assert (found.base, found.new, found.ratio, found.lowest, found.highest) == (2.0, 1.0, 0.5, 0.5, 2.0)


def test_a_table_of_changes() -> None:
    """A line has both builds, their ratio, its spread and the mark."""
    found = table([change("a step", "ms", BASE, LESS), change("page faults", "count", [10] * 5, [10] * 5)], "abc123")
    assert found == [
        "               abc123     new  new / base  in single rounds",
        "a step       1,010 ms  510 ms        0.50       0.50 – 0.59  better",
        "page faults        10      10        1.00       1.00 – 1.00",
    ]


def test_rows_that_only_one_build_has() -> None:
    """What the older build did not measure is left out."""
    base = [[Figure("a", 1.0)], [Figure("a", 2.0)]]
    new = [[Figure("b", 1.0), Figure("a", 3.0)], [Figure("b", 1.0), Figure("a", 4.0)]]
    assert [(one.what, one.base, one.new) for one in changes(base, new)] == [("a", 1.5, 3.5)]
