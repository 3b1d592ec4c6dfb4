"""Static checks of one step in a flow of twenty, beside compiling the same text with Python."""

from __future__ import annotations

import statistics
from time import perf_counter

from benchmarks.table import Row
from flownb.cells.cell import read_cell
from flownb.flow.definition import define_flow
from flownb.flow.lint import check_flow

__all__ = ["measure"]

STEPS = 20
ROUNDS = 30
GOAL = 0.005
BODY = """
total = 0
for number, item in enumerate(rows):
    if item % 2:
        total += item
    else:
        total -= number
names = {key: [value for value in range(3)] for key in "abc"}
try:
    kept = max(names.values(), key=len)
except ValueError as error:
    kept = [str(error)]
rows = [*rows, total, len(kept)]
"""


def measure() -> list[Row]:
    """Median for a step whose text has just changed."""
    ours, theirs = [], []
    for round_number in range(ROUNDS):
        cells = [read_cell(f"%%step s{n} -> rows\n{'rows = [1]' if not n else ''}{BODY}") for n in range(STEPS)]
        changed = f"%%step s{STEPS // 2} -> rows\n# {round_number}{BODY}"
        check_flow(define_flow(cells), only="s0")
        started = perf_counter()
        cells[STEPS // 2] = read_cell(changed)
        found = check_flow(define_flow(cells), only=f"s{STEPS // 2}")
        ours.append(perf_counter() - started)
        assert not found, found
        started = perf_counter()
        compile(changed.partition("\n")[2], "<cell>", "exec")
        theirs.append(perf_counter() - started)
    median = statistics.median(ours)
    peer = statistics.median(theirs)
    return [Row("static checks of one step of 20", median, "compile() of its text", peer, "<= 5 ms", median <= GOAL)]
