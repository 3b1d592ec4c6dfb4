"""FN019: Statements that cannot stand in a method."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN019"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report star imports in a step, and steps that assign `self` or `inputs`."""
    for step in context.flow.steps:
        for node in ast.walk(step.body.tree) if step.body.tree else ():
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                yield context.at(
                    CODE,
                    step,
                    node.lineno,
                    f"Step {step.name} imports * from {node.module}.",
                    "Python allows that only at module level.",
                    "Name what you need, or move the line to a %%shared cell.",
                )
        for name in ("self", "inputs"):
            if name in step.names.assigned:
                yield context.at(
                    CODE,
                    step,
                    step.names.assigned[name],
                    f"Step {step.name} assigns `{name}`.",
                    "The runtime gives it to the step.",
                    "Use another name.",
                )
