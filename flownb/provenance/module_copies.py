"""Copies of the user's own modules, so that each step in a kernel imports them as a new process would.

A kernel collects state in modules: lists that a step appended to, caches, names that a scratch cell set. In a block of
`OwnModules.entered` none of the user's own modules is imported, so what the block imports is executed again, from the
files as they are now. Afterwards the process has its own module objects back. What was imported in the block is exactly
what it used, however that was imported: by name, by `importlib`, or by loading a value.
"""

from __future__ import annotations

import contextlib
import sys
import zipimport
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from threading import RLock
from time import perf_counter
from types import ModuleType
from typing import Any

from flownb.interrupts import uninterrupted
from flownb.provenance.imported_text import (
    UNKNOWN,
    ImportedText,
    imported_paths,
    imported_texts,
    noted_apart,
    unwatched_text,
    watch_imports,
)
from flownb.provenance.installed import is_compiled, is_installed, own_places
from flownb.provenance.module_hashes import outdated_modules
from flownb.provenance.record import NewModules
from flownb.store.encoding import decode, encode
from flownb.store.records import ArtifactRef

__all__ = ["Carried", "OwnModules", "carried", "current_modules", "is_own", "loaded_texts"]

# Seconds that the modules of a step may take before there is a note.
LONG = 0.5
# How many objects are looked at to find one whose class is of the user's own modules.
MOST_OBJECTS = 2000
# Started with the process, and not imported by a step.
STARTUP = frozenset({"sitecustomize", "usercustomize"})

# Modules that were looked at. Only those of the user's own are looked at again, and not all the many others.
_looked_at = NewModules()
_own: set[str] = set()
_entered: list[OwnModules] = []
# A run in the background and a cell may run steps in one process, but not at once.
_lock = RLock()
_said: set[str] = set()
# Modules of steps that the notebook uses too, because it had none.
_taken_over: dict[str, ModuleType] = {}
# The last copy of each module that a block imported.
_imported: dict[str, tuple[ModuleType, ImportedText]] = {}


def current_modules() -> OwnModules | None:
    """The innermost block that is entered."""
    return _entered[-1] if _entered else None


def loaded_texts(since: float) -> dict[str, ImportedText]:
    """By module name, what all of the user's own modules were made from that are imported now.

    Parameters
    ----------
    since : float
        When the task began, in seconds since the epoch: what was not noted was imported after that.
    """
    found = {**_entered[-1].kept, **imported_texts()} if _entered else dict(imported_texts())
    for name in _own_names():
        file = getattr(sys.modules[name], "__file__", None)
        if name not in found and file:
            found[name] = unwatched_text(name, file, since)
    for name in _entered[-1].unsure if _entered else ():
        found[name] = ImportedText(found[name].path, UNKNOWN)
    return found


@dataclass(eq=False)
class OwnModules:
    """One set of the user's own modules.

    Attributes
    ----------
    texts : dict of str to ImportedText
        By module name, what each was made from.
    unsure : set of str
        Modules that were used as the process had them, though what had become of them is not known.
    kept : dict of str to ImportedText
        The same of those that no block imports again.
    notes : list of str
        What the user should know of how modules were imported.
    quiet : bool
        Whether there are no notes, and the notebook uses none of its modules.
    """

    texts: dict[str, ImportedText] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    kept: dict[str, ImportedText] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    quiet: bool = False
    _modules: dict[str, ModuleType] = field(default_factory=dict)
    _outside: dict[str, ModuleType] = field(default_factory=dict)
    _held: dict[tuple[ModuleType, str], Any] = field(default_factory=dict)
    _outer_texts: dict[str, ImportedText] = field(default_factory=dict)
    _seconds: float = 0.0

    @contextlib.contextmanager
    def entered(self) -> Iterator[OwnModules]:
        """Have this set imported, and no other of the user's own modules; may be entered again later."""
        if self in _entered:
            yield self
            return
        with _lock:
            yield from self._enter()

    def _enter(self) -> Iterator[OwnModules]:
        """Put the modules of the process aside, and back again."""
        try:
            with uninterrupted():
                self._put_aside()
            with noted_apart(self.texts):
                yield self
        finally:
            with uninterrupted():
                if self in _entered:
                    self._put_back()

    def _put_aside(self) -> None:
        """Take the modules of the process out of it, and import this set."""
        watch_imports()
        _forget_archives()
        self._outer_texts = imported_texts()
        names = _own_names()
        self._keep_compiled(names)
        self._outside = _take_out(names)
        self._held = _attributes(self._outside)
        sys.modules.update(self._modules)
        _entered.append(self)

    def _put_back(self) -> None:
        """Keep what was imported as this set, and restore the modules of the process."""
        outside = self._outside
        _entered.remove(self)
        self._modules = _take_out(_own_names())
        stays = self.texts.keys() & sys.modules.keys()
        self._outer_texts.update({name: self.texts[name] for name in stays if name not in outside})
        if self.quiet or self.replaces:
            _imported.update(
                {n: (one, self.texts[n]) for n, one in self._modules.items() if n in self.texts.keys() - outside}
            )
            for module, name in _attributes(self._modules):
                vars(module).pop(name, None)
        else:  # the notebook has none of them: its cells import what the step imported
            sys.modules.update(self._modules)
            self._outer_texts.update({n: self.texts[n] for n in self._modules if n in self.texts})
            _taken_over.update(self._modules)
        sys.modules.update(outside)
        for (module, name), value in self._held.items():
            setattr(module, name, value)
        self._say_outdated()
        self._outside, self._outer_texts, self._held = {}, {}, {}
        if self._seconds > LONG:
            self.say(
                f"importing modules took {self._seconds:.1f} s: each step imports the modules beside the notebook "
                "again, as each task of a run does; what takes long can be done in a function",
                once="long",
            )

    @property
    def replaces(self) -> bool:
        """Whether the block imported a module of which the process has another copy."""
        return any(name in self._outside for name in self.texts)

    def say(self, note: str, *, once: str = "") -> None:
        """Add a note; with a mark, only once in a kernel."""
        if self.quiet:
            return
        if once not in _said:
            self.notes.append(note)
        if once:
            _said.add(once)

    def instead(self, name: str, error: Exception) -> ModuleType | None:
        """The module that the process had, for one that cannot be imported twice; None if it was not the same."""
        module, before = _imported.get(name, (None, None))
        if name in self._outside:
            module, before = self._outside[name], self._outer_texts.get(name)
        now = self.texts.get(name)
        if module is None or before is None or now is None or before.path != now.path:
            return None
        if not before.digests.says_same(now.digests):
            return None
        self.unsure.add(name)
        self.say(
            f"module {name} cannot be imported twice in one process ({type(error).__name__}: {error}), so the step "
            "used it as earlier cells left it; its result counts as stale, because a run may give another"
        )
        return module

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Count how long a module takes to be imported, unless it brings packages that stay imported."""
        started, known = perf_counter(), len(sys.modules)
        before = self._seconds
        try:
            yield
        finally:
            if (name in self._outside or name in _imported) and len(sys.modules) - known < 100:
                self._seconds = max(self._seconds, before + perf_counter() - started)

    def _say_outdated(self) -> None:
        """Note of which modules the notebook's cells have older copies."""
        for name, text in self.texts.items():
            before = self._outer_texts.get(name)
            if name not in self._outside or _taken_over.get(name) is self._outside[name] or before is None:
                continue
            if not before.digests.says_same(text.digests) and UNKNOWN not in (before.digests, text.digests):
                self.say(
                    f"module {name} was edited since the notebook imported it: steps use it as it is now, scratch "
                    f"cells as it was, until `importlib.reload({name})`",
                    once=f"{name} {text.digests.text}",
                )

    def _keep_compiled(self, names: list[str]) -> None:
        """Note what stays imported: an extension module cannot be loaded again, nor the packages around it."""
        for name, places in _kept(names).items():
            if getattr(sys.modules[name], "__file__", None):
                self.kept[name] = self._outer_texts.get(name) or unwatched_text(name, places[0], 0)
            if is_compiled(places[0]):
                self.say(
                    f"module {name} is compiled, and keeps its state from step to step; a run starts with a new one",
                    once=name,
                )
        for name in outdated_modules(self.kept):
            self.say(f"module {name} was changed since this kernel imported it; restart the kernel")


def _forget_archives() -> None:
    """Let archives be read again: Python remembers where in them each file was."""
    if not getattr(zipimport, "_zip_directory_cache", True):  # it has read none
        return
    for path, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, zipimport.zipimporter) and not is_installed(path):
            finder.invalidate_caches()


# -- values that go from one set of modules to another


@dataclass(frozen=True)
class Carried:
    """A value as it is stored: its classes are looked up again where it is opened."""

    encoding: str
    content: bytes

    def open(self) -> Any:
        """The value."""
        return decode(self.encoding, memoryview(bytearray(self.content)))


def carried(values: Mapping[str, Any], stored: Mapping[str, ArtifactRef] | None = None) -> dict[str, Any]:
    """The values that are made of the user's own modules, to be opened where other copies are imported.

    Returns
    -------
    dict of str to (Carried or ArtifactRef)
        By name; of values that are stored the reference.
    """
    found: dict[str, Any] = {}
    own: dict[str, bool] = {}
    for name, value in values.items():
        try:
            if not _is_made_of_own(value, own):
                continue
        except Exception:  # code of the value's own, such as a `__getattr__`
            continue
        if stored and name in stored:
            found[name] = stored[name]
        else:
            with contextlib.suppress(Exception):  # it then stays what it is
                encoding, parts = encode(value)
                found[name] = Carried(encoding, b"".join(parts))
    return found


def is_own(value: Any) -> bool:
    """Whether a value is one of the user's own modules, or a class, function or object of one."""
    try:
        return _is_made_of_own(value, {}, 1)
    except Exception:  # code of the value's own, such as a `__getattr__`
        return False


def _is_made_of_own(value: Any, known: dict[str, bool], most: int = MOST_OBJECTS) -> bool:
    """Whether an object, or one that it contains, is of the user's own modules; `most` are looked at."""
    ahead, seen = [value], 0
    while ahead and seen < most:
        one = ahead.pop()
        seen += 1
        kind = one if isinstance(one, type) else type(one)
        names = {kind.__module__, getattr(one, "__module__", None)}
        for module in {one.__name__} if isinstance(one, ModuleType) else names:
            if isinstance(module, str):
                if module not in known:
                    there = sys.modules.get(module)
                    known[module] = module in _imported or bool(there and own_places(module, there))
                if known[module]:
                    return True
        if isinstance(one, dict):
            ahead += islice(chain(one.keys(), one.values()), most)
        elif isinstance(one, list | tuple | set | frozenset):
            ahead += islice(one, most)
        elif not isinstance(one, type | ModuleType):
            ahead += islice(getattr(one, "__dict__", {}).values(), most)
    return False


# -- sys.modules


def _own_names() -> list[str]:
    """Names of all of the user's own modules that are imported."""
    new = _looked_at.take()
    found = {name for name in chain(new, _own, imported_paths()) if name in sys.modules and _places(name)}
    _own.update(found)
    return list(found)


def _places(name: str) -> list[str]:
    """Where an imported module of the user's own comes from, also if it has replaced itself by something else."""
    module = sys.modules.get(name)
    places = own_places(name, module) if isinstance(module, ModuleType) else []
    if places or module is None or getattr(module, "__file__", None):
        return places
    path = imported_paths().get(name)
    return [path] if path is not None else []


def _kept(names: list[str]) -> dict[str, list[str]]:
    """Modules that stay imported, with their places: those of packages that have compiled parts."""
    places = {name: _places(name) for name in names}
    tops = {name.partition(".")[0] for name, where in places.items() if any(map(is_compiled, where))} | STARTUP
    return {name: where for name, where in places.items() if name.partition(".")[0] in tops}


def _take_out(names: list[str]) -> dict[str, ModuleType]:
    """Take the user's own modules out of ``sys.modules``, given their names."""
    kept = _kept(names)
    return {name: sys.modules.pop(name) for name in names if name not in kept}


def _attributes(modules: Mapping[str, ModuleType]) -> dict[tuple[ModuleType, str], Any]:
    """The attributes by which packages that stay imported know some modules."""
    found = {}
    for name, module in modules.items():
        above, _, last = name.rpartition(".")
        parent = sys.modules.get(above) if above and above not in modules else None
        if parent is not None and vars(parent).get(last) is module:
            found[parent, last] = module
    return found
