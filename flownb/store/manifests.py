"""The datastore's manifests: small immutable files that say which runs and tasks there are.

Takes and gives records (`flownb.store.records`). Layout below the root, the same in a folder and in a bucket::

    store.json                              format version, and what tells this store from others
    flows/FLOW/RUN/run.json                 RunRecord, whose creation takes the id; stays when the run is removed
    flows/FLOW/RUN/end.json                 RunEnd
    flows/FLOW/RUN/heartbeat.json           rewritten while the run goes on; only when it was written counts
    flows/FLOW/RUN/ids/TASK.json            working runs: Claim, a taken task id
    flows/FLOW/RUN/steps/STEP/TASK/ATTEMPT.json
                                            TaskRecord, written once when the attempt has ended
    flows/FLOW/RUN/logs/…                   what attempts wrote and displayed, see `flownb.store.logs`
    flows/FLOW/RUN/executions/N.json        working runs: Execution, which tasks are a step's latest results
    flows/FLOW/RUN/tags/N.json              TagChange, in the order of their numbers
    flows/FLOW/changes/N.json               runs that were removed, restored or tagged anew, for indexes elsewhere

Every file appears whole or not at all, and what it refers to is there before it. A process that dies at any point
leaves a store in which everything that was recorded can be read.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace

from flownb.errors import NotFound, StoreError
from flownb.pathspec import safe_name
from flownb.store.liveness import SILENT_SECONDS, Liveness
from flownb.store.manifest_files import UNREADABLE, ManifestFiles
from flownb.store.records import (
    ArtifactRef,
    Claim,
    Execution,
    RunEnd,
    RunRecord,
    RunStatus,
    TagChange,
    TaskRecord,
    seal,
    to_json,
)
from flownb.store.storage import Storage
from flownb.store.validation import is_id

__all__ = ["ManifestStore"]


class ManifestStore(ManifestFiles):
    """Runs and tasks in one place.

    Parameters
    ----------
    storage : Storage
    """

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage)
        self.liveness = Liveness(storage)
        self._tasks: dict[tuple[str, ...], TaskRecord] = {}
        self._executions: dict[str, Execution] = {}
        self._last_run: dict[str, int] = {}
        self._next_task: dict[tuple[str, str], int] = {}
        # Runs this process began and alone adds tasks to, and how many attempts it recorded in each.
        self._own: dict[tuple[str, str], int] = {}
        self._last_change: dict[str, int] = {}

    # -- runs

    def flows(self) -> list[str]:
        """Names of all flows, sorted."""
        return self.storage.folders("flows")

    def last_run(self, flow: str) -> int:
        """The highest run id that was given, 0 if none was; ids are given without gaps and only once."""
        self._check()
        last = self._last_run.get(flow)
        if last is None:
            ids = (int(name) for name in self.storage.folders(f"flows/{safe_name(flow)}") if is_id(name))
            last = max(ids, default=0)
            # An empty folder is what a process left that was killed before it took the id.
            while last and not any(self.storage.entries(self._run_folder(flow, str(last)))):
                last -= 1
        while self.has_run(flow, str(last + 1)):
            last += 1
        self._last_run[flow] = last
        return last

    def has_run(self, flow: str, run: str) -> bool:
        """Whether a run id was given, also to a run that was removed since."""
        return self.storage.exists(f"{self._run_folder(flow, run)}/run.json")

    def run_ids(self, flow: str) -> Sequence[str]:
        """Ids of all runs of a flow, newest first, those of removed runs among them."""
        return [str(number) for number in range(self.last_run(flow), 0, -1)]

    def new_run(self, record: RunRecord) -> RunRecord:
        """Take the next free run id of a flow and record the run.

        Parameters
        ----------
        record : RunRecord
            Its id and nonce are not looked at.

        Returns
        -------
        RunRecord
            The same with the id it was given.
        """
        self._prepare()
        number = self.last_run(record.flow)
        record = replace(record, nonce=secrets.token_hex(8))
        while True:
            number += 1
            record = replace(record, run=str(number))
            folder = self._run_folder(record.flow, record.run)
            if self.liveness.begin(folder, seal(to_json(record), f"{folder}/run.json")):
                break
        self._last_run[record.flow] = number
        if record.kind != "work":
            self._own[record.flow, record.run] = 0
        return record

    def run(self, flow: str, run: str) -> RunRecord:
        """Read a run's record.

        Raises
        ------
        NotFound
            If there is no such run, or it was removed.
        """
        record = self._read(RunRecord, f"{self._run_folder(flow, run)}/run.json")
        if record is None or record.removed:
            what = "does not exist" if record is None else f"was removed on {_day(record.removed)}"
            newest = [one for one in self.runs(flow, self.run_ids(flow)[:20]) if one is not None and not one.removed]
            if not newest:
                raise NotFound(f"Run {flow}/{run} {what}.", f"{flow} has no runs.", "Check the flow's name.")
            known = ", ".join(one.run for one in newest[:5])
            raise NotFound(f"Run {flow}/{run} {what}.", f"The newest runs are: {known}.", "Name one of these.")
        return record

    def runs(self, flow: str, ids: Sequence[str]) -> list[RunRecord | None]:
        """Records of many runs; None for those that do not exist or are damaged. Removed ones are given."""
        return self._read_many(RunRecord, [f"{self._run_folder(flow, run)}/run.json" for run in ids])

    def end_run(self, flow: str, run: str, end: RunEnd) -> None:
        """Record how a run ended, once everything it left survives a power failure.

        Raises
        ------
        StoreError
            If the run was removed meanwhile, or the store cannot be written.
        """
        self._require_run(flow, run)
        self.storage.sync()
        self._write(f"{self._run_folder(flow, run)}/end.json", end)
        self.liveness.end(self._run_folder(flow, run))

    def beat(self, flow: str, run: str) -> None:
        """Say that a run goes on, every `BEAT_SECONDS`; raises nothing, and waits for no server."""
        self.liveness.beat(self._run_folder(flow, run))

    def alive(self, flow: str, runs: Sequence[str], *, silent: float = SILENT_SECONDS) -> list[bool]:
        """Whether processes that began runs of whole flows live, as far as can be told; see `flownb.store.liveness`.

        Whoever is told that a run is dead looks for its end afterwards: it may have ended right before.
        """
        folders = [self._run_folder(flow, run) for run in runs]
        ids = dict(zip(folders, runs, strict=True))
        return self.liveness.alive(folders, lambda some: self.runs(flow, [ids[one] for one in some]), silent=silent)

    def run_status(self, flow: str, run: str) -> RunStatus:
        """What became of a run: ``"failed"`` also if it has no end and its process died; see `alive`.

        Working runs, and spins that have not ended, are always ``"running"``.

        Raises
        ------
        NotFound
            If there is no such run, or it was removed.
        StoreError
            If its manifests cannot be read.
        """
        record = self.run(flow, run)
        end = self.run_end(flow, run)
        if end is None:
            if record.kind != "run" or self.alive(flow, [run])[0]:
                return "running"
            end = self.run_end(flow, run)
        return "failed" if end is None else end.status

    def _require_run(self, flow: str, run: str) -> None:
        """Raise if a run that is about to be written to was removed; what a damaged one takes is not lost."""
        try:
            (record,) = self.runs(flow, [run])
            if record is None or record.removed:
                self.run(flow, run)
        except StoreError:
            return
        except NotFound as error:
            raise StoreError(
                f"Nothing more can be recorded in run {flow}/{run}.",
                f"{error.what}",
                "Begin anew: run the cell again, or start another run.",
            ) from error

    def run_end(self, flow: str, run: str) -> RunEnd | None:
        """How a run ended, None while it runs (and for working runs)."""
        return self._read(RunEnd, f"{self._run_folder(flow, run)}/end.json")

    def run_ends(self, flow: str, ids: Sequence[str]) -> list[RunEnd | None]:
        """How many runs ended; None for those that have not, or whose record is damaged."""
        return self._read_many(RunEnd, [f"{self._run_folder(flow, run)}/end.json" for run in ids])

    def remove_run(self, record: RunRecord, now: float) -> RunRecord:
        """Remove a run; only a mark stays, so that its id is not given again.

        Readers find no run from the mark on; `clear_run` then removes its files. If a process is killed in between, the
        next `flownb gc` does.

        Returns
        -------
        RunRecord
            The mark.
        """
        folder = self._run_folder(record.flow, record.run)
        mark = RunRecord(record.flow, record.run, record.kind, started=record.started, nonce=record.nonce, removed=now)
        self._write(f"{folder}/run.json", mark)
        return mark

    def restore_run(self, record: RunRecord) -> None:
        """Take back a removal whose files were not cleared yet."""
        self._write(f"{self._run_folder(record.flow, record.run)}/run.json", record)

    def clear_run(self, mark: RunRecord) -> None:
        """Clear the files of a removed run."""
        flow, run = mark.flow, mark.run
        folder = self._run_folder(flow, run)
        names = [entry.name for entry in self.storage.entries(folder)]
        self.storage.delete(name for name in names if name != f"{folder}/run.json")
        self._write(f"{folder}/run.json", replace(mark, cleared=True))
        self._tasks = {place: task for place, task in self._tasks.items() if place[:2] != (flow, run)}

    def change_tags(self, flow: str, run: str, *, remove: Iterable[str] = (), add: Iterable[str] = ()) -> None:
        """Take tags off a run, then add others; changes of others at the same time are not lost.

        Raises
        ------
        NotFound
            If there is no such run, or it was removed.
        """
        self.run(flow, run)
        folder = f"{self._run_folder(flow, run)}/tags"
        number = max((_attempt(name) for name in self.storage.files(folder)), default=0) + 1
        change = TagChange(tuple(remove), tuple(add), secrets.token_hex(8))
        while not self._create(f"{folder}/{number}.json", change):
            number += 1
        self.tell_changed(flow, [run])

    def tagged(self, record: RunRecord) -> RunRecord:
        """A run's record with the tags it has now, instead of those it began with; a damaged change is passed over."""
        folder = f"{self._run_folder(record.flow, record.run)}/tags"
        names = [f"{folder}/{name}" for name in sorted(self.storage.files(folder), key=_attempt)]
        tags = dict.fromkeys(record.tags)
        for change in self._read_many(TagChange, names) if names and not record.removed else ():
            if change is not None:
                tags = {tag: None for tag in tags if tag not in change.removed} | dict.fromkeys(change.added)
        return replace(record, tags=tuple(tags))

    def tell_changed(self, flow: str, runs: Sequence[str]) -> None:
        """Note that runs were removed, restored or tagged anew, once their records say so."""
        folder = f"{self._flow_folder(flow)}/changes"
        number = self._last_change.get(flow)
        if number is None:
            number = max((_attempt(name) for name in self.storage.files(folder)), default=0)
        text = json.dumps({"runs": list(runs), "nonce": secrets.token_hex(8)}).encode()
        number += 1
        while not self.storage.create(f"{folder}/{number}.json", text):
            number += 1
        self._last_change[flow] = number

    def changes(self, flow: str, after: int) -> tuple[int, list[str]]:
        """What was removed, restored or tagged: the last note's number, and the runs that notes after `after` name."""
        found: list[str] = []
        while (text := self.storage.read(f"{self._flow_folder(flow)}/changes/{after + 1}.json")) is not None:
            after += 1
            try:
                found += [run for run in json.loads(text)["runs"] if is_id(run)]
            except UNREADABLE:
                continue
        return after, found

    # -- tasks

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
            What the task starts from: `flownb gc` leaves it alone until the task is recorded.

        Raises
        ------
        NotFound
            If the run of a parent was removed meanwhile.
        """
        number = self._next_task.get((flow, run))
        if (flow, run) in self._own:  # nobody else adds tasks to it
            self._next_task[flow, run] = (number or 1) + 1
            return str(number or 1)
        folder = self._run_folder(flow, run)
        if number is None:
            taken = [name.removesuffix(".json") for name in self.storage.files(f"{folder}/ids")]
            taken += [task for name in self.steps(flow, run) for task in self.task_ids(flow, run, name)]
            number = max((int(task) for task in taken if task.isdecimal()), default=0) + 1
        started_from = list(parents)
        names = tuple(parent.place for parent in started_from)
        needs = tuple(ref.blob[0] for ref in given if ref.blob)
        claim = Claim(safe_name(step), names, needs, time.time(), secrets.token_hex(8))
        while not self._create(f"{folder}/ids/{number}.json", claim):
            number += 1
        self._next_task[flow, run] = number + 1
        for other in {parent.run for parent in started_from if parent.run and parent.run != run}:
            self.run(flow, other)
        return str(number)

    def claims(self, flow: str, run: str, *, without: Container[str] = ()) -> dict[str, Claim | None]:
        """Task ids that were taken in a working run, but for those of `without`; None for a claim that is damaged."""
        folder = f"{self._run_folder(flow, run)}/ids"
        names = [name for name in self.storage.files(folder) if name.removesuffix(".json") not in without]
        claims = self._read_many(Claim, [f"{folder}/{name}" for name in names])
        return {name.removesuffix(".json"): claim for name, claim in zip(names, claims, strict=True)}

    def steps(self, flow: str, run: str) -> list[str]:
        """Names of the steps that have recorded tasks in a run, sorted."""
        return self.storage.folders(f"{self._run_folder(flow, run)}/steps")

    def task_ids(self, flow: str, run: str, step: str) -> list[str]:
        """Ids of a step's recorded tasks, oldest first."""
        return sorted(self.storage.folders(self._step_folder(flow, run, step)), key=_numeric)

    def write_task(self, record: TaskRecord) -> None:
        """Record an attempt that has ended; see `Datastore.write_task`."""
        self._require_run(record.flow, record.run)
        self._prepare()
        folder = f"{self._step_folder(record.flow, record.run, record.step)}/{safe_name(record.task)}"
        self._write(f"{folder}/{record.attempt}.json", record)
        if (record.flow, record.run) in self._own:
            self._own[record.flow, record.run] += 1

    def task(self, flow: str, run: str, step: str, task: str) -> TaskRecord | None:
        """The last attempt of a task, None while none has ended."""
        cached = self._tasks.get((flow, run, step, task))
        if cached is not None and cached.status == "done":
            return cached
        folder = f"{self._step_folder(flow, run, step)}/{safe_name(task)}"
        attempts = [name for name in self.storage.files(folder) if name.endswith(".json")]
        record = self._read(TaskRecord, f"{folder}/{max(attempts, key=_attempt)}") if attempts else None
        if record is not None:
            self._tasks[flow, run, step, task] = record
        return record

    def tasks(self, flow: str, run: str, step: str) -> list[TaskRecord]:
        """The last attempts of a step's tasks, oldest first.

        Raises
        ------
        StoreError
            If one of them is damaged.
        """
        prefix = self._step_folder(flow, run, step)
        last: dict[str, str] = {}
        for entry in self.storage.entries(prefix):
            task, _, name = entry.name.removeprefix(f"{prefix}/").partition("/")
            if name.endswith(".json") and (task not in last or _attempt(name) > _attempt(last[task])):
                last[task] = name
        ids = sorted(last, key=_numeric)
        known = {task: self._tasks.get((flow, run, step, task)) for task in ids}
        unread = [task for task, record in known.items() if record is None or record.status != "done"]
        names = [f"{prefix}/{task}/{last[task]}" for task in unread]
        for task, name, text in zip(unread, names, self.storage.read_many(names), strict=True):
            if text is not None:
                self._tasks[flow, run, step, task] = self._parse(TaskRecord, name, text)
        found = (self._tasks.get((flow, run, step, task)) for task in ids)
        return [record for record in found if record is not None]

    def remove_task(self, task: TaskRecord) -> None:
        """Remove a task with all its attempts; its id is not given again."""
        folder = f"{self._step_folder(task.flow, task.run, task.step)}/{safe_name(task.task)}"
        self.storage.delete([f"{folder}/{name}" for name in self.storage.files(folder)])
        self._tasks.pop((task.flow, task.run, task.step, task.task), None)

    def attempts(self, flow: str, run: str) -> Iterator[tuple[str, TaskRecord | None]]:
        """All recorded attempts of all tasks of a run with the names of their files, in no order; None if damaged."""
        prefix = f"{self._run_folder(flow, run)}/steps"
        names = [entry.name for entry in self.storage.entries(prefix) if entry.name.endswith(".json")]
        for start in range(0, len(names), 1000):
            some = names[start : start + 1000]
            for name, text in zip(some, self.storage.read_many(some), strict=True):
                if text is not None:
                    yield name, self._parse_or_none(TaskRecord, name, text)

    def task_names(self, flow: str, run: str) -> Iterator[tuple[str, str, int]]:
        """Step, task and attempt of each attempt that has ended, in no order."""
        prefix = f"{self._run_folder(flow, run)}/steps"
        for entry in self.storage.entries(prefix):
            parts = entry.name.removeprefix(f"{prefix}/").split("/")
            if len(parts) == 3 and is_id(parts[1]) and 0 <= _attempt(parts[2]) < 1 << 31:
                yield parts[0], parts[1], _attempt(parts[2])

    def task_records(self, flow: str, run: str, names: Sequence[tuple[str, str, int]]) -> list[TaskRecord | None]:
        """Records of attempts, in the order asked for; None for one that is not there or damaged."""
        prefix = f"{self._run_folder(flow, run)}/steps"
        return self._read_many(TaskRecord, [f"{prefix}/{step}/{task}/{attempt}.json" for step, task, attempt in names])

    # -- working runs

    def add_execution(self, flow: str, run: str, execution: Execution) -> None:
        """Record which tasks are now the latest results of a step in a working run."""
        self._require_run(flow, run)
        folder = f"{self._run_folder(flow, run)}/executions"
        number = max((_attempt(name) for name in self.storage.files(folder)), default=0) + 1
        execution = replace(execution, nonce=secrets.token_hex(8))
        while not self._create(f"{folder}/{number:06d}.json", execution):
            number += 1

    def executions(self, flow: str, run: str) -> Iterator[Execution]:
        """Executions of a working run, oldest first; damaged ones are passed over."""
        return (execution for _, execution in self.numbered_executions(flow, run))

    def numbered_executions(self, flow: str, run: str) -> Iterator[tuple[str, Execution]]:
        """Executions of a working run with the names of their files, oldest first."""
        folder = f"{self._run_folder(flow, run)}/executions"
        names = [f"{folder}/{name}" for name in sorted(self.storage.files(folder), key=_attempt)]
        unread = [name for name in names if name not in self._executions]
        for name, execution in zip(unread, self._read_many(Execution, unread), strict=True):
            if execution is not None:
                self._executions[name] = execution
        return ((name, self._executions[name]) for name in names if name in self._executions)

    def executions_stamp(self, flow: str, run: str) -> object:
        """Something that differs when an execution was added."""
        return self.storage.stamp(f"{self._run_folder(flow, run)}/executions")

    # -- files

    def _flow_folder(self, flow: str) -> str:
        return f"flows/{safe_name(flow)}"

    def _run_folder(self, flow: str, run: str) -> str:
        return f"{self._flow_folder(flow)}/{safe_name(run)}"

    def _step_folder(self, flow: str, run: str, step: str) -> str:
        return f"{self._run_folder(flow, run)}/steps/{safe_name(step)}"

    def look_again(self) -> None:
        """Forget what is known of a place that was emptied since."""
        if self._writable and not self.storage.exists("store.json"):
            ManifestStore.__init__(self, self.storage)


def _numeric(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (1 << 60, name)


def _attempt(name: str) -> int:
    """The number in ``3.json``; -1 for other files."""
    stem = name.rpartition("/")[2].removesuffix(".json")
    return int(stem) if stem.isdecimal() else -1


def _day(seconds: float) -> str:
    """A date, UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
