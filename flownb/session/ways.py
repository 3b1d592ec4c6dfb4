"""Which steps the latest results of switches lead to.

Takes a `Program` and what gives a step's latest tasks; says for a step, or for one place in its foreachs, whether a run
would come to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from flownb.runtime.program import Program
from flownb.store.datastore import Datastore
from flownb.store.records import TaskRecord

__all__ = ["PLAIN", "Place", "Ways", "place_of"]

# A task's positions in the foreachs around it, outermost first.
Place = tuple[int, ...]
# Types whose values are loaded without any code of the user's.
PLAIN = frozenset({"bool", "int", "float", "str", "NoneType"})


def place_of(task: TaskRecord) -> Place:
    """A task's positions in the foreachs around it."""
    return tuple(frame.index for frame in task.foreach)


class Ways:
    """The ways that runs take through a graph, by the latest results.

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
        value = self._datastore.load(ref, name=transition.condition or "", where=task.pathspec)
        try:
            target = dict(transition.cases).get(value)
        except TypeError:  # not hashable: no case
            target = None
        return (target,) if target is not None else ()

    def leads_to(self, task: TaskRecord, step: str) -> bool | None:
        """Whether a run that came to a task goes on to a step; None if that is not known.

        A step that goes back to itself leads elsewhere in a later round.
        """
        targets = self.leads(task)
        if targets is None or (step != task.step and targets == (task.step,)):
            return None
        return step in targets

    def reached(self, step: str, place: Place = ()) -> bool | None:
        """Whether a run comes to a step, at one place or at any that begins like it; None if that is not known."""
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
        """Whether a run comes to a task and goes on to a step."""
        here = self.reached(task.step, place_of(task))
        return self.leads_to(task, step) if here else here

    def switches(self, step: str) -> list[TaskRecord]:
        """The results of switches that led away from every way to a step: the nearest on each way."""
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
        """Steps that a run may not come to."""
        graph = self.program.graph
        switches = {n for n, node in graph.nodes.items() if node.transition and node.transition.kind == "switch"}
        return frozenset(name for name in graph.nodes if switches & (graph.ancestors(name) - {name}))
