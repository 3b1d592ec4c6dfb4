"""``%%step`` and ``%%shared``: the cells a flow is made of."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

from IPython.core.magic import Magics, cell_magic, magics_class

from flownb.magics.frontend import Frontend
from flownb.session.commands import asks_for_help, command_help

__all__ = ["StepMagics"]


@magics_class
class StepMagics(Magics):
    """Magics that define a cell of the flow and run it."""

    def __init__(self, shell: Any, frontend: Frontend) -> None:
        super().__init__(shell)
        self.frontend = frontend
        self.names: dict[str, Any] = shell.user_ns
        self.shared_names: set[str] = set()

    @cell_magic
    def step(self, line: str, cell: str) -> None:
        """Define a step and run it on its parents' latest results.

        Without ``--after`` the parent is the step cell above. Names after ``->`` are captured: they become artifacts,
        and are put into the notebook's namespace for scratch cells to look at.
        """
        if asks_for_help(line.split()):
            print(command_help("step", "magic"))
            return
        frontend = self.frontend
        defined = frontend.define(line, cell, "step")
        with frontend.in_kernel():
            frontend.say_notes()
            outcome = frontend.session.run_step(
                defined.name, display=frontend.show, kernel_names=frontend.kernel_names()
            )
        # Shared names are those of the module the step ran in: its values are then of the classes scratch cells see.
        frontend.place(frontend.session.shared_values(self.shared_names & self.names.keys()))
        frontend.place(outcome.values)
        frontend.show(outcome.report)

    step.__doc__ = f"{cleandoc(str(step.__doc__))}\n\n{command_help('step', 'magic')}\n"

    @cell_magic
    def shared(self, line: str, cell: str) -> None:
        """Define shared code: imports, functions, classes and constants that every step sees.

        Its names are put into the notebook's namespace as well. Magics in it run here and are comments in flow.py.
        """
        frontend = self.frontend
        defined = frontend.define(line, cell, "shared")
        for magic in defined.parsed.magics:
            exec(frontend.shell.transform_cell(magic.text), self.names)
        with frontend.in_kernel():
            names = frontend.session.run_shared(defined)
        self.shared_names.update(names)
        frontend.place(names)
