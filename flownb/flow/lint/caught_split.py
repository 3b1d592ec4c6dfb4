"""FN023: An exception caught in a step that starts a foreach or a switch."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.decorator_call import catches
from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN023"
# `metaflow/plugins/catch_decorator.py`, step_init (2.19.39).
STARTS = {
    "foreach": ("a foreach", "its items are"),
    "switch": ("a switch", "the artifact it looks at is"),
}


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report `@catch` where what comes next hangs on what the step was to set."""
    if "catch" in context.flow.redefined:
        return
    for step in context.steps:
        call, kind = catches(step), context.graph[step.name].kind
        if call is not None and kind in STARTS:
            starts, lost = STARTS[kind]
            what = f"Step {step.name} has @catch and starts {starts}."
            why = f"When its code raises, {lost} not set, so Metaflow refuses it."
            fix = f"Move what may fail into a step before {step.name}, and @catch with it."
            yield context.at(CODE, step, call.line, what, why, fix)
