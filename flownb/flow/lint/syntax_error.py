"""FN011: Cells that are not valid Python."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.top_level_flow import misplaced
from flownb.flow.method import method_source

CODE = "FN011"
FIX = "Correct the line."


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report cells that are not valid Python, or not valid as a method."""
    flow = context.flow
    for cell in [*([flow.header] if flow.header else []), *flow.shared]:
        problem = cell.parsed.problem
        if problem is not None and not cell.parsed.magics:
            yield Diagnostic(
                CODE,
                "The cell is not valid Python.",
                f"{problem.message}.",
                FIX,
                cell,
                cell.body_line + problem.line - 1,
            )
    for step in flow.steps:
        problem = step.body.problem
        if problem is not None:
            if not step.body.magics:
                yield context.at(
                    CODE, step, problem.line, f"Step {step.name} is not valid Python.", f"{problem.message}.", FIX
                )
            continue
        if step.name not in context.graph or any(misplaced(step.body.tree)) or step.names.globals_declared:
            continue
        method = method_source(flow, context.graph[step.name], context.artifacts)
        try:
            compile(f"class Flow:\n{method.text}", "<check>", "exec", dont_inherit=True)
        except SyntaxError as error:
            origin = method.lines[min((error.lineno or 2) - 2, len(method.lines) - 1)].origin
            why = f"{error.msg}."
            yield Diagnostic(
                CODE, f"Step {step.name} is not valid inside a method.", why, FIX, step.cell, origin, step.name
            )
