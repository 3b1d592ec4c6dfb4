"""What ``from metaflow import …`` gives to flow code: cells, and the user's own modules that they import.

The source of a step says ``metaflow`` because that is the source that ships. A name is flownb's implementation where
there is one, else the installed Metaflow's own. A helper module beside the notebook must get the same objects as a
cell, so it is executed with builtins of its own, whose import is `flow_import`. Installed packages keep the real
Metaflow, except those that a base class of the flow comes from.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any

from flownb import cards
from flownb.client_access import client
from flownb.flow.definition import IPYTHON_BUILTINS
from flownb.metaflow_decorators import FLOW_DECORATORS, STEP_DECORATORS
from flownb.metaflow_errors import STAND_INS
from flownb.provenance.imported_text import watch_imports
from flownb.provenance.installed import is_installed
from flownb.provenance.module_copies import current_modules
from flownb.provenance.variables import module_executed
from flownb.runtime.current import current
from flownb.runtime.custom_decorators import (
    USER_SKIP_STEP,
    FlowMutator,
    StepMutator,
    UserStepDecorator,
    user_step_decorator,
)
from flownb.runtime.failure import EXCEPTION_MODULES
from flownb.runtime.flowspec import FlowSpec
from flownb.runtime.mutators import MutableFlow, MutableStep
from flownb.runtime.parameters.config import Config
from flownb.runtime.parameters.config_expr import config_expr
from flownb.runtime.parameters.config_value import ConfigValue
from flownb.runtime.parameters.parameter import IncludeFile, JSONType, Parameter

__all__ = ["always_own_imports", "flow_builtins", "flow_import", "metaflow_names", "own_imports"]

BUILTINS = "__builtins__"
NEVER = frozenset({"flownb", "metaflow", "metaflow_extensions"}) | sys.stdlib_module_names
# Installed packages that base classes of flows come from.
_adopted: set[str] = set()


def _decorator(name: str) -> Callable[..., Any]:
    """A decorator that records its name and settings, used as ``@card`` or ``@card(type="html")``."""

    def decorate(target: Any = None, /, **settings: Any) -> Any:
        def record(thing: Any) -> Any:
            thing.flownb_decorators = (*getattr(thing, "flownb_decorators", ()), (name, settings))
            return thing

        return record(target) if target is not None else record

    decorate.__name__ = name
    decorate.flownb_decorator = name  # type: ignore[attr-defined]  # by which mutators know it
    return decorate


def _is_decorator(value: Any) -> bool:
    """Whether it is a decorator of Metaflow or of an extension, which can decorate Metaflow's own classes only."""
    makers = ("_base_step_decorator", "_base_flow_decorator")
    return isinstance(value, functools.partial) and getattr(value.func, "__name__", "") in makers


def step(function: Any = None, /, **settings: Any) -> Any:
    """Mark a method as a step, as Metaflow's ``@step`` does."""

    def mark(method: Any) -> Any:
        # Where Metaflow keeps a step's decorators; those of installed extensions look for them there.
        method.is_step, method.name = True, method.__name__
        method.decorators, method.wrappers, method.config_decorators = [], [], []
        return method

    return mark(function) if function is not None else mark


NAMES: Mapping[str, Any] = {
    "Config": Config,
    "ConfigValue": ConfigValue,
    "FlowMutator": FlowMutator,
    "FlowSpec": FlowSpec,
    "IncludeFile": IncludeFile,
    "JSONType": JSONType,
    "cards": cards,
    "Parameter": Parameter,
    "StepMutator": StepMutator,
    "USER_SKIP_STEP": USER_SKIP_STEP,
    "UserStepDecorator": UserStepDecorator,
    "config_expr": config_expr,
    "current": current,
    "step": step,
    "user_step_decorator": user_step_decorator,
    **{name: _decorator(name) for name in sorted(STEP_DECORATORS | FLOW_DECORATORS)},
}


# Names of the client, by which a step reads other runs.
CLIENT_NAMES = frozenset(
    {"DataArtifact", "Flow", "Metaflow", "Run", "Step", "Task", "default_metadata", "get_metadata", "inspect_spin"}
)
# Modules of Metaflow's from which real flows import what they need, with the names that are ours there.
MODULES: Mapping[str, frozenset[str]] = {
    "metaflow.client": CLIENT_NAMES,
    "metaflow.client.core": CLIENT_NAMES,
    "metaflow.decorators": frozenset({"step"}),
    "metaflow.flowspec": frozenset({"FlowSpec"}),
    "metaflow.includefile": frozenset({"IncludeFile"}),
    "metaflow.metaflow_current": frozenset({"current"}),
    "metaflow.parameters": frozenset({"JSONType", "Parameter"}),
    "metaflow.user_configs": frozenset(),
    "metaflow.user_configs.config_parameters": frozenset({"Config", "ConfigValue", "config_expr"}),
    "metaflow.user_decorators": frozenset(),
    "metaflow.user_decorators.mutable_flow": frozenset({"MutableFlow"}),
    "metaflow.user_decorators.mutable_step": frozenset({"MutableStep"}),
    "metaflow.user_decorators.user_flow_decorator": frozenset({"FlowMutator"}),
    "metaflow.user_decorators.user_step_decorator": frozenset(
        {"StepMutator", "USER_SKIP_STEP", "UserStepDecorator", "user_step_decorator"}
    ),
}


class _Mirror(ModuleType):
    """``metaflow``, or one of its modules, as flow code sees it."""

    def __init__(self, name: str, own: Mapping[str, Any], client: frozenset[str] = frozenset()) -> None:
        super().__init__(name)
        self.__dict__.update(own)
        self.__path__: list[str] = []
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._client:
            return getattr(client(), name)
        try:
            found = getattr(importlib.import_module(self.__name__), name)
            return _decorator(name) if _is_decorator(found) else found
        except ModuleNotFoundError as error:
            if name in STAND_INS.get(self.__name__, {}):
                return STAND_INS[self.__name__][name]
            brought = ", ".join(sorted({*NAMES, *CLIENT_NAMES}))
            raise ImportError(
                f"`{name}` of {self.__name__} is not one of the names flownb brings ({brought}), and "
                "Metaflow itself is not installed. Install it with `pip install flownb[metaflow]`.",
                name=name,
            ) from error


def _mirrors() -> dict[str, ModuleType]:
    """All mirrors by name, each an attribute of the one around it."""
    found: dict[str, ModuleType] = {"metaflow": _Mirror("metaflow", NAMES, CLIENT_NAMES)}
    found["metaflow"].__dict__["__all__"] = sorted({*NAMES, *CLIENT_NAMES})
    inner: dict[str, Any] = {**NAMES, "MutableFlow": MutableFlow, "MutableStep": MutableStep}
    for name, names in MODULES.items():
        own = {one: inner[one] for one in names - CLIENT_NAMES}
        mirror = found[name] = _Mirror(name, own, names & CLIENT_NAMES)
        above, _, last = name.rpartition(".")
        found[above].__dict__[last] = mirror
    for name, module in EXCEPTION_MODULES.items():
        if name not in found:
            found[name] = module
            above, _, last = name.rpartition(".")
            if above in found:
                found[above].__dict__[last] = module
    return found


MIRRORS = _mirrors()
metaflow_names = MIRRORS["metaflow"]


def flow_import(
    name: str,
    globals: Mapping[str, object] | None = None,  # noqa: A002  # __import__'s own signature
    locals: Mapping[str, object] | None = None,  # noqa: A002  # __import__'s own signature
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    """``__import__`` for flow code: ``metaflow`` and ``flownb`` are this module's names, ``.cards`` is ours."""
    if level == 0:
        if name in ("metaflow", "flownb"):
            return metaflow_names
        if name in ("metaflow.cards", "flownb.cards"):
            return cards if fromlist else metaflow_names  # `import a.b` binds `a`
        if name in MIRRORS:
            return MIRRORS[name] if fromlist else metaflow_names
        if name.startswith("metaflow.") and not fromlist:
            builtins.__import__(name)
            return metaflow_names
    return builtins.__import__(name, globals, locals, fromlist or (), level)


# Builtins for a module of a process that is forked from this one, which copies a page of memory for each of many.
_ahead: list[dict[str, Any]] = []


def builtins_ahead() -> None:
    """Have the builtins of the next flow's module ready."""
    _ahead[:] = [_plain_builtins()]


def _plain_builtins() -> dict[str, Any]:
    """Python's builtins, without IPython's additions."""
    names = dict(vars(builtins))
    for name in IPYTHON_BUILTINS - {"exit", "quit"}:
        names.pop(name, None)
    return names


def flow_builtins(display: Callable[[Any], None] | None) -> dict[str, Any]:
    """Builtins of a flow's module: Python's, without IPython's additions, with our import.

    Parameters
    ----------
    display : callable or None
        Shows the value of a body's last expression.
    """
    names = _ahead.pop() if _ahead else _plain_builtins()
    names["__import__"] = flow_import
    names["__flownb_display__"] = display or (lambda value: None)
    return names


class _Finder:
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
        # Other loaders do something of their own: that of pytest rewrites tests.
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
        sys.modules[module.__name__] = before  # what the import then returns


def _is_own(name: str, origin: str | None) -> bool:
    """Whether a module is the user's own, or of a package that a flow's base class comes from."""
    return origin is not None and (not is_installed(origin) or name.partition(".")[0] in _adopted)


def always_own_imports() -> None:
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
    # A module that imported such a module holds it, or names of it.
    tops = {name.partition(".")[0] for name in stale}
    for name in list(sys.modules):
        if name in stale or name.partition(".")[0] in tops:
            del sys.modules[name]


def _sees_ours(module: ModuleType) -> bool:
    """Whether a module was executed with our import, which passes some names of Metaflow on."""
    known = vars(module).get(BUILTINS)
    return isinstance(known, dict) and known.get("__import__") is flow_import


def _is_real(value: Any) -> bool:
    """Whether a value of a module is the real Metaflow, or something of it."""
    module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] == "metaflow"
