"""Encodings that a user registers."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from typing import Any

import pytest

from flownb.store import encoding
from flownb.store.encoding import EncodingError, UnknownEncoding, decode, encode, register_encoding


class Numbers:
    """Encodes arrays of the standard library."""

    name = "numbers"

    def accepts(self, value: Any) -> bool:
        """Arrays."""
        return isinstance(value, array)

    def encode(self, value: Any) -> Any:
        """Their memory."""
        return [value.typecode.encode(), memoryview(value)]

    def decode(self, blob: memoryview) -> Any:
        """Read them again."""
        return array(chr(blob[0]), blob[1:].tobytes())


class Newer(Numbers):
    """Another one for the same values."""

    name = "newer"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Registrations of a test end with it."""
    before = encoding._registered
    yield
    encoding._registered = before


def test_a_registered_encoding_takes_what_it_accepts() -> None:
    """Its name is recorded beside the value, its parts are views, and other values go the usual way."""
    register_encoding(Numbers())
    name, parts = encode(array("d", [1.0, 2.0]))
    assert name == "numbers"
    assert [len(part) for part in parts] == [1, 16]
    assert decode(name, memoryview(bytearray(b"".join(parts)))) == array("d", [1.0, 2.0])
    assert encode([1])[0] == "pickle5"


def test_the_last_one_registered_is_asked_first() -> None:
    """A newer encoding takes over; what the older one wrote can still be read."""
    register_encoding(Numbers())
    old = b"".join(encode(array("b", [1]))[1])
    register_encoding(Newer())
    assert encode(array("b", [1]))[0] == "newer"
    assert decode("numbers", memoryview(bytearray(old))) == array("b", [1])


def test_a_shared_cell_may_register_again_and_again() -> None:
    """The same class replaces its earlier object."""
    register_encoding(Numbers())
    again = register_encoding(Numbers())
    assert [one for one in encoding._registered if one.name == "numbers"] == [again]


def _made(**attributes: Any) -> Any:
    return type("Made", (Numbers,), attributes)()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (Numbers, "It is a class."),
        (object(), "It has no method `accepts`, `encode`, `decode`."),
        (_made(decode=None), "It has no method `decode`."),
        (_made(name="No Name"), "Its name is 'No Name'; a name is a small letter, then up to 63 of a-z, 0-9, `_`, "),
        (_made(name=None), "Its name is None; a name is"),
        (_made(name="pickle5"), "`pickle5` is an encoding of flownb's own."),
        (_made(name="numbers"), "`numbers` is registered already, by"),
    ],
)
def test_what_is_not_an_encoding_is_refused(given: Any, why: str) -> None:
    """The error says what is missing or taken."""
    register_encoding(Numbers())
    with pytest.raises(EncodingError) as caught:
        register_encoding(given)
    assert caught.value.why.startswith(why)


def _raising(value: Any) -> Any:
    raise ValueError("broken")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"encode": lambda self, value: _raising(value)},
            "cannot encode a value of type array.array. ValueError: broken.",
        ),
        (
            {"accepts": lambda self, value: _raising(value)},
            "cannot say whether it accepts a value of type array.array.",
        ),
        ({"encode": lambda self, value: b"abc"}, "encode gave a bytes, where a list of bytes-like parts is expected"),
        ({"encode": lambda self, value: None}, "encode gave a NoneType, where a list"),
        (
            {"encode": lambda self, value: [b"a", "b"]},
            "part 1 is a str, where bytes or a contiguous buffer is expected",
        ),
        ({"encode": lambda self, value: [memoryview(bytes(9))[::2]]}, "part 0 is a memoryview, where bytes or a cont"),
    ],
)
def test_a_failure_names_the_encoding(attributes: dict[str, Any], message: str) -> None:
    """An encoding that raises, or gives no bytes, is named in the error; its own error is the cause."""
    register_encoding(_made(name="made", **attributes))
    with pytest.raises(EncodingError) as caught:
        encode(array("b", [1]))
    assert str(caught.value).startswith("The encoding `made` cannot")
    assert message in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_failing_decode_names_the_encoding() -> None:
    """An error while reading names the encoding; what cannot be imported stays an ImportError."""
    register_encoding(_made(name="made", decode=lambda self, blob: _raising(blob)))
    with pytest.raises(EncodingError, match=r"`made` cannot decode what is stored\. ValueError: broken"):
        decode("made", memoryview(b""))


def test_any_buffer_can_be_a_part() -> None:
    """Parts of more than one byte an item are given on as flat bytes."""
    register_encoding(_made(name="made", encode=lambda self, value: (value, bytearray(b"x"))))
    assert [len(part) for part in encode(array("d", [1, 2]))[1]] == [2 * 8, 1]


def test_an_encoding_that_is_not_there_is_named_and_never_imported() -> None:
    """A name in a manifest is looked up among the registered ones and nothing else."""
    with pytest.raises(UnknownEncoding) as caught:
        decode("this.antigravity", memoryview(b""))
    assert caught.value.encoding == "this.antigravity"
    assert caught.value.what.startswith("There is no encoding `this.antigravity` in this process.")
    assert "Import the module that registers it" in caught.value.fix
    assert "antigravity" not in sys.modules
