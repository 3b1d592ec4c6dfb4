"""A task: what it is to run, and what it left.

Takes a `Program` and records; gives the values `TaskSpec` and `TaskResult`; `flownb.runtime.attempt` makes the second
of the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from flownb.cards.content import CardContent
from flownb.runtime.cards import CardUpdate
from flownb.runtime.decorators import Recorded
from flownb.runtime.program import Program
from flownb.store.records import ArtifactRef, ForeachFrame, TaskRecord

__all__ = [
    "AttemptEnded",
    "AttemptLost",
    "CardShown",
    "Executor",
    "InlineExecutor",
    "OnOutput",
    "Output",
    "OutputKind",
    "OutputShown",
    "TaskResult",
    "TaskSpec",
    "Told",
    "inherited_refs",
]

# MERGED-DOC runtime.output: What an attempt shows while it runs: pieces of text, and rich outputs. Takes what a
# step writes and displays; gives `Output` objects in the order they were made.


OutputKind = Literal["stdout", "stderr", "display", "clear"]


@dataclass(frozen=True)
class Output:
    """One piece of what an attempt showed.

    Attributes
    ----------
    kind : {"stdout", "stderr", "display", "clear"}
        ``clear`` takes away all that was shown before, as IPython's `clear_output` does.
    text : str
        Of a stream: what was written, perhaps half a line; of a display its ``text/plain``.
    data, metadata : dict
        Of a display: its MIME bundle.
    display_id : str
        Names a display that can be updated, else empty.
    update : bool
        Whether it takes the place of what was displayed under that name; of a ``clear``, whether it waits until the
        next output.
    """

    kind: OutputKind
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    display_id: str = ""
    update: bool = False


OnOutput = Callable[[Output], None]


@dataclass(frozen=True)
class TaskSpec:
    """What a task is to run.

    Attributes
    ----------
    step : str
    run, task : str
        Ids; empty for a spin that records nothing.
    parents : tuple of TaskRecord
        Where it inherits from; for a join, the tasks in ``inputs``.
    frames : tuple of ForeachFrame
        Open foreachs, this task's own included.
    given : dict of str to ArtifactRef
        Parameters and constants, which every task has.
    overrides : dict of str to object
        Values that replace inherited artifacts.
    attempt : int
    tags : tuple of str
    lost : str
        Why the attempt before left nothing, for one whose process died; the body is then not run again, ``@catch`` has
        its turn.
    origin_run : str
        The run that is resumed, empty if none is.
    source : ArtifactRef or None
        The texts of the marked cells, if they were persisted before.
    """

    step: str
    run: str = ""
    task: str = ""
    parents: tuple[TaskRecord, ...] = ()
    frames: tuple[ForeachFrame, ...] = ()
    given: Mapping[str, ArtifactRef] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 0
    tags: tuple[str, ...] = ()
    lost: str = ""
    origin_run: str = ""
    source: ArtifactRef | None = None


@dataclass(frozen=True)
class TaskResult:
    """What a task left.

    Attributes
    ----------
    record : TaskRecord
        As written down, or as it would be for a spin that records nothing (then without artifacts of its own, and
        without a fingerprint).
    values : dict of str to object
        What the step assigned to ``self``, as live objects.
    error : BaseException or None
        What ended it, with its traceback.
    decorators : tuple of (str, dict)
        Names and settings of the step's decorators.
    cards : tuple of CardContent
        One for each ``@card``, from top to bottom, as far as it was filled.
    notes : tuple of str
        What the user should know of how it ran.
    """

    record: TaskRecord
    values: dict[str, Any]
    error: BaseException | None = None
    decorators: tuple[Recorded, ...] = ()
    cards: tuple[CardContent, ...] = ()
    notes: tuple[str, ...] = ()


def inherited_refs(program: Program, spec: TaskSpec) -> dict[str, ArtifactRef]:
    """The artifacts a task starts with, by name.

    Parameters are those the parents ran with, constants those of the class; a join inherits nothing else.
    """
    parameters, is_join = program.parameter_names, program.graph[spec.step].is_join
    refs = dict(spec.given)
    for parent in spec.parents:
        for name, ref in parent.artifacts.items():
            if name in parameters or not (is_join or name in spec.given):
                refs[name] = ref
    return refs


# MERGED-DOC runtime.executor: Where the attempts of a run are executed. Takes `TaskSpec` objects; gives what
# happens to them as messages, in order. The scheduler knows only this protocol: one thread submits, waits and
# stops.


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
