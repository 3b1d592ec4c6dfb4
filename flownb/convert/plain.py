"""The code cells of a plain notebook, each with what it does to names.

A plain cell is executed in one namespace with all others, so its names are those of a module: what it binds stays, and
its functions read what the namespace holds when they are called.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flownb.cells.assignment import analyse_names
from flownb.cells.body import MagicLine, SyntaxProblem, parse_body
from flownb.cells.names import BodyNames

__all__ = ["PlainCell", "read_plain"]


@dataclass(frozen=True)
class PlainCell:
    r"""A code cell of a plain notebook.

    Attributes
    ----------
    number : int
        1-based, among all code cells.
    position : int
        0-based, among all cells of the document.
    source : str
        The whole text; lines end in ``\n``.
    code : str
        `source` with magics as comments, so that line numbers stay.
    tree : ast.Module or None
        None after a syntax error.
    problem : SyntaxProblem or None
    magics : tuple of MagicLine
    tags : tuple of str
    cell_id : str or None
    execution_count : int or None
        As saved: in which order the cells were executed.
    """

    number: int
    position: int
    source: str
    code: str
    tree: ast.Module | None
    problem: SyntaxProblem | None = None
    magics: tuple[MagicLine, ...] = ()
    tags: tuple[str, ...] = ()
    cell_id: str | None = None
    execution_count: int | None = None

    @cached_property
    def names(self) -> BodyNames:
        """What the cell reads and binds in the notebook's namespace."""
        return analyse_names(self.tree)


def read_plain(document: dict[str, Any]) -> tuple[PlainCell, ...]:
    """Read the code cells of a notebook.

    Parameters
    ----------
    document : dict
        As `flownb.cells.notebook.read_document` returns it.
    """
    found: list[PlainCell] = []
    for position, cell in enumerate(document["cells"]):
        if cell.get("cell_type") != "code":
            continue
        source = cell["source"].replace("\r\n", "\n").replace("\r", "\n")
        parsed = parse_body(source, "shared")
        found.append(
            PlainCell(
                len(found) + 1,
                position,
                source,
                parsed.code,
                parsed.tree,
                parsed.problem,
                parsed.magics,
                tuple(cell.get("metadata", {}).get("tags", ())),
                cell.get("id"),
                cell.get("execution_count"),
            )
        )
    return tuple(found)
