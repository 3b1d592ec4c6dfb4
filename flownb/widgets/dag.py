"""The flow's DAG as an anywidget, for front ends without the JupyterLab extension and for interactive use.

``dag.js`` beside this file draws it; it is built from ``labextension/src/widget.ts`` and shares its drawing with the
extension.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from flownb.runtime.events import Event, TaskCloned, TaskEnded, TaskStarted
from flownb.runtime.freshness import NEVER
from flownb.session.drawing import picture
from flownb.session.session import Session
from flownb.widgets.board import StatusBoard
from flownb.widgets.live import Drawing, Push, dag_bundle
from flownb.widgets.messages import DagChanged, to_wire

__all__ = ["DagWidget"]

HERE = Path(__file__).parent


class DagWidget(anywidget.AnyWidget):
    """The DAG of a notebook's flow with each step's state, kept up to date while cells are executed.

    In JupyterLab its extension shows the output instead, which follows the states; new steps show when the cell is
    executed again.

    Parameters
    ----------
    session : Session
    board : StatusBoard
        Has counted each event before this widget gets it.
    push : callable
        Sends a message to the views: JupyterLab's extension draws the output itself.

    Attributes
    ----------
    picture : dict
        The laid-out DAG as of the last time the kernel was idle, see `flownb.picture.payload`.
    selected : str
        The step that was clicked last, empty before.
    """

    _esm = HERE / "dag.js"
    _css = HERE / "dag.css"

    picture = traitlets.Dict().tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)

    def __init__(self, session: Session, board: StatusBoard, push: Push) -> None:
        super().__init__()
        self._session, self._board, self._push = session, board, push
        self._id = secrets.token_hex(8)
        self._drawing: Drawing | None = None
        self.refresh()

    def refresh(self) -> None:
        """Lay the flow out again, with its steps as the board has them."""
        before = self._drawing.statuses if self._drawing is not None else ()
        self._drawing = Drawing(self._session, self._board.states)
        self.picture = self._drawing.payload
        changed = tuple(status for status in self._drawing.statuses if status not in before)
        if before and changed:
            self._push(DagChanged(self._id, changed))

    def __call__(self, event: Event) -> None:
        """Take an event of the stream: draw its step again."""
        if isinstance(event, TaskStarted | TaskCloned | TaskEnded) and self._drawing is not None:
            status = self._drawing.status(event.step, self._board.states.get(event.step, NEVER))
            if status is not None:
                changed = DagChanged(self._id, (status,))
                self._push(changed)
                self.send(to_wire(changed))

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget's view, with pictures for where there is none: a reopened notebook, a web page."""
        view, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        bundle = {**view, **dag_bundle(picture(self._session, self._board.states))}
        return bundle, {**metadata, "flownb": {"dag": self._id}}
