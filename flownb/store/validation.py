"""Whether what a manifest holds is of the types that its record declares, so that no other code has to check.

A manifest may have been edited, cut, written by another program or planted. What passes here can be shown, compared,
sorted and put into the index: texts that can be encoded, whole numbers that fit 64 bits, times that have a date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

__all__ = ["LATEST", "is_id", "is_moment", "is_place", "learn_types", "require_texts", "require_types"]

# The last time that has a date in every time zone, in seconds since the epoch: a day before the year 10000.
LATEST = 253_402_300_800.0 - 2 * 86400
LARGEST = 1 << 63
# Ids have no more digits than that; a folder with more was not made by flownb.
ID = re.compile(r"[1-9][0-9]{0,8}\Z")
PLACE = re.compile(r"[1-9][0-9]{0,8}/[A-Za-z0-9_][A-Za-z0-9_.\-]*/[1-9][0-9]{0,8}\Z")
Check = Callable[[Any], bool]


def require_types(record: Any) -> None:
    """Compare a record's values with the types of its fields, at any depth.

    Raises
    ------
    ValueError
        If one is of another type, or beyond what can be shown.
    """
    kind: Any = type(record)
    for name, check in _checks(kind):
        if not check(getattr(record, name)):
            raise ValueError(f"`{name}` has the wrong type, or is out of range")


def learn_types(kind: type) -> None:
    """Work out how records of a class are judged, which the first call of `require_types` does otherwise."""
    _checks(kind)


def require_texts(text: bytes | str, value: Any) -> None:
    """Refuse halves of characters, which JSON can contain and nothing can write.

    Raises
    ------
    ValueError
        If a text in `value`, which was read from `text`, has one.
    """
    content = text.encode() if isinstance(text, str) else text
    if b"\\ud" not in content and b"\\uD" not in content:
        return
    # The text of a step's exception may contain anything; code that shows it expects that.
    ahead = [{name: one for name, one in value.items() if name != "exception"} if isinstance(value, dict) else value]
    while ahead:
        one = ahead.pop()
        if isinstance(one, str):
            one.encode()
        elif isinstance(one, dict):
            ahead += [*one, *one.values()]
        elif isinstance(one, list):
            ahead += one


def is_id(value: object) -> bool:
    """Whether a value is the id of a run or task as flownb gives them."""
    return isinstance(value, str) and ID.match(value) is not None


def is_place(value: str) -> bool:
    """Whether a text names a task by ``run/step/task``."""
    return PLACE.match(value) is not None


@cache
def _checks(kind: type) -> tuple[tuple[str, Check], ...]:
    """The fields of a record and how their values are judged."""
    hints = get_type_hints(kind)
    return tuple((one.name, _check(hints[one.name])) for one in fields(kind))


def _check(hint: Any) -> Check:
    """How values of a type are judged."""
    if hint in SIMPLE:
        return SIMPLE[hint]
    origin, given = get_origin(hint), get_args(hint)
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in given
    if origin in (Union, UnionType):
        some = [_check(one) for one in given]
        return lambda value: any(check(value) for check in some)
    if origin is tuple and given[-1] is Ellipsis:
        item = _check(given[0])
        return lambda value: isinstance(value, tuple) and all(map(item, value))
    if origin is tuple:
        items = [_check(one) for one in given]
        return lambda value: (
            isinstance(value, tuple)
            and len(value) == len(items)
            and all(check(one) for check, one in zip(items, value, strict=True))
        )
    if isinstance(origin, type) and issubclass(origin, Mapping):
        member = _check(given[1])
        return lambda value: isinstance(value, dict) and all(map(member, value.values()))
    if is_dataclass(hint):
        kind: Any = hint
        return lambda value: (
            isinstance(value, kind) and all(check(getattr(value, name)) for name, check in _checks(kind))
        )
    raise TypeError(f"There is no rule for values of the type {hint}.")


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST


def is_moment(value: object) -> bool:
    """Whether something is a number of seconds since the epoch that has a date."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LATEST


SIMPLE: dict[Any, Check] = {
    str: lambda value: isinstance(value, str),
    int: _is_number,
    float: is_moment,
    bool: lambda value: isinstance(value, bool),
    NoneType: lambda value: value is None,
    Any: lambda value: True,
    object: lambda value: True,
}
