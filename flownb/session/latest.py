"""Which tasks are a step's latest results.

Takes a datastore and a flow's name; gives task records in foreach order. The latest result is the newest complete one,
in the notebook's working run or in any run, whichever ended last.
"""

from __future__ import annotations

from collections.abc import Sequence

from flownb.store.datastore import Datastore, Execution
from flownb.store.records import RunRecord, TaskRecord

__all__ = ["LatestResults"]


class LatestResults:
    """Results of one flow.

    Parameters
    ----------
    datastore : Datastore
    flow : str
    work : str or None
        Id of the notebook's working run.
    only : str or None
        Look in this run alone.
    """

    def __init__(self, datastore: Datastore, flow: str, *, work: str | None = None, only: str | None = None) -> None:
        self.datastore = datastore
        self.flow = flow
        self.work = work
        self.only = only
        self._executions: dict[str, list[Execution]] = {}
        self._records: dict[str, RunRecord | None] = {}

    def add(self, run: str, execution: Execution) -> None:
        """Note an execution of a step in a working run, without reading it back."""
        self.executions(run).append(execution)

    def executions(self, run: str) -> list[Execution]:
        """Executions of a working run, oldest first, read once."""
        if run not in self._executions:
            self._executions[run] = list(self.datastore.executions(self.flow, run))
        return self._executions[run]

    def latest(self, step: str) -> tuple[TaskRecord, ...]:
        """The newest complete and successful results of a step; none when there are none."""
        found: tuple[TaskRecord, ...] = ()
        for run in self._runs():
            if found and self._is_older(run, found):
                break
            tasks = self.in_run(run, step)
            if tasks and (not found or tasks[-1].finished > found[-1].finished):
                found = tasks
        return found

    def attempted(self, step: str) -> tuple[TaskRecord, ...]:
        """Like `latest`, but a newer failed execution in the working run outranks a success."""
        found = self.latest(step)
        if self.work is None:
            return found
        for execution in reversed(self.executions(self.work)):
            if execution.step == step:
                tasks = self._tasks(self.work, step, execution.tasks)
                if tasks and execution.status != "done" and (not found or tasks[-1].finished > found[-1].finished):
                    return tasks
                break
        return found

    def in_run(self, run: str, step: str) -> tuple[TaskRecord, ...]:
        """The complete and successful results of a step in one run, in foreach order."""
        record = self._record(run)
        if record is None:
            return ()
        if record.kind == "work":
            for execution in reversed(self.executions(run)):
                if execution.step == step and execution.status == "done":
                    return self._tasks(run, step, execution.tasks)
            return ()
        tasks = tuple(sorted(self.datastore.tasks(self.flow, run, step), key=_position))
        if not tasks or any(task.status != "done" for task in tasks):
            return ()
        end = self.datastore.run_end(self.flow, run)
        return tasks if (end is not None and end.status == "done") or _complete(tasks) else ()

    def parents_of(self, task: TaskRecord) -> list[TaskRecord]:
        """The tasks a task started from."""
        found = []
        for parent in task.parents:
            run, step, name = parent.split("/")
            record = self.datastore.task(task.flow, run, step, name)
            if record is not None:
                found.append(record)
        return found

    def _tasks(self, run: str, step: str, ids: Sequence[str]) -> tuple[TaskRecord, ...]:
        found = (self.datastore.task(self.flow, run, step, task) for task in ids)
        return tuple(task for task in found if task is not None)

    def _runs(self) -> list[str]:
        """Runs to look in: the working run first, then from new to old."""
        if self.only is not None:
            return [self.only]
        runs = [run for run in self.datastore.run_ids(self.flow) if run != self.work]
        return [self.work, *runs] if self.work else runs

    def _is_older(self, run: str, found: tuple[TaskRecord, ...]) -> bool:
        """Whether nothing in `run` can be newer: a run of a whole flow that ended before `found` did."""
        if run == self.work:
            return False
        record = self._record(run)
        if record is None or record.kind == "work":
            return False
        end = self.datastore.run_end(self.flow, run)
        return end is not None and end.finished < found[-1].finished

    def _record(self, run: str) -> RunRecord | None:
        """A run's record, read once."""
        if run not in self._records:
            try:
                self._records[run] = self.datastore.run(self.flow, run)
            except Exception:
                self._records[run] = None
        return self._records[run]


def _position(task: TaskRecord) -> tuple[tuple[int, ...], int]:
    return tuple(frame.index for frame in task.foreach), int(task.task) if task.task.isdigit() else 0


def _complete(tasks: Sequence[TaskRecord]) -> bool:
    """Whether a step's tasks are all that its foreachs asked for."""
    if not tasks[0].foreach:
        return True
    groups: dict[tuple[int, ...], int] = {}
    for task in tasks:
        outer = tuple(frame.index for frame in task.foreach[:-1])
        groups[outer] = groups.get(outer, 0) + 1
    expected = {tuple(f.index for f in task.foreach[:-1]): task.foreach[-1].num_splits for task in tasks}
    return groups == expected
