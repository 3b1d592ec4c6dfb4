"""Which tasks are a step's latest results.

The latest result is the newest complete one,
in the notebook's working run or in a run of this notebook: of the step that was executed, or the run that was started,
last. What other notebooks and other users recorded is not looked at, unless the notebook uses a run of theirs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    before : tuple of str
        Working runs that it continues.
    uses : str
        Id of a run whose results count where there are no newer ones; empty for none.
    used_since : float
        When that began: its results are as new as that. Seconds since the epoch, UTC.
    notebook : (str, str), optional
        The notebook's id and the user, whose runs of the whole flow count too.
    old_name : str or None
        The notebook's name if runs that an older version recorded under it count too.
    reads_old : bool
        Whether those count that the notebook's working runs under another id counted.
    only : str or None
        Look in this run alone.

    Attributes
    ----------
    seen_up_to : int
        The flow's highest run id when the working run was looked for.
    """

    def __init__(
        self,
        datastore: Datastore,
        flow: str,
        *,
        work: str | None = None,
        before: tuple[str, ...] = (),
        uses: str = "",
        used_since: float = 0.0,
        notebook: tuple[str, str] | None = None,
        old_name: str | None = None,
        reads_old: bool = False,
        only: str | None = None,
    ) -> None:
        self.datastore = datastore
        self.flow = flow
        self.work = work
        self.before = before
        self.uses = uses
        self.used_since = used_since
        self.only = only
        self._notebook = notebook
        self._old_name = old_name
        self._reads_old = reads_old
        self._own: dict[str, list[str]] = {}
        self._looked_up_to = 0
        self.seen_up_to = 0
        self._executions: dict[str, tuple[object, list[Execution]]] = {}
        # By run, the executions that were looked through, and of each step the last one that ended well.
        self._done: dict[str, tuple[list[Execution], dict[str, Execution]]] = {}
        self._records: dict[str, RunRecord | None] = {}
        self._ends: dict[str, RunEnd] = {}
        self._chosen: dict[str, dict[str, RunRecord]] = {}

    def executions(self, run: str) -> list[Execution]:
        """Executions of a working run, oldest first; read again when another kernel added one."""
        stamp = self.datastore.tasks.executions_stamp(self.flow, run)
        known = self._executions.get(run)
        if known is None or known[0] != stamp:
            known = self._executions[run] = (stamp, list(self.datastore.tasks.executions(self.flow, run)))
        return known[1]

    def latest(self, step: str, *, runs: Sequence[str] | None = None) -> tuple[TaskRecord, ...]:
        """The newest complete and successful results of a step; none when there are none.

        `runs` is what `runs` returned, for callers that ask for many steps at one moment.
        """
        found: tuple[TaskRecord, ...] = ()
        for run in self.runs() if runs is None else runs:
            if not (found and self._is_older(run, found)):
                found = self._newer(found, self.in_run(run, step))
        return found

    def attempted(self, step: str, *, runs: Sequence[str] | None = None) -> tuple[TaskRecord, ...]:
        """Like `latest`, but a newer attempt that failed outranks a success."""
        runs = self.runs() if runs is None else runs
        found = self.latest(step, runs=runs)
        for run in runs:
            if not (found and self._is_older(run, found)):
                found = self._newer(found, self._failed_in_run(run, step))
        return found

    def in_run(self, run: str, step: str) -> tuple[TaskRecord, ...]:
        """The complete and successful results of a step in one run, in foreach order."""
        record = self._record(run)
        if record is None:
            return ()
        if record.kind == "work":
            last = self._last_done(run).get(step)
            return self._tasks(run, step, last.tasks) if last is not None else ()
        tasks = self._all_tasks(run, step)
        if not tasks or any(task.status != "done" for task in tasks):
            return ()
        end = self._end(run)
        return tasks if (end is not None and end.status == "done") or is_complete(tasks) else ()

    def _last_done(self, run: str) -> Mapping[str, Execution]:
        """The last execution of each step of a working run that ended well."""
        executions = self.executions(run)
        known = self._done.get(run)
        if known is None or known[0] is not executions:
            done = {one.step: one for one in executions if one.status == "done"}
            known = self._done[run] = (executions, done)
        return known[1]

    def own_runs(self) -> list[str]:
        """Ids of the notebook's runs of the whole flow, newest first; read again when there are more runs."""
        if self._notebook is None:
            return []
        notebook_id, user = self._notebook
        last = self.datastore.runs.last_run(self.flow)
        ids = {notebook_id, *(one.notebook_id for one in self._records_of(self.working_runs()) if one.notebook_id)}
        if last != self._looked_up_to or not ids <= self._own.keys():
            looked = {one: list(self._runs_of(one, user)) for one in sorted(ids)}
            names = set() if self._old_name is None else {self._old_name}
            if self._reads_old:
                chain = self._records_of(self.working_runs())
                names |= {one.notebook for one in chain if one.notebook_id != notebook_id}
            looked[""] = [run for name in names for run in self._runs_of("", user, name=name)]
            self._own, self._looked_up_to = looked, last
        return sorted({run for runs in self._own.values() for run in runs}, key=int, reverse=True)

    def is_used(self, task: TaskRecord) -> bool:
        """Whether a task is of the run that the notebook uses, or of a working run that it continues."""
        return bool(self.uses) and task.run in self._used_runs()

    def _runs_of(self, notebook_id: str, user: str, *, name: str | None = None) -> Iterator[str]:
        """Runs of the whole flow that one notebook started."""
        before: str | None = None
        while rows := self.datastore.index.runs(self.flow, user=user, notebook_id=notebook_id, before=before):
            yield from (row.run for row in rows if name in (None, row.notebook))
            before = rows[-1].run

    def working_runs(self) -> list[str]:
        """The working run, and those it continues."""
        return self._with_those_before([self.work] if self.work else self.before)

    def _used_runs(self) -> list[str]:
        """The run that the notebook uses, and, if that is a working run, those it continues."""
        return self._with_those_before([self.uses] if self.uses else [])

    def _with_those_before(self, runs: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        waiting = list(runs)
        while waiting:
            run = waiting.pop(0)
            if run not in found:
                found[run] = None
                waiting += [before for one in self._records_of([run]) for before in one.continues]
        return list(found)

    def _records_of(self, runs: Iterable[str]) -> list[RunRecord]:
        return [record for run in runs if (record := self._record(run)) is not None]

    def chosen(self, task: TaskRecord) -> dict[str, RunRecord]:
        """The parameters of a task whose values were given for a run, here or where its inputs come from.

        Returns
        -------
        dict of str to RunRecord
            By name, the run that they were given for.
        """
        known = self._chosen.get(task.place)
        if known is None:
            known = self._chosen[task.place] = {}  # damaged records may name each other
            record = self._record(task.run)
            if record is not None and record.kind == "run":
                known |= {name: record for name in record.chosen if name in task.artifacts}
            elif record is not None:
                with contextlib.suppress(MissingResults):
                    for parent in self.parents_of(task):
                        for name, run in self.chosen(parent).items():
                            one, other = task.artifacts.get(name), parent.artifacts.get(name)
                            if one is not None and other is not None and one.key == other.key:
                                known[name] = run
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
            return tuple(sorted(self.datastore.tasks.last_attempts(self.flow, run, step), key=_position))
        except StoreError:
            return ()

    def parents_of(self, task: TaskRecord) -> list[TaskRecord]:
        """The tasks a task started from."""
        found = []
        for parent in task.parents:
            run, step, name = parent.split("/")
            record = self.datastore.tasks.last_attempt(task.flow, run, step, name)
            if record is None:
                raise MissingResults(
                    f"Task {task.pathspec} started from {task.flow}/{parent}, which was removed.",
                    "A task runs on what its parents persisted.",
                    f"Run {step} again, or name another task.",
                )
            found.append(record)
        return found

    def _tasks(self, run: str, step: str, ids: Sequence[str]) -> tuple[TaskRecord, ...]:
        try:
            found = [self.datastore.tasks.last_attempt(self.flow, run, step, task) for task in ids]
        except StoreError:
            return ()
        return tuple(task for task in found if task is not None)

    def runs(self) -> list[str]:
        """Runs to look in: the working run first, then the notebook's own from new to old, then what it uses."""
        if self.only is not None:
            return self._with_those_before([self.only])
        return list(dict.fromkeys([*self.working_runs(), *self.own_runs(), *self._used_runs()]))

    def _is_older(self, run: str, found: tuple[TaskRecord, ...]) -> bool:
        """Whether nothing in `run` can be newer: a run of a whole flow that was started before `found` came to be."""
        if run == self.work:
            return False
        record = self._record(run)
        if record is None or record.kind == "work" or (self.uses and run in self._used_runs()):
            return False
        return record.started < self._when(found)

    def _newer(self, found: tuple[TaskRecord, ...], other: tuple[TaskRecord, ...]) -> tuple[TaskRecord, ...]:
        """Of two results the newer one."""
        if not other or (found and self._when(found) >= self._when(other)):
            return found
        return other

    def _when(self, tasks: tuple[TaskRecord, ...]) -> float:
        """When a result came to be: that of a run with the run, whose code it was made by, however long it took.

        What the notebook uses is as new as that it uses it: only what was recorded here since then is newer.
        """
        record = self._record(tasks[0].run)
        ended = max(task.finished for task in tasks)
        when = record.started if record is not None and record.kind == "run" else ended
        return max(when, self.used_since) if self.is_used(tasks[0]) else when

    def _record(self, run: str) -> RunRecord | None:
        """A run's record, read once; None when it was removed or is damaged."""
        if run not in self._records:
            try:
                self._records[run] = self.datastore.runs.run(self.flow, run)
            except NotFound:
                self._records[run] = None
            except StoreError:
                return None
        return self._records[run]

    def _end(self, run: str) -> RunEnd | None:
        """How a run ended, read once, for it does not change; None while it runs."""
        if run not in self._ends:
            end = self.datastore.runs.run_end(self.flow, run)
            if end is None:
                return None
            self._ends[run] = end
        return self._ends[run]


def no_task(datastore: Datastore, flow: str, run: str, step: str, task: str) -> NotFound:
    """The error that a step of a run has no finished task of an id, and which it has."""
    ids = ", ".join(datastore.tasks.task_ids(flow, run, step)) or "none"
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
