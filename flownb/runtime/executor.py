"""Where the attempts of a run are executed.

Takes `TaskSpec` objects; gives what happens to them as messages, in order. The scheduler knows only this protocol: one
thread submits, waits and stops.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from flownb.runtime.cards import CardUpdate
from flownb.runtime.output import Output
from flownb.runtime.task import TaskResult, TaskSpec

__all__ = ["AttemptEnded", "AttemptLost", "CardShown", "Executor", "InlineExecutor", "OutputShown", "Told"]


@dataclass(frozen=True)
class OutputShown:
    """An attempt wrote or displayed something."""

    spec: TaskSpec
    output: Output


@dataclass(frozen=True)
class CardShown:
    """An attempt asked for its cards to be drawn again."""

    spec: TaskSpec
    update: CardUpdate


@dataclass(frozen=True)
class AttemptEnded:
    """An attempt ended, well or not, and is recorded; `elsewhere` if another process did so."""

    spec: TaskSpec
    result: TaskResult
    elsewhere: bool = False


@dataclass(frozen=True)
class AttemptLost:
    """What ran an attempt is gone, for the reason given; it is recorded only if that happened right at the end."""

    spec: TaskSpec
    reason: str


Told = OutputShown | CardShown | AttemptEnded | AttemptLost


class Executor(Protocol):
    """Executes attempts.

    Attributes
    ----------
    slots : int
        How many attempts it executes at once.
    memory : float
        How much memory they may ask for together, in MB; infinity where it cannot be told.
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

    def wait(self, seconds: float) -> Sequence[Told]:
        """What happened, in order; waits up to so many seconds for something to happen.

        Raises
        ------
        StoreError
            If an attempt could not be recorded.
        """
        ...

    def interrupt(self) -> None:
        """Interrupt all attempts, as Ctrl-C does; each then ends, and `wait` tells of it."""
        ...

    def kill(self) -> None:
        """End all attempts by force; `wait` tells of each."""
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
        self._told: list[Told] = []

    def submit(self, spec: TaskSpec, *, limit: float | None = None) -> None:
        """Run the attempt now."""
        self._told.append(AttemptEnded(spec, self._run(spec)))

    def wait(self, seconds: float) -> Sequence[Told]:
        """What happened since the last call."""
        told, self._told = self._told, []
        return told

    def interrupt(self) -> None:
        """Nothing runs between two calls."""

    def kill(self) -> None:
        """Nothing runs between two calls."""

    def close(self) -> None:
        """Nothing is held."""
