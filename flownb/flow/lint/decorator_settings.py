"""FN024: A decorator's settings that it does not have."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.errors import nearest
from flownb.flow.decorator_call import decorator_calls
from flownb.flow.decorator_rules import REPEATABLE, SETTINGS
from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN024"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report unknown settings, settings without a name, and decorators that stand twice above a step."""
    replaced = context.flow.redefined
    for step in context.steps:
        seen: set[str] = set()
        for call in decorator_calls(step):
            if call.name not in SETTINGS or call.name in replaced:
                continue
            known = SETTINGS[call.name]
            listed = f"It takes {', '.join(known)}." if known else "It takes no settings."
            if call.name in seen and call.name not in REPEATABLE:
                what = f"Step {step.name} has @{call.name} twice."
                why = "Metaflow takes it once for each step."
                yield context.at(CODE, step, call.line, what, why, "Remove one of them.")
            seen.add(call.name)
            if call.positional:
                what = f"@{call.name} of step {step.name} is given `{call.positional[0]}` without a name."
                fix = f"Write @{call.name}({known[0]}={call.positional[0]})." if known else f"Write @{call.name}."
                yield context.at(CODE, step, call.line, what, listed, fix)
            for setting in call.settings:
                if setting not in known:
                    what = f"@{call.name} of step {step.name} has no setting `{setting}`."
                    why = listed + nearest(setting, known)
                    yield context.at(CODE, step, call.line, what, why, "Correct the name, or remove it.")
