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
from flownb.store.local.place import Folder, Place
from flownb.store.storage import Part

__all__ = ["read_all", "store_error", "temporary_file", "write_all"]


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
    """The content of an open file, which is closed; in as few calls as there can be, since manifests are small."""
    try:
        size = os.fstat(file).st_size
        content = os.read(file, size + 1)
        if len(content) == size:
            return content
        parts = [content]  # it grows, or is larger than one read gives
        while content := os.read(file, 1 << 20):
            parts.append(content)
        return b"".join(parts)
    finally:
        os.close(file)


def write_all(file: int, parts: Sequence[Part]) -> None:
    """Write all parts; the kernel takes at most 2 GiB at once."""
    for part in parts:
        view = memoryview(part).cast("B")
        while view.nbytes:
            view = view[os.write(file, view) :]


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
    if error.errno == errno.ENAMETOOLONG:
        return StoreError(
            f"The datastore `{root}` cannot hold a name.",
            f"{error.strerror}: file systems take 255 bytes, and names of flows and steps are names of folders.",
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
