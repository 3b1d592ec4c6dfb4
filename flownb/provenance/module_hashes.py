"""Hashes of the user's own modules that code imports, such as ``features.py`` beside the notebook.

Imports are followed from file to file as they are written, and nothing is executed. Python's own modules and those of
installed packages are left out.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from urllib.parse import quote, unquote

from flownb.provenance.imported_text import UNKNOWN, Digests, ImportedText, file_digests
from flownb.provenance.installed import NEVER, TOOLS, is_installed

__all__ = ["imported_names", "is_own_module", "outdated_modules", "own_module_hashes"]

# Seconds within which a file may change without another time of change.
COARSE = 2.0

# Top-level names that were found to be installed, and where that was looked for.
_installed: set[str] = set()
_installed_at: list[tuple[object, ...]] = [()]
# Of files: their state, hashes, what they import, and when they were read.
_contents: dict[tuple[str, str], tuple[tuple[int, ...], Digests, tuple[str, ...], float]] = {}


def imported_names(tree: ast.AST | None, package: str = "") -> tuple[str, ...]:
    """Dotted names of modules that code may import; of ``from a import b`` both ``a`` and ``a.b``.

    Parameters
    ----------
    tree : ast.AST or None
    package : str
        What relative imports start from.

    Examples
    --------
    >>> imported_names(ast.parse("import a.b; from c import d"))
    ('a.b', 'c', 'c.d')
    """
    found: dict[str, None] = {}
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            found.update((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                above = parts[: len(parts) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            if base:
                found[base] = None
                found.update((f"{base}.{alias.name}", None) for alias in node.names if alias.name != "*")
    return tuple(found)


def own_module_hashes(
    names: Iterable[str], *, loaded: Mapping[str, ImportedText] | None = None, since: float = math.inf
) -> dict[str, Digests]:
    """Hashes of the user's own modules among `names`, and of those that they import.

    Parameters
    ----------
    names : iterable of str
        Dotted names, or paths of files; other modules are left out.
    loaded : mapping of str to ImportedText, optional
        Modules that were imported: what they were made from counts, and not what their files contain now.
    since : float, optional
        Seconds since the epoch. A file that was written later equals no other: it is not known which of its contents
        was imported.

    Returns
    -------
    dict of str to Digests
        By dotted name, sorted. Of a file that was loaded as a module and cannot be imported by its name, by its path:
        below the current folder it begins with ``./``, and characters that are special in a URL are escaped.
    """
    loaded = loaded or {}
    found: dict[str, Digests] = {}
    specs: dict[str, ModuleSpec | None] = {}
    ahead = [*names, *loaded]
    while ahead:
        name = ahead.pop()
        if "/" in name:
            found.update(_by_path(unquote(name)))
            continue
        for part in _prefixes(name):
            if part in specs:
                spec = specs[part]
            else:
                spec = specs[part] = _find(part, specs.get(part.rpartition(".")[0]))
                if spec is not None and spec.has_location and spec.origin is not None:
                    try:
                        digests, more = _file_content(spec, part, since)
                    except OSError:
                        spec = specs[part] = None
                    else:
                        found[part] = digests
                        ahead += more
            if spec is None:
                break
    for name, text in loaded.items():
        spec = specs.get(name)
        if spec is not None and spec.origin is not None and Path(spec.origin).absolute() == Path(text.path).absolute():
            found[name] = text.digests
        else:  # another file has that name now, or none
            found[_path_name(text.path)] = text.digests
    return dict(sorted(found.items()))


def is_own_module(name: str) -> bool:
    """Whether a top-level module is the user's own: neither Python's, nor of an installed package, nor ours."""
    return _find(name, None) is not None


def outdated_modules(loaded: Mapping[str, ImportedText]) -> list[str]:
    """The modules whose files have changed since they were imported."""
    found = []
    for name, text in loaded.items():
        try:
            same = text.digests == UNKNOWN or text.digests.says_same(_read(text.path)[0])
        except OSError:
            same = False
        if not same:
            found.append(name)
    return found


def _prefixes(name: str) -> Iterator[str]:
    """``a``, ``a.b`` and ``a.b.c`` of ``a.b.c``: importing a module imports the packages around it."""
    parts = name.split(".")
    return (".".join(parts[: count + 1]) for count in range(len(parts)))


def _find(name: str, parent: ModuleSpec | None) -> ModuleSpec | None:
    """Where a module of the user's own is; None for any other."""
    if "." in name:
        places = parent.submodule_search_locations if parent is not None else None
        # By its last part: of a dotted name Python would want the packages around it to be imported.
        return PathFinder.find_spec(name.rpartition(".")[2], list(places)) if places is not None else None
    if name in NEVER or name in sys.builtin_module_names or name.startswith(TOOLS):
        return None
    state = _search_state()
    if _installed_at[0] != state:
        _installed.clear()
        _installed_at[0] = state
    if name in _installed:
        return None
    try:
        spec = PathFinder.find_spec(name) or importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    places = [spec.origin] if spec.has_location and spec.origin else list(spec.submodule_search_locations or ())
    if not places or any(is_installed(place) for place in places):
        _installed.add(name)
        return None
    return spec


def _search_state() -> tuple[object, ...]:
    """What decides where names are found: a new file beside the notebook may hide an installed module."""
    found: list[object] = [len(sys.meta_path)]
    for path in sys.path:
        if (
            not is_installed(path or ".") and "flownb-" not in path
        ):  # not what `shipping.importable` adds while a step runs
            with contextlib.suppress(OSError):
                found += [path, os.stat(path or ".").st_mtime_ns]
    return tuple(found)


def _file_content(spec: ModuleSpec, name: str, since: float) -> tuple[Digests, tuple[str, ...]]:
    """Hashes of a module's file, and what it imports."""
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    digests, imports, changed = _read(str(spec.origin), package)
    return Digests(*[f"edited-{changed}"] * 2) if changed > since else digests, imports


def _by_path(path: str) -> dict[str, Digests]:
    """Hashes of a file by its path."""
    try:
        return {_path_name(path): _read(path)[0]}
    except OSError:
        return {}


def _path_name(path: str) -> str:
    """A path as the name of a module."""
    whole, here = Path(path).absolute(), Path.cwd()
    return quote(f"./{whole.relative_to(here).as_posix()}" if whole.is_relative_to(here) else whole.as_posix())


def _read(path: str, package: str = "") -> tuple[Digests, tuple[str, ...], float]:
    """Hashes of a file, what it imports if it is a part of `package`, and when it was changed.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    file = Path(path)
    while not file.exists() and file != file.parent:  # in an archive
        file = file.parent
    stat = file.stat()
    state = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
    known = _contents.get((path, package))
    # Clocks of file systems are coarse: what was just written may be written again, and look the same.
    if known is not None and known[0] == state and known[3] - max(stat.st_mtime, stat.st_ctime) > COARSE:
        return known[1], known[2], stat.st_mtime
    looked = time.time()
    content = file.read_bytes() if file == Path(path) else _member(file, path)
    digests = file_digests(path, content)
    if known is None or known[1] != digests:
        names = _names(content, package) if path.endswith(".py") else ()
    else:
        names = known[2]
    _contents[path, package] = (state, digests, names, looked)
    return digests, names, stat.st_mtime


def _member(archive: Path, path: str) -> bytes:
    """A file in a zip archive."""
    import zipfile

    if not zipfile.is_zipfile(archive):
        raise FileNotFoundError(path)
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.read(Path(path).relative_to(archive).as_posix())
    except (KeyError, zipfile.BadZipFile) as error:
        raise FileNotFoundError(path) from error


def _names(content: bytes, package: str) -> tuple[str, ...]:
    """What a file imports."""
    try:
        return imported_names(ast.parse(content), package)
    except (SyntaxError, ValueError):
        return ()
