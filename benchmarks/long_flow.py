"""All static checks of a flow of two thousand steps, for each step, beside those of a flow of two hundred.

The peer is ours: what is measured is whether the cost of a step depends on how many others there are.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import process_time

from benchmarks.table import Figure, Row
from flownb.cells.cell import read_cell
from flownb.flow.definition import define_flow
from flownb.flow.lint import check_flow
from tests.flow.shapes import chain, diamonds, loops, switches, wide

__all__ = ["measure", "ours"]

FEW, MANY = 200, 2000
ROUNDS = 3
# Nothing was worked out before. Python's collector runs while cells are read, when a longer flow has more objects to
# look at; it is paused while the flow is checked.
GOAL = 1.5


SHAPES = (chain, wide, switches, loops, diamonds)


def measure() -> list[Row]:
    """Medians of CPU seconds a step, texts that were not read before."""
    rows = []
    for shape in SHAPES:
        few, many, compiled = [], [], []
        for number in range(ROUNDS):
            few.append(_seconds(shape(FEW), f"few {number}") / FEW)
            many.append(_seconds(shape(MANY), f"many {number}") / MANY)
            compiled.append(_compile(shape(MANY)) / MANY)
        mine, peer, limit = (statistics.median(one) for one in (many, few, compiled))
        what, beside, met = _what(shape), f"a step of {FEW}", mine <= GOAL * peer
        rows.append(Row(what, mine, beside, peer, f"<= {GOAL} x", met, "ms", "compile() of its text", limit))
    return rows


def ours() -> list[Figure]:
    """Each shape once."""
    return [Figure(_what(shape), _seconds(shape(MANY), "one") / MANY) for shape in SHAPES]


def _what(shape: Callable[[int], list[str]]) -> str:
    return f"checks, a step of {MANY} ({shape.__name__})"


def _compile(texts: list[str]) -> float:
    """CPU seconds to compile the cells' bodies."""
    bodies = ["\n".join(line for line in text.splitlines() if not line.startswith("%%")) for text in texts]
    started = process_time()
    for body in bodies:
        compile(body, "<cell>", "exec")
    return process_time() - started


def _seconds(texts: list[str], mark: str) -> float:
    """CPU seconds to read and check cells."""
    started = process_time()
    found = check_flow(define_flow(read_cell(f"{text}\n# {mark}") for text in texts))
    seconds = process_time() - started
    assert not found, found
    return seconds
