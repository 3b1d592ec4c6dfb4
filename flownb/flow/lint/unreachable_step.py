"""FN007: A step that is never reached."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.end_step import above_start

CODE = "FN007"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report steps that no transition leads to, in a whole flow."""
    graph = context.graph
    if not context.whole or graph.cycle:
        return
    # Other checks say what is wrong with these.
    said = {problem.step for problem in graph.problems} | set(above_start(context))
    for step in context.steps:
        if step.name not in graph.reachable and step.name not in said:
            why = "No step goes to it."
            if graph[step.name].parents:
                why = f"It comes after {', '.join(graph[step.name].parents)}, which is not reached either."
            fix = f"Write --after in its header, or name self.{step.name} in another step's self.next."
            yield context.at(CODE, step, 0, f"Step {step.name} is never reached from {graph.entry}.", why, fix)
