"""What is said of two values that differ."""

from __future__ import annotations

import math
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from flownb.diff.values import DEEPEST, MOST_LINES, compare_values

Point = namedtuple("Point", "x y")
FRAME = pd.DataFrame({"x": range(5), "y": list("abcde"), "z": [1.0, None, 3.0, 4.0, 5.0]})
MASKED = pd.DataFrame({"n": pd.array([1, None, 3], dtype="Int64"), "c": pd.Categorical(["a", "b", "a"])})


@dataclass
class Model:
    """An object with a state of its own."""

    depth: int
    weights: Any = None


class Fitted:
    """A model with public results and private details."""

    def __init__(self, score: int, detail: int) -> None:
        self._detail, self.score = detail, score


class Silent:
    """An object that equals no other and shows nothing of itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Silent at {id(self):#x}>"


def said(before: Any, after: Any) -> list[str]:
    """The changes, each with its path in front."""
    return [f"{one.path}: {one.text}" if one.path else one.text for one in compare_values(before, after).changes]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (3, 5, ["3 → 5"]),
        (0.9123456, 0.93, ["0.912346 → 0.93 (+1.94 %)"]),
        (0.1, 0.1 + 1e-12, ["0.1 → 0.10000000000100001 (+1e-09 %)"]),
        (0.0, 1.5, ["0.0 → 1.5"]),
        (True, False, ["True → False"]),
        (1, "1", ["int → str: 1 → '1'"]),
        (None, 1, ["NoneType → int: None → 1"]),
        ("big", "small", ["'big' → 'small'"]),
        (b"a", b"b", ["b'a' → b'b'"]),
        (np.float64(1), np.float64(3), ["1.0 → 3.0 (+200 %)"]),
        ([1, 2, 3], [2, 3, 4], ["[0]: - 1", "[2]: + 4"]),
        ([1, 2, 3], [1, 5, 3, 4], ["3 → 4 items", "[1]: 2 → 5", "[3]: + 4"]),
        ([[1], [2]], [[1], [3]], ["[1][0]: 2 → 3"]),
        (Point(1, 2), Point(1, 3), [".y: 2 → 3"]),
        ({1, 2}, {2, 3}, ["- 1 item: 1", "+ 1 item: 3"]),
        ({"a": 1, "b": {"c": 2}}, {"b": {"c": 3}, "d": 4}, ["- 'a': 1", "+ 'd': 4", "['b']['c']: 2 → 3"]),
        (Model(3), Model(4), [".depth: 3 → 4"]),
        (Fitted(1, 1), Fitted(2, 2), [".score: 1 → 2"]),
        (Fitted(1, 1), Fitted(1, 2), ["._detail: 1 → 2"]),
        ([len, lambda: 3], [len, lambda: 4], ["[1]: the code of function `<lambda>` differs"]),
        (
            list(range(200)),
            list(range(10, 210)),
            ["[0]: - 0, 1, 2, 3, 4, 5, 6, 7, … (10)", "[190]: + 200, 201, 202, 203, 204, 205, 206, 207, … (10)"],
        ),
        (
            Model(3, np.zeros(2)),
            Model(3, np.ones(2)),
            [".weights: 2 of 2 values differ by up to 1: 0.0 → 1.0, 0.0 → 1.0"],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values(before: Any, after: Any, expected: list[str]) -> None:
    """What differs is said where it is, and numbers with the change in percent."""
    assert said(before, after) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (np.arange(4), np.arange(4) * 2, ["3 of 4 values differ by up to 3: 1 → 2, 2 → 4, 3 → 6"]),
        (np.zeros((2, 3)), np.zeros((3, 2)), ["shape 2×3 → 3×2"]),
        (np.zeros(2), np.zeros(2, dtype="float32"), ["float64 → float32"]),
        (np.array([1.0, math.nan]), np.array([1.0, math.nan]), []),
        (np.array(["a", None], dtype=object), np.array(["a", "b"], dtype=object), ["1 of 2 values differ: None → 'b'"]),
        (FRAME, FRAME.copy(), []),
        (FRAME, FRAME.assign(w=1).drop(columns="z"), ["- column `z` (float64)", "+ column `w` (int64)"]),
        (FRAME, FRAME.assign(x=[0, 1, 9, 3, 4]), ["1 of 5 cells of `x` differ by up to 7: [2] 2 → 9"]),
        (FRAME, FRAME.astype({"x": float}), ["column `x`: int64 → float64"]),
        (FRAME, FRAME.iloc[:4], ["5 → 4 rows"]),
        (FRAME, FRAME.iloc[::-1], ["the rows are in another order"]),
        (FRAME, FRAME[["y", "x", "z"]], ["the columns are in another order"]),
        (
            FRAME.set_index("y"),
            FRAME.assign(x=[0, 1, 2, 3, 7], y=list("bcdef")).set_index("y"),
            [
                "index: 1 labels removed, 1 added",
                "4 of 4 cells of `x` differ by up to 1: ['b'] 1 → 0, ['c'] 2 → 1, ['d'] 3 → 2, …",
                "4 of 4 cells of `z` differ by up to 1: ['b'] nan → 1.0, ['c'] 3.0 → nan, ['d'] 4.0 → 3.0, …",
            ],
        ),
        (FRAME.x, FRAME.x.replace(2, 3), ["1 of 5 cells of `x` differ by up to 1: [2] 2 → 3"]),
        (MASKED, MASKED.copy(), []),
        (MASKED, MASKED.assign(c=pd.Categorical(["a", "b", "b"])), ["1 of 3 cells of `c` differ: [2] 'a' → 'b'"]),
        (
            pl.DataFrame({"n": [1, None], "s": ["a", "b"]}),
            pl.DataFrame({"n": [1, 2], "s": ["a", "c"]}),
            ["1 of 2 cells of `n` differ: [1] None → 2", "1 of 2 cells of `s` differ: [1] 'b' → 'c'"],
        ),
        (pa.table({"n": [1, 2]}), pa.table({"n": [1, 3]}), ["1 of 2 cells of `n` differ by up to 1: [1] 2 → 3"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_tables_and_arrays(before: Any, after: Any, expected: list[str]) -> None:
    """Rows, columns and types are compared, and cells are counted with the first of them."""
    assert said(before, after) == expected


def test_a_text_has_its_lines() -> None:
    """Of a text with several lines those that differ are shown."""
    (found,) = compare_values("a\nb\nc", "a\nB\nc\nd").changes
    assert (found.text, found.lines) == ("text: 2 lines added, 1 removed", ("-b", "+B", "+d"))


def test_the_lines_are_bounded() -> None:
    """What is not shown of many differences is counted."""
    found = compare_values({n: [n] for n in range(40)}, {n: [-n] for n in range(40)})
    assert (len(found.changes), found.more) == (MOST_LINES, 39 - MOST_LINES)


def test_what_is_not_compared_is_known() -> None:
    """No difference means equal values only where all of them was compared."""
    deep: Any = 1
    for _ in range(DEEPEST + 2):
        deep = [deep, []]
    other: Any = 2
    for _ in range(DEEPEST + 2):
        other = [other, []]
    pairs = [({1: [2]}, {1: [2]}), (deep, other), (Silent(), Silent()), (FRAME, FRAME.copy())]
    found = [compare_values(*pair) for pair in pairs]
    assert [(one.changes, one.is_complete) for one in found] == [([], True), ([], False), ([], False), ([], True)]
