"""The definitions of shared code, each with its text, so that code is compared by definition and not by cell."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from flownb.cells.cell import Cell

__all__ = ["Definition", "DefinitionKind", "Definitions", "class_definitions", "shared_definitions"]

DefinitionKind = Literal["function", "class", "name", "import", "statement"]
Definitions = dict[tuple[DefinitionKind, str], str]


@dataclass(frozen=True)
class Definition:
    """A statement at the top level of a cell, with the comments above it.

    Attributes
    ----------
    kind : {"function", "class", "name", "import", "statement"}
    name : str
        What it binds; empty for statements that bind nothing.
    text : str
    node : ast.stmt or None
        None for code that cannot be parsed.
    """

    kind: DefinitionKind
    name: str
    text: str
    node: ast.stmt | None = None


def shared_definitions(cells: Iterable[Cell]) -> Definitions:
    """What shared cells define, in document order.

    Returns
    -------
    dict of (kind, name) to str
        The text of each; of a name that is defined several times all its texts, and all statements as one.
    """
    return _by_name(one for cell in cells for one in _definitions(cell))


def class_definitions(cell: Cell | None) -> Definitions:
    """The same of a flow's class body: its methods and what else is not a value, for values are parameters."""
    if cell is None:
        return {}
    found = (one for one in _definitions(cell) if not isinstance(one.node, ast.Assign | ast.AnnAssign))
    return _by_name(one for one in found if not isinstance(one.node, ast.Pass))


def _by_name(definitions: Iterable[Definition]) -> Definitions:
    found: Definitions = {}
    for one in definitions:
        key = (one.kind, one.name)
        found[key] = f"{found[key]}\n{one.text}" if key in found and one.kind != "import" else one.text
    return found


def _definitions(cell: Cell) -> Iterator[Definition]:
    """The statements of a cell; all of its text as one if it cannot be parsed."""
    tree = cell.parsed.tree
    if tree is None:
        yield Definition("statement", "", cell.body)
        return
    text = cell.parsed.code  # without the decorators of a flow, which are not a statement
    lines = text.split("\n")
    end = 0
    for place, node in enumerate(tree.body):
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield Definition("import", _imported(node, alias), _imported(node, alias), node)
            end = max(end, node.end_lineno or first)
            continue
        is_last = place == len(tree.body) - 1
        if first <= end or _shares_its_line(tree, place):  # several on one line
            own = ast.get_source_segment(text, node) or ""
        else:
            last = len(lines) if is_last else node.end_lineno or first
            own = "\n".join([*_comments_above(lines, end, first), *lines[first - 1 : last]]).rstrip()
        end = max(end, node.end_lineno or first)
        yield Definition(*_named(node), own, node)


def _shares_its_line(tree: ast.Module, place: int) -> bool:
    """Whether the next statement begins on the line on which this one ends."""
    following = tree.body[place + 1 : place + 2]
    return bool(following) and following[0].lineno <= (tree.body[place].end_lineno or 0)


def _comments_above(lines: list[str], end: int, first: int) -> list[str]:
    """The lines of comments right above a statement."""
    start = first - 1
    while start > end and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    return lines[start : first - 1]


def _named(node: ast.stmt) -> tuple[DefinitionKind, str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return "function", node.name
    if isinstance(node, ast.ClassDef):
        return "class", node.name
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    names = [part.id for one in targets for part in ast.walk(one) if isinstance(part, ast.Name)]
    return ("name", ", ".join(names)) if names else ("statement", "")


def _imported(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    """The import of one name."""
    one = ast.Import([alias]) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, [alias], node.level)
    return ast.unparse(one)
