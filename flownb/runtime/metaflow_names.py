"""What ``from metaflow import …`` gives a step that flownb runs.

Takes the import of a name inside flow code; gives flownb's implementation where there is one, else the installed
Metaflow's own. The source of a step says ``metaflow`` because that is the source that ships (DESIGN.md, "the law").
"""

from __future__ import annotations

import builtins
import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from flownb import cards
from flownb.cells.body import STEP_DECORATORS
from flownb.flow.definition import FLOW_DECORATORS, IPYTHON_BUILTINS
from flownb.metaflow_errors import STAND_INS
from flownb.runtime.current import current
from flownb.runtime.custom_decorators import (
    USER_SKIP_STEP,
    FlowMutator,
    StepMutator,
    UserStepDecorator,
    user_step_decorator,
)
from flownb.runtime.flowspec import FlowSpec
from flownb.runtime.metaflow_exceptions import EXCEPTION_MODULES
from flownb.runtime.mutators import MutableFlow, MutableStep
from flownb.runtime.parameters.config import Config
from flownb.runtime.parameters.config_expr import config_expr
from flownb.runtime.parameters.config_value import ConfigValue
from flownb.runtime.parameters.include_file import IncludeFile
from flownb.runtime.parameters.parameter import JSONType, Parameter

__all__ = ["flow_builtins", "flow_import", "metaflow_names"]


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
    """Stands for ``metaflow``, or one of its modules, inside flow code."""

    def __init__(self, name: str, own: Mapping[str, Any], client: frozenset[str] = frozenset()) -> None:
        super().__init__(name)
        self.__dict__.update(own)
        self.__path__: list[str] = []
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._client:
            # The client stands above the runtime; flow code, above both, reaches it through this door.
            return getattr(importlib.import_module("flownb.client"), name)
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


def flow_builtins(display: Callable[[Any], None] | None) -> dict[str, Any]:
    """Builtins of a flow's module: Python's, without IPython's additions, with our import.

    Parameters
    ----------
    display : callable or None
        Shows the value of a body's last expression.
    """
    names = {name: value for name, value in vars(builtins).items() if name not in IPYTHON_BUILTINS - {"exit", "quit"}}
    names["__import__"] = flow_import
    names["__flownb_display__"] = display or (lambda value: None)
    return names
