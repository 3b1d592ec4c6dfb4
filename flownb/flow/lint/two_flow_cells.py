"""FN031: A second cell that says what the flow is."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.cells.cell import Cell
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Edit, Fix

CODE = "FN031"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report each %%flow cell below the first one: one class has one header, and one of the cells would be left out."""
    cells = [cell for cell in context.flow.marked if cell.kind == "flow" and cell.refusal is None]
    for first, cell in zip(cells[:1] * len(cells), cells[1:], strict=False):
        what = f"The notebook has two %%flow cells, {first.full_name} and {cell.full_name}."
        if first.full_name == cell.full_name:
            what = f"The notebook has two cells `%%flow {cell.full_name}`."
        why = f"A notebook is one flow, and one cell is its header; the other one is {first.title}."
        fix = "Move the lines of this cell to that one, and delete this cell."
        yield context.of(CODE, cell, max(cell.body_line - 1, 1), what, why, Fix(fix, _merged(first, cell)))


def _merged(first: Cell, second: Cell) -> tuple[Edit, ...]:
    """Edits that move the lines of a second header to the first, if both say the same of the flow and share no name."""
    bodies = (first.parsed, second.parsed)
    names = [{*body.names.assigned} for body in bodies]
    if first.full_name != second.full_name or names[0] & names[1] or any(body.tree is None for body in bodies):
        return ()
    if second.parsed.decorators:
        return ()
    end = first.source.count("\n") + 1
    text = "\n".join(first.margin + line if line else line for line in second.body.rstrip("\n").split("\n"))
    return (Edit(first, end + 1, end, text), Edit(second, 1, second.source.count("\n") + 1, None))
