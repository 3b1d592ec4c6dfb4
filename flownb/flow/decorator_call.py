"""What a step's decorator lines say, read from their source.

Takes a `Decorator` line or a `Step`; gives its settings as far as they are written out. What an expression gives is
known only when the flow runs.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flownb.cells.body import Decorator
from flownb.flow.definition import Step

__all__ = [
    "DecoratorCall",
    "Expression",
    "catches",
    "catches_unnamed",
    "caught_name",
    "decorator_call",
    "decorator_calls",
    "written_names",
]


@dataclass(frozen=True)
class Expression:
    """A setting that is not written out: its value is known only when the flow runs."""

    text: str


@dataclass(frozen=True)
class DecoratorCall:
    """One decorator line.

    Attributes
    ----------
    name : str
        As written after ``@``, without ``metaflow.`` or ``flownb.``.
    line : int
        1-based in the step's body.
    settings : dict of str to object
        Keyword arguments: values that are written out, else an `Expression`.
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
    """The step's decorators from top to bottom; lines that are no Python are left out."""
    return tuple(call for one in step.body.decorators if (call := decorator_call(one)) is not None)


def catches(step: Step) -> DecoratorCall | None:
    """The step's ``@catch``, if it has one."""
    return next((call for call in decorator_calls(step) if call.name == "catch"), None)


def caught_name(step: Step) -> str | None:
    """The artifact that ``@catch(var=…)`` sets; None without one, or if the source does not say which."""
    call = catches(step)
    name = call.settings.get("var") if call else None
    return name if isinstance(name, str) and name else None


def catches_unnamed(step: Step) -> bool:
    """Whether ``@catch`` may set an artifact that the source does not name."""
    call = catches(step)
    return call is not None and (call.unpacked or isinstance(call.settings.get("var"), Expression))


def written_names(step: Step) -> dict[str, int]:
    """Names that a step sets as artifacts, with the line that does so (0 is the header)."""
    call, caught = catches(step), caught_name(step)
    written = {**step.names.self_writes, **dict.fromkeys(step.captures, 0)}
    return {caught: call.line, **written} if call and caught else written


@lru_cache(maxsize=4096)
def decorator_call(decorator: Decorator) -> DecoratorCall | None:
    """Read one decorator line; None if it is no Python."""
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
    """The value of a literal."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return Expression(ast.unparse(node))
