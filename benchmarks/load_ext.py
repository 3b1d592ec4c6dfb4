"""``%load_ext flownb`` in a warm kernel, beside ``import metaflow`` in another."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.kernel import open_kernel, round_trip
from benchmarks.table import Figure, Row

__all__ = ["measure", "ours"]

KERNELS = 7
GOAL = 0.100


WHAT = "%load_ext flownb"


def measure() -> list[Row]:
    """Median over fresh kernels, in turns, after one of each."""
    mine: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        for code in (WHAT, "import metaflow"):
            _seconds(Path(name), code)
        for _ in range(KERNELS):
            mine.append(_seconds(Path(name), WHAT))
            theirs.append(_seconds(Path(name), "import metaflow"))
    median = statistics.median(mine)
    return [Row(WHAT, median, "import metaflow", statistics.median(theirs), "<= 100 ms", median <= GOAL)]


def ours() -> list[Figure]:
    """One fresh kernel."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        return [Figure(WHAT, _seconds(Path(name), WHAT))]


def _seconds(folder: Path, code: str) -> float:
    """Seconds of a cell in a fresh kernel, the round trip of an empty one taken off."""
    with open_kernel(folder) as client:
        empty = min(round_trip(client, "pass") for _ in range(5))
        return round_trip(client, code) - empty
