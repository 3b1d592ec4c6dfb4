"""The facts of a running flow, as one typed stream: a run or a task started, ended, wrote something.

The scheduler and the session emit events; every view subscribes, and gets each event in the order it was emitted. What
a view makes of them is not an event: those messages are in `flownb.widgets.messages`. The fields are also those of
``labextension/src/events.ts`` (`scripts/mirror_events.py` writes it). Times are seconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from flownb.runtime.failure import message, type_name
from flownb.runtime.task import Output, OutputKind, TaskResult, TaskSpec
from flownb.store.records import ForeachFrame, TaskRecord, TaskStatus

__all__ = [
    "EVENTS",
    "CardRefreshed",
    "Event",
    "EventStream",
    "RunEnded",
    "RunGoesOn",
    "RunStarted",
    "TaskCloned",
    "TaskEnded",
    "TaskEvent",
    "TaskMode",
    "TaskOutput",
    "TaskRetried",
    "TaskStarted",
    "task_cloned",
    "task_ended",
    "task_output",
    "task_reported",
    "task_retried",
    "task_started",
]

TaskMode = Literal["work", "spin", "run"]


@dataclass(frozen=True)
class RunStarted:
    """A run of the whole flow began."""

    flow: str
    run: str


@dataclass(frozen=True)
class RunGoesOn:
    """A run of the whole flow continues: emitted some times a second, for views that do not follow every task."""

    flow: str
    run: str


@dataclass(frozen=True)
class TaskEvent:
    """Something happened to a task.

    Attributes
    ----------
    flow, run, step, task : str
        The pathspec's parts; a spin that records nothing has no run and no task id.
    mode : {"work", "spin", "run"}
        By a ``%%step`` cell, a spin, or a run of the whole flow.
    attempt : int
        From 0.
    index, num_splits : int or None
        Its item of the innermost foreach, and how many there are.
    outer : tuple of int
        Its items of the foreachs around that one, outermost first.
    """

    flow: str
    run: str
    step: str
    task: str
    mode: TaskMode
    attempt: int
    index: int | None
    num_splits: int | None
    outer: tuple[int, ...]


@dataclass(frozen=True)
class TaskStarted(TaskEvent):
    """A task's first attempt began."""


@dataclass(frozen=True)
class TaskRetried(TaskEvent):
    """An attempt failed with `error` and is tried again."""

    error: str


@dataclass(frozen=True)
class TaskEnded(TaskEvent):
    """A task's last attempt ended: how many `seconds` it took, and an error's type and first line, or an empty text."""

    status: TaskStatus
    error: str
    seconds: float


@dataclass(frozen=True)
class TaskCloned(TaskEvent):
    """A task was cloned: its result is that of the `origin` task, ``run/step/task``."""

    origin: str


@dataclass(frozen=True)
class TaskOutput(TaskEvent):
    """An attempt wrote text, or displayed something.

    Attributes
    ----------
    kind : {"stdout", "stderr", "display"}
    text : str
    data, metadata : dict
        Of a display: its MIME bundle.
    display_id : str
        Names a display that can be updated, else empty.
    update : bool
        Whether it replaces what was displayed under that name.
    """

    kind: OutputKind
    text: str
    data: dict[str, Any]
    metadata: dict[str, Any]
    display_id: str
    update: bool


@dataclass(frozen=True)
class CardRefreshed:
    """A card changed while its task runs; `card` is its id, empty for one without."""

    flow: str
    run: str
    step: str
    task: str
    card: str


@dataclass(frozen=True)
class RunEnded:
    """A run of the whole flow ended: the number of its `tasks`, and how many `seconds` it took."""

    flow: str
    run: str
    status: TaskStatus
    tasks: int
    seconds: float


Event = (
    RunStarted | RunGoesOn | TaskStarted | TaskRetried | TaskOutput | TaskCloned | TaskEnded | CardRefreshed | RunEnded
)
EVENTS: tuple[type[Event], ...] = Event.__args__


def task_started(flow: str, spec: TaskSpec, mode: TaskMode) -> TaskStarted:
    """The event of a task that starts."""
    return TaskStarted(flow, spec.run, spec.step, spec.task, mode, spec.attempt, *_item(spec.frames))


def task_retried(result: TaskResult, mode: TaskMode) -> TaskRetried:
    """The event of an attempt that failed and is tried again."""
    return TaskRetried(*_where(result, mode), _error(result.error))


def task_ended(result: TaskResult, mode: TaskMode) -> TaskEnded:
    """The event of a task that ended."""
    record = result.record
    return TaskEnded(*_where(result, mode), record.status, _error(result.error), record.finished - record.started)


def task_cloned(record: TaskRecord) -> TaskCloned:
    """The event of a task that was cloned."""
    where = (record.flow, record.run, record.step, record.task)
    return TaskCloned(*where, "run", record.attempt, *_item(record.foreach), record.origin)


def task_output(flow: str, spec: TaskSpec, output: Output, mode: TaskMode = "run") -> TaskOutput:
    """The event of a piece of an attempt's output."""
    written: dict[str, Any] = {one.name: getattr(output, one.name) for one in fields(output)}
    return TaskOutput(flow, spec.run, spec.step, spec.task, mode, spec.attempt, *_item(spec.frames), **written)


def _where(
    result: TaskResult, mode: TaskMode
) -> tuple[str, str, str, str, TaskMode, int, int | None, int | None, tuple[int, ...]]:
    record = result.record
    return record.flow, record.run, record.step, record.task, mode, record.attempt, *_item(record.foreach)


def _item(frames: Sequence[ForeachFrame]) -> tuple[int | None, int | None, tuple[int, ...]]:
    """A task's item of the innermost foreach, how many there are, and its items of the foreachs around that one."""
    outer = tuple(frame.index for frame in frames[:-1])
    return (frames[-1].index, frames[-1].num_splits, outer) if frames else (None, None, ())


def _error(error: BaseException | None) -> str:
    """An error's type and the first line of its message, as text that can be sent."""
    if error is None:
        return ""
    text = f"{type_name(error)}: {message(error)}".split("\n")[0].removesuffix(": ")
    return text.encode("utf-8", "replace").decode()


@contextlib.contextmanager
def task_reported(
    emit: Callable[[Event], None], flow: str, spec: TaskSpec, mode: TaskMode
) -> Iterator[Callable[[TaskResult], None]]:
    """Emit the events of a task that runs inside the block: its start and its end.

    Yields
    ------
    callable
        To be called with the task's result; if the block raises before, the task is reported as failed.
    """
    started = task_started(flow, spec, mode)
    emit(started)
    ended = False

    def end(result: TaskResult) -> None:
        nonlocal ended
        ended = True
        emit(task_ended(result, mode))

    try:
        yield end
    except BaseException as error:
        if not ended:
            facts = {item.name: getattr(started, item.name) for item in fields(started)}
            status: TaskStatus = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            emit(TaskEnded(**facts, status=status, error=_error(error), seconds=0.0))
        raise


class EventStream:
    """Hands each event to all subscribers, in the order they subscribed.

    Examples
    --------
    >>> stream, seen = EventStream(), []
    >>> unsubscribe = stream.subscribe(seen.append)
    >>> stream.emit(RunStarted("F", "7"))
    >>> unsubscribe()
    >>> seen
    [RunStarted(flow='F', run='7')]
    """

    def __init__(self) -> None:
        self._subscribers: list[Callable[[Event], None]] = []

    def subscribe(self, subscriber: Callable[[Event], None]) -> Callable[[], None]:
        """Call `subscriber` with each event from now on.

        Returns
        -------
        callable
            Ends the subscription.
        """
        self._subscribers.append(subscriber)

        def unsubscribe() -> None:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)

        return unsubscribe

    def emit(self, event: Event) -> None:
        """Hand an event to all subscribers; one that fails is logged and does not stop what it watches."""
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(event)
            except Exception:
                import logging

                logging.getLogger(__name__).exception("A view could not take %s.", type(event).__name__)
