"""What decorators say: the lines above a step's body, and the texts of ``--with``.

Only the source is read, so a setting that is an expression is known only when the flow runs. Which decorators there are
is in `flownb.metaflow_decorators`. Texts such as ``retry:times=2`` are read as Metaflow reads them
(``Decorator.extract_args_kwargs_from_decorator_spec`` in ``metaflow/decorators.py``, 2.19.39).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flownb.cells.body import Decorator
from flownb.errors import ParameterError, nearest
from flownb.flow.definition import Step
from flownb.metaflow_decorators import STEP_DECORATORS, Expression, is_repeatable, settings_of

__all__ = [
    "BETWEEN",
    "DecoratorCall",
    "catches",
    "catches_unnamed",
    "caught_name",
    "decorator_call",
    "decorator_calls",
    "decorator_spec",
    "spec_value",
    "with_added",
    "written_names",
]


@dataclass(frozen=True)
class DecoratorCall:
    """What one decorator line says.

    Attributes
    ----------
    name : str
        As written after ``@``, without ``metaflow.`` or ``flownb.``.
    line : int
        1-based in the step's body.
    settings : dict of str to object
        Keyword arguments: each value that is written out, and an `Expression` for any other.
    positional : tuple of str
        Positional arguments, as written.
    unpacked : bool
        Whether there are settings that the source does not name (``**settings``).
    """

    name: str
    line: int
    settings: dict[str, Any]
    positional: tuple[str, ...]
    unpacked: bool


def decorator_calls(step: Step) -> tuple[DecoratorCall, ...]:
    """The step's decorators from top to bottom; lines that are not valid Python are left out."""
    return tuple(call for one in step.body.decorators if (call := decorator_call(one)) is not None)


def catches(step: Step) -> DecoratorCall | None:
    """The step's ``@catch``, if it has one."""
    return next((call for call in decorator_calls(step) if call.name == "catch"), None)


def caught_name(step: Step) -> str | None:
    """The artifact that ``@catch(var=…)`` sets; None if there is none, or if the source does not say which."""
    call = catches(step)
    name = call.settings.get("var") if call else None
    return name if isinstance(name, str) and name else None


def catches_unnamed(step: Step) -> bool:
    """Whether ``@catch`` may set an artifact that the source does not name."""
    call = catches(step)
    return call is not None and (call.unpacked or isinstance(call.settings.get("var"), Expression))


def written_names(step: Step) -> dict[str, int]:
    """Names that a step sets as artifacts, each with the line of its body that does so (0 is the header)."""
    call, caught = catches(step), caught_name(step)
    written = {**step.names.self_writes, **dict.fromkeys(step.captures, 0)}
    return {caught: call.line, **written} if call and caught else written


@lru_cache(maxsize=4096)
def decorator_call(decorator: Decorator) -> DecoratorCall | None:
    """Read one decorator line; None if it is not valid Python."""
    try:
        function = ast.parse(f"{decorator.text}\ndef _(): pass").body[0]
    except (SyntaxError, ValueError):
        return None
    assert isinstance(function, ast.FunctionDef)
    node = function.decorator_list[0]
    called = isinstance(node, ast.Call)
    name = ast.unparse(node.func if isinstance(node, ast.Call) else node)
    name = name.removeprefix("metaflow.").removeprefix("flownb.")
    keywords = node.keywords if isinstance(node, ast.Call) else []
    arguments = node.args if isinstance(node, ast.Call) else []
    settings = {one.arg: _value(one.value) for one in keywords if one.arg is not None}
    unpacked = called and any(one.arg is None for one in keywords)
    return DecoratorCall(name, decorator.line, settings, tuple(map(ast.unparse, arguments)), unpacked)


def _value(node: ast.expr) -> Any:
    """The value that a literal has, or an `Expression`."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return Expression(ast.unparse(node))


# A comma with another setting after it; a comma inside a value belongs to the value.
BETWEEN = re.compile(r",(?=[\s\w]+=)")

Recorded = tuple[str, dict[str, Any]]


def decorator_spec(text: str) -> Recorded:
    """Name and settings of a decorator that is added to all steps.

    Raises
    ------
    ParameterError
        If Metaflow has no such step decorator, or that has no such setting.

    Examples
    --------
    >>> decorator_spec("retry:times=2")
    ('retry', {'times': 2})
    >>> decorator_spec('environment:vars={"A": "1", "B": "2"}')
    ('environment', {'vars': {'A': '1', 'B': '2'}})
    """
    name, _, rest = text.partition(":")
    if name not in STEP_DECORATORS:
        known = sorted(STEP_DECORATORS)
        raise ParameterError(
            f"`--with {text}` does not name a step decorator of Metaflow.{nearest(name, known)}",
            f"These can be added to all steps: {', '.join(known)}.",
            "Correct the name. Write a decorator of your own above the steps.",
        )
    settings: dict[str, Any] = {}
    for part in BETWEEN.split(rest) if rest else ():
        setting, equals, value = part.partition("=")
        if not equals:
            raise ParameterError(
                f"`--with {text}`: `{part}` is not a setting.",
                "A setting has a name and a value.",
                f"Write {name}:NAME=VALUE, for example retry:times=2.",
            )
        setting = setting.strip()
        accepted = settings_of(name)
        if accepted is not None and setting not in accepted:
            raise ParameterError(
                f"`--with {text}`: @{name} does not have the setting `{setting}`.{nearest(setting, accepted)}",
                f"It has {', '.join(accepted) or 'none'}.",
                "Correct it or leave it out.",
            )
        settings[setting] = spec_value(value.strip())
    return name, settings


def with_added(own: Iterable[Any], added: Iterable[Any]) -> tuple[Any, ...]:
    """The decorators of a step, and those that are added and that it does not have yet.

    Parameters and result are (name, settings) pairs. A decorator that is repeatable, as ``card`` is, is always added.
    """
    found = [*own]
    for name, settings in added:
        if is_repeatable(name) or name not in [one for one, _ in found]:
            found.append((name, settings))
    return tuple(found)


def spec_value(text: str) -> Any:
    """The value of a setting: JSON, a number, or the text itself."""
    try:
        return json.loads(text.replace('\\"', '"'))
    except (json.JSONDecodeError, RecursionError):
        pass
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
