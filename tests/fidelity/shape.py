"""One graph shape: a notebook whose every task also keeps its position in the foreachs.

The types of the table-driven suite of shapes, and what its steps record.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.fidelity.hard_cell import HardCell

__all__ = ["FailingShape", "shape", "watched"]

# Every step says what it sees of the foreachs it is in, so that this is compared as an artifact.
WATCH = "self.here = [self.index, self.input, self.foreach_stack()]"


@dataclass(frozen=True)
class FailingShape:
    """A notebook whose run must fail in flownb as it does in real Metaflow.

    Attributes
    ----------
    name
        Unique; the test's id.
    promise
        One sentence: what a user may rely on.
    step
        The step whose task fails, in both; None if the run is stopped between tasks.
    says
        A word that the error of both must name.
    cells
        Complete sources of the notebook's cells in order.
    max_num_splits
        The guard that both runs get.
    """

    name: str
    promise: str
    step: str | None
    says: str
    cells: tuple[str, ...]
    max_num_splits: int = 100


def shape(name: str, promise: str, *cells: str) -> HardCell:
    """Make a shape that runs to its end."""
    return HardCell(name, promise, cells, "equal")


def watched(cells: Sequence[str]) -> tuple[str, ...]:
    """The cells, with a first line in each step's body that keeps the task's index, item and stack."""
    return tuple(re.sub(r"\A(%%step .*)\n", rf"\1\n{WATCH}\n", cell) for cell in cells)
