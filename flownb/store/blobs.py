"""Content-addressed blobs in a folder.

Takes bytes, gives their key (blake3, hex) and a private map of them again. A blob is written under a temporary name
and renamed, so a name either does not exist or holds the whole content; every blob is verified against its key when a
process first reads it.
"""

from __future__ import annotations

import errno
import mmap
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from blake3 import blake3

from flownb.errors import CorruptBlob, StoreError

__all__ = ["LocalBlobs", "store_error"]

# One thread hashes small blobs faster than several do.
THREADED_FROM = 1 << 20


class LocalBlobs:
    """Blobs below one folder, as ``ab/abcdef…``.

    Parameters
    ----------
    root : Path
        Made when the first blob is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        # Blobs this process wrote or verified, by key, as (inode, mtime, size): a file that changed is verified anew.
        self._trusted: dict[str, tuple[int, int, int]] = {}

    def path(self, key: str) -> Path:
        """Where the blob of that key is kept."""
        return self.root / key[:2] / key

    def put(self, parts: Sequence[memoryview | bytes], key: str | None = None) -> str:
        """Write a blob unless it is there.

        Parameters
        ----------
        parts : sequence of bytes-like
            Joined, they are the content.
        key : str, optional
            Their key, if the caller has computed it.

        Returns
        -------
        str
            The key: 64 hexadecimal digits.

        Raises
        ------
        StoreError
            If the folder cannot be written or the disk is full; nothing is left behind.
        """
        size = sum(_nbytes(part) for part in parts)
        key = key or hash_parts(parts, size)
        path = self.path(key)
        if self._is_whole(path, key, size):
            return key
        temporary = path.parent / f".{key[:8]}-{secrets.token_hex(6)}.tmp"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                _write_all(file, parts)
            finally:
                os.close(file)
            os.replace(temporary, path)
            self._trusted[key] = _signature(os.stat(path))
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise store_error(error, self.root) from error
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return key

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
        path = self.path(key)
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError as error:
            raise CorruptBlob(f"Blob {key} is missing.") from error
        except OSError as error:
            raise store_error(error, self.root) from error
        try:
            status = os.fstat(file)
            if status.st_size != size:
                raise CorruptBlob(f"Blob {key} has {status.st_size} bytes instead of {size}.")
            view = memoryview(mmap.mmap(file, size, access=mmap.ACCESS_COPY)) if size else memoryview(b"")
        finally:
            os.close(file)
        if self._trusted.get(key) != _signature(status):
            if hash_parts([view], size) != key:
                raise CorruptBlob(f"Blob {key} does not match its key: its content was changed or damaged.")
            self._trusted[key] = _signature(status)
        return view

    def _is_whole(self, path: Path, key: str, size: int) -> bool:
        """Whether the blob is there, whole and undamaged: writing it again is how a damaged one heals."""
        try:
            if os.stat(path).st_size == size:
                self.get(key, size)
                return True
        except (OSError, CorruptBlob):
            pass
        return False


def _nbytes(part: memoryview | bytes) -> int:
    return part.nbytes if isinstance(part, memoryview) else len(part)


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_mtime_ns, status.st_size


def hash_parts(parts: Sequence[memoryview | bytes], size: int) -> str:
    """The key of the content that `parts` make together."""
    hasher = blake3(max_threads=blake3.AUTO if size >= THREADED_FROM else 1)
    for part in parts:
        hasher.update(part)
    return hasher.hexdigest()


def _write_all(file: int, parts: Sequence[memoryview | bytes]) -> None:
    """Write all parts; the kernel takes at most 2 GiB at once."""
    for part in parts:
        view = memoryview(part).cast("B")
        while view.nbytes:
            view = view[os.write(file, view) :]


def store_error(error: OSError, root: Path) -> StoreError:
    """Say what a failed write or read of the datastore means and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"The datastore `{root}` is full.",
            f"{error.strerror}; nothing of the artifact was kept, all earlier ones are.",
            "Free some space, or set FLOWNB_DATASTORE to a folder on another disk, and run the step again.",
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
