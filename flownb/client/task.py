"""A recorded task: its artifacts, what it wrote and displayed, its environment, and its cards.

Names and meaning of the cards are those of Metaflow's card client (``metaflow/plugins/cards/card_client.py``, 2.19.39).
"""

from __future__ import annotations

import time
from collections import namedtuple
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flownb.cards.content import CardContent
from flownb.client.artifacts import DataArtifact, TaskData, made_artifact
from flownb.client.base import Named, default_datastore, moment, path_parts
from flownb.client.logs import log_lines, log_text, settled, task_log
from flownb.errors import CardNotFound, NotFound
from flownb.runtime.current import current
from flownb.runtime.failure import MetaflowExceptionWrapper, StepError
from flownb.store.datastore import Datastore
from flownb.store.logs import LogPiece
from flownb.store.records import CardRecord, ForeachFrame, TaskRecord

__all__ = ["Card", "CardContainer", "Metadata", "Task", "get_cards", "running_task"]


class Metadata(NamedTuple):
    """One entry of a task's metadata; `created_at` is in milliseconds since the epoch."""

    name: str
    value: str
    created_at: int
    type: str
    task: Task


class Task(Named, names=4):
    """One task, ``Flow/run/step/task``: its last attempt.

    Parameters
    ----------
    pathspec : str
    datastore : Datastore, optional
        None means the running task's own, elsewhere ``$FLOWNB_DATASTORE`` or ``.flownb`` in the current folder.

    Raises
    ------
    InvalidPathspec
        If the pathspec has more or fewer parts.
    NotFound
        If it does not exist or has not ended; a step may ask for its own task, which has no artifacts yet.
    """

    def __init__(self, pathspec: str, *, datastore: Datastore | None = None) -> None:
        flow, run, step, task = path_parts(pathspec, 4, "Flow/run/step/task")
        self._datastore = datastore or default_datastore()
        record = self._datastore.tasks.last_attempt(flow, run, step, task)
        if datastore is None and pathspec == current.pathspec:
            self._ended, record = False, _so_far(current.retry_count, current._frames, pathspec)
        if record is None:
            ids = ", ".join(self._datastore.tasks.task_ids(flow, run, step)) or "none"
            raise NotFound(
                f"There is no finished task {pathspec}.", f"The tasks of that step are: {ids}.", "Check the id."
            )
        self._record = record
        self.pathspec = pathspec
        self.id = task

    # False only for the task that is running in this process.
    _ended = True

    def __repr__(self) -> str:
        return f"Task('{self.pathspec}')"

    @property
    def artifacts(self) -> Any:
        """Its artifacts, inherited ones included: a named tuple of `DataArtifact`, sorted by name."""
        found = list(self)
        # An artifact whose name is not a name of Python's is reached by its position alone.
        names = [one.id for one in found]
        made: Any = namedtuple("MetaflowArtifacts", names, rename=True)  # type: ignore[misc]  # known only now
        return made(*found)

    def __iter__(self) -> Iterator[DataArtifact]:
        return iter([self[name] for name in sorted(self._record.artifacts) if not name.startswith("_")])

    def __contains__(self, name: str) -> bool:
        return name in self._record.artifacts

    def __getitem__(self, name: str) -> DataArtifact:
        return made_artifact(self._record, name, self._datastore)

    @property
    def data(self) -> TaskData:
        """The values of its artifacts as attributes; each is loaded when it is read."""
        return TaskData(self._record, self._datastore)

    @property
    def cards(self) -> CardContainer:
        """Its cards, from the top ``@card`` line to the bottom one; empty without any."""
        return CardContainer([Card(card, self._record, self._datastore) for card in self._record.cards])

    @property
    def index(self) -> int | None:
        """Its item of the innermost foreach, from 0; None outside of a foreach."""
        return self._record.foreach[-1].index if self._record.foreach else None

    @property
    def finished(self) -> bool:
        """Whether it was completed: false if it failed, was interrupted, or is running."""
        return self._ended and self._record.status == "done"

    @property
    def successful(self) -> bool:
        """Whether it was completed without an exception; false too if ``@catch`` handled one."""
        return self.finished and self._record.exception is None

    @property
    def current_attempt(self) -> int:
        """Number of its last attempt, from 0."""
        return self._record.attempt

    @property
    def origin_pathspec(self) -> str | None:
        """Pathspec of the task it was cloned from when a run was resumed; None if it ran itself."""
        return f"{self._record.flow}/{self._record.origin}" if self._record.origin else None

    @property
    def runtime_name(self) -> str:
        """``dev``, as Metaflow calls what runs on the user's own machine."""
        return "dev"

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The marked cells it ran with, in document order; empty if unknown.

        Each is a dict with ``source``, ``kind`` and ``name``, and with ``tags`` if these mark it and no magic does.

        Raises
        ------
        StoreError
            If they are missing or damaged, or an older version stored them as a pickle.
        """
        ref = self._record.source
        return [] if ref is None else list(self._datastore.artifacts.load_plain(ref, name="cells", where=self.pathspec))

    @property
    def environment_info(self) -> dict[str, Any]:
        """The environment of its run, and in ``distributions`` the versions of everything its process had imported.

        ``distributions`` is empty for a task that ran in the notebook's own process.
        """
        ref = self._record.distributions
        found = (
            {}
            if ref is None
            else dict(self._datastore.artifacts.load_plain(ref, name="list of distributions", where=self.pathspec))
        )
        return {**self._datastore.runs.run(self._record.flow, self._record.run).environment, "distributions": found}

    @property
    def metadata_dict(self) -> dict[str, str]:
        """Metaflow's metadata of a task, as far as it exists here, under Metaflow's names."""
        record = self._record
        run = self._datastore.runs.run(record.flow, record.run)
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
            found |= {"attempt_ok": str(self.finished), "attempt-done": str(record.attempt)}
        return found

    @property
    def metadata(self) -> list[Metadata]:
        """The same as a list; every entry has the time at which the task began."""
        at = int(self._record.started * 1000)
        return [Metadata(name, value, at, name, self) for name, value in self.metadata_dict.items()]

    @property
    def parent_task_pathspecs(self) -> Iterator[str]:
        """Pathspecs of the tasks that it started from."""
        return iter([f"{self._record.flow}/{place}" for place in self._record.parents])

    @property
    def parent_tasks(self) -> Iterator[Task]:
        """The tasks that it started from."""
        return (Task(pathspec, datastore=self._datastore) for pathspec in self.parent_task_pathspecs)

    @property
    def child_task_pathspecs(self) -> Iterator[str]:
        """Pathspecs of the tasks of its run that started from it."""
        record = self._record
        steps = self._datastore.tasks.steps(record.flow, record.run)
        tasks = [task for step in steps for task in self._datastore.tasks.last_attempts(record.flow, record.run, step)]
        return iter([task.pathspec for task in tasks if record.place in task.parents])

    @property
    def child_tasks(self) -> Iterator[Task]:
        """The tasks of its run that started from it."""
        return (Task(pathspec, datastore=self._datastore) for pathspec in self.child_task_pathspecs)

    @property
    def exception(self) -> MetaflowExceptionWrapper | None:
        """The exception that ended it, shown as its traceback; None if there was none or ``@catch`` handled it."""
        facts = self._record.exception
        if facts is None or self.finished:
            return None
        return MetaflowExceptionWrapper(StepError(facts))

    @property
    def stdout(self) -> str:
        """What its last attempt wrote to stdout; of very long output the first and the last part."""
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
            Whether lines are str; if false they are bytes in UTF-8.

        Yields
        ------
        (datetime, str or bytes)
            When a line began, UTC without a time zone as in Metaflow, within 0.2 seconds; the line without its end.

        Raises
        ------
        ParameterError
            If there is no such stream.
        """
        for at, line in log_lines(task_log(self._datastore, self._record), stream):
            yield at.replace(tzinfo=None), line if as_unicode else line.encode("utf-8", "replace")

    @property
    def outputs(self) -> list[LogPiece]:
        """Its last attempt's output as a notebook shows it in the end: text, plots, tables; `display` shows each."""
        return settled(task_log(self._datastore, self._record))

    @property
    def created_at(self) -> datetime:
        """When it began, in local time without a time zone."""
        return moment(self._record.started)

    @property
    def finished_at(self) -> datetime | None:
        """When it ended, in local time without a time zone; None while it is running."""
        return moment(self._record.finished) if self._ended else None


def running_task(pathspec: str, attempt: int, foreach: tuple[ForeachFrame, ...], datastore: Datastore) -> Task:
    """The task that is running in this process, as its own step sees it: without artifacts."""
    found = Task.__new__(Task)
    found._datastore = datastore
    found._record = _so_far(attempt, foreach, pathspec)
    found._ended = False
    found.pathspec, found.id = pathspec, found._record.task
    return found


class Card:
    """One card of a task.

    Attributes
    ----------
    type : str
        As in ``@card(type=…)``.
    id : str or None
        As in ``@card(id=…)``.
    hash : str
        Key of its content; equal cards have equal keys.
    """

    def __init__(self, record: CardRecord, task: TaskRecord, datastore: Datastore) -> None:
        self.type = record.type
        self.id = record.id
        self.hash = record.content.key
        self._record, self._task, self._datastore = record, task, datastore

    def __repr__(self) -> str:
        return f"<Card of {self._task.pathspec}: {self.id or self.type}>"

    @property
    def content(self) -> CardContent:
        """What the card shows, as plain data.

        Raises
        ------
        StoreError
            If it is missing or damaged, or an older version stored it as a pickle.
        """
        ref = self._record.content
        fix = f"Run step {self._task.step} again: its new card can be shown."
        plain = self._datastore.artifacts.load_plain(ref, name="card", where=self._task.pathspec, fix=fix)
        return CardContent.from_plain(plain)

    def get(self) -> str:
        """The card as one self-contained HTML page.

        Raises
        ------
        CorruptBlob
            If its content is missing or damaged.
        """
        from flownb.cards.page import card_page

        return card_page([self.content], heading=self._task.step)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from flownb.cards.bundle import card_bundle

        return card_bundle([self.content], heading=self._task.step)

    def _repr_html_(self) -> str:
        return self._repr_mimebundle_()["text/html"]


class CardContainer(Sequence[Card]):
    """A task's cards, from the top ``@card`` line to the bottom one; a notebook shows them all."""

    def __init__(self, cards: Sequence[Card]) -> None:
        self._cards = list(cards)

    def __len__(self) -> int:
        return len(self._cards)

    def __iter__(self) -> Iterator[Card]:
        return iter(self._cards)

    def __getitem__(self, index: int) -> Card:  # type: ignore[override]  # as in Metaflow, slices are not supported
        return self._cards[index]

    def __repr__(self) -> str:
        return f"<{len(self)} cards: {', '.join(card.id or card.type for card in self)}>"

    def _repr_html_(self) -> str:
        return "".join(card._repr_html_() for card in self)


def get_cards(
    task: str | Task,
    id: str | None = None,  # noqa: A002  # Metaflow's name
    type: str | None = None,  # noqa: A002  # Metaflow's name
    follow_resumed: bool = True,
) -> CardContainer:
    """The cards of a task.

    Parameters
    ----------
    task : str or Task
        ``Flow/run/step/task``, or the task itself.
    id, type : str, optional
        Only cards of this id, of this type.
    follow_resumed : bool, default True
        Accepted as in Metaflow; it has no effect.

    Raises
    ------
    TypeError
        If `task` is neither.
    NotFound
        If there is no such task.
    CardNotFound
        If it has no card, or none of that id or type.
    """
    if isinstance(task, str):
        task = Task(task)
    elif not isinstance(task, Task):
        raise TypeError(f"get_cards expects a task or its pathspec, not {task!r}")
    every = list(task.cards)
    found = [card for card in every if id in (None, card.id) and type in (None, card.type)]
    if not found:
        asked = [f"the id `{id}`"] if id is not None else []
        asked += [f"the type `{type}`"] if type is not None else []
        listed = ", ".join(f"`{card.id or card.type}`" for card in every)
        raise CardNotFound(
            f"Task {task.pathspec} has no card" + (f" with {' and '.join(asked)}." if asked else "."),
            f"Its cards are {listed}." if every else "Its step had no @card when it ran.",
            "Correct it, or leave it out." if every else "Write @card above the step's body and run it again.",
        )
    return CardContainer(found)


def _so_far(attempt: int, foreach: tuple[ForeachFrame, ...], pathspec: str) -> TaskRecord:
    """What is known of a running task."""
    flow, run, step, task = path_parts(pathspec, 4, "Flow/run/step/task")
    return TaskRecord(flow, run, step, task, attempt, "interrupted", foreach=foreach, started=time.time())
