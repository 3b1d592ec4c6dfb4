"""All static checks of a flow of two thousand steps, for each step, beside those of a flow of two hundred.

The peer is ours: what is measured is whether the cost of a step depends on how many others there are.
"""

from __future__ import annotations

import statistics
from time import process_time

from benchmarks.table import Row
from flownb.cells.cell import read_cell
from flownb.flow.definition import define_flow
from flownb.flow.lint import check_flow
from tests.flow.test_growth import chain, diamonds, loops, switches, wide

__all__ = ["measure"]

FEW, MANY = 200, 2000
ROUNDS = 3
# A flow's first checks find nothing that was worked out before; garbage collection of more objects is in it.
GOAL = 1.5


def measure() -> list[Row]:
    """Median of CPU seconds a step, texts that were not read before."""
    rows = []
    for shape in (chain, wide, switches, loops, diamonds):
        few, many = [], []
        for number in range(ROUNDS):
            few.append(_seconds(shape(FEW), f"few {number}") / FEW)
            many.append(_seconds(shape(MANY), f"many {number}") / MANY)
        ours, peer = statistics.median(many), statistics.median(few)
        what = f"checks, a step of {MANY} ({shape.__name__})"
        rows.append(Row(what, ours, f"a step of {FEW}", peer, f"<= {GOAL} x", ours <= GOAL * peer))
    return rows


def _seconds(texts: list[str], mark: str) -> float:
    """CPU seconds to read and check cells."""
    started = process_time()
    found = check_flow(define_flow(read_cell(f"{text}\n# {mark}") for text in texts))
    seconds = process_time() - started
    assert not found, found
    return seconds
