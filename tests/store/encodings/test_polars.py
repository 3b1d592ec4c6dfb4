"""Frames and series of polars as Arrow IPC files."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flownb.store.encoding import decode, encode

pa = pytest.importorskip("pyarrow")
pl: Any = pytest.importorskip("polars")

WHEN = datetime.datetime(2020, 1, 1, 12)
LEVELS = pl.Enum(["a", "b", "c"])
EXACT = {
    "integers": pl.Series("x", [1, None, 3]),
    "int8": pl.Series("x", [1, None], dtype=pl.Int8),
    "uint64": pl.Series("x", [1, None, 2**63], dtype=pl.UInt64),
    "float32": pl.Series("x", [1, None, float("nan"), -0.0], dtype=pl.Float32),
    "boolean": pl.Series("x", [True, None, False]),
    "string": pl.Series("x", ["a", None, "ä" * 40, ""]),
    "binary": pl.Series("x", [b"a", None, b"\0" * 50]),
    "date": pl.Series("x", [WHEN.date(), None]),
    "time": pl.Series("x", [WHEN.time(), None]),
    "datetime": pl.Series("x", [WHEN, None], dtype=pl.Datetime("ms")),
    "zone": pl.Series("x", [WHEN, None], dtype=pl.Datetime("ns", "Europe/Berlin")),
    "duration": pl.Series("x", [datetime.timedelta(1), None], dtype=pl.Duration("ms")),
    "decimal": pl.Series("x", [Decimal("1.25"), None], dtype=pl.Decimal(10, 4)),
    "categorical": pl.Series("x", ["b", None, "a", "b"], dtype=pl.Categorical),
    "enum": pl.Series("x", ["b", None, "a"], dtype=LEVELS),
    "empty_enum": pl.Series("x", [None], dtype=pl.Enum([])),
    "null": pl.Series("x", [None, None]),
    "list": pl.Series("x", [[1, 2], None, []]),
    "list_of_categorical": pl.Series("x", [["a"], None, []], dtype=pl.List(pl.Categorical)),
    "list_of_enum": pl.Series("x", [["a"], None, []], dtype=pl.List(LEVELS)),
    "array": pl.Series("x", [[[1, 2], [3, 4]]], dtype=pl.Array(pl.Int8, (2, 2))),
    "struct": pl.Series("x", [{"a": 1, "b": "x"}, None, {"a": None, "b": None}]),
    "struct_without_name": pl.Series("x", [{"": 1}, None]),
    "struct_of_none": pl.Series("x", [{}, {}], dtype=pl.Struct([])),
    "empty": pl.Series("x", [], dtype=pl.List(pl.String)),
    "no_name": pl.Series([1, 2]),
    "slice": pl.Series("x", range(1000))[5:9],
    "slice_of_strings": pl.Series("x", [f"{i}" * 30 for i in range(10_000)])[5:9],
    "slice_of_lists": pl.Series("x", [["a" * i] for i in range(100)])[5:9],
}
PICKLED = {
    "int128": pl.Series("x", [1, None, 2**100], dtype=pl.Int128),
}


def again(value: Any) -> Any:
    """A value after it was stored and loaded."""
    name, parts = encode(value)
    return decode(name, memoryview(bytearray(b"".join(parts))))


@pytest.mark.parametrize("name", EXACT)
def test_series_come_back_exact(name: str) -> None:
    """Name, type and values are those that were stored, in a series and in a frame."""
    series = EXACT[name]
    frame = pl.DataFrame([series, series.alias("y")])
    assert (encode(series)[0], encode(frame)[0]) == ("polars", "polars")
    back = again(series)
    assert (back.name, repr(back.dtype)) == (series.name, repr(series.dtype))
    assert series.equals(back, check_dtypes=True, check_names=True)
    assert (repr(again(frame).schema), frame.equals(again(frame))) == (repr(frame.schema), True)


@pytest.mark.parametrize("name", PICKLED)
def test_what_arrow_does_not_hold_is_pickled(name: str) -> None:
    """A series that Arrow would change or refuse is pickled."""
    series = PICKLED[name]
    assert encode(series)[0] == "pickle5"
    assert series.equals(again(series), check_dtypes=True)


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 2)])
def test_empty_frames_keep_their_shape(shape: tuple[int, int]) -> None:
    """Frames without rows or columns come back as they were."""
    frame = pl.DataFrame({f"c{i}": [] for i in range(shape[1])}) if shape[1] else pl.DataFrame(height=shape[0])
    assert again(frame).shape == shape
    assert again(frame).schema == frame.schema


def test_what_is_known_of_the_order_is_kept() -> None:
    """A sorted column is still known to be sorted, and one that is not is not."""
    frame = pl.DataFrame({"up": [1, 2, 3], "any": [2, 3, 1]}).with_columns(down=pl.col("up").sort(descending=True))
    frame = frame.with_columns(pl.col("up").sort())
    back = again(frame)
    assert [back[name].flags for name in frame.columns] == [frame[name].flags for name in frame.columns]


@given(st.lists(st.none() | st.text(max_size=20), max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_any_strings_come_back(words: list[str | None], start: int, length: int) -> None:
    """Strings of all lengths, missing ones and slices keep their values."""
    series = pl.Series("w", words, dtype=pl.String)[start : start + length]
    assert series.equals(again(series))


def test_a_slice_leaves_its_parent_behind() -> None:
    """A few rows of many are stored as a few rows, also where polars keeps strings in shared buffers."""
    assert sum(len(part) for part in encode(EXACT["slice_of_strings"])[1]) < 2000


def test_nothing_is_copied_on_the_way() -> None:
    """The loaded column lies inside the blob."""
    frame = pl.DataFrame({"n": range(100_000)})
    blob = pa.py_buffer(bytearray(b"".join(encode(frame)[1])))
    (buffer,) = [one for one in decode("polars", memoryview(blob))["n"].to_arrow().buffers() if one is not None]
    assert blob.address <= buffer.address < blob.address + blob.size
    assert blob.address < buffer.address
