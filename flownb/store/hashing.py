"""Keys of content: blake3, on all cores where that is faster."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence

from blake3 import blake3

from flownb.store.storage import Part

__all__ = ["hash_file", "hash_parts", "part_size"]

# One thread hashes small blobs faster than several do.
THREADED_FROM = 1 << 20


def part_size(parts: Sequence[Part]) -> int:
    """Length in bytes of the blob that `parts` make."""
    return sum(part.nbytes if isinstance(part, memoryview) else len(part) for part in parts)


def hash_parts(parts: Sequence[Part], size: int) -> str:
    """The key of the content that `parts` make together: blake3, 64 hexadecimal digits."""
    hasher = blake3(max_threads=_threads if size >= THREADED_FROM else 1)
    for part in parts:
        hasher.update(part)
    return hasher.hexdigest()


def hash_file(path: str | int, size: int) -> str:
    """The key of a file's content; the file is named, or open and closed here."""
    with open(path, "rb") as file:  # noqa: PTH123 # perhaps a descriptor
        if not size:
            return hash_parts([], 0)
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as content:
            return hash_parts([memoryview(content)], size)


# A forked process lacks the threads of blake3's own pool and would wait for them for ever; with a number blake3 makes
# new ones.
_threads = blake3.AUTO
_cores = os.cpu_count() or 1  # a system call, which no small task should make


def _forked() -> None:
    """Replace what a fork does not copy."""
    global _threads
    _threads = _cores


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)
