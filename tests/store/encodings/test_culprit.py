"""The search for what cannot be pickled."""

from __future__ import annotations

import collections
import functools
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator
from types import GeneratorType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flownb.store.encoding import encode, find_unpicklable

LOCK = threading.Lock()
Pair = collections.namedtuple("Pair", ["one", "other"])


class Thing:
    """Holds what it is given."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def method(self) -> None:
        """Be bound."""


class Slotted:
    """Holds one thing without a dict."""

    __slots__ = ("inside",)


def slotted(value: Any) -> Slotted:
    """A slotted object that holds `value`."""
    made = Slotted()
    made.inside = value
    return made


def numbers() -> Iterator[int]:
    """A generator."""
    yield 1


FOUND = {
    "itself": (lambda: LOCK, "", type(LOCK)),
    "nested": (lambda: {"a": [1, 2, {"k": Thing(lock=LOCK)}]}, "['a'][2]['k'].lock", type(LOCK)),
    "generator_in_slots": (lambda: [slotted(numbers())], "[0].inside", GeneratorType),
    "module": (lambda: ([sys],), "[0][0]", ModuleType),
    "named_tuple": (lambda: Pair(1, LOCK), ".other", type(LOCK)),
    "partial": (lambda: functools.partial(print, LOCK), ".args[0]", type(LOCK)),
    "deque": (lambda: collections.deque([1, LOCK]), "[1]", type(LOCK)),
    "bound_method": (lambda: [Thing(lock=LOCK).method], "[0].__self__.lock", type(LOCK)),
    "frame": (lambda: pd.DataFrame({"a": [1, 2], "b": [1, LOCK]}), "['b'][1]", type(LOCK)),
    "array": (lambda: np.array([[1, LOCK]], dtype=object), "[0, 1]", type(LOCK)),
    "last_of_many": (lambda: [*range(100_000), LOCK], "[100000]", type(LOCK)),
    "thread": (threading.Thread, "._started._cond._lock", type(LOCK)),
}


@pytest.mark.parametrize("name", FOUND)
def test_the_way_to_the_culprit_is_found(name: str) -> None:
    """A lock, generator or module is found wherever it is, with its type."""
    make, path, kind = FOUND[name]
    value = make()
    with pytest.raises(Exception, match="pickle"):
        encode(value)
    assert find_unpicklable(value) == (path, kind)


def test_files_sockets_and_connections_are_found() -> None:
    """What belongs to the system is refused, and the error names the path to it."""
    with open(__file__) as file, socket.socket() as one:  # noqa: PTH123  # any open file does
        connection = sqlite3.connect(":memory:")
        try:
            for value in (file, one, connection):
                assert find_unpicklable({"db": slotted(value)}) == ("['db'].inside", type(value))
        finally:
            connection.close()


def test_what_can_be_pickled_has_no_culprit() -> None:
    """Nothing is found in a good value, however it holds itself."""
    value: list[Any] = [1, {"a": Thing(b=2)}]
    value.append(value)
    assert find_unpicklable(value) is None


def test_a_culprit_that_only_pickling_makes_is_named_by_type() -> None:
    """An object whose state is made on the fly has no path to show."""

    class Hidden(Thing):
        def __reduce__(self) -> Any:
            return (list, ([threading.Lock()],))

    assert find_unpicklable([Hidden()]) == ("…", type(LOCK))
