"""Cards in the notebook's outputs, refreshed in place.

Takes the session and its events; gives updates of the outputs that show a step's newest card. Only where a view is
connected: nbclient and nbval know no updates.
"""

from __future__ import annotations

from IPython.display import update_display

from flownb.runtime.events import CardRefreshed, Event, TaskEnded
from flownb.session.session import Session

__all__ = ["CardOutputs"]


class CardOutputs:
    """The outputs that ``%card`` made.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ended: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Take an event of the stream: a card that its step refreshes is shown at once."""
        if isinstance(event, CardRefreshed):
            self._update(event.step)
        elif isinstance(event, TaskEnded):
            self._ended.add(event.step)

    def after_cell(self) -> None:
        """Show the cards of the steps that ended, now that their results are recorded."""
        ended, self._ended = self._ended, set()
        for step in sorted(ended):
            self._update(step)

    def _update(self, step: str) -> None:
        for one in self._session.cards.updates(self._session, step):
            update_display(  # type: ignore[no-untyped-call]  # IPython leaves it untyped
                one.bundle, display_id=one.display_id, raw=True, metadata=one.metadata
            )
