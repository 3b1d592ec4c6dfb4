"""FN003: Magics and shell lines in a step."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flownb.cells.body import MagicLine
from flownb.cells.cell import Cell
from flownb.cells.mark import WRAPPERS
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Edit, Fix, NewCell

CODE = "FN003"
# Line magics that run the statement behind them.
TIMED = re.compile(r"%(?:time|memit|prun)\s+(?!-)(.+)")


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report IPython magics and shell lines in steps and in the flow's header."""
    for step in context.steps:
        for magic in step.body.magics:
            what = f"Step {step.name} has the line `{magic.text}`."
            yield context.at(
                CODE,
                step,
                magic.line,
                what,
                "Only IPython understands it; a step is plain Python.",
                _fix(step.cell, magic),
            )
    header = context.flow.header
    if header is not None:
        for magic in header.parsed.magics:
            what = f"The %%flow cell has the line `{magic.text}`."
            why = "Only IPython understands it; a flow's class is plain Python."
            yield context.of(CODE, header, header.body_line + magic.line - 1, what, why, _fix(header, magic))


def _fix(cell: Cell, magic: MagicLine) -> Fix:
    """What to do about a magic: what it times stays, a cell magic gets a cell, the rest moves to a scratch cell."""
    first = cell.body_line + magic.line - 1
    last = first + magic.text.count("\n")
    lines = cell.source.split("\n")
    blanks = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
    if timed := TIMED.fullmatch(magic.text):
        return Fix(f"Write `{timed[1]}`.", (Edit(cell, first, last, blanks + timed[1]),))
    if magic.text.startswith("%%"):
        if magic.text[2:].partition(" ")[0] in WRAPPERS and not any(
            map(str.strip, lines[cell.body_line - 1 : first - 1])
        ):
            above = Edit(cell, cell.body_line - 1, cell.body_line - 2, cell.margin + magic.text)
            moved = (above, Edit(cell, first, last, None)) if not cell.tags else ()
            return Fix(f"Move `{magic.text}` above the line that marks the cell.", moved)
        below = "\n".join(line.removeprefix(blanks) for line in lines[first - 1 :])
        edits = (Edit(cell, first, len(lines), None), NewCell(below, cell, below=True))
        return Fix("Give it, and what is below it, a cell of its own.", edits)
    move = "Move it to a scratch or %%shared cell"
    if cell.kind == "step":
        move += ", or write it in Python (subprocess.run for a shell line)"
    alone = blanks == cell.margin and re.match(r"[%!?]", magic.text)
    return Fix(f"{move}.", (Edit(cell, first, last, None), NewCell(magic.text, cell)) if alone else ())
