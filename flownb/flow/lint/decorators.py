"""Checks of step decorators.

FN023 ``@catch`` on a step that starts a foreach or a switch, FN024 settings that a decorator does not have, FN025
values that it cannot work with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from flownb.errors import Message, closest, nearest
from flownb.flow.decorators import DecoratorCall, catches, decorator_calls
from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.edits import Edit, Fix, line_replaced
from flownb.metaflow_decorators import Expression, WrongValue, is_repeatable, settings_of, wrong_values

__all__ = []


DECORATOR_SETTINGS = "FN024"


def check_decorator_settings(context: LintContext) -> Iterator[Diagnostic]:
    """Report unknown settings, settings without a name, and decorators that a step has twice."""
    replaced = context.flow.redefined
    for step in context.steps:
        seen: set[str] = set()
        for call in decorator_calls(step):
            known = settings_of(call.name)
            if known is None or call.name in replaced:
                continue
            listed = f"It takes {', '.join(known)}." if known else "It takes no settings."
            if call.name in seen and not is_repeatable(call.name):
                what = f"Step {step.name} has @{call.name} twice."
                why = "Metaflow accepts it once for each step."
                yield context.at(
                    DECORATOR_SETTINGS,
                    step,
                    call.line,
                    Message(what, why, decorator_fix(step, call, "Remove one of them.", None)),
                )
            seen.add(call.name)
            if call.positional:
                what = f"@{call.name} of step {step.name} gets `{call.positional[0]}` without a name."
                advice = f"Write @{call.name}({known[0]}={call.positional[0]})." if known else f"Write @{call.name}."
                keywords = {known[0]: call.positional[0]} if known else {}
                text = written_call(call.name, keywords, call) if len(call.positional) < 2 and not call.unpacked else ""
                yield context.at(
                    DECORATOR_SETTINGS, step, call.line, Message(what, listed, decorator_fix(step, call, advice, text))
                )
            for setting in call.settings:
                if setting not in known:
                    what = f"@{call.name} of step {step.name} has no setting `{setting}`."
                    why = listed + nearest(setting, known)
                    near = closest(setting, known)
                    if near is None or near in call.settings:
                        yield context.at(
                            DECORATOR_SETTINGS, step, call.line, Message(what, why, "Correct the name, or remove it.")
                        )
                        continue
                    line = step.cell.body_line + call.line - 1
                    edits = line_replaced(step.cell, line, rf"\b{setting}(\s*=)", rf"{near}\1", last=_last(step, call))
                    yield context.at(
                        DECORATOR_SETTINGS, step, call.line, Message(what, why, Fix(f"Write `{near}`.", edits))
                    )


def _last(step: Step, call: DecoratorCall) -> int:
    """The last line of a decorator in its cell."""
    text = next((one.text for one in step.body.decorators if one.line == call.line), "")
    return step.cell.body_line + call.line - 1 + text.count("\n")


def written_call(name: str, changes: Mapping[str, str], call: DecoratorCall) -> str:
    """A decorator's call with other settings, as it is written."""
    kept = {key: value.text if isinstance(value, Expression) else repr(value) for key, value in call.settings.items()}
    settings = ", ".join(f"{key}={value}" for key, value in {**kept, **changes}.items())
    return f"@{name}({settings})" if settings else f"@{name}"


def decorator_fix(step: Step, call: DecoratorCall, sentence: str, text: str | None) -> Fix:
    """The fix that writes a decorator differently; None removes it, an empty text is left to the user."""
    cell, first = step.cell, step.cell.body_line + call.line - 1
    line = cell.source.split("\n")[first - 1].removeprefix(cell.margin)
    if text == "" or line.startswith((" ", "\t")) or "." in line.partition("(")[0]:
        return Fix(sentence, ())
    return Fix(sentence, (Edit(cell, first, _last(step, call), None if text is None else cell.margin + text),))


DECORATOR_VALUES = "FN025"


def check_decorator_values(context: LintContext) -> Iterator[Diagnostic]:
    """Report values of decorators that Metaflow refuses when the flow starts, or fails with when a task does."""
    replaced = context.flow.redefined
    for step in context.steps:
        for call in decorator_calls(step):
            if call.name not in replaced and not call.positional:
                for wrong in wrong_values(step.name, call.name, call.settings, open_ended=call.unpacked):
                    proven = wrong.fails and (call.name != "environment" or context.fails(step))  # when its task runs
                    message = _with_example(step, call, wrong)
                    yield context.at(DECORATOR_VALUES, step, call.line, message, proven=proven)


def _with_example(step: Step, call: DecoratorCall, wrong: WrongValue) -> Message:
    """The message about a wrong value, with a fix that writes the example together with the other settings."""
    if wrong.better is None or call.unpacked:
        return wrong.message
    setting, value = wrong.better
    example = f"@{call.name}({setting}={value})"
    # The settings of a timeout add up, so the wrong ones must not stay.
    text = example if call.name == "timeout" else written_call(call.name, {setting: value}, call)
    fix = decorator_fix(step, call, wrong.message.fix.replace(example, text), text)
    return replace(wrong.message, fix=fix)


CAUGHT_SPLIT = "FN023"
# `metaflow/plugins/catch_decorator.py`, step_init (2.19.39).
STARTS = {
    "foreach": ("a foreach", "its items are"),
    "switch": ("a switch", "the artifact that it switches on is"),
}


def check_caught_split(context: LintContext) -> Iterator[Diagnostic]:
    """Report `@catch` on a step whose foreach or switch needs an artifact that the step sets."""
    if "catch" in context.flow.redefined:
        return
    for step in context.steps:
        call, kind = catches(step), context.graph[step.name].kind
        if call is not None and kind in STARTS:
            starts, lost = STARTS[kind]
            what = f"Step {step.name} has @catch and starts {starts}."
            why = f"When its code raises, {lost} not set, so Metaflow refuses it."
            fix = f"Move what may fail into a step before {step.name}, and @catch with it."
            yield context.at(CAUGHT_SPLIT, step, call.line, Message(what, why, fix))
