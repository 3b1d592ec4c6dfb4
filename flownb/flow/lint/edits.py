"""What to do about a finding, as edits of cells that a program can make.

A `Fix` is a sentence for the reader together with the edits that it means; `apply_edits` makes them. If the remedy
needs a decision of the user, a finding has the sentence alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from flownb.cells.cell import Cell
from flownb.cells.header import StepHeader, header_tags
from flownb.flow.definition import Step

__all__ = ["Edit", "Edits", "Fix", "NewCell", "apply_edits", "header_fix", "header_text", "replaced", "shared_cell"]

MARKING = ("step", "after", "prev", "foreach", "join", "when", "out")


@dataclass(frozen=True)
class Edit:
    """Lines of a cell replaced.

    Attributes
    ----------
    cell : Cell
    first, last : int
        1-based lines of the cell's source; `last` is ``first - 1`` where lines are put before `first`.
    text : str or None
        What replaces them; None removes them.
    tags : tuple of str or None
        The cell's tags from now on; None leaves them.
    """

    cell: Cell
    first: int
    last: int
    text: str | None
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True)
class NewCell:
    """A code cell that is put above or below another one."""

    text: str
    beside: Cell
    below: bool = False


Edits = tuple[Edit | NewCell, ...]


class Fix(str):
    """What the reader is asked to do: a sentence, which knows the edits that do it.

    Attributes
    ----------
    edits : tuple of Edit or NewCell
        They are made together; no two of them touch the same line. Empty if the user has to decide.
    """

    __slots__ = ("edits",)
    edits: Edits

    def __new__(cls, sentence: str, edits: Edits = ()) -> Fix:
        """Join a sentence and its edits."""
        fix = super().__new__(cls, sentence)
        fix.edits = edits
        return fix


def apply_edits(edits: Edits, cells: Sequence[Cell]) -> list[tuple[str, tuple[str, ...]]]:
    """Make the edits of a fix.

    Parameters
    ----------
    edits : tuple of Edit or NewCell
    cells : sequence of Cell
        The notebook's code cells, among them all that the edits name.

    Returns
    -------
    list of (str, tuple of str)
        Text and tags of each code cell afterwards.
    """
    found: list[tuple[str, tuple[str, ...]]] = []
    for cell in cells:
        new = [one for one in edits if isinstance(one, NewCell) and one.beside == cell]
        found += [(one.text, ()) for one in new if not one.below]
        lines, tags = cell.source.split("\n"), cell.tags
        changed = [one for one in edits if isinstance(one, Edit) and one.cell == cell]
        for edit in sorted(changed, key=lambda one: (one.first, one.last), reverse=True):
            lines[edit.first - 1 : edit.last] = edit.text.split("\n") if edit.text is not None else []
            tags = tags if edit.tags is None else edit.tags
        found.append(("\n".join(lines), tags))
        found += [(one.text, ()) for one in new if one.below]
    return found


def header_text(step: Step, header: StepHeader) -> str:
    """How a header is written in the cell of `step`: its ``%%step`` line, or the tags that a cell is marked by."""
    if step.cell.tags:
        return "the tags " + " ".join(header_tags(header))
    return f"%%step {header.line}"


def header_edit(step: Step, header: StepHeader) -> Edit:
    """The edit that gives a step another header."""
    cell = step.cell
    if cell.tags:
        others = [tag for tag in cell.tags if tag.partition(":")[0].strip() not in MARKING]
        return Edit(cell, 1, 0, None, (*header_tags(header), *others))
    line = cell.body_line - 1
    return Edit(cell, line, line, f"{cell.margin}%%step {header.line}")


def header_fix(step: Step, more: Iterable[Edit | NewCell] = (), **changes: object) -> Fix:
    """A fix that changes a step's header, and says how it is written then."""
    header = replace(step.header, **changes)  # type: ignore[arg-type]  # fields of StepHeader, checked by its tests
    text = header_text(step, header)
    return Fix(
        f"Give {step.cell.title} {text}." if step.cell.tags else f"Write `{text}`.", (header_edit(step, header), *more)
    )


def shared_cell(text: str, beside: Cell) -> NewCell:
    """A new shared cell above another cell."""
    return NewCell(f"%%shared\n{text}", beside)


def replaced(cell: Cell, nodes: Iterable[ast.AST], texts: Iterable[str]) -> tuple[Edit, ...]:
    """Edits that write other texts in place of expressions of a cell's body; empty if that cannot be done line by line.

    Parameters
    ----------
    cell : Cell
    nodes : iterable of ast.AST
        Of the tree of the cell's body; none is inside another one.
    texts : iterable of str
        One for each.
    """
    lines = cell.source.split("\n")
    found: dict[int, list[tuple[int, int, str]]] = {}
    for node, text in zip(nodes, texts, strict=True):
        number = getattr(node, "lineno", 0)
        if number == 0 or number != getattr(node, "end_lineno", 0):
            return ()
        found.setdefault(number, []).append((node.col_offset, node.end_col_offset or 0, text))  # type: ignore[attr-defined]
    edits = []
    for number, places in found.items():
        place = cell.body_line + number - 1
        margin = cell.margin if lines[place - 1].startswith(cell.margin) else ""
        line = lines[place - 1].removeprefix(margin).encode()
        for start, end, text in sorted(places, reverse=True):
            line = line[:start] + text.encode() + line[end:]
        edits.append(Edit(cell, place, place, margin + line.decode()))
    return tuple(edits)


def removed(cell: Cell, node: ast.stmt) -> Edit | None:
    """The edit that removes a statement of the body's top level; None if it shares its lines with another one."""
    tree = cell.parsed.tree
    if tree is None or node not in tree.body:
        return None
    end = node.end_lineno or node.lineno
    others = [one for one in tree.body if one is not node]
    if any(one.lineno <= end and (one.end_lineno or one.lineno) >= node.lineno for one in others):
        return None
    return Edit(cell, cell.body_line + node.lineno - 1, cell.body_line + end - 1, None)


def line_replaced(cell: Cell, line: int, pattern: str, text: str, *, last: int = 0) -> tuple[Edit, ...]:
    """The edit that replaces the first text that fits a pattern in a line of the cell, or in those up to `last`."""
    lines = cell.source.split("\n")
    for number in range(line, max(last, line) + 1):
        new, count = re.subn(pattern, text, lines[number - 1], count=1)
        if count:
            return (Edit(cell, number, number, new),)
    return ()
