"""Which part of a value cannot be pickled: a path like ``["a"][3].conn``, and the type found there.

This costs about one more pickling and a bounded search, so it is meant for error messages only.
"""

from __future__ import annotations

import io
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import Any

__all__ = ["find_unpicklable"]

MOST_OBJECTS = 300_000
MOST_SECONDS = 1.0
ATOMS = (str, bytes, bytearray, int, float, complex, bool, type(None), type)


def find_unpicklable(value: Any) -> tuple[str, type] | None:
    """Find the part of a value that cannot be pickled.

    Parameters
    ----------
    value : object

    Returns
    -------
    tuple of (str, type) or None
        How to get from the value to the culprit, as a Python expression: ``""`` if it is the value itself; ``"…"`` if
        the search was abandoned, or an object makes the part only while it is pickled. None if the value can be
        pickled, or is nested too deeply.
    """
    from flownb.store.encodings.pickle5 import StorePickler

    class Recorder(StorePickler):
        """Remembers what it was asked for last: pickle asks about all but plain containers and atoms."""

        last: Any = None

        def reducer_override(self, value: Any) -> Any:
            self.last = value
            return super().reducer_override(value)

    recorder = Recorder(io.BytesIO(), lambda buffer: False)
    try:
        recorder.dump(value)
    except RecursionError:
        return None
    except Exception:
        culprit = recorder.last
    else:
        return None
    path = _path(value, culprit)
    return ("…" if path is None else path), type(culprit)


def _path(value: Any, culprit: Any) -> str | None:
    """The shortest way from a value to an object inside of it, None if it was not found in time."""
    end = time.monotonic() + MOST_SECONDS
    seen: dict[int, Any] = {id(value): value}
    waiting: deque[tuple[Any, str]] = deque([(value, "")])
    visits = 0
    while waiting:
        found, path = waiting.popleft()
        if found is culprit:
            return path
        try:
            for child, step in _children(found):
                visits += 1
                if len(seen) > MOST_OBJECTS or (visits % 1000 == 0 and time.monotonic() > end):
                    return None
                if child is culprit:
                    return path + step
                if not isinstance(child, ATOMS) and id(child) not in seen:
                    seen[id(child)] = child  # keeps it alive, so that no other object gets its id
                    waiting.append((child, path + step))
        except Exception:  # a property or container of the user's that fails: the others may still lead there
            continue
    return None


def _children(value: Any) -> Iterator[tuple[Any, str]]:
    """What an object holds, each with the Python that reads it."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield item, f"[{_short(key)}]"
            yield key, f" key {_short(key)}"
    elif isinstance(value, list | tuple | deque):
        names = getattr(value, "_fields", ())
        for number, item in enumerate(value):
            yield item, f".{names[number]}" if number < len(names) else f"[{number}]"
    elif isinstance(value, set | frozenset):
        for item in value:
            yield item, f" item {_short(item)}"
    elif isinstance(value, MethodType):
        yield value.__self__, ".__self__"
    elif isinstance(value, FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=False):
            yield cell.cell_contents, f" variable {name}"
    elif isinstance(value, partial):
        yield from ((value.func, ".func"), (value.args, ".args"), (value.keywords, ".keywords"))
    else:
        yield from _in_library(value)
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        for name, item in attributes.items():
            yield item, f".{name}"
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                yield getattr(value, name), f".{name}"


def _in_library(value: Any) -> Iterator[tuple[Any, str]]:
    """Cells of frames and arrays that hold objects."""
    numpy: Any = sys.modules.get("numpy")
    pandas: Any = sys.modules.get("pandas")
    if numpy is not None and isinstance(value, numpy.ndarray) and value.dtype == object:
        for index in numpy.ndindex(value.shape):
            yield value[index], f"[{', '.join(map(str, index))}]"
    elif pandas is not None and isinstance(value, pandas.Series) and value.dtype == object:
        for label, item in value.items():
            yield item, f"[{_short(label)}]"
    elif pandas is not None and isinstance(value, pandas.DataFrame):
        for number, label in enumerate(value.columns):
            yield value.iloc[:, number], f"[{_short(label)}]"


def _short(key: Any) -> str:
    text = repr(key)
    return text if len(text) <= 40 else f"{text[:39]}…"
