"""Modules of the user's own that code imports, such as ``features.py`` beside the notebook, with their content.

Takes syntax trees; gives a hash for each module outside of Python's own and of installed packages. Imports are followed
from file to file as they are written; nothing is executed.
"""

from __future__ import annotations

import ast
import importlib.util
import math
import os
import struct
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path

from flownb.cells.digest import code_digest
from flownb.runtime.new_modules import NewModules

__all__ = ["imported_names", "is_installed", "is_local", "loaded_modules", "local_modules", "outdated_modules"]

# Our own and Metaflow's are no part of a flow's code, also where they are worked on.
NEVER = frozenset({"flownb", "metaflow"}) | sys.stdlib_module_names
INSTALLED = frozenset({"site-packages", "dist-packages"})

# Top-level names that were found to be installed.
_installed: set[str] = set()
# What `loaded_modules` has not looked at, and what it found.
_modules = NewModules()
_own: dict[str, None] = {}
# What was imported in this process: the module's spec, which a reload replaces, and its content when first looked at.
_loaded: dict[str, tuple[ModuleSpec, str]] = {}


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


def local_modules(names: Iterable[str], *, loaded: bool = False, since: float = math.inf) -> dict[str, str]:
    """Content hashes of the user's own modules among `names`, and of those that they import.

    Parameters
    ----------
    names : iterable of str
        Dotted names; what is no module of the user's own is passed over.
    loaded : bool, default False
        Whether a module that this process imported counts as it was then, and not as its file is now.
    since : float, optional
        Seconds since the epoch. A file that was written later counts as one that is like no other: nobody knows which
        of its contents was imported.

    Returns
    -------
    dict of str to str
        By dotted name, sorted.
    """
    found: dict[str, str] = {}
    specs: dict[str, ModuleSpec | None] = {}
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        for part in _prefixes(name):
            if part in specs:
                spec = specs[part]
            else:
                spec = specs[part] = _find(part, specs.get(part.rpartition(".")[0]))
                if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
                    package = part if spec.submodule_search_locations is not None else part.rpartition(".")[0]
                    try:
                        stat = os.stat(spec.origin)
                        digest, more = _content(spec.origin, stat.st_mtime_ns, stat.st_size, package)
                    except OSError:
                        spec = specs[part] = None
                    else:
                        if stat.st_mtime > since:
                            digest = f"edited-{stat.st_mtime_ns}"
                        found[part] = _as_loaded(part, digest, stat) if loaded else digest
                        ahead += more
            if spec is None:
                break
    return dict(sorted(found.items()))


def is_local(name: str) -> bool:
    """Whether a top-level module is the user's own: neither Python's, nor of an installed package, nor ours."""
    return _find(name, None) is not None


def loaded_modules() -> tuple[str, ...]:
    """Names of the user's own modules that this process has imported, by whatever way."""
    for name in reversed(_modules.take()):
        origin = getattr(getattr(sys.modules.get(name), "__spec__", None), "origin", None)
        top = name.partition(".")[0]
        if not origin or not origin.endswith(".py") or top in NEVER or top in _installed:
            continue
        if not is_installed(origin):
            _own[name] = None
    return tuple(name for name in _own if name in sys.modules)


def outdated_modules(names: Iterable[str]) -> list[str]:
    """Those modules that were edited since this process imported them, and not reloaded."""
    names = tuple(names)
    now, then = local_modules(names), local_modules(names, loaded=True)
    return [name for name, digest in now.items() if then.get(name, digest) != digest]


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
    if name in NEVER or name in _installed:
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


@lru_cache(maxsize=4096)
def is_installed(place: str) -> bool:
    """Whether a file belongs to Python or to an installed package."""
    path = Path(place).absolute()
    return not INSTALLED.isdisjoint(path.parts) or any(path.is_relative_to(root) for root in _python())


@lru_cache(maxsize=1)
def _python() -> tuple[Path, ...]:
    """Folders of the standard library."""
    return tuple({Path(path).absolute() for path in map(sysconfig.get_path, ("stdlib", "platstdlib")) if path})


@lru_cache(maxsize=4096)
def _content(path: str, changed: int, size: int, package: str) -> tuple[str, tuple[str, ...]]:
    """Hash of a file, and what it imports; read again when it changed."""
    text = Path(path).read_bytes()
    try:
        names = imported_names(ast.parse(text), package)
    except (SyntaxError, ValueError):
        names = ()
    return code_digest(text, is_file=True), names


def _as_loaded(name: str, digest: str, stat: os.stat_result) -> str:
    """A module's content when this process imported it.

    It is what the file holds when it is first looked at, unless the compiled code that Python keeps is of another one.
    """
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    if spec is None:
        return digest
    known = _loaded.get(name)
    if known is None or known[0] is not spec:
        known = _loaded[name] = (spec, digest if _compiled_from(module, stat) else f"edited-{stat.st_mtime_ns}")
    return known[1]


def _compiled_from(module: object, stat: os.stat_result) -> bool:
    """Whether the compiled code of a module is that of its file as it is; also if Python kept none."""
    if not isinstance(getattr(module, "__loader__", None), SourceFileLoader):
        return True
    try:
        head = Path(str(getattr(module, "__cached__", ""))).read_bytes()[:16]
    except OSError:
        return True
    flags, changed, size = struct.unpack("<III", head[4:16]) if len(head) == 16 else (1, 0, 0)
    # See PEP 552: with other flags the file's time is not what counts.
    return flags != 0 or (changed, size) == (int(stat.st_mtime) & 0xFFFFFFFF, stat.st_size & 0xFFFFFFFF)
