"""Modules of the user's own see the ``metaflow`` that cells see.

A helper module beside the notebook says ``from metaflow import current`` as a cell does, and must get the same object.
A module is executed with builtins of its own, whose import gives `flownb.runtime.metaflow_names`. Installed packages
keep the real Metaflow, but for those that a base class of the flow comes from.
"""

from __future__ import annotations

import builtins
import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any

from flownb.runtime.imported_text import watch_imports
from flownb.runtime.installed import is_installed
from flownb.runtime.metaflow_names import flow_import
from flownb.runtime.own_modules import current_modules
from flownb.runtime.variables import module_executed

__all__ = ["always", "own_imports"]

BUILTINS = "__builtins__"
NEVER = frozenset({"flownb", "metaflow", "metaflow_extensions"}) | sys.stdlib_module_names
# Installed packages that base classes of flows come from.
_adopted: set[str] = set()


class _Finder(MetaPathFinder):
    """Finds what the other finders find, and lets a module of the user's own see our names."""

    def __init__(self) -> None:
        self.always = False
        self.open = 0
        self._busy: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Ask the others, once."""
        if not (self.always or self.open) or name in self._busy or name.partition(".")[0] in NEVER:
            return None
        self._busy.add(name)
        try:
            for finder in sys.meta_path:
                find = getattr(finder, "find_spec", None) if finder is not self else None
                found: ModuleSpec | None = find(name, path, target) if find is not None else None
                if found is not None:
                    break
            else:
                return None
        finally:
            self._busy.discard(name)
        loader = found.loader
        # Other loaders have reasons of their own, as pytest's has, which rewrites tests.
        if type(loader) is SourceFileLoader and _is_own(name, found.origin):
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                vars(module)[BUILTINS] = {**vars(builtins), "__import__": flow_import}
                with module_executed(name):
                    _execute(module, execute)

            loader.exec_module = exec_module  # type: ignore[method-assign]  # of this module's loader alone
        return found


_finder = _Finder()


def _execute(module: ModuleType, execute: Callable[[ModuleType], None]) -> None:
    """Execute a module; one that cannot be executed twice is replaced by the copy that the process has."""
    own = current_modules()
    if own is None:
        execute(module)
        return
    try:
        with own.timed(module.__name__):
            execute(module)
    except Exception as error:
        before = own.instead(module.__name__, error)
        if before is None:
            raise
        sys.modules[module.__name__] = before  # what the import then gives


def _is_own(name: str, origin: str | None) -> bool:
    """Whether a module is the user's own, or of a package that a flow's base class comes from."""
    return origin is not None and (not is_installed(origin) or name.partition(".")[0] in _adopted)


def always() -> None:
    """From now on all modules of the user's own see our names, in a process that is a flow's: a kernel, a command."""
    if not _finder.always:
        _finder.always = True
        _install()
        _forget()


@contextlib.contextmanager
def own_imports(adopted: Iterable[str] = ()) -> Iterator[None]:
    """Let what is imported in the block see our names; `adopted` are installed packages that must, too."""
    new = set(adopted) - _adopted
    _adopted.update(new)
    if new or not (_finder.always or _finder.open):
        _forget()
    _install()
    _finder.open += 1
    try:
        yield
    finally:
        _finder.open -= 1


def _install() -> None:
    """Put the finder before all others."""
    watch_imports()
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def _forget() -> None:
    """Let modules of the user's own that were imported with the real Metaflow be imported again."""
    if "metaflow" not in sys.modules:
        return
    stale = [
        name
        for name, module in list(sys.modules.items())
        if (spec := getattr(module, "__spec__", None)) is not None
        and type(spec.loader) is SourceFileLoader
        and name.partition(".")[0] not in NEVER
        and name != "__main__"
        and not _sees_ours(module)
        and _is_own(name, spec.origin)
        and any(_is_real(value) for value in list(vars(module).values()))
    ]
    # What imported such a module holds it, or what it took of it.
    tops = {name.partition(".")[0] for name in stale}
    for name in list(sys.modules):
        if name in stale or name.partition(".")[0] in tops:
            del sys.modules[name]


def _sees_ours(module: ModuleType) -> bool:
    """Whether a module was executed with our import; of what it took of Metaflow, we pass some on."""
    known = vars(module).get(BUILTINS)
    return isinstance(known, dict) and known.get("__import__") is flow_import


def _is_real(value: Any) -> bool:
    """Whether a value of a module is the real Metaflow, or something of it."""
    module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] == "metaflow"
