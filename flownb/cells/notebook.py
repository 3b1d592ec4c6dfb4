"""Read the code cells of a notebook file.

Takes the path of an ``.ipynb`` file; gives its `Cell` objects in document order.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from flownb.cells.cell import Cell, read_cell
from flownb.errors import CellError, NotFound

__all__ = ["DocumentCell", "Notebook", "read_notebook", "saved_cells", "saved_id"]


@dataclass(frozen=True)
class Notebook:
    """A notebook file: its path and its code cells in document order."""

    path: Path
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class DocumentCell:
    """A code cell as the notebook's view shows it, saved or not, executed or not."""

    id: str
    source: str
    tags: tuple[str, ...] = ()


def read_notebook(path: str | Path) -> Notebook:
    """Read a notebook file without a kernel.

    Parameters
    ----------
    path : str or Path
        An ``.ipynb`` file of nbformat 4 (older ones are upgraded in memory).

    Returns
    -------
    Notebook

    Raises
    ------
    NotFound
        If there is no such file, or it is no notebook.
    CellError
        If a marked cell's header cannot be read.
    """
    path = Path(path)
    import nbformat

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFound(
            f"Notebook `{path}` cannot be read.", f"{error.strerror}.", "Give the path of an .ipynb file."
        ) from error
    try:
        node = nbformat.reads(text, as_version=4)
    except (json.JSONDecodeError, nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError) as error:
        raise NotFound(
            f"`{path}` is not a notebook.", "It does not hold nbformat JSON.", "Give the path of an .ipynb file."
        ) from error
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    cells = tuple(
        read_cell(
            cell.source,
            tags=cell.metadata.get("tags", ()),
            number=number,
            cell_id=cell.get("id"),
        )
        for number, cell in enumerate(code, 1)
    )
    return Notebook(path, cells)


def saved_cells(path: Path) -> list[Cell]:
    """Read the code cells of a notebook that a kernel runs, without nbformat's checks.

    A cell whose header cannot be read is left out: it will say so when it is executed.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, for example because it is being written.
    """
    raw = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in raw.get("cells", ()) if cell.get("cell_type") == "code"]
    found = []
    for number, cell in enumerate(cells, 1):
        tags = cell.get("metadata", {}).get("tags", ())
        with contextlib.suppress(CellError):
            source = "".join(cell.get("source", ""))
            found.append(read_cell(source, tags=tags, number=number, cell_id=cell.get("id")))
    return found


def saved_id(path: Path) -> str:
    """Read flownb's id of a notebook from its metadata; empty if it has none, or the file cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["metadata"]["flownb"]["id"]
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return found if isinstance(found, str) else ""
