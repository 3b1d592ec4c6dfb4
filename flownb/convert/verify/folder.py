"""The copy of a notebook's folder that a run works in, so that files which the notebook writes are never the user's.

Every run starts with a new copy at the same path, so that paths which are printed agree. Files up to a limit are
copied. Larger ones, hidden folders and what is beside the folder (``../data``) are linked: a notebook that writes there
changes what a run of it by its user would change. Files with absolute paths, databases and services are not protected
either.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path
from types import TracebackType

from flownb.store.hashing import hash_parts

__all__ = ["WorkFolder"]

# What is copied at most, in bytes and in files.
BYTES = 256 << 20
FILES = 5_000
# Never part of the copy: what runs of flows left.
LEFT_OUT = frozenset([".flownb", ".metaflow", "__pycache__", ".ipynb_checkpoints"])
# From so many entries on, those of a folder above the notebook's are linked only if the notebook names them.
MANY = 200
# How many folders above the notebook's can be reached by "..".
ABOVE = 3


class WorkFolder:
    """A temporary folder with a copy of a notebook's folder; it is removed at the end of a ``with`` block.

    Parameters
    ----------
    folder : Path
        The notebook's.
    mentioned : str
        The code of the notebook: of what is beside a folder with many entries, only what it names is linked.

    Attributes
    ----------
    root : Path
        The temporary folder.
    work : Path
        Where a run works: the copy.
    linked : list of str
        What was linked instead of copied, relative to the notebook's folder.
    """

    def __init__(self, folder: Path, *, mentioned: str = "") -> None:
        self._folder = folder.resolve()
        self.root = Path(tempfile.mkdtemp(prefix="flownb-convert-")).resolve()
        above = [*reversed(self._folder.parents)][-ABOVE:]
        self._above = [one for one in above if one != Path(one.anchor)]
        names = [one.name for one in self._above] + [self._folder.name or "notebook"]
        self.work = Path(self.root, "copy", *names)
        self.linked: list[str] = []
        self._left = [BYTES, FILES]
        self._mentioned = mentioned
        self._before: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> WorkFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def renew(self) -> Path:
        """Make the copy, or make it again as it was before the last run."""
        shutil.rmtree(self.root / "copy", ignore_errors=True)
        self.linked, self._left = [], [BYTES, FILES]
        self.work.mkdir(parents=True)
        self._copy(self._folder, self.work)
        self._link_above()
        self._before = self._stamps()
        return self.work

    def written(self) -> dict[str, str]:
        """Hashes of the files that were made or changed since `renew`, by path relative to the copy."""
        return {
            name: hash_parts([content := (self.work / name).read_bytes()], len(content))
            for name, stamp in self._stamps().items()
            if self._before.get(name) != stamp
        }

    def _stamps(self) -> dict[str, tuple[int, int]]:
        """Size and time of each file in the copy; what is linked is not part of it."""
        found: dict[str, tuple[int, int]] = {}
        for where, folders, names in os.walk(self.work):
            folders[:] = [name for name in folders if name not in LEFT_OUT and not name.startswith(".")]
            for name in names:
                status = os.lstat(os.path.join(where, name))  # noqa: PTH118 # a copy may have many files
                if stat.S_ISREG(status.st_mode):
                    found[os.path.relpath(os.path.join(where, name), self.work)] = (  # noqa: PTH118
                        status.st_size,
                        status.st_mtime_ns,
                    )
        return found

    def _copy(self, source: Path, target: Path) -> None:
        """Copy what is in a folder, and link what is too much."""
        for entry in sorted(_entries(source), key=lambda entry: entry.name):
            place = target / entry.name
            if entry.name in LEFT_OUT:
                continue
            with contextlib.suppress(OSError):
                if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
                    if entry.is_symlink():
                        place.symlink_to(Path(entry.path).resolve())
                elif entry.is_file():
                    if self._fits(entry.stat().st_size, 1):
                        shutil.copy2(entry.path, place)
                    else:
                        self._link(entry.path, place)
                elif entry.name.startswith(".") or not self._fits(*_size_of(Path(entry.path))):
                    self._link(entry.path, place, said=not entry.name.startswith("."))
                else:
                    shutil.copytree(entry.path, place, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))

    def _fits(self, size: int, files: int) -> bool:
        """Whether so much can still be copied; if so it counts."""
        if size > self._left[0] or files > self._left[1]:
            return False
        self._left = [self._left[0] - size, self._left[1] - files]
        return True

    def _link(self, source: str, place: Path, *, said: bool = True) -> None:
        place.symlink_to(source)
        if said:
            self.linked.append(os.path.relpath(source, self._folder))

    def _link_above(self) -> None:
        """Link what is beside the notebook's folder, and beside the folders above it."""
        place = self.root / "copy"
        inside = [*self._above[1:], self._folder]
        for folder, way in zip(self._above, inside, strict=True):
            place = place / folder.name
            entries = _entries(folder)
            if len(entries) > MANY:
                entries = [entry for entry in entries if Path(entry.name).stem in self._mentioned]
            for entry in entries:
                if entry.name != way.name and not (place / entry.name).exists():
                    with contextlib.suppress(OSError):
                        (place / entry.name).symlink_to(entry.path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing if it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _size_of(folder: Path) -> tuple[int, int]:
    """Bytes and number of the files below a folder; it stops to count beyond the limits."""
    size = files = 0
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(Path(where, name)).st_size
            files += 1
        if size > BYTES or files > FILES:
            break
    return size, files
