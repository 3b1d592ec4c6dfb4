"""What watches a notebook's session: badges, live DAGs, cards in outputs, DAG widgets.

Takes the session's events, and the document as a view shows it; gives messages to views and updates of outputs. A view
may connect while a cell runs, and then speaks on another thread than the one that the session belongs to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any

from flownb.widgets.channel import Channel

if TYPE_CHECKING:
    from flownb.cells.notebook import DocumentCell
    from flownb.runtime.events import Event, StepStatus
    from flownb.runtime.freshness import Freshness
    from flownb.session.progress import Progress
    from flownb.session.session import Session
    from flownb.widgets.board import StatusBoard
    from flownb.widgets.cards import CardOutputs
    from flownb.widgets.dag import DagWidget
    from flownb.widgets.live import LiveDag, ShownDag

__all__ = ["Views"]

# Seconds for which the kernel is left alone before all steps are judged: cells that follow at once go first.
SETTLE = 0.05
# Displayed DAGs that a page which is loaded anew is told of, and widgets that follow the flow; the oldest are given up.
DAGS, WIDGETS = 4, 16


class Views:
    """All views of one session.

    Parameters
    ----------
    open_session : callable
        Makes a session of the notebook.
    """

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open_session = open_session
        self._channel = Channel(self._shown, self._greet)
        self._document: Sequence[DocumentCell] | None = None
        self._document_lock = threading.Lock()
        self._board: StatusBoard | None = None
        self._told: dict[str, StepStatus] = {}
        self._dags: deque[LiveDag] = deque(maxlen=DAGS)
        self._shown_dags: deque[ShownDag] = deque(maxlen=DAGS)
        self._widgets: dict[str, DagWidget] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._refreshing = False
        self._pause = SETTLE

    @cached_property
    def session(self) -> Session:
        """The notebook's session, begun when it is first asked for."""
        from flownb.widgets.board import StatusBoard

        session = self._open_session()
        self._board = StatusBoard(session, session.events.emit, shown=self._told)
        session.events.subscribe(self._watch)
        session.working.on_named = self._name
        return session

    @property
    def has_session(self) -> bool:
        """Whether the session was begun."""
        return "session" in self.__dict__

    @property
    def board(self) -> StatusBoard:
        """The states of step cells."""
        assert self.session
        assert self._board is not None
        return self._board

    @cached_property
    def cards(self) -> CardOutputs:
        """The outputs that show cards."""
        from flownb.widgets.cards import CardOutputs

        return CardOutputs(self.session)

    @property
    def live(self) -> bool:
        """Whether the JupyterLab extension is connected."""
        return self._channel.live

    def connect(self) -> None:
        """Be there for the JupyterLab extension."""
        self._find_loop()
        self._channel.open()

    # -- what is watched

    def live_dag(self, progress: Progress, *, watched: bool = False) -> LiveDag:
        """The DAG of a run that begins; `watched` says whether a front end without a view shows updates of outputs."""
        from flownb.widgets.live import LiveDag

        dag = LiveDag(self.session, progress, live=self.live, watched=watched, on_end=self._keep_dag)
        self._dags.append(dag)
        return dag

    def show_flow(self) -> None:
        """Display the flow with each step's state; where a view is connected, it then follows the badges."""
        from flownb.widgets.live import ShownDag, show_dag

        judged = self.session.freshness()
        if self.live:
            self._shown_dags.append(ShownDag(self.session, self.board, judged))
        else:
            show_dag(self.session.picture(judged), {})

    def _keep_dag(self, dag_id: str, facts: Mapping[str, Any], states: Mapping[str, Freshness]) -> None:
        """Let the picture of a run that has ended follow the badges too."""
        from flownb.widgets.live import ShownDag

        judged = self.session.freshness(run_code=False)
        dag = ShownDag(self.session, self.board, judged, shown=states, dag_id=dag_id, facts=facts)
        self._shown_dags.append(dag)

    def dag_widget(self, place: str) -> DagWidget:
        """A new widget that draws the flow, in place of one that was made at the same place.

        Raises
        ------
        NotFound
            If there is no flow to draw.
        """
        from flownb.widgets.dag import DagWidget

        self.take_document()
        if not self.session.flow.all_steps:
            self.session.check()  # says that there is no flow yet
        self.board.refresh()
        old = self._widgets.pop(place, None)
        if old is not None:
            old.close()
        while len(self._widgets) >= WIDGETS:
            del self._widgets[next(iter(self._widgets))]
        self._widgets[place] = widget = DagWidget(self.session, self.board)
        return widget

    def _watch(self, event: Event) -> None:
        """Hand an event of the session to the views, if there are any; what tasks show is shown below the cell."""
        from flownb.runtime.events import RunGoesOn, TaskOutput

        if isinstance(event, TaskOutput):
            return
        if isinstance(event, RunGoesOn):
            self.board.tell(event)
            return
        self.board(event)
        if self.live or self._widgets:
            self._channel.push(event)
            self.board.tell(event)
        if self.live:
            self.cards(event)
        for follower in (*self._widgets.values(), *(self._shown_dags if self.live else ())):
            follower(event)

    def _name(self, notebook_id: str) -> None:
        """Have the views write an id into the notebook's metadata."""
        from flownb.runtime.events import NotebookNamed

        self._channel.push(NotebookNamed(notebook_id))

    # -- cells

    def before_cell(self) -> None:
        """Take over what a view shows; a new step has its badge while it waits or runs."""
        self._find_loop()
        if self.take_document() and self.live:
            self.board.tell_new()

    def after_cell(self) -> None:
        """Send what still waits, refresh cards; judge all steps anew once the kernel is idle."""
        self._channel.flush()
        if self.live and "cards" in self.__dict__:
            self.cards.after_cell()
        if self.has_session and (self.live or self._widgets):
            self._refresh_soon()

    def take_document(self) -> bool:
        """Take over what a view showed last; false if none showed anything since."""
        with self._document_lock:
            document, self._document = self._document, None
        if document is not None:
            self.session.cells.show(document)
            notebook = self._channel.notebook
            if notebook is not None:
                self.session.show_notebook(notebook.name, notebook.id)
        return document is not None

    # -- the extension, perhaps on another thread

    def _shown(self, document: Sequence[DocumentCell]) -> None:
        """Keep what a view shows until the thread that executes cells takes it over."""
        with self._document_lock:
            self._document = document
        if self.has_session:
            self._refresh_soon()

    def _greet(self) -> None:
        """Tell a view that has just connected how all steps and DAGs stand.

        The session belongs to the thread that executes cells. So the steps are judged from what the view shows and
        what is recorded, by a session of their own.
        """
        from flownb.runtime.events import StepsChanged
        from flownb.widgets.board import StatusBoard

        try:
            aside = self._open_session()
            aside.cells.show(self._channel.document)
            notebook = self._channel.notebook
            if notebook is not None:
                if self.has_session:
                    aside.go_on_as(self.session)
                aside.show_notebook(notebook.name, notebook.id)
            board = self._board or StatusBoard(aside, self._channel.push)
            self._told = board.greet(aside, self._channel.push)
        except Exception:
            logging.getLogger(__name__).exception("The states of the steps could not be worked out.")
            self._channel.push(StepsChanged((), True))  # the view waits for an answer
        missing = [dag.catch_up() for dag in tuple(self._dags)] + [dag.catch_up() for dag in tuple(self._shown_dags)]
        for missed in missing:
            if missed is not None:
                self._channel.push(missed)
        self._channel.flush()
        self._refresh_soon()

    # -- when the kernel is idle

    def _find_loop(self) -> None:
        """Take over the loop that executes cells; there is none yet while IPython's configuration loads extensions."""
        if self._loop is None:
            with contextlib.suppress(RuntimeError):
                self._loop = asyncio.get_running_loop()

    def _refresh_soon(self) -> None:
        """Judge all steps when the kernel has nothing else to do."""
        if self._loop is not None and not self._refreshing:
            self._refreshing = True
            self._loop.call_soon_threadsafe(self._loop.call_later, self._pause, self._refresh)

    def _refresh(self) -> None:
        """Judge all steps and tell the views."""
        self._refreshing = False
        started = monotonic()
        try:
            self.take_document()
            self.board.refresh()
            for follower in (*self._widgets.values(), *(self._shown_dags if self.live else ())):
                follower.refresh()
        except Exception:
            logging.getLogger(__name__).exception("The states of the steps could not be worked out.")
        # Long flows are judged less often, so that it never takes more than a tenth of the time.
        self._pause = max(SETTLE, 10 * (monotonic() - started))
