"""The kernel's end of the wire to the JupyterLab extension: events go out, the document comes in.

Takes events; gives the document's cells as the view shows them. There are two comms, because ipykernel routes what
arrives on a comm to the thread that last published on it: the kernel only publishes on one, and only listens on the
other, which the extension opens. Nothing is sent before a view has said what it shows.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flownb.cells.notebook import DocumentCell
    from flownb.runtime.events import DagChanged, Event, NodeStatus, NotebookFacts, StepsChanged, StepStatus

__all__ = ["DOCUMENT_TARGET", "EVENTS_TARGET", "Channel"]

EVENTS_TARGET = "flownb.events"
DOCUMENT_TARGET = "flownb.document"
# Events closer together than this many seconds travel together; one message costs about a millisecond.
INTERVAL = 0.03
# Views of one notebook at a time.
VIEWS = 8


@dataclass
class _View:
    """What one view of the notebook shows: `page` is the client that it speaks for, `cells` go by id, in order.

    `notebook` is None if the view does not say which notebook it is, as an older extension.
    """

    page: str
    cells: dict[str, DocumentCell] = field(default_factory=dict)
    notebook: NotebookFacts | None = None


class Channel:
    """Both comms of one kernel.

    Parameters
    ----------
    on_document : callable
        Given all code cells of the document whenever a view tells of them, perhaps on another thread than the one
        that executes cells.
    on_view : callable
        Called when a view has connected, on the same thread.
    """

    def __init__(
        self, on_document: Callable[[Sequence[DocumentCell]], None], on_view: Callable[[], None] = lambda: None
    ) -> None:
        self._on_document = on_document
        self._on_view = on_view
        self._views: dict[str, _View] = {}
        self._views_lock = threading.Lock()
        self._pending: list[Event] = []
        self._sent = 0.0
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._flusher: threading.Thread | None = None
        self._comm: Any = None

    def open(self) -> None:
        """Open the comm that events go out on, and listen for views."""
        import comm

        comm.get_comm_manager().register_target(DOCUMENT_TARGET, self._opened)
        self._comm = comm.create_comm(target_name=EVENTS_TARGET)

    @property
    def live(self) -> bool:
        """Whether a view is connected."""
        return bool(self._views)

    @property
    def document(self) -> Sequence[DocumentCell]:
        """All code cells, as the view that spoke last shows them."""
        with self._views_lock:
            last = next(reversed(self._views.values()), None)
        return tuple(last.cells.values()) if last is not None else ()

    @property
    def notebook(self) -> NotebookFacts | None:
        """Which notebook it is, as the view that spoke last says."""
        with self._views_lock:
            last = next(reversed(self._views.values()), None)
        return last.notebook if last is not None else None

    def push(self, event: Event) -> None:
        """Send an event to all views, at once or together with others that follow closely."""
        if not self._views:
            return
        with self._lock:
            self._pending.append(event)
            if monotonic() - self._sent >= INTERVAL:
                self._flush()
                return
            if self._flusher is None:
                self._flusher = threading.Thread(target=self._flush_later, name="flownb-events", daemon=True)
                self._flusher.start()
            self._wake.notify()

    def flush(self) -> None:
        """Send what still waits."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        """Send what waits; the lock is held."""
        if self._pending:
            from flownb.runtime.events import to_wire

            events, self._pending = coalesced(self._pending), []
            self._comm.send({"events": [to_wire(event) for event in events]})
            self._sent = monotonic()

    def _flush_later(self) -> None:
        """Send what was left waiting, for as long as the kernel lives."""
        while True:
            with self._lock:
                while not self._pending:
                    self._wake.wait()
                rest = self._sent + INTERVAL - monotonic()
                if rest <= 0:
                    try:
                        self._flush()
                    except Exception:
                        logging.getLogger(__name__).exception("A message to the views could not be sent.")
                    continue
            sleep(rest)

    # -- the document

    def _opened(self, comm: Any, message: dict[str, Any]) -> None:
        """A view has connected and tells of the whole document."""
        comm.on_msg(lambda told: self._take(comm.comm_id, told))
        comm.on_close(lambda told: self._closed(comm.comm_id))
        page = message["header"]["session"]
        with self._views_lock:
            # A page that is loaded anew does not say goodbye, but one page has one view of a kernel.
            for old in [one for one, view in self._views.items() if view.page == page]:
                del self._views[old]
            while len(self._views) >= VIEWS:
                del self._views[next(iter(self._views))]
            self._views[comm.comm_id] = _View(page)
        self._take(comm.comm_id, message)
        self._on_view()

    def _closed(self, comm_id: str) -> None:
        """A view says goodbye."""
        with self._views_lock:
            self._views.pop(comm_id, None)

    def _take(self, comm_id: str, message: dict[str, Any]) -> None:
        """Take over what a view tells: the order of all cells, and the texts that changed."""
        from flownb.cells.notebook import DocumentCell
        from flownb.runtime.events import NotebookFacts

        data = message["content"]["data"]
        told = [DocumentCell(one["id"], one["source"], tuple(one["tags"])) for one in data["cells"]]
        with self._views_lock:
            view = self._views.pop(comm_id, None)
            if view is None:
                return  # it was given up for newer ones
            known = view.cells | {one.id: one for one in told}
            view.cells = {one: known[one] for one in data["order"] if one in known}
            if "notebook" in data:
                view.notebook = NotebookFacts(str(data["notebook"]["name"]), str(data["notebook"]["id"]))
            self._views[comm_id] = view  # the one that spoke last is the one that counts
        self._on_document(tuple(view.cells.values()))


def coalesced(events: Sequence[Event]) -> list[Event]:
    """The same events with states that were overtaken left out: of a step cell or a DAG's node the last one counts."""
    from flownb.runtime.events import DagChanged, StepsChanged

    # By what overtakes them; a key that is put in anew stands last.
    kept: dict[object, Event] = {}
    for place, event in enumerate(events):
        if isinstance(event, StepsChanged):
            before = kept.pop(StepsChanged, None)
            if isinstance(before, StepsChanged) and not event.whole:
                event = StepsChanged(_steps(before, event), before.whole)
            kept[StepsChanged] = event
        elif isinstance(event, DagChanged):
            before = kept.pop((DagChanged, event.dag), None)
            nodes = _nodes(before, event) if isinstance(before, DagChanged) else event.nodes
            kept[DagChanged, event.dag] = DagChanged(event.dag, nodes)
        else:
            kept[place] = event
    return list(kept.values())


def _steps(before: StepsChanged, event: StepsChanged) -> tuple[StepStatus, ...]:
    return tuple({one.cell: one for one in (*before.steps, *event.steps)}.values())


def _nodes(before: DagChanged, event: DagChanged) -> tuple[NodeStatus, ...]:
    return tuple({one.name: one for one in (*before.nodes, *event.nodes)}.values())
