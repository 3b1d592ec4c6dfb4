"""``%card``: what a step shows of its result."""

from __future__ import annotations

import secrets
from typing import Any

from IPython.core.magic import Magics, line_magic, magics_class
from IPython.display import display

from flownb.magics.frontend import Frontend

__all__ = ["CardMagics"]


@magics_class
class CardMagics(Magics):
    """The magic that shows a card."""

    def __init__(self, shell: Any, frontend: Frontend) -> None:
        super().__init__(shell)
        self.frontend = frontend

    @line_magic
    def card(self, line: str) -> None:
        """Show the newest card of a step, recorded or spun.

        ::

            %card STEP [--id ID] [--index N] [--from RUN[/STEP/TASK]]

        In JupyterLab the output is refreshed in place when the step is run or spun again.
        """
        from flownb.session.cards import card_view
        from flownb.session.options import parse_card, words

        session = self.frontend.session
        options = parse_card(words(line))
        view = card_view(session, options)
        display_id = f"flownb-card-{secrets.token_hex(6)}"
        session.cards.shows(display_id, options)
        display(  # type: ignore[no-untyped-call]  # IPython leaves it untyped
            view.bundle(), raw=True, metadata=view.metadata, display_id=display_id
        )
