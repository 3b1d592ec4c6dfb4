"""Which files are of Python or of installed packages, and which are the user's own.

A module of the user's own may change at any time, so it counts as code of the steps that use it: a file beside the
notebook, a package that is installed in editable mode, or one that a link in ``site-packages`` leads to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path
from types import ModuleType

__all__ = ["NEVER", "is_compiled", "is_installed", "is_made_up", "own_places"]

INSTALLED = frozenset({"site-packages", "dist-packages"})
# Ours and Metaflow's are not part of a flow's code, even while they are developed; debuggers must not be replaced.
NEVER = frozenset({"flownb", "metaflow", "metaflow_extensions", "__main__", "__mp_main__", "debugpy", "pydevd"})
TOOLS = ("flownb_flow_", "pydev", "_pydev")


@lru_cache(maxsize=8192)
def is_installed(place: str) -> bool:
    """Whether a file or folder belongs to Python or to an installed package."""
    path = Path(place).absolute()
    if not INSTALLED.isdisjoint(path.parts):
        return not _is_linked(path)
    return any(path.is_relative_to(root) for root in _python()) or _is_unpacked(path)


def own_places(name: str, module: ModuleType) -> list[str]:
    """Where a loaded module of the user's own comes from: its file, or the folders of a namespace; empty for others."""
    if name.partition(".")[0] in NEVER or name.startswith(TOOLS):
        return []
    spec = getattr(module, "__spec__", None)
    origin = spec.origin if spec is not None and spec.has_location else getattr(module, "__file__", None)
    places = [origin] if isinstance(origin, str) else _folders(getattr(spec, "submodule_search_locations", None))
    return places if places and not any(map(is_installed, places)) else []


def is_made_up(name: str) -> bool:
    """Whether code of this process has put a module into ``sys.modules`` that no import would find."""
    module = sys.modules.get(name)
    return (
        isinstance(module, ModuleType)
        and "." not in name
        and name not in NEVER
        and getattr(module, "__spec__", None) is None
        and getattr(module, "__file__", None) is None
        and getattr(module, "__loader__", None) is None
        and PathFinder.find_spec(name) is None  # some packages replace themselves by another module
    )


def is_compiled(place: str) -> bool:
    """Whether a file is an extension module, which a process can load only once."""
    return place.endswith(tuple(EXTENSION_SUFFIXES))


def _folders(places: Iterable[str] | None) -> list[str]:
    try:
        return [str(place) for place in places or ()]
    except Exception:  # a namespace looks its folders up when it is asked, and the one around it may be gone
        return []


@lru_cache(maxsize=1)
def _python() -> tuple[Path, ...]:
    """Folders of the standard library.

    Without `sysconfig`, which imports a module to answer: the process may have lost the right to read that.
    """
    builtin = Path(os.__file__).absolute().parent
    return (builtin, Path(sys.base_prefix).absolute() / "DLLs") if os.name == "nt" else (builtin,)


def _is_linked(path: Path) -> bool:
    """Whether a link leads from ``site-packages`` to a place that an installer did not fill."""
    real = Path(os.path.realpath(path))
    if not INSTALLED.isdisjoint(real.parts) or any(real.is_relative_to(root) for root in _python()):
        return False
    place = max(number for number, part in enumerate(path.parts) if part in INSTALLED)
    # Some installers link each package to where they keep all of them, and record it as theirs.
    return path.parts[place + 1 : place + 2] == () or path.parts[place + 1] not in _recorded(
        str(Path(*path.parts[: place + 1]))
    )


def _is_unpacked(path: Path) -> bool:
    """Whether an installer put a file into a folder on the import path, as ``pip install --target`` does."""
    for one in sys.path:
        root = Path(one).absolute()
        if path != root and path.is_relative_to(root) and path.relative_to(root).parts[0] in _recorded(str(root)):
            return True
    return False


@lru_cache(maxsize=256)
def _recorded(root: str) -> frozenset[str]:
    """Files and folders right below a folder that distributions have recorded as theirs."""
    found: set[str] = set()
    try:
        folders = [one for one in Path(root).iterdir() if one.name.endswith(".dist-info")]
    except OSError:
        return frozenset()
    for folder in folders:
        try:
            text = (folder / "RECORD").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found.update(line.partition(",")[0].partition("/")[0] for line in text.splitlines())
    return frozenset(found)
