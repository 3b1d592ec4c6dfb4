"""The tasks that a single step would have now, given its parents' results.

Takes a `Program`, a step and its parents' tasks; gives the (parents, foreach frames) of each task. This is what the
scheduler does for a whole flow, done for one step whose parents ran at another time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from flownb.errors import ForeachError, MissingResults, nearest
from flownb.runtime.foreach import count_items
from flownb.runtime.program import Program
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, ForeachFrame, TaskRecord

__all__ = ["Instance", "step_instances"]

ENTRY = "start"


class Instance(NamedTuple):
    """One task to run: where it inherits from and the foreachs that are open."""

    parents: tuple[TaskRecord, ...]
    frames: tuple[ForeachFrame, ...]

    @property
    def inherited(self) -> frozenset[str]:
        """Names of all artifacts the parents have."""
        return frozenset(name for parent in self.parents for name in parent.artifacts)


def step_instances(
    program: Program,
    step: str,
    latest: Callable[[str], Sequence[TaskRecord]],
    datastore: Datastore,
    overrides: Mapping[str, Any] | None = None,
    *,
    given: Mapping[str, ArtifactRef] | None = None,
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
        frames = _frames(ENTRY, program.flow.name, given or {}, foreach, step, datastore, known)
        return [Instance((), (frame,)) for frame in frames]
    # A switch that leads back to its own step is a run's affair; a single step starts from the steps before it.
    parents = tuple(parent for parent in node.parents if parent != step)
    found = {parent: tuple(latest(parent)) for parent in parents}
    if node.is_join:
        return _join(program, step, found)
    have = {parent: tasks for parent, tasks in found.items() if tasks}
    if not have:
        raise _missing(step, parents)
    parent = _taken(program, have, datastore)
    transition = program.graph[parent].transition
    if transition is not None and transition.kind == "foreach":
        if transition.foreach is None:
            raise MissingResults(
                f"Step {step} cannot run alone: what its foreach runs over is known only when {parent} runs.",
                f"The self.next of {parent} names no artifact.",
                'Write foreach="name" there, or run the whole flow.',
            )
        return [
            Instance((task,), (*task.foreach, frame))
            for task in have[parent]
            for frame in _frames(
                parent, task.pathspec, task.artifacts, transition.foreach, step, datastore, overrides or {}
            )
        ]
    # A step that went back to itself left several tasks; the last one is its result.
    results = {tuple(frame.index for frame in task.foreach): task for task in have[parent]}
    return [Instance((task,), task.foreach) for task in results.values()]


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
    datastore: Datastore,
    overrides: Mapping[str, Any],
) -> list[ForeachFrame]:
    """One frame for each item of an artifact of `parent`, whose artifacts are those of `where`."""
    ref = artifacts.get(var)
    if var in overrides:
        items = overrides[var]
    elif ref is not None:
        items = datastore.load(ref, name=var, where=where)
    else:
        raise ForeachError(
            f"Step {step} runs for each item of `{var}`, which {parent} does not have.",
            f"`{var}` is not an artifact of {where}.{nearest(var, artifacts)}",
            f"Run {parent} again if it sets `{var}` now, or correct the name.",
        )
    count = count_items(items, var=var, step=parent)
    return [ForeachFrame(parent, var, count, index) for index in range(count)]


def _taken(program: Program, have: dict[str, tuple[TaskRecord, ...]], datastore: Datastore) -> str:
    """The parent that a switch above would lead through: its conditions hold, and it is the newest."""

    def rank(parent: str) -> tuple[bool, float]:
        task = have[parent][-1]
        return conditions_hold(program, parent, task, datastore), task.finished

    return max(have, key=rank)


def conditions_hold(program: Program, step: str, task: TaskRecord, datastore: Datastore) -> bool:
    """Whether every ``--when`` on the way to `step` agrees with the artifacts of `task`."""
    for name in (step, *program.graph.ancestors(step)):
        node = program.graph[name]
        if len(node.parents) != 1:
            continue
        transition = program.graph[node.parents[0]].transition
        if transition is None or transition.kind != "switch" or transition.condition is None:
            continue
        ref = task.artifacts.get(transition.condition)
        if ref is None:
            continue
        value = datastore.load(ref, name=transition.condition, where=task.pathspec)
        if dict(transition.cases).get(value) != name:
            return False
    return True


def _join(program: Program, step: str, found: dict[str, tuple[TaskRecord, ...]]) -> list[Instance]:
    """Group the tasks of all branches by the foreachs around the join."""
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
            names = ", ".join(f"`{parent}`" for parent in found)
            raise MissingResults(
                f"Step {step} cannot join {names}: their latest results do not belong together.",
                "Some were recorded for other items of a foreach than the rest, or for fewer of them.",
                f"Run the cells of {names} again, or `%flow run`.",
            )
    return [
        Instance(tuple(group[place] for place in sorted(group)), outer_frames[key])
        for key, group in sorted(groups.items())
    ]


def _agree(tasks: Iterable[TaskRecord], levels: int) -> bool:
    """Whether tasks were made by foreachs of the same sizes, as far as their outer levels go."""
    return len({tuple(frame.num_splits for frame in task.foreach[:levels]) for task in tasks}) == 1
