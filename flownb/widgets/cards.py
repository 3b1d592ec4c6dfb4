"""Cards in the notebook's outputs, refreshed in place.

The outputs of ``%card`` that show a step's newest card are updated when it changes. Updates are sent only where a view
is connected: nbclient and nbval ignore them.
"""

from __future__ import annotations

import secrets

from IPython.display import display, update_display

from flownb.errors import FlownbError
from flownb.runtime.events import CardRefreshed, Event, TaskEnded
from flownb.session.cards import card_view
from flownb.session.options import CardOptions
from flownb.session.session import Session

__all__ = ["CardOutputs"]

# Outputs that are refreshed in place; the oldest are dropped, for most of them were deleted.
DISPLAYS = 50


class CardOutputs:
    """The outputs that ``%card`` made.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shown: dict[str, CardOptions] = {}
        self._ended: set[str] = set()

    def show(self, options: CardOptions, *, cell_id: str | None) -> None:
        """Display a card in the cell that is being executed.

        Parameters
        ----------
        options : CardOptions
            A step's newest card is refreshed later, also by a view that connects then; one of a run never changes.
        cell_id : str or None
            The cell's id, which makes its output the same one when it is executed again; None where it is not known.

        Raises
        ------
        NotFound
            If there is no such step, or no such run or task.
        CardNotFound
            If it never ran, has no card, or none of that id or index.
        """
        view = card_view(self._session, options)
        display_id = _display_id(options, cell_id)
        if options.origin is None:
            self._shown.pop(display_id, None)  # it is the newest output now
            self._shown[display_id] = options
            while len(self._shown) > DISPLAYS:
                del self._shown[next(iter(self._shown))]
        display(  # type: ignore[no-untyped-call]  # IPython leaves it untyped
            view.bundle(), raw=True, metadata=view.metadata, display_id=display_id
        )

    def __call__(self, event: Event) -> None:
        """Handle an event of the stream: a card that its step refreshes is shown at once."""
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
        """Show what the outputs of a step's card should show now; each different card is drawn once."""
        outputs: dict[CardOptions, list[str]] = {}
        for display_id, options in self._shown.items():
            if options.step == step:
                outputs.setdefault(options, []).append(display_id)
        for options, ids in outputs.items():
            try:
                view = card_view(self._session, options)
            except FlownbError:  # what cannot be shown any more is left as it is; %card says why
                continue
            bundle = view.bundle()
            for display_id in ids:
                update_display(  # type: ignore[no-untyped-call]  # IPython leaves it untyped
                    bundle, display_id=display_id, raw=True, metadata=view.metadata
                )


def _display_id(options: CardOptions, cell_id: str | None) -> str:
    """Which output it is: the cell's one for these options, so that executing the cell again replaces it."""
    if cell_id is None:
        return f"flownb-card-{secrets.token_hex(6)}"
    index = "" if options.index is None else str(options.index)
    return "-".join(("flownb-card", cell_id, options.step, options.id or "", index, options.origin or "")).rstrip("-")
