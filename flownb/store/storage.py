"""What the datastore asks of the place it lives in: a folder or a bucket.

Two roles. A `Storage` keeps small named files (manifests); a `Blobs` keeps large content by its hash. Both have two
implementations, `flownb.store.local` and `flownb.store.s3`, which pass the suites of `flownb.testing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Appender", "Blobs", "Entry", "Part", "Storage"]

# A piece of a blob: bytes, or a view of the memory it is in.
Part = memoryview | bytes


@dataclass(frozen=True)
class Entry:
    """A file or blob as a listing shows it.

    Attributes
    ----------
    name : str
        Below the storage's root, with ``/``; of a blob its key.
    size : int
        Length in bytes, as stored.
    modified : float
        Seconds since the epoch, UTC.
    """

    name: str
    size: int
    modified: float


class Appender(Protocol):
    """Writes one file that grows, for its only writer.

    Reads see what was added: in a folder at once; in a bucket, where a file can only be written as a whole, some
    seconds later. A process that is killed leaves what was written until then, perhaps with a part of the last piece.
    """

    def add(self, content: bytes) -> None:
        """Add to the end.

        Raises
        ------
        StoreError
            If it cannot be written, or the file was removed meanwhile; then nothing more can be added.
        """
        ...

    def flush(self) -> None:
        """Have what waits written if it has waited long enough; costs nothing else."""
        ...

    def close(self) -> None:
        """Have all that was added written soon; nothing more is."""
        ...

    def is_settled(self) -> bool:
        """Whether `settle` need not wait."""
        ...

    def settle(self) -> None:
        """Wait, after `close`, until all that was added is kept.

        Raises
        ------
        StoreError
            If it could not be.
        """
        ...


class Storage(Protocol):
    """Small files by name; names are relative, parted by ``/``, and checked by the caller.

    Every method raises `StoreError` when the place cannot be used, with a text that says what to do and never contains
    a credential. Reads see every write that returned before, also another process's.
    """

    location: str
    """The folder or URL, for messages."""

    has_locks: bool
    """Whether `lock` keeps processes apart."""

    def read(self, name: str) -> bytes | None:
        """The whole content, None if there is no such file."""
        ...

    def read_many(self, names: Sequence[str]) -> list[bytes | None]:
        """`read` for each name, at once where that is faster."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file or nothing, over one that is there."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Write a whole file unless the name is taken: of all processes that try, one gets True.

        `content` has to be unlike that of all others (a nonce in it does), so that a try whose answer was
        lost is distinguished from another's success.
        """
        ...

    def appender(self, name: str) -> Appender:
        """What writes a new file piece by piece; the file is made with the first piece."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def delete(self, names: Iterable[str]) -> None:
        """Remove files; missing ones are ignored. Folders left empty are removed."""
        ...

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below `prefix` (``""`` or ``a/b``), sorted; none if it does not exist."""
        ...

    def files(self, prefix: str) -> list[str]:
        """Names of the files directly below `prefix`, sorted, without it; no temporary ones."""
        ...

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All files below `prefix` at any depth, in no order; no temporary ones."""
        ...

    def stamp(self, prefix: str) -> object:
        """Something that differs once a file was added directly below `prefix`; cheap to get."""
        ...

    def lock(self, *, exclusive: bool) -> AbstractContextManager[None]:
        """Keep those who record (shared) apart from who clears up (exclusive), on one machine.

        A bucket has no locks: there age keeps them apart, see `flownb.store.garbage`.
        """
        ...

    def create_held(self, name: str, content: bytes) -> Callable[[], None] | None:
        """Like `create`, of a file that is marked as in use from its first moment on; None if the name is taken.

        It is in use until the returned function is called, or the process dies. A bucket has no such marks.
        """
        ...

    def is_held(self, name: str) -> bool | None:
        """Whether a process that is alive has marked a file as in use; None if the place has no such marks."""
        ...

    def ages(self, names: Sequence[str]) -> list[float | None]:
        """How long ago files were last written, in seconds by the place's own clock; None for one that is not there."""
        ...

    def clear_temporary(self) -> int:
        """Remove what killed processes left behind; returns its bytes, as far as they are known."""
        ...

    def below(self, name: str) -> Storage:
        """The same place, one folder further down."""
        ...

    def sync(self) -> None:
        """Return when all that was written survives a power failure."""
        ...


class Blobs(Protocol):
    """Content by its key (blake3, 64 hexadecimal digits)."""

    shortest_life: float
    """Seconds that a blob is left alone after it was written, though nothing refers to it."""

    def put(self, parts: Sequence[Part], key: str, size: int) -> None:
        """Keep the content that `parts` make together, unless it is there undamaged.

        It need not be there before `settle` returns, and `parts` must not change until then.
        """
        ...

    def get(self, key: str, size: int) -> memoryview:
        """A private, writable map or copy of a blob.

        A large blob may still be being verified while the caller uses it: call `verify` before anything lasting is made
        of it.

        Raises
        ------
        CorruptBlob
            If the blob is missing, has another length, or does not match its key.
        """
        ...

    def fetch(self, blobs: Iterable[tuple[str, int]]) -> None:
        """Bring small blobs (key, length) near, all at once, where one by one is slow; missing ones are ignored."""
        ...

    def get_part(self, key: str, size: int, offset: int, length: int) -> bytearray:
        """A piece of a blob, not verified: a caller that keeps several values in one blob knows the hash of each.

        Raises
        ------
        CorruptBlob
            If the blob is missing or too short.
        """
        ...

    def missing(self, blobs: Iterable[tuple[str, int]]) -> list[str]:
        """Keys of those blobs (key, length) that are known not to be there; a look must cost little."""
        ...

    def verify(self, keys: Iterable[str]) -> None:
        """Wait until blobs that `get` gave are verified.

        Raises
        ------
        CorruptBlob
            If one of them does not match its key; also when it is asked again.
        """
        ...

    def settle(self) -> None:
        """Wait for puts under way in this process.

        Raises
        ------
        StoreError
            If a blob could not be kept.
        """
        ...

    def entries(self) -> Iterator[Entry]:
        """All blobs, in no order; `Entry.name` is the key."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove blobs; missing ones are ignored."""
        ...
