"""flownb's own encodings, and one that a user registers, pass the public suite."""

from __future__ import annotations

import datetime
import enum
from array import array
from collections.abc import Mapping
from typing import Any

import pytest

from flownb.store.encodings.arrow import Arrow, Polars
from flownb.store.encodings.pickle5 import Pickle5
from flownb.store.encodings.plain import Plain, PlainData
from flownb.testing import EncodingSuite
from tests.store.encodings.test_registered import Numbers


class Level(enum.Enum):
    """Something with a name of its own."""

    LOW = 1


class TestPickle5(EncodingSuite):
    """What takes all values."""

    encoding = Pickle5()

    def values(self) -> Mapping[str, Any]:
        """Plain values, containers, buffers of all sizes."""
        numpy = pytest.importorskip("numpy")
        return {
            "none": None,
            "numbers": [0, -1, 2**80, 1.5, float("inf"), 1j, True],
            "texts": {"ä": "日本", "empty": "", "bytes": b"\0"},
            "sets": {frozenset({"b", "a"}), frozenset(range(20))},
            "day": datetime.date(2026, 11, 30),
            "member": Level.LOW,
            "large bytes": bytes(range(256)) * 1000,
            "array": numpy.arange(50_000).reshape(500, 100),
            "empty array": numpy.zeros((0, 3)),
            "arrays": [numpy.arange(200), numpy.asfortranarray(numpy.ones((30, 40)))],
        }

    def test_it_takes_nothing_else(self) -> None:
        """It takes whatever no other encoding is for."""
        assert all(map(self.encoding.accepts, self.others().values()))

    def equal(self, one: Any, other: Any) -> bool:
        """Arrays are equal if all their items are."""
        import numpy

        if isinstance(one, list) and one and isinstance(one[0], numpy.ndarray):
            return len(one) == len(other) and all(map(self.equal, one, other))
        if isinstance(one, numpy.ndarray):
            return type(one) is type(other) and one.dtype == other.dtype and numpy.array_equal(one, other)
        return super().equal(one, other)

    def change(self, loaded: Any) -> None:
        """Write to arrays, and into containers."""
        import numpy

        if isinstance(loaded, numpy.ndarray):
            loaded.fill(9)
        elif isinstance(loaded, list | dict):
            loaded.clear()


class TestPlain(EncodingSuite):
    """Plain data for views, which come back without their wrapper."""

    encoding = Plain()

    def values(self) -> Mapping[str, Any]:
        """Texts, numbers, nesting, bytes."""
        return {
            "empty": PlainData({}),
            "nested": PlainData({"a": [1, 2.5, None, True, "ä"], "b": {"c": []}}),
            "bytes": PlainData([b"", b"\0\1", {"image": bytes(100_000)}]),
        }

    def loaded(self, value: Any) -> Any:
        """The value in it."""
        return value.value

    def to_save(self, loaded: Any) -> Any:
        """The value, marked again."""
        return PlainData(loaded)


class TestArrow(EncodingSuite):
    """Tables and record batches of pyarrow."""

    encoding = Arrow()

    def values(self) -> Mapping[str, Any]:
        """Some rows, none, no columns; nested types; a slice."""
        pa = pytest.importorskip("pyarrow")
        numbers = pa.table({"a": [1, None, 3], "s": ["x", "", None]})
        return {
            "table": numbers,
            "no rows": numbers.slice(0, 0),
            "no columns": pa.table({}),
            "slice": pa.table({"a": range(10_000)}).slice(5000, 10),
            "batch": pa.record_batch({"a": [1.5, 2.5]}),
            "nested": pa.table({"l": [[1], [], None], "d": [{"x": 1}, {"x": 2}, None]}),
            "dictionary": pa.table({"c": pa.array(["a", "b", "a"]).dictionary_encode()}),
        }

    def others(self) -> Mapping[str, Any]:
        """Arrays alone, and tables of types that a file does not hold exactly."""
        pa = pytest.importorskip("pyarrow")
        return {**super().others(), "array": pa.array([1])}

    def equal(self, one: Any, other: Any) -> bool:
        """Also in their schemas' metadata."""
        return type(one) is type(other) and bool(one.equals(other, check_metadata=True))


class TestPolars(EncodingSuite):
    """Frames and series of polars."""

    encoding = Polars()

    def values(self) -> Mapping[str, Any]:
        """Some rows, none; texts; sorted columns; a series."""
        pl = pytest.importorskip("polars")
        return {
            "frame": pl.DataFrame({"a": [1, None, 3], "s": ["x", "", None]}),
            "no rows": pl.DataFrame({"a": []}, schema={"a": pl.Int64}),
            "series": pl.Series("s", [3, 1, 2]),
            "sorted": pl.DataFrame({"a": [3, 2, 1]}).sort("a"),
            "nested": pl.DataFrame({"l": [[1], [], None]}),
        }

    def others(self) -> Mapping[str, Any]:
        """A query that was not computed, and a frame of Python objects."""
        pl = pytest.importorskip("polars")
        return {
            **super().others(),
            "query": pl.DataFrame({"a": [1]}).lazy(),
            "objects": pl.DataFrame({"o": [object()]}, schema={"o": pl.Object}),
        }

    def equal(self, one: Any, other: Any) -> bool:
        """Also in their types."""
        kind = "schema" if hasattr(one, "schema") else "dtype"
        return type(one) is type(other) and getattr(one, kind) == getattr(other, kind) and bool(one.equals(other))


class TestNumbers(EncodingSuite):
    """An encoding as a user writes it."""

    encoding = Numbers()

    def values(self) -> Mapping[str, Any]:
        """Arrays of the standard library."""
        return {"none": array("d"), "doubles": array("d", [1.0, -2.5]), "bytes": array("b", range(100))}

    def change(self, loaded: Any) -> None:
        """One more item."""
        loaded.append(1)
