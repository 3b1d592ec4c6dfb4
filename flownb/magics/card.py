"""``%card``: what a step shows of its result."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

from IPython.core.magic import Magics, line_magic, magics_class

from flownb.magics.frontend import Frontend
from flownb.session.commands import asks_for_help, command_help

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

        In JupyterLab the output is refreshed in place when the step is run or spun again.
        """
        from flownb.session.option_words import words
        from flownb.session.step_options import parse_card

        given = words(line)
        if asks_for_help(given):
            print(command_help("card", "magic"))
            return
        self.frontend.views.cards.show(parse_card(given), cell_id=self.frontend.cell_id)

    card.__doc__ = f"{cleandoc(str(card.__doc__))}\n\n{command_help('card', 'magic')}\n"
