"""What a run was made by: Python, platform, host, the notebook's commit, and the packages that a process has imported.

A process that was just forked pays for each page of memory that it looks at. So modules that were known before,
thousands with large libraries, are not looked at again (`NewModules`).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

from flownb.provenance.distributions import LoadedVersions, used_versions
from flownb.version import __version__

__all__ = [
    "Distributions",
    "NewModules",
    "adopt_distributions",
    "current_distributions",
    "git_state",
    "imported_distributions",
    "install_stamps",
    "known_distributions",
    "note_imports",
    "run_environment",
    "used_distributions",
]


# How many of the last modules must be the same ones, in the same order, to show that what was known is all there.
COMPARED = 10
# How many modules that are known are looked at before all are compared at once.
MOST_PASSED = 50
# Seconds that git is given. On a large work tree whose index is cold it can take longer: then only the commit is asked.
GIT_SECONDS = 1.0
HEADER = re.compile(r"^(Name|Version): *(.*?) *$", re.MULTILINE)
INSTALLED = ("site-packages", "dist-packages")
# What a module's file is called: `name.py`, or `name.cpython-311-x86_64-linux-gnu.so` and the like.
MODULE = re.compile(r"([^./]+)(?:\.py|(?:\.[\w-]+)?\.(?:so|pyd))\Z")


class NewModules:
    """Modules that were not returned yet; a forked process continues where its parent was."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        # Of `sys.modules` at the last look: its last names, the last one first, and how many there were.
        self._end: tuple[str, ...] = ()
        self._count = 0

    def take(self) -> list[str]:
        """Names of those imported since the last call, newest first; all at the first."""
        end, count = _last_modules(0), len(sys.modules)
        new = []
        passed = 0
        try:
            for place, name in enumerate(reversed(sys.modules)):
                if len(sys.modules) - place == self._count and self._end == _last_modules(place):
                    break  # what was there before comes before it
                if name not in self._known:
                    new.append(name)
                    continue
                passed += 1
                if passed > MOST_PASSED:  # modules were taken out and put back: their order has no meaning
                    unseen = sys.modules.keys() - self._known
                    new = [name for name in reversed(sys.modules) if name in unseen] if unseen else []
                    break
        except RuntimeError:  # another thread imports something
            new = [name for name in list(sys.modules) if name not in self._known]
        self._known.update(new)
        self._end, self._count = end, count
        return new


def _last_modules(place: int) -> tuple[str, ...]:
    """The last names of `sys.modules` from a place on, counted from its end."""
    return tuple(itertools.islice(reversed(sys.modules), place, place + COMPARED))


def run_environment(folder: Path | None = None, *, command: str = "") -> dict[str, Any]:
    """Where and by what a run is started.

    Parameters
    ----------
    folder : Path, optional
        The notebook's; None means the current one.
    command : str
        How it was started; empty means this process's command line, or nothing in a kernel.

    Returns
    -------
    dict
        ``python``, ``implementation``, ``platform``, ``machine``, ``host``, ``pid``, ``flownb``, ``command``, and
        ``git`` if the folder is in a repository, see `git_state`.
    """
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "flownb": __version__,
    }
    command = command or _command()
    if command:
        found["command"] = command
    git = git_state(folder or Path.cwd())
    if git:
        found["git"] = git
    return found


def _command() -> str:
    """Command line of this process; empty for a kernel, whose own has nothing to do with the run."""
    if "ipykernel" in sys.modules or not sys.argv or not sys.argv[0]:
        return ""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def git_state(folder: Path) -> dict[str, Any]:
    """Which commit a folder's work tree is at.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict
        ``commit`` (None before the first one), ``branch`` (None if the head is detached), and ``dirty``: whether a file
        that git knows differs from the commit (None if git took too long to say). Empty if git is not installed, or the
        folder is in no work tree it may read.
    """
    if shutil.which("git") is None:
        return {}
    text = _git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no", "--ignore-submodules=untracked")
    if text is None:
        commit = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
        branch = _git(folder, "symbolic-ref", "--short", "--quiet", "HEAD")
        return {"commit": commit or None, "branch": branch or None, "dirty": None} if commit or branch else {}
    lines = text.split("\n")
    head = {words[1]: words[2] for words in (line.split(" ", 2) for line in lines if line.startswith("# branch."))}
    commit, branch = head.get("branch.oid", "(initial)"), head.get("branch.head", "(detached)")
    return {
        "commit": None if commit == "(initial)" else commit,
        "branch": None if branch == "(detached)" else branch,
        "dirty": any(line and not line.startswith("#") for line in lines),
    }


def _git(folder: Path, *words: str) -> str | None:
    """What git says; None if it fails or takes too long."""
    # A look must not take the lock that the user's own git command is about to need.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_SECONDS,
            env=environment,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip()


@dataclass(frozen=True)
class Distributions:
    """What is installed.

    Attributes
    ----------
    owners : dict of str to str
        Name of the distribution by dotted name of what it brings: a package that has an ``__init__``, or a module that
        is not in a package. Of a namespace package each part has its own.
    versions : dict of str to str
        By the distribution's name.
    editable : tuple of (str, str)
        Folders of editable installs with the distribution's name, innermost first.
    stamps : tuple
        When each folder that installers write to was last changed.
    """

    owners: Mapping[str, str]
    versions: Mapping[str, str]
    editable: tuple[tuple[str, str], ...] = ()
    stamps: tuple[tuple[str, int], ...] = ()


@dataclass
class _Seen:
    """Modules of this process that were looked at, and the distributions they belong to."""

    modules: NewModules = field(default_factory=NewModules)
    loaded: LoadedVersions = field(default_factory=LoadedVersions)
    installed: Distributions | None = None


_seen = _Seen()


def known_distributions() -> Distributions:
    """What is installed, read once a process; forked processes inherit the answer.

    Reading takes about a tenth of a second for two hundred distributions, so a process that is about to fork others
    calls this before.
    """
    if _seen.installed is None:
        _seen.installed = _read_installed()
    return _seen.installed


def current_distributions() -> Distributions:
    """What is installed now, for a process that is started now: it need not read that again."""
    if known_distributions().stamps != install_stamps():
        _seen.installed = _read_installed()
    return known_distributions()


def adopt_distributions(installed: Distributions) -> None:
    """Take over what the process that started this one has read, unless something was installed since."""
    if installed.stamps == install_stamps():
        _seen.installed = installed


def imported_distributions() -> dict[str, str]:
    """Names and versions of all installed distributions of which this process has imported a module.

    Only modules that are new since the last call are looked at, so it may be called at the end of each task.

    Returns
    -------
    dict of str to str
        Versions by name, sorted, of what is in memory; ``"?"`` where that is not known, for it was installed again
        meanwhile. What is on ``sys.path`` and was not installed is left out, as is Python itself.
    """
    found = {name: unquote(mark.partition("#")[0]) for name, mark in _loaded_versions().items()}
    return dict(sorted(found.items()))


def note_imports() -> None:
    """Note what this process has imported: what it imports from now on has the version that is installed now."""
    _note_new(known_distributions())


def used_distributions(modules: Iterable[str], *, everything: bool = False) -> str:
    """What a record says of the distributions that code can reach, see `flownb.provenance.distributions`.

    Parameters
    ----------
    modules : iterable of str
        Dotted names of modules that it imports, or whose values it has.
    everything : bool, default False
        Whether it may reach all that this process has imported.
    """
    loaded, owners = _loaded_versions(), known_distributions().owners
    mine = loaded if everything else {owner for name in modules if (owner := _owner(name, owners)) is not None}
    return used_versions(mine, loaded)


def _loaded_versions() -> dict[str, str]:
    """What is known of all distributions of which this process has imported a module."""
    _note_new(known_distributions())
    return _seen.loaded.marks()


def _note_new(installed: Distributions) -> None:
    """Look at the modules that were imported since the last call."""
    new = _seen.modules.take()
    found = {name: _distribution(name, installed) for name in new}
    lost = [name for name, owner in found.items() if owner is None]
    if lost and installed.stamps != install_stamps():  # something was installed since
        _seen.installed = installed = _read_installed()
        found |= {name: _distribution(name, installed) for name in lost}
    _seen.loaded.note({name: owner for name, owner in found.items() if owner})


def _distribution(name: str, installed: Distributions) -> str | None:
    """The distribution of a module; empty if it has none, None if it may have been installed since."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "__main__":
        return ""
    owner = _owner(name, installed.owners)
    if owner is None:
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None) if isinstance(module, ModuleType) else None
        if not isinstance(file, str):
            return ""  # a namespace, or made by a program
        mine = (owner for folder, owner in installed.editable if file.startswith(folder))
        owner = next(mine, None) if not any(part in file for part in INSTALLED) else None
    return owner


def _owner(name: str, owners: Mapping[str, str]) -> str | None:
    """The distribution of a module: that of the outermost of its packages that has one."""
    end = name.find(".")
    while end != -1:
        owner = owners.get(name[:end])
        if owner is not None:
            return owner
        end = name.find(".", end + 1)
    return owners.get(name)


def _read_installed() -> Distributions:
    """Read the metadata of all that is installed."""
    import importlib.metadata

    owners: dict[str, str] = {}
    versions: dict[str, str] = {}
    editable: list[tuple[str, str]] = []
    stamps = install_stamps()
    for one in importlib.metadata.distributions():
        with contextlib.suppress(OSError, ValueError):
            text = one.read_text("METADATA") or one.read_text("PKG-INFO") or ""
            facts = dict(HEADER.findall(text.partition("\n\n")[0]))
            name = facts.get("Name")
            # The first on sys.path is the one that is imported.
            if not name or name in versions:
                continue
            versions[name] = facts.get("Version", "")
            folder = _editable_folder(one.read_text("direct_url.json"))
            if folder:
                editable.append((folder, name))
            for module in _modules(one.read_text("RECORD") or "") or (one.read_text("top_level.txt") or "").split():
                owners.setdefault(module, name)
    editable.sort(key=lambda item: -len(item[0]))
    return Distributions(owners, versions, tuple(editable), stamps)


def _modules(record: str) -> list[str]:
    """Outermost packages with an ``__init__``, and modules outside of such, that a distribution's record names."""
    # A name with a comma is quoted, and no module's.
    paths = [line.partition(",")[0] for line in record.splitlines()]
    tops = {path.partition("/")[0] for path in paths}
    whole = {top for top in tops if top.isidentifier() and f"\n{top}/__init__.py," in f"\n{record}"}
    # Nearly all are packages as a whole: a look at each file would take three times as long.
    rest = {top for top in tops - whole if not top.endswith((".dist-info", ".data", ".libs", "..", "__pycache__"))}
    packages: set[str] = set()
    modules: set[tuple[str, str]] = set()
    for path in paths if rest else ():
        if path.partition("/")[0] not in rest:
            continue
        folder, _, file = path.rpartition("/")
        found = MODULE.match(file)
        if found is None:
            continue
        if found[1] == "__init__":
            packages.add(folder)
        else:
            modules.add((folder, found[1]))
    outer = [one for one in packages if not any(up in packages for up in _above(one))]
    alone = [
        f"{folder}/{name}" if folder else name
        for folder, name in modules
        if folder not in packages and not any(up in packages for up in _above(folder))
    ]
    return [*whole, *(one.replace("/", ".") for one in (*outer, *alone))]


def _above(folder: str) -> Iterable[str]:
    """The folders that a folder is in."""
    while folder := folder.rpartition("/")[0]:
        yield folder


def _editable_folder(text: str | None) -> str | None:
    """The folder of an editable install, from its ``direct_url.json`` (PEP 610); None of any other."""
    found = re.search(r'"url": *"(file:[^"]*)"', text) if text and re.search(r'"editable": *true', text) else None
    return f"{unquote(urlsplit(found[1]).path).rstrip('/')}/" if found else None


def install_stamps() -> tuple[tuple[str, int], ...]:
    """When the folders that installers write to were last changed."""
    found = []
    for path in sys.path:
        # Not the notebook's own folder: what a task writes there must not have everything read again.
        if path.endswith(INSTALLED):
            with contextlib.suppress(OSError):
                found.append((path, os.stat(path).st_mtime_ns))
    return tuple(found)
