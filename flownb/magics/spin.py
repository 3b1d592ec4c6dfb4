"""``%spin`` and ``%%spin``: one step again, in milliseconds."""

from __future__ import annotations

import re
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

        As a cell magic, the cell is a throw-away body in place of the step's own, to look around with: it may set some
        of what the step captures, or nothing. ``result = %spin train`` gives the outcome: ``result["model"]`` is the
        model. ``--pdb`` opens the debugger where the step fails; with ``--from`` it runs with the ids, attempt, tags
        and decorators that the task had in its run.
        """
        from flownb.session.option_words import words
        from flownb.session.step_options import parse_spin

        frontend = self.frontend
        given = words(line)
        if asks_for_help(given):
            print(command_help("spin", "magic"))
            return None
        options = parse_spin(given)
        source = filename = None
        if cell is not None:
            source = frontend.sent(f"%%spin {line}\n{cell}", cell)
            filename = frontend.filename(source)
        opened: list[BaseException] = []

        def debug(error: BaseException) -> None:
            opened.append(error)
            frontend.post_mortem.open(error)

        with frontend.in_kernel(again=_here(line), opened=opened):
            frontend.say_notes()
            return frontend.session.spin(
                options,
                body=cell,
                source=source,
                filename=filename,
                display=frontend.show,
                kernel_names=frontend.kernel_names(),
                debug=debug if frontend.can_ask else None,
            )

    spin.__doc__ = f"{cleandoc(str(spin.__doc__))}\n\n{command_help('spin', 'magic')}\n"


def _here(line: str) -> str:
    """The words of a spin in a process of its own, for one in the kernel that opens the debugger."""
    return f"{re.sub(r'--isolate[ =]+process', '', line).strip()} --pdb"
