"""All that shows a notebook's session: badges, displayed DAGs, cards in outputs, DAG widgets.

The session's events come in and go to each of them; their messages go out over the `Channel`, never into the stream of
events. A view may connect while a cell runs, and then speaks on another thread than the session's.
"""

from __future__ import annotations

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
    import asyncio

    from flownb.cells.notebook import DocumentCell
    from flownb.runtime.events import Event
    from flownb.runtime.freshness import Freshness
    from flownb.session.progress import Progress
    from flownb.session.session import Session
    from flownb.widgets.board import StatusBoard
    from flownb.widgets.cards import CardOutputs
    from flownb.widgets.dag import DagWidget
    from flownb.widgets.live import FollowingDag, LiveDag
    from flownb.widgets.messages import Message, StepStatus

__all__ = ["Views"]

# Seconds for which the kernel is left alone before all steps are judged: cells that follow at once go first.
SETTLE = 0.05
# Displayed DAGs of which a reloaded page gets the states, and widgets that follow the flow; the oldest are dropped.
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
        self._channel = Channel(self._keep_document, self._greet)
        self._document: Sequence[DocumentCell] | None = None
        self._document_lock = threading.Lock()
        self._board: StatusBoard | None = None
        self._badges: dict[str, StepStatus] = {}
        self._dags: deque[LiveDag] = deque(maxlen=DAGS)
        self._following: deque[FollowingDag] = deque(maxlen=DAGS)
        self._widgets: dict[str, DagWidget] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._refreshing = False
        self._pause = SETTLE

    @cached_property
    def session(self) -> Session:
        """The notebook's session, made when it is first needed."""
        from flownb.widgets.board import StatusBoard

        session = self._open_session()
        self._board = StatusBoard(session, self.push, shown=self._badges)
        session.events.subscribe(self._watch)
        session.working.on_named = self._name
        return session

    @property
    def has_session(self) -> bool:
        """Whether the session was made."""
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
        """Listen for the JupyterLab extension."""
        self._find_loop()
        self._channel.open()

    def push(self, message: Message) -> None:
        """Send a message to all connected views."""
        self._channel.push(message)

    # -- what is watched

    def live_dag(self, progress: Progress, *, watched: bool = False) -> LiveDag:
        """The DAG of a run that starts; `watched` says whether a front end without a view shows updates of outputs."""
        from flownb.widgets.live import LiveDag

        dag = LiveDag(self.session, progress, self.push, live=self.live, watched=watched, on_end=self._keep_dag)
        self._dags.append(dag)
        return dag

    def show_flow(self) -> None:
        """Display the flow with each step's state; where a view is connected, it then follows the badges."""
        from flownb.session.drawing import picture
        from flownb.session.states import step_states
        from flownb.widgets.live import FollowingDag, show_dag

        judged = step_states(self.session)
        if self.live:
            self._following.append(FollowingDag(self.session, self.board, judged, self.push))
        else:
            show_dag(picture(self.session, judged), {})

    def _keep_dag(self, dag_id: str, facts: Mapping[str, Any], states: Mapping[str, Freshness]) -> None:
        """Let the picture of a run that has ended follow the badges too."""
        from flownb.session.states import step_states
        from flownb.widgets.live import FollowingDag

        judged = step_states(self.session, run_code=False)
        self._following.append(
            FollowingDag(self.session, self.board, judged, self.push, drawn=states, dag_id=dag_id, facts=facts)
        )

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
            self.session.checks.find()  # says that there is no flow yet
        self.board.refresh()
        old = self._widgets.pop(place, None)
        if old is not None:
            old.close()
        while len(self._widgets) >= WIDGETS:
            del self._widgets[next(iter(self._widgets))]
        self._widgets[place] = widget = DagWidget(self.session, self.board, self.push)
        return widget

    def _watch(self, event: Event) -> None:
        """Hand an event of the session to all that shows it; the output of tasks is shown below their cell."""
        from flownb.runtime.events import RunGoesOn, TaskOutput

        if isinstance(event, TaskOutput):
            return
        self.board.count(event)
        if not isinstance(event, RunGoesOn):
            self._channel.push(event)
        if self.live or self._widgets:
            self.board.show(event)
        if self.live:
            self.cards(event)
        for one in self._followers:
            one(event)

    @property
    def _followers(self) -> tuple[DagWidget | FollowingDag, ...]:
        """The displayed DAGs that follow the badges."""
        return (*self._widgets.values(), *(self._following if self.live else ()))

    def _name(self, notebook_id: str) -> None:
        """Have the views write an id into the notebook's metadata."""
        from flownb.widgets.messages import NotebookNamed

        self.push(NotebookNamed(notebook_id))

    # -- cells

    def before_cell(self) -> None:
        """Take over what a view shows; a new step has its badge while it waits or runs."""
        self._find_loop()
        if self.take_document() and self.live:
            self.board.show_new()

    def after_cell(self) -> None:
        """Send pending messages, refresh cards; judge all steps again once the kernel is idle."""
        self._channel.flush()
        if self.live and "cards" in self.__dict__:
            self.cards.after_cell()
        if self.has_session and (self.live or self._widgets):
            self._refresh_soon()

    def take_document(self) -> bool:
        """Take over the document that a view sent last; false if none was sent since the last call."""
        with self._document_lock:
            document, self._document = self._document, None
        if document is not None:
            self.session.cells.show(document)
            notebook = self._channel.notebook
            if notebook is not None:
                self.session.show_notebook(notebook.name, notebook.id)
        return document is not None

    # -- the extension, perhaps on another thread

    def _keep_document(self, document: Sequence[DocumentCell]) -> None:
        """Keep the document that a view sent until the thread that executes cells takes it over."""
        with self._document_lock:
            self._document = document
        if self.has_session:
            self._refresh_soon()

    def _greet(self) -> None:
        """Send the states of all steps and DAGs to a view that has just connected.

        The session belongs to the thread that executes cells. So the steps are judged from the view's document and the
        records, by another session.
        """
        from flownb.widgets.board import StatusBoard
        from flownb.widgets.messages import StepsChanged

        try:
            aside = self._open_session()
            aside.cells.show(self._channel.document)
            notebook = self._channel.notebook
            if notebook is not None:
                if self.has_session:
                    aside.continue_as(self.session)
                aside.show_notebook(notebook.name, notebook.id)
            board = self._board or StatusBoard(aside, self.push)
            self._badges = board.greet(aside, self.push)
        except Exception:
            logging.getLogger(__name__).exception("The states of the steps could not be worked out.")
            self.push(StepsChanged((), True))  # the view waits for an answer
        dags: tuple[LiveDag | FollowingDag, ...] = (*self._dags, *self._following)
        for missed in [dag.catch_up() for dag in dags]:
            if missed is not None:
                self.push(missed)
        self._channel.flush()
        self._refresh_soon()

    # -- when the kernel is idle

    def _find_loop(self) -> None:
        """Find the loop that executes cells; there is none yet while IPython's configuration loads extensions."""
        if self._loop is None:
            with contextlib.suppress(RuntimeError):
                import asyncio

                self._loop = asyncio.get_running_loop()

    def _refresh_soon(self) -> None:
        """Judge all steps when the kernel has nothing else to do."""
        if self._loop is not None and not self._refreshing:
            self._refreshing = True
            self._loop.call_soon_threadsafe(self._loop.call_later, self._pause, self._refresh)

    def _refresh(self) -> None:
        """Judge all steps and update all that shows them."""
        self._refreshing = False
        started = monotonic()
        try:
            self.take_document()
            self.board.refresh()
            for one in self._followers:
                one.refresh()
        except Exception:
            logging.getLogger(__name__).exception("The states of the steps could not be worked out.")
        # Long flows are judged less often, so that it never takes more than a tenth of the time.
        self._pause = max(SETTLE, 10 * (monotonic() - started))
