"""Files that appear whole or not at all, and what an error of the file system means.

Temporary names begin with a dot; `flownb gc` clears those a killed process left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from flownb.errors import StoreError
from flownb.store.storage import Part

__all__ = ["open_new", "remove_empty", "store_error", "temporary_file", "walk", "write_all"]


@contextlib.contextmanager
def temporary_file(root: Path, path: str) -> Iterator[tuple[int, str]]:
    """A new file beside `path`, open for writing, that is gone afterwards unless it was renamed."""
    folder, _, name = path.rpartition("/")
    temporary = f"{folder}/.{name[:16]}-{secrets.token_hex(6)}.tmp"
    file = open_new(root, temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        yield file, temporary
    finally:
        os.close(file)
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 # as in `LocalStorage.path`


def open_new(root: Path, path: str, flags: int) -> int:
    """Open a file below `root` that may be the first of its folder."""
    folder = path.rpartition("/")[0]
    for _ in range(100):
        try:
            return os.open(path, flags, 0o666)
        except FileNotFoundError:  # no folder yet, or another process has just removed it because it was empty
            # Artifacts can hold private data: the root is the user's alone.
            with contextlib.suppress(FileNotFoundError, FileExistsError):
                root.mkdir(parents=True, exist_ok=True, mode=0o700)
                Path(folder).mkdir(parents=True, exist_ok=True)
    raise FileNotFoundError(errno.ENOENT, "The folder vanishes again and again", folder)


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


def remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and those above it, below `root`, as far as they are empty."""
    while folder != root and root in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def store_error(error: OSError, root: Path) -> StoreError:
    """Say what a failed write or read of the datastore means and what to do."""
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
            "Make the folder writable, or set FLOWNB_DATASTORE to one that is.",
        )
    return StoreError(
        f"The datastore `{root}` cannot be used.",
        f"{error.strerror or error}.",
        "Check the folder, or set FLOWNB_DATASTORE to another one.",
    )
