"""The marked cells of a notebook as a kernel comes to know them.

They come from cells as they are executed, and from the document as a connected view sends it, else from the saved
notebook file where its path is known. A cell is known by its id where the front end sends one, else by what it
defines. The newest text of a cell counts: of what the document shows and what was executed the
later one; of what was saved and what was executed the latter.

Two cells of one step, or two headers of the flow: a view shows that both are there, and a check reports them. Without a
view the other cell may long be renamed or deleted, so the one that was executed last counts; of two headers both, if
the saved file has both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from flownb.cells.cell import Cell, read_any_cell
from flownb.cells.notebook import DocumentCell, saved_cells

__all__ = ["CellBook"]

CellOrNone = TypeVar("CellOrNone", Cell, Cell | None)


class CellBook:
    """Marked cells by identity.

    Parameters
    ----------
    path : Path or None
        The notebook's file.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        # None is a cell that was deleted or lost its mark: marked again, it has its old place.
        self._executed: dict[str, Cell | None] = {}
        self._requests: dict[str, DocumentCell] = {}
        self._document: tuple[DocumentCell, ...] | None = None
        self._shown: dict[DocumentCell, Cell | None] = {}
        self._since_document: set[str] = set()
        self._saved: dict[str, Cell] = {}
        self._ever_saved: set[str] = set()
        self._stamp: int | None = None
        self._known: dict[str, Cell] | None = None

    def open(self, cells: Iterable[Cell]) -> None:
        """Take over all cells of a notebook file, in order; two of one step both stay, for a check to report."""
        self.path = self._known = self._document = None
        self._executed = {cell.cell_id or f"position {position}": cell for position, cell in enumerate(cells)}

    def show(self, document: Sequence[DocumentCell]) -> None:
        """Take over the document as a view has sent it: all code cells, in order."""
        document = tuple(document)
        if document == self._document and not self._since_document:
            return
        self._document = document
        self._since_document.clear()
        shown = self._shown
        self._shown = {one: shown[one] if one in shown else _read(one) for one in document}
        self._known = None

    def put(self, cell: Cell, *, request: DocumentCell | None = None) -> Cell | None:
        """Add a cell that was executed, or replace the one it is a new text of.

        Parameters
        ----------
        cell : Cell
        request : DocumentCell, optional
            The cell as the front end sent it, which may have other magics above the mark.

        Returns
        -------
        Cell or None
            Another header of the flow that this one replaces, as far as that can be known.
        """
        if cell.kind == "flow":
            self._merged()  # reads the file
        key = self._key(cell)
        replaced: Cell | None = None
        for other, known in list(self._executed.items()):
            if known is None or cell.kind == "shared" or _defines(known) != _defines(cell):
                continue
            # Another cell that defines the same step or the header: the one executed last counts, in its own place.
            if cell.kind == "flow" and known.source != cell.source and (other != key or not cell.cell_id):
                replaced = known
            if other != key and not (cell.kind == "flow" and cell.cell_id and other in self._saved):
                del self._executed[other]
        self._executed[key] = cell
        self._since_document.add(key)
        if request is not None:
            self._requests[key] = request
        self._known = None
        return replaced if replaced is not None and replaced not in self.cells() else None

    def unmark(self, cell_ids: Iterable[str]) -> None:
        """Take cells out of the flow, as deleted or no longer marked."""
        for cell_id in cell_ids:
            if cell_id in self._executed or cell_id in self._saved:
                self._executed[cell_id] = None
                self._requests.pop(cell_id, None)
                self._since_document.add(cell_id)
                self._known = None

    def cells(self) -> tuple[Cell, ...]:
        """All marked cells in document order."""
        return tuple(cell for cell in self._merged().values() if cell.kind != "scratch")

    def unexecuted(self) -> tuple[str, ...]:
        """Names of the steps whose text, as it now counts, was not executed here."""
        executed = {id(cell) for cell in self._executed.values()}
        steps = (cell for cell in self.cells() if cell.kind == "step" and cell.refusal is None)
        return tuple(cell.name for cell in steps if id(cell) not in executed)

    def _merged(self) -> dict[str, Cell]:
        """Executed and saved cells by key, in document order; worked out again when one of them changed."""
        if self._document is None:
            self._read_file()
        if self._known is None:
            self._known = self._merge() if self._document is None else self._merge_document(self._document)
        return self._known

    def _merge_document(self, document: Sequence[DocumentCell]) -> dict[str, Cell]:
        """Work out `_merged` from what a view shows."""
        merged: dict[str, Cell] = {}
        for number, one in enumerate(document, 1):
            cell = self._executed.get(one.id)
            if one.id not in self._since_document and (cell is None or self._requests.get(one.id) != one):
                cell = self._shown[one] = _numbered(self._shown[one], number)
            elif cell is not None:
                cell = self._executed[one.id] = _numbered(cell, number)
            if cell is not None:
                merged[one.id] = cell
        defined = {_defines(cell) for cell in merged.values() if cell.kind != "shared"}
        for key, cell in self._executed.items():
            # Cells that code executed, not the view, and cells that the view is about to send.
            new = key in self._since_document or (cell is not None and cell.cell_id is None)
            if cell is not None and key not in merged and new and _defines(cell) not in defined:
                merged[key] = cell
        return merged

    def _merge(self) -> dict[str, Cell]:
        """Work out `_merged` from what was executed and saved."""
        order = list(self._saved)
        before: str | None = None
        for key in self._executed:
            if key not in self._saved:
                if key in self._ever_saved:
                    continue  # the file had it once: it was deleted
                # Not in the file yet: its place is behind the cell that was executed before it.
                order.insert(order.index(before) + 1 if before in order else len(order), key)
            before = key
        executed = [cell for cell in self._executed.values() if cell is not None and cell.kind != "shared"]
        # With ids a second header is known to be another cell.
        defined = {_defines(cell) for cell in executed if cell.kind != "flow" or not cell.cell_id}
        merged: dict[str, Cell] = {}
        for key in order:
            if key in self._executed:
                cell = self._executed[key]
                if cell is not None:
                    merged[key] = cell
            elif _defines(self._saved[key]) not in defined:
                merged[key] = self._saved[key]
        return merged

    def _key(self, cell: Cell) -> str:
        """The cell's id, else the key of the cell that defines the same, else a new one."""
        if cell.cell_id:
            return cell.cell_id
        same = (key for key, known in self._executed.items() if known and _defines(known) == _defines(cell))
        return next(same, f"cell {len(self._executed)} {_defines(cell)}")

    def _read_file(self) -> None:
        """Read the saved cells when the file changed."""
        if self.path is None:
            return
        try:
            stamp = self.path.stat().st_mtime_ns
            if stamp == self._stamp:
                return
            cells = saved_cells(self.path)
        except (OSError, ValueError):  # being written just now: what was known still counts
            return
        self._stamp, self._known = stamp, None
        self._saved = {cell.cell_id: cell for cell in cells if cell.cell_id}
        self._ever_saved.update(self._saved)


def _defines(cell: Cell) -> tuple[str, str]:
    """What a cell is known by without an id: the step's name, that it is the header, the text of any other."""
    if cell.refusal is not None:
        return "refused", cell.source
    return cell.kind, {"step": cell.name, "flow": ""}.get(cell.kind, cell.source)


def _numbered(cell: CellOrNone, number: int) -> CellOrNone:
    """The same cell with its position among the notebook's code cells, for messages; it is not parsed again."""
    if cell is None or cell.number == number:
        return cell
    moved = replace(cell, number=number)
    if "parsed" in vars(cell):
        vars(moved)["parsed"] = cell.parsed
    return moved


def _read(shown: DocumentCell) -> Cell | None:
    """The marked cell that a view shows; None if it is scratch."""
    cell = read_any_cell(shown.source, tags=shown.tags, cell_id=shown.id)
    # Its position may change, so its id distinguishes it from others.
    cell = replace(cell, filename=f"<cell {shown.id[:8]}: {cell.kind} {cell.name}".rstrip() + ">")
    return cell if cell.kind != "scratch" else None
