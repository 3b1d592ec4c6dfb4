"""FN007: A step that is never reached."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN007"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report steps that no transition leads to, in a whole flow."""
    if not context.whole or context.graph.cycle:
        return
    for step in context.flow.steps:
        if step.name not in context.graph.reachable:
            entry = context.graph.entry
            yield context.at(
                CODE,
                step,
                0,
                f"Step {step.name} is never reached from {entry}.",
                "No step goes to it.",
                f"Write --after in its header, or name self.{step.name} in another step's self.next.",
            )
