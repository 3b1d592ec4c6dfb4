"""What Metaflow's step decorators take: their settings, and the values that these may have.

Takes a decorator's name and settings, read from source or resolved; gives what is wrong with them.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flownb.cells.body import STEP_DECORATORS, Decorator
from flownb.errors import ParameterError, nearest
from flownb.flow.definition import Step

__all__ = [
    "BETWEEN",
    "MAX_RETRIES",
    "NUMBERS",
    "REPEATABLE",
    "SETTINGS",
    "DecoratorCall",
    "Expression",
    "catches",
    "catches_unnamed",
    "caught_name",
    "decorator_call",
    "decorator_calls",
    "decorator_spec",
    "spec_value",
    "with_added",
    "written_names",
    "wrong_values",
]


# `defaults` of each class (`metaflow/plugins`, 2.19.39); other settings are refused when the decorator is made.
SETTINGS: Mapping[str, tuple[str, ...]] = {
    name: tuple(settings.split())
    for name, settings in {
        "batch": "cpu gpu memory image queue iam_role execution_role shared_memory max_swap swappiness inferentia "
        "trainium efa host_volumes efs_volumes use_tmpfs aws_batch_tags tmpfs_tempdir tmpfs_size tmpfs_path "
        "ephemeral_storage log_driver log_options executable privileged",
        "card": "type options scope rank timeout id save_errors customize refresh_interval",
        "catch": "var print_exception",
        "conda": "packages libraries python disabled",
        "environment": "vars",
        "kubernetes": "cpu memory disk image image_pull_policy image_pull_secrets service_account secrets "
        "node_selector namespace gpu gpu_vendor tolerations labels annotations use_tmpfs tmpfs_tempdir tmpfs_size "
        "tmpfs_path persistent_volume_claims shared_memory port compute_pool executable hostname_resolution_timeout "
        "qos extended_resources security_context",
        "parallel": "",
        "pypi": "packages python disabled",
        "resources": "cpu gpu disk memory shared_memory",
        "retry": "times minutes_between_retries",
        "secrets": "sources role allow_override",
        "timeout": "seconds minutes hours",
    }.items()
}
# May stand more than once above a step (`allow_multiple`).
REPEATABLE = frozenset({"card"})
# MAX_ATTEMPTS, less the first attempt and the one of @catch (`metaflow/plugins/retry_decorator.py`).
MAX_RETRIES = 4
NUMBERS: Mapping[str, Mapping[str, type[int | float]]] = {
    "retry": {"times": int, "minutes_between_retries": float},
    "timeout": {"seconds": int, "minutes": int, "hours": int},
    "resources": {"cpu": float, "memory": float},
}


def wrong_values(
    name: str, settings: Mapping[str, Any], *, open_ended: bool = False
) -> Iterator[tuple[str, str, str, bool]]:
    """Say what is wrong with a decorator's values.

    Parameters
    ----------
    name : str
    settings : mapping of str to object
        An `Expression` is taken to be right.
    open_ended : bool, default False
        Whether there may be more settings than these.

    Yields
    ------
    (str, str, str, bool)
        What it says, without a subject and a full stop; why that is wrong; what to write; whether a run fails by it.
    """
    numbers: dict[str, float] = {}
    known = not open_ended
    for setting, kind in NUMBERS.get(name, {}).items():
        value = settings.get(setting, 0)
        if isinstance(value, Expression):
            known = False
        elif not (name == "resources" and value is None):
            try:
                numbers[setting] = kind(value)
            except (TypeError, ValueError, OverflowError):
                known = False
                # A local run looks at no others; where they are looked at, they fail too.
                fails = name == "timeout" or setting == "times"
                fix = f"Write @{name}({setting}=2), for example."
                yield f"says {setting}={value!r}", "It takes a number.", fix, fails
    match name:
        case "retry" if numbers.get("times", 0) > MAX_RETRIES:
            why = f"Metaflow tries a task again {MAX_RETRIES} times at most."
            yield f"says times={settings['times']!r}", why, f"Write @retry(times={MAX_RETRIES}).", True
        case "timeout" if known and sum(numbers.values()) <= 0:
            why = "It limits how long a task runs, in whole seconds."
            yield "says no duration", why, "Write @timeout(minutes=5), for example.", True
        case "environment" if not isinstance(settings.get("vars", {}), Mapping | Expression):
            why = "It takes a dict of the variables."
            fix = 'Write @environment(vars={"NAME": "value"}), for example.'
            yield f"says vars={settings['vars']!r}", why, fix, True
        case "environment" if not isinstance(settings.get("vars", {}), Expression):
            for variable in settings.get("vars", {}):
                if not isinstance(variable, str) or not variable or "=" in variable or "\0" in variable:
                    why, fix = "A variable cannot have that name.", "Name the variable with letters, digits and `_`."
                    yield f"sets the variable {variable!r}", why, fix, variable != ""
        case "catch" if not isinstance(var := settings.get("var"), Expression | None):
            if not isinstance(var, str) or not (var.isidentifier() or not var):
                why = "It names the artifact that takes the exception."
                yield f"says var={var!r}", why, 'Write @catch(var="failure"), for example.', not isinstance(var, str)


# MERGED-DOC flow.decorator_call: What a step's decorator lines say, read from their source. Takes a `Decorator`
# line or a `Step`; gives its settings as far as they are written out. What an expression gives is known only when
# the flow runs.


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


# MERGED-DOC flow.decorator_spec: What ``--with retry:times=2`` says: a step decorator and its settings. Reads the
# text as Metaflow does (``Decorator.extract_args_kwargs_from_decorator_spec`` in ``metaflow/decorators.py``,
# 2.19.39).


# A comma that another setting follows: commas inside a value belong to it.
BETWEEN = re.compile(r",(?=[\s\w]+=)")

Recorded = tuple[str, dict[str, Any]]


def decorator_spec(text: str) -> Recorded:
    """Name and settings of a decorator that is added to all steps.

    Raises
    ------
    ParameterError
        If there is no such step decorator, or it has no such setting.

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
        if setting not in SETTINGS.get(name, (setting,)):
            raise ParameterError(
                f"`--with {text}`: @{name} does not have the setting `{setting}`.{nearest(setting, SETTINGS[name])}",
                f"It has {', '.join(SETTINGS[name]) or 'none'}.",
                "Correct it or leave it out.",
            )
        settings[setting] = spec_value(value.strip())
    return name, settings


def with_added(own: Iterable[Any], added: Iterable[Any]) -> tuple[Any, ...]:
    """The decorators of a step and those that are added: one that the step has already is not added.

    Parameters and result are (name, settings) pairs. ``card`` is added to a step that has a card.
    """
    found = [*own]
    for name, settings in added:
        if name in REPEATABLE or name not in [one for one, _ in found]:
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
