"""Plain data for views: texts, numbers, lists, dicts and bytes, which can be read without running any code.

The blob is a first line, the length of a JSON text in 8 bytes, the text, and the bytes that the text names by their
place. Values that are shown and not computed with are stored like this: cards, texts of cells, versions of
distributions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Plain", "PlainData"]

MAGIC = b"FNBPLAIN"
# The key of a dict that represents bytes; no card or cell has a key with a null character.
BYTES = "\0bytes"


@dataclass(frozen=True)
class PlainData:
    """A value to be stored as plain data.

    Attributes
    ----------
    value : object
        Of None, bool, int, float, str, bytes, and lists, tuples and dicts with texts as keys; a tuple is read back as a
        list, and anything else as its text.
    """

    value: Any


class Plain:
    """The encoding of `PlainData`; decoding returns the value without the wrapper."""

    name = "plain"

    def accepts(self, value: Any) -> bool:
        """Whether it is marked as plain data."""
        return isinstance(value, PlainData)

    def encode(self, value: PlainData) -> Sequence[memoryview | bytes]:
        """The parts of the blob."""
        large: list[bytes] = []
        text = json.dumps(_named(value.value, large), separators=(",", ":"), default=str).encode()
        return [MAGIC, len(text).to_bytes(8, "little"), text, *large]

    def decode(self, blob: memoryview) -> Any:
        """The value.

        Raises
        ------
        ValueError
            If the blob is not of this encoding.
        """
        content = bytes(blob)
        start = len(MAGIC) + 8
        end = start + int.from_bytes(content[len(MAGIC) : start], "little")
        if content[: len(MAGIC)] != MAGIC or end > len(content):
            raise ValueError("this is not plain data")
        return _filled(json.loads(content[start:end]), content[end:])

    def mentions(self, blob: memoryview, word: str) -> bool:
        """Nothing is imported to read it."""
        return False


def _named(value: Any, large: list[bytes]) -> Any:
    """The value with bytes replaced by their places behind the text."""
    if isinstance(value, bytes | bytearray | memoryview):
        start = sum(map(len, large))
        large.append(bytes(value))
        return {BYTES: [start, len(large[-1])]}
    if isinstance(value, Mapping):
        return {str(key): _named(one, large) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_named(one, large) for one in value]
    return value


def _filled(value: Any, large: bytes) -> Any:
    """The value with its bytes in their places."""
    if isinstance(value, dict):
        place = value.get(BYTES)
        if isinstance(place, list) and len(place) == 2 and all(type(one) is int and one >= 0 for one in place):
            return large[place[0] : place[0] + place[1]]
        return {key: _filled(one, large) for key, one in value.items()}
    return [_filled(one, large) for one in value] if isinstance(value, list) else value
