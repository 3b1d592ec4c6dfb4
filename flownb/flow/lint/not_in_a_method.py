"""FN019: Statements that cannot stand in a method."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN019"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report star and ``__future__`` imports in a step, and steps that assign `self` or, as a join, `inputs`."""
    for step in context.steps:
        for node in ast.walk(step.body.tree) if step.body.tree else ():
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                what = f"Step {step.name} imports from __future__."
                why, fix = "Such an import holds for a whole file.", "Move the line to the top of a %%shared cell."
                yield context.at(CODE, step, node.lineno, what, why, fix)
            elif isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                what = f"Step {step.name} imports * from {node.module}."
                why, fix = (
                    "Python allows that only at module level.",
                    "Name what you need, or import it in a %%shared cell.",
                )
                yield context.at(CODE, step, node.lineno, what, why, fix)
        node_of_step = context.graph.nodes.get(step.name)
        given = ("self", step.header.inputs) if node_of_step is not None and node_of_step.is_join else ("self",)
        for name in given:
            if name in step.names.assigned:
                what = f"Step {step.name} assigns `{name}`."
                yield context.at(
                    CODE,
                    step,
                    step.names.assigned[name],
                    what,
                    "The runtime gives it to the step.",
                    "Use another name.",
                )
