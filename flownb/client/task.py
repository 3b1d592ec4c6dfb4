"""A task as the client gives it.

Takes a pathspec; gives its artifacts, what it wrote, and what is known of its environment.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from flownb.client.artifacts import DataArtifact, TaskData
from flownb.client.cards import Card, CardContainer
from flownb.client.logs import log_lines, log_text, settled, task_log
from flownb.client.metadata import default_datastore
from flownb.errors import NotFound
from flownb.pathspec import safe_name
from flownb.store.datastore import Datastore
from flownb.store.log_reader import LogPiece
from flownb.store.records import ForeachFrame, TaskRecord

__all__ = ["Task", "moment", "path_parts", "running_task"]


def path_parts(pathspec: str, count: int, shape: str) -> list[str]:
    """Split a pathspec into exactly `count` checked names."""
    parts = [safe_name(part) for part in pathspec.split("/")]
    if len(parts) != count:
        raise NotFound(f"`{pathspec}` has {len(parts)} parts.", f"This object is named {shape}.", "Check the pathspec.")
    return parts


class Task:
    """One task, ``Flow/run/step/task``.

    Raises
    ------
    NotFound
        If it does not exist or has not ended.
    """

    def __init__(self, pathspec: str, *, datastore: Datastore | None = None) -> None:
        flow, run, step, task = path_parts(pathspec, 4, "Flow/run/step/task")
        self._datastore = datastore or default_datastore()
        record = self._datastore.task(flow, run, step, task)
        if record is None:
            ids = ", ".join(self._datastore.task_ids(flow, run, step)) or "none"
            raise NotFound(
                f"There is no finished task {pathspec}.", f"The tasks of that step are: {ids}.", "Check the id."
            )
        self._record = record
        self.pathspec = pathspec
        self.id = task

    # False of `current.task` alone, see `running_task`.
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
        return TaskData(self._record, self._datastore)

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
    def current_attempt(self) -> int:
        """Number of its last attempt, from 0."""
        return self._record.attempt

    @property
    def origin_pathspec(self) -> str | None:
        """The task whose result it has, if it was cloned when a run was resumed."""
        return f"{self._record.flow}/{self._record.origin}" if self._record.origin else None

    @property
    def runtime_name(self) -> str:
        """``dev``, as Metaflow calls what runs on the user's own machine."""
        return "dev"

    @property
    def cells(self) -> list[dict[str, str]]:
        """The marked cells it ran with: ``source``, ``kind`` and ``name`` of each."""
        ref = self._record.source
        return [] if ref is None else list(self._datastore.load(ref, name="source", where=self.pathspec))

    @property
    def environment_info(self) -> dict[str, Any]:
        """What its run was started by, and in ``distributions`` the versions of all that its process had imported.

        ``distributions`` is empty of a task that ran in the notebook's own process.
        """
        ref = self._record.distributions
        found = {} if ref is None else dict(self._datastore.load(ref, name="distributions", where=self.pathspec))
        return {**self._datastore.run(self._record.flow, self._record.run).environment, "distributions": found}

    @property
    def metadata_dict(self) -> dict[str, str]:
        """What Metaflow calls its metadata, as far as there is such a thing here, under Metaflow's names."""
        record = self._record
        run = self._datastore.run(record.flow, record.run)
        found = {
            "attempt": str(record.attempt),
            "ds-type": "s3" if self._datastore.location.startswith("s3://") else "local",
            "ds-root": self._datastore.location,
            "origin-run-id": str(run.origin or None),
            "runtime": self.runtime_name,
            "user": run.user,
        }
        if "python" in run.environment:
            found["python_version"] = str(run.environment["python"])
        if run.notebook:
            found["script-name"] = run.notebook
        if self._ended:
            found |= {"attempt_ok": str(self.successful), "attempt-done": str(record.attempt)}
        return found

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
        return moment(self._record.started)

    @property
    def finished_at(self) -> datetime | None:
        """When it ended, UTC; None while it runs."""
        return moment(self._record.finished) if self._ended else None


def running_task(pathspec: str, attempt: int, foreach: tuple[ForeachFrame, ...], datastore: Datastore) -> Task:
    """A task for itself, while it runs: what it is, without artifacts."""
    flow, run, step, task = path_parts(pathspec, 4, "Flow/run/step/task")
    found = Task.__new__(Task)
    found._datastore = datastore
    found._record = TaskRecord(flow, run, step, task, attempt, "interrupted", foreach=foreach, started=time.time())
    found._ended = False
    found.pathspec, found.id = pathspec, task
    return found


def moment(seconds: float) -> datetime:
    """Seconds since the epoch as the client gives times, UTC."""
    return datetime.fromtimestamp(seconds, UTC)
