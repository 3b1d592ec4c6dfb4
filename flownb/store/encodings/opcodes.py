"""Whether a pickle stream makes a set, by its opcodes.

The bytes of those opcodes also occur inside of numbers and texts, about once in 64 KB. pickle divides a stream into
frames, each of which begins with its length, so only frames that contain such bytes are read, opcode by opcode.
"""

from __future__ import annotations

import functools
import re

__all__ = ["makes_sets"]

# FROZENSET MEMOIZE, and EMPTY_SET MEMOIZE MARK: an empty set has no items whose order could matter.
SETS = (b"\x91\x94", b"\x8f\x94(")
# Shorter streams are not read: pickling once more costs less than to compile what reads opcodes.
SMALLEST = 1 << 20
# Opcodes that are followed by a length of so many bytes, and by content of that length: FRAME, BINUNICODE,
# BINUNICODE8, BINBYTES, BINBYTES8, BYTEARRAY8, LONG4.
FRAME = 0x95
LENGTHS = {FRAME: 8, 0x58: 4, 0x8D: 8, 0x42: 4, 0x8E: 8, 0x96: 8, 0x8B: 4}


def makes_sets(stream: bytes) -> bool:
    """Whether a pickle of protocol 5 makes a set with items, or a frozenset.

    Also true of some that do not: the caller then only does more than it has to.
    """
    if len(stream) < SMALLEST:
        return SETS[0] in stream or SETS[1] in stream
    position, search = 0, _Search(stream)
    places = [search.find(mark, 0) for mark in SETS]
    while (found := min((place for place in places if place >= 0), default=-1)) >= 0:
        digits = LENGTHS.get(stream[position])
        if digits is not None:
            content = position + 1 + digits
            end = content + int.from_bytes(stream[position + 1 : content], "little")
            is_read = stream[position] == FRAME and found < end
            position = content if is_read else end
        else:
            passed = _others().match(stream, position)
            if passed is None or passed.end() == position:
                return True
            position = passed.end()
        places = [
            place if place < 0 or place >= position else search.find(mark, position)
            for mark, place in zip(SETS, places, strict=True)
        ]
    return False


class _Search:
    """Finds marks by their first byte as long as that is rare, for one byte is found ten times as fast as two."""

    def __init__(self, stream: bytes) -> None:
        self._stream = stream
        self._tries = len(stream) >> 9  # all together take no longer than half of a search for two bytes

    def find(self, mark: bytes, start: int) -> int:
        """The first place of a mark from one on; -1 if there is none."""
        stream, first = self._stream, mark[:1]
        while self._tries > 0:
            self._tries -= 1
            start = stream.find(first, start)
            if start < 0 or stream.startswith(mark, start):
                return start
            start += 1
        return stream.find(mark, start)


@functools.cache
def _others() -> re.Pattern[bytes]:
    """As many opcodes as possible that make no set, of those that protocol 5 writes.

    The lines: no argument; SHORT_BINUNICODE, SHORT_BINBYTES and LONG1, with their length in one byte; arguments of 1,
    2, 4 and 8 bytes; an empty set.
    """
    short = b"|".join(re.escape(bytes([length])) + b".{%d}" % length for length in range(256))
    return re.compile(
        rb"(?:[()0-2NRabest\]}\x81\x85-\x89\x90\x92-\x94\x97\x98u]"
        rb"|[\x8cC\x8a](?:" + short + rb")"
        rb"|[Kh\x80].|M..|[Jj].{4}|G.{8}"
        rb"|\x8f\x94(?!\())*+",
        re.DOTALL,
    )
