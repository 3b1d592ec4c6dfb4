"""FN008: Splits, foreachs and switches without their join."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN008"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report splits, foreachs and switches that are not joined as Metaflow requires."""
    graph = context.graph
    problems = [problem for problem in graph.problems if problem.kind == "switch"]
    if len(problems) == len(graph.problems):  # else steps are missing, or their order is not known yet
        problems += graph.balance_problems
    for problem in problems:
        step = context.flow.step(problem.step)
        if step is not None and (context.whole or not problem.whole):
            yield context.at(CODE, step, 0, problem.what, problem.why, problem.fix)
