"""``%%step``, ``%%shared``, ``%spin``, ``%card`` and ``%debug``: what a notebook does with one step."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, cell_magic, line_cell_magic, line_magic, magics_class

from flownb.magics.frontend import Frontend, printed_help, with_help

if TYPE_CHECKING:
    from flownb.session.spin import SpinOutcome

__all__ = ["CardMagics", "SpinMagics", "StepMagics", "register_debug"]


@magics_class
class StepMagics(Magics):
    """Magics that define a cell of the flow and run it."""

    def __init__(self, shell: Any, frontend: Frontend) -> None:
        super().__init__(shell)
        self.frontend = frontend
        self.names: dict[str, Any] = shell.user_ns
        self.shared_names: set[str] = set()

    @with_help("step")
    @cell_magic
    def step(self, line: str, cell: str) -> None:
        """Define a step and run it on its parents' latest results.

        Without ``--after`` the parent is the step cell above. Names after ``->`` are captured: they become artifacts,
        and are put into the notebook's namespace for scratch cells to look at.
        """
        from flownb.session.step import run_step, shared_values

        if printed_help("step", line.split()):
            return
        frontend = self.frontend
        defined = frontend.define(line, cell, "step")
        with frontend.in_kernel():
            frontend.say_notes()
            outcome = run_step(
                frontend.session, defined.name, display=frontend.show, kernel_names=frontend.kernel_names()
            )
        # Shared names are those of the module the step ran in: its values are then of the classes scratch cells see.
        frontend.place(shared_values(frontend.session, self.shared_names & self.names.keys()))
        frontend.place(outcome.values)
        frontend.show(outcome.report)

    @cell_magic
    def shared(self, line: str, cell: str) -> None:
        """Define shared code: imports, functions, classes and constants that every step sees.

        Its names are put into the notebook's namespace as well. Magics in it run here and are comments in flow.py.
        """
        from flownb.session.step import run_shared_cell

        frontend = self.frontend
        defined = frontend.define(line, cell, "shared")
        for magic in defined.parsed.magics:
            exec(frontend.shell.transform_cell(magic.text), self.names)
        with frontend.in_kernel():
            names = run_shared_cell(frontend.session, defined)
        self.shared_names.update(names)
        frontend.place(names)


@magics_class
class SpinMagics(Magics):
    """Magics that run a step and record nothing."""

    def __init__(self, shell: Any, frontend: Frontend) -> None:
        super().__init__(shell)
        self.frontend = frontend

    @with_help("spin")
    @line_cell_magic
    def spin(self, line: str, cell: str | None = None) -> SpinOutcome | None:
        """Run one step on its parents' persisted artifacts, recording nothing.

        As a cell magic, the cell is a throw-away body in place of the step's own, to look around with: it may set some
        of what the step captures, or nothing. ``result = %spin train`` gives the outcome: ``result["model"]`` is the
        model. ``--pdb`` opens the debugger where the step fails; with ``--from`` it runs with the ids, attempt, tags
        and decorators that the task had in its run.
        """
        from flownb.session.options import parse_spin
        from flownb.session.parser import words
        from flownb.session.spin import spin_step

        frontend = self.frontend
        given = words(line)
        if printed_help("spin", given):
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
            return spin_step(
                frontend.session,
                options,
                body=cell,
                source=source,
                filename=filename,
                display=frontend.show,
                kernel_names=frontend.kernel_names(),
                debug=debug if frontend.can_ask else None,
            )


def _here(line: str) -> str:
    """The words of a spin in a process of its own, for one in the kernel that opens the debugger."""
    return f"{re.sub(r'--isolate[ =]+process', '', line).strip()} --pdb"


@magics_class
class CardMagics(Magics):
    """The magic that shows a card."""

    def __init__(self, shell: Any, frontend: Frontend) -> None:
        super().__init__(shell)
        self.frontend = frontend

    @with_help("card")
    @line_magic
    def card(self, line: str) -> None:
        """Show the newest card of a step, recorded or spun.

        In JupyterLab the output is refreshed in place when the step is run or spun again.
        """
        from flownb.session.options import parse_card
        from flownb.session.parser import words

        given = words(line)
        if printed_help("card", given):
            return
        self.frontend.views.cards.show(parse_card(given), cell_id=self.frontend.cell_id)


def register_debug(shell: Any, frontend: Frontend) -> None:
    """Let ``%debug`` offer to run a failed task of a run again in the kernel, to look into it.

    The task ran in a process of its own. IPython's own ``%debug`` serves every other error.
    """
    original = shell.find_line_magic("debug")
    if original is None:
        return

    @functools.wraps(original)
    def debug(line: str = "", cell: str | None = None, **options: Any) -> Any:
        elsewhere = None if line.strip() or cell else frontend.post_mortem.failed_elsewhere()
        if elsewhere is None:
            return original(line, cell, **options)
        words = elsewhere[1]
        what = "The failed task ran in a process of its own, which has ended."
        if not frontend.can_ask:
            print(f"{what} Where a front end takes input, `%spin {words}` runs it again and opens the debugger.")
            return None
        answer = input(f"{what} Run it again here, on the same inputs (`%spin {words}`)? [y/N] ")
        if answer.strip().lower() in ("y", "yes"):
            return shell.run_line_magic("spin", words)
        return None

    shell.register_magic_function(debug, magic_kind="line_cell", magic_name="debug")
