"""FN030: A marked cell whose mark cannot be read, and steps that come after a cell which is not a step."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flownb.cells.cell import Cell
from flownb.cells.mark import common_margin
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Edit, Fix, NewCell, line_replaced
from flownb.flow.step_name import step_name_problem

CODE = "FN030"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report cells with a bad header, bad tags or a misplaced mark; of one step alone, whether it depends on one."""
    for cell in context.flow.refused:
        if cell.refusal is not None and (context.whole or cell.kind != "step"):
            what, why, said = cell.refusal
            line = max(cell.body_line - 1, 1)
            yield context.of(CODE, cell, line, what, why, Fix(said, _edits(cell, line, what)))
    if context.whole:
        return  # the cell that is not a step is reported itself
    for step in context.steps:
        above = _refused_above(context, step.name)
        if above is not None and not step.header.after:
            assert above.refusal is not None
            what = f"Step {step.name} comes after {above.title}, which is not a step yet: {above.refusal[0]}"
            fix = f"Correct that cell, or write --after in the header of {step.name}."
            yield context.at(CODE, step, 0, what, "Without --after a step comes after the step cell above.", fix)
        for parent in context.graph[step.name].parents:
            if found := step_name_problem(parent, context.flow.class_names):
                what = f"Step {step.name} comes after `{parent}`, which is not a step yet: {found[0]}"
                fix = f"Call it `{found[2]}`." if found[2] else "Give it another name."
                yield context.at(CODE, step, 0, what, found[1], fix)


def _edits(cell: Cell, line: int, what: str) -> tuple[Edit | NewCell, ...]:
    """The edits that correct a mark, where it is plain what was meant."""
    lines = cell.source.split("\n")
    if option := re.search(r"has no option `(--[\w-]+)`\. Did you mean `(--[\w-]+)`", what):
        return line_replaced(cell, line, re.escape(option[1]), option[2])
    if what.startswith("`%%shared ") and what.endswith("has arguments."):
        return line_replaced(cell, line, r"%%shared.*", "%%shared")
    mark = lines[line - 1].strip()
    if what.endswith("is below a comment."):
        first = next(number for number, one in enumerate(lines, 1) if one.lstrip().startswith("#"))
        return (Edit(cell, first, first - 1, lines[line - 1].rstrip()), Edit(cell, line, line, None))
    if what.endswith("is below other code."):
        return (NewCell("\n".join(lines[: line - 1]), cell), Edit(cell, 1, line - 1, None))
    if " does not begin with " in what and not re.match(r">>>|In \[", mark):
        margin = common_margin(lines[line:])
        return (Edit(cell, line, line, margin + re.sub(r"^%%\s*", "%%", mark)),)
    return ()


def _refused_above(context: LintContext, name: str) -> Cell | None:
    """The step cell right above a step, if its mark cannot be read."""
    above: Cell | None = None
    for cell in context.flow.marked:
        if cell.kind == "step":
            if cell.name == name and cell.refusal is None:
                return above if above is not None and above.refusal is not None else None
            above = cell
    return None
