"""Displayed DAGs that are updated in place: of a run while it is active, and of the flow as its badges are.

Where no view is connected, the DAG of a run is displayed once, at its end, for nbclient and nbval ignore updates. Where
one is connected, it is there from the start, and follows the badges after the run: a saved picture then says what the
badges say. A front end without a view that shows updates gets lines of text until the run ends.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from IPython.display import display, update_display

from flownb.picture.layout import flow_description, flow_summary, node_sentence
from flownb.picture.model import Dag, DagNode
from flownb.picture.payload import DAG_MIME, dag_payload, node_detail
from flownb.picture.svg import dag_svg
from flownb.picture.text import dag_text
from flownb.runtime.events import Event, RunGoesOn, RunStarted, TaskCloned, TaskEnded, TaskStarted
from flownb.runtime.freshness import NEVER, Freshness
from flownb.session.drawing import picture, step_detail
from flownb.session.progress import Progress, Tally
from flownb.session.session import Session
from flownb.session.states import states_after_run
from flownb.widgets.board import Pace, StatusBoard
from flownb.widgets.messages import DagChanged, DagDrawn, Message, NodeStatus
from flownb.widgets.progress import StepLines

__all__ = ["Drawing", "FollowingDag", "LiveDag", "dag_bundle", "show_dag"]

Push = Callable[[Message], None]


class FollowingDag:
    """A displayed picture of the flow that follows the badges, written into the document by the connected view.

    Parameters
    ----------
    session : Session
    board : StatusBoard
        Has counted each event before this object gets it.
    judged : mapping of str to Freshness
        The states of all steps.
    push : callable
        Sends a message to the views.
    drawn : mapping of str to Freshness, optional
        The states that are drawn at first, if they differ: a picture of a run shows the outcome of the run.
    dag_id : str, optional
        The id that its output has already; None displays it.
    facts : mapping, optional
        The metadata of its output beside the id.
    """

    def __init__(
        self,
        session: Session,
        board: StatusBoard,
        judged: Mapping[str, Freshness],
        push: Push,
        *,
        drawn: Mapping[str, Freshness] | None = None,
        dag_id: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self._session, self._board, self._push = session, board, push
        self._id = dag_id if dag_id is not None else secrets.token_hex(8)
        self._metadata = {"flownb": {**(facts or {}), "follows": self._id}}
        self._judged = judged
        self._states = dict(judged if drawn is None else drawn)
        self._picture = picture(session, self._states)
        self._drawing = Drawing(session, self._states)
        self._drawn: DagDrawn | None = None
        if dag_id is None:
            display(self._bundle(), raw=True, metadata=self._metadata)  # type: ignore[no-untyped-call]  # IPython leaves it untyped

    def __call__(self, event: Event) -> None:
        """Take an event of the stream: draw the step of an executed cell again; a run has a picture of its own."""
        if isinstance(event, TaskStarted | TaskEnded) and event.mode == "work":
            status = self._drawing.status(event.step, self._board.states.get(event.step, NEVER))
            if status is not None:
                self._push(DagChanged(self._id, (status,)))

    def refresh(self) -> None:
        """Draw the steps whose judgement changed as their badges show them, and those that are new.

        Steps that an interrupted run did not reach stay as they are drawn until their judgement changes.
        """
        judged = self._board.states
        self._states |= {name: one for name, one in judged.items() if self._judged.get(name) != one}
        self._judged = judged
        drawn = picture(self._session, self._states)
        if drawn != self._picture:
            self._picture = drawn
            self._drawing = Drawing(self._session, self._states)
            self._drawn = DagDrawn(self._id, self._bundle(), self._metadata)
            self._push(self._drawn)

    def catch_up(self) -> DagDrawn | None:
        """What a page that was reloaded has missed."""
        return self._drawn

    def _bundle(self) -> dict[str, Any]:
        return {**dag_bundle(self._picture), DAG_MIME: self._drawing.payload}


# The number of tasks that a step's box has room for while they are counted.
ROOM_FOR_TASKS = 1000


def dag_bundle(dag: Dag) -> dict[str, Any]:
    """A DAG as a MIME bundle: values for the extension, SVG for all other front ends, text."""
    return {DAG_MIME: dag_payload(dag), "image/svg+xml": dag_svg(dag), "text/plain": dag_text(dag)}


def show_dag(dag: Dag, facts: Mapping[str, Any]) -> None:
    """Display a DAG; facts that vary from run to run go into the metadata."""
    display(dag_bundle(dag), raw=True, metadata={"flownb": dict(facts)} if facts else {})  # type: ignore[no-untyped-call]  # IPython leaves it untyped


class Drawing:
    """A laid-out DAG whose steps can be updated one by one; its boxes have room for what they will say.

    Parameters
    ----------
    session : Session
    states : mapping of str to Freshness
        By step; a missing step never ran.

    Attributes
    ----------
    payload : dict
        The content for `DAG_MIME`.
    statuses : tuple of NodeStatus
        How each step is drawn in it.
    """

    def __init__(self, session: Session, states: Mapping[str, Freshness]) -> None:
        dag = picture(session, states)
        roomy = {node.name: states.get(node.name, Freshness("running", (), ROOM_FOR_TASKS)) for node in dag.nodes}
        self.payload = dag_payload(picture(session, roomy))
        self._nodes = {node.name: node for node in dag.nodes}
        self._widths = {node["name"]: node["width"] for node in self.payload["nodes"]}
        self.statuses = tuple(self._status(self._nodes[node["name"]]) for node in self.payload["nodes"])
        for node, status in zip(self.payload["nodes"], self.statuses, strict=True):
            node |= {"state": status.state, "detail": [list(span) for span in status.detail], "title": status.title}
        self.payload |= {"summary": flow_summary(dag), "description": flow_description(dag)}

    def status(self, step: str, state: Freshness) -> NodeStatus | None:
        """How a step is to be drawn now; None for a step that only a run has: start, end, a bridge."""
        node = self._nodes.get(step)
        if node is None:
            return None
        return self._status(replace(node, state=state.state, detail=step_detail(state, node.in_foreach)))

    def _status(self, node: DagNode) -> NodeStatus:
        return NodeStatus(node.name, node.state, node_detail(node, self._widths[node.name]), node_sentence(node))


class LiveDag:
    """The DAG of one run.

    Parameters
    ----------
    session : Session
    progress : Progress
        Has counted each event before this object gets it.
    push : callable
        Sends a message to the views.
    live : bool
        Whether a view is connected.
    watched : bool, default False
        Whether there is a front end that shows updates of outputs, if no view is connected.
    on_end : callable, optional
        Called when the DAG is final, with the id by which a view lets it follow the badges, its metadata and its steps'
        states.
    """

    def __init__(
        self,
        session: Session,
        progress: Progress,
        push: Push,
        *,
        live: bool,
        watched: bool = False,
        on_end: Callable[[str, Mapping[str, Any], Mapping[str, Freshness]], None] | None = None,
    ) -> None:
        self._session = session
        self._progress = progress
        self._push = push
        self._live = live
        self._on_end = on_end
        self._id = secrets.token_hex(8)
        self._drawing: Drawing | None = None
        self._sent: dict[str, NodeStatus] = {}
        self._tally = Tally(progress.pathspec, session.program(False).graph.order) if watched and not live else None
        self._lines: StepLines | None = None
        self._pace = Pace()
        self._final: DagDrawn | None = None

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if not self._progress.is_about(event):
            return
        if self._tally is not None:
            self._tally(event)
        if isinstance(event, RunStarted):
            self._start(event)
        elif isinstance(event, RunGoesOn):
            self._go_on()
        elif self._drawing is not None and isinstance(event, TaskStarted | TaskCloned | TaskEnded):
            self._update(self._drawing, [event.step] if self._pace.allows(event.step) else [])

    def finish(self, facts: Mapping[str, Any], *, aside: bool = False) -> None:
        """Show the outcome of each step, in place of what was shown so far.

        Parameters
        ----------
        facts : mapping
            What goes into the output's metadata.
        aside : bool, default False
            Whether another cell may run by now, whose output must not be touched: then only the view is notified.
        """
        if self._drawing is None and not self._progress.states:
            return  # refused before anything ran
        states = states_after_run(self._session, self._progress.states)
        dag = picture(self._session, states)
        if self._drawing is None and self._lines is None:
            if not aside:
                show_dag(dag, facts)
            return
        # A view draws it as the badges are from now on; for others it is the outcome of the run. The id is another one,
        # for a view may learn of the end before it has the last states of the run.
        follows = secrets.token_hex(8)
        kept = {"follows": follows} if self._drawing is not None else {}
        bundle, metadata = dag_bundle(dag), {"flownb": {**facts, **kept}}
        if not aside:
            update_display(bundle, display_id=self._id, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]  # IPython leaves it untyped
        self._final = DagDrawn(self._id, bundle, metadata)
        self._push(self._final)
        if self._on_end is not None and self._drawing is not None:
            self._on_end(follows, facts, states)

    def catch_up(self) -> DagChanged | DagDrawn | None:
        """What a page that was reloaded has missed; None if nothing is displayed. May be called on any thread."""
        if self._final is not None or self._drawing is None:
            return self._final
        return DagChanged(self._id, tuple(self._sent.values()))

    def _start(self, event: RunStarted) -> None:
        """Display the DAG before its first task, or the lines in its place."""
        if self._tally is not None:
            self._lines = StepLines(self._tally, self._id)
        if not self._live:
            return
        drawing = Drawing(self._session, {})
        bundle = {**dag_bundle(picture(self._session, {})), DAG_MIME: drawing.payload}
        facts = {"dag": self._id, "run": f"{event.flow}/{event.run}"}
        display(bundle, raw=True, metadata={"flownb": facts}, display_id=self._id)  # type: ignore[no-untyped-call]  # IPython leaves it untyped
        self._drawing = drawing

    def _go_on(self) -> None:
        """Show what was not shown at once."""
        if self._lines is not None:
            self._lines.refresh()
        if self._drawing is not None:
            self._update(self._drawing, self._pace.late())

    def _update(self, drawing: Drawing, steps: Iterable[str]) -> None:
        """Send the states of steps to the views."""
        found = [drawing.status(step, self._progress.steps.state(step) or NEVER) for step in steps]
        statuses = tuple(status for status in found if status is not None)
        if statuses:
            self._sent = {**self._sent, **{status.name: status for status in statuses}}
            self._push(DagChanged(self._id, statuses))
