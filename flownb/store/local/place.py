"""A folder below which no link is followed, so that nothing outside of it is read, written or removed.

The folder itself may be a link, and so may folders above it. A link below it is refused, and the error names it. Paths
are opened in one system call where the kernel can refuse links (``openat2``, Linux 5.6), elsewhere folder by folder;
where Python has no descriptors of folders (Windows), each part of a path is checked before the path is used.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flownb.errors import StoreError

__all__ = ["Folder", "Place", "refused_link"]

# Errors of opening a link that must not be followed; a link instead of a folder counts as not a folder.
LINKED = {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
# For a folder on the way to a file; where this flag is missing, the folder must be readable.
PATH_ONLY = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
BY_DESCRIPTOR = bool(NO_FOLLOW) and {os.open, os.unlink, os.mkdir, os.rmdir, os.rename} <= os.supports_dir_fd


class Place:
    """A folder, by the names of files below it.

    Parameters
    ----------
    root : Path
        The outermost folder, which may be a link and need not exist.
    prefix : str
        Where the folder is below it, with ``/``; its parts may not be links.
    """

    def __init__(self, root: Path, prefix: str = "") -> None:
        self.root = root
        self.prefix = prefix
        self.location = f"{root}/{prefix}" if prefix else str(root)
        # The root with all links above it resolved; found when first needed, and again when that fails.
        self._real = ""

    def below(self, name: str) -> Place:
        """A folder in this one."""
        return Place(self.root, f"{self.prefix}/{name}" if self.prefix else name)

    def path(self, name: str) -> str:
        """A file's path, for system calls that follow no link; a text, because making a `Path` is slower."""
        return f"{self.location}/{name}"

    def lstat(self, name: str) -> os.stat_result:
        """What is known of a file or link."""
        return os.lstat(self.path(name))

    def open(self, name: str, flags: int) -> int:
        """Open a file or folder; an empty name is the folder itself.

        Raises
        ------
        StoreError
            If it is a link, or if one of the folders on the way is.
        OSError
            If it cannot be opened.
        """
        for last in (False, True):
            real = self._real or self._resolve()
            try:
                return _open(real, self._inner(name), flags)
            except OSError as error:
                if error.errno not in LINKED:
                    raise
                self._refuse_link(name)
                # A folder above the root may have become a link meanwhile.
                if last or real == self._resolve():
                    raise
        raise AssertionError

    def open_new(self, name: str, flags: int) -> int:
        """Open a file that may be the first of its folder, which is then made."""
        for _ in range(100):
            try:
                return self.open(name, flags)
            except FileNotFoundError:  # no folder yet, or another process has just removed it because it was empty
                with contextlib.suppress(FileNotFoundError, FileExistsError):
                    self.make(name.rpartition("/")[0]).close()
        raise FileNotFoundError(errno.ENOENT, "The folder vanishes again and again", self.path(name))

    @contextlib.contextmanager
    def folder(self, name: str) -> Iterator[Folder]:
        """An existing folder, to change what is in it."""
        folder = self._folder(name)
        try:
            yield folder
        finally:
            folder.close()

    def _folder(self, name: str) -> Folder:
        if BY_DESCRIPTOR:
            return Folder(self.open(name, PATH_ONLY), "")
        real = self._real or self._resolve()
        path = "/".join(part for part in (real, self._inner(name)) if part)
        self._refuse_link(name)
        if not os.path.isdir(path):  # noqa: PTH112 # a text
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return Folder(None, path)

    def make(self, name: str) -> Folder:
        """Make a folder and those above it; the root is for the user alone: artifacts can be private."""
        try:
            return self._folder(name)
        except FileNotFoundError:
            pass
        if not self._inner(name):
            self._resolve()
            Path(self._real).mkdir(parents=True, exist_ok=True, mode=0o700)
            return self._folder(name)
        outer, _, last = name.rpartition("/")
        above = self.make(outer) if name else Place(self.root, self.prefix.rpartition("/")[0]).make("")
        with contextlib.closing(above), contextlib.suppress(FileExistsError):
            above.mkdir(last if name else self.prefix.rpartition("/")[2])
        return self._folder(name)

    def scan(self, name: str) -> list[tuple[str, os.stat_result]]:
        """What is directly in a folder; what vanishes meanwhile is left out, and so are hidden links.

        Raises
        ------
        StoreError
            If there is a link in it.
        OSError
            If it cannot be read.
        """
        found = []
        with self._entries(name) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_symlink():
                        if entry.name[0] == ".":
                            continue
                        raise refused_link(str(self.root), self._inner(f"{name}/{entry.name}".lstrip("/")))
                    found.append((entry.name, entry.stat(follow_symlinks=False)))
        return found

    def names(self, name: str, *, folders: bool) -> list[str]:
        """Names of the files or folders directly in a folder, in no order, hidden ones left out."""
        found = []
        with self._entries(name) as entries:
            for entry in entries:
                if entry.name[0] == ".":
                    continue
                if entry.is_symlink():
                    raise refused_link(str(self.root), self._inner(f"{name}/{entry.name}".lstrip("/")))
                if entry.is_dir(follow_symlinks=False) == folders:
                    found.append(entry.name)
        return found

    @contextlib.contextmanager
    def _entries(self, name: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        """The entries of a folder, by `os.scandir`."""
        if not BY_DESCRIPTOR:
            with self.folder(name) as folder, os.scandir(folder.path) as entries:
                yield entries
            return
        file = self.open(name, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            with os.scandir(file) as entries:
                yield entries
        finally:
            os.close(file)

    def walk(self, name: str = "") -> Iterator[tuple[str, os.stat_result]]:
        """All files below a folder, temporary ones too; those that vanish meanwhile are ignored.

        Raises
        ------
        StoreError
            If there is a link among them.
        OSError
            If a folder cannot be read.
        """
        ahead = [name]
        while ahead:
            folder = ahead.pop()
            try:
                found = self.scan(folder)
            except (FileNotFoundError, NotADirectoryError):
                continue
            for last, status in found:
                path = f"{folder}/{last}" if folder else last
                if stat.S_ISDIR(status.st_mode):
                    ahead.append(path)
                else:
                    yield path, status

    def unlink(self, name: str) -> None:
        """Remove a file; a missing one is ignored."""
        outer, _, last = name.rpartition("/")
        with contextlib.suppress(FileNotFoundError), self.folder(outer) as folder:
            folder.unlink(last)

    def remove_empty(self, name: str) -> None:
        """Remove a folder and those above it, below this place, as far as they are empty."""
        while name:
            outer, _, last = name.rpartition("/")
            try:
                with self.folder(outer) as folder:
                    folder.rmdir(last)
            except (OSError, StoreError):
                return
            name = outer

    def _inner(self, name: str) -> str:
        """A name below the root."""
        return f"{self.prefix}/{name}".strip("/") if self.prefix else name

    def _resolve(self) -> str:
        """Find the root again."""
        self._real = os.path.realpath(self.root)
        return self._real

    def _refuse_link(self, name: str) -> None:
        """Raise if a file, or a folder on the way to it, is a link."""
        path = self._inner(name)
        parts = path.split("/") if path else []
        for count in range(1, len(parts) + 1):
            some = "/".join(parts[:count])
            if _is_link(f"{self.root}/{some}"):
                raise refused_link(str(self.root), some)


class Folder:
    """An open folder, in which files are made, renamed and removed by their last names.

    Parameters
    ----------
    file : int or None
        Its descriptor, where there are such.
    path : str
        Its path where there are none.
    """

    def __init__(self, file: int | None, path: str) -> None:
        self._file = file
        self.path = path
        self.renamed: set[str] = set()  # names that no longer exist

    def close(self) -> None:
        """Close its descriptor."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _at(self, name: str) -> tuple[str, dict[str, Any]]:
        """How a file in it is passed to functions of `os`."""
        return (f"{self.path}/{name}", {}) if self._file is None else (name, {"dir_fd": self._file})

    def open(self, name: str, flags: int) -> int:
        """Open a file that is not a link."""
        path, options = self._at(name)
        return os.open(path, flags | NO_FOLLOW, 0o666, **options)

    def rename(self, name: str, other: str) -> None:
        """Rename a file, replacing what has the name."""
        if self._file is None:
            os.replace(self._at(name)[0], self._at(other)[0])
        else:
            os.replace(name, other, src_dir_fd=self._file, dst_dir_fd=self._file)
        self.renamed.add(name)

    def link(self, name: str, other: str) -> None:
        """Give a file a second name, which must be free."""
        if self._file is None:
            os.link(self._at(name)[0], self._at(other)[0])
        else:
            os.link(name, other, src_dir_fd=self._file, dst_dir_fd=self._file)

    def lstat(self, name: str) -> os.stat_result:
        """What is known of a file."""
        path, options = self._at(name)
        return os.stat(path, follow_symlinks=False, **options)

    def unlink(self, name: str) -> None:
        """Remove a file, or a link itself."""
        path, options = self._at(name)
        os.unlink(path, **options)

    def mkdir(self, name: str) -> None:
        """Make a folder."""
        path, options = self._at(name)
        os.mkdir(path, **options)  # noqa: PTH102 # in an open folder

    def rmdir(self, name: str) -> None:
        """Remove an empty folder."""
        path, options = self._at(name)
        os.rmdir(path, **options)


def refused_link(location: str, name: str) -> StoreError:
    """The error for a link below the folder."""
    return StoreError(
        f"`{location}/{name}` is a link.",
        f"No link below `{location}` is followed: its target could be overwritten or removed.",
        "Replace the link with its target. To keep everything elsewhere, move the whole folder and make that the link.",
    )


def _is_link(path: str) -> bool:
    """Whether something is a link, or on Windows a junction."""
    return Path(path).is_symlink() or getattr(os.path, "isjunction", lambda path: False)(path)


def _open(root: str, name: str, flags: int) -> int:
    """Open what is below a folder without links; `root` itself is a path without links."""
    if _openat2 is not None:
        return _openat2(f"{root}/{name}" if name else root, flags)
    if not BY_DESCRIPTOR:
        _look(root, name)
        return os.open(f"{root}/{name}" if name else root, flags, 0o666)
    if not name:
        return os.open(root, flags, 0o666)
    *folders, last = name.split("/")
    file = os.open(root, PATH_ONLY)
    try:
        for folder in folders:
            inner = os.open(folder, PATH_ONLY | NO_FOLLOW, dir_fd=file)
            os.close(file)
            file = inner
        return os.open(last, flags | NO_FOLLOW, 0o666, dir_fd=file)
    finally:
        os.close(file)


def _look(root: str, name: str) -> None:
    """Raise if a part of a path below a folder is a link."""
    path = root
    for part in name.split("/") if name else ():
        path = f"{path}/{part}"
        if _is_link(path):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


class _OpenHow(ctypes.Structure):
    """``struct open_how`` of ``openat2(2)``."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class _OpenAt2:
    """The system call, which Python has no function for."""

    NUMBER, CWD, NO_SYMLINKS = 437, -100, 0x04

    def __init__(self) -> None:
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._size = ctypes.sizeof(_OpenHow)
        self._hows: dict[int, Any] = {}

    def __call__(self, path: str, flags: int) -> int:
        how = self._hows.get(flags)
        if how is None:
            mode = 0o666 if flags & os.O_CREAT else 0
            how = self._hows[flags] = ctypes.byref(_OpenHow(flags | os.O_CLOEXEC, mode, self.NO_SYMLINKS))
        while True:
            file: int = self._call(self.NUMBER, self.CWD, os.fsencode(path), how, self._size)
            if file >= 0:
                return file
            code = ctypes.get_errno()
            if code not in (errno.EINTR, errno.EAGAIN):
                raise OSError(code, os.strerror(code), path)


def _found() -> _OpenAt2 | None:
    """The call, if this kernel has it and allows it."""
    if sys.platform != "linux":
        return None
    call = _OpenAt2()
    try:
        os.close(call("/", PATH_ONLY))
    except OSError:  # an older kernel, or a container that does not know it
        return None
    return call


_openat2 = _found()
