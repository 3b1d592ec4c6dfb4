"""What a run is made from, to be recorded with it: the texts of the notebook's cells, and where it is started.

Takes a `SessionState`; gives plain values.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from flownb.cells.cell import Cell
from flownb.cells.notebook import saved_cells
from flownb.runtime.provenance import run_environment
from flownb.session.state import SessionState

__all__ = ["environment", "notebook_cells"]


def environment(session: SessionState) -> dict[str, Any]:
    """Where and by what a run is started, see `run_environment`."""
    return run_environment(session.notebook.parent if session.notebook is not None else Path.cwd())


def notebook_cells(session: SessionState) -> list[dict[str, str]]:
    """All code cells of the notebook, in document order.

    Returns
    -------
    list of dict
        ``source``, ``kind``, ``name`` and ``id`` of each. Marked cells are as they run, scratch cells as they are in
        the notebook's file, if it can be read.
    """
    marked = session.cells.cells()
    saved: list[Cell] = []
    if session.notebook is not None:
        with contextlib.suppress(OSError, ValueError):
            saved = saved_cells(session.notebook)
    by_id = {cell.cell_id: cell for cell in marked if cell.cell_id}
    by_text = {cell.source: cell for cell in marked}
    found: list[Cell] = []
    for cell in saved:
        now = by_id.get(cell.cell_id or "") or by_text.get(cell.source)
        if now is not None or cell.kind == "scratch":
            found.append(now or cell)
    there = {id(cell) for cell in found}
    found += [cell for cell in marked if id(cell) not in there]  # never saved
    return [{"source": cell.source, "kind": cell.kind, "name": cell.name, "id": cell.cell_id or ""} for cell in found]
