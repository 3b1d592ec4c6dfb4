"""What Metaflow's decorators do to a task that runs here, with Metaflow's meaning.

Which decorators there are, and what values they take, is in `flownb.metaflow_decorators`. Those of `APPLIED_TO_STEPS`
have an effect here; all others are written to flow.py and have no effect on a local task.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from flownb.cells.body import Decorator
from flownb.errors import ParameterError
from flownb.flow.decorators import decorator_call
from flownb.metaflow_decorators import defaults_of, wrong_values
from flownb.runtime.failure import TimeoutException

__all__ = [
    "CATCH_EXCEPTION",
    "Catch",
    "Needs",
    "Recorded",
    "catch",
    "check_values",
    "needs",
    "retries",
    "set_variables",
    "time_limit",
    "timeout_seconds",
    "variables",
    "written_variables",
]

Recorded = tuple[str, Mapping[str, Any]]
# The artifact in which @catch keeps what it caught, beside the one its `var` names.
CATCH_EXCEPTION = "_catch_exception"


@dataclass(frozen=True)
class Catch:
    """``@catch``: the artifact that takes the exception, and whether to print it."""

    var: str | None
    print_exception: bool


@dataclass(frozen=True)
class Needs:
    """``@resources``: how many CPUs, and how many MB of memory (0 if the step does not say)."""

    cpu: float = 1.0
    memory: float = 0.0


def check_values(step: str, decorators: Sequence[Recorded]) -> None:
    """Refuse values that a decorator cannot use and that the static checks could not know: expressions, configs.

    Raises
    ------
    ParameterError
        As Metaflow would refuse it before anything runs.
    """
    for name, settings in decorators:
        for wrong in wrong_values(step, name, settings):
            if wrong.fails:
                raise ParameterError.of(wrong.message)


def retries(decorators: Sequence[Recorded]) -> int:
    """How often a failed task is tried again.

    Notes
    -----
    ``minutes_between_retries`` is for what `flow.py` is deployed to: Metaflow's local runtime tries again at once
    (``metaflow/runtime.py``, 2.19.39), and only Batch, Kubernetes, Argo, Airflow and Step Functions wait.
    """
    for name, settings in decorators:
        if name == "retry":
            return int({**defaults_of(name), **settings}["times"])
    return 0


def catch(decorators: Sequence[Recorded]) -> Catch | None:
    """The step's ``@catch``, for an exception that is left after all retries; None without one."""
    for name, settings in decorators:
        if name == "catch":
            return Catch(settings.get("var"), bool(settings.get("print_exception", True)))
    return None


def needs(decorators: Sequence[Recorded]) -> Needs:
    """What a task needs of the machine while it runs; memory counts only where a step says how much."""
    found = [settings for name, settings in decorators if name == "resources"]
    if not found:
        return Needs()
    return Needs(
        max(_number(settings.get("cpu"), 1.0) for settings in found),
        max(_number(settings.get("memory"), 0.0) for settings in found),
    )


def _number(value: object, default: float) -> float:
    """A setting as a number; anything else counts as not given, because a local run of Metaflow never reads it."""
    try:
        return float(value or default)  # type: ignore[arg-type]  # whatever the user wrote
    except (TypeError, ValueError):
        return default


def variables(decorators: Sequence[Recorded]) -> dict[str, str]:
    """The environment variables of ``@environment(vars=…)``; wrong settings, which fail the step, have none."""
    found = [settings.get("vars", {}) for name, settings in decorators if name == "environment"]
    return {name: str(value) for one in found if isinstance(one, Mapping) for name, value in one.items()}


def written_variables(decorators: Sequence[Decorator]) -> dict[str, str]:
    """Those that are written out, so that they are known before any code runs."""
    calls = [call for call in map(decorator_call, decorators) if call is not None]
    named = [(call.name, call.settings) for call in calls]
    return variables([(name, one) for name, one in named if isinstance(one.get("vars"), dict)])


def set_variables(wanted: Mapping[str, str]) -> bool:
    """Set environment variables for the task that begins; returns whether any had another value."""
    changed = any(os.environ.get(name) != value for name, value in wanted.items())
    if changed:
        os.environ.update(wanted)
    return changed


def timeout_seconds(decorators: Sequence[Recorded]) -> int:
    """The seconds of ``@timeout``, its units added; 0 without one."""
    units = (("hours", 3600), ("minutes", 60), ("seconds", 1))
    for name, settings in decorators:
        if name == "timeout":
            return sum(int(settings.get(unit) or 0) * factor for unit, factor in units)
    return 0


@contextlib.contextmanager
def time_limit(decorators: Sequence[Recorded], step: str) -> Iterator[None]:
    """Raise `TimeoutException` inside the block when the step's ``@timeout`` has passed.

    Python handles the signal between two instructions: code that hangs in C is ended by whoever watches the process.
    Only a process's main thread can be interrupted; in another one nothing is done.
    """
    seconds = timeout_seconds(decorators)
    if not seconds or threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise TimeoutException(f"Step {step} timed out after {_duration(seconds)}.")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _duration(seconds: int) -> str:
    """Seconds in the largest units that fit: ``1 hour 5 minutes``."""
    parts = []
    for unit, factor in (("hour", 3600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, factor)
        if count:
            parts.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return " ".join(parts)
