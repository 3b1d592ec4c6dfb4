"""The tasks of a datastore's runs: their ids, the records of their attempts, and the executions of working runs."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flownb.pathspec import safe_name
from flownb.store.artifacts import ArtifactStore
from flownb.store.manifests import Manifests, file_number, run_folder, step_folder
from flownb.store.records import ArtifactRef, Claim, Execution, TaskRecord
from flownb.store.runs import RunStore
from flownb.store.validation import is_id

if TYPE_CHECKING:
    from flownb.store.index import Index

__all__ = ["TaskStore"]


class TaskStore:
    """Tasks of runs in one place.

    Parameters
    ----------
    manifests : Manifests
    artifacts : ArtifactStore
        Where the artifacts of the tasks are kept.
    runs : RunStore
        The runs they belong to.
    index : callable
        Gives the index that is notified of every attempt.
    """

    def __init__(
        self, manifests: Manifests, artifacts: ArtifactStore, runs: RunStore, index: Callable[[], Index]
    ) -> None:
        self._manifests = manifests
        self._storage = manifests.storage
        self._artifacts = artifacts
        self._runs = runs
        self._index = index
        self._tasks: dict[tuple[str, ...], TaskRecord] = {}
        self._executions: dict[str, Execution] = {}
        self._next_task: dict[tuple[str, str], int] = {}

    def new_task(
        self,
        flow: str,
        run: str,
        step: str,
        *,
        parents: Iterable[TaskRecord] = (),
        given: Iterable[ArtifactRef] = (),
    ) -> str:
        """Take the next free task id of a run.

        Parameters
        ----------
        flow, run, step : str
        parents : iterable of TaskRecord
        given : iterable of ArtifactRef
            What the task starts from: `flownb gc` keeps it until the task is recorded.

        Raises
        ------
        NotFound
            If the run of a parent was removed meanwhile.
        """
        number = self._next_task.get((flow, run))
        if self._runs.is_own(flow, run):  # nobody else adds tasks to it
            self._next_task[flow, run] = (number or 1) + 1
            return str(number or 1)
        folder = run_folder(flow, run)
        if number is None:
            taken = [name.removesuffix(".json") for name in self._storage.files(f"{folder}/ids")]
            taken += [task for name in self.steps(flow, run) for task in self.task_ids(flow, run, name)]
            number = max((int(task) for task in taken if task.isdecimal()), default=0) + 1
        started_from = list(parents)
        names = tuple(parent.place for parent in started_from)
        needs = tuple(ref.blob[0] for ref in given if ref.blob)
        claim = Claim(safe_name(step), names, needs, time.time(), secrets.token_hex(8))
        while not self._manifests.create(f"{folder}/ids/{number}.json", claim):
            number += 1
        self._next_task[flow, run] = number + 1
        for other in {parent.run for parent in started_from if parent.run and parent.run != run}:
            self._runs.run(flow, other)
        return str(number)

    def claims(self, flow: str, run: str, *, without: Container[str] = ()) -> dict[str, Claim | None]:
        """Task ids that were taken in a working run, but for those of `without`; None for a claim that is damaged."""
        folder = f"{run_folder(flow, run)}/ids"
        names = [name for name in self._storage.files(folder) if name.removesuffix(".json") not in without]
        claims = self._manifests.read_many(Claim, [f"{folder}/{name}" for name in names])
        return {name.removesuffix(".json"): claim for name, claim in zip(names, claims, strict=True)}

    def steps(self, flow: str, run: str) -> list[str]:
        """Names of the steps that have recorded tasks in a run, sorted."""
        return self._storage.folders(f"{run_folder(flow, run)}/steps")

    def task_ids(self, flow: str, run: str, step: str) -> list[str]:
        """Ids of a step's recorded tasks, oldest first."""
        return sorted(self._storage.folders(step_folder(flow, run, step)), key=_numeric)

    def write_task(self, record: TaskRecord, *, made: Container[str] | None = None, index: bool = True) -> None:
        """Record an attempt that has ended, once all its artifacts are kept.

        Parameters
        ----------
        record : TaskRecord
        made : container of str, optional
            Names of the artifacts that the task made or read: these must exist. None means all of them. What the task
            only passes on is its parents' concern.
        index : bool, default True
            Whether to notify the index; a worker leaves that to the process that drives the run, see `adopt_task`.

        Raises
        ------
        StoreError
            If an artifact is gone, the run was removed, or the datastore cannot be written.
        """
        self._artifacts.settle()
        wanted = [ref for name, ref in record.artifacts.items() if made is None or name in made]
        self._artifacts.require(wanted, f"Task {record.pathspec} cannot be recorded")
        self._runs.require_run(record.flow, record.run)
        self._manifests.prepare()
        folder = f"{step_folder(record.flow, record.run, record.step)}/{safe_name(record.task)}"
        self._manifests.write(f"{folder}/{record.attempt}.json", record)
        self._runs.count_attempt(record.flow, record.run)
        if index:
            self._index().task_ended(record)

    def adopt_task(self, record: TaskRecord) -> None:
        """Count an attempt that a worker recorded in a run of this process, and notify the index."""
        self._runs.count_attempt(record.flow, record.run)
        self._index().task_ended(record)

    def last_attempt(self, flow: str, run: str, step: str, task: str) -> TaskRecord | None:
        """The last attempt of a task, None while none has ended."""
        cached = self._tasks.get((flow, run, step, task))
        if cached is not None and cached.status == "done":
            return cached
        folder = f"{step_folder(flow, run, step)}/{safe_name(task)}"
        attempts = [name for name in self._storage.files(folder) if name.endswith(".json")]
        record = self._manifests.read(TaskRecord, f"{folder}/{max(attempts, key=file_number)}") if attempts else None
        if record is not None:
            self._tasks[flow, run, step, task] = record
        return record

    def last_attempts(self, flow: str, run: str, step: str) -> list[TaskRecord]:
        """The last attempts of a step's tasks, oldest first.

        Raises
        ------
        StoreError
            If one of them is damaged.
        """
        prefix = step_folder(flow, run, step)
        last: dict[str, str] = {}
        for entry in self._storage.entries(prefix):
            task, _, name = entry.name.removeprefix(f"{prefix}/").partition("/")
            if name.endswith(".json") and (task not in last or file_number(name) > file_number(last[task])):
                last[task] = name
        ids = sorted(last, key=_numeric)
        known = {task: self._tasks.get((flow, run, step, task)) for task in ids}
        unread = [task for task, record in known.items() if record is None or record.status != "done"]
        names = [f"{prefix}/{task}/{last[task]}" for task in unread]
        for task, name, text in zip(unread, names, self._storage.read_many(names), strict=True):
            if text is not None:
                self._tasks[flow, run, step, task] = self._manifests.parse(TaskRecord, name, text)
        found = (self._tasks.get((flow, run, step, task)) for task in ids)
        return [record for record in found if record is not None]

    def remove_task(self, task: TaskRecord) -> None:
        """Remove a task with all its attempts; its id is not used again."""
        folder = f"{step_folder(task.flow, task.run, task.step)}/{safe_name(task.task)}"
        self._storage.delete([f"{folder}/{name}" for name in self._storage.files(folder)])
        self._tasks.pop((task.flow, task.run, task.step, task.task), None)

    def forget_run(self, flow: str, run: str) -> None:
        """Forget what was read of a run's tasks, once the run was removed."""
        self._tasks = {place: task for place, task in self._tasks.items() if place[:2] != (flow, run)}

    def attempts(self, flow: str, run: str) -> Iterator[tuple[str, TaskRecord | None]]:
        """All recorded attempts of all tasks of a run with the names of their files, in no order; None if damaged."""
        prefix = f"{run_folder(flow, run)}/steps"
        names = [entry.name for entry in self._storage.entries(prefix) if entry.name.endswith(".json")]
        for start in range(0, len(names), 1000):
            some = names[start : start + 1000]
            for name, text in zip(some, self._storage.read_many(some), strict=True):
                if text is not None:
                    yield name, self._manifests.parse_or_none(TaskRecord, name, text)

    def task_names(self, flow: str, run: str) -> Iterator[tuple[str, str, int]]:
        """Step, task and attempt of each attempt that has ended, in no order."""
        prefix = f"{run_folder(flow, run)}/steps"
        for entry in self._storage.entries(prefix):
            parts = entry.name.removeprefix(f"{prefix}/").split("/")
            if len(parts) == 3 and is_id(parts[1]) and 0 <= file_number(parts[2]) < 1 << 31:
                yield parts[0], parts[1], file_number(parts[2])

    def task_records(self, flow: str, run: str, names: Sequence[tuple[str, str, int]]) -> list[TaskRecord | None]:
        """Records of attempts, in the order asked for; None for one that is not there or damaged."""
        prefix = f"{run_folder(flow, run)}/steps"
        return self._manifests.read_many(
            TaskRecord, [f"{prefix}/{step}/{task}/{attempt}.json" for step, task, attempt in names]
        )

    def add_execution(self, flow: str, run: str, execution: Execution) -> None:
        """Record which tasks are now the latest results of a step in a working run."""
        self._runs.require_run(flow, run)
        folder = f"{run_folder(flow, run)}/executions"
        number = max((file_number(name) for name in self._storage.files(folder)), default=0) + 1
        execution = replace(execution, nonce=secrets.token_hex(8))
        while not self._manifests.create(f"{folder}/{number:06d}.json", execution):
            number += 1

    def executions(self, flow: str, run: str) -> Iterator[Execution]:
        """Executions of a working run, oldest first; damaged ones are ignored."""
        return (execution for _, execution in self.numbered_executions(flow, run))

    def numbered_executions(self, flow: str, run: str) -> Iterator[tuple[str, Execution]]:
        """Executions of a working run with the names of their files, oldest first."""
        folder = f"{run_folder(flow, run)}/executions"
        names = [f"{folder}/{name}" for name in sorted(self._storage.files(folder), key=file_number)]
        unread = [name for name in names if name not in self._executions]
        for name, execution in zip(unread, self._manifests.read_many(Execution, unread), strict=True):
            if execution is not None:
                self._executions[name] = execution
        return ((name, self._executions[name]) for name in names if name in self._executions)

    def executions_stamp(self, flow: str, run: str) -> object:
        """Something that differs when an execution was added."""
        return self._storage.stamp(f"{run_folder(flow, run)}/executions")


def _numeric(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (1 << 60, name)
