"""FN031: A second cell that says what the flow is."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

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
        yield Diagnostic(CODE, what, why, fix, cell, max(cell.body_line - 1, 1))
