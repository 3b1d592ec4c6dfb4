"""The client's objects, each a view of records in the datastore.

Takes pathspecs; gives values. Iteration is newest first. Working runs (what executing ``%%step`` cells records) are
reached through `Flow.working_runs`; every other name speaks of runs of whole flows.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from flownb.cells.cell import read_cell
from flownb.client.cards import Card, CardContainer
from flownb.client.logs import log_lines, log_text, settled, task_log
from flownb.errors import ArtifactNotFound, CorruptBlob, NotFound, StoreError, nearest
from flownb.flow.definition import define_flow
from flownb.flow.draw import draw_graph
from flownb.pathspec import safe_name
from flownb.runtime.program import VERSION, Program, module_name
from flownb.settings import datastore_root
from flownb.store.datastore import Datastore
from flownb.store.encoding import UnknownEncoding
from flownb.store.index import RunStatus, TaskRow
from flownb.store.log_reader import LogPiece
from flownb.store.records import ArtifactRef, ForeachFrame, TaskRecord

__all__ = ["DataArtifact", "Flow", "Run", "Step", "Task", "TaskData"]

# Runs that are asked of the index at once.
PAGE = 50


def _parts(pathspec: str, count: int, shape: str) -> list[str]:
    """Split a pathspec into exactly `count` checked names."""
    parts = [safe_name(part) for part in pathspec.split("/")]
    if len(parts) != count:
        raise NotFound(f"`{pathspec}` has {len(parts)} parts.", f"This object is named {shape}.", "Check the pathspec.")
    return parts


class Flow:
    """A flow by name.

    Parameters
    ----------
    name : str
    datastore : Datastore, optional
        None means ``$FLOWNB_DATASTORE`` or ``.flownb`` in the current folder.

    Raises
    ------
    NotFound
        If nothing of that flow was recorded.
    """

    def __init__(self, name: str, *, datastore: Datastore | None = None) -> None:
        self.id = safe_name(name)
        self._datastore = datastore or Datastore(datastore_root())
        if not self._datastore.run_ids(name):
            known = self._datastore.flows()
            raise NotFound(
                f"Flow `{name}` has no runs in `{self._datastore.location}`.{nearest(name, known)}",
                f"The flows there are {', '.join(known)}." if known else "Nothing was recorded there yet.",
                "Run it first, correct the name, or set FLOWNB_DATASTORE.",
            )

    def __repr__(self) -> str:
        return f"Flow('{self.id}')"

    def runs(
        self,
        *tags: str,
        user: str | None = None,
        status: RunStatus | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Run]:
        """Runs that match, newest first; they are found in the datastore's index, a page at a time.

        Parameters
        ----------
        *tags : str
            A run has all of them.
        user : str, optional
        status : {"running", "done", "failed", "interrupted"}, optional
        since, until : datetime, optional
            A run began at `since` or later, and before `until`.

        Raises
        ------
        ParameterError
            If `status` is not one of those.
        """
        return self._find("run", tags, user, status, since, until)

    def working_runs(self) -> Iterator[Run]:
        """Runs that ``%%step`` cells recorded, newest first."""
        return self._find("work")

    def _find(
        self,
        kind: str,
        tags: Iterable[str] = (),
        user: str | None = None,
        status: RunStatus | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Run]:
        """Runs that the index finds; one that was removed meanwhile, or is damaged, is passed over."""
        first, last = (moment.timestamp() if moment else None for moment in (since, until))
        before: str | None = None
        while True:
            rows = self._datastore.index.runs(
                self.id,
                tags=tags,
                user=user,
                status=status,
                kind=kind,
                since=first,
                until=last,
                before=before,
                limit=PAGE,
            )
            for row in rows:
                with contextlib.suppress(NotFound, StoreError):
                    yield Run(f"{self.id}/{row.run}", datastore=self._datastore)
            if len(rows) < PAGE:
                return
            before = rows[-1].run

    __iter__ = runs

    def __getitem__(self, run: str) -> Run:
        return Run(f"{self.id}/{run}", datastore=self._datastore)

    @property
    def latest_run(self) -> Run | None:
        """The newest run, whatever became of it; None when there is none."""
        return next(self.runs(), None)

    @property
    def latest_successful_run(self) -> Run | None:
        """The newest run that succeeded; None when there is none."""
        return next(self.runs(status="done"), None)


class Run:
    """One run, ``Flow/run``.

    Raises
    ------
    NotFound
        If there is no such run.
    """

    def __init__(self, pathspec: str, *, datastore: Datastore | None = None) -> None:
        flow, run = _parts(pathspec, 2, "Flow/run")
        self._datastore = datastore or Datastore(datastore_root())
        self._record = self._datastore.run(flow, run)
        self.pathspec = pathspec
        self.id = run

    def __repr__(self) -> str:
        return f"Run('{self.pathspec}')"

    def steps(self) -> Iterator[Step]:
        """Steps that have tasks, the one that started last first."""
        found = [Step(f"{self.pathspec}/{name}", datastore=self._datastore) for name in self._names()]
        return iter(
            sorted(found, key=lambda step: max((task.created_at for task in step), default=_epoch(0)), reverse=True)
        )

    __iter__ = steps

    def _names(self) -> list[str]:
        return self._datastore.steps(self._record.flow, self.id)

    def __contains__(self, name: str) -> bool:
        return name in self._names()

    def __getitem__(self, name: str) -> Step:
        return Step(f"{self.pathspec}/{name}", datastore=self._datastore)

    @property
    def status(self) -> RunStatus:
        """``running``, ``done``, ``failed`` or ``interrupted``; a run whose process died has failed."""
        return self._datastore.run_status(self._record.flow, self.id)

    @property
    def finished(self) -> bool:
        """Whether the run goes on no longer, however it ended."""
        return self.status != "running"

    @property
    def successful(self) -> bool:
        """Whether the run ended well."""
        return self.status == "done"

    @property
    def created_at(self) -> datetime:
        """When it began, UTC."""
        return _epoch(self._record.started)

    @property
    def finished_at(self) -> datetime | None:
        """When it ended, UTC; None while it runs, and if its process died."""
        end = self._datastore.run_end(self._record.flow, self.id)
        return _epoch(end.finished) if end else None

    @property
    def tags(self) -> frozenset[str]:
        """Tags it was started with."""
        return frozenset(self._record.tags)

    def timeline(self) -> list[TaskRow]:
        """All attempts of its tasks that have ended, by their start: step, task, attempt, status, started, finished."""
        return self._datastore.index.timeline(self._record.flow, self.id)

    @property
    def end_task(self) -> Task | None:
        """The task of the step ``end``; None until it ran."""
        return self["end"].task if "end" in self else None

    @property
    def data(self) -> TaskData | None:
        """The artifacts of the step ``end``; None until it ran."""
        task = self.end_task
        return task.data if task else None


class Step:
    """One step of a run, ``Flow/run/step``.

    Raises
    ------
    NotFound
        If the run has no task of that step.
    """

    def __init__(self, pathspec: str, *, datastore: Datastore | None = None) -> None:
        self._flow, self._run, self.id = _parts(pathspec, 3, "Flow/run/step")
        self._datastore = datastore or Datastore(datastore_root())
        self.pathspec = pathspec
        names = self._datastore.steps(self._flow, self._run)
        if self.id not in names:
            raise NotFound(
                f"Run {self._flow}/{self._run} has no step `{self.id}`.{nearest(self.id, names)}",
                f"Its steps are {', '.join(names)}." if names else "None of its steps ran.",
                "Correct the name.",
            )

    def __repr__(self) -> str:
        return f"Step('{self.pathspec}')"

    def tasks(self) -> Iterator[Task]:
        """Tasks that ended, newest first."""
        for record in reversed(self._datastore.tasks(self._flow, self._run, self.id)):
            yield Task(record.pathspec, datastore=self._datastore)

    __iter__ = tasks

    def __getitem__(self, task: str) -> Task:
        return Task(f"{self.pathspec}/{task}", datastore=self._datastore)

    @property
    def task(self) -> Task | None:
        """The newest task; None when none has ended."""
        return next(self.tasks(), None)


class Task:
    """One task, ``Flow/run/step/task``.

    Raises
    ------
    NotFound
        If it does not exist or has not ended.
    """

    def __init__(self, pathspec: str, *, datastore: Datastore | None = None) -> None:
        flow, run, step, task = _parts(pathspec, 4, "Flow/run/step/task")
        self._datastore = datastore or Datastore(datastore_root())
        record = self._datastore.task(flow, run, step, task)
        if record is None:
            ids = ", ".join(self._datastore.task_ids(flow, run, step)) or "none"
            raise NotFound(
                f"There is no finished task {pathspec}.", f"The tasks of that step are: {ids}.", "Check the id."
            )
        self._record = record
        self.pathspec = pathspec
        self.id = task

    # A task that still runs is known to itself only, see `running_task`.
    _ended = True

    def __repr__(self) -> str:
        return f"Task('{self.pathspec}')"

    @property
    def artifacts(self) -> list[DataArtifact]:
        """What it has, inherited artifacts included, by name."""
        return [self[name] for name in sorted(self._record.artifacts) if not name.startswith("_")]

    def __iter__(self) -> Iterator[DataArtifact]:
        return iter(self.artifacts)

    def __contains__(self, name: str) -> bool:
        return name in self._record.artifacts

    def __getitem__(self, name: str) -> DataArtifact:
        return DataArtifact(self._record, name, self._datastore)

    @property
    def data(self) -> TaskData:
        """The artifacts' values as attributes."""
        return TaskData(self)

    @property
    def cards(self) -> CardContainer:
        """Its cards, from the top ``@card`` line to the bottom one; empty without any."""
        return CardContainer([Card(card, self._record, self._datastore) for card in self._record.cards])

    @property
    def index(self) -> int | None:
        """Its item of the innermost foreach, None outside of one."""
        return self._record.foreach[-1].index if self._record.foreach else None

    @property
    def finished(self) -> bool:
        """Whether it has ended: false only of ``current.task``, for a task is recorded when it ends."""
        return self._ended

    @property
    def successful(self) -> bool:
        """Whether it ended well."""
        return self._ended and self._record.status == "done"

    @property
    def exception(self) -> str | None:
        """The traceback of the error that ended it, with the user's frames."""
        return self._record.exception["traceback"] if self._record.exception else None

    @property
    def stdout(self) -> str:
        """What its last attempt wrote to stdout; of very much the first and the last part."""
        return log_text(task_log(self._datastore, self._record), "stdout")

    @property
    def stderr(self) -> str:
        """What its last attempt wrote to stderr, then the traceback of the error that ended it."""
        return log_text(task_log(self._datastore, self._record), "stderr")

    def loglines(self, stream: str, as_unicode: bool = True) -> Iterator[tuple[datetime, str | bytes]]:
        """The lines that its last attempt wrote.

        Parameters
        ----------
        stream : {"stdout", "stderr"}
        as_unicode : bool, default True
            Whether lines are given as str, else as bytes in UTF-8.

        Yields
        ------
        (datetime, str or bytes)
            When a line began, UTC, within 0.2 seconds; the line without its end.
        """
        for at, line in log_lines(task_log(self._datastore, self._record), stream):
            yield at, line if as_unicode else line.encode("utf-8", "replace")

    @property
    def outputs(self) -> list[LogPiece]:
        """All its last attempt showed, as a notebook has it in the end: text, plots, tables; `display` shows each."""
        return settled(task_log(self._datastore, self._record))

    @property
    def created_at(self) -> datetime:
        """When it began, UTC."""
        return _epoch(self._record.started)

    @property
    def finished_at(self) -> datetime | None:
        """When it ended, UTC; None while it runs."""
        return _epoch(self._record.finished) if self._ended else None


def running_task(pathspec: str, attempt: int, foreach: tuple[ForeachFrame, ...], datastore: Datastore) -> Task:
    """A task for itself, while it runs: what it is, without artifacts."""
    flow, run, step, task = _parts(pathspec, 4, "Flow/run/step/task")
    found = Task.__new__(Task)
    found._datastore = datastore
    found._record = TaskRecord(flow, run, step, task, attempt, "interrupted", foreach=foreach, started=time.time())
    found._ended = False
    found.pathspec, found.id = pathspec, task
    return found


class TaskData:
    """The values of a task's artifacts, loaded when read."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._task[name].data

    def __dir__(self) -> list[str]:
        return sorted(self._task._record.artifacts)

    def __repr__(self) -> str:
        return f"<data of {self._task.pathspec}: {', '.join(dir(self))}>"


class DataArtifact:
    """One artifact of a task.

    Raises
    ------
    ArtifactNotFound
        If the task has no such artifact.
    """

    def __init__(self, record: TaskRecord, name: str, datastore: Datastore) -> None:
        ref = record.artifacts.get(name)
        if ref is None:
            raise ArtifactNotFound(
                f"Task {record.pathspec} has no artifact `{name}`.{nearest(name, record.artifacts)}",
                f"It has {', '.join(f'`{n}`' for n in sorted(record.artifacts))}."
                if record.artifacts
                else "It has none.",
                "Correct the name.",
            )
        self.id = name
        self.pathspec = f"{record.pathspec}/{name}"
        self._record, self._ref, self._datastore = record, ref, datastore

    def __repr__(self) -> str:
        return f"DataArtifact('{self.pathspec}')"

    @property
    def size(self) -> int:
        """Length as stored, in bytes."""
        return self._ref.size

    @property
    def sha(self) -> str:
        """Key of the content; equal values have equal keys."""
        return self._ref.key

    @property
    def data(self) -> Any:
        """The value; each read gives an independent object."""
        return load_artifact(self._datastore, self._record, self._ref, self.id)


def load_artifact(datastore: Datastore, record: TaskRecord, ref: ArtifactRef, name: str) -> Any:
    """Load a value with the classes it was saved with.

    Classes of shared cells live in the flow's module. If this process lacks it, or has it from other cells than the
    task ran with, and the value refers to it, the cells that were recorded with the task are run.

    Raises
    ------
    StoreError
        If the value cannot be loaded.
    """
    module = module_name(record.flow)
    here = sys.modules.get(module)
    wanted = record.fingerprint.get("shared")
    if here is not None and record.source is not None and getattr(here, VERSION, wanted) != wanted:
        with contextlib.suppress(CorruptBlob):  # loading it tells with its name
            if datastore.artifacts.mentions(ref, module):
                return _load_with(_version(datastore, record, wanted), datastore, record, ref, name)
    try:
        return datastore.load(ref, name=name, where=record.pathspec)
    except StoreError as error:
        lacks = isinstance(error.__cause__, ModuleNotFoundError) and error.__cause__.name == module
        needed = (lacks and module not in sys.modules) or isinstance(error.__cause__, UnknownEncoding)
        if not needed or record.source is None:
            raise
    return _load_with(_version(datastore, record, wanted), datastore, record, ref, name)


# Modules of flows as they were, by name and hash of the shared cells.
_versions: dict[tuple[str, str | None], ModuleType] = {}


def _version(datastore: Datastore, record: TaskRecord, wanted: str | None) -> ModuleType:
    """The flow's module made of the cells that a task ran with."""
    name = module_name(record.flow)
    if (name, wanted) not in _versions:
        assert record.source is not None
        cells = [read_cell(one["source"], tags=_tags(one)) for one in datastore.load(record.source, name="source")]
        flow = define_flow(cells, default_name=record.flow)
        before = sys.modules.get(name)
        try:
            Program(flow, draw_graph(flow)).flow_class()
            _versions[name, wanted] = sys.modules[name]
        finally:
            if before is not None:
                sys.modules[name] = before
    return _versions[name, wanted]


def _load_with(module: ModuleType, datastore: Datastore, record: TaskRecord, ref: ArtifactRef, name: str) -> Any:
    """Load a value while `module` is the flow's."""
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module
    try:
        return datastore.load(ref, name=name, where=record.pathspec)
    finally:
        if before is not None:
            sys.modules[module.__name__] = before


def _tags(cell: dict[str, str]) -> list[str]:
    """Tags that mark a stored cell as what it was, for cells without a magic."""
    return {"shared": ["shared"], "flow": [f"flow:{cell['name']}"], "step": [f"step:{cell['name']}"]}[cell["kind"]]


def _epoch(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
