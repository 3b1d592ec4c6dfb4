"""Deep equality of artifact values, the way a next step could distinguish them.

Two values, each unpickled from a different store, are the same or not.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import sys
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

__all__ = ["same_value"]

_ATOMS = (int, str, bytes, bytearray, bool, type(None), range)
_NAMED = (type, FunctionType, BuiltinFunctionType, ModuleType)


def same_value(a: object, b: object) -> bool:
    """Tell whether two values are the same to every step that could read them.

    Parameters
    ----------
    a, b
        Any values. Recursive containers are followed once.

    Returns
    -------
    bool
        True if types and contents agree.

    Raises
    ------
    TypeError
        If a value has neither a usable `==` nor a pickled form: it was not an artifact.

    Notes
    -----
    Stricter than `==` where `==` is blind, laxer where it does not help:

    - Types agree by qualified name: `1`, `True`, `1.0` and `np.int64(1)` are four values, while
      `__main__.Point` and `flow_module.Point` are one class.
    - NaN equals NaN, also inside containers, arrays, frames and dataclasses; a float `-0.0` is
      not `0.0`.
    - Dicts must agree in insertion order too, since a later step can see it.
    - Arrays agree in dtype and shape; frames, series and indexes exactly, with names and dtypes.
    - Objects of one class are asked for `==` first. Where that says no, fails, is blind (zones of
      a datetime, digits of a Decimal), or the two classes come from different modules, what they
      would pickle to is compared instead.

    Examples
    --------
    >>> same_value({"a": [1, float("nan")]}, {"a": [1, float("nan")]})
    True
    >>> same_value([1], [True])
    False
    """
    return _same(a, b, {})


def _same(a: Any, b: Any, seen: dict[tuple[int, int], tuple[object, object]]) -> bool:
    """Compare two values, taking pairs already under comparison as equal."""
    if isinstance(a, _NAMED) and isinstance(b, _NAMED):
        return a is b or _same_name(a, b)
    if type(a).__qualname__ != type(b).__qualname__:
        return False
    if a is b:
        return True
    if type(a) in _ATOMS:
        return bool(a == b)
    if type(a) is float:
        return _same_float(a, b)
    if type(a) is complex:
        return _same_float(a.real, b.real) and _same_float(a.imag, b.imag)
    if (id(a), id(b)) in seen:
        return True
    # The values are kept so that no temporary's id is handed out again.
    seen[id(a), id(b)] = (a, b)
    scientific = _same_scientific(a, b, seen)
    if scientific is not None:
        return scientific
    return _same_contents(a, b, seen)


def _same_name(a: Any, b: Any) -> bool:
    """Compare two classes, functions or modules by name, whatever module holds them."""
    return type(a) is type(b) and (getattr(a, "__qualname__", a.__name__) == getattr(b, "__qualname__", b.__name__))


def _same_float(a: float, b: float) -> bool:
    """Compare two floats: NaN equals NaN, the sign of zero counts."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b and math.copysign(1.0, a) == math.copysign(1.0, b)


def _same_scientific(a: Any, b: Any, seen: dict[Any, Any]) -> bool | None:
    """Compare NumPy and pandas values; None if the values are neither.

    A value of a package exists only after that package was imported, so nothing is imported here.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(a, numpy.ndarray | numpy.generic):
        return _same_array(numpy.asarray(a), numpy.asarray(b), seen)
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return None
    testing = import_module("pandas.testing")
    for kind, check in (
        (pandas.DataFrame, testing.assert_frame_equal),
        (pandas.Series, testing.assert_series_equal),
        (pandas.Index, testing.assert_index_equal),
    ):
        if isinstance(a, kind):
            exact = {"exact": True} if kind is pandas.Index else {"check_exact": True}
            try:
                check(a, b, **exact)
            except AssertionError:
                return False
            return True
    return None


def _same_array(a: Any, b: Any, seen: dict[Any, Any]) -> bool:
    """Compare two arrays by dtype, shape and elements."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.names:
        return all(_same_array(a[name], b[name], seen) for name in a.dtype.names)
    if a.dtype.kind == "O":
        return all(_same(x, y, seen) for x, y in zip(a.flat, b.flat, strict=True))
    numpy = sys.modules["numpy"]
    return bool(numpy.array_equal(a, b, equal_nan=a.dtype.kind in "fcmM"))


def _same_contents(a: Any, b: Any, seen: dict[Any, Any]) -> bool:
    """Compare containers by their items, and all else by `==` or by what pickling would keep."""
    if isinstance(a, set | frozenset):
        return len(a) == len(b) and _same_items(a, b, seen)
    if type(a) in (list, tuple):
        return len(a) == len(b) and all(_same(x, y, seen) for x, y in zip(a, b, strict=True))
    if type(a) is dict:
        return _same([*a.items()], [*b.items()], seen)
    if isinstance(a, BaseException):
        # dask's tblib changes how a whole process pickles exceptions: with their traceback, and empty attributes.
        return _same([a.args, _attributes(a)], [b.args, _attributes(b)], seen)
    if type(a) is type(b) and not _blind(a) and _says_equal(a, b):
        return True
    if type(a).__module__ == "matplotlib.figure":
        # Each figure that is unpickled gets the next number that pyplot has.
        return _same({**a.__getstate__(), "_number": 0}, {**b.__getstate__(), "_number": 0}, seen)
    return _same([*_pickled_as(a)], [*_pickled_as(b)], seen)


def _same_items(a: Any, b: Any, seen: dict[Any, Any]) -> bool:
    """Compare two sets of the same length by their items; those that hash by value and type are compared at once."""
    atoms = [{(type(x), x) for x in one if type(x) in _ATOMS} for one in (a, b)]
    if atoms[0] != atoms[1]:
        return False
    others = [[x for x in one if type(x) not in _ATOMS] for one in (a, b)]
    return len(others[0]) == len(others[1]) and all(any(_same(x, y, dict(seen)) for y in others[1]) for x in others[0])


def _attributes(error: BaseException) -> dict[str, object]:
    """What was set on an exception."""
    return {name: value for name, value in sorted(vars(error).items()) if value}


def _blind(value: Any) -> bool:
    """Tell whether the value's `==` overlooks what a step could see: types within, zones, digits."""
    return dataclasses.is_dataclass(value) or isinstance(
        value, list | tuple | dict | deque | datetime.datetime | datetime.time | Decimal
    )


def _says_equal(a: Any, b: Any) -> bool:
    """Ask the values' own `==`; a class that cannot answer counts as a no."""
    try:
        return bool(a == b)
    except Exception:  # code of the value's class, which may raise anything
        return False


def _pickled_as(value: Any) -> Iterator[object]:
    """Give the parts that pickle would rebuild the value from: class, arguments, state, items."""
    parts = value.__reduce_ex__(4)
    if isinstance(parts, str):
        yield parts
        return
    for position, part in enumerate(parts):
        # Parts 3 and 4 are iterators over list and dict items (PEP 307).
        yield list(part) if position in (3, 4) and part is not None else part
