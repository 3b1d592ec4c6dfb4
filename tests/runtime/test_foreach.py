"""What a foreach may run over: the values, and their items, that real Metaflow's foreach has or fails on."""

from __future__ import annotations

import enum
import io
import itertools
from array import array
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from flownb.errors import ForeachError
from flownb.runtime.foreach import count_items, item_at


class ByPosition:
    """Has items by position alone."""

    def __getitem__(self, index: int) -> int:
        if index > 1:
            raise IndexError
        return index * 10


class Iterable:
    """Can only be iterated, any number of times."""

    def __iter__(self) -> Iterator[int]:
        return iter([7, 8])


class Restarting:
    """An iterator that begins again when it is iterated again."""

    def __iter__(self) -> Restarting:
        self.left = [8, 7]
        return self

    def __next__(self) -> int:
        if not self.left:
            raise StopIteration
        return self.left.pop()


class Once:
    """An iterator that is used up."""

    def __init__(self) -> None:
        self.left = [8, 7]

    def __iter__(self) -> Once:
        return self

    def __next__(self) -> int:
        if not self.left:
            raise StopIteration
        return self.left.pop()


class ByName(Iterable):
    """Iterates its items and looks them up by name."""

    def __getitem__(self, name: str) -> int:
        return {"a": 7, "b": 8}[name]


Color = enum.Enum("Color", "RED GREEN")
TABLE = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
ACCEPTED: list[tuple[str, Any, list[Any]]] = [
    ("list", ["a", "b"], ["a", "b"]),
    ("tuple", ("a", "b"), ["a", "b"]),
    ("str", "ab", ["a", "b"]),
    ("bytes", b"ab", [97, 98]),
    ("range", range(3, 5), [3, 4]),
    ("deque", deque([1, 2]), [1, 2]),
    ("array", array("i", [1, 2]), [1, 2]),
    ("UserList", UserList([1, 2]), [1, 2]),
    ("numpy 1-d", np.array([3, 4]), [3, 4]),
    ("pandas Index", pd.Index(["a", "b"]), ["a", "b"]),
    ("dates", pd.date_range("2020", periods=2), [pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-02")]),
    ("Categorical", pd.Categorical(["a", "b"]), ["a", "b"]),
    ("Series", pd.Series(["a", "b"]), ["a", "b"]),
    # By label, as Metaflow has them.
    ("Series in another order", pd.Series(["a", "b"], index=[1, 0]), ["b", "a"]),
    ("polars Series", pl.Series([1, 2]), [1, 2]),
    ("dictionary by position", {1: "x", 0: "y"}, ["y", "x"]),
    ("defaultdict by position", defaultdict(int, {0: 5, 1: 6}), [5, 6]),
    ("by position", ByPosition(), [0, 10]),
    ("iterable", Iterable(), [7, 8]),
    ("an iterator that begins again", Restarting(), [7, 8]),
]
SORTED, LISTED, ONCE = "sorted(xs)", "list(xs)", "xs = list(xs)"
REFUSED: list[tuple[str, Any, str]] = [
    ("a set", {"a", "b"}, SORTED),
    ("a frozenset", frozenset("ab"), SORTED),
    ("a dict_keys", {"a": 1}.keys(), LISTED),
    ("a dict_values", {"a": 1}.values(), LISTED),
    ("a dict_items", {"a": 1}.items(), LISTED),
    ("a dictionary", {"a": 1}, "list(xs.items())"),
    ("a dictionary", Counter("aab"), "list(xs.items())"),
    ("a dictionary", defaultdict(int, {"a": 1}), "list(xs.items())"),
    ("a dictionary", OrderedDict(a=1), "list(xs.items())"),
    ("a dictionary", UserDict(a=1), "list(xs.items())"),
    ("a dictionary", ChainMap({"a": 1}), "list(xs.items())"),
    ("a zip", zip([1], [2], strict=True), ONCE),
    ("an enumerate", enumerate("a"), ONCE),
    ("a map", map(str, [1]), ONCE),
    ("a filter", filter(None, [1]), ONCE),
    ("a list_reverseiterator", reversed([1]), ONCE),
    ("a generator", (x for x in [1]), ONCE),
    ("a count", itertools.count(), ONCE),
    ("a StringIO", io.StringIO("a"), ONCE),
    ("an Once", Once(), ONCE),
    ("a flatiter", np.array([1]).flat, ONCE),
    ("a Series whose index is not 0, 1, …", pd.Series(["a", "b"], index=["x", "y"]), LISTED),
    ("a Series whose index is not 0, 1, …", pd.Series([1, 2, 3])[lambda s: s > 1], LISTED),
    ("a Series whose index is not 0, 1, …", pd.Series([1, 2, 3], index=[0, 5, 2]), LISTED),
    ("a DataFrame", TABLE, 'xs.to_dict("records")'),
    ("a DataFrameGroupBy", TABLE.groupby("a"), LISTED),
    ("a polars DataFrame", pl.DataFrame({"a": [1, 2]}), "xs.to_dicts()"),
    (f"an {type(Color).__name__}", Color, LISTED),
    ("a ByName", ByName(), LISTED),
]


@pytest.mark.parametrize(("items", "expected"), [one[1:] for one in ACCEPTED], ids=[one[0] for one in ACCEPTED])
def test_items_by_position(items: Any, expected: list[Any]) -> None:
    """Each task gets the item that Metaflow gives it."""
    count = count_items(items, var="xs", step="load")
    assert [item_at(items, position) for position in range(count)] == expected


def test_rows_of_an_array() -> None:
    """The items of a two-dimensional array are its rows."""
    rows = np.array([[1, 2], [3, 4]])
    assert [list(item_at(rows, n)) for n in range(count_items(rows, var="xs", step="load"))] == [[1, 2], [3, 4]]


@pytest.mark.parametrize(("what", "items", "fix"), REFUSED, ids=[type(one[1]).__name__ for one in REFUSED])
def test_values_whose_items_tasks_would_not_find(what: str, items: Any, fix: str) -> None:
    """What Metaflow's tasks lose, repeat or fail on is refused at the split, with what to write."""
    with pytest.raises(ForeachError) as refused:
        count_items(items, var="xs", step="load")
    assert refused.value.what == f"Step load starts a foreach over `xs`, {what}."
    assert fix in refused.value.fix
