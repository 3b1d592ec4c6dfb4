"""A whole flow: which task can run next, until none is left.

Takes a `Program` with a complete graph and an `Executor`; gives the tasks of a run in the order they ended. Joins wait
for all branches of their split, or all tasks of their foreach.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from flownb.errors import ForeachError
from flownb.runtime.events import Event, task_ended, task_started
from flownb.runtime.executor import Executor
from flownb.runtime.program import Program
from flownb.runtime.task import TaskResult, TaskSpec
from flownb.store.records import ArtifactRef, ForeachFrame, TaskRecord

__all__ = ["MAX_NUM_SPLITS", "Scheduler"]

# Metaflow's own default of --max-num-splits.
MAX_NUM_SPLITS = 100


@dataclass
class _Waiting:
    """The tasks that arrived at a join, by branch or index, and how many it waits for."""

    expected: int
    frames: tuple[ForeachFrame, ...]
    arrived: dict[int, TaskRecord] = field(default_factory=dict)


class Scheduler:
    """Runs a flow's tasks in dependency order.

    Parameters
    ----------
    program : Program
        With a complete graph.
    executor : Executor
    run : str
        The run's id.
    new_task : callable
        Gives the next task id for a step.
    given : mapping of str to ArtifactRef
        Parameters and constants.
    emit : callable
        Told of each task as it starts and ends.
    tags : tuple of str
    max_num_splits : int
        Largest number of items of a foreach, as a guard against mistakes.
    """

    def __init__(
        self,
        program: Program,
        executor: Executor,
        *,
        run: str,
        new_task: Callable[[str], str],
        given: Mapping[str, ArtifactRef],
        emit: Callable[[Event], None],
        tags: tuple[str, ...] = (),
        max_num_splits: int = MAX_NUM_SPLITS,
    ) -> None:
        self.program = program
        self.executor = executor
        self.run_id = run
        self.new_task = new_task
        self.given = given
        self.emit = emit
        self.tags = tags
        self.max_num_splits = max_num_splits
        self._ready: deque[tuple[str, tuple[TaskRecord, ...], tuple[ForeachFrame, ...]]] = deque()
        self._joins: dict[tuple[str, tuple[int, ...]], _Waiting] = {}

    def run(self) -> TaskResult | None:
        """Run all tasks.

        Returns
        -------
        TaskResult or None
            The first that failed, after which no more are started; None when all is done.
        """
        entry = self.program.graph.entry
        assert entry is not None
        self._ready.append((entry, (), ()))
        running: set[Future[TaskResult]] = set()
        failed: TaskResult | None = None
        while running or (self._ready and failed is None):
            while self._ready and failed is None and len(running) < self.executor.slots:
                step, parents, frames = self._ready.popleft()
                spec = TaskSpec(step, self.run_id, self.new_task(step), parents, frames, self.given, tags=self.tags)
                self.emit(task_started(self.program.flow.name, spec, "run"))
                running.add(self.executor.submit(spec))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                self.emit(task_ended(result, "run"))
                if result.error is not None:
                    failed = failed or result
                elif failed is None:
                    self._follow(result)
        return failed

    def _follow(self, result: TaskResult) -> None:
        """Make ready what a finished task leads to."""
        record = result.record
        frames = record.foreach
        if result.foreach is not None:
            var, count = result.foreach
            if count > self.max_num_splits:
                raise ForeachError(
                    f"Step {record.step} starts a foreach over `{var}` with {count} items.",
                    f"The limit is {self.max_num_splits}, as a guard against mistakes.",
                    f"Run with --max-num-splits {count} if that is what you want.",
                )
            (target,) = record.chosen
            for index in range(count):
                self._ready.append((target, (record,), (*frames, ForeachFrame(record.step, var, count, index))))
            return
        for target in record.chosen:
            if self.program.graph[target].is_join:
                self._arrive(target, record)
            else:
                self._ready.append((target, (record,), frames))

    def _arrive(self, join: str, record: TaskRecord) -> None:
        """Hand a task to a join, which becomes ready with its last one."""
        graph = self.program.graph
        top = graph.frames[record.step][-1]
        if top.kind == "foreach":
            outer, position, expected = record.foreach[:-1], record.foreach[-1].index, record.foreach[-1].num_splits
        else:
            targets = graph[top.split].targets
            outer, position, expected = record.foreach, targets.index(top.branch), len(targets)
        key = (join, tuple(frame.index for frame in outer))
        waiting = self._joins.setdefault(key, _Waiting(expected, outer))
        waiting.arrived[position] = record
        if len(waiting.arrived) == waiting.expected:
            del self._joins[key]
            tasks = tuple(waiting.arrived[position] for position in sorted(waiting.arrived))
            self._ready.append((join, tasks, outer))
