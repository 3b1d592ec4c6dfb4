"""Where the attempts of a run are executed, and the messages that report what happens to them.

There is one set of messages. A worker process sends them on its channel, a dask worker as events of its cluster, and an
`Executor` passes them on to the scheduler, each with the `TaskSpec` that it was submitted with. Messages stay within
one build of flownb: a worker is forked by its driver, and dask workers of another version are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from flownb.cards.content import CardContent
from flownb.errors import FlownbError
from flownb.runtime.cards import CardUpdate
from flownb.runtime.failure import StepError, describe
from flownb.runtime.task import Output, TaskResult, TaskSpec
from flownb.store.records import TaskRecord, from_json, to_json

__all__ = [
    "Ended",
    "Executor",
    "InlineExecutor",
    "Lost",
    "Message",
    "Notice",
    "Refused",
    "Started",
]


@dataclass(frozen=True)
class Started:
    """An attempt has begun, on the worker of this address; only executors on other machines need to know."""

    where: str


@dataclass(frozen=True)
class Ended:
    """An attempt ended, well or not, and is recorded.

    What is pickled of it is plain data: an error arrives as a `StepError`, and live values must be left out before.

    Attributes
    ----------
    result : TaskResult
    elsewhere : bool
        Whether another process recorded it.
    lingers : bool
        Whether something of the step continues until its process ends: threads, exit handlers, processes it started.
    """

    result: TaskResult
    elsewhere: bool = False
    lingers: bool = False
    # The record as it came, for an end that passes it on; a changed copy has none.
    _packed: bytes = field(default=b"", init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        result = self.result
        facts, final = None, False
        if result.error is not None:
            facts, final = describe(result.error), isinstance(result.error, FlownbError)
            if isinstance(result.error, StepError):
                final = result.error.final
        record = self._packed or to_json(result.record)
        return _ended_elsewhere, (record, facts, final, result.values, result.cards, self.lingers)


def _ended_elsewhere(
    packed: bytes,
    facts: Mapping[str, str] | None,
    final: bool,
    values: dict[str, Any],
    cards: tuple[CardContent, ...],
    lingers: bool,
) -> Ended:
    """What `Ended` is at the other end."""
    record = from_json(TaskRecord, packed)
    error: BaseException | None = None
    if record.status == "interrupted":
        error = KeyboardInterrupt()
    elif facts is not None:
        error = StepError(facts, final=final)
    ended = Ended(TaskResult(record, values, error, (), cards), True, lingers)
    object.__setattr__(ended, "_packed", packed)
    return ended


@dataclass(frozen=True)
class Lost:
    """The process of an attempt died, for the reason given; it is recorded only if that happened right at the end."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """No more attempts of the run can be executed there, for a reason of three sentences.

    Attributes
    ----------
    message : str
    store : bool
        Whether the datastore is to blame, such as when an attempt could not be recorded.
    """

    message: str
    store: bool


Message = Started | Output | CardUpdate | Ended | Lost | Refused
# What an executor gives the scheduler: an attempt and what happened to it. `Started` it keeps to itself, and it raises
# what is `Refused`.
Notice = tuple[TaskSpec, Output | CardUpdate | Ended | Lost]


class Executor(Protocol):
    """Executes attempts.

    Attributes
    ----------
    slots : int
        How many attempts it executes at once.
    memory : float
        How much memory they may ask for together, in MB; infinity where it is not known.
    """

    slots: int
    memory: float

    def submit(self, spec: TaskSpec, *, limit: float | None = None) -> None:
        """Start an attempt.

        Parameters
        ----------
        spec : TaskSpec
        limit : float, optional
            Seconds after which it is ended by force.
        """
        ...

    def wait(self, seconds: float) -> Sequence[Notice]:
        """What happened, in order; waits up to `seconds` for something to happen.

        Raises
        ------
        StoreError
            If an attempt could not be recorded.
        ExecutorError
            If no more attempts can be run.
        """
        ...

    def interrupt(self) -> None:
        """Interrupt all attempts, as Ctrl-C does; each then ends, and `wait` reports it."""
        ...

    def kill(self) -> None:
        """End all attempts by force; `wait` reports each."""
        ...

    def close(self) -> None:
        """Release what is held; what still runs is ended by force."""
        ...


class InlineExecutor:
    """Executes each attempt at once in this process: for debuggers, and where processes cannot be forked.

    Parameters
    ----------
    run : callable
        Runs one attempt.
    """

    slots = 1
    memory = math.inf

    def __init__(self, run: Callable[[TaskSpec], TaskResult]) -> None:
        self._run = run
        self._notices: list[Notice] = []

    def submit(self, spec: TaskSpec, *, limit: float | None = None) -> None:
        """Run the attempt now."""
        self._notices.append((spec, Ended(self._run(spec))))

    def wait(self, seconds: float) -> Sequence[Notice]:
        """What happened since the last call."""
        notices, self._notices = self._notices, []
        return notices

    def interrupt(self) -> None:
        """Nothing runs between two calls."""

    def kill(self) -> None:
        """Nothing runs between two calls."""

    def close(self) -> None:
        """Nothing is held."""
