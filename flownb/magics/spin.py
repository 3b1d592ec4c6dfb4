"""``%spin`` and ``%%spin``: one step again, in milliseconds."""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class

from flownb.magics.frontend import Frontend
from flownb.session.commands import asks_for_help, command_help

if TYPE_CHECKING:
    from flownb.session.session import SpinOutcome

__all__ = ["SpinMagics"]


@magics_class
class SpinMagics(Magics):
    """Magics that run a step and record nothing."""

    def __init__(self, shell: Any, frontend: Frontend) -> None:
        super().__init__(shell)
        self.frontend = frontend

    @line_cell_magic
    def spin(self, line: str, cell: str | None = None) -> SpinOutcome | None:
        """Run one step on its parents' persisted artifacts, recording nothing.

        As a cell magic, the cell is a throw-away body in place of the step's own. ``result = %spin train`` gives the
        outcome: ``result["model"]`` is the model.
        """
        from flownb.session.option_words import words
        from flownb.session.step_options import parse_spin

        frontend = self.frontend
        given = words(line)
        if asks_for_help(given):
            print(command_help("spin", "magic"))
            return None
        options = parse_spin(given)
        filename = None
        if cell is not None:
            filename = frontend.filename(f"%%spin {line}\n{cell}")
        try:
            return frontend.session.spin(
                options,
                body=cell,
                filename=filename,
                display=frontend.show,
                kernel_names=frontend.kernel_names(),
            )
        except BaseException as error:  # the user's own, KeyboardInterrupt too
            frontend.raise_for_user(error)

    spin.__doc__ = f"{cleandoc(str(spin.__doc__))}\n\n{command_help('spin', 'magic')}\n"
