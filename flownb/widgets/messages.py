"""The messages between the kernel and the JupyterLab extension, and how they look on the wire.

The kernel sends the session's events as they are, and what the views show of them: states of step cells, nodes of a
displayed DAG. The extension sends the document. ``labextension/src/events.ts`` has the same classes, field for field:
`scripts/mirror_events.py` writes it, and a test keeps the two equal. An extension of another version may be at the
other end, so fields are only added. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flownb.cells.notebook import DocumentCell
from flownb.runtime.events import EVENTS, Event, TaskCloned, TaskEnded, TaskStarted
from flownb.runtime.freshness import StepState

__all__ = [
    "MESSAGES",
    "DagChanged",
    "DagDrawn",
    "DocumentChanged",
    "Message",
    "NodeStatus",
    "NotebookFacts",
    "NotebookNamed",
    "StepStatus",
    "StepsChanged",
    "coalesced",
    "to_wire",
]


@dataclass(frozen=True)
class StepStatus:
    """What the badge of one step cell shows.

    Attributes
    ----------
    cell : str
        The notebook cell's id.
    step : str
        Empty for a cell that is not a step any more.
    state : {"never", "running", "fresh", "stale", "failed", "untaken"}
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
    """The states of step cells: all there are (`whole`), or the changed ones."""

    steps: tuple[StepStatus, ...]
    whole: bool


@dataclass(frozen=True)
class NodeStatus:
    """What one step of a displayed DAG shows; `detail` holds pieces of its second line and whether each is code."""

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
    """A displayed DAG has its final state: the content for its output, for a page that was reloaded in the meantime.

    Attributes
    ----------
    dag : str
        The id it had while its run was active.
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
    """What a view knows of the notebook itself: the name of its file, and the id in its metadata or an empty text."""

    name: str
    id: str


@dataclass(frozen=True)
class DocumentChanged:
    """What a view sends of its document.

    Attributes
    ----------
    notebook : NotebookFacts
    order : tuple of str
        The ids of all code cells, in document order.
    cells : tuple of DocumentCell
        The new cells, and those whose text or tags differ from what the view sent before.
    """

    notebook: NotebookFacts
    order: tuple[str, ...]
    cells: tuple[DocumentCell, ...]


# What the kernel sends.
Message = Event | StepsChanged | DagChanged | DagDrawn | NotebookNamed
MESSAGES: tuple[type[Message], ...] = (*EVENTS, StepsChanged, DagChanged, DagDrawn, NotebookNamed)


def to_wire(message: Message) -> dict[str, Any]:
    """A message as plain values, with its class's name as ``type``."""
    # There are thousands of these, and all they hold is plain.
    flat = isinstance(message, TaskStarted | TaskEnded | TaskCloned)
    return {"type": type(message).__name__, **(vars(message) if flat else asdict(message))}


def coalesced(messages: Sequence[Message]) -> list[Message]:
    """The same messages without outdated states: only the last state of each step cell and each node of a DAG."""
    # By what replaces them; a key that is added again comes last.
    kept: dict[object, Message] = {}
    for place, message in enumerate(messages):
        if isinstance(message, StepsChanged):
            before = kept.pop(StepsChanged, None)
            if isinstance(before, StepsChanged) and not message.whole:
                steps = {one.cell: one for one in (*before.steps, *message.steps)}
                message = StepsChanged(tuple(steps.values()), before.whole)
            kept[StepsChanged] = message
        elif isinstance(message, DagChanged):
            before = kept.pop((DagChanged, message.dag), None)
            earlier = before.nodes if isinstance(before, DagChanged) else ()
            nodes = {one.name: one for one in (*earlier, *message.nodes)}
            kept[DagChanged, message.dag] = DagChanged(message.dag, tuple(nodes.values()))
        else:
            kept[place] = message
    return list(kept.values())
