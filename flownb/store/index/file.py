"""The index's file: made when needed, replaced when damaged, shared by any number of processes.

Callers pass functions that work in one transaction. Layout of the folder::

    current.SCHEMA          the name of the file in use, one line
    TOKEN.sqlite            the index; a name is never used again
    TOKEN.sqlite-wal, -shm  SQLite's own

A file in use is never written over or renamed, because SQLite would then use its ``-wal`` with the new file
(https://www.sqlite.org/howtocorrupt.html, 1.4): a new file gets a new name, and ``current`` is switched to it. A
process that has the old one open notices at its next transaction, and what it wrote there in between is read again from
the manifests (`flownb.store.index`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import sqlite3
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from flownb.errors import StoreError
from flownb.store.index.tables import APPLICATION, SCHEMA, TABLES

__all__ = ["IndexFile"]

T = TypeVar("T")

# A writer holds the lock for well below a millisecond; waiting this many seconds means that something is stuck.
BUSY_SECONDS = 10.0
# Files that are not in use and were not touched for this many seconds were left by a killed process.
STALE_SECONDS = 3600.0
BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# The place is at fault, not the file: another file there would fail too.
PLACE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_FULL, sqlite3.SQLITE_PROTOCOL}

# Values are at fault, not the file.
DATA = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError)


class IndexFile:
    """One SQLite file in a folder of its own.

    There is one connection for each process, which its threads use in turn. It is closed before a fork, because
    SQLite keeps its locks by process and would assume in a child that it holds the parent's.

    Parameters
    ----------
    folder : Path
        Need not exist. If nothing can be written there, the index is a temporary one of this process.
    store : str
        The id of the datastore; a file that was made for another one is replaced.
    root : Path, optional
        The folder below which the path may not contain a link; None means the one that `folder` is in.
    """

    def __init__(self, folder: Path, *, store: str = "", root: Path | None = None) -> None:
        self.folder = folder
        self._root = root or folder.parent
        self._store = store
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        # What it waits at most, in seconds.
        self._patience = 0.0
        self._path = folder
        self._stamp: tuple[int, int] | None = None
        _FILES.add(self)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        with self._lock:
            db, self._db, self._stamp, self._patience = self._db, None, None, 0.0
            if db is not None:
                with contextlib.suppress(sqlite3.Error):
                    db.close()

    def opened(self) -> Path:
        """The file in use; work between two calls that return the same was done on one file."""
        return self.read(lambda db: self._path)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on one consistent state.

        Raises
        ------
        StoreError
            If no index can be used, not even a temporary one.
        """
        return self._run("BEGIN", work)

    def write(self, work: Callable[[sqlite3.Connection], T], *, patience: float | None = None) -> T:
        """Run `work` as the only writer; all it did is kept or, if it raises, nothing.

        Parameters
        ----------
        work : callable
        patience : float, optional
            Seconds to wait while others hold the file; None waits `BUSY_SECONDS`.

        Raises
        ------
        StoreError
            If no index can be used, not even a temporary one, or the time is over.
        """
        return self._run("BEGIN IMMEDIATE", work, patience)

    @contextlib.contextmanager
    def successor(self) -> Iterator[IndexFile]:
        """A new, empty index, which takes this one's place when the block ends well."""
        name = f"{secrets.token_hex(8)}.sqlite"
        with tempfile.TemporaryDirectory(dir=self._made_folder(), prefix="rebuild-") as place:
            fresh = IndexFile(Path(place), store=self._store)
            try:
                yield fresh
                # Closing the only connection moves all into the file itself, which then may be renamed.
                path = fresh.opened()
            finally:
                fresh.close()
            os.replace(path, self.folder / name)
        self._switch(name)
        self._sweep()

    def _run(self, begin: str, work: Callable[[sqlite3.Connection], T], patience: float | None = None) -> T:
        """`read` and `write`: repair what is wrong with the file, then try again."""
        patience = BUSY_SECONDS if patience is None else patience
        deadline = time.monotonic() + patience
        tries = 0
        while True:
            with self._turn(patience):
                try:
                    db = self._connection(patience)
                    db.execute(begin)
                    try:
                        result = work(db)
                        db.execute("COMMIT")
                    except BaseException:
                        with contextlib.suppress(sqlite3.Error):
                            db.execute("ROLLBACK")
                        raise
                    return result
                except DATA as error:
                    # The file is as good as another one, which would refuse the same.
                    raise self._unusable(f"{type(error).__name__}: {error}.") from error
                except (sqlite3.Error, OSError) as error:
                    tries += 1
                    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                    busy = code in BUSY
                    if time.monotonic() >= deadline if busy else tries > 4:
                        raise self._unusable(f"{type(error).__name__}: {error}.") from error
                    if not busy:
                        self._mend(place=isinstance(error, OSError) or _is_place(error) or tries > 2)

    @contextlib.contextmanager
    def _turn(self, patience: float) -> Iterator[None]:
        """Have the connection for this thread alone; another one may be waiting with it for another process."""
        if not self._lock.acquire(timeout=patience):
            raise self._unusable("Another thread has been waiting for it.")
        try:
            yield
        finally:
            self._lock.release()

    def _unusable(self, why: str) -> StoreError:
        return StoreError(
            f"The index `{self.folder}` cannot be used.",
            why,
            "Remove that folder: everything in it is also in the manifests.",
        )

    def _mend(self, *, place: bool) -> None:
        """Switch to a new file, in a temporary folder if the place cannot be written."""
        failed = self._stamp
        self.close()
        if not place and failed != _stamp(self._pointer()):
            return  # another process was faster
        if not place:
            try:
                old = self._current()
                self._switch(self._make())
                if old is not None:
                    _remove(old)
                return
            except (OSError, sqlite3.Error):
                self.close()
        folder = tempfile.mkdtemp(prefix="flownb-index-")
        self._root = Path(folder).parent
        weakref.finalize(self, _remove_own, folder, os.getpid())
        self.folder = Path(folder)

    def _connection(self, patience: float) -> sqlite3.Connection:
        """The connection, opened again if another process switched files; it waits up to `patience` seconds."""
        pointer = self._pointer()
        stamp = _stamp(pointer)
        if self._db is not None and stamp is not None and stamp == self._stamp:
            self._wait(self._db, patience)
            return self._db
        self.close()
        if stamp is None:
            self._switch(self._make(), only_if_none=True)
            stamp = _stamp(pointer)
        self._stamp = stamp
        path = self._current()
        if path is None:
            raise sqlite3.DatabaseError("there is no current index")
        self._refuse_links(self.folder, path)
        self._path, self._db = path, _open(path, "rw")
        self._wait(self._db, patience)
        found = [self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        store = self._db.execute("SELECT store FROM meta").fetchone()
        if found != [APPLICATION, SCHEMA] or store != (self._store,):
            raise sqlite3.DatabaseError("the file is another version's or another datastore's")
        return self._db

    def _wait(self, db: sqlite3.Connection, patience: float) -> None:
        """Have a connection wait this many seconds for others."""
        if patience != self._patience:
            db.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")
            self._patience = patience

    def _pointer(self) -> Path:
        return self.folder / f"current.{SCHEMA}"

    def _current(self) -> Path | None:
        """The file in use; None if there is none, or if what names it is damaged."""
        try:
            name = self._pointer().read_text(encoding="ascii").strip()
        except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
            return None
        return self.folder / name if name.removesuffix(".sqlite").isalnum() else None

    def _made_folder(self) -> Path:
        # What is listed can be private: as the store's root, the folder is the user's alone.
        self._refuse_links(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.folder

    def _refuse_links(self, *paths: Path) -> None:
        """Raise if the folder or a file in it is a link: nothing outside may be written, or removed as left over.

        SQLite opens its files by their paths, and follows no link in the last part of those beside the index itself.
        """
        on_the_way = (path for path in self.folder.parents if self._root in path.parents)
        for path in (*on_the_way, *paths):
            if path.is_symlink():
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))

    def _make(self) -> str:
        """Make an empty index; its name."""
        path = self._made_folder() / f"{secrets.token_hex(8)}.sqlite"
        db = _open(path, "rwc")
        try:
            # No other process knows the file yet, so nothing is lost with it: syncing it would cost tens of
            # milliseconds.
            db.execute("PRAGMA synchronous = OFF")
            # Where it is not possible, SQLite keeps its rollback journal, under which readers and writers take turns.
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(f"BEGIN; {TABLES}")
            db.execute("INSERT INTO meta VALUES (?)", (self._store,))
            db.execute("COMMIT")
        finally:
            db.close()
        return path.name

    def _switch(self, name: str, *, only_if_none: bool = False) -> None:
        """Make a file the one in use; `only_if_none` leaves it to another process that was faster."""
        temporary = self.folder / f".current-{secrets.token_hex(6)}.tmp"
        self._refuse_links(self.folder)
        with temporary.open("x", encoding="ascii") as file:
            file.write(f"{name}\n")
        try:
            if only_if_none:
                try:
                    os.link(temporary, self._pointer())
                except FileExistsError:
                    _remove(self.folder / name)
            else:
                os.replace(temporary, self._pointer())
        finally:
            temporary.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove files that are no longer in use."""
        self._refuse_links(self.folder)
        current, now = self._current(), time.time()
        for path in self.folder.iterdir():
            if path.name.startswith(("current.", f"{current.name if current else ''}")):
                continue
            with contextlib.suppress(OSError):
                if path.suffix == ".sqlite":
                    if current is not None and path.stat().st_mtime < current.stat().st_mtime:
                        _remove(path)
                elif now - path.lstat().st_mtime > STALE_SECONDS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _open(path: Path, mode: str) -> sqlite3.Connection:
    """Open a file; unless `mode` says so, a missing one is not made."""
    db = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    # With WAL only checkpoints sync, every 16 MB: a power failure may lose the newest rows, not the file.
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA wal_autocheckpoint = 4000")
    return db


def _is_place(error: Exception) -> bool:
    """Whether another file in the same folder would fail too."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in PLACE and code != sqlite3.SQLITE_READONLY_DBMOVED


def _stamp(path: Path) -> tuple[int, int] | None:
    """What differs once a file was replaced; None if there is none."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_ino, found.st_mtime_ns


def _remove(path: Path) -> None:
    """Remove a file and SQLite's files beside it; a process that has them open can still use them."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(OSError):
            path.with_name(path.name + suffix).unlink()


def _remove_own(folder: str, pid: int) -> None:
    """Remove a temporary folder, unless this is a fork of the process that made it."""
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


_FILES: weakref.WeakSet[IndexFile] = weakref.WeakSet()


def _before_fork() -> None:
    for file in list(_FILES):
        file._lock.acquire()
        file.close()


def _after_fork_in_parent() -> None:
    for file in list(_FILES):
        with contextlib.suppress(RuntimeError):  # made by another thread since
            file._lock.release()


def _after_fork_in_child() -> None:
    for file in list(_FILES):
        file._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
