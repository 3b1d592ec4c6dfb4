"""What the files of the user's own modules contained at the moment when this process imported them.

A file may be edited while its module is in use, and the compiled code that Python keeps beside it may be of another
text. So the user's own modules are always compiled from the very bytes whose hash is remembered here, whoever imports
them: an ``import``, `importlib.reload`, a loader of plugins, `runpy`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import runpy
import sys
import time
import zipimport
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.machinery import ExtensionFileLoader, SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

from flownb.cells.digest import code_digest, sees_others_text
from flownb.provenance.installed import NEVER, TOOLS, is_installed

__all__ = [
    "UNKNOWN",
    "Digests",
    "ImportedText",
    "file_digests",
    "imported_paths",
    "imported_texts",
    "noted_apart",
    "unwatched_text",
    "watch_imports",
]

# How many compiled modules are kept; to import one again then takes a fraction of a millisecond.
MOST_CODES = 4096


class Digests(NamedTuple):
    """Hashes of a module's file.

    Attributes
    ----------
    text : str
        Of its content.
    tree : str
        Of what it says: of Python code without comments and formatting, unless it can see its own. Empty if it can also
        see those of others.
    """

    text: str
    tree: str = ""

    def says_same(self, other: Digests) -> bool:
        """Whether both are of code that does the same."""
        return self.text == other.text or (self.tree != "" and self.tree == other.tree)


class ImportedText(NamedTuple):
    """The file of a module, and the hashes of what it contained when it was imported."""

    path: str
    digests: Digests


# Equal to no content: the text that a module was made from is not known.
UNKNOWN = Digests("unknown", "unknown")
_texts: dict[str, ImportedText] = {}
# Whether each noted text counts, and not only the last one of a module.
_all_count = False
# What was imported before imports were watched.
_before: frozenset[str] = frozenset()
# Where every module of the user's own was found that this process ever imported.
_paths: dict[str, str] = {}
_codes: dict[tuple[str, str], CodeType] = {}
_watching = False


def imported_texts() -> dict[str, ImportedText]:
    """By module name, what was imported since `watch_imports`, or in the innermost block of `noted_apart`."""
    return _texts


def imported_paths() -> dict[str, str]:
    """By module name, where all of the user's own modules were found that this process has ever imported."""
    return _paths


@contextlib.contextmanager
def noted_apart(texts: dict[str, ImportedText]) -> Iterator[None]:
    """Note what is imported in the block in `texts`; a module made from two texts counts as made from neither."""
    global _texts, _all_count
    before, counted = _texts, _all_count
    _texts, _all_count = texts, True
    try:
        yield
    finally:
        _texts, _all_count = before, counted


def file_digests(path: str, content: bytes) -> Digests:
    """Hashes of a module's file."""
    text = _content_hash(content)
    return Digests(text, _tree_digest(content) if path.endswith(".py") else text)


@lru_cache(maxsize=1024)
def _tree_digest(content: bytes) -> str:
    return "" if sees_others_text(content.decode("latin-1")) else code_digest(content, is_file=True)


def _content_hash(content: bytes) -> str:
    """Hash of a file's bytes."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def watch_imports(*, one_task: bool = False) -> None:
    """From now on note what is imported; called as early as possible in each process that runs steps.

    Parameters
    ----------
    one_task : bool, default False
        Whether the process, or each that is forked from it, runs one task: then all that it imports is used.
    """
    global _watching, _all_count, _before
    _all_count = _all_count or one_task
    if _watching:
        return
    _watching, _before = True, frozenset(sys.modules)
    loaders: Any = SourceFileLoader, SourcelessFileLoader, zipimport.zipimporter, ExtensionFileLoader
    source, sourceless, zipped, compiled = loaders
    source.get_code = _from_source(source.get_code)
    sourceless.get_code = _noted(sourceless.get_code, lambda loader, name: loader.get_filename(name))
    zipped.get_code = _noted(zipped.get_code, lambda loader, name: loader.get_filename(name))
    compiled.create_module = _noted(compiled.create_module, lambda loader, spec: loader.path)
    if hasattr(runpy, "_get_code_from_file"):  # of `runpy.run_path`, which uses no loader
        runpy._get_code_from_file = _noted_file(runpy._get_code_from_file)


def unwatched_text(name: str, path: str, since: float) -> ImportedText:
    """What a module was made from whose import was not noted, if that is certain.

    Parameters
    ----------
    name, path : str
    since : float
        Seconds since the epoch, before which the module was not imported unless imports were not watched yet.
    """
    digests = UNKNOWN
    with contextlib.suppress(OSError):
        if Path(path).stat().st_ctime < (_start if name in _before else since):
            digests = file_digests(path, Path(path).read_bytes())
    return ImportedText(path, digests)


def _note(name: str, path: str, digests: Digests) -> None:
    """Note a module; loaders of plugins may use one name for many files."""
    _paths[name] = path
    known = _texts.get(name)
    if known is not None and known.path != path:
        _texts[known.path] = known
    elif known is not None and _all_count and known.digests != digests:
        digests = UNKNOWN
    _texts[name] = ImportedText(path, digests)


def _from_source(get_code: Callable[..., Any]) -> Callable[..., Any]:
    """The code of a module, compiled from the bytes whose hash is noted."""

    def own_get_code(self: Any, fullname: str) -> Any:
        path = self.get_filename(fullname)
        if not _is_own(fullname, path):
            return get_code(self, fullname)
        content = self.get_data(path)
        _note(fullname, path, file_digests(path, content))
        digest = _content_hash(content)  # code of another text has other lines
        if type(self) is not SourceFileLoader:  # a loader that changes what it compiles
            return self.source_to_code(content, path)
        code = _codes.get((path, digest))
        if code is None:
            if len(_codes) >= MOST_CODES:
                _codes.clear()
            code = _codes[path, digest] = self.source_to_code(content, path)
        return code

    return own_get_code


def _noted(load: Callable[..., Any], place: Callable[[Any, Any], str]) -> Callable[..., Any]:
    """Load something that other code reads: its file must be the same before and after."""

    def own_load(self: Any, asked: Any) -> Any:
        name, path = getattr(asked, "name", asked), place(self, asked)
        if not _is_own(name, path):
            return load(self, asked)
        before = self.get_data(path)
        made = load(self, asked)
        unchanged = before == self.get_data(path)
        _note(name, path, file_digests(path, before) if unchanged else UNKNOWN)
        return made

    return own_load


def _noted_file(load: Callable[..., Any]) -> Callable[..., Any]:
    """Load code from a file that is not a module, and note it by its path."""

    def own_load(*arguments: Any) -> Any:
        path = str(Path(os.fsdecode(arguments[-1])).absolute())
        if is_installed(path):
            return load(*arguments)
        before = Path(path).read_bytes()
        made = load(*arguments)
        unchanged = before == Path(path).read_bytes()
        _note(path, path, file_digests(path, before) if unchanged else UNKNOWN)
        return made

    return own_load


def _is_own(name: str, path: str) -> bool:
    return not (name.partition(".")[0] in NEVER or name.startswith(TOOLS) or is_installed(path))


def _process_start() -> float:
    """When this process began, in seconds since the epoch; 0 where that cannot be known."""
    if not sys.platform.startswith("linux"):
        return 0.0
    try:
        text = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
        ticks = int(text.rpartition(")")[2].split()[19])
        now = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return now + ticks / os.sysconf("SC_CLK_TCK") - 0.1
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0


# Of the process that imported what processes forked from it find imported.
_start = _process_start()
