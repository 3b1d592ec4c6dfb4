"""Which tasks of its origin run a resume clones.

For each task that is ready to run, `Clones.find` gives the task's clone, or None if it has to run, and remembers why.
What counts is content: the code, and the values that the task read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from flownb.errors import FlownbError, MissingResults
from flownb.flow.graph import Node
from flownb.runtime.decorators import Recorded
from flownb.runtime.foreach import UNORDERED, ItemKeys, count_items
from flownb.runtime.freshness import Comparison, Reason, ended
from flownb.runtime.program import Program
from flownb.runtime.task import TaskSpec
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, ForeachFrame, TaskRecord

__all__ = ["Clones", "StepClones"]

# Of tasks with equal items, how many are compared.
ALIKE = 8
# How many reasons a line names.
SHOWN = 3


@dataclass
class StepClones:
    """How many of a step's tasks were cloned or ran, and why.

    Attributes
    ----------
    step : str
    cloned, ran : int
        How many tasks were cloned, and how many had to run.
    reasons : dict of Reason to None
        Why some had to run, in the order in which the reasons appeared.
    """

    step: str
    cloned: int = 0
    ran: int = 0
    reasons: dict[Reason, None] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """``train: 2 of 5 tasks ran: new items``."""
        if not self.ran:
            return f"{self.step}: cloned" + (f", {self.cloned} tasks" if self.cloned > 1 else "")
        if not self.cloned:
            return f"{self.step}: ran, {self.why}"
        return f"{self.step}: {self.ran} of {self.ran + self.cloned} tasks ran: {self.why}"

    @property
    def why(self) -> str:
        """The first reasons."""
        said = list(map(str, self.reasons))
        return ", ".join(said[:SHOWN]) + (", …" if len(said) > SHOWN else "")


class Clones:
    """The tasks of an origin run, from which a resume takes results.

    Parameters
    ----------
    program : Program
        With a complete graph.
    datastore : Datastore
    tasks : iterable of TaskRecord
        The last attempts of the origin run's tasks, oldest first; after them those of runs that it resumed itself,
        for steps that it did not reach.
    step : str, optional
        Run this step and all after it again, and clone all steps before it whatever their code is now, as Metaflow's
        ``resume STEP`` does. None decides for each task by its content.

    Attributes
    ----------
    steps : dict of str to StepClones
        The tasks that were asked for, by step.
    """

    def __init__(
        self, program: Program, datastore: Datastore, tasks: Iterable[TaskRecord], *, step: str | None = None
    ) -> None:
        self.program = program
        self.datastore = datastore
        self.steps: dict[str, StepClones] = {}
        self._step = step
        graph = program.graph
        self._before = graph.ancestors(step) - {step} if step is not None else frozenset()
        self._again = graph.below([step]) | {step} if step is not None else frozenset()
        self._tasks = list(tasks)
        self._first = {task.step: task for task in reversed(self._tasks)}
        self._by_name = {task.place: task for task in self._tasks}
        self._by_place: dict[tuple[str, tuple[int, ...]], list[TaskRecord]] = {}
        for task in self._tasks:
            self._by_place.setdefault(_place(task.step, task.foreach), []).append(task)
        self._by_item: dict[str, dict[str, list[TaskRecord]]] = {}
        self._lists: dict[str, list[tuple[TaskRecord, ArtifactRef]]] = {}
        self._list_keys: dict[str, set[str]] = {}
        # Of steps that go back to themselves: each round of the origin run is the clone of one round.
        self._taken: set[str] = set()
        self._asked: Counter[tuple[str, tuple[int, ...]]] = Counter()
        self._items = ItemKeys(datastore)
        self._comparison = Comparison(program, self._items)
        self._values: dict[str, Any] = {}

    def compare_settings(self, decorators: Mapping[str, Sequence[Recorded]]) -> None:
        """Compare the settings of the steps' decorators too, by step; their lines are compared in any case."""
        self._comparison.compare_settings(decorators)

    def find(self, spec: TaskSpec) -> TaskRecord | None:
        """The clone of a task that is ready to run, as it is to be written; None if it has to run.

        Raises
        ------
        MissingResults
            If a step before the named one has no task to clone.
        """
        outcome = self.steps.setdefault(spec.step, StepClones(spec.step))
        found = self._match(spec)
        if isinstance(found, TaskRecord):
            outcome.cloned += 1
            return found
        outcome.ran += 1
        outcome.reasons.update(dict.fromkeys([*self._causes(spec, found), *found]))
        return None

    def _causes(self, spec: TaskSpec, reasons: Sequence[Reason]) -> list[Reason]:
        """What changed above a task whose inputs differ."""
        if not any(reason.is_input for reason in reasons):
            return []
        above = dict.fromkeys(parent.step for parent in spec.parents)
        return [one for step in above if step in self.steps for one in self.steps[step].reasons if one.is_cause]

    def _match(self, spec: TaskSpec) -> TaskRecord | list[Reason]:
        """The clone of a task, or why there is none."""
        step, place = spec.step, _place(spec.step, spec.frames)
        here = self._by_place.get(place, [])
        if step in self._before:
            return self._forced(spec, here)
        if self._step is not None and step in self._again:
            return [Reason("asked", self._step)]
        if step not in self._first:
            return [Reason("unrecorded")]
        first: list[Reason] = []
        loops = step in self.program.graph[step].targets
        for task in here:
            if task.pathspec in self._taken:
                continue
            reasons = self._differs(task, spec)
            found: TaskRecord | list[Reason] = reasons or self._clone(task, spec)
            if isinstance(found, TaskRecord):
                if loops:
                    self._taken.add(task.pathspec)
                return found
            first = first or found
        if spec.frames and not loops and all(reason.kind in ("artifact", "item", "inputs") for reason in first):
            # Its item may have been at another position.
            for task in islice(self._alike(spec), ALIKE):
                if not self._differs(task, spec):
                    found = self._clone(task, spec)
                    if isinstance(found, TaskRecord):
                        return found
        return first or self._missing(spec)

    def _forced(self, spec: TaskSpec, here: Sequence[TaskRecord]) -> TaskRecord:
        """The clone of a task before the named step: of the tasks at one position, one after the other."""
        place = _place(spec.step, spec.frames)
        number = self._asked[place]
        self._asked[place] += 1
        done: dict[str, list[TaskRecord]] = {}
        for task in here:
            if task.status == "done":
                done.setdefault(task.run, []).append(task)
        enough = next((tasks for tasks in done.values() if number < len(tasks)), None)
        if enough is not None:
            found = self._clone(enough[number], spec)
        else:
            found = [ended(here[-1])] if here else self._missing(spec)
        if isinstance(found, TaskRecord):
            return found
        item = f" for item {spec.frames[-1].index}" if spec.frames else ""
        raise MissingResults(
            f"Step {spec.step} cannot be cloned{item}: {found[0]}.",
            f"A resume from {self._step} clones all steps before it.",
            "Resume without naming a step: what has no result to clone then runs.",
        )

    def _missing(self, spec: TaskSpec) -> list[Reason]:
        """Why the origin run has no task at a position: the foreach has more items now, or the run did not reach it."""
        known = self._first.get(spec.step)
        if known is None:
            return [Reason("unrecorded")]
        grown = known.foreach and spec.frames and known.foreach[-1].num_splits != spec.frames[-1].num_splits
        return self._comparison.code(known) or [Reason("item" if grown else "unrecorded")]

    def _differs(self, task: TaskRecord, spec: TaskSpec) -> list[Reason]:
        """Why running a task now may give another result than in the origin run; empty if it would not."""
        parents = [self._by_name.get(name) for name in task.parents]
        known = None if None in parents else [parent for parent in parents if parent is not None]
        return self._comparison.differences(task, known, spec)

    # -- tasks at other places

    def _alike(self, spec: TaskSpec) -> Iterable[TaskRecord]:
        """Tasks of the origin run that had the same item of the innermost foreach, at any position."""
        frame = spec.frames[-1]
        ref = spec.parents[0].artifacts.get(frame.var) if spec.parents else None
        if ref is None:
            return
        if spec.step not in self._lists:
            self._lists[spec.step] = [
                (task, there)
                for task in self._tasks
                if task.step == spec.step and task.status == "done" and (there := self._list_of(task)) is not None
            ]
            self._list_keys[spec.step] = {there.key for _, there in self._lists[spec.step]}
        if self._list_keys[spec.step] <= {ref.key}:  # in the same list no item is elsewhere
            return
        key = self._items.key(ref, frame.index)
        if key is None:
            return
        if spec.step not in self._by_item:
            known = self._by_item[spec.step] = {}
            for task, there in self._lists[spec.step]:
                item = self._items.key(there, task.foreach[-1].index)
                if item is not None:
                    known.setdefault(item, []).append(task)
        yield from self._by_item[spec.step].get(key, ())

    def _list_of(self, task: TaskRecord) -> ArtifactRef | None:
        """The list of a task's innermost foreach."""
        parent = self._by_name.get(task.parents[0]) if task.foreach and task.parents else None
        return parent.artifacts.get(task.foreach[-1].var) if parent is not None else None

    # -- the clone

    def _clone(self, task: TaskRecord, spec: TaskSpec) -> TaskRecord | list[Reason]:
        """A task of the origin run as a task of the new run, or why it cannot be one."""
        node = self.program.graph[spec.step]
        inherited = self._comparison.inherited(spec)
        own = [name for name in task.artifacts if name not in inherited] if node.is_join else task.captured
        made = {name: task.artifacts[name] for name in own if name in task.artifacts}
        gone = self.datastore.blobs.missing([ref.blob for ref in made.values() if ref.blob is not None])
        if gone:
            return [Reason("gone", name) for name, ref in made.items() if ref.blob and ref.blob[0] in gone][:1]
        artifacts = {**inherited, **made}
        try:
            chosen, splits = self._transition(node, task, artifacts)
        except (FlownbError, LookupError, TypeError):
            return [Reason("transition")]  # running it reports what is wrong
        return replace(
            task,
            run=spec.run,
            task=spec.task,
            attempt=spec.attempt,
            parents=tuple(parent.place for parent in spec.parents),
            foreach=spec.frames,
            artifacts=artifacts,
            chosen=chosen,
            splits=splits,
            origin=task.place,
        )

    def _transition(
        self, node: Node, task: TaskRecord, artifacts: Mapping[str, ArtifactRef]
    ) -> tuple[tuple[str, ...], tuple[str, int] | None]:
        """Which steps follow a clone: the flow's steps may be in another order now."""
        transition = node.transition
        if transition is None:
            return (), None
        if transition.kind == "switch":
            assert transition.condition is not None
            return (dict(transition.cases)[self._value(artifacts[transition.condition])],), None
        if transition.kind != "foreach":
            return transition.targets, None
        var = transition.foreach
        assert var is not None
        # Earlier versions recorded foreachs over sets; counting the items of one raises why it is refused.
        same = task.splits is not None and task.splits[0] == var and task.artifacts[var].key == artifacts[var].key
        same = same and artifacts[var].type not in UNORDERED
        count = task.splits[1] if task.splits and same else self._count(artifacts[var], var, node.name)
        return transition.targets, (var, count)

    def _count(self, ref: ArtifactRef, var: str, step: str) -> int:
        return count_items(self.datastore.artifacts.load(ref, name=var), var=var, step=step)

    def _value(self, ref: ArtifactRef) -> Any:
        """The value that a switch compares."""
        if ref.key not in self._values:
            self._values[ref.key] = self.datastore.artifacts.load(ref)
        return self._values[ref.key]


def _place(step: str, frames: Sequence[ForeachFrame]) -> tuple[str, tuple[int, ...]]:
    """A step and a position in each foreach around it."""
    return step, tuple(frame.index for frame in frames)
