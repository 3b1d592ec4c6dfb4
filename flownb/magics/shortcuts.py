"""What JupyterLab's commands execute in the kernel: the step of a cell spun, the flow run, the notebook converted.

The first two show what ``%spin`` and ``%flow run`` show; a kernel that has not loaded the extension yet, for example
after a restart, loads it first. JupyterLab calls them by these names and this module's, also an older extension with a
newer kernel.
"""

from __future__ import annotations

from pathlib import Path
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


def convert_notebook(name: str, output: str | None = None, *, force: bool = False, verify: bool = True) -> None:
    """Convert the file of a notebook in the kernel's folder, and publish the result.

    JupyterLab calls it in a kernel of its own, so that the notebook's kernel may be busy or dead, and what was executed
    there does not influence the proof.

    Parameters
    ----------
    name : str
        The notebook's file.
    output : str, optional
        The file to write.
    force : bool
        Whether to replace that file if it exists.
    verify : bool, default True
        Whether to prove the flow.
    """
    from flownb.magics.conversion import convert_for_view, publish_message

    target = Path(output) if output else None
    convert_for_view(Path(name), target, force=force, verify=verify, publish=publish_message)


def _shell() -> Any:
    """IPython's shell, with flownb's magics."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    assert shell is not None
    assert shell.extension_manager is not None
    shell.extension_manager.load_extension("flownb")
    return shell
