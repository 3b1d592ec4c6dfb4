"""What `same_value` calls the same, and what it distinguishes.

Each case is a pair of values and the verdict on them.
"""

from __future__ import annotations

import collections
import datetime
import pickle
import sys
import types
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flownb.equality import same_value

CLASSES = """
import dataclasses, enum, typing

@dataclasses.dataclass
class Point:
    x: float
    y: object

class Plain:
    def __init__(self, x):
        self.x = x

class Slotted:
    __slots__ = ("x", "y")
    def __init__(self, x):
        self.x = x

class Equal:
    def __init__(self, x):
        self.x = x
    def __eq__(self, other):
        return isinstance(other, Equal) and self.x == other.x

class Pair(typing.NamedTuple):
    left: int
    right: int

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

class Whole(int):
    pass

class Bag(dict):
    pass

def helper():
    pass
"""

NAN = float("nan")
NOON = datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture(params=["same module", "other module"])
def modules(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The classes above, twice: as one module, or as two that ran the same source."""
    names = ["flow_here", "flow_here" if request.param == "same module" else "flow_there"]
    for name in dict.fromkeys(names):
        made = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, made)
        exec(CLASSES, made.__dict__)
    return sys.modules[names[0]], sys.modules[names[1]]


@pytest.mark.parametrize(
    "value",
    [
        None,
        10**5000,
        -0.0,
        NAN,
        complex(NAN, 1),
        "größe",
        b"\x00",
        bytearray(b"a"),
        range(3),
        slice(1, 2),
        [1, [2, NAN]],
        (1, "a"),
        {"a": [1], 2: {3}},
        {1, "a", (2, 3)},
        frozenset({1}),
        collections.deque([1, NAN], maxlen=3),
        collections.Counter("aab"),
        collections.OrderedDict(a=1),
        collections.defaultdict(list, a=[NAN]),
        Decimal("NaN"),
        Decimal("1.10"),
        NOON,
        datetime.timedelta(1),
        Path("a/b"),
        ValueError("bad", NAN),
        partial(int, base=2),
        np.float32(NAN),
        np.array([1.0, NAN]),
        np.array([], dtype="int8"),
        np.array([[None, "a"], [NAN, [1]]], dtype=object),
        np.array([(1, NAN)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array(["2024-01-01", "NaT"], dtype="datetime64[D]"),
        np.random.default_rng(3),
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=pd.Index(["p", "q"], name="k")),
        pd.Series([1.0, NAN], name="s"),
        pd.MultiIndex.from_tuples([(1, "a")], names=["n", "c"]),
        pd.Timestamp("2024-01-01", tz="UTC"),
        pd.NaT,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_copy_is_the_same(value: object) -> None:
    """A value and what comes back from its pickle are the same."""
    assert same_value(value, pickle.loads(pickle.dumps(value)))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        (1, 2),
        (NAN, 1.0),
        ("a", b"a"),
        ([1], (1,)),
        ([1, 2], [1]),
        ([1, [2]], [1, [3]]),
        ({"a": 1}, {"a": 2}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, {"b": 1}),
        ({1}, {2}),
        ({1}, {True}),
        ({1}, frozenset({1})),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(list), collections.defaultdict(set)),
        (collections.deque([1], maxlen=1), collections.deque([1], maxlen=2)),
        (Decimal("1.0"), Decimal("1.00")),
        (NOON, NOON.astimezone(datetime.timezone(datetime.timedelta(hours=1)))),
        (ValueError("a"), ValueError("b")),
        (ValueError("a"), KeyError("a")),
        (len, max),
        (int, float),
        (np.int64(1), 1),
        (np.int64(1), np.int32(1)),
        (np.array([1]), np.array([1.0])),
        (np.array([1, 2]), np.array([[1, 2]])),
        (np.array([1.0]), np.array([NAN])),
        (np.array([None], dtype=object), np.array([1], dtype=object)),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1.0]})),
        (pd.DataFrame({"a": [1.0]}), pd.DataFrame({"a": [1.0 + 1e-12]})),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}, index=[5])),
        (pd.Series([1], name="a"), pd.Series([1], name="b")),
        (pd.Index([1]), pd.Index([1.0])),
        (pd.Index([1]), pd.RangeIndex(1, 2)),
    ],
    ids=repr,
)
def test_different_values_are_distinguished(a: object, b: object) -> None:
    """Values that a step could tell apart are not the same, in either order."""
    assert (same_value(a, b), same_value(b, a)) == (False, False)


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        ("Point(NAN, [1]) | Point(NAN, [1])", True),
        ("Point(1, [1]) | Point(1, [True])", False),
        ("Point(1, np.array([1, 2])) | Point(1, np.array([1, 2]))", True),
        ("Plain([1]) | Plain([1])", True),
        ("Plain(1) | Plain(2)", False),
        ("Plain(1) | Equal(1)", False),
        ("Slotted(1) | Slotted(1)", True),
        ("Slotted(1) | Slotted(2)", False),
        ("Equal(1) | Equal(1)", True),
        ("Equal(1) | Equal(2)", False),
        ("Equal(np.array([1, 2])) | Equal(np.array([1, 2]))", True),
        ("Pair(1, 2) | Pair(1, 2)", True),
        ("Pair(1, 2) | Pair(1, 3)", False),
        ("Pair(1, 2) | (1, 2)", False),
        ("Colour.RED | Colour.RED", True),
        ("Colour.RED | Colour.BLUE", False),
        ("Whole(1) | Whole(1)", True),
        ("Whole(1) | Whole(2)", False),
        ("Whole(1) | 1", False),
        ("Bag(a=NAN) | Bag(a=NAN)", True),
        ("Bag(a=1) | Bag(a=2)", False),
        ("{Pair(1, 2): Plain(1)} | {Pair(1, 2): Plain(1)}", True),
        ("{Plain(1), Plain(2)} | {Plain(2), Plain(1)}", True),
        ("{Plain(1), Plain(2)} | {Plain(1), Plain(3)}", False),
        ("Plain | Plain", True),
        ("Plain | Equal", False),
        ("[helper] | [helper]", True),
    ],
)
def test_classes_agree_by_qualified_name(modules: tuple[Any, Any], made: str, *, verdict: bool) -> None:
    """Two classes that ran the same source are one class, whatever module holds them."""
    a, b = (
        eval(text, {"NAN": NAN, "np": np, **vars(module)})
        for text, module in zip(made.split(" | "), modules, strict=True)
    )
    assert same_value(a, b) is verdict


def test_recursive_values_are_compared_once() -> None:
    """A list that holds itself is the same as its copy and differs from a changed copy."""
    a: list[object] = [1]
    a.append(a)
    b, c = pickle.loads(pickle.dumps(a)), pickle.loads(pickle.dumps(a))
    c[0] = 2
    assert (same_value(a, b), same_value(a, c)) == (True, False)
