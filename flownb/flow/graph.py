"""The graph of a flow: who comes after whom, and what follows from it.

A `FlowGraph` answers questions about order, cycles, reach and open splits. `flownb.flow.build_graph` builds one from
the user's own steps, and from that the one that is run and exported. Which splits are open at a step, and whether
splits and joins balance, follows the rules of Metaflow's linter (``metaflow/lint.py``, check_split_join_balance,
2.19.39).
"""

from __future__ import annotations

import contextlib
import heapq
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, reduce
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from flownb.cells.body import Transition
from flownb.errors import Message
from flownb.flow.definition import Step
from flownb.flow.reach import Reach

__all__ = ["FlowGraph", "GraphProblem", "Node", "OpenSplit", "follow_splits", "leaving"]

ProblemKind = Literal["unknown parent", "conflict", "unbalanced", "switch"]


@dataclass(frozen=True)
class GraphProblem:
    """Something wrong with the transitions, which a check reports.

    Attributes
    ----------
    kind : str
    step : str
        The step whose header says it.
    message : Message
    whole : bool
        Whether it is a problem of the whole flow only: further cells may solve it, so that a single step may run.
    ends : tuple of str
        The steps that a new join would come after, where one is missing.
    joins : tuple of str
        The parents that the step itself would join, if it were a join.
    """

    kind: ProblemKind
    step: str
    message: Message
    whole: bool = False
    ends: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """A step's place in the graph.

    Attributes
    ----------
    name : str
    step : Step or None
        None for steps that flownb adds (``start``, ``end``, bridges).
    parents : tuple of str
        In the order of the header, or of the document.
    transition : Transition or None
        None when nothing follows.
    is_join : bool
        Whether the method takes ``inputs``.
    """

    name: str
    step: Step | None
    parents: tuple[str, ...]
    transition: Transition | None
    is_join: bool = False

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the next steps."""
        return self.transition.targets if self.transition else ()

    @property
    def kind(self) -> Literal["linear", "split", "foreach", "switch", "join"]:
        """Metaflow's type of the step."""
        if self.is_join:
            return "join"
        if self.transition and self.transition.kind in ("split", "foreach", "switch"):
            return self.transition.kind
        return "linear"


@dataclass(frozen=True)
class OpenSplit:
    """A split or foreach that no join has closed at a step: the splitting step, its kind, and the branch taken."""

    split: str
    kind: Literal["split", "foreach"]
    branch: str


# The open splits at a step, outermost first.
OpenSplits = tuple[OpenSplit, ...]


@dataclass(frozen=True)
class FlowGraph:
    """The steps of a flow and their transitions.

    Attributes
    ----------
    nodes : dict of str to Node
        In document order.
    problems : tuple of GraphProblem
        What is wrong with headers and ``self.next``.
    """

    nodes: dict[str, Node]
    problems: tuple[GraphProblem, ...] = ()

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def __contains__(self, name: str) -> bool:
        return name in self.nodes

    @cached_property
    def entry(self) -> str | None:
        """The step that runs first: the one that is marked, or ``start``, or the first one without parents."""
        marked = self.marked_start or ("start" if "start" in self.nodes else None)
        return marked or next(
            (node.name for node in self.nodes.values() if not node.parents), next(iter(self.nodes), None)
        )

    @cached_property
    def marked_start(self) -> str | None:
        """The step that says ``@step(start=True)``."""
        return next((node.name for node in self.nodes.values() if node.step and node.step.body.is_start), None)

    @cached_property
    def exit(self) -> str | None:
        """The step that runs last: the one that is marked, or ``end``; None if there is neither."""
        marked = next((node.name for node in self.nodes.values() if node.step and node.step.body.is_end), None)
        return marked or ("end" if "end" in self.nodes else None)

    @cached_property
    def reachable(self) -> frozenset[str]:
        """Steps that transitions lead to from the entry."""
        return self._reached([self.entry] if self.entry else [], operator.attrgetter("targets"))

    @cached_property
    def named(self) -> frozenset[str]:
        """Steps, and what transitions name although it may not be one."""
        return frozenset((*self.nodes, *(target for node in self.nodes.values() for target in node.targets)))

    @cached_property
    def cycle(self) -> tuple[str, ...]:
        """One cycle as ``(a, b, a)``, empty if there is none; a switch may lead to itself.

        The search goes through the steps in document order, so that the cycle begins where its first step is.
        """
        done: set[str] = set()
        for first in self.nodes:
            path: list[str] = []
            on_path: set[str] = set()
            stack: list[tuple[str, bool]] = [(first, True)]
            while stack:
                name, enter = stack.pop()
                if not enter:
                    on_path.discard(path.pop())
                    done.add(name)
                    continue
                if name in done or name in on_path:
                    continue
                path.append(name)
                on_path.add(name)
                stack.append((name, False))
                node = self.nodes[name]
                for target in node.targets:
                    if target == name and node.kind == "switch":
                        continue
                    if target in on_path:
                        return (*path[path.index(target) :], target)
                    if target in self.nodes:
                        stack.append((target, True))
        return ()

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The steps, parents before children, in document order where that leaves a choice.

        Steps on a cycle, and the steps below it, come last.
        """
        names = list(self.nodes)
        place = {name: position for position, name in enumerate(names)}
        sorter = TopologicalSorter[int]()
        for name, node in self.nodes.items():
            above = (place[parent] for parent in node.parents if parent in place and parent != name)
            sorter.add(place[name], *above)
        with contextlib.suppress(CycleError):  # the sorter still gives all steps that a cycle does not hold back
            sorter.prepare()
        ready = list(sorter.get_ready())
        heapq.heapify(ready)
        done: dict[str, None] = {}
        while ready:
            first = heapq.heappop(ready)
            done[names[first]] = None
            sorter.done(first)
            for following in sorter.get_ready():
                heapq.heappush(ready, following)
        return (*done, *(name for name in names if name not in done))

    @cached_property
    def _splits(self) -> tuple[dict[str, OpenSplits], tuple[GraphProblem, ...]]:
        """Open splits and problems of balance, worked out together."""
        return follow_splits(self)

    @property
    def open_splits(self) -> dict[str, OpenSplits]:
        """For each step the splits that are open when it runs, outermost first."""
        return self._splits[0]

    @cached_property
    def unavoidable(self) -> frozenset[str]:
        """Steps that run whichever case each switch of the flow takes."""
        if not any(node.kind == "switch" for node in self.nodes.values()):
            return self.reachable
        # For each step the bits of the steps that run whenever it runs: below a switch, what all its cases lead to.
        bits = self.reach.bits
        needed: dict[str, int] = {}
        for name in reversed(self.order):
            node = self.nodes[name]
            branches = [needed.get(target, 0) for target in node.targets if target != name]
            if node.kind == "switch":
                below = reduce(operator.and_, branches, (1 << len(bits)) - 1)
            else:
                below = reduce(operator.or_, branches, 0)
            needed[name] = below | bits[name]
        certain = needed.get(self.entry, 0) if self.entry is not None else 0
        return frozenset(name for name in self.reachable if certain & bits[name])

    @cached_property
    def reach(self) -> Reach:
        """From which steps each step can be reached."""
        return self._reach(cyclic=bool(self.cycle))

    @cached_property
    def ancestry(self) -> Reach:
        """The `ancestors` of each step: also where parents form a cycle that the transitions of a wrong flow do not."""
        return self._reach(cyclic=True)

    def _reach(self, *, cyclic: bool) -> Reach:
        """What `Reach` finds by the steps' parents."""
        return Reach({name: node.parents for name, node in self.nodes.items()}, self.order, cyclic=cyclic)

    @cached_property
    def behind_switch(self) -> frozenset[str]:
        """Switches, and the steps that a switch leads to, directly or not."""
        found = {name for name, node in self.nodes.items() if _is_switch(node)}
        if not found:
            return frozenset()
        switches = self.reach.of(found)
        return frozenset(found | {name for name, above in self.reach.above.items() if above & switches})

    def is_above(self, other: str, name: str) -> bool:
        """Whether `name` can be reached from `other`."""
        return bool(self.reach.bits.get(other, 0) & self.reach.above.get(name, 0))

    def below(self, names: Iterable[str]) -> frozenset[str]:
        """All steps that can be reached from one of `names`."""
        first = [target for name in names if name in self.nodes for target in self.nodes[name].targets]
        return self._reached(first, operator.attrgetter("targets"))

    def between(self, split: str, name: str) -> frozenset[str]:
        """The steps on the paths from a split to `name`: those above it that are neither the split nor above that."""
        reach = self.reach
        outside = reach.above.get(split, 0) | reach.bits.get(split, 0)
        return frozenset(reach.names(reach.above.get(name, 0) & ~outside))

    def in_foreach(self, name: str) -> bool:
        """Whether a step runs once for each item of a foreach."""
        return any(split.kind == "foreach" for split in self.open_splits.get(name, ()))

    @property
    def balance_problems(self) -> tuple[GraphProblem, ...]:
        """Splits without joins, joins without splits, joins of unrelated branches."""
        return self._splits[1]

    def arriving(self, name: str) -> dict[str, OpenSplits]:
        """For each parent of a step the splits that are open on the edge from it, outermost first."""
        return {parent: leaving(self, parent, name, self.open_splits) for parent in self.nodes[name].parents}

    def ancestors(self, name: str) -> frozenset[str]:
        """All steps from which `name` can be reached."""
        return self._reached(self.nodes[name].parents if name in self.nodes else (), operator.attrgetter("parents"))

    def _reached(self, first: Iterable[str], onward: Callable[[Node], Iterable[str]]) -> frozenset[str]:
        """Some steps, and all that `onward` leads to from them; names of steps that do not exist are left out."""
        seen: set[str] = set()
        ahead = list(first)
        while ahead:
            name = ahead.pop()
            if name not in seen and name in self.nodes:
                seen.add(name)
                ahead.extend(onward(self.nodes[name]))
        return frozenset(seen)


def _is_switch(node: Node) -> bool:
    """Whether a step's transition is a switch, also if the step is a join."""
    return node.transition is not None and node.transition.kind == "switch"


def follow_splits(graph: FlowGraph) -> tuple[dict[str, OpenSplits], tuple[GraphProblem, ...]]:
    """Work out which splits are open at each step, and where splits and joins do not balance.

    Parameters
    ----------
    graph : FlowGraph
        If it has a cycle, nothing is known: no step has open splits, and there are no problems.

    Returns
    -------
    tuple of (dict of str to tuple of OpenSplit, tuple of GraphProblem)
        The splits open at each step, outermost first, and what does not balance.
    """
    open_splits: dict[str, OpenSplits] = {}
    problems: list[GraphProblem] = []
    if graph.cycle:
        return dict.fromkeys(graph.nodes, ()), ()
    for name in graph.order:
        node = graph[name]
        above = [parent for parent in node.parents if parent in graph and parent != name]
        arriving = [leaving(graph, parent, name, open_splits) for parent in above]
        if node.is_join:
            problems += _join_problems(graph, node, arriving)
            open_splits[name] = arriving[0][:-1] if arriving else ()
        else:
            problems += _meeting_problems(graph, node, arriving)
            open_splits[name] = arriving[0] if arriving else _above_the_first(node)
    return open_splits, tuple(problems or _open_ends(graph, open_splits))


def leaving(graph: FlowGraph, parent: str, name: str, open_splits: dict[str, OpenSplits]) -> OpenSplits:
    """The splits that are open on the edge from `parent` to `name`."""
    above = open_splits.get(parent, ())
    transition = graph[parent].transition
    if transition is not None and (transition.kind == "split" or transition.kind == "foreach"):
        return (*above, OpenSplit(parent, transition.kind, name))
    return above


def _above_the_first(node: Node) -> OpenSplits:
    """The foreach of the ``start`` that `complete_graph` adds above a first step with ``--foreach``."""
    foreach = node.step is not None and node.step.header.foreach
    return (OpenSplit("start", "foreach", node.name),) if foreach else ()


def _unbalanced(name: str, what: str, why: str, fix: str, **facts: Any) -> GraphProblem:
    """A problem of balance; `facts` are its other attributes."""
    return GraphProblem("unbalanced", name, Message(what, why, fix), **facts)


def _meeting_problems(graph: FlowGraph, node: Node, arriving: list[OpenSplits]) -> list[GraphProblem]:
    """What is wrong with several paths that meet in a step which is not a join."""
    if len(arriving) < 2:
        return []
    if len(set(arriving)) == 1 and all(parent in graph.behind_switch for parent in node.parents):
        return []
    names = ", ".join(node.parents)
    what = f"Step {node.name} comes after {names}, but is not a join."
    why = "Only the cases of one switch may meet without a join."
    if _join_problems(graph, node, arriving):
        fix = f"Let one split lead to all of them, or let only one of them lead to {node.name}."
        return [_unbalanced(node.name, what, why, fix)]
    fix = f"Write `%%step {node.name} --after {','.join(node.parents)} --join`, and read `inputs` in its body."
    return [_unbalanced(node.name, what, why, fix, joins=node.parents)]


def _join_problems(graph: FlowGraph, node: Node, arriving: list[OpenSplits]) -> list[GraphProblem]:
    """What is wrong with the paths that lead into a join."""
    name = node.name
    if not arriving or not all(arriving):
        if node.step is None or node.step.header.join:
            what = f"Step {name} is a join, but no split or foreach is open above it."
            fix = "Remove --join, or start a split (two steps with the same --after) or a --foreach above it."
        else:
            what = f"Step {name} reads `inputs`, as a join does, but no split or foreach is open above it."
            fix = "Read the artifacts of the step above by their names, or start a split or a --foreach above it."
        return [_unbalanced(name, what, "A join ends the branches of a split or the tasks of a foreach.", fix)]
    tops = {(splits[:-1], splits[-1].split) for splits in arriving}
    if len(tops) > 1:
        named = ", ".join(sorted({split for _, split in tops}))
        return [
            _unbalanced(
                name,
                f"Step {name} joins branches of different splits ({named}).",
                "A join ends one split; an inner split has to be joined first.",
                "Join the inner split in a step of its own.",
            )
        ]
    top = arriving[0][-1]
    branches = {splits[-1].branch for splits in arriving}
    targets = graph[top.split].targets if top.kind == "split" else ()
    missing = [target for target in targets if target not in branches]
    if missing:
        return [
            _unbalanced(
                name,
                f"Step {name} joins the split of {top.split} without its branch {', '.join(missing)}.",
                "A join waits for all branches of a split.",
                f"Add the last step of that branch to --after in the header of {name}.",
            )
        ]
    return []


def _open_ends(graph: FlowGraph, open_splits: dict[str, OpenSplits]) -> list[GraphProblem]:
    """Splits and foreachs that no join ends, each reported at the last step inside it."""
    ends: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}
    for name, node in graph.nodes.items():
        splits = open_splits.get(name, ())
        if not node.targets and splits and name in graph.reachable:
            ends.setdefault(splits[-1].split, []).append(name)
            kinds[splits[-1].split] = splits[-1].kind
    return [
        _unbalanced(
            names[-1],
            f"The {kinds[split]} of {split} is never joined; its last {'steps are' if len(names) > 1 else 'step is'} "
            f"{' and '.join(names)}.",
            "Metaflow needs a join for every split and foreach.",
            f"Add a cell `%%step collect --after {','.join(names)} --join` that reads `inputs`.",
            whole=True,
            ends=tuple(names),
        )
        for split, names in ends.items()
    ]
