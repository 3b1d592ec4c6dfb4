"""FN014: A global statement in a step."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN014"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report ``global x`` in a step, unless shared code defines `x`."""
    for step in context.steps:
        for name, line in step.names.globals_declared.items():
            if name not in context.flow.shared_names:
                yield context.at(
                    CODE,
                    step,
                    line,
                    f"Step {step.name} declares `global {name}`.",
                    "Steps run in processes of their own: no other step sees what it is set to.",
                    f"Write `nonlocal {name}` inside a function, or drop the line at the top level.",
                    proven=False,
                )
