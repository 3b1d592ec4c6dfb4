"""Read the code cells of a notebook file.

Takes the path of an ``.ipynb`` file; gives its `Cell` objects in document order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flownb.cells.cell import Cell, read_any_cell
from flownb.cells.notebook_file import read_code
from flownb.errors import NotFound

__all__ = ["DocumentCell", "Notebook", "read_notebook", "saved_cells"]


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
        If there is no such file, or it is not a notebook.
    """
    path = Path(path)
    cells = tuple(
        read_any_cell(
            cell.source,
            tags=cell.tags,
            number=number,
            cell_id=cell.id,
        )
        for number, cell in enumerate(read_code(path), 1)
    )
    return Notebook(path, cells)


def saved_cells(path: Path) -> list[Cell]:
    """Read the code cells of a notebook that a kernel runs.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, for example because it is being written.
    """
    try:
        cells = read_code(path)
    except NotFound as error:
        raise ValueError(str(error)) from error
    found = []
    for number, cell in enumerate(cells, 1):
        found.append(read_any_cell(cell.source, tags=cell.tags, number=number, cell_id=cell.id))
    return found
