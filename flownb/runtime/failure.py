"""What ended an attempt, as users see it and as it is recorded.

An exception, also one of another process, becomes texts with the frames of the user's code alone. `EXCEPTION_MODULES`
are Metaflow's modules of exceptions as code of a flow imports them: their classes catch ours, and are Metaflow's own
where it is installed, else those of `flownb.metaflow_errors`.
"""

from __future__ import annotations

import importlib
import traceback
import warnings
from collections.abc import Mapping
from types import ModuleType, TracebackType
from typing import Any

from flownb.errors import FlownbError
from flownb.metaflow_errors import STAND_INS, Catchable, MetaflowException, metaflow_name, stands_for

__all__ = [
    "CALLS_STEPS",
    "EXCEPTION_MODULES",
    "WORKER_DIED",
    "FailureHandledByCatch",
    "MetaflowExceptionWrapper",
    "StepError",
    "TimeoutException",
    "describe",
    "message",
    "process_died",
    "type_name",
    "user_frames",
]


# The recorded type of exception of an attempt whose process died.
WORKER_DIED = "WorkerDied"
# The module that calls a step's method.
CALLS_STEPS = "flownb.runtime.custom_decorators"


# The type that Metaflow gives what @catch kept, for our classes of which Metaflow has none.
BUILTIN_TYPES = {"ArtifactNotFound": "builtins.AttributeError", "ItemNotFound": "builtins.KeyError"}


class _Stopped(Catchable, MetaflowException):
    """An end of an attempt from outside; its text is Metaflow's."""

    def __init__(self, text: str) -> None:
        MetaflowException.__init__(self, text)
        self.args = (text,)


@stands_for("metaflow.plugins.timeout_decorator")
class TimeoutException(_Stopped):
    """A step ran longer than its ``@timeout``; Metaflow's name for it."""


@stands_for("metaflow.plugins.catch_decorator")
class FailureHandledByCatch(_Stopped):
    """All attempts of a step left no result, because their processes died; ``@catch`` gets this as the exception."""


class StepError(Exception):
    """An exception of a step that ran in another process: its type, text and traceback as that process saw them.

    Parameters
    ----------
    facts : mapping
        ``type``, ``message`` and ``traceback``, as in `flownb.store.records.TaskRecord.exception`, and perhaps
        ``shown``, the traceback as IPython shows it.
    final : bool, default False
        Whether another attempt cannot help: it is what flownb itself refused.
    """

    def __init__(self, facts: Mapping[str, str], *, final: bool = False) -> None:
        self.facts = dict(facts)
        self.final = final
        super().__init__(facts["message"])

    @property
    def type(self) -> str:
        """Name of the exception's type there."""
        return self.facts["type"]

    def _render_traceback_(self) -> list[str]:
        """Let IPython show the traceback of that process."""
        return (self.facts.get("shown") or self.facts["traceback"]).rstrip("\n").split("\n")


@stands_for("metaflow.exception")
class MetaflowExceptionWrapper(Catchable):
    """What ``@catch(var=…)`` keeps of an exception (``metaflow/exception.py``, 2.19.39): it can always be pickled.

    Attributes
    ----------
    type : str
        The exception's type with its module.
    exception : str
        Its text.
    stacktrace : str
        The traceback with the user's frames.
    """

    def __init__(self, exc: BaseException | None = None) -> None:
        Exception.__init__(self, "" if exc is None else message(exc))
        if exc is None:
            return
        self.exception = message(exc)
        self.type = _class_name(exc)
        self.stacktrace = describe(exc)["traceback"]

    def __reduce__(self) -> tuple[object, ...]:
        return MetaflowExceptionWrapper, (None,), self.__dict__

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return self.stacktrace or f"[no stacktrace]\n{self.type}: {self.exception}"


def user_frames(error: BaseException) -> TracebackType | None:
    """The error's traceback with the step's own frames and those of libraries it called; ours are left out."""
    kept: list[TracebackType] = []
    start: int | None = None
    below: int | None = None  # where the frames below the call of a step begin; it may be one of a base class
    frame = error.__traceback__
    while frame is not None:
        name = str(frame.tb_frame.f_globals.get("__name__", ""))
        # A debugger that is left with quit stops in bdb of the standard library.
        if name.split(".")[0] not in ("flownb", "bdb"):
            if start is None and _is_flow_code(frame):
                start = len(kept)
            kept.append(frame)
        elif name == CALLS_STEPS and below is None:
            below = len(kept)
        frame = frame.tb_next
    if start is None:
        start = below if below is not None else len(kept)
    found: TracebackType | None = None
    for one in reversed(kept[start:]):
        found = TracebackType(found, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return found


def process_died(text: str) -> StepError:
    """The error of an attempt whose process ended without a result, with a text."""
    return StepError({"type": WORKER_DIED, "message": text, "traceback": f"{text}\n"})


def type_name(error: BaseException) -> str:
    """The name of an error's type, where it was raised."""
    return error.type if isinstance(error, StepError) else type(error).__name__


def _class_name(error: BaseException) -> str:
    """An error's type with its module, as Metaflow names it."""
    if isinstance(error, StepError):
        return error.facts.get("class", error.type)
    kind = type(error)
    own = f"{kind.__module__}.{kind.__qualname__}"
    if not kind.__module__.startswith("flownb."):
        return own
    return BUILTIN_TYPES.get(kind.__name__) or metaflow_name(kind) or own


def message(error: BaseException) -> str:
    """An error's text; a class of the user's may fail to make one."""
    try:
        return str(error)
    except Exception as failure:
        return f"<{type(error).__name__}.__str__ raised {type(failure).__name__}>"


def describe(error: BaseException) -> dict[str, str]:
    """What is recorded of an error: ``type``, ``class``, ``message`` and ``traceback`` with the user's frames."""
    if isinstance(error, StepError):
        return dict(error.facts)
    frames = user_frames(error)
    lines = traceback.format_exception(type(error), error, frames) if frames else [f"{message(error)}\n"]
    headline = error.headline if isinstance(error, FlownbError) else type(error).__name__
    return {
        "type": headline,
        "class": _class_name(error),
        "message": message(error),
        "traceback": "".join(lines),
    }


def _is_flow_code(frame: TracebackType) -> bool:
    """Whether a frame runs a flow's module, where all that a user wrote for it lives."""
    return str(frame.tb_frame.f_globals.get("__name__", "")).startswith("flownb_flow_")


class _Exceptions(ModuleType):
    """One of Metaflow's modules; importing it, if it is installed, also lets our errors be its classes' instances."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Metaflow's own imports
                return getattr(importlib.import_module(self.__name__), name)
        except ModuleNotFoundError:
            known = STAND_INS[self.__name__]
            if name not in known:
                raise ImportError(
                    f"`{name}` of {self.__name__} is not one of the names flownb brings ({', '.join(sorted(known))}), "
                    "and Metaflow itself is not installed. Install it with `pip install flownb[metaflow]`.",
                    name=name,
                ) from None
            return known[name]


EXCEPTION_MODULES: dict[str, ModuleType] = {name: _Exceptions(name) for name in STAND_INS}
