"""FN018: Two cells with one step name."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN018"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report two cells that define one step."""
    seen: dict[str, Step] = {}
    for step in context.flow.steps:
        if step.name in seen:
            what, why = f"Step {step.name} is defined twice.", f"It is also in {seen[step.name].cell.title}."
            yield context.at(CODE, step, 0, what, why, "Rename one of the two, or remove it.")
        seen.setdefault(step.name, step)
