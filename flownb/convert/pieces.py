"""The pieces that plain cells are cut into: one top-level statement, with the comments above it, or one magic line.

The pieces of a cell have all its lines, so that their texts joined by newlines are its text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from flownb.cells.body import MagicLine
from flownb.convert.plain import PlainCell, Statement, first_changes
from flownb.convert.proposal import Part, Place, Role
from flownb.convert.trees import walk

# Magics that execute the rest of their line, or of their cell, as Python.
MEASURING = re.compile(r"%{1,2}(?:time|timeit|prun|memit)\b(?:[^\S\n]+-\w+(?:[^\S\n]*\d+)?)*")

__all__ = [
    "Piece",
    "cut_cells",
    "dotted_name",
    "exposed_reads",
    "imported_names",
    "joined",
    "parts_of",
    "without_blank_ends",
]


@dataclass(frozen=True)
class Piece:
    """Lines of a plain cell that go to one place of the flow.

    Attributes
    ----------
    number : int
        Position among all pieces of the notebook.
    cell : PlainCell
    first, last : int
        1-based lines of the cell.
    text : str
        These lines, without the indentation that all lines of the cell have.
    statements : tuple of Statement
        Several if they share a line; none for a magic line, and for a cell that has no statement.
    magic : MagicLine or None
    """

    number: int
    cell: PlainCell
    first: int
    last: int
    text: str
    statements: tuple[Statement, ...] = ()
    magic: MagicLine | None = None

    @cached_property
    def reads(self) -> dict[str, int]:
        """Names that it needs from before, or that its magic looks at, with the first line."""
        if self.magic is not None:
            return dict.fromkeys(_looked_at(self.magic.text), self.magic.line)
        if self.cell.magic == "timeit":
            return dict.fromkeys(_looked_at(self.text), self.first)
        return exposed_reads(self.statements)

    @property
    def plain_text(self) -> str:
        """Its lines as they are in the plain notebook; an import that was added is not there."""
        if self.is_added:
            return ""
        return "\n".join(self.cell.plain_lines[self.first - 1 : self.last])

    @property
    def is_added(self) -> bool:
        """Whether it is an import that the plain notebook does not have there."""
        return self.text == f"import {self.cell.imports.get(self.first)}"

    @cached_property
    def binds(self) -> dict[str, int]:
        """Names that it binds, also through functions with a ``global`` statement."""
        found: dict[str, int] = {}
        for statement in self.statements:
            for name, line in (*statement.names.assigned.items(), *statement.writes.items()):
                found.setdefault(name, line)
        return found

    @cached_property
    def deletes(self) -> frozenset[str]:
        """Names that it deletes."""
        return frozenset(name for statement in self.statements for name in statement.deletes)

    @cached_property
    def definite(self) -> frozenset[str]:
        """Names that it certainly binds."""
        found: set[str] = set()
        for statement in self.statements:
            found |= statement.names.bound_at_end
        return frozenset(found - self.deletes)

    @cached_property
    def mutated(self) -> dict[str, int]:
        """Names whose object it may change in place, with the first line where it may."""
        return first_changes(self.statements)

    @property
    def nodes(self) -> list[ast.stmt]:
        """Its statements' trees."""
        return [statement.node for statement in self.statements]

    @cached_property
    def inside(self) -> list[ast.AST]:
        """All nodes of its statements' trees."""
        return [one for node in self.nodes for one in walk(node)]

    @cached_property
    def calls(self) -> list[str]:
        """Names of the functions and methods that it calls, without what is before a dot."""
        calls = [one.func for one in self.inside if isinstance(one, ast.Call)]
        return [getattr(function, "attr", getattr(function, "id", "")) for function in calls]

    @property
    def place(self) -> Place:
        """Where it is in the plain notebook."""
        whole = self.first == 1 and self.last == self.cell.source.count("\n") + 1
        return Place(self.cell.number) if whole else Place(self.cell.number, self.first, self.last)


def exposed_reads(statements: Iterable[Statement]) -> dict[str, int]:
    """Names that statements read before they certainly bind them."""
    found: dict[str, int] = {}
    bound: set[str] = set()
    for statement in statements:
        for name, line in statement.reads.items():
            if name not in bound:
                found.setdefault(name, line)
        bound |= statement.names.bound_at_end
        bound -= statement.deletes
    return found


def _looked_at(text: str) -> set[str]:
    """Names whose values a magic uses: in the code that it measures, or written as ``$x`` or ``{x}``."""
    if (measured := MEASURING.match(text)) is not None:
        code = text[measured.end() :]
    else:
        braced = re.findall(r"(?<!\{)\{([^{}]+)\}", text)
        code = "\n".join([*braced, *re.findall(r"\$([A-Za-z_]\w*)", text)]) if text.startswith(("%", "!")) else ""
    names: set[str] = set()
    for line in [code] if measured is not None else code.split("\n"):
        try:
            tree = ast.parse(line.strip())
        except (SyntaxError, ValueError):
            continue
        names |= {one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
    return names


def cut_cells(cells: Iterable[PlainCell]) -> list[Piece]:
    """Cut cells into pieces."""
    found: list[Piece] = []
    for cell in cells:
        found += _cut(cell, len(found))
    return found


def _cut(cell: PlainCell, number: int) -> list[Piece]:
    """The pieces of one cell; cell magics above its code belong to none."""
    lines = cell.plain_lines
    above = _lines_of_wrappers(cell, lines)
    # (first line, last line, statements, magic) of what has to be whole.
    blocks: list[tuple[int, int, list[Statement], MagicLine | None]] = []
    for statement in cell.statements:
        if blocks and statement.line <= blocks[-1][1]:
            first, last, statements, _ = blocks[-1]
            blocks[-1] = (first, max(last, statement.end_line), [*statements, statement], None)
        else:
            blocks.append((statement.line, statement.end_line, [statement], None))
    for magic in cell.magics:
        last = magic.line + magic.text.count("\n")
        if magic.line > above and not any(first <= magic.line <= end for first, end, _, _ in blocks):
            blocks.append((magic.line, last, [], magic))
    blocks.sort(key=lambda block: block[0])
    if not blocks:
        return [Piece(number, cell, above + 1, len(lines), cell.text(above + 1, len(lines)))]
    found: list[Piece] = []
    begin = above + 1
    for position, (first, last, statements, one) in enumerate(blocks):
        if first in cell.imports:
            added = f"import {cell.imports[first]}"
            found.append(Piece(number + len(found), cell, first, first, added, (statements.pop(0),)))
        end = len(lines) if position == len(blocks) - 1 else last
        text = cell.text(begin, end)
        found.append(Piece(number + len(found), cell, begin, end, text, tuple(statements), one))
        begin = end + 1
    return found


def _lines_of_wrappers(cell: PlainCell, lines: list[str]) -> int:
    """How many lines at the top of a cell are cell magics that wrap its code."""
    if not cell.wrappers:
        return 0
    found = left = 0
    while left < len(cell.wrappers):
        left += lines[found].strip() == cell.wrappers[left]
        found += 1
    return found


def joined(pieces: Iterable[Piece]) -> list[tuple[PlainCell, list[Piece]]]:
    """Pieces that follow each other in one cell, together."""
    found: list[tuple[PlainCell, list[Piece]]] = []
    for piece in pieces:
        if found and found[-1][0] is piece.cell and found[-1][1][-1].number + 1 == piece.number:
            found[-1][1].append(piece)
        else:
            found.append((piece.cell, [piece]))
    return found


def parts_of(pieces: Iterable[Piece], role: Role) -> tuple[Part, ...]:
    """Pieces as parts of a proposal; blank lines around them are left out."""
    found: list[Part] = []
    for cell, some in joined(pieces):
        first, last = some[0].first, some[-1].last
        whole = first == 1 and last == cell.source.count("\n") + 1
        text = "\n".join(piece.text for piece in some)
        place = Place(cell.number) if whole else Place(cell.number, first, last)
        found.append(Part(place, without_blank_ends(text), role))
    return tuple(found)


def without_blank_ends(text: str) -> str:
    """A text without blank lines at its beginning and end."""
    lines = text.split("\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    return "\n".join(lines)


def dotted_name(node: ast.AST) -> str:
    """``np.random.seed`` for the expression of that form, else an empty text."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def imported_names(pieces: Iterable[Piece]) -> dict[str, str]:
    """Names that imports bind, each with the dotted name of what it is: ``np`` is ``numpy``."""
    found: dict[str, str] = {}
    for piece in pieces:
        for node in piece.nodes if "import" in piece.text else ():
            for one in walk(node):
                if isinstance(one, ast.Import):
                    for alias in one.names:
                        top = alias.name.partition(".")[0]
                        found[alias.asname or top] = alias.name if alias.asname else top
                elif isinstance(one, ast.ImportFrom):
                    for alias in one.names:
                        found[alias.asname or alias.name] = f"{one.module or ''}.{alias.name}"
    return found
