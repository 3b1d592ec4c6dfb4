"""What JupyterLab's commands execute in the kernel: the step of a cell spun, the flow run, the notebook converted.

They show what ``%spin`` and ``%flow run`` show. JupyterLab calls them by these names and this module's, also an older
extension with a newer kernel. A kernel that has not loaded the extension yet, for example after a restart, loads it
first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flownb.errors import NotFound

if TYPE_CHECKING:
    from flownb.session.spin import SpinOutcome

__all__ = ["convert_notebook", "run_flow", "spin_cell"]


def spin_cell(cell_id: str) -> SpinOutcome:
    """Spin the step that a notebook cell defines, as the cell is now.

    Raises
    ------
    NotFound
        If the cell defines no step.
    """
    from flownb.magics import frontend_of

    shell = _shell()
    frontend = frontend_of(shell)
    assert frontend is not None
    step = frontend.session.step_of(cell_id)
    if step is None:
        raise NotFound(
            "This cell is not a step.",
            "Only a cell that begins with %%step, or has a step tag, can be spun.",
            "Select a step cell, or write %%step NAME on its first line.",
        )
    outcome: SpinOutcome = shell.run_line_magic("spin", step)
    return outcome


def run_flow() -> None:
    """Run the whole flow with its parameters' defaults."""
    _shell().run_line_magic("flow", "run")


def convert_notebook() -> None:
    """Convert the notebook as it was last saved to a flow in a new file, and prove it.

    The last line that is printed is JSON for the view: ``{"written": name of the file or null, "report": lines}``.

    Raises
    ------
    NotFound
        If the notebook was never saved.
    ParameterError
        If the file to write exists.
    """
    import json

    from flownb.magics import frontend_of
    from flownb.magics.conversion import convert_notebook

    frontend = frontend_of(_shell())
    assert frontend is not None
    converted, lines = convert_notebook(frontend.session.notebook, [])
    written = converted.output.name if converted.written else None
    print(json.dumps({"written": written, "report": lines}))


def _shell() -> Any:
    """IPython's shell, with flownb's magics."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    assert shell is not None
    assert shell.extension_manager is not None
    shell.extension_manager.load_extension("flownb")
    return shell
