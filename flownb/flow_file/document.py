"""The cells of a notebook's document by what they are in its flow; cells that are added, and texts above a cell."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from flownb.cells.cell import Cell, read_any_cell
from flownb.cells.header import FlowHeader, StepHeader, header_tags

__all__ = ["Places", "marked_cells", "new_code", "new_markdown", "set_mark", "texts_above"]

MARK = re.compile(r"%%(?:step|flow)(?=\s|$).*")
# Keys of the tags that a step's header is made of.
STEP_TAGS = frozenset({"step", "after", "prev", "foreach", "join", "when", "signature", "out"})


class Places:
    """A document's cells with what comes before and after each, so that edits do not move the places of others."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._cells: list[list[dict[str, Any]]] = [[cell] for cell in document["cells"]]
        self._taken = {cell.get("id") for cell in document["cells"]}

    def remove(self, place: int) -> None:
        """Remove the cell that was at a place."""
        cell = self.document["cells"][place]
        self._cells[place] = [one for one in self._cells[place] if one is not cell]

    def before(self, place: int, cells: Sequence[dict[str, Any]]) -> None:
        """Add cells right before the one that was at a place; at the end if there is none."""
        if place >= len(self._cells):
            self._cells.append(list(cells))
            return
        at = next((at for at, one in enumerate(self._cells[place]) if one is self.document["cells"][place]), 0)
        self._cells[place][at:at] = self._own(cells)

    def after(self, place: int, cells: Sequence[dict[str, Any]]) -> None:
        """Add cells behind the one that was at a place, and behind others that were added there."""
        self._cells[place] += self._own(cells)

    def exchange(self, places: Sequence[int], order: Sequence[int]) -> None:
        """Have at each place what is at the place of `order` now."""
        found = [self._cells[one] for one in order]
        for place, cells in zip(places, found, strict=True):
            self._cells[place] = cells

    def apply(self) -> None:
        """Change the document."""
        self.document["cells"] = [cell for cells in self._cells for cell in cells]

    def _own(self, cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """New cells with ids that no other cell has; none in a notebook whose cells have none."""
        for cell in cells:
            if None in self._taken and len(self._taken) == 1:
                cell.pop("id", None)
                continue
            name, number = cell["id"], 1
            while cell["id"] in self._taken:
                number += 1
                cell["id"] = f"{name[:60]}-{number}"
            self._taken.add(cell["id"])
        return list(cells)


def marked_cells(document: dict[str, Any], *kinds: str) -> list[tuple[int, Cell]]:
    """The cells of some kinds with their places in a document."""
    found: list[tuple[int, Cell]] = []
    number = 0
    for place, raw in enumerate(document["cells"]):
        if raw.get("cell_type") == "code":
            number += 1
            tags = raw.get("metadata", {}).get("tags") or ()
            cell = read_any_cell(raw["source"], tags=tags, number=number, cell_id=raw.get("id"))
            if cell.kind in kinds and cell.refusal is None:
                found.append((place, cell))
    return found


def texts_above(document: dict[str, Any], place: int) -> list[int]:
    """The places of the markdown cells between a cell and the code cell before it."""
    found: list[int] = []
    for above in range(place - 1, -1, -1):
        kind = document["cells"][above].get("cell_type")
        if kind == "code":
            break
        if kind == "markdown":
            found.insert(0, above)
    return found


def new_code(name: str, source: str) -> dict[str, Any]:
    """A code cell; its id is made of a name."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": _id(name),
        "metadata": {},
        "outputs": [],
        "source": source,
    }


def new_markdown(name: str, source: str) -> dict[str, Any]:
    """A markdown cell; its id is made of a name."""
    return {"cell_type": "markdown", "id": _id(name), "metadata": {}, "source": source}


def _id(name: str) -> str:
    """A cell id: nbformat takes up to 64 letters and digits of ASCII, `-` and `_`."""
    if re.fullmatch(r"[a-zA-Z0-9_-]{1,56}", name):
        return name
    return f"cell-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"


def set_mark(raw: dict[str, Any], cell: Cell, header: StepHeader | FlowHeader, body: str) -> None:
    """Give a step or flow cell another header and body; a cell that tags mark gets other tags."""
    above = [line.removeprefix(cell.margin) for line in cell.source.split("\n")[: cell.body_line - 1]]
    if cell.tags:
        metadata = raw.setdefault("metadata", {})
        if isinstance(header, StepHeader):
            others = [tag for tag in cell.tags if tag.partition(":")[0].strip() not in STEP_TAGS]
            if header != cell.header:
                metadata["tags"] = [*header_tags(header), *others]
        else:
            metadata["tags"] = [f"flow:{_full(header)}" if tag.startswith("flow:") else tag for tag in cell.tags]
    else:
        line = f"%%step {header.line}" if isinstance(header, StepHeader) else f"%%flow {_full(header)}"
        is_same = header == cell.header if isinstance(header, StepHeader) else _full(header) == cell.full_name
        above = [one if is_same or not MARK.match(one) else line for one in above]
    raw["source"] = "\n".join([*above, *([body] if body else [])])


def _full(header: FlowHeader) -> str:
    """A flow's name with its base classes."""
    return f"{header.name}({', '.join(header.bases)})" if header.bases else header.name
