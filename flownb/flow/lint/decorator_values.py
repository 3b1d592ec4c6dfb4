"""FN025: A decorator's values that it cannot work with."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flownb.flow.decorator_call import decorator_calls
from flownb.flow.decorator_rules import wrong_values
from flownb.flow.lint.decorator_settings import decorator_fix, written_call
from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN025"
EXAMPLE = re.compile(r"Write (@\w+\(.*\))")


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report values of decorators that Metaflow refuses when the flow starts, or fails with when a task does."""
    replaced = context.flow.redefined
    for step in context.steps:
        for call in decorator_calls(step):
            if call.name not in replaced and not call.positional:
                for what, why, fix, fails in wrong_values(call.name, call.settings, open_ended=call.unpacked):
                    proven = fails and (call.name != "environment" or context.fails(step))  # only when its task runs
                    what = f"@{call.name} of step {step.name} {what}."
                    text = example[1] if (example := EXAMPLE.match(fix)) else ""
                    name, _, setting = text.removesuffix(")").partition("(")
                    key, _, value = setting.partition("=")
                    if text and not call.unpacked:
                        # Other settings stay; a duration is made of all of them.
                        text = text if name == "@timeout" else written_call(call.name, {key: value}, call)
                        said = fix.replace(example[1], text) if example else fix
                        yield context.at(
                            CODE, step, call.line, what, why, decorator_fix(step, call, said, text), proven=proven
                        )
                        continue
                    yield context.at(CODE, step, call.line, what, why, fix, proven=proven)
