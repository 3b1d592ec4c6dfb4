"""Blobs in a bucket; see `flownb.store.storage.Blobs`. A blob is the object ``blobs/ab/abcdef…`` below the prefix.

Blobs are uploaded in the background until `settle`. They are downloaded in ranges, many at once, into one buffer, and
verified before they are returned. A local cache, if there is one, keeps what was read or written.

A writer trusts an existing blob only while it is younger than `TRUSTED_AGE`, by the server's LastModified; it writes an
older one again, so that its age starts again from 0. So `flownb gc` may delete blobs that no manifest names once they
are older than twice that: no writer can still be about to name them.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from flownb.errors import CorruptBlob
from flownb.store.s3 import packing
from flownb.store.s3.bucket import Bucket
from flownb.store.s3.cache import BlobCache
from flownb.store.s3.packing import CHUNK
from flownb.store.s3.reader import Memory, Reader, TransferHook, object_name, transfer
from flownb.store.storage import Entry, Part

__all__ = ["TRUSTED_AGE", "S3Blobs"]

# Seconds.
TRUSTED_AGE = 7 * 24 * 3600.0
# S3 takes at most 10,000 parts, of 5 MiB to 5 GiB.
PARTS = 9_000


class S3Blobs:
    """Blobs below one prefix.

    Parameters
    ----------
    bucket : Bucket
    cache : BlobCache, optional
        None reads every blob from S3 every time.

    Attributes
    ----------
    on_transfer : callable, optional
        Called for transfers that take over a second; see `flownb.store.s3.reader.set_transfer_hook`.
    """

    shortest_life = 2 * TRUSTED_AGE

    def __init__(self, bucket: Bucket, cache: BlobCache | None = None) -> None:
        self.bucket = bucket
        self.cache = cache
        self.on_transfer: TransferHook | None = None
        self._suffix = packing.SUFFIXES[bucket.options.compression]
        self._reader = Reader(bucket)
        # When blobs known to be there were last written.
        self._written: dict[str, float] = {}
        self._damaged: set[str] = set()
        self._pending: dict[str, list[Future[None]]] = {}
        self._transfers: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()

    # -- writing

    def put(self, parts: Sequence[Part], key: str, size: int) -> None:
        """Begin to write a blob unless it is there."""
        self._of_this_process()
        with self._lock:
            if key in self._pending or (key not in self._damaged and self._is_young(self._written.get(key))):
                return
            self._transfers = self._transfers or ThreadPoolExecutor(3, "flownb-transfer")
            if size <= CHUNK:
                begun = [self.bucket.submit(self._put_small, parts, key, size)]
            else:
                begun = [self._transfers.submit(self._put_large, parts, key, size)]
                if self.cache is not None:
                    begun.append(self._transfers.submit(self.cache.put, parts, key, size))
            self._pending[key] = begun

    def verify(self, keys: Iterable[str]) -> None:
        """Wait until blobs that came from the cache are verified; others were before they were given.

        Raises
        ------
        CorruptBlob
            If one of them was damaged.
        """
        self._of_this_process()
        if self.cache is not None:
            self.cache.verify(keys)

    def settle(self) -> None:
        """Wait for all puts of this process.

        Raises
        ------
        StoreError
            If a blob could not be kept.
        """
        self._of_this_process()
        failure: BaseException | None = None
        for key, futures in list(self._pending.items()):
            for future in futures:
                failure = future.exception() or failure
            self._pending.pop(key, None)
        if failure is not None:
            raise failure

    def _put_small(self, parts: Sequence[Part], key: str, size: int) -> None:
        """Write with one request, which fails if the blob is there."""
        content: bytes | memoryview = memoryview(parts[0]).cast("B") if len(parts) == 1 else b"".join(parts)
        suffix = self._suffix if size >= packing.PACKED_FROM and self._pays(content) else ""
        body = b"".join(packing.pack([content], suffix)) if suffix else content
        name = object_name(key) + suffix
        if key in self._damaged or not self.bucket.create(name, body):
            head = None if key in self._damaged else self.bucket.head(name)
            # The tag is the content's MD5 unless the bucket encrypts with a key of its own; then it is written again.
            whole = head is not None and head.size == len(body) and head.tag == _md5(body)
            if head is not None and whole and self._is_young(head.modified):
                self._written[key] = head.modified
                self._keep(parts, key, size)
                return
            self.bucket.put(name, body)
        self._note(key)
        self._keep(parts, key, size)

    def _put_large(self, parts: Sequence[Part], key: str, size: int) -> None:
        """Write in parts, unless the blob is there in whatever form."""
        first = next(packing.cut(parts, CHUNK))
        suffix = self._suffix if self._pays(first) else ""
        if key not in self._damaged:
            for other in dict.fromkeys([suffix, *packing.SUFFIXES.values()] if self._suffix else [""]):
                head = self.bucket.head(object_name(key) + other)
                if head is not None and (other or head.size == size) and self._is_young(head.modified):
                    self._written[key] = head.modified
                    return
        part = max(CHUNK, -(-size // PARTS))
        with transfer("upload", key, size, self.on_transfer) as progress:

            def pieces() -> Iterator[bytes | memoryview]:
                progress.restart()
                sent = 0
                for piece in packing.pack(parts, suffix) if suffix else packing.cut(parts, part):
                    yield piece
                    # Each packed piece but the table is one chunk.
                    count = min(CHUNK if suffix else len(piece), size - sent)
                    sent += count
                    progress.add(count)

            self.bucket.upload(object_name(key) + suffix, pieces, part)
        self._note(key)

    def _pays(self, content: bytes | memoryview) -> bool:
        return bool(self._suffix) and packing.pays(content, self._suffix)

    def _note(self, key: str) -> None:
        self._written[key] = time.time()
        self._damaged.discard(key)

    def _keep(self, parts: Sequence[Part], key: str, size: int) -> None:
        if self.cache is not None:
            self.cache.put(parts, key, size)

    @staticmethod
    def _is_young(modified: float | None) -> bool:
        return modified is not None and time.time() - modified < TRUSTED_AGE

    # -- reading

    def get(self, key: str, size: int) -> memoryview:
        """A private, writable copy or map of a blob, verified; from the cache if it is there.

        Raises
        ------
        CorruptBlob
            If the blob is missing, has another length, or does not match its key.
        """
        self._of_this_process()
        for future in self._pending.get(key, ()):
            # `settle` reports a failure; the blob may exist all the same.
            future.exception()
        object_name(key)
        if self.cache is not None:
            found = self.cache.get(key, size)
            if found is not None:
                return found
        if size <= CHUNK:
            return self.bucket.submit(self._get_small, key, size).result()
        return self._get_large(key, size)

    def get_part(self, key: str, size: int, offset: int, length: int) -> bytearray:
        """A piece of a blob, not verified. With a cache the whole blob comes, verified, if one request brings it.

        Raises
        ------
        CorruptBlob
            If the blob is missing or too short.
        """
        self._of_this_process()
        for future in self._pending.get(key, ()):
            future.exception()
        object_name(key)
        if self.cache is not None and (size <= CHUNK or self.cache.holds(key, size)):
            if offset + length > size:
                raise CorruptBlob(f"Blob {key} has {size} bytes, fewer than are asked for.", key=key)
            return bytearray(self.get(key, size)[offset : offset + length])
        return self.bucket.submit(self._reader.part, key, size, offset, length).result() if length else bytearray()

    def missing(self, blobs: Iterable[tuple[str, int]]) -> list[str]:
        """Keys of those blobs (key, length) that are not there: a request each, unless this process has seen them."""
        self._of_this_process()
        unseen = {key: size for key, size in blobs if key not in self._pending and key not in self._written}

        def look(blob: tuple[str, int]) -> bool:
            key, size = blob
            for suffix in self._reader.suffixes(size):
                head = self.bucket.head(object_name(key) + suffix)
                if head is not None:
                    self._written[key] = head.modified
                    return True
            return False

        found = self.bucket.map(look, list(unseen.items()))
        return [key for key, there in zip(unseen, found, strict=True) if not there]

    def fetch(self, blobs: Iterable[tuple[str, int]]) -> None:
        """Bring blobs, given as keys and lengths, into the cache at once; without a cache do nothing.

        Small ones only: a large one is already as fast as it can be. `get` reports those that cannot be read.
        """
        self._of_this_process()
        cache = self.cache
        if cache is None:
            return
        wanted = {key: size for key, size in blobs if size <= CHUNK and key not in self._pending}
        missing = [(key, size) for key, size in wanted.items() if not cache.holds(key, size)]

        def bring(blob: tuple[str, int]) -> None:
            try:
                self._get_small(*blob)
            except CorruptBlob:
                return

        if missing:
            self.bucket.map(bring, missing)

    def _get_small(self, key: str, size: int) -> memoryview:
        """Read with one request; a second time if the content is wrong, which may have happened on the way."""
        for last in (False, True):
            try:
                content = self._reader.small(key, size)
                break
            except CorruptBlob:
                if last:
                    self._mark(key)
                    raise
        if self.cache is not None:
            self.cache.put([content], key, size)
        return memoryview(bytearray(content))

    def _get_large(self, key: str, size: int) -> memoryview:
        """Read in ranges into a file of the cache, or into memory if it has no room."""
        for last in (False, True):
            try:
                suffix = self.bucket.submit(self._reader.find, key, size).result()
                with transfer("download", key, size, self.on_transfer) as progress:
                    if self.cache is not None:
                        with self.cache.incoming(key, size) as file:
                            if file is not None:
                                self._reader.large(key, size, suffix, file, progress)
                                return file.keep()
                    memory = Memory(size)
                    self._reader.large(key, size, suffix, memory, progress)
                    return memory.keep()
            except CorruptBlob:
                if last:
                    self._mark(key)
                    raise
        raise AssertionError("the second try returns or raises")

    def _mark(self, key: str) -> None:
        """Have the next put of this blob write it, whatever is there."""
        self._damaged.add(key)
        self._written.pop(key, None)

    # -- housekeeping

    def entries(self) -> Iterator[Entry]:
        """All blobs, in no order; one that exists in two forms appears twice."""
        for entry in self.bucket.entries("blobs"):
            key = entry.name.rpartition("/")[2].partition(".")[0]
            yield Entry(key, entry.size, entry.modified)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove blobs, in every form."""
        gone = list(keys)
        for key in gone:
            self._written.pop(key, None)
        if self.cache is not None:
            self.cache.delete(gone)
        names = [object_name(key) + suffix for key in gone for suffix in packing.SUFFIXES.values()]
        self.bucket.submit(self.bucket.delete, names).result()

    def _of_this_process(self) -> None:
        """After a fork, forget the transfers of the parent."""
        if self._pid != os.getpid():
            self._pid, self._pending, self._transfers, self._lock = os.getpid(), {}, None, threading.Lock()


def _md5(content: bytes | memoryview) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
