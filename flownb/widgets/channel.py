"""The kernel's end of the wire to the JupyterLab extension: messages go out, the document comes in.

There are two comms, because ipykernel routes what arrives on a comm to the thread that last published on it: the kernel
only publishes on one, and only listens on the other, which the extension opens. Nothing is sent before a view has sent
its document.
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
    from flownb.widgets.messages import Message, NotebookFacts

__all__ = ["DOCUMENT_TARGET", "EVENTS_TARGET", "Channel"]

EVENTS_TARGET = "flownb.events"
DOCUMENT_TARGET = "flownb.document"
# Messages closer together than this many seconds travel together; each costs about a millisecond.
INTERVAL = 0.03
# Views of one notebook at a time.
VIEWS = 8


@dataclass
class _View:
    """What one view of the notebook has sent.

    `page` is the id of its client, `cells` are by id, in document order; `notebook` is None if an older extension does
    not send it.
    """

    page: str
    cells: dict[str, DocumentCell] = field(default_factory=dict)
    notebook: NotebookFacts | None = None


class Channel:
    """Both comms of one kernel.

    Parameters
    ----------
    on_document : callable
        Called with all code cells of the document when a view sends them, perhaps on another thread than the one that
        executes cells.
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
        self._pending: list[Message] = []
        self._sent = 0.0
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._flusher: threading.Thread | None = None
        self._comm: Any = None

    def open(self) -> None:
        """Open the comm that messages go out on, and listen for views."""
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

    def push(self, message: Message) -> None:
        """Send a message to all views, at once or together with others that follow closely."""
        if not self._views:
            return
        with self._lock:
            self._pending.append(message)
            if monotonic() - self._sent >= INTERVAL:
                self._flush()
                return
            if self._flusher is None:
                self._flusher = threading.Thread(target=self._flush_later, name="flownb-events", daemon=True)
                self._flusher.start()
            self._wake.notify()

    def flush(self) -> None:
        """Send the pending messages now."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        """Send the pending messages; the lock is held."""
        if self._pending:
            from flownb.widgets.messages import coalesced, to_wire

            messages, self._pending = coalesced(self._pending), []
            self._comm.send({"events": [to_wire(message) for message in messages]})
            self._sent = monotonic()

    def _flush_later(self) -> None:
        """Send messages that were left pending, for as long as the kernel lives."""
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
        """A view has connected and sends the whole document."""
        comm.on_msg(lambda sent: self._take(comm.comm_id, sent))
        comm.on_close(lambda sent: self._closed(comm.comm_id))
        page = message["header"]["session"]
        with self._views_lock:
            # A page that is reloaded does not close its comm, but one page has one view of a kernel.
            for old in [one for one, view in self._views.items() if view.page == page]:
                del self._views[old]
            while len(self._views) >= VIEWS:
                del self._views[next(iter(self._views))]
            self._views[comm.comm_id] = _View(page)
        self._take(comm.comm_id, message)
        self._on_view()

    def _closed(self, comm_id: str) -> None:
        """A view closed its comm."""
        with self._views_lock:
            self._views.pop(comm_id, None)

    def _take(self, comm_id: str, message: dict[str, Any]) -> None:
        """Take over what a view sent: the order of all cells, and the texts that changed."""
        from flownb.cells.notebook import DocumentCell
        from flownb.widgets.messages import NotebookFacts

        data = message["content"]["data"]
        changed = [DocumentCell(one["id"], one["source"], tuple(one["tags"])) for one in data["cells"]]
        with self._views_lock:
            view = self._views.pop(comm_id, None)
            if view is None:
                return  # it was dropped for newer views
            known = view.cells | {one.id: one for one in changed}
            view.cells = {one: known[one] for one in data["order"] if one in known}
            if "notebook" in data:
                view.notebook = NotebookFacts(str(data["notebook"]["name"]), str(data["notebook"]["id"]))
            self._views[comm_id] = view  # the view that spoke last counts
        self._on_document(tuple(view.cells.values()))
