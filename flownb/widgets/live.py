"""The DAG of a run in a cell's output, updated in place while the cell blocks.

Takes the events of one run; gives a displayed DAG. Where no view is connected there is one display at the end, for
nbclient and nbval know no updates; where one is, the DAG is there from the start. A front end without a view that shows
updates has lines of text in the DAG's place until then.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from time import monotonic
from typing import Any

from IPython.display import display, update_display

from flownb.picture import DAG_MIME, Dag, DagNode, dag_payload, dag_svg, dag_text, node_detail
from flownb.picture.layout import flow_description, flow_summary, node_sentence
from flownb.runtime.events import (
    DagChanged,
    DagDrawn,
    Event,
    NodeStatus,
    RunGoesOn,
    RunStarted,
    TaskCloned,
    TaskEnded,
    TaskStarted,
)
from flownb.runtime.freshness import NEVER, Freshness
from flownb.session.judge import step_detail
from flownb.session.progress import Progress, Tally
from flownb.session.session import Session
from flownb.widgets.board import StatusBoard
from flownb.widgets.progress import StepLines

__all__ = ["Drawing", "LiveDag", "ShownDag", "dag_bundle", "show_dag"]

# MERGED-DOC widgets.shown: Pictures of the flow that stay in the notebook: of ``%flow``, and of a run that has
# ended. Takes what the badges show; gives pictures that show the same. Where a view is connected, it writes them
# into the document, so a saved picture says what the badges say; without a view a picture is what it was when it
# was displayed.


class ShownDag:
    """One displayed picture.

    Parameters
    ----------
    session : Session
    board : StatusBoard
        Told of each event before this is.
    judged : mapping of str to Freshness
        How all steps stand.
    shown : mapping of str to Freshness, optional
        How they are drawn at first, if that is not the same: a picture of a run shows what became of it.
    dag_id : str, optional
        The id that its output has already; None displays it.
    facts : mapping, optional
        What its output's metadata hold beside the id.
    """

    def __init__(
        self,
        session: Session,
        board: StatusBoard,
        judged: Mapping[str, Freshness],
        *,
        shown: Mapping[str, Freshness] | None = None,
        dag_id: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self._session, self._board = session, board
        self._id = dag_id if dag_id is not None else secrets.token_hex(8)
        self._metadata = {"flownb": {**(facts or {}), "follows": self._id}}
        self._judged = judged
        self._shown = dict(judged if shown is None else shown)
        self._picture = session.picture(self._shown)
        self._drawing = Drawing(session, self._shown)
        self._drawn: DagDrawn | None = None
        if dag_id is None:
            display(self._bundle(), raw=True, metadata=self._metadata)  # type: ignore[no-untyped-call]  # IPython leaves it untyped

    def __call__(self, event: Event) -> None:
        """Take an event of the stream: the step of an executed cell is drawn anew; a run has a picture of its own."""
        if isinstance(event, TaskStarted | TaskEnded) and event.mode == "work":
            status = self._drawing.status(event.step, self._board.states.get(event.step, NEVER))
            if status is not None:
                self._session.events.emit(DagChanged(self._id, (status,)))

    def refresh(self) -> None:
        """Draw the steps whose judgement changed as their badges show them, and those that are new.

        What a run that broke off did not come to stays as it is drawn until then.
        """
        judged = self._board.states
        self._shown |= {name: one for name, one in judged.items() if self._judged.get(name) != one}
        self._judged = judged
        picture = self._session.picture(self._shown)
        if picture != self._picture:
            self._picture = picture
            self._drawing = Drawing(self._session, self._shown)
            self._drawn = DagDrawn(self._id, self._bundle(), self._metadata)
            self._session.events.emit(self._drawn)

    def catch_up(self) -> DagDrawn | None:
        """What a page that was loaded anew has missed."""
        return self._drawn

    def _bundle(self) -> dict[str, Any]:
        return {**dag_bundle(self._picture), DAG_MIME: self._drawing.payload}


# What a card is made wide enough for while its step's tasks are counted.
ROOM_FOR_TASKS = 1000
# Seconds between two times that a step is told of.
INTERVAL = 0.1


def dag_bundle(dag: Dag) -> dict[str, Any]:
    """A DAG as a MIME bundle: values for the extension, SVG for all other front ends, text."""
    return {DAG_MIME: dag_payload(dag), "image/svg+xml": dag_svg(dag), "text/plain": dag_text(dag)}


def show_dag(dag: Dag, facts: Mapping[str, Any]) -> None:
    """Display a DAG; facts that vary from run to run go into the metadata."""
    display(dag_bundle(dag), raw=True, metadata={"flownb": dict(facts)} if facts else {})  # type: ignore[no-untyped-call]  # IPython leaves it untyped


class Drawing:
    """A laid-out DAG whose steps can be told of one by one; its cards have room for what they will say.

    Parameters
    ----------
    session : Session
    states : mapping of str to Freshness
        By step; a missing step never ran.

    Attributes
    ----------
    payload : dict
        What `DAG_MIME` holds.
    statuses : tuple of NodeStatus
        How each step is drawn in it.
    """

    def __init__(self, session: Session, states: Mapping[str, Freshness]) -> None:
        dag = session.picture(states)
        roomy = {node.name: states.get(node.name, Freshness("running", (), ROOM_FOR_TASKS)) for node in dag.nodes}
        self.payload = dag_payload(session.picture(roomy))
        self._nodes = {node.name: node for node in dag.nodes}
        self._widths = {node["name"]: node["width"] for node in self.payload["nodes"]}
        self.statuses = tuple(self._status(self._nodes[node["name"]]) for node in self.payload["nodes"])
        for node, status in zip(self.payload["nodes"], self.statuses, strict=True):
            node |= {"state": status.state, "detail": [list(span) for span in status.detail], "title": status.title}
        self.payload |= {"summary": flow_summary(dag), "description": flow_description(dag)}

    def status(self, step: str, state: Freshness) -> NodeStatus | None:
        """How a step is to be drawn now; None for one that only a run has: start, end, a bridge."""
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
        Told of each event before this is.
    live : bool
        Whether a view is connected.
    watched : bool, default False
        Whether there is a front end that shows updates of outputs, if no view is connected.
    on_end : callable, optional
        Given the id by which a view's DAG follows the badges, its metadata and its steps' states, when it is final.
    """

    def __init__(
        self,
        session: Session,
        progress: Progress,
        *,
        live: bool,
        watched: bool = False,
        on_end: Callable[[str, Mapping[str, Any], Mapping[str, Freshness]], None] | None = None,
    ) -> None:
        self._session = session
        self._progress = progress
        self._live = live
        self._on_end = on_end
        self._id = secrets.token_hex(8)
        self._drawing: Drawing | None = None
        self._told: dict[str, NodeStatus] = {}
        self._tally = Tally(progress.pathspec, session.program(False).graph.order) if watched and not live else None
        self._lines: StepLines | None = None
        # Steps whose tasks follow each other so fast that they are told of together; when each was told of last.
        self._late: set[str] = set()
        self._when: dict[str, float] = {}
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
            now = monotonic()
            if now - self._when.get(event.step, 0.0) < INTERVAL:
                self._late.add(event.step)
            else:
                self._when[event.step] = now
                self._tell(self._drawing, [event.step])

    def finish(self, facts: Mapping[str, Any], *, aside: bool = False) -> None:
        """Show what became of each step, in place of what was shown so far.

        Parameters
        ----------
        facts : mapping
            What goes into the output's metadata.
        aside : bool, default False
            Whether another cell may run by now, whose output must not be touched: the view alone is told.
        """
        if self._drawing is None and not self._progress.states:
            return  # refused before anything ran
        states = self._session.became(self._progress.states)
        dag = self._session.picture(states)
        if self._drawing is None and self._lines is None:
            if not aside:
                show_dag(dag, facts)
            return
        # A view goes on to draw it as the badges are; for others it is what became of the run. The id is another one,
        # for a view may know the end before it knows the last states of the run.
        follows = secrets.token_hex(8)
        kept = {"follows": follows} if self._drawing is not None else {}
        bundle, metadata = dag_bundle(dag), {"flownb": {**facts, **kept}}
        if not aside:
            update_display(bundle, display_id=self._id, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]  # IPython leaves it untyped
        self._final = DagDrawn(self._id, bundle, metadata)
        self._session.events.emit(self._final)
        if self._on_end is not None and self._drawing is not None:
            self._on_end(follows, facts, states)

    def catch_up(self) -> DagChanged | DagDrawn | None:
        """What a page that was loaded anew has missed; None if nothing is displayed. May be called on any thread."""
        if self._final is not None or self._drawing is None:
            return self._final
        return DagChanged(self._id, tuple(self._told.values()))

    def _start(self, event: RunStarted) -> None:
        """Display the DAG before its first task, or the lines in its place."""
        if self._tally is not None:
            self._lines = StepLines(self._tally, self._id)
        if not self._live:
            return
        drawing = Drawing(self._session, {})
        bundle = {**dag_bundle(self._session.picture({})), DAG_MIME: drawing.payload}
        facts = {"dag": self._id, "run": f"{event.flow}/{event.run}"}
        display(bundle, raw=True, metadata={"flownb": facts}, display_id=self._id)  # type: ignore[no-untyped-call]  # IPython leaves it untyped
        self._drawing = drawing

    def _go_on(self) -> None:
        """Show what was not shown at once."""
        if self._lines is not None:
            self._lines.refresh()
        if self._drawing is not None and self._late:
            late, self._late = self._late, set()
            self._tell(self._drawing, late)

    def _tell(self, drawing: Drawing, steps: Iterable[str]) -> None:
        """Tell the views how steps stand."""
        found = [drawing.status(step, self._progress.steps.state(step) or NEVER) for step in steps]
        statuses = tuple(status for status in found if status is not None)
        if statuses:
            self._told = {**self._told, **{status.name: status for status in statuses}}
            self._session.events.emit(DagChanged(self._id, statuses))
