"""The marked cells of a notebook as a kernel comes to know them, one execution at a time.

Takes cells as they are executed; gives them in document order. A cell is known by its id where the front end sends
one, else by what it defines; order is that of the notebook file where it is known, else of first execution.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from flownb.cells.cell import Cell

__all__ = ["CellBook"]


class CellBook:
    """Marked cells by identity.

    Parameters
    ----------
    path : Path or None
        The notebook's file, read only for the order of its cells.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._cells: dict[str, Cell | None] = {}
        self._positions: dict[str, int] = {}
        self._stamp: int | None = None

    def open(self, cells: Iterable[Cell]) -> None:
        """Take over all cells of a notebook file, in order; two of one step both stay, for a check to report."""
        self._cells = {}
        for position, cell in enumerate(cells):
            if cell.kind != "scratch":
                self._cells[cell.cell_id or f"position {position}"] = cell

    def put(self, cell: Cell) -> None:
        """Add a cell that was executed, or replace the one it is a new text of."""
        key = self._key(cell)
        if cell.kind in ("step", "flow"):
            # Another cell that defines the same step: the one executed last counts, in its own place.
            for other, known in list(self._cells.items()):
                if (
                    known is not None
                    and other != key
                    and known.kind == cell.kind
                    and (cell.kind == "flow" or known.name == cell.name)
                ):
                    if cell.cell_id is None or known.cell_id is None:
                        self._cells = {key if k == other else k: v for k, v in self._cells.items()}
                    else:
                        del self._cells[other]
        self._cells[key] = cell

    def unmark(self, cell_ids: Iterable[str]) -> None:
        """Take cells out of the flow, as deleted or no longer marked; one that is marked again keeps its place."""
        for cell_id in cell_ids:
            if cell_id in self._cells:
                self._cells[cell_id] = None

    def cells(self) -> tuple[Cell, ...]:
        """All cells in document order."""
        self._read_order()
        ordered: list[tuple[int, int, Cell]] = []
        last = -1
        for number, (key, cell) in enumerate(self._cells.items()):
            # A cell that is not in the saved file yet stands behind the cell that was executed before it.
            last = self._positions.get(key, last)
            if cell is not None:
                ordered.append((last, number, cell))
        if not self._positions:
            return tuple(cell for _, _, cell in ordered)
        return tuple(cell for _, _, cell in sorted(ordered, key=lambda item: item[:2]))

    def _key(self, cell: Cell) -> str:
        """The cell's id, else the key of the cell that defines the same, else a new one."""
        if cell.cell_id:
            return cell.cell_id
        same = (key for key, known in self._cells.items() if known and _defines(known) == _defines(cell))
        return next(same, f"cell {len(self._cells)} {_defines(cell)}")

    def _read_order(self) -> None:
        """Read the cells' positions from the notebook file when it changed."""
        if self.path is None:
            return
        try:
            stamp = self.path.stat().st_mtime_ns
            if stamp == self._stamp:
                return
            cells = json.loads(self.path.read_text(encoding="utf-8")).get("cells", [])
        except (OSError, ValueError):
            return
        self._stamp = stamp
        self._positions = {cell["id"]: number for number, cell in enumerate(cells) if "id" in cell}


def _defines(cell: Cell) -> tuple[str, str]:
    """What a cell is known by without an id: the step's name, that it is the header, shared code's text."""
    return cell.kind, {"step": cell.name, "flow": "", "shared": cell.source}.get(cell.kind, cell.source)
