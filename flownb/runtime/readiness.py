"""Which tasks a finished task makes ready.

Takes task records as tasks end; gives what can run next. Joins wait for all branches of their split, or all tasks of
their foreach.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from flownb.errors import ForeachError
from flownb.flow.graph import FlowGraph
from flownb.store.records import ForeachFrame, TaskRecord

__all__ = ["MAX_NUM_SPLITS", "Readiness", "Ready"]

# Metaflow's own default of --max-num-splits.
MAX_NUM_SPLITS = 100


class Ready(NamedTuple):
    """A task that can run: where it inherits from and the foreachs that are open."""

    step: str
    parents: tuple[TaskRecord, ...]
    frames: tuple[ForeachFrame, ...]


@dataclass
class _Waiting:
    """The tasks that arrived at a join, by branch or index, and how many it waits for."""

    expected: int
    frames: tuple[ForeachFrame, ...]
    arrived: dict[int, TaskRecord] = field(default_factory=dict)


class Readiness:
    """The way through a graph.

    Parameters
    ----------
    graph : FlowGraph
        A complete one.
    max_num_splits : int or None
        Largest number of items of a foreach, as a guard against mistakes; None for no limit.
    """

    def __init__(self, graph: FlowGraph, *, max_num_splits: int | None = MAX_NUM_SPLITS) -> None:
        self.graph = graph
        self.max_num_splits = max_num_splits
        self._joins: dict[tuple[str, tuple[int, ...]], _Waiting] = {}

    @property
    def first(self) -> Ready:
        """The task that a run begins with."""
        assert self.graph.entry is not None
        return Ready(self.graph.entry, (), ())

    def follow(self, record: TaskRecord) -> list[Ready]:
        """What a finished task leads to.

        Raises
        ------
        ForeachError
            If it starts a foreach with more items than allowed.
        """
        if record.splits is None:
            found = [self._next(record, target) for target in record.chosen]
            return [ready for ready in found if ready is not None]
        var, count = record.splits
        if self.max_num_splits is not None and count > self.max_num_splits:
            raise ForeachError(
                f"Step {record.step} starts a foreach over `{var}` with {count} items.",
                f"The limit is {self.max_num_splits}, as a guard against mistakes.",
                f"Run with --max-num-splits {count} if that is what you want.",
            )
        (target,) = record.chosen
        frames = [ForeachFrame(record.step, var, count, index) for index in range(count)]
        return [Ready(target, (record,), (*record.foreach, frame)) for frame in frames]

    def _next(self, record: TaskRecord, target: str) -> Ready | None:
        """A task of a next step; None if that is a join which waits for more."""
        if not self.graph[target].is_join:
            return Ready(target, (record,), record.foreach)
        top = self.graph.frames[record.step][-1]
        if top.kind == "foreach":
            outer, position, expected = record.foreach[:-1], record.foreach[-1].index, record.foreach[-1].num_splits
        else:
            targets = self.graph[top.split].targets
            outer, position, expected = record.foreach, targets.index(top.branch), len(targets)
        key = (target, tuple(frame.index for frame in outer))
        waiting = self._joins.setdefault(key, _Waiting(expected, outer))
        waiting.arrived[position] = record
        if len(waiting.arrived) < waiting.expected:
            return None
        del self._joins[key]
        return Ready(target, tuple(waiting.arrived[position] for position in sorted(waiting.arrived)), outer)
