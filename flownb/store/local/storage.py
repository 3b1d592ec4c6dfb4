"""Small files by name in a folder; see `flownb.store.storage.Storage`.

Every file is written under a temporary name and renamed or linked, so a name either does not exist or has the whole
content, whenever a process is killed. Only files that grow (logs) are appended to. Temporary names begin with a dot;
`flownb gc` removes those that a killed process left.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import stat
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from flownb.errors import StoreError
from flownb.store.local.place import Folder, Place
from flownb.store.storage import Entry, Part

__all__ = ["LocalAppender", "LocalStorage", "read_all", "store_error", "temporary_file", "write_all"]

LOCK = ".lock"
# Smaller parts of a file are joined, up to about this many bytes, before they are written.
SMALL_PART = 16 << 10
JOINED_PARTS = 1 << 20
# A temporary file that was not written to for this many seconds belongs to a process that was killed.
TEMPORARY_SECONDS = 60.0


class LocalStorage:
    """Small files below one folder; see `flownb.store.storage.Storage`.

    Parameters
    ----------
    root : Path
        Made, for the user alone, when something is first written. It may be a link; links below it are refused.
    prefix : str
        The folder below the root, under the same lock.
    """

    has_locks = True

    def __init__(self, root: Path, *, prefix: str = "") -> None:
        self._outermost = Place(root)
        self._place = self._outermost.below(prefix) if prefix else self._outermost
        self.root = root / prefix
        self.location = str(self.root)

    def path(self, name: str) -> str:
        """Where a file is kept; a text, because making a `Path` of it costs more than opening it."""
        return self._place.path(name)

    def read(self, name: str) -> bytes | None:
        """The whole content, None if there is no such file."""
        try:
            return read_all(self._place.open(name, os.O_RDONLY))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise store_error(error, self.root) from error

    def read_many(self, names: Sequence[str]) -> list[bytes | None]:
        """`read` for each name."""
        return [self.read(name) for name in names]

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file or nothing, over one that is there."""
        self._put(name, content, Folder.rename)

    def create(self, name: str, content: bytes) -> bool:
        """Write a whole file unless the name is taken; of all processes that try, one gets True."""
        try:
            self._put(name, content, _link)
        except FileExistsError:
            return False
        return True

    def _put(self, name: str, content: bytes, put: Callable[[Folder, str, str], object]) -> None:
        """Write a temporary file and have `put` give it its name."""
        try:
            with temporary_file(self._place, name) as (file, temporary, folder):
                write_all(file, [content])
                put(folder, temporary, name.rpartition("/")[2])
        except FileExistsError:
            raise
        except OSError as error:
            raise store_error(error, self.root) from error

    def appender(self, name: str) -> LocalAppender:
        """What writes a new file piece by piece."""
        return LocalAppender(self._place, name)

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        try:
            return stat.S_ISREG(self._place.lstat(name).st_mode)
        except (OSError, ValueError):
            return False

    def delete(self, names: Iterable[str]) -> None:
        """Remove files; folders left empty vanish."""
        for folder, some in groupby(names, lambda name: name.rpartition("/")[0]):
            try:
                with self._place.folder(folder) as opened:
                    for name in some:
                        with contextlib.suppress(FileNotFoundError):
                            opened.unlink(name.rpartition("/")[2])
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise store_error(error, self.root) from error
            self._place.remove_empty(folder)

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below `prefix`, sorted."""
        return self._names(prefix, folders=True)

    def files(self, prefix: str) -> list[str]:
        """Names of the files directly below `prefix`, sorted."""
        return self._names(prefix, folders=False)

    def _names(self, prefix: str, *, folders: bool) -> list[str]:
        try:
            return sorted(self._place.names(prefix, folders=folders))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise store_error(error, self.root) from error

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All files below `prefix` at any depth, in no order."""
        try:
            for name, status in self._place.walk(prefix):
                if name[name.rfind("/") + 1] != ".":
                    yield Entry(name, status.st_size, status.st_mtime)
        except OSError as error:
            raise store_error(error, self.root) from error

    def stamp(self, prefix: str) -> object:
        """When a file was last added directly below `prefix`, in nanoseconds; 0 if there is none."""
        try:
            return self._place.lstat(prefix).st_mtime_ns
        except OSError:
            return 0

    @contextlib.contextmanager
    def lock(self, *, exclusive: bool) -> Iterator[None]:
        """Hold the folder's lock, shared or exclusive; it is released when the process ends."""
        try:
            file = self._outermost.open_new(LOCK, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise store_error(error, self.root) from error
        try:
            _flock(file, exclusive)
            yield
        finally:
            os.close(file)

    def clear_temporary(self) -> int:
        """Remove temporary files that no process can still be writing; returns their bytes."""
        before = time.time() - TEMPORARY_SECONDS
        freed = 0
        try:
            for name, status in self._place.walk():
                folder, _, last = name.rpartition("/")
                if last.startswith(".") and last.endswith(".tmp") and status.st_mtime < before:
                    self._place.unlink(name)
                    self._place.remove_empty(folder)
                    freed += status.st_size
        except OSError as error:
            raise store_error(error, self.root) from error
        return freed

    def below(self, name: str) -> LocalStorage:
        """A folder in this one, under the same lock."""
        return LocalStorage(self._place.root, prefix=self._place.below(name).prefix)

    def create_held(self, name: str, content: bytes) -> Callable[[], None] | None:
        """Like `create`; a lock marks the file as in use, and is released when the process ends."""
        held: int | None = None

        def put(folder: Folder, temporary: str, last: str) -> None:
            nonlocal held
            held = _held(folder, temporary)
            _link(folder, temporary, last)
            if not os.path.samestat(folder.lstat(last), os.fstat(held)):  # a file system without hard links
                os.close(held)
                held = _held(folder, last)

        try:
            self._put(name, content, put)
        except BaseException as error:
            if held is not None:
                os.close(held)
            if isinstance(error, FileExistsError):
                return None
            raise
        assert held is not None
        _HELD.add(held)
        return weakref.finalize(self, _let_go, held)

    def is_held(self, name: str) -> bool | None:
        """Whether a process that is alive has marked a file as in use; None if the file system has no locks."""
        try:
            import fcntl

            with open(self._place.open(name, os.O_RDONLY), "rb", buffering=0) as file:  # noqa: PTH123 # a descriptor
                # Shared, so that two processes that ask at once do not mistake each other for the owner.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        except (ImportError, OSError):
            return None
        return False

    def ages(self, names: Sequence[str]) -> list[float | None]:
        """Seconds since files were last written; by this machine's clock: a file system shows no clock."""
        now = time.time()
        return [None if stamp == 0 else max(0.0, now - stamp) for stamp in map(self._modified, names)]

    def _modified(self, name: str) -> float:
        """When a file was last written, 0 if there is none."""
        try:
            return self._place.lstat(name).st_mtime
        except OSError:
            return 0.0

    def sync(self) -> None:
        """Have the file system write everything to the disk; on Linux only the folder's file system."""
        try:
            file = self._place.open("", os.O_RDONLY)
        except (OSError, StoreError):
            return
        try:
            if _syncfs is None or _syncfs(file) != 0:
                os.sync()
        finally:
            os.close(file)


class LocalAppender:
    """Writes one file that grows; see `flownb.store.storage.Appender`.

    The file is opened for each piece: many can grow at once without as many open files.
    """

    def __init__(self, place: Place, name: str) -> None:
        self._place = place
        self._name = name
        self._made = False

    def add(self, content: bytes) -> None:
        """Add to the end, at once; a file that was removed since the first piece is not made again."""
        flags = os.O_WRONLY | os.O_APPEND
        try:
            open_new = self._place.open_new
            file = self._place.open(self._name, flags) if self._made else open_new(self._name, flags | os.O_CREAT)
            self._made = True
            try:
                write_all(file, [content])
            finally:
                os.close(file)
        except OSError as error:
            raise store_error(error, Path(self._place.location)) from error

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is held open."""

    def is_settled(self) -> bool:
        """Always: each piece is written at once."""
        return True

    def settle(self) -> None:
        """Nothing waits."""


def _link(folder: Folder, temporary: str, name: str) -> None:
    """Give a file its name unless the name is taken."""
    try:
        folder.link(temporary, name)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without hard links: the name is taken first and filled afterwards.
        with (
            open(folder.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file,  # noqa: PTH123 # descriptors
            open(folder.open(temporary, os.O_RDONLY), "rb") as content,  # noqa: PTH123
        ):
            file.write(content.read())


# Open files whose locks say that this process lives.
_HELD: set[int] = set()


def _held(folder: Folder, name: str) -> int:
    """Open a file and lock it, where there are locks; writing, for a network file system asks that of such a lock."""
    file = folder.open(name, os.O_WRONLY)
    with contextlib.suppress(StoreError):
        _flock(file, True)
    return file


def _let_go(file: int) -> None:
    """Close a locked file, unless a fork has closed it."""
    if file in _HELD:
        _HELD.discard(file)
        os.close(file)


def _after_fork() -> None:
    """Close locked files in a forked process, which would keep them locked when its parent dies."""
    while _HELD:
        os.close(_HELD.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _flock(file: int, exclusive: bool) -> None:
    """Wait for a lock on an open file; without locks, writers continue, and clearing up is refused."""
    try:
        import fcntl
    except ImportError as error:  # Windows
        refused: Exception = error
    else:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            return
        except OSError as error:
            refused = error
    if exclusive:
        raise StoreError(
            "This datastore cannot be cleared up: its file system has no locks.",
            f"{type(refused).__name__}: {refused}. So it is not known whether a process is writing to it.",
            "Move it to another file system.",
        ) from refused


@contextlib.contextmanager
def temporary_file(place: Place, name: str) -> Iterator[tuple[int, str, Folder]]:
    """A new file beside `name`, open for writing, and its folder; it is gone afterwards unless it was renamed."""
    outer, _, last = name.rpartition("/")
    temporary = f".{last[:16]}-{secrets.token_hex(6)}.tmp"
    for _ in range(100):
        with contextlib.ExitStack() as stack:
            try:
                folder = stack.enter_context(contextlib.closing(place.make(outer)))
                file = folder.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            except FileNotFoundError:  # another process has just removed the folder because it was empty
                continue
            stack.pop_all()
            break
    else:
        raise FileNotFoundError(errno.ENOENT, "The folder vanishes again and again", place.path(outer))
    try:
        yield file, temporary, folder
    finally:
        os.close(file)
        if temporary not in folder.renamed:
            with contextlib.suppress(OSError):
                folder.unlink(temporary)
        folder.close()


def read_all(file: int) -> bytes:
    """The content of an open file, which is closed; in as few calls as possible, since manifests are small."""
    try:
        size = os.fstat(file).st_size
        content = os.read(file, size + 1)
        if len(content) == size:
            return content
        parts = [content]  # it grows, or is larger than one read returns
        while content := os.read(file, 1 << 20):
            parts.append(content)
        return b"".join(parts)
    finally:
        os.close(file)


def write_all(file: int, parts: Sequence[Part]) -> None:
    """Write all parts; the kernel takes at most 2 GiB at once."""
    for part in _joined(parts):
        view = memoryview(part).cast("B")
        while view.nbytes:
            view = view[os.write(file, view) :]


def _joined(parts: Sequence[Part]) -> Iterator[Part]:
    """The parts with small ones put together: a write of its own costs more than a copy."""
    small: list[Part] = []
    size = 0
    for part in parts:
        length = part.nbytes if isinstance(part, memoryview) else len(part)
        if length < SMALL_PART:
            small.append(part)
            size += length
        if small and (size >= JOINED_PARTS or length >= SMALL_PART):
            yield b"".join(small)
            small, size = [], 0
        if length >= SMALL_PART:
            yield part
    yield b"".join(small)


def store_error(error: OSError, root: Path) -> StoreError:
    """The error for a failed read or write of the datastore: what it means and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreError(
            f"The datastore `{root}` is full.",
            f"{error.strerror}; nothing of the artifact was kept, all earlier ones are.",
            "Free some space (`flownb gc` removes what no run needs), or set FLOWNB_DATASTORE to a folder on another "
            "disk, and run the step again.",
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return StoreError(
            f"The datastore `{root}` cannot be used: too many files are open.",
            f"{error.strerror}.",
            "Close what your code has open, or raise the limit (ulimit -n).",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(
            f"The datastore `{root}` cannot be written.",
            f"{error.strerror}.",
            "Make the folder writable, or set FLOWNB_DATASTORE to a writable one.",
        )
    if error.errno == errno.ENAMETOOLONG:
        return StoreError(
            f"The datastore `{root}` cannot store a name.",
            f"{error.strerror}: file systems allow 255 bytes, and names of flows and steps are names of folders.",
            "Give the flow or step a shorter name.",
        )
    in_the_way = _file_in_the_way(error, root) if error.errno in (errno.ENOTDIR, errno.EEXIST) else None
    if in_the_way is not None:
        return StoreError(
            f"The datastore `{root}` cannot be used.",
            f"`{in_the_way}` is a file, where a folder is expected.",
            "Move that file away, or set FLOWNB_DATASTORE to another folder.",
        )
    return StoreError(
        f"The datastore `{root}` cannot be used.",
        f"{error.strerror or error}.",
        "Check the folder, or set FLOWNB_DATASTORE to another one.",
    )


def _file_in_the_way(error: OSError, root: Path) -> Path | None:
    """The file that is where a folder of the datastore should be, if that is what an error is about."""
    named = Path(error.filename) if isinstance(error.filename, str) else root
    for path in (root, named) if named.is_absolute() else (root,):
        for part in (*reversed(path.parents), path):
            if part.is_file() and (part != named or part == root or error.errno == errno.ENOTDIR):
                return part
    return None


_syncfs: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "syncfs", None) if sys.platform == "linux" else None
