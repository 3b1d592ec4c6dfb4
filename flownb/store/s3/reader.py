"""Reading blobs from a bucket: with one request, in ranges, or a part of one; and reporting how far a transfer is.

What is read matches the key and length that were asked for, however the blob's object is compressed.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

from blake3 import blake3

from flownb.errors import CorruptBlob
from flownb.store.hashing import hash_parts
from flownb.store.s3 import packing
from flownb.store.s3.bucket import Bucket
from flownb.store.s3.packing import CHUNK

__all__ = ["Memory", "Progress", "Reader", "Target", "TransferHook", "object_name", "set_transfer_hook", "transfer"]

TransferHook = Callable[[Literal["upload", "download"], str, int, int], object]
# Seconds until a transfer is reported, and between two reports.
SILENT, INTERVAL = 1.0, 0.1

_hook: TransferHook | None = None


def set_transfer_hook(hook: TransferHook | None) -> TransferHook | None:
    """Have a function called for all transfers of this process that have no hook of their own.

    Parameters
    ----------
    hook : callable or None
        Called as ``hook(kind, key, done_bytes, total_bytes)`` with `kind` ``"upload"`` or ``"download"``: first after a
        second, then about ten times a second, from any thread, never twice at once for one transfer. A transfer that
        was reported ends with ``done_bytes == total_bytes``, or with -1 if it failed. An exception of the hook is
        ignored, and the hook is not called again for that transfer.

    Returns
    -------
    callable or None
        The hook before.
    """
    global _hook
    before, _hook = _hook, hook
    return before


class Progress:
    """How far one transfer is."""

    def __init__(self, kind: Literal["upload", "download"], key: str, total: int, hook: TransferHook | None) -> None:
        self.kind = kind
        self.key = key
        self.total = total
        self.done = 0
        self._hook = hook
        self._lock = threading.Lock()
        self._next = time.monotonic() + SILENT
        self._shown = False

    def add(self, count: int) -> None:
        """Count bytes that were transferred."""
        self.done += count
        if self._hook is not None and time.monotonic() >= self._next and self._lock.acquire(blocking=False):
            try:
                self._next = time.monotonic() + INTERVAL
                self._shown = True
                self._call(min(self.done, self.total - 1))
            finally:
                self._lock.release()

    def restart(self) -> None:
        """Count from 0: the transfer is tried again."""
        self.done = 0

    def end(self, *, failed: bool) -> None:
        """Report the end, if anything was reported before."""
        with self._lock:
            if self._shown:
                self._call(-1 if failed else self.total)

    def _call(self, done: int) -> None:
        if self._hook is None:
            return
        try:
            self._hook(self.kind, self.key, done, self.total)
        except Exception:
            # A progress bar that cannot be drawn must not lose an artifact.
            self._hook = None


@contextmanager
def transfer(
    kind: Literal["upload", "download"], key: str, total: int, hook: TransferHook | None
) -> Iterator[Progress]:
    """The progress of what is transferred inside of the block."""
    progress = Progress(kind, key, total, hook or _hook)
    try:
        yield progress
    except BaseException:
        progress.end(failed=True)
        raise
    progress.end(failed=False)


class Target(Protocol):
    """Memory or a file that a blob is read into."""

    content: memoryview

    def write(self, offset: int, piece: memoryview) -> None:
        """Place a piece."""
        ...


class Reader:
    """Reads blobs of one bucket.

    Parameters
    ----------
    bucket : Bucket
    """

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._suffix = packing.SUFFIXES[bucket.options.compression]

    def small(self, key: str, size: int) -> memoryview:
        """Read with one request."""
        for suffix in self.suffixes(size):
            found = self.bucket.view(object_name(key) + suffix)
            if found is None:
                continue
            content: memoryview | None = found
            if suffix:
                content = packing.unpack(found[: -packing.table_size(size)], size, suffix)
            if content is None:
                raise CorruptBlob(f"Blob {key} cannot be unpacked.", key=key)
            if content.nbytes != size:
                raise CorruptBlob(f"Blob {key} has {content.nbytes} bytes instead of {size}.", key=key)
            if hash_parts([content], size) != key:
                raise _mismatch(key)
            return content
        raise _missing(key)

    def find(self, key: str, size: int) -> str:
        """What a large blob's object ends in; its length is checked before memory is allocated for the blob."""
        for suffix in self.suffixes(size):
            head = self.bucket.head(object_name(key) + suffix)
            if head is not None and head.size != size and (not suffix or head.size < packing.table_size(size)):
                raise CorruptBlob(f"Blob {key} has {head.size} bytes instead of {size}.", key=key)
            if head is not None:
                return suffix
        # An answer to HEAD does not distinguish a missing bucket from a missing object, one to GET does.
        self.bucket.tail(object_name(key), 1)
        raise _missing(key)

    def large(self, key: str, size: int, suffix: str, target: Target, progress: Progress) -> None:
        """Read into `target`, many ranges at once."""
        chunks = [(start, min(size, start + CHUNK)) for start in range(0, size, CHUNK)]
        if suffix:
            chunks = self._packed_chunks(key, size, suffix) or []
        if not chunks:
            raise _missing(key)
        self._read_chunks(key, size, suffix, chunks, target, progress)

    def _packed_chunks(self, key: str, size: int, suffix: str) -> list[tuple[int, int]] | None:
        """Where the chunks are in a packed blob, None if there is none."""
        table = self.bucket.tail(object_name(key) + suffix, packing.table_size(size))
        if table is None:
            return None
        ends = packing.ends(table, size)
        if ends is None:
            raise CorruptBlob(f"Blob {key} has a damaged table.", key=key)
        return list(zip([0, *ends], ends, strict=False))

    def _read_chunks(
        self, key: str, size: int, suffix: str, chunks: list[tuple[int, int]], target: Target, progress: Progress
    ) -> None:
        """Read all chunks at once, hashing those that are there meanwhile."""
        name = object_name(key) + suffix
        whole = size if not suffix else chunks[-1][1] + packing.table_size(size)
        stopped = threading.Event()
        # The kernel lets one thread at a time write to a file anyway; waiting for that here was measured to be faster.
        writing = threading.Lock()

        def check() -> None:
            if stopped.is_set():
                raise _missing(key)

        def plain(number: int) -> int:
            def take(offset: int, piece: memoryview) -> None:
                check()
                with writing:
                    target.write(offset, piece)
                progress.add(piece.nbytes)

            check()
            return self.bucket.get_into(name, *chunks[number], take)

        def packed(number: int) -> int:
            start, stop = chunks[number]
            gathered = bytearray(stop - start)

            def take(offset: int, piece: memoryview) -> None:
                check()
                gathered[offset - start : offset - start + piece.nbytes] = piece

            check()
            length = self.bucket.get_into(name, start, stop, take)
            if length >= 0:
                expected = min(CHUNK, size - number * CHUNK)
                content = packing.unpack(gathered, expected, suffix)
                if content is None:
                    raise CorruptBlob(f"Blob {key} cannot be unpacked.", key=key)
                with writing:
                    target.write(number * CHUNK, content)
                progress.add(expected)
            return length

        futures = [self.bucket.submit(packed if suffix else plain, number) for number in range(len(chunks))]
        try:
            # A number makes threads for this hasher alone; those of blake3's own pool are missing after a fork.
            hasher = blake3(max_threads=os.cpu_count() or 1)
            for number, future in enumerate(futures):
                length = future.result()
                if length != whole:
                    shown = "fewer bytes than" if length < 0 else f"{length} bytes instead of"
                    raise CorruptBlob(f"Blob {key} has {shown} {whole}.", key=key)
                hasher.update(target.content[number * CHUNK : (number + 1) * CHUNK])
            if hasher.hexdigest() != key:
                raise _mismatch(key)
        finally:
            stopped.set()
            for future in futures:
                future.cancel()

    def part(self, key: str, size: int, offset: int, length: int) -> bytearray:
        """Read a piece, not verified."""
        stop = offset + length
        for suffix in self.suffixes(size):
            if not suffix:
                content = self._read_range(object_name(key), offset, stop)
            elif (chunks := self._packed_chunks(key, size, suffix)) is None:
                continue
            else:
                # All chunks that hold some of it.
                first, content = offset // CHUNK, bytearray()
                for number in range(first, -(-stop // CHUNK)):
                    packed = self._read_range(object_name(key) + suffix, *chunks[number])
                    plain = packing.unpack(packed, min(CHUNK, size - number * CHUNK), suffix) if packed else None
                    if plain is None:
                        raise CorruptBlob(f"Blob {key} cannot be unpacked.", key=key)
                    content += plain
                content = content[offset - first * CHUNK : stop - first * CHUNK]
            if content is not None:
                return content
        raise CorruptBlob(f"Blob {key} is missing or has less than {size} bytes.", key=key)

    def _read_range(self, name: str, start: int, stop: int) -> bytearray | None:
        """A range of an object, None if there is none or it is too short."""
        # It grows with what arrives: a wrong length in a manifest could ask for all memory.
        content = bytearray()

        def take(offset: int, piece: memoryview) -> None:
            del content[offset - start :]
            content.extend(piece)

        return content if self.bucket.get_into(name, start, stop, take) >= 0 else None

    def suffixes(self, size: int) -> Iterator[str]:
        """What a blob's object may end in, likeliest first; asked one after another, since only one exists."""
        yield from dict.fromkeys([self._suffix, *packing.SUFFIXES.values()] if size >= packing.PACKED_FROM else [""])


class Memory:
    """Memory of the process that threads fill at once.

    On Linux it is a file without a name: written by system calls, which neither hold Python's lock nor fault page by
    page, it took a third less time than plain memory. Elsewhere it is plain memory.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._file = os.memfd_create("flownb-blob") if hasattr(os, "memfd_create") else None
        if self._file is None:
            self.content = memoryview(mmap.mmap(-1, size))
            return
        # Threads may still write when the reader was interrupted: it is closed once the last one is done.
        weakref.finalize(self, os.close, self._file)
        os.ftruncate(self._file, size)
        self.content = memoryview(mmap.mmap(self._file, size, access=mmap.ACCESS_READ))

    def write(self, offset: int, piece: memoryview) -> None:
        """Place a piece."""
        if self._file is None:
            self.content[offset : offset + piece.nbytes] = piece
            return
        while piece.nbytes:
            count = os.pwrite(self._file, piece, offset)
            piece, offset = piece[count:], offset + count

    def keep(self) -> memoryview:
        """What was written, as a private map."""
        if self._file is None:
            return self.content
        return memoryview(mmap.mmap(self._file, self._size, access=mmap.ACCESS_COPY))


def object_name(key: str) -> str:
    """The object of a blob that is not compressed, below the prefix."""
    if not key.isalnum():  # a manifest from elsewhere must not name another object
        raise CorruptBlob(f"`{key}` is not the key of a blob.", key=key)
    return f"blobs/{key[:2]}/{key}"


def _missing(key: str) -> CorruptBlob:
    return CorruptBlob(f"Blob {key} is missing.", key=key, missing=True)


def _mismatch(key: str) -> CorruptBlob:
    return CorruptBlob(f"Blob {key} does not match its key: its content was changed or damaged.", key=key)
