"""What a task's result depends on beside its code and artifacts: Python, installed packages, environment variables.

They are noted while the task runs, as parts of its fingerprint, and later compared with what is there then.
"""

from __future__ import annotations

import ast
import contextlib
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from flownb.provenance.distributions import changed_distributions
from flownb.provenance.installed import is_installed
from flownb.provenance.module_hashes import imported_names
from flownb.provenance.record import NewModules, note_imports, used_distributions
from flownb.provenance.variables import ALL, ZONE, VariableReads, changed_variables, reads_of_modules, watched
from flownb.store.encodings.pickle5 import modules_of_values

__all__ = ["Dependencies", "dependency_changes", "look_at_modules", "python_version"]

# Code that may import what it does not name.
DYNAMIC = re.compile(r"(?<![\w.])(?:exec|eval|__import__)\s*\(|\b(?:import_module|runpy|entry_points|sys\.modules)\b")
# Modules through which code reads the local time, which C code computes.
ZONED = frozenset(
    ["arrow", "calendar", "dateutil", "datetime", "email", "pandas", "pendulum", "polars", "pytz", "time", "tzlocal"]
)
Change = Literal["python", "distribution", "variable", "variables", "zone"]

_modules = NewModules()


class Dependencies:
    """What one task uses beside its code and its artifacts."""

    def __init__(self) -> None:
        self._reads = VariableReads({})
        self._of_values: set[str] = set()
        self._imported: list[str] = []
        self._origins: dict[str, str] = {}

    @contextlib.contextmanager
    def unrecorded(self) -> Iterator[None]:
        """Note nothing of a block that leaves no record, and what it imports for the tasks that follow."""
        look_at_modules()
        note_imports()
        yield

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Note what the block uses."""
        look_at_modules()
        note_imports()
        with watched() as self._reads, modules_of_values() as self._of_values:
            try:
                yield
            finally:
                self._imported = _modules.take()
                self._origins = {name: path for name in self._imported if (path := _own_file(name))}

    def parts(
        self,
        imports: Iterable[str],
        cells: Iterable[str],
        modules: Iterable[str],
        *,
        types: Iterable[str] = (),
        own: Iterable[str] = (),
        added: Iterable[str] = (),
    ) -> dict[str, str]:
        """Parts of a fingerprint.

        Parameters
        ----------
        imports : iterable of str
            Modules that the cells import.
        cells : iterable of str
            Texts of the cells.
        modules : iterable of str
            The user's own modules that the task used.
        types : iterable of str
            Types of the artifacts that it read or made.
        own, added : iterable of str
            Variables that the step's ``@environment`` sets, and those that a command's ``--with`` sets.
        """
        modules = list(modules)
        paths = {name: self._origins.get(name) or _own_file(name) for name in modules}
        paths |= {name: unquote(name) for name in modules if "/" in name}  # loaded under a name without a meaning
        files = {name: _file(path, *_stamp(path)) for name, path in paths.items() if path}
        names = {*imports, *(name for _, found in files.values() for name in found)}
        texts = {name: text for name, (text, _) in files.items()}
        reached = {*names, *types, *self._of_values, *self._imported}
        reached = {name for name in reached if name.partition(".")[0] != "flownb"}
        everything = any(DYNAMIC.search(text) for text in (*cells, *texts.values()))
        # What was imported in the block was watched already.
        before = [name for name in modules if name not in self._origins]
        self._reads.add(reads_of_modules(before, {name: texts[name] for name in before if name in texts}))
        zone = not ZONED.isdisjoint(name.partition(".")[0] for name in {*names, *types, *self._of_values})
        found = {
            "python": python_version(),
            "distributions": used_distributions(reached, everything=everything),
            "environment": self._reads.text(own=own, added=added, zone=zone),
        }
        return {part: text for part, text in found.items() if text}


def dependency_changes(before: Mapping[str, str], *, same_command: bool) -> list[tuple[Change, str, str]]:
    """What is different from when a task ran, as kind, name, and a further text.

    Parameters
    ----------
    before : mapping of str to str
        The task's fingerprint. Those of earlier versions do not have these parts, which then count as equal.
    same_command : bool
        Whether a command's ``--with`` is the same.
    """
    found: list[tuple[Change, str, str]] = []
    python = before.get("python", python_version())
    if python != python_version():
        found.append(("python", "Python", f"changed from {python} to {python_version()}"))
    found += [("distribution", *one) for one in changed_distributions(before.get("distributions", ""))]
    for name in changed_variables(before.get("environment", ""), same_command=same_command):
        kinds: dict[str, Change] = {ALL: "variables", ZONE: "zone"}
        found.append((kinds.get(name, "variable"), "" if name in kinds else name, ""))
    return found


def python_version() -> str:
    """The version of this Python, with its name if it is not the usual one."""
    name = platform.python_implementation()
    return platform.python_version() if name == "CPython" else f"{name} {platform.python_version()}"


def look_at_modules() -> None:
    """Note what this process has imported: what it imports later is new."""
    _modules.take()


def _own_file(name: str) -> str | None:
    """The file of a module of the user's own that is imported."""
    origin = getattr(getattr(sys.modules.get(name), "__spec__", None), "origin", None)
    usable = isinstance(origin, str) and origin.endswith(".py") and name.partition(".")[0] not in ("flownb", "metaflow")
    return origin if usable and not is_installed(origin) else None


def _stamp(path: str) -> tuple[int, int]:
    """What shows that a file changed."""
    try:
        stat = os.stat(path)
    except OSError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=4096)
def _file(path: str, changed: int, size: int) -> tuple[str, tuple[str, ...]]:
    """A file's text, and the modules that it imports."""
    try:
        content = Path(path).read_bytes()
        names = imported_names(ast.parse(content))
    except (OSError, SyntaxError, ValueError):
        return "exec()", ()  # it may have imported anything
    return content.decode("utf-8", "replace"), names
