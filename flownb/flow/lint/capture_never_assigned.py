"""FN017: A capture of something that is not there."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.errors import nearest
from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN017"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report captures of names that the body never assigns and no earlier step captured, and of functions."""
    for step in context.flow.steps:
        if step.body.tree is None:
            continue
        names = step.names
        inherited = context.artifacts.possible.get(step.name, frozenset())
        for name in step.captures:
            if name in names.local_functions:
                yield context.at(
                    CODE,
                    step,
                    0,
                    f"Step {step.name} captures the function `{name}`.",
                    "Metaflow drops functions that are assigned to self.",
                    f"Define `{name}` in a %%shared cell; every step can call it from there.",
                )
            elif (
                name not in names.assigned
                and name not in inherited
                and name not in context.flow.shared_names
                and name not in names.globals_declared
            ):
                yield context.at(
                    CODE,
                    step,
                    0,
                    f"Step {step.name} captures `{name}`, which its body never assigns.{nearest(name, names.assigned)}",
                    "No earlier step has it either.",
                    f"Assign `{name}`, or take it out of the header.",
                )
