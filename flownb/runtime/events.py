"""What happens while a flow runs, as one typed stream that every view subscribes to.

Takes events from the scheduler, the session and the views' own bookkeeping; gives each to all subscribers, in order.
``labextension/src/events.ts`` mirrors these classes field for field (`scripts/mirror_events.py` writes it, a test keeps
the two equal); times are seconds.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from flownb.cells.notebook import DocumentCell
from flownb.runtime.failure import message, type_name
from flownb.runtime.freshness import StepState
from flownb.runtime.task import Output, OutputKind, TaskResult, TaskSpec
from flownb.store.records import ForeachFrame, TaskRecord, TaskStatus

__all__ = [
    "EVENTS",
    "CardRefreshed",
    "DagChanged",
    "DagDrawn",
    "DocumentChanged",
    "Event",
    "EventStream",
    "NodeStatus",
    "RunEnded",
    "RunGoesOn",
    "RunStarted",
    "StepStatus",
    "StepsChanged",
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
    "task_retried",
    "task_started",
    "task_told",
    "to_wire",
]

TaskMode = Literal["work", "spin", "run"]


@dataclass(frozen=True)
class RunStarted:
    """A run of the whole flow began."""

    flow: str
    run: str


@dataclass(frozen=True)
class RunGoesOn:
    """A run of the whole flow goes on: told some times a second, for views that do not follow each task at once."""

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
    """A task's last attempt ended after so many `seconds`; `error` is its type and first line, or empty."""

    status: TaskStatus
    error: str
    seconds: float


@dataclass(frozen=True)
class TaskCloned(TaskEvent):
    """A task need not run: its result is that of the `origin` task, ``run/step/task``."""

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
        Whether it takes the place of what was displayed under that name.
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
    """A run of the whole flow ended after so many tasks and seconds."""

    flow: str
    run: str
    status: TaskStatus
    tasks: int
    seconds: float


@dataclass(frozen=True)
class StepStatus:
    """How the step of one cell stands.

    Attributes
    ----------
    cell : str
        The notebook cell's id.
    step : str
        Empty for a cell that is no step any more.
    state : {"never", "running", "fresh", "stale", "failed"}
    detail : str
        Short text beside the state, such as ``"`clean` changed"`` or ``"3 tasks"``.
    title : str
        The whole sentence.
    """

    cell: str
    step: str
    state: StepState
    detail: str
    title: str


@dataclass(frozen=True)
class StepsChanged:
    """The states of step cells: all there are (`whole`), or those that changed."""

    steps: tuple[StepStatus, ...]
    whole: bool


@dataclass(frozen=True)
class NodeStatus:
    """How one step of a displayed DAG stands; `detail` holds pieces of its second line and whether each is code."""

    name: str
    state: StepState
    detail: tuple[tuple[str, bool], ...]
    title: str


@dataclass(frozen=True)
class DagChanged:
    """Steps of one displayed DAG changed; `dag` is its id in the output's metadata."""

    dag: str
    nodes: tuple[NodeStatus, ...]


@dataclass(frozen=True)
class DagDrawn:
    """A displayed DAG has its final state: what its output is to hold, for a page that was loaded anew meanwhile.

    Attributes
    ----------
    dag : str
        The id it had while its run went on.
    bundle, metadata : dict
        The output's MIME bundle and metadata.
    """

    dag: str
    bundle: dict[str, Any]
    metadata: dict[str, Any]


@dataclass(frozen=True)
class NotebookNamed:
    """The notebook has an id from now on, which its metadata should hold: ``metadata.flownb.id``."""

    id: str


@dataclass(frozen=True)
class NotebookFacts:
    """What a view shows of the notebook itself: the name of its file, and the id in its metadata or an empty text."""

    name: str
    id: str


@dataclass(frozen=True)
class DocumentChanged:
    """What a view tells the kernel of its document.

    Attributes
    ----------
    notebook : NotebookFacts
    order : tuple of str
        The ids of all code cells, as they stand in the document.
    cells : tuple of DocumentCell
        Those that are new, or whose text or tags are not what the view told before.
    """

    notebook: NotebookFacts
    order: tuple[str, ...]
    cells: tuple[DocumentCell, ...]


Event = (
    RunStarted
    | RunGoesOn
    | TaskStarted
    | TaskRetried
    | TaskOutput
    | TaskCloned
    | TaskEnded
    | CardRefreshed
    | RunEnded
    | StepsChanged
    | DagChanged
    | DagDrawn
    | NotebookNamed
)
EVENTS: tuple[type[Event], ...] = Event.__args__


def task_started(flow: str, spec: TaskSpec, mode: TaskMode) -> TaskStarted:
    """The event of a task that begins."""
    return TaskStarted(flow, spec.run, spec.step, spec.task, mode, spec.attempt, *_item(spec.frames))


def task_retried(result: TaskResult, mode: TaskMode) -> TaskRetried:
    """The event of an attempt that failed and is tried again."""
    return TaskRetried(*_where(result, mode), _error(result.error))


def task_ended(result: TaskResult, mode: TaskMode) -> TaskEnded:
    """The event of a task that ended."""
    record = result.record
    return TaskEnded(*_where(result, mode), record.status, _error(result.error), record.finished - record.started)


def task_cloned(record: TaskRecord) -> TaskCloned:
    """The event of a task whose result was known."""
    where = (record.flow, record.run, record.step, record.task)
    return TaskCloned(*where, "run", record.attempt, *_item(record.foreach), record.origin)


def task_output(flow: str, spec: TaskSpec, output: Output, mode: TaskMode = "run") -> TaskOutput:
    """The event of something that an attempt showed."""
    shown: dict[str, Any] = {one.name: getattr(output, one.name) for one in fields(output)}
    return TaskOutput(flow, spec.run, spec.step, spec.task, mode, spec.attempt, *_item(spec.frames), **shown)


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
def task_told(
    emit: Callable[[Event], None], flow: str, spec: TaskSpec, mode: TaskMode
) -> Iterator[Callable[[TaskResult], None]]:
    """Tell of a task that runs inside the block: that it starts, and that it ended.

    Yields
    ------
    callable
        To be given the task's result; a block that raises instead is told as a failure.
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


def to_wire(event: Event) -> dict[str, Any]:
    """An event as plain values with its class's name as ``type``."""
    # There are thousands of these, and all they hold is plain.
    flat = isinstance(event, TaskStarted | TaskEnded | TaskCloned)
    return {"type": type(event).__name__, **(vars(event) if flat else asdict(event))}


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
                logging.getLogger(__name__).exception("A view could not take %s.", type(event).__name__)
