"""What a run's record says of how the run was made: the notebook's cells, where it was started, what was asked for."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from flownb.cells.cell import Cell
from flownb.cells.notebook import saved_cells
from flownb.provenance.record import run_environment
from flownb.runtime.launch import Launch
from flownb.session.session import Session
from flownb.store.records import RunRecord

__all__ = ["environment", "launch_facts", "launch_of", "notebook_cells"]

LAUNCH = "launch"


def environment(session: Session) -> dict[str, Any]:
    """Where and by what a run is started; see `run_environment`."""
    return run_environment(session.notebook.parent if session.notebook is not None else Path.cwd())


def notebook_cells(session: Session) -> list[dict[str, str]]:
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


def launch_facts(adds: Launch) -> dict[str, Any]:
    """What is recorded of a run's command, as part of its environment; nothing if it adds nothing."""
    if adds == Launch():
        return {}
    decorators = [[name, dict(settings)] for name, settings in adds.decorators]
    return {LAUNCH: json.dumps({"with": decorators, "branch": adds.branch, "production": adds.production})}


def launch_of(run: RunRecord) -> Launch:
    """What a run's command added to its flow."""
    facts = json.loads(run.environment.get(LAUNCH, "{}"))
    decorators = tuple((str(name), settings) for name, settings in facts.get("with", ()))
    return Launch(decorators, facts.get("branch"), bool(facts.get("production")))
