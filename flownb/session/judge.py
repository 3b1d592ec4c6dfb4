"""Judges each step by its latest result: fresh, stale and why, failed, not taken.

A task is compared with what it would read now (`flownb.runtime.freshness`). Only values of built-in types are loaded,
so no code of the user's runs. Content decides, not time: a parent that was run again with the same artifacts as a
result leaves its children fresh.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from flownb.errors import FlownbError, ForeachError, MissingResults
from flownb.runtime.foreach import ItemKeys
from flownb.runtime.freshness import NEVER, Comparison, Freshness, Reason
from flownb.runtime.program import Program
from flownb.runtime.task import TaskSpec
from flownb.session.instances import (
    PLAIN,
    Instance,
    Place,
    SwitchPaths,
    UnknownSize,
    place_of,
    step_instances,
    with_parameters,
)
from flownb.session.latest import LatestResults
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, ForeachFrame, TaskRecord

__all__ = ["Judge"]

# Characters of a parameter's value that are shown; a longer value is only said to be another one.
LONGEST = 30


class Judge:
    """Judges the steps of one program; a new one is made for each judgement.

    Parameters
    ----------
    program : Program
        With the graph of the user's own steps.
    results : LatestResults
    datastore : Datastore
    given : mapping of str to ArtifactRef or None
        The constants, and the parameters' defaults as they are now; None while the flow's code was not executed.
        Then a parameter counts as it was recorded.
    """

    def __init__(
        self,
        program: Program,
        results: LatestResults,
        datastore: Datastore,
        given: Mapping[str, ArtifactRef] | None,
    ) -> None:
        self._program, self._results, self._datastore = program, results, datastore
        self._given = given or {}
        self._known = given is not None
        self._parameters = program.parameter_names
        self._latest: dict[str, tuple[TaskRecord, ...]] = {}
        self._settled: dict[str, TaskRecord] = {}
        self._reasons: dict[str, list[Reason]] = {}
        self._comparison = Comparison(program, ItemKeys(None))
        self.paths = SwitchPaths(program, self.latest, datastore, plain=True)

    @cached_property
    def _runs(self) -> list[str]:
        """Where results are looked for; a judgement is of one moment."""
        return self._results.runs()

    def latest(self, step: str) -> tuple[TaskRecord, ...]:
        """A step's newest complete and successful tasks."""
        if step not in self._latest:
            self._latest[step] = self._results.latest(step, runs=self._runs)
        return self._latest[step]

    def steps(self) -> dict[str, Freshness]:
        """Every step of the user's graph, in its order."""
        found = {name: self.step(name) for name in self._program.graph.order}
        return {name: found[name] for name in self._program.graph.nodes if name in found}

    def step(self, name: str) -> Freshness:
        """The state of one step."""
        tasks = self._results.attempted(name, runs=self._runs)
        if led := self.untaken(name):
            return Freshness("untaken", tuple(map(str, led)), len(tasks))
        if not tasks:
            return NEVER
        if any(task.status != "done" for task in tasks):
            failed = min(tasks, key=lambda task: ("failed", "interrupted", "done").index(task.status))
            stopped = failed.status == "interrupted"
            message = failed.status if stopped else (failed.exception or {}).get("type", failed.status)
            return Freshness("failed", (message,), len(tasks))
        reasons = self.reasons(name)
        notes = tuple(map(str, dict.fromkeys(one for task in tasks for one in self.parameter_notes(task, reasons))))
        if not reasons:
            return Freshness("fresh", (), len(tasks), notes=notes)
        said = tuple(dict.fromkeys(map(str, reasons)))
        return Freshness("stale", said, len(tasks), brief=reasons[0].brief, notes=notes)

    def reasons(self, name: str) -> list[Reason]:
        """Why running a step now may give something else than its latest successful result; none if it would not."""
        for one in (*self._above(name), name):
            if one not in self._reasons:
                self._reasons[one] = []  # a cycle of the graph is an error of the flow
                tasks = self.latest(one)
                self._reasons[one] = list(dict.fromkeys(self._differences(one, tasks))) if tasks else []
        return self._reasons[name]

    def _above(self, name: str) -> list[str]:
        """Steps before one that are not judged yet, first ones first: a long flow must not be a deep recursion."""
        graph, found, waiting = self._program.graph, {name}, [name]
        while waiting and name not in self._reasons:
            one = waiting.pop()
            new = [
                p for p in (graph[one].parents if one in graph.nodes else ()) if not (p in found or p in self._reasons)
            ]
            found.update(new)
            waiting += new
        return [one for one in graph.order if one in found and one != name] if len(found) > 1 else []

    def older(self, parents: Iterable[str]) -> list[Reason]:
        """Reasons that the results of some steps are older than their code or inputs; one reason for each cause."""
        causes: dict[str, list[str]] = {}
        for parent in dict.fromkeys(parents):
            if reasons := self.reasons(parent):
                causes.setdefault(reasons[0].brief, []).append(f"`{parent}`")
        return [Reason("older", " and ".join(names), cause) for cause, names in causes.items()]

    def parent(self, task: TaskRecord) -> TaskRecord:
        """A parent's task with the parameters that a step which runs now takes from it."""
        if task.place not in self._settled:
            chosen = self._results.chosen(task)
            self._settled[task.place] = with_parameters(task, self._given, self._parameters, chosen)
        return self._settled[task.place]

    def inputs(self, instance: Instance) -> Instance:
        """A step's task with the parameters that it takes now; see `parent`."""
        return instance._replace(parents=tuple(map(self.parent, instance.parents)))

    def used(self, record: TaskRecord, inherited: Mapping[str, ArtifactRef]) -> list[Reason]:
        """Which parameters a task read that are not what they are by default, given what it started with."""
        names = sorted(name for name in self._parameters & inherited.keys() & self._given.keys())
        return [
            self.made(name, inherited[name], self._given[name], "default")
            for name in names
            if (record.read is None or name in record.read) and inherited[name].key != self._given[name].key
        ]

    def kept(self, parameters: Mapping[str, ArtifactRef]) -> list[Reason]:
        """Which parameters of a run are not what they are by default; a resume keeps them."""
        everything = {name: ref for name, ref in parameters.items() if name in self._given}
        return [
            self.made(name, ref, self._given[name], "default")
            for name, ref in sorted(everything.items())
            if ref.key != self._given[name].key
        ]

    def untaken(self, name: str) -> list[Reason]:
        """Where switches led instead of to a step; none if a run may reach it."""
        return self._led(name) if self.paths.reached(name) is False else []

    def parameter_notes(self, task: TaskRecord, reasons: Sequence[Reason] = ()) -> list[Reason]:
        """Which parameters that a task read are not what they are by default, for a user gave others for its run."""
        found, chosen = [], self._results.chosen(task)
        said = {reason.name for reason in reasons if reason.kind in ("made", "other")}
        for name in sorted(chosen.keys() & self._parameters):
            ref, default = task.artifacts[name], self._given.get(name)
            if default is None and not self._known:
                default = chosen[name].defaults.get(name)
            was_read = task.read is None or name in task.read
            if was_read and name not in said and default is not None and default.key != ref.key:
                found.append(self.made(name, ref, default, "default"))
        return found

    def made(self, name: str, ref: ArtifactRef, other: ArtifactRef | None, word: str) -> Reason:
        """The reason that a result was made with one value of a parameter, and what the other value is."""
        one, another = self._text(ref), self._text(other)
        if one is None or another is None:
            return Reason("other", name)
        return Reason("made", name, f"{one} ({word}: {another})")

    # -- one step

    def _differences(self, name: str, tasks: Sequence[TaskRecord]) -> list[Reason]:
        """Why running a step now may give something else than some tasks."""
        marks = {tuple(sorted(task.fingerprint.items())): task for task in tasks}
        reasons = [reason for task in marks.values() for reason in self._comparison.code(task)]
        try:
            before = [self._own_parents(task) for task in tasks]
        except MissingResults:
            return [*reasons, Reason("removed")]
        absent = [
            parent
            for parent in self._program.graph[name].parents
            if parent != name and not self.latest(parent) and self.paths.reached(parent) is not False
        ]
        try:
            instances = self._instances(name, tasks, before)
        except MissingResults:
            return [*reasons, *([Reason("absent", parent) for parent in absent] or [Reason("inputs")])]
        except UnknownSize:
            instances = None
            reasons.append(Reason("item"))
        except ForeachError:
            instances = None
            reasons.append(Reason("inputs"))
        if instances is not None:
            reasons += self._unlike(name, tasks, before, instances)
            above = [parent.step for one in instances for parent in one.parents]
            elsewhere = any(self.paths.reached(parent) is False for parent in above)
            if elsewhere and self.paths.reached(name) is not False:  # the path that is taken has no result
                reasons += [Reason("absent", parent) for parent in absent] or [Reason("inputs")]
        else:
            above = [parent.step for parents in before for parent in parents]
        return [*reasons, *self.older(parent for parent in above if parent != name)]

    def _instances(
        self, name: str, tasks: Sequence[TaskRecord], before: Sequence[Sequence[TaskRecord]]
    ) -> list[Instance]:
        """The tasks that a step would have now; how long lists are is known from what ran over them."""
        sizes: dict[tuple[str, str], int] = {}
        for task, parents in zip(tasks, before, strict=True):
            frame = task.foreach[-1] if task.foreach else None
            if frame is not None and (not parents or self._splits(parents[0].step, frame)):
                ref = (parents[0] if parents else task).artifacts.get(frame.var)
                if ref is not None:
                    sizes[frame.var, ref.key] = frame.num_splits
        for parent in self._program.graph[name].parents:
            for task in self.latest(parent):
                if task.splits is not None and (ref := task.artifacts.get(task.splits[0])) is not None:
                    sizes[task.splits[0], ref.key] = task.splits[1]

        def size(var: str, ref: ArtifactRef) -> int:
            if (var, ref.key) not in sizes:
                raise UnknownSize(var)
            return sizes[var, ref.key]

        given = {**self._given, **self._own_given(tasks[0])}
        return step_instances(
            self._program, name, self.latest, self._datastore, given=given, paths=self.paths, size=size
        )

    def _splits(self, step: str, frame: ForeachFrame) -> bool:
        """Whether a step began a foreach; also if a run added the step that did, for a join."""
        transition = self._program.graph[step].transition
        if step == frame.step:
            return True
        return frame.step not in self._program.graph and transition is not None and transition.foreach == frame.var

    def _own_given(self, task: TaskRecord) -> dict[str, ArtifactRef]:
        """What a first step starts with beside today's defaults: what a user gave for its run.

        While the defaults are not known, it is all that the task started with.
        """
        if not self._known:
            return {name: ref for name, ref in task.artifacts.items() if name not in task.captured}
        chosen = self._results.chosen(task)
        return {name: task.artifacts[name] for name in chosen.keys() & self._parameters}

    def _unlike(
        self,
        name: str,
        tasks: Sequence[TaskRecord],
        before: Sequence[Sequence[TaskRecord]],
        instances: Sequence[Instance],
    ) -> list[Reason]:
        """Which values that tasks read are not what they would read now, and whether there are as many tasks."""
        reasons: list[Reason] = []
        now: dict[Place, Instance] = {tuple(frame.index for frame in one.frames): one for one in instances}
        left = dict(now)
        for task, parents in zip(tasks, before, strict=True):
            place = place_of(task)
            if any(parent.step == name for parent in parents):
                continue  # a further round of a step that goes back to itself
            instance = now.get(place)
            left.pop(place, None)
            if instance is None:
                reasons.append(Reason("fewer" if place else "inputs"))
                continue
            spec = self._spec(name, task, instance)
            found = self._comparison.inputs(task, parents, spec)
            inherited = self._comparison.inherited(spec) if found else {}
            reasons += [self._said(one, task, inherited) for one in found]
        return reasons + [Reason("item")] * bool(left)

    def _spec(self, name: str, task: TaskRecord, instance: Instance) -> TaskSpec:
        """What a task would start from now."""
        given = dict(self._given)
        if not instance.parents:
            given |= self._own_given(task)
        parents = tuple(map(self.parent, instance.parents))
        return TaskSpec(name, parents=parents, frames=instance.frames, given=given)

    def _said(self, reason: Reason, task: TaskRecord, inherited: Mapping[str, ArtifactRef]) -> Reason:
        """A reason, of a parameter with both values."""
        if reason.kind != "artifact" or reason.name not in self._parameters or reason.name not in task.artifacts:
            return reason
        return self.made(reason.name, task.artifacts[reason.name], inherited.get(reason.name), "now")

    def _own_parents(self, task: TaskRecord, below: frozenset[str] = frozenset()) -> list[TaskRecord]:
        """The tasks a task started from; steps that a run adds (start, bridges) only pass on what they inherit."""
        found: list[TaskRecord] = []
        below |= {task.place}  # damaged records may name each other
        for parent in self._results.parents_of(task):
            if parent.step in self._program.graph:
                found.append(parent)
            elif parent.place not in below:
                found += self._own_parents(parent, below)
        return found

    def _led(self, step: str) -> list[Reason]:
        """Where the switches led that led away from a step."""
        found: dict[str, dict[str, None]] = {}
        for task in self.paths.switches(step):
            targets = self.paths.leads(task) or ()
            found.setdefault(task.step, {}).update(dict.fromkeys(targets))
        return [
            Reason("led", switch, " and ".join(f"`{one}`" for one in targets) or "none of its cases")
            for switch, targets in found.items()
        ]

    def _text(self, ref: ArtifactRef | None) -> str | None:
        """A value of a built-in type, if it is short."""
        if ref is None or ref.type not in PLAIN:
            return None
        with contextlib.suppress(FlownbError):
            text = repr(self._datastore.artifacts.load(ref))
            return text if len(text) <= LONGEST else None
        return None
