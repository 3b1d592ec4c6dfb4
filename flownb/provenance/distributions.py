"""Which versions of installed distributions made a result, and which of them have another version now.

A task's record has their names and versions as one text, which is later compared with what is installed. A version is
that of the code in memory: what was installed after its import did not make the result.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

__all__ = ["UNKNOWN", "Installed", "LoadedVersions", "changed_distributions", "installed", "used_versions"]

FIELD = re.compile(r"^(Name|Version|Requires-Dist): *(.*?) *$", re.MULTILINE)
REQUIRED = re.compile(r"[A-Za-z0-9][\w.-]*")
EXTRA = re.compile(r"""extra\s*==\s*['"]([\w.-]+)['"]""")
# Extras by which a distribution is made or tested, and not used.
NOT_USED = frozenset(
    {
        *("benchmark", "benchmarks", "build", "ci", "dev", "develop", "doc", "docs", "examples", "lint", "maintenance"),
        *("mypy", "test", "testing", "tests", "typing"),
    }
)
# The version of what may be from two installs: it equals no version.
UNKNOWN = "?"
# Seconds by which a file's time may be behind the clock.
SLACK = 0.02


class Installed(NamedTuple):
    """A distribution as it is installed.

    Attributes
    ----------
    version : str
    content : str
        Hash of its files' hashes where the version does not say what they are: it was not installed from an index, but
        from a folder, a file or a repository (PEP 610). Else empty.
    when : float
        Seconds since the epoch: when it was installed.
    requires : tuple of str
        Names of the distributions it may use, those of its extras too, normalised.
    """

    version: str
    content: str
    when: float
    requires: tuple[str, ...]

    @property
    def mark(self) -> str:
        """What a record says of it."""
        return quote(self.version) + (f"#{self.content}" if self.content else "")


def installed(name: str) -> Installed | None:
    """The distribution that an import would find now; None if it is not installed."""
    return _installed(_normal(name), _places())


def changed_distributions(text: str) -> tuple[tuple[str, str], ...]:
    """Which distributions of a record have another version now.

    Parameters
    ----------
    text : str
        As `used_versions` returns it.

    Returns
    -------
    tuple of (str, str)
        Name, and what happened, such as ``"changed from 2.1.0 to 2.2.0"``.
    """
    return _changed(text, _places())


def used_versions(names: Iterable[str], loaded: Mapping[str, str]) -> str:
    """Names and versions of distributions, and of those that they require, if they are loaded.

    Parameters
    ----------
    names : iterable of str
        Names of distributions.
    loaded : mapping of str to str
        What records say of all that are loaded, by name.

    Examples
    --------
    >>> used_versions(["pandas", "other"], {"pandas": "2.1.0"})
    'pandas=2.1.0'
    """
    known = {_normal(name): name for name in loaded}
    found: dict[str, None] = {}
    ahead = [_normal(name) for name in names]
    places = _places()
    while ahead:
        name = ahead.pop()
        if name in known and name not in found:
            found[name] = None
            here = _installed(name, places)
            ahead += here.requires if here is not None else ()
    return " ".join(f"{quote(known[name])}={loaded[known[name]]}" for name in sorted(found))


@dataclass
class _Loaded:
    """A distribution of which a module was imported."""

    mark: str
    when: float
    top: str
    spec: Any


class LoadedVersions:
    """The versions of what this process has imported; a forked process continues where its parent was."""

    def __init__(self) -> None:
        self._known: dict[str, _Loaded] = {}
        # When it was last known which modules had not been imported.
        self._looked = _began()

    def note(self, modules: Mapping[str, str]) -> None:
        """Add modules that were imported since the last call, each with the name of its distribution."""
        now = time.time()
        for name, owner in _first_of_each(modules).items():
            here, known = installed(name), self._known.get(name)
            mark = self._mark(here, owner)
            if known is not None and (here is None or here.when != known.when) and known.mark != mark:
                mark = UNKNOWN  # some of its modules are of one install, some of another
            self._known[name] = _Loaded(mark, here.when if here else 0.0, owner, _spec(owner))
        self._looked = now

    def marks(self) -> dict[str, str]:
        """What records say of each distribution, by name."""
        for name, one in list(self._known.items()):
            spec = _spec(one.top)
            if spec is None and one.spec is not None and installed(name) is None:
                del self._known[name]  # neither in memory nor on disk
            elif spec is not None and spec is not one.spec:  # imported again
                here = installed(name)
                one.mark, one.when, one.spec = self._mark(here, one.top), here.when if here else 0.0, spec
        return {name: one.mark for name, one in self._known.items()}

    def _mark(self, here: Installed | None, module: str) -> str:
        """The version of a new module."""
        if here is not None and here.when + SLACK <= self._looked:  # the import came later
            return here.mark
        said = getattr(sys.modules.get(module.partition(".")[0]), "__version__", None)
        if here is not None and said == here.version:
            return here.mark
        return quote(said) if isinstance(said, str) and said[:1].isdigit() else UNKNOWN


def _first_of_each(modules: Mapping[str, str]) -> dict[str, str]:
    """One module of each distribution, the outermost."""
    found: dict[str, str] = {}
    for module, name in modules.items():
        if name not in found or len(module) < len(found[name]):
            found[name] = module
    return found


def _spec(module: str) -> Any:
    return getattr(sys.modules.get(module), "__spec__", None)


@lru_cache(maxsize=1)
def _began() -> float:
    """When this process began, or the one it was forked from."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return time.time()  # not Linux: a little too late


# What is imported before this module was imported after this.
_began()


@lru_cache(maxsize=4096)
def _normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _places() -> tuple[tuple[str, int], ...]:
    """Folders on the import path that have distributions, and when something was installed there."""
    found = []
    for path in sys.path:
        try:
            changed = os.stat(path or ".").st_mtime_ns
        except (OSError, TypeError, ValueError):
            continue
        if _has_distributions(path or ".", changed):
            found.append((path, changed))
    return tuple(found)


@lru_cache(maxsize=1024)
def _has_distributions(path: str, changed: int) -> bool:
    try:
        return any(name.endswith((".dist-info", ".egg-info")) for name in os.listdir(path))  # noqa: PTH208  # names
    except OSError:
        return False


@lru_cache(maxsize=4096)
def _installed(name: str, places: tuple[tuple[str, int], ...]) -> Installed | None:
    """Look a distribution up in some folders."""
    import importlib.metadata

    context = importlib.metadata.DistributionFinder.Context(name=name, path=[path for path, _ in places])
    for one in importlib.metadata.Distribution.discover(context=context):
        with contextlib.suppress(OSError, ValueError):
            text = one.read_text("METADATA") or one.read_text("PKG-INFO") or ""
            fields = FIELD.findall(text.partition("\n\n")[0])
            version = next((value for field, value in fields if field == "Version"), "")
            wanted = (value for field, value in fields if field == "Requires-Dist" and _is_used(value))
            required = map(REQUIRED.match, wanted)
            requires = tuple(dict.fromkeys(_normal(match[0]) for match in required if match))
            return Installed(version, _content(one), _when(one), requires)
    return None


def _is_used(requirement: str) -> bool:
    """Whether a requirement is not one of developers alone."""
    extras = EXTRA.findall(requirement)
    return not extras or not all(extra.lower() in NOT_USED for extra in extras)


def _content(one: Any) -> str:
    """Hash of what a distribution consists of, unless its version says that."""
    url = one.read_text("direct_url.json")
    if not url or re.search(r'"editable": *true', url):  # an editable one is the user's own code
        return ""
    lines = (one.read_text("RECORD") or "").splitlines()
    # Programs have the path of Python in them.
    files = [line for line in lines if "sha256=" in line and not line.startswith("..") and ".dist-info/" not in line]
    return hashlib.blake2b("\n".join(sorted(files)).encode(), digest_size=4).hexdigest()


def _when(one: Any) -> float:
    """When a distribution was installed."""
    place = Path(str(getattr(one, "_path", "")))
    found = [0.0]
    for path in (place, place / "METADATA"):
        with contextlib.suppress(OSError):
            stat = path.stat()
            found += [stat.st_mtime, stat.st_ctime]
    return max(found)


@lru_cache(maxsize=4096)
def _changed(text: str, places: tuple[tuple[str, int], ...]) -> tuple[tuple[str, str], ...]:
    """Compare a record with what some folders have."""
    found = []
    for entry in text.split():
        quoted, _, mark = entry.partition("=")
        name = unquote(quoted)
        here = _installed(_normal(name), places)
        if here is not None and mark == here.mark:
            continue
        had = unquote(mark.partition("#")[0])
        if here is None:
            what = "is not installed any more"
        elif had == UNKNOWN:
            what = f"changed from a version that is not known to {here.version}"
        elif had == here.version:
            what = f"{here.version} was installed again with other content"
        else:
            what = f"changed from {had} to {here.version}"
        found.append((name, what))
    return tuple(found)
