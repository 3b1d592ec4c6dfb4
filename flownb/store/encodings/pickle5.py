r"""The default encoding: pickle protocol 5 with large buffers out of band, in one aligned blob.

Layout, all numbers little-endian::

    8 bytes   magic "FNBPKL5\n"
    u32       number of buffers
    u32       reserved, 0
    u64       length of the pickle stream
    n x (u64 offset, u64 length with the top bit set for a read-only buffer)
    stream
    buffers, each at a multiple of 64 bytes

Loading maps the blob and rebuilds arrays on top of the map, so it takes constant time whatever the size (measured in
LIMITS.md: 1 GB in 0.1 ms before first touch).
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["Pickle5"]

MAGIC = b"FNBPKL5\n"
HEAD = struct.Struct("<8sIIQ")
ENTRY = struct.Struct("<QQ")
READ_ONLY = 1 << 63
ALIGNMENT = 64
# Below this a buffer costs less inside the stream than as an entry with padding of its own.
SMALLEST_BUFFER = 1024


class _WithoutCaches(pickle.Pickler):
    """Leaves out what pandas arrays have cached of themselves.

    Reading a column (``frame["date"].unique()``) fills such a cache, and pandas pickles it: a value that was only read
    would look changed. pandas computes it again when it is asked for.
    """

    def reducer_override(self, value: Any) -> Any:
        """Drop the cache of a pandas array, then pickle it as always."""
        if isinstance(value, sys.modules["pandas"].api.extensions.ExtensionArray):
            getattr(value, "__dict__", {}).pop("_cache", None)
        return NotImplemented


class Pickle5:
    """Pickle protocol 5; exact for every value that can be pickled."""

    name = "pickle5"

    def accepts(self, value: Any) -> bool:
        """All values."""
        return True

    def encode(self, value: Any) -> Sequence[memoryview | bytes]:
        """Pickle `value`; buffers of 1 KiB and more stay where they are in memory."""
        buffers: list[memoryview] = []

        def keep(buffer: pickle.PickleBuffer) -> bool:
            try:
                raw = buffer.raw()
            except BufferError:  # neither C nor Fortran contiguous: pickle copies it into the stream
                return True
            if raw.nbytes < SMALLEST_BUFFER:
                return True
            buffers.append(raw)
            return False

        file = io.BytesIO()
        make = _WithoutCaches if "pandas" in sys.modules else pickle.Pickler
        make(file, protocol=5, buffer_callback=keep).dump(value)
        stream = file.getvalue()
        position = HEAD.size + ENTRY.size * len(buffers) + len(stream)
        entries: list[bytes] = []
        tail: list[memoryview | bytes] = []
        for raw in buffers:
            padding = -position % ALIGNMENT
            entries.append(ENTRY.pack(position + padding, raw.nbytes | (READ_ONLY if raw.readonly else 0)))
            tail += [bytes(padding), raw] if padding else [raw]
            position += padding + raw.nbytes
        head = HEAD.pack(MAGIC, len(buffers), 0, len(stream))
        return [b"".join([head, *entries, stream]), *tail]

    def decode(self, blob: memoryview) -> Any:
        """Unpickle over `blob`; arrays share its memory.

        Raises
        ------
        ValueError
            If `blob` is not of this layout.
        """
        magic, count, _, length = HEAD.unpack_from(blob)
        if magic != MAGIC:
            raise ValueError("not a flownb pickle blob")
        buffers = []
        for number in range(count):
            offset, size = ENTRY.unpack_from(blob, HEAD.size + number * ENTRY.size)
            raw = blob[offset : offset + (size & ~READ_ONLY)]
            buffers.append(raw.toreadonly() if size & READ_ONLY else raw)
        start = HEAD.size + count * ENTRY.size
        return pickle.loads(blob[start : start + length], buffers=buffers)
