"""How a value becomes bytes: the protocol that every encoding follows, and the list of them.

An encoding is one file with one class in `flownb.store.encodings`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["Encoding", "decode", "encode"]


class Encoding(Protocol):
    """Turns values of some types into parts of one blob, and back."""

    name: str

    def accepts(self, value: Any) -> bool:
        """Whether this encoding is the one for `value`."""
        ...

    def encode(self, value: Any) -> Sequence[memoryview | bytes]:
        """Give the blob's parts in order; large ones are views of the value's own memory, not copies."""
        ...

    def decode(self, blob: memoryview) -> Any:
        """Rebuild the value on top of a private, writable map of the blob."""
        ...


def _encodings() -> tuple[Encoding, ...]:
    """All encodings, the most special first."""
    from flownb.store.encodings.pickle5 import Pickle5

    return (Pickle5(),)


def encode(value: Any) -> tuple[str, Sequence[memoryview | bytes]]:
    """Encode a value with the first encoding that accepts it.

    Returns
    -------
    tuple of (str, sequence of bytes-like)
        The encoding's name and the parts of the blob.

    Raises
    ------
    Exception
        Whatever the value's own pickling raises; the caller knows the artifact's name.
    """
    encoding = next(encoding for encoding in _encodings() if encoding.accepts(value))
    return encoding.name, encoding.encode(value)


def decode(name: str, blob: memoryview) -> Any:
    """Rebuild a value from a blob that the encoding `name` wrote.

    Raises
    ------
    KeyError
        If this version has no encoding of that name.
    """
    return {encoding.name: encoding for encoding in _encodings()}[name].decode(blob)
