"""A datastore in a folder: small files by name, and blobs by key.

Every file is written under a temporary name and renamed or linked, so a name either does not exist or holds the whole
content, whenever a process is killed. Temporary names begin with a dot; `flownb gc` clears those a killed process left.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import mmap
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from blake3 import blake3

from flownb.errors import CorruptBlob, StoreError
from flownb.store.storage import Entry, Part

__all__ = ["LocalBlobs", "LocalStorage", "hash_parts", "part_size", "store_error"]

# One thread hashes small blobs faster than several do.
THREADED_FROM = 1 << 20
# Blobs from this size on are verified in the background, while the step that reads them is already running.
DEFERRED_FROM = 16 << 20
# Smaller blobs are read rather than mapped: a map holds a file descriptor for as long as its value lives.
MAPPED_FROM = 256 << 10
LOCK = ".lock"
# A temporary file that was not written to for so long, in seconds, belongs to a process that was killed.
TEMPORARY_SECONDS = 3600.0


class LocalStorage:
    """Small files below one folder; see `flownb.store.storage.Storage`.

    Parameters
    ----------
    root : Path
        Made, for the user alone, when something is first written.
    """

    has_locks = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)

    def path(self, name: str) -> str:
        """Where a file is kept; a text, for making a `Path` of it costs more than opening it."""
        return f"{self.location}/{name}"

    def read(self, name: str) -> bytes | None:
        """The whole content, None if there is no such file."""
        try:
            with open(self.path(name), "rb", buffering=0) as file:  # noqa: PTH123 # as above
                return file.readall()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise store_error(error, self.root) from error

    def read_many(self, names: Sequence[str]) -> list[bytes | None]:
        """`read` for each name."""
        return [self.read(name) for name in names]

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file or nothing, over one that is there."""
        self._place(name, content, os.replace)

    def create(self, name: str, content: bytes) -> bool:
        """Write a whole file unless the name is taken; of all processes that try, one is told True."""
        try:
            self._place(name, content, _link)
        except FileExistsError:
            return False
        return True

    def _place(self, name: str, content: bytes, put: Callable[[str, str], object]) -> None:
        """Write a temporary file and have `put` give it its name."""
        path = self.path(name)
        try:
            with temporary_file(self.root, path) as (file, temporary):
                write_all(file, [content])
                put(temporary, path)
        except FileExistsError:
            raise
        except OSError as error:
            raise store_error(error, self.root) from error

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return os.path.isfile(self.path(name))  # noqa: PTH113 # as above

    def delete(self, names: Iterable[str]) -> None:
        """Remove files; folders left empty vanish."""
        for name in names:
            path = Path(self.path(name))
            try:
                path.unlink(missing_ok=True)
            except NotADirectoryError:
                continue
            except OSError as error:
                raise store_error(error, self.root) from error
            _remove_empty(path.parent, self.root)

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below `prefix`, sorted."""
        return self._names(prefix, folders=True)

    def files(self, prefix: str) -> list[str]:
        """Names of the files directly below `prefix`, sorted."""
        return self._names(prefix, folders=False)

    def _names(self, prefix: str, *, folders: bool) -> list[str]:
        try:
            with os.scandir(self.path(prefix)) as entries:
                names = [entry.name for entry in entries if entry.is_dir() == folders and entry.name[0] != "."]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise store_error(error, self.root) from error
        return sorted(names)

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All files below `prefix` at any depth, in no order."""
        for path, status in walk(Path(self.path(prefix))):
            if not path.name.startswith("."):
                yield Entry(path.relative_to(self.root).as_posix(), status.st_size, status.st_mtime)

    def stamp(self, prefix: str) -> object:
        """When a file was last added directly below `prefix`, in nanoseconds; 0 if there is none."""
        try:
            return os.stat(self.path(prefix)).st_mtime_ns
        except OSError:
            return 0

    @contextlib.contextmanager
    def lock(self, *, exclusive: bool) -> Iterator[None]:
        """Hold the folder's lock, shared or alone; a process that dies lets go of it."""
        try:
            file = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            self._make_root()
            file = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise store_error(error, self.root) from error
        try:
            _flock(file, exclusive)
            yield
        finally:
            os.close(file)

    def clear_temporary(self) -> None:
        """Remove temporary files that nobody can be writing any more."""
        before = time.time() - TEMPORARY_SECONDS
        for path, status in walk(self.root):
            if path.name.startswith(".") and path.name.endswith(".tmp") and status.st_mtime < before:
                path.unlink(missing_ok=True)
                _remove_empty(path.parent, self.root)

    def below(self, name: str) -> LocalStorage:
        """A folder in this one; it has a lock of its own."""
        return LocalStorage(self.root / name)

    def _make_root(self) -> None:
        """Make the folder: artifacts can hold private data, so it is the user's alone."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise store_error(error, self.root) from error

    def sync(self) -> None:
        """Have the file system write out all it holds back; on Linux only that of the folder."""
        try:
            file = os.open(self.root, os.O_RDONLY)
        except OSError:
            return
        try:
            if _syncfs is None or _syncfs(file) != 0:
                os.sync()
        finally:
            os.close(file)


class LocalBlobs:
    """Blobs below one folder, as ``ab/abcdef…``; see `flownb.store.storage.Blobs`.

    Parameters
    ----------
    root : Path
        Made when the first blob is written.

    Notes
    -----
    Every blob is verified against its key when a process first reads it, and again if the file has changed since. What
    this process wrote is trusted. Large blobs are hashed in the background by all cores while the step that reads them
    runs; `settle` waits for that, and nothing is recorded before it returned. So a step that reads all of a blob pays
    little, and one that reads a part of it pays the rest of the hash once a process, at 4 to 8 GB/s (LIMITS.md).
    """

    shortest_life = 0.0

    def __init__(self, root: Path) -> None:
        self.root = root
        self._location = str(root)
        # Blobs this process wrote or verified, by key, as (inode, mtime, size): a file that changed is verified anew.
        self._trusted: dict[str, tuple[int, int, int]] = {}
        self._verifying: dict[tuple[str, tuple[int, int, int]], Future[None]] = {}
        self._verifier: ThreadPoolExecutor | None = None
        self._pid = os.getpid()

    def path(self, key: str) -> Path:
        """Where the blob of that key is kept."""
        return Path(self._path(key))

    def _path(self, key: str) -> str:
        """The same as a text, for making a `Path` of it costs more than opening it."""
        if not key.isalnum():  # a manifest from elsewhere shall not name another file
            raise CorruptBlob(f"`{key}` is no key of a blob.", key=key)
        return f"{self._location}/{key[:2]}/{key}"

    def put(self, parts: Sequence[Part], key: str, size: int) -> None:
        """Write a blob unless it is there undamaged.

        Raises
        ------
        StoreError
            If the folder cannot be written or the disk is full; nothing is left behind.
        """
        path = self._path(key)
        if self._is_whole(path, key, size):
            return
        try:
            with temporary_file(self.root, path) as (file, temporary):
                write_all(file, parts)
                os.replace(temporary, path)
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
            file = os.open(self._path(key), os.O_RDONLY)
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
        """Nothing: they are near."""

    def get_part(self, key: str, size: int, offset: int, length: int) -> bytearray:
        """Read a piece of a blob, not verified.

        Raises
        ------
        CorruptBlob
            If the blob is missing or too short.
        """
        try:
            with open(self._path(key), "rb", buffering=0) as file:  # noqa: PTH123 # as in `_path`
                there = os.fstat(file.fileno()).st_size - offset
                content = bytearray(length if length <= there else 0)
                count = os.preadv(file.fileno(), [content], offset)
        except OSError as error:
            raise self._lost(error, key) from error
        if count != length:
            raise CorruptBlob(f"Blob {key} has less than {size} bytes.", key=key)
        return content

    def missing(self, blobs: Iterable[tuple[str, int]]) -> list[str]:
        """Keys of those blobs (key, length) that are not there."""
        return [key for key, _ in blobs if not os.path.exists(self._path(key))]  # noqa: PTH110 # as in `_path`

    def _lost(self, error: OSError, key: str) -> StoreError:
        """Say that a blob cannot be read; what another setting of the folder would help with is no damage."""
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return CorruptBlob(f"Blob {key} is missing.", key=key)
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
            self._verifier = self._verifier or ThreadPoolExecutor(1, "flownb-verify")
            self._verifying[key, signature] = self._verifier.submit(check)

    def settle(self) -> None:
        """Wait for the verifications under way.

        Raises
        ------
        CorruptBlob
            If a blob that `get` gave does not match its key.
        """
        self._of_this_process()
        failure: CorruptBlob | None = None
        for content, future in list(self._verifying.items()):
            try:
                future.result()
            except CorruptBlob as error:
                failure = failure or error
            self._verifying.pop(content, None)
        if failure is not None:
            raise failure

    def entries(self) -> Iterator[Entry]:
        """All blobs, in no order."""
        for path, status in walk(self.root):
            if not path.name.startswith("."):
                yield Entry(path.name, status.st_size, status.st_mtime)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove blobs; those that are not there are passed over."""
        for key in keys:
            self._trusted.pop(key, None)
            try:
                self.path(key).unlink(missing_ok=True)
            except OSError as error:
                raise store_error(error, self.root) from error
            _remove_empty(self.path(key).parent, self.root)

    def _of_this_process(self) -> None:
        """Forget threads of the process this one was forked from."""
        if self._pid != os.getpid():
            self._pid, self._verifier, self._verifying = os.getpid(), None, {}

    def _is_whole(self, path: str, key: str, size: int) -> bool:
        """Whether the blob is there, whole and undamaged: writing it again is how a damaged one heals."""
        try:
            status = os.stat(path)
            if status.st_size != size:
                return False
            if self._trusted.get(key) == _signature(status):
                return True
            if hash_file(path, size) != key:
                return False
        except OSError:
            return False
        self._trusted[key] = _signature(status)
        return True


@contextlib.contextmanager
def temporary_file(root: Path, path: str) -> Iterator[tuple[int, str]]:
    """A new file beside `path`, open for writing, that is gone afterwards unless it was renamed."""
    folder, _, name = path.rpartition("/")
    temporary = f"{folder}/.{name[:16]}-{secrets.token_hex(6)}.tmp"
    for tries in range(100):
        try:
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            break
        except FileNotFoundError:  # no folder yet, or another process has just removed it because it was empty
            try:
                # Artifacts can hold private data: the root is the user's alone.
                root.mkdir(parents=True, exist_ok=True, mode=0o700)
                Path(folder).mkdir(parents=True, exist_ok=True)
            except (FileNotFoundError, FileExistsError):
                if tries == 99:
                    raise
    else:
        raise FileNotFoundError(errno.ENOENT, "The folder vanishes again and again", folder)
    try:
        yield file, temporary
    finally:
        os.close(file)
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 # as in `LocalStorage.path`


def walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All files below a folder, temporary ones too; those that vanish meanwhile are passed over."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise store_error(error, folder) from error
    for entry in found:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from walk(Path(entry.path))
            else:
                yield Path(entry.path), entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue


def write_all(file: int, parts: Sequence[Part]) -> None:
    """Write all parts; the kernel takes at most 2 GiB at once."""
    for part in parts:
        view = memoryview(part).cast("B")
        while view.nbytes:
            view = view[os.write(file, view) :]


def part_size(parts: Sequence[Part]) -> int:
    """Length in bytes of the blob that `parts` make."""
    return sum(part.nbytes if isinstance(part, memoryview) else len(part) for part in parts)


def hash_parts(parts: Sequence[Part], size: int) -> str:
    """The key of the content that `parts` make together: blake3, 64 hexadecimal digits."""
    hasher = blake3(max_threads=_threads if size >= THREADED_FROM else 1)
    for part in parts:
        hasher.update(part)
    return hasher.hexdigest()


def hash_file(path: str, size: int) -> str:
    """The key of a file's content."""
    with open(path, "rb") as file:  # noqa: PTH123 # as in `LocalStorage.path`
        if not size:
            return hash_parts([], 0)
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as content:
            return hash_parts([memoryview(content)], size)


def store_error(error: OSError, root: Path) -> StoreError:
    """Say what a failed write or read of the datastore means and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"The datastore `{root}` is full.",
            f"{error.strerror}; nothing of the artifact was kept, all earlier ones are.",
            "Free some space (`flownb gc` removes what no run needs), or set FLOWNB_DATASTORE to a folder on another "
            "disk, and run the step again.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(
            f"The datastore `{root}` cannot be written.",
            f"{error.strerror}.",
            "Make the folder writable, or set FLOWNB_DATASTORE to one that is.",
        )
    return StoreError(
        f"The datastore `{root}` cannot be used.",
        f"{error.strerror or error}.",
        "Check the folder, or set FLOWNB_DATASTORE to another one.",
    )


def _private_map(file: int, size: int) -> memoryview:
    """The content of an open file, to be written to without changing it."""
    if size >= MAPPED_FROM:
        try:
            return memoryview(mmap.mmap(file, size, access=mmap.ACCESS_COPY))
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
    content = memoryview(mmap.mmap(-1, size) if size >= MAPPED_FROM else bytearray(size))
    position = 0
    while position < size:
        count = os.preadv(file, [content[position : position + (1 << 30)]], position)
        if not count:
            break
        position += count
    return content


def _link(temporary: str, path: str) -> None:
    """Give a file its name unless the name is taken."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without hard links: the name is taken first and filled afterwards.
        with Path(path).open("xb") as file:
            file.write(Path(temporary).read_bytes())


def _flock(file: int, exclusive: bool) -> None:
    """Wait for a lock on an open file; a file system without locks has none."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and those above it, below `root`, as far as they are empty."""
    while folder != root and root in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_mtime_ns, status.st_size


# A forked process lacks the threads of blake3's own pool and would wait for them for ever; a number makes new ones.
_threads = blake3.AUTO


def _forked() -> None:
    """Begin anew what a fork does not copy."""
    global _threads
    _threads = os.cpu_count() or 1


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)


@functools.cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


_syncfs: Callable[[int], int] | None = getattr(_libc(), "syncfs", None) if sys.platform == "linux" else None
