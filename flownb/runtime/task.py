"""A task as plain values: what it is to run, what it shows while it runs, and what it left.

`flownb.runtime.attempt` turns a `TaskSpec` into a `TaskResult`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from flownb.cards.content import CardContent
from flownb.runtime.decorators import Recorded
from flownb.runtime.program import Program
from flownb.store.records import ArtifactRef, ForeachFrame, TaskRecord

__all__ = [
    "OnOutput",
    "Output",
    "OutputKind",
    "TaskResult",
    "TaskSpec",
    "inherited_refs",
]

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
        One for each ``@card``, from top to bottom, with what it has so far.
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
        if is_join:
            refs |= {name: ref for name, ref in parent.artifacts.items() if name in parameters}
        else:
            refs.update(parent.artifacts)
    return refs | {name: ref for name, ref in spec.given.items() if name not in parameters}
