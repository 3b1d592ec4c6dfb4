"""The tasks that a single step would have now, given its parents' results.

This is what the scheduler does for a whole flow, done for one step whose parents ran at another time. Where switches
led, by the latest results, says which of the parents count.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

from flownb.errors import ForeachError, MissingResults, nearest
from flownb.runtime.foreach import count_items
from flownb.runtime.program import Program
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, ForeachFrame, TaskRecord

__all__ = ["PLAIN", "Instance", "Place", "SwitchPaths", "UnknownSize", "place_of", "step_instances", "with_parameters"]

# A task's positions in the foreachs around it, outermost first.
Place = tuple[int, ...]
# Types whose values are loaded without any code of the user's.
PLAIN = frozenset({"bool", "int", "float", "str", "NoneType"})


def place_of(task: TaskRecord) -> Place:
    """A task's positions in the foreachs around it."""
    return tuple([frame.index for frame in task.foreach]) if task.foreach else ()


class SwitchPaths:
    """The paths that runs take through a graph, by what switches looked at in the latest results.

    Parameters
    ----------
    program : Program
    latest : callable
        Gives a step's latest tasks in foreach order.
    datastore : Datastore
        To look at what switches look at.
    plain : bool, default False
        Whether to look at values of built-in types only, for loading another one may run code of the user's; what the
        task recorded then counts.
    """

    def __init__(
        self,
        program: Program,
        latest: Callable[[str], Sequence[TaskRecord]],
        datastore: Datastore,
        *,
        plain: bool = False,
    ) -> None:
        self.program = program
        self._latest = latest
        self._datastore = datastore
        self._plain = plain
        self._results: dict[str, dict[Place, TaskRecord]] = {}
        self._reached: dict[tuple[str, Place], bool | None] = {}

    def results(self, step: str) -> dict[Place, TaskRecord]:
        """A step's latest results by place; of a step that went back to itself the last one counts."""
        if step not in self._results:
            self._results[step] = {place_of(task): task for task in self._latest(step)}
        return self._results[step]

    def leads(self, task: TaskRecord) -> tuple[str, ...] | None:
        """The steps that a task leads to as the flow is now; None if that is not known."""
        transition = self.program.graph[task.step].transition
        if transition is None or transition.kind != "switch":
            return transition.targets if transition is not None else ()
        ref = task.artifacts.get(transition.condition or "")
        if ref is None or (self._plain and ref.type not in PLAIN):
            return task.chosen if task.chosen and set(task.chosen) <= set(transition.targets) else None
        value = self._datastore.artifacts.load(ref, name=transition.condition or "", where=task.pathspec)
        try:
            target = dict(transition.cases).get(value)
        except TypeError:  # not hashable: no case
            target = None
        return (target,) if target is not None else ()

    def leads_to(self, task: TaskRecord, step: str) -> bool | None:
        """Whether a run that reached a task continues with a step; None if that is not known.

        A step that goes back to itself leads elsewhere in a later round.
        """
        targets = self.leads(task)
        if targets is None or (step != task.step and targets == (task.step,)):
            return None
        return step in targets

    def reached(self, step: str, place: Place = ()) -> bool | None:
        """Whether a run reaches a step, at one place or at any that begins like it; None if that is not known."""
        if step not in self._below_switches:
            return True
        key = (step, place)
        if key not in self._reached:
            self._reached[key] = None  # a cycle of the graph is an error of the flow
            self._reached[key] = self._is_reached(step, place)
        return self._reached[key]

    def _is_reached(self, step: str, place: Place) -> bool | None:
        answers: list[bool | None] = []
        for parent in self.program.graph[step].parents:
            if parent == step:
                continue
            if self.reached(parent, place) is False:
                answers.append(False)
                continue
            answers += [self._comes_through(task, step) for task in self._at(parent, place)] or [None]
        if True in answers:
            return True
        return None if None in answers or not answers else False

    def _at(self, step: str, place: Place) -> list[TaskRecord]:
        """A step's latest results at one place of the foreachs that it shares with another step."""
        results = self.results(step)
        depth = len(next(iter(results), ()))
        if depth <= len(place):
            task = results.get(place[:depth])
            return [task] if task is not None else []
        return [task for at, task in results.items() if at[: len(place)] == place]

    def _comes_through(self, task: TaskRecord, step: str) -> bool | None:
        """Whether a run reaches a task and continues with a step."""
        here = self.reached(task.step, place_of(task))
        return self.leads_to(task, step) if here else here

    def switches(self, step: str) -> list[TaskRecord]:
        """The results of switches that led away from every path to a step: the nearest one on each path."""
        found: dict[str, TaskRecord] = {}
        ahead, seen = [step], {step}
        while ahead:
            name = ahead.pop()
            for parent in self.program.graph[name].parents:
                if parent in seen:
                    continue
                seen.add(parent)
                if self.reached(parent) is False:
                    ahead.append(parent)
                else:
                    found.update((task.place, task) for task in self.results(parent).values())
        return list(found.values())

    @cached_property
    def _below_switches(self) -> frozenset[str]:
        """Steps that a run may not reach."""
        graph = self.program.graph
        switches = {n for n, node in graph.nodes.items() if node.transition and node.transition.kind == "switch"}
        if not switches:
            return frozenset()
        bits, above = graph.ancestry.bits, graph.ancestry.above
        leading = graph.ancestry.of(switches)
        return frozenset(name for name in graph.nodes if leading & above[name] & ~bits[name])


ENTRY = "start"


class Instance(NamedTuple):
    """One task to run: where it inherits from and the foreachs that are open."""

    parents: tuple[TaskRecord, ...]
    frames: tuple[ForeachFrame, ...]

    @property
    def inherited(self) -> frozenset[str]:
        """Names of all artifacts the parents have."""
        return frozenset(name for parent in self.parents for name in parent.artifacts)


class UnknownSize(LookupError):
    """How many items a foreach has is not known without loading its list."""


def with_parameters(
    parent: TaskRecord, given: Mapping[str, ArtifactRef], parameters: Collection[str], chosen: Collection[str]
) -> TaskRecord:
    """A parent's task with the parameters that a single step takes from it.

    What a user gave for the run that it comes from stays; else a parameter has its default as it is now, for a file or
    a config may have changed since.
    """
    now = {
        name: ref
        for name, ref in given.items()  # few, where a step may inherit hundreds
        if name in parameters
        and name in parent.artifacts
        and name not in chosen
        and parent.artifacts[name].key != ref.key
    }
    return replace(parent, artifacts={**parent.artifacts, **now}) if now else parent


def step_instances(
    program: Program,
    step: str,
    latest: Callable[[str], Sequence[TaskRecord]],
    datastore: Datastore,
    overrides: Mapping[str, Any] | None = None,
    *,
    given: Mapping[str, ArtifactRef] | None = None,
    paths: SwitchPaths | None = None,
    size: Callable[[str, ArtifactRef], int] | None = None,
) -> list[Instance]:
    """Work out a step's tasks.

    Parameters
    ----------
    program : Program
    step : str
    latest : callable
        Gives a step's latest tasks in foreach order.
    datastore : Datastore
        To look at foreach and switch artifacts.
    overrides : mapping of str to object, optional
        Values that replace inherited artifacts; a foreach then runs over these.
    given : mapping of str to ArtifactRef, optional
        Parameters and constants, which a first step's foreach can run over.
    paths : SwitchPaths, optional
        Which steps the same results lead to.
    size : callable, optional
        Returns the number of items of a foreach, given its artifact's name and reference, in place of loading the list;
        may raise `UnknownSize`.

    Returns
    -------
    list of Instance
        In foreach order.

    Raises
    ------
    MissingResults
        If a parent has no results, or a join lacks some of its inputs.
    ForeachError
        If the parent's foreach artifact is missing or cannot be iterated.
    """
    node = program.graph[step]

    def load(name: str, ref: ArtifactRef, where: str, parent: str) -> int:
        return count_items(datastore.artifacts.load(ref, name=name, where=where), var=name, step=parent)

    def count(name: str, ref: ArtifactRef, where: str, parent: str) -> int:
        return load(name, ref, where, parent) if size is None else size(name, ref)

    if not node.parents:
        foreach = node.step.header.foreach if node.step else None
        if foreach is None:
            return [Instance((), ())]
        known = overrides or {}
        if foreach not in known and foreach not in (given or {}):
            raise MissingResults(
                f"Step {step} runs for each item of `{foreach}`, but has no parent.",
                "A foreach runs over an artifact of its parent, or over a parameter or constant of the flow.",
                f"Run the cell of an earlier step that captures `{foreach}` first.",
            )
        # In a run, the `start` that `complete_graph` adds starts this foreach.
        frames = _frames(ENTRY, program.flow.name, given or {}, foreach, step, count, known)
        return [Instance((), (frame,)) for frame in frames]
    # A switch that leads back to its own step matters in runs only; a single step starts from the steps before it.
    parents = tuple(parent for parent in node.parents if parent != step)
    found = {parent: tuple(latest(parent)) for parent in parents}
    paths = paths if paths is not None else SwitchPaths(program, latest, datastore)
    if node.is_join:
        return _join(program, step, found, paths)
    have = {parent: tasks for parent, tasks in found.items() if tasks}
    if not have:
        raise _missing(step, parents)
    sources = _sources(step, have, paths)
    parent = next(iter(sources.values())).step
    transition = program.graph[parent].transition
    if transition is not None and transition.kind == "foreach":
        if transition.foreach is None:
            raise MissingResults(
                f"Step {step} cannot run alone: what its foreach runs over is known only when {parent} runs.",
                f"The self.next of {parent} does not name an artifact.",
                'Write foreach="name" there, or run the whole flow.',
            )
        return [
            Instance((task,), (*task.foreach, frame))
            for task in sources.values()
            for frame in _frames(
                parent, task.pathspec, task.artifacts, transition.foreach, step, count, overrides or {}
            )
        ]
    return [Instance((task,), task.foreach) for task in sources.values()]


def _missing(step: str, parents: Sequence[str]) -> MissingResults:
    names = " or ".join(f"`{parent}`" for parent in parents)
    return MissingResults(
        f"Step {step} cannot run: {names} has no results yet.",
        "A step runs on what its parents persisted.",
        f"Run the cell of {names} first, or `%flow run`.",
    )


def _frames(
    parent: str,
    where: str,
    artifacts: Mapping[str, ArtifactRef],
    var: str,
    step: str,
    count: Callable[[str, ArtifactRef, str, str], int],
    overrides: Mapping[str, Any],
) -> list[ForeachFrame]:
    """One frame for each item of an artifact of `parent`, whose artifacts are those of `where`."""
    ref = artifacts.get(var)
    if var in overrides:
        number = count_items(overrides[var], var=var, step=parent)
    elif ref is not None:
        number = count(var, ref, where, parent)
    else:
        raise ForeachError(
            f"Step {step} runs for each item of `{var}`, which {parent} does not have.",
            f"`{var}` is not an artifact of {where}.{nearest(var, artifacts)}",
            f"Run {parent} again if it sets `{var}` now, or correct the name.",
        )
    return [ForeachFrame(parent, var, number, index) for index in range(number)]


def _sources(step: str, have: Mapping[str, Sequence[TaskRecord]], paths: SwitchPaths) -> dict[Place, TaskRecord]:
    """For each place the task that a step continues from: the newest on a path that runs take, else the newest.

    Of a switch inside a foreach only some items lead to a step; where none does, all count, for the user asked for it.
    """
    best: dict[Place, tuple[tuple[bool, float], TaskRecord]] = {}
    for parent in have:
        for place, task in paths.results(parent).items():
            rank = (
                paths.reached(parent, place) is not False and paths.leads_to(task, step) is not False,
                task.finished,
            )
            if place not in best or rank >= best[place][0]:
                best[place] = (rank, task)
    taken = {place: task for place, ((leads, _), task) in sorted(best.items()) if leads}
    return taken or {place: task for place, (_, task) in sorted(best.items())}


def _join(program: Program, step: str, found: dict[str, tuple[TaskRecord, ...]], paths: SwitchPaths) -> list[Instance]:
    """Group the tasks of all branches by the foreachs around the join; those of a path not taken do not count."""
    found = {
        parent: tuple(task for task in tasks if paths.reached(parent, place_of(task)) is not False)
        for parent, tasks in found.items()
    }
    graph = program.graph
    arriving = graph.arriving(step)
    tops = {parent: arriving[parent][-1:] for parent in found}
    lacking = [parent for parent, tasks in found.items() if not tasks]
    if lacking:
        branches = {top[0].branch for parent, top in tops.items() if top and found[parent]}
        lacking = [parent for parent in lacking if not tops[parent] or tops[parent][0].branch not in branches]
    if lacking:
        raise _missing(step, lacking)
    groups: dict[tuple[int, ...], dict[int, TaskRecord]] = {}
    outer_frames: dict[tuple[int, ...], tuple[ForeachFrame, ...]] = {}
    split = next((top[0] for top in tops.values() if top), None)
    order = graph[split.split].targets if split is not None and split.kind == "split" else ()
    if not order and not all(task.foreach for tasks in found.values() for task in tasks):
        raise _apart(step, found)
    for parent, tasks in found.items():
        branch = tops[parent][0].branch if tops[parent] else parent
        for task in tasks:
            outer = task.foreach if order else task.foreach[:-1]
            place = order.index(branch) if order else task.foreach[-1].index
            key = tuple(frame.index for frame in outer)
            outer_frames[key] = outer
            held = groups.setdefault(key, {}).get(place)
            if held is None or task.finished > held.finished:
                groups[key][place] = task
    for key, group in groups.items():
        expected = len(order) or next(iter(group.values())).foreach[-1].num_splits
        if sorted(group) != list(range(expected)) or not _agree(group.values(), len(key)):
            raise _apart(step, found)
    return [
        Instance(tuple(group[place] for place in sorted(group)), outer_frames[key])
        for key, group in sorted(groups.items())
    ]


def _apart(step: str, parents: Iterable[str]) -> MissingResults:
    names = ", ".join(f"`{parent}`" for parent in parents)
    return MissingResults(
        f"Step {step} cannot join {names}: their latest results do not belong together.",
        "Some were recorded for other items of a foreach than the rest, or for fewer of them.",
        f"Run the cells of {names} again, or `%flow run`.",
    )


def _agree(tasks: Iterable[TaskRecord], levels: int) -> bool:
    """Whether tasks were made by foreachs of the same sizes, as far as their outer levels go."""
    return len({tuple(frame.num_splits for frame in task.foreach[:levels]) for task in tasks}) == 1
