"""Compression of blobs on the wire, in chunks that are packed and read on their own.

A packed blob is an object ``KEY.lz4`` or ``KEY.zst``: the chunks one after another, then for each chunk an unsigned
64-bit little-endian number: where it ends in the object. The number of chunks follows from the blob's length, so a
reader gets the table with one request and then all chunks at once. The key is the hash of the blob itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from flownb.store.s3.connection import Compression
from flownb.store.storage import Part

__all__ = ["CHUNK", "PACKED_FROM", "SUFFIXES", "cut", "ends", "pack", "pays", "table_size", "unpack"]

# Part of the format.
CHUNK = 8 << 20
# Smaller blobs are written as they are: there, requests cost more than bytes.
PACKED_FROM = 64 << 10
SUFFIXES: dict[Compression, str] = {"none": "", "lz4": ".lz4", "zstd": ".zst"}
_CODECS = {".lz4": "lz4", ".zst": "zstd"}
_WORTH = 0.9


def cut(parts: Sequence[Part], length: int) -> Iterator[bytes | memoryview]:
    """The content of `parts` in pieces of `length` bytes, the last one shorter; views where no part ends inside."""
    views = [memoryview(part).cast("B") for part in parts]
    gathered: list[memoryview] = []
    missing = length
    for view in views:
        while view.nbytes:
            piece, view = view[:missing], view[missing:]
            gathered.append(piece)
            missing -= piece.nbytes
            if not missing:
                yield gathered[0] if len(gathered) == 1 else b"".join(gathered)
                gathered, missing = [], length
    if gathered:
        yield gathered[0] if len(gathered) == 1 else b"".join(gathered)


def pays(sample: bytes | memoryview, suffix: str) -> bool:
    """Whether compression makes this sufficiently shorter."""
    start = sample[: 1 << 20]
    return len(_codec(suffix).compress(start)) < _WORTH * len(start)


def pack(parts: Sequence[Part], suffix: str) -> Iterator[bytes | memoryview]:
    """A packed blob, piece by piece."""
    codec, end, ends = _codec(suffix), 0, []
    for chunk in cut(parts, CHUNK):
        packed = memoryview(codec.compress(chunk)).cast("B")
        end += packed.nbytes
        ends.append(end)
        yield packed
    yield struct.pack(f"<{len(ends)}Q", *ends)


def table_size(size: int) -> int:
    """Length in bytes of the table of a blob of `size` bytes."""
    return 8 * -(-size // CHUNK)


def ends(table: bytes, size: int) -> list[int] | None:
    """Where each chunk ends, None if the table cannot be that of such a blob."""
    if len(table) != table_size(size):
        return None
    found = list(struct.unpack(f"<{len(table) // 8}Q", table))
    return found if all(a < b for a, b in zip([0, *found], found, strict=False)) else None


def unpack(packed: bytes | bytearray | memoryview, size: int, suffix: str) -> memoryview | None:
    """One chunk of `size` bytes, None if it is damaged."""
    try:
        content = memoryview(_codec(suffix).decompress(packed, size)).cast("B")
    except (OSError, ValueError):
        return None
    return content if content.nbytes == size else None


def _codec(suffix: str) -> Any:
    import pyarrow

    return pyarrow.Codec(_CODECS[suffix])
