"""Which tasks are a step's latest results.

Takes a datastore and a flow's name; gives task records in foreach order. The latest result is the newest complete one,
in the notebook's working run or in any run: of the step that was executed, or the run that was started, last.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from flownb.errors import MissingResults, NotFound, StoreError
from flownb.store.datastore import Datastore
from flownb.store.records import Execution, ForeachFrame, RunEnd, RunRecord, TaskRecord

__all__ = ["LatestResults", "is_complete", "no_task"]


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
        self._executions: dict[str, tuple[object, list[Execution]]] = {}
        self._records: dict[str, RunRecord | None] = {}
        self._ends: dict[str, RunEnd] = {}
        self._chosen: dict[str, dict[str, RunRecord]] = {}

    def executions(self, run: str) -> list[Execution]:
        """Executions of a working run, oldest first; read again when another kernel added one."""
        stamp = self.datastore.executions_stamp(self.flow, run)
        known = self._executions.get(run)
        if known is None or known[0] != stamp:
            known = self._executions[run] = (stamp, list(self.datastore.executions(self.flow, run)))
        return known[1]

    def latest(self, step: str) -> tuple[TaskRecord, ...]:
        """The newest complete and successful results of a step; none when there are none."""
        found: tuple[TaskRecord, ...] = ()
        for run in self._runs():
            if not (found and self._is_older(run, found)):
                found = self._newer(found, self.in_run(run, step))
        return found

    def attempted(self, step: str) -> tuple[TaskRecord, ...]:
        """Like `latest`, but a newer attempt that failed outranks a success."""
        found = self.latest(step)
        for run in self._runs():
            if not (found and self._is_older(run, found)):
                found = self._newer(found, self._failed_in_run(run, step))
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
        tasks = self._all_tasks(run, step)
        if not tasks or any(task.status != "done" for task in tasks):
            return ()
        end = self._end(run)
        return tasks if (end is not None and end.status == "done") or is_complete(tasks) else ()

    def notebook_of(self, task: TaskRecord) -> str:
        """File name of the notebook a task was recorded from, empty when it is not known."""
        record = self._record(task.run)
        return record.notebook if record else ""

    def chosen(self, task: TaskRecord) -> dict[str, RunRecord]:
        """The parameters of a task whose values were given for a run, here or where its inputs come from.

        Returns
        -------
        dict of str to RunRecord
            By name, the run that they were given for.
        """
        known = self._chosen.get(task.place)
        if known is None:
            known = {}
            record = self._record(task.run)
            if record is not None and record.kind == "run":
                known = {name: record for name in record.chosen if name in task.artifacts}
            elif record is not None:
                with contextlib.suppress(MissingResults):
                    for parent in self.parents_of(task):
                        for name, run in self.chosen(parent).items():
                            one, other = task.artifacts.get(name), parent.artifacts.get(name)
                            if one is not None and other is not None and one.key == other.key:
                                known[name] = run
            self._chosen[task.place] = known
        return known

    def _failed_in_run(self, run: str, step: str) -> tuple[TaskRecord, ...]:
        """The tasks of a step in one run if the last attempt there failed."""
        record = self._record(run)
        if record is None:
            return ()
        if record.kind == "work":
            last = next((one for one in reversed(self.executions(run)) if one.step == step), None)
            return self._tasks(run, step, last.tasks) if last is not None and last.status != "done" else ()
        tasks = self._all_tasks(run, step)
        return tasks if any(task.status != "done" for task in tasks) else ()

    def _all_tasks(self, run: str, step: str) -> tuple[TaskRecord, ...]:
        """A step's recorded tasks in foreach order; a damaged manifest makes them none."""
        try:
            return tuple(sorted(self.datastore.tasks(self.flow, run, step), key=_position))
        except StoreError:
            return ()

    def parents_of(self, task: TaskRecord) -> list[TaskRecord]:
        """The tasks a task started from."""
        found = []
        for parent in task.parents:
            run, step, name = parent.split("/")
            record = self.datastore.task(task.flow, run, step, name)
            if record is None:
                raise MissingResults(
                    f"Task {task.pathspec} started from {task.flow}/{parent}, which is gone.",
                    "A task runs on what its parents persisted.",
                    f"Run {step} again, or name another task.",
                )
            found.append(record)
        return found

    def _tasks(self, run: str, step: str, ids: Sequence[str]) -> tuple[TaskRecord, ...]:
        try:
            found = [self.datastore.task(self.flow, run, step, task) for task in ids]
        except StoreError:
            return ()
        return tuple(task for task in found if task is not None)

    def _runs(self) -> list[str]:
        """Runs to look in: the working run first, then from new to old."""
        if self.only is not None:
            return [self.only]
        runs = [run for run in self.datastore.run_ids(self.flow) if run != self.work]
        return [self.work, *runs] if self.work else runs

    def _is_older(self, run: str, found: tuple[TaskRecord, ...]) -> bool:
        """Whether nothing in `run` can be newer: a run of a whole flow that was started before `found` came to be."""
        if run == self.work:
            return False
        record = self._record(run)
        if record is None or record.kind == "work":
            return False
        return record.started < self._when(found)

    def _newer(self, found: tuple[TaskRecord, ...], other: tuple[TaskRecord, ...]) -> tuple[TaskRecord, ...]:
        """Of two results the newer one."""
        if not other or (found and self._when(found) >= self._when(other)):
            return found
        return other

    def _when(self, tasks: tuple[TaskRecord, ...]) -> float:
        """When a result came to be: that of a run with the run, whose code it was made by however long that went on."""
        record = self._record(tasks[0].run)
        if record is not None and record.kind == "run":
            return record.started
        return max(task.finished for task in tasks)

    def _record(self, run: str) -> RunRecord | None:
        """A run's record, read once; None when it was removed or is damaged."""
        if run not in self._records:
            try:
                self._records[run] = self.datastore.run(self.flow, run)
            except NotFound:
                self._records[run] = None
            except StoreError:
                return None
        return self._records[run]

    def _end(self, run: str) -> RunEnd | None:
        """How a run ended, read once, for it does not change; None while it runs."""
        if run not in self._ends:
            end = self.datastore.run_end(self.flow, run)
            if end is None:
                return None
            self._ends[run] = end
        return self._ends[run]


def no_task(datastore: Datastore, flow: str, run: str, step: str, task: str) -> NotFound:
    """That a step of a run has no finished task of an id, and which it has."""
    ids = ", ".join(datastore.task_ids(flow, run, step)) or "none"
    return NotFound(
        f"There is no finished task {flow}/{run}/{step}/{task}.",
        f"The tasks of that step are: {ids}.",
        "Name one of these, or the run alone.",
    )


def _position(task: TaskRecord) -> tuple[tuple[int, ...], int]:
    return tuple(frame.index for frame in task.foreach), int(task.task) if task.task.isdigit() else 0


def is_complete(tasks: Sequence[TaskRecord]) -> bool:
    """Whether a step's tasks are all that its foreachs asked for, at every level."""
    return _all_there([task.foreach for task in tasks])


def _all_there(stacks: Sequence[tuple[ForeachFrame, ...]]) -> bool:
    """Whether foreach stacks have every index at their first level, and so on below each."""
    if not stacks[0]:
        return True
    below: dict[int, list[tuple[ForeachFrame, ...]]] = {}
    for stack in stacks:
        below.setdefault(stack[0].index, []).append(stack[1:])
    whole = set(below) == set(range(stacks[0][0].num_splits))
    return whole and all(_all_there(rest) for rest in below.values())
