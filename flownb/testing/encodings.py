"""The behaviour suite for encodings: whoever implements `flownb.store.encoding.Encoding` runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from flownb.store import encoding as encodings
from flownb.store.datastore import Datastore
from flownb.store.encoding import Encoding, decode, encode, register_encoding

__all__ = ["EncodingSuite"]


class _Odd:
    """An object that fails whatever it is asked for."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")

    def __hash__(self) -> int:
        raise RuntimeError("hashed")


class EncodingSuite:
    """What every encoding promises: exact values, equal bytes for equal values, nothing else accepted.

    Derive a class whose name begins with `Test`, with the encoding and some of its values. The encoding is registered
    for the time of each test.

    Attributes
    ----------
    encoding : Encoding

    Examples
    --------
    >>> from array import array
    >>> class Numbers:
    ...     name = "numbers"
    ...     def accepts(self, value):
    ...         return type(value) is array
    ...     def encode(self, value):
    ...         return [value.typecode.encode(), memoryview(value)]
    ...     def decode(self, blob):
    ...         return array(chr(blob[0]), blob[1:].tobytes())
    >>> class TestNumbers(EncodingSuite):
    ...     encoding = Numbers()
    ...     def values(self):
    ...         return {"none": array("d"), "two": array("d", [1.0, 2.5])}
    """

    encoding: Encoding

    def values(self) -> Mapping[str, Any]:
        """New values for the encoding, by names for the tests; small, large and empty ones. Has to be overridden."""
        raise NotImplementedError

    def others(self) -> Mapping[str, Any]:
        """Values that are not for it, by name: those of similar types are worth adding."""
        return {"none": None, "number": 1, "text": "text", "list": [1], "class": int, "odd": _Odd()}

    def equal(self, one: Any, other: Any) -> bool:
        """Whether two values are the same; override it for types whose ``==`` says something else."""
        return type(one) is type(other) and bool(one == other)

    def loaded(self, value: Any) -> Any:
        """What a value is when it comes back; override it only for an encoding that gives something else on purpose."""
        return value

    def to_save(self, loaded: Any) -> Any:
        """What to save to store a value again that was loaded; override it together with `loaded`."""
        return loaded

    def change(self, loaded: Any) -> None:
        """Change a value in place; override it where that is possible."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each value."""
        if "value_name" in metafunc.fixturenames:
            metafunc.parametrize("value_name", list(self.values()))
        if "other_name" in metafunc.fixturenames:
            metafunc.parametrize("other_name", list(self.others()))

    @pytest.fixture(autouse=True)
    def _registered(self) -> Iterator[None]:
        """The encoding is known for the time of a test."""
        before = encodings._registered
        if self.encoding.name not in {own.name for own in encodings._own()}:
            register_encoding(self.encoding)
        yield
        encodings._registered = before

    def test_it_is_the_one_for_its_values(self, value_name: str) -> None:
        """Its values are encoded by it, and its name is stored beside them."""
        value = self.values()[value_name]
        assert self.encoding.accepts(value) is True
        assert encode(value)[0] == self.encoding.name

    def test_it_takes_nothing_else(self, other_name: str) -> None:
        """It is asked about every artifact of every type: it says no, and raises nothing."""
        assert self.encoding.accepts(self.others()[other_name]) is False

    def test_values_come_back(self, value_name: str) -> None:
        """What is decoded is the value, of the same type."""
        assert self.equal(decode(*_blob(self.values()[value_name])), self.loaded(self.values()[value_name]))

    def test_encoding_changes_nothing(self, value_name: str) -> None:
        """A value is as it was after it was encoded, and after what it became was decoded and thrown away."""
        value = self.values()[value_name]
        decode(*_blob(value))
        assert self.equal(value, self.values()[value_name])

    def test_equal_values_have_equal_bytes(self, value_name: str) -> None:
        """Content is found by its hash: the same value, made again, gives the same bytes."""
        assert _bytes(self.values()[value_name]) == _bytes(self.values()[value_name])

    def test_what_was_loaded_has_stable_bytes(self, value_name: str) -> None:
        """A step that only reads a value stores nothing new: once loaded, a value has the same bytes each time."""
        name, blob = _blob(self.values()[value_name])
        once = _bytes(self.to_save(decode(name, blob)))
        assert _bytes(self.to_save(decode(name, memoryview(bytearray(once))))) == once

    def test_each_load_is_independent(self, value_name: str) -> None:
        """A step may change its input in place: what is loaded after that is as it was stored."""
        name, blob = _blob(self.values()[value_name])
        stored = bytes(blob)
        self.change(decode(name, blob))
        assert self.equal(decode(name, memoryview(bytearray(stored))), self.loaded(self.values()[value_name]))

    def test_the_datastore_keeps_values(self, value_name: str, tmp_path: Path) -> None:
        """Saved in a datastore, loaded from it by another one, and saved again unchanged under the same key."""
        datastore = Datastore(tmp_path / "store")
        ref = datastore.artifacts.save(self.values()[value_name], name="value")
        datastore.artifacts.settle()
        found = Datastore(tmp_path / "store").artifacts.read(ref, name="value")
        assert ref.encoding == self.encoding.name
        assert self.equal(found.value, self.loaded(self.values()[value_name]))
        assert datastore.artifacts.save(self.to_save(found.value), name="value", before=found) == ref


def _blob(value: Any) -> tuple[str, memoryview]:
    """An encoding's name, and what it stores of a value, in memory of its own."""
    name, parts = encode(value)
    return name, memoryview(bytearray(b"".join(parts)))


def _bytes(value: Any) -> bytes:
    """What is stored of a value."""
    return b"".join(encode(value)[1])
