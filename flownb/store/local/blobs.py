"""Blobs in a folder; see `flownb.store.storage.Blobs`."""

from __future__ import annotations

import errno
import mmap
import os
import re
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flownb.errors import CorruptBlob, StoreError
from flownb.store.hashing import hash_file, hash_parts
from flownb.store.local.place import Place
from flownb.store.local.storage import store_error, temporary_file, write_all
from flownb.store.memory import private_memory
from flownb.store.storage import Entry, Part

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["LocalBlobs"]

# Blobs from this size on are verified in the background, while the step that reads them is already running.
DEFERRED_FROM = 16 << 20
# Smaller blobs are read rather than mapped: a map holds a file descriptor for as long as its value lives.
MAPPED_FROM = 256 << 10
# Copying one of this size would take longer than a descriptor is worth.
ALWAYS_MAPPED = 64 << 20
# A key as `flownb.store.hashing` makes it.
NAME = re.compile(r"[0-9a-f]{64}\Z")
# Maps that are alive.
_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


class LocalBlobs:
    """Blobs below one folder, as ``ab/abcdef…``; see `flownb.store.storage.Blobs`.

    Parameters
    ----------
    root : Path
        Made when the first blob is written.
    prefix : str
        The folder of the blobs below it; it must not be a link.

    Notes
    -----
    Every blob is verified against its key when a process first reads it, and again if the file has changed since. What
    this process wrote is trusted. Large blobs are hashed in the background by all cores while the step that reads them
    runs; `verify` waits for that, and nothing is recorded before it returned. So a step that reads all of a blob pays
    little, and one that reads a part of it pays the rest of the hash once a process, at 4 to 8 GB/s.
    """

    shortest_life = 0.0

    def __init__(self, root: Path, prefix: str = "") -> None:
        self.root = root / prefix
        self._place = Place(root, prefix)
        # Blobs this process wrote or verified, by key, as (inode, mtime, size): a file that changed is verified again.
        self._trusted: dict[str, tuple[int, int, int]] = {}
        self._verifying: dict[tuple[str, tuple[int, int, int]], Future[None]] = {}
        self._verifier: ThreadPoolExecutor | None = None
        self._pid = os.getpid()

    def path(self, key: str) -> Path:
        """Where the blob of that key is kept."""
        return Path(self._place.path(self._name(key)))

    def _name(self, key: str) -> str:
        """The same below the folder."""
        if not key.isalnum():  # a manifest from elsewhere must not name another file
            raise CorruptBlob(f"`{key}` is not the key of a blob.", key=key)
        return f"{key[:2]}/{key}"

    def put(self, parts: Sequence[Part], key: str, size: int) -> None:
        """Write a blob unless it is there undamaged.

        Raises
        ------
        StoreError
            If the folder cannot be written or the disk is full; nothing is left behind.
        """
        name = self._name(key)
        if self._is_whole(name, key, size):
            return
        try:
            with temporary_file(self._place, name) as (file, temporary, folder):
                write_all(file, parts)
                folder.rename(temporary, key)
                self._forget(key)
                self._trusted[key] = _signature(os.fstat(file))
        except OSError as error:
            raise store_error(error, self.root) from error

    def get(self, key: str, size: int) -> memoryview:
        """Map a blob privately: writes to the map change neither the file nor any other map.

        Parameters
        ----------
        key : str
        size : int
            Length in bytes that the manifest recorded.

        Returns
        -------
        memoryview
            Writable; the pages are shared with other readers until written.

        Raises
        ------
        CorruptBlob
            If the blob is missing, has another length, or does not match its key.
        """
        try:
            file = self._place.open(self._name(key), os.O_RDONLY)
        except OSError as error:
            raise self._lost(error, key) from error
        try:
            status = os.fstat(file)
            if status.st_size != size:
                raise CorruptBlob(f"Blob {key} has {status.st_size} bytes instead of {size}.", key=key)
            view = _private_map(file, size)
            if self._trusted.get(key) != _signature(status):
                # Another map than the caller's, which may be written to before it is hashed.
                content = _private_map(file, size) if size >= DEFERRED_FROM else view
                self._verify(key, content, _signature(status))
        except OSError as error:
            raise self._lost(error, key) from error
        finally:
            os.close(file)
        return view

    def fetch(self, blobs: Iterable[tuple[str, int]]) -> None:
        """Do nothing: they are local."""

    def get_part(self, key: str, size: int, offset: int, length: int) -> bytearray:
        """Read a piece of a blob, not verified.

        Raises
        ------
        CorruptBlob
            If the blob is missing or too short.
        """
        try:
            with open(self._place.open(self._name(key), os.O_RDONLY), "rb", buffering=0) as file:  # noqa: PTH123 # a descriptor
                if offset + length > os.fstat(file.fileno()).st_size:
                    raise CorruptBlob(f"Blob {key} has less than {size} bytes.", key=key)
                content = bytearray(length)
                file.seek(offset)
                count = file.readinto(content)
        except OSError as error:
            raise self._lost(error, key) from error
        if count != length:
            raise CorruptBlob(f"Blob {key} has less than {size} bytes.", key=key)
        return content

    def missing(self, blobs: Iterable[tuple[str, int]]) -> list[str]:
        """Keys of those blobs (key, length) that are not there."""
        return [key for key, _ in blobs if not os.path.lexists(self._place.path(self._name(key)))]

    def _lost(self, error: OSError, key: str) -> StoreError:
        """The error that a blob cannot be read; it counts as damaged unless other permissions would help."""
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return CorruptBlob(f"Blob {key} is missing.", key=key, missing=True)
        if error.errno in (errno.EISDIR, errno.ENODEV, errno.EIO):
            return CorruptBlob(f"Blob {key} cannot be read: {error.strerror}.", key=key)
        return store_error(error, self.root)

    def _verify(self, key: str, content: memoryview, signature: tuple[int, int, int]) -> None:
        """Compare content with its key, in the background if it is large."""

        def check() -> None:
            if hash_parts([content], content.nbytes) != key:
                raise CorruptBlob(f"Blob {key} does not match its key: its content was changed or damaged.", key=key)
            self._trusted[key] = signature

        if content.nbytes < DEFERRED_FROM:
            check()
            return
        self._of_this_process()
        if (key, signature) not in self._verifying:
            if self._verifier is None:
                from concurrent.futures import ThreadPoolExecutor

                self._verifier = ThreadPoolExecutor(1, "flownb-verify")
            self._verifying[key, signature] = self._verifier.submit(check)

    def verify(self, keys: Iterable[str]) -> None:
        """Wait until blobs that `get` gave are verified.

        Raises
        ------
        CorruptBlob
            If one of them does not match its key; also when it is asked again.
        """
        self._of_this_process()
        wanted = set(keys)
        for content, future in list(self._verifying.items()):
            if content[0] in wanted:
                future.result()
                self._verifying.pop(content, None)

    def settle(self) -> None:
        """Do nothing: a put has ended when it returns."""

    def entries(self) -> Iterator[Entry]:
        """All blobs, in no order."""
        try:
            for name, status in self._place.walk():
                folder, _, key = name.rpartition("/")
                if NAME.match(key) and folder == key[:2]:
                    yield Entry(key, status.st_size, status.st_mtime)
        except OSError as error:
            raise store_error(error, self.root) from error

    def delete(self, keys: Iterable[str]) -> None:
        """Remove blobs; missing ones are ignored."""
        for key in keys:
            self._forget(key)
            try:
                self._place.unlink(self._name(key))
            except NotADirectoryError:
                continue
            except OSError as error:
                raise store_error(error, self.root) from error
            self._place.remove_empty(key[:2])

    def _forget(self, key: str) -> None:
        """Forget what is known of a file that is replaced or removed."""
        self._trusted.pop(key, None)
        for content in [one for one in self._verifying if one[0] == key]:
            self._verifying.pop(content, None)

    def _of_this_process(self) -> None:
        """After a fork, forget the threads of the parent."""
        if self._pid != os.getpid():
            self._pid, self._verifier, self._verifying = os.getpid(), None, {}

    def _is_whole(self, name: str, key: str, size: int) -> bool:
        """Whether the blob is there, whole and undamaged; a damaged one is repaired by writing it again."""
        try:
            status = self._place.lstat(name)
            if status.st_size != size:
                return False
            if self._trusted.get(key) == _signature(status):
                return True
            if hash_file(self._place.open(name, os.O_RDONLY), size) != key:
                return False
        except OSError:
            return False
        self._trusted[key] = _signature(status)
        return True


def _private_map(file: int, size: int) -> memoryview:
    """The content of an open file, to be written to without changing it."""
    if size >= MAPPED_FROM and (size >= ALWAYS_MAPPED or len(_maps) < _most_maps()):
        try:
            found = mmap.mmap(file, size, access=mmap.ACCESS_COPY)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        else:
            _maps.add(found)
            return memoryview(found)
    content = memoryview(private_memory(size) if size >= MAPPED_FROM else bytearray(size))
    with open(file, "rb", buffering=0, closefd=False) as reader:  # a descriptor
        position = 0
        while count := reader.readinto(content[position : position + (1 << 30)]):
            position += count
    return content


def _most_maps() -> int:
    """How many maps there may be: a quarter of the files a process may have open is left to the user's own."""
    try:
        import resource
    except ImportError:  # Windows
        return 256
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 256 if soft == resource.RLIM_INFINITY else soft // 4


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_mtime_ns, status.st_size
