"""FN006: Steps that form a cycle."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN006"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report a cycle of steps; only a switch may lead back, and only to itself."""
    path = context.graph.cycle
    step = context.flow.step(path[0]) if path else None
    if step is not None:
        yield context.at(
            CODE,
            step,
            0,
            f"The steps {' -> '.join(path)} form a cycle.",
            "A flow runs from its first step to its last.",
            "Correct --after or self.next of one of them.",
        )
