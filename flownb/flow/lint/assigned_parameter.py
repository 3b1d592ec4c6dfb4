"""FN012: A parameter that a step assigns."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN012"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report steps that assign or capture a parameter."""
    parameters = context.flow.parameters
    for step in context.flow.steps:
        writes = {**dict.fromkeys(step.captures, 0), **step.body.names.self_writes}
        for name, line in writes.items():
            if name in parameters:
                yield context.at(
                    CODE,
                    step,
                    line,
                    f"Step {step.name} assigns the parameter `{name}`.",
                    "Parameters stay as the run was started with.",
                    f"Use another name, for example `{name}_used`.",
                )
