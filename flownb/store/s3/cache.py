"""A local cache of the blobs of a remote datastore, with a limit on its size.

Several processes may use one folder at once: blobs are written whole under their keys, the least recently used are
removed first, and a map of a removed blob stays valid (POSIX keeps the pages). If the cache cannot be written, that is
reported once, and blobs are no longer cached.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import mmap
import os
import re
import stat
import threading
import time
import warnings
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from flownb.errors import CorruptBlob, StoreError
from flownb.store.local import LocalBlobs
from flownb.store.local.place import Folder
from flownb.store.local.storage import temporary_file
from flownb.store.storage import Part

__all__ = ["BlobCache", "Incoming", "cache_folder", "cache_limit"]

DEFAULT_LIMIT = 20 << 30
# Eviction continues down to this share of the limit, so that it does not begin again with the next blob.
EVICT_TO = 0.9
# A process looks at the folder again after it has written this share of the limit: others write there too.
LOOK_AGAIN = 1 / 32
# Seconds after which a temporary file belongs to no living writer.
STALE = 24 * 3600.0
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def cache_folder(url: str) -> Path:
    """Where the blobs of a datastore are cached.

    Parameters
    ----------
    url : str
        Of the datastore; two datastores never share a folder, so one can be emptied by itself.

    Returns
    -------
    Path
        Below ``$FLOWNB_CACHE``, or ``flownb`` in ``$XDG_CACHE_HOME`` or ``~/.cache``.
    """
    chosen = os.environ.get("FLOWNB_CACHE")
    if chosen:
        root = Path(chosen).expanduser()
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "flownb"
    return root / hashlib.sha256(url.encode()).hexdigest()[:16]


def cache_limit() -> int:
    """Bytes a cache may hold: ``$FLOWNB_CACHE_SIZE`` as ``500M``, ``20G`` or a number; 0 means no cache.

    Raises
    ------
    StoreError
        If it is anything else.
    """
    text = os.environ.get("FLOWNB_CACHE_SIZE")
    if not text:
        return DEFAULT_LIMIT
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", text.strip().lower())
    if not found:
        raise StoreError(
            f"FLOWNB_CACHE_SIZE is `{text}`.",
            "It has to be a number of bytes, or one followed by K, M, G or T.",
            "Set it to 20G, or unset it; 0 turns the cache off.",
        )
    return int(float(found[1]) * _UNITS[found[2]])


class _Folder(LocalBlobs):
    """The blobs of a local datastore, which can also adopt a file that was written in another way."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder.parent, folder.name)

    def holds(self, key: str, size: int) -> bool:
        """Whether a blob of that length is there."""
        status = self._place.lstat(self._name(key))
        return stat.S_ISREG(status.st_mode) and status.st_size == size

    def touch(self, key: str) -> None:
        """Note that a blob was used: in its access time, because a blob is trusted by its modification time."""
        file = self._place.open(self._name(key), os.O_RDONLY)
        try:
            os.utime(
                file if os.utime in os.supports_fd else self.path(key), ns=(time.time_ns(), os.fstat(file).st_mtime_ns)
            )
        finally:
            os.close(file)

    def new(self, key: str) -> AbstractContextManager[tuple[int, str, Folder]]:
        """A new file beside a blob's; see `temporary_file`."""
        return temporary_file(self._place, self._name(key))

    def lock_file(self) -> int:
        """The open file that is locked by the process that evicts."""
        return self._place.open(".evict", os.O_RDWR | os.O_CREAT)

    def walk(self) -> Iterator[tuple[str, os.stat_result]]:
        """Names of all files in it, temporary ones too."""
        return self._place.walk()

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._place.unlink(name)

    def adopt(self, key: str, file: int, temporary: str) -> None:
        """Give a verified temporary file its name."""
        with self._place.folder(key[:2]) as folder:
            folder.rename(temporary, key)
        status = os.fstat(file)
        self._trusted[key] = (status.st_ino, status.st_mtime_ns, status.st_size)


class BlobCache:
    """Blobs of one remote datastore.

    Parameters
    ----------
    folder : Path
        Made, for the user alone, when the first blob is kept.
    limit : int
        In bytes; what processes write at the same time may exceed it by a few percent each.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._blobs = _Folder(folder)
        self._writable = limit > 0
        self._lock = threading.Lock()
        self._pid = os.getpid()
        # Bytes in the folder when it was last looked at, and written since; None before the first look.
        self._held: int | None = None
        self._written = 0

    def holds(self, key: str, size: int) -> bool:
        """Whether a blob is there; `get` may still find it damaged."""
        try:
            return self._blobs.holds(key, size)
        except OSError:
            return False

    def get(self, key: str, size: int) -> memoryview | None:
        """A private map of a blob; None if it is not there or not whole, it is removed then."""
        try:
            view = self._blobs.get(key, size)
        except CorruptBlob:
            self.delete([key])
            return None
        except StoreError:
            return None
        self._touch(key)
        return view

    def put(self, parts: Sequence[Part], key: str, size: int) -> None:
        """Keep a blob if there is room; never raises if there is none."""
        if not self._make_room(size):
            return
        try:
            self._blobs.put(parts, key, size)
        except StoreError as error:
            self._give_up(f"{error.what} {error.why}")

    @contextlib.contextmanager
    def incoming(self, key: str, size: int) -> Iterator[Incoming | None]:
        """A file for a blob on its way, gone afterwards unless it was kept; None if there is no room."""
        if not self._make_room(size):
            yield None
            return
        with contextlib.ExitStack() as stack:
            try:
                file, temporary, folder = stack.enter_context(self._blobs.new(key))
                _allocate(file, size)
                incoming: Incoming | None = Incoming(self._blobs, key, size, temporary, folder)
            except OSError as error:
                self._give_up(f"{error.strerror}.")
                incoming = None
            except StoreError as error:
                self._give_up(f"{error.what} {error.why}")
                incoming = None
            yield incoming

    def verify(self, keys: Iterable[str]) -> None:
        """Wait until blobs that `get` gave are verified; a damaged one is removed.

        Raises
        ------
        CorruptBlob
            If one of them does not match its key.
        """
        try:
            self._blobs.verify(keys)
        except CorruptBlob as error:
            self.delete([error.key])
            raise CorruptBlob(
                f"The cached copy of blob {error.key} in `{self.folder}` was damaged.",
                "It does not match its key.",
                "It was removed; run the step again.",
                key=error.key,
            ) from error

    def delete(self, keys: Iterable[str]) -> None:
        """Forget blobs."""
        with contextlib.suppress(StoreError):
            self._blobs.delete(keys)

    def size(self) -> int:
        """Bytes it holds, temporary files too."""
        return sum(status.st_size for _, status in self._blobs.walk())

    # -- the limit

    def _make_room(self, size: int) -> bool:
        """Whether a blob may be written; evicts others for it if need be."""
        self._of_this_process()
        if not self._writable or size > self.limit * EVICT_TO:
            return False
        with self._lock:
            self._written += size
            if (
                self._held is None
                or self._held + self._written > self.limit
                or self._written > self.limit * LOOK_AGAIN + size
            ):
                self._held = self._evict(size)
                self._written = size
        return True

    def _evict(self, wanted: int) -> int:
        """Remove the least recently used blobs until `wanted` bytes fit; the bytes that are held then."""
        found: list[tuple[float, int, str]] = []
        now = time.time()
        try:
            for name, status in self._blobs.walk():
                last = name.rpartition("/")[2]
                if not last.startswith("."):
                    found.append((status.st_atime, status.st_size, name))
                elif last.endswith(".tmp") and now - status.st_mtime > STALE:
                    with contextlib.suppress(OSError):
                        self._blobs.remove(name)
        except StoreError as error:  # a link in it
            self._give_up(f"{error.what} {error.why}")
            return 0
        except OSError as error:
            self._give_up(f"{error.strerror}.")
            return 0
        held = sum(size for _, size, _ in found)
        if held + wanted <= self.limit:
            return held
        with _alone(self._blobs) as alone:
            for _, size, name in sorted(found) if alone else ():
                if held + wanted <= self.limit * EVICT_TO:
                    break
                with contextlib.suppress(OSError):
                    self._blobs.remove(name)
                held -= size
        return held

    def _touch(self, key: str) -> None:
        """Note that a blob was used."""
        with contextlib.suppress(OSError, StoreError):
            self._blobs.touch(key)

    def _give_up(self, why: str) -> None:
        """Continue without writing, and report it once."""
        if self._writable:
            self._writable = False
            warnings.warn(
                f"The cache `{self.folder}` is no longer written. {why} Blobs are read from the datastore instead; "
                "free some space, or set FLOWNB_CACHE to another folder.",
                stacklevel=4,
            )

    def _of_this_process(self) -> None:
        if self._pid != os.getpid():
            self._pid, self._lock = os.getpid(), threading.Lock()


class Incoming:
    """A file that a blob is being read into.

    Attributes
    ----------
    content : memoryview
        The whole file, read-only, as far as it is written.
    """

    def __init__(self, blobs: _Folder, key: str, size: int, temporary: str, folder: Folder) -> None:
        self._blobs, self._key, self._size, self._temporary = blobs, key, size, temporary
        # Threads may still write when the reader was interrupted: the file is closed once the last one is done.
        self._file = folder.open(temporary, os.O_RDWR)
        weakref.finalize(self, os.close, self._file)
        self.content = memoryview(mmap.mmap(self._file, size, access=mmap.ACCESS_READ))

    def write(self, offset: int, piece: memoryview) -> None:
        """Place a piece."""
        while piece.nbytes:
            count = os.pwrite(self._file, piece, offset)
            piece, offset = piece[count:], offset + count

    def keep(self) -> memoryview:
        """Keep the file, which the caller has verified, under its key; and return a private map of it."""
        view = memoryview(mmap.mmap(self._file, self._size, access=mmap.ACCESS_COPY))
        with contextlib.suppress(OSError, StoreError):
            self._blobs.adopt(self._key, self._file, self._temporary)
        return view


def _allocate(file: int, size: int) -> None:
    """Take the space at once, so that a full disk shows here and not as a signal later."""
    if not hasattr(os, "posix_fallocate"):
        os.ftruncate(file, size)
        return
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
        os.ftruncate(file, size)


@contextlib.contextmanager
def _alone(folder: _Folder) -> Iterator[bool]:
    """Whether no other process evicts at the moment; where there are no locks, processes may evict at once."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield True
        return
    try:
        file = folder.lock_file()
    except (OSError, StoreError):
        yield False
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
    finally:
        os.close(file)
