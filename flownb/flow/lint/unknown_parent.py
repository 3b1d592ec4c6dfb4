"""FN005: A parent or a next step that does not exist."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.errors import nearest
from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN005"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report --after that names no step and, in a whole flow, self.next that names none."""
    for problem in context.graph.problems:
        step = context.flow.step(problem.step)
        if problem.kind == "unknown parent" and step is not None:
            yield context.at(CODE, step, 0, problem.what, problem.why, problem.fix)
    for step in context.steps if context.whole else ():
        transition = step.body.transition
        for target in transition.targets if transition else ():
            if transition and target not in context.graph:
                yield context.at(
                    CODE,
                    step,
                    transition.line,
                    f"Step {step.name} goes to `{target}`, which is no step.{nearest(target, context.graph.nodes)}",
                    f"The steps are {', '.join(context.graph.nodes)}.",
                    f"Correct self.next, or add a cell `%%step {target}`.",
                )
