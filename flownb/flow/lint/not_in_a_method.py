"""FN019: Statements that cannot stand in a method."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.cells.cell import Cell
from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Edit, Fix, NewCell, removed, shared_cell

CODE = "FN019"


def _moved(step: Step, node: ast.ImportFrom, beside: Cell) -> tuple[Edit | NewCell, ...]:
    """The edits that move an import into a new shared cell."""
    edit = removed(step.cell, node)
    return (edit, shared_cell(ast.unparse(node), beside)) if edit is not None else ()


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report star and ``__future__`` imports in a step, and steps that assign `self`."""
    for step in context.steps:
        for node in ast.walk(step.body.tree) if step.body.tree else ():
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                what = f"Step {step.name} imports from __future__."
                why = "Such an import holds for a whole file."
                first = context.flow.shared[0] if context.flow.shared else step.cell
                fix = Fix("Move the line to the top of a %%shared cell.", _moved(step, node, first))
                yield context.at(CODE, step, node.lineno, what, why, fix)
            elif isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                what = f"Step {step.name} imports * from {node.module}."
                why = "Python allows that only at module level."
                fix = Fix("Name what you need, or import it in a %%shared cell.", _moved(step, node, step.cell))
                yield context.at(CODE, step, node.lineno, what, why, fix)
        if "self" in step.names.assigned:
            # Captures and self.next come after the body; the last step may have neither.
            used = not context.is_last(step) or bool(step.captures)
            proven = used and "self" in step.names.definite_writes and step.names.ends and context.fails(step)
            line, why = step.names.assigned["self"], "The runtime gives it to the step."
            what = f"Step {step.name} assigns `self`."
            yield context.at(CODE, step, line, what, why, "Use another name.", proven=proven)
