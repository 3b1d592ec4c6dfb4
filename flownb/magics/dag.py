"""``flownb.dag()``: the DAG of this notebook's flow as a widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flownb.errors import NotFound
from flownb.magics import frontend_of

if TYPE_CHECKING:
    from flownb.widgets.dag import DagWidget

__all__ = ["dag"]


def dag() -> DagWidget:
    """The flow's DAG, interactive and kept up to date; ``dag().selected`` is the step that was clicked last.

    Raises
    ------
    NotFound
        Outside of a notebook, or before ``%load_ext flownb``.
    """
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    frontend = frontend_of(shell) if shell is not None else None
    if shell is None or frontend is None:
        raise NotFound(
            "There is no flow here to draw.",
            "flownb.dag() draws the flow of the notebook it is called in.",
            "Run %load_ext flownb first; on the command line, `flownb show NOTEBOOK` draws it.",
        )
    return frontend.views.dag_widget(frontend.cell_id or f"execution {shell.execution_count}")
