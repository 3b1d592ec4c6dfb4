"""Pictures of the flow that stay in the notebook: of ``%flow``, and of a run that has ended.

Takes what the badges show; gives pictures that show the same. Where a view is connected, it writes them into the
document, so a saved picture says what the badges say; without a view a picture is what it was when it was displayed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from IPython.display import display

from flownb.picture import DAG_MIME
from flownb.runtime.events import DagChanged, DagDrawn, Event, TaskEnded, TaskStarted
from flownb.runtime.freshness import NEVER, Freshness
from flownb.session.session import Session
from flownb.widgets.board import StatusBoard
from flownb.widgets.live import Drawing, dag_bundle

__all__ = ["ShownDag"]


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
