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
from flownb.flow.definition import IPYTHON_BUILTINS
from flownb.flow.module import FLOW_DECORATORS
from flownb.runtime.current import current
from flownb.runtime.flowspec import FlowSpec
from flownb.runtime.parameters.config import Config
from flownb.runtime.parameters.config_expr import config_expr
from flownb.runtime.parameters.config_value import ConfigValue
from flownb.runtime.parameters.include_file import IncludeFile
from flownb.runtime.parameters.parameter import JSONType, Parameter

__all__ = ["flow_builtins", "metaflow_names"]


def _decorator(name: str) -> Callable[..., Any]:
    """A decorator that records its name and settings, used as ``@card`` or ``@card(type="html")``."""

    def decorate(target: Any = None, /, **settings: Any) -> Any:
        def record(thing: Any) -> Any:
            thing.flownb_decorators = (*getattr(thing, "flownb_decorators", ()), (name, settings))
            return thing

        return record(target) if target is not None else record

    decorate.__name__ = name
    return decorate


def _is_decorator(value: Any) -> bool:
    """Whether it is a decorator of Metaflow or of an extension, which can decorate Metaflow's own classes only."""
    makers = ("_base_step_decorator", "_base_flow_decorator")
    return isinstance(value, functools.partial) and getattr(value.func, "__name__", "") in makers


def step(function: Any = None, /, **settings: Any) -> Any:
    """Mark a method as a step, as Metaflow's ``@step`` does."""

    def mark(method: Any) -> Any:
        method.is_step = True
        return method

    return mark(function) if function is not None else mark


NAMES: Mapping[str, Any] = {
    "Config": Config,
    "ConfigValue": ConfigValue,
    "FlowSpec": FlowSpec,
    "IncludeFile": IncludeFile,
    "JSONType": JSONType,
    "cards": cards,
    "Parameter": Parameter,
    "config_expr": config_expr,
    "current": current,
    "step": step,
    **{name: _decorator(name) for name in sorted(STEP_DECORATORS | FLOW_DECORATORS)},
}


# Names of the client, by which a step reads other runs.
CLIENT_NAMES = frozenset({"DataArtifact", "Flow", "Run", "Step", "Task", "get_metadata"})


class _Metaflow(ModuleType):
    """Stands for ``metaflow`` inside flow code."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in CLIENT_NAMES:
            # The client stands above the runtime; flow code, above both, reaches it through this door.
            return getattr(importlib.import_module("flownb.client"), name)
        try:
            found = getattr(importlib.import_module("metaflow"), name)
            return _decorator(name) if _is_decorator(found) else found
        except ModuleNotFoundError as error:
            brought = ", ".join(sorted({*NAMES, *CLIENT_NAMES}))
            raise ImportError(
                f"`{name}` of metaflow is not one of the names flownb brings ({brought}), and "
                "Metaflow itself is not installed. Install it with `pip install flownb[metaflow]`.",
                name=name,
            ) from error


metaflow_names = _Metaflow("metaflow")
metaflow_names.__dict__.update(NAMES)
metaflow_names.__path__ = []


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,  # noqa: A002  # __import__'s own signature
    locals: Mapping[str, object] | None = None,  # noqa: A002  # __import__'s own signature
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    """``__import__`` for flow code: ``metaflow`` and ``flownb`` are this module's names, ``.cards`` is ours."""
    if level == 0 and name in ("metaflow", "flownb"):
        return metaflow_names
    if level == 0 and name in ("metaflow.cards", "flownb.cards"):
        return cards if fromlist else metaflow_names  # `import a.b` binds `a`
    return builtins.__import__(name, globals, locals, fromlist or (), level)


def flow_builtins(display: Callable[[Any], None] | None) -> dict[str, Any]:
    """Builtins of a flow's module: Python's, without IPython's additions, with our import.

    Parameters
    ----------
    display : callable or None
        Shows the value of a body's last expression.
    """
    names = {name: value for name, value in vars(builtins).items() if name not in IPYTHON_BUILTINS - {"exit", "quit"}}
    names["__import__"] = _import
    names["__flownb_display__"] = display or (lambda value: None)
    return names
