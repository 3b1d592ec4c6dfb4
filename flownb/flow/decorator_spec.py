"""What ``--with retry:times=2`` says: a step decorator and its settings.

Reads the text as Metaflow does (``Decorator.extract_args_kwargs_from_decorator_spec`` in ``metaflow/decorators.py``,
2.19.39).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from flownb.cells.body import STEP_DECORATORS
from flownb.errors import ParameterError, nearest
from flownb.flow.decorator_rules import REPEATABLE, SETTINGS

__all__ = ["BETWEEN", "decorator_spec", "spec_value", "with_added"]

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
