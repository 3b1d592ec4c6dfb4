"""The graph of a flow: who comes after whom, and what follows from it.

Takes nodes; gives a `FlowGraph` that answers questions about order, cycles, reach and open splits. `draw_graph` makes
one from the user's own steps, `complete_graph` the one that runs and ships.
"""

from __future__ import annotations

import heapq
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Literal

from flownb.cells.body import Transition
from flownb.flow.definition import Step

__all__ = ["FlowGraph", "Frame", "GraphProblem", "Node", "follow_splits", "leaving"]

# MERGED-DOC flow.node: The parts of a flow's graph: nodes, open splits, and what can be wrong with them. Takes
# nothing; gives `Node`, `Frame` and `GraphProblem`, the values that drawing, balancing and completing share.


ProblemKind = Literal["unknown parent", "conflict", "unbalanced", "switch"]


@dataclass(frozen=True)
class GraphProblem:
    """Something wrong with the transitions, to be reported by a check.

    `line` is 1-based in the step's cell. A problem of the `whole` flow may go away when further cells are run, so it
    is not held against a single step. `ends` are the steps that a new join would end, `joins` those that the step
    itself would.
    """

    kind: ProblemKind
    step: str
    what: str
    why: str
    fix: str
    line: int = 1
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
        None for steps the exporter adds (``start``, ``end``, bridges).
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
class Frame:
    """An open split above a step: the splitting step, its kind, and the branch taken."""

    split: str
    kind: Literal["split", "foreach"]
    branch: str


# MERGED-DOC flow.balance: Splits and joins: which splits are open at each step, and where they do not balance.
# Takes a `FlowGraph`; gives the open splits of each step and the problems, by the rules of Metaflow's linter
# (``metaflow/lint.py``, check_split_join_balance, 2.19.39).


Stack = tuple[Frame, ...]


def follow_splits(graph: FlowGraph) -> tuple[dict[str, Stack], tuple[GraphProblem, ...]]:
    """Follow splits down the graph.

    Parameters
    ----------
    graph : FlowGraph
        On a graph with a cycle nothing is known: all stacks are empty and there are no problems.

    Returns
    -------
    tuple of (dict of str to tuple of Frame, tuple of GraphProblem)
        The splits open at each step, outermost first, and what does not balance.
    """
    frames: dict[str, Stack] = {}
    problems: list[GraphProblem] = []
    if graph.cycle:
        return dict.fromkeys(graph.nodes, ()), ()
    for name in graph.order:
        node = graph[name]
        above = [parent for parent in node.parents if parent in graph and parent != name]
        arriving = [leaving(graph, parent, name, frames) for parent in above]
        if node.is_join:
            problems += _join_problems(graph, node, arriving)
            frames[name] = arriving[0][:-1] if arriving else ()
        else:
            problems += _meeting_problems(graph, node, arriving)
            frames[name] = arriving[0] if arriving else _above_the_first(node)
    return frames, tuple(problems or _open_ends(graph, frames))


def leaving(graph: FlowGraph, parent: str, name: str, frames: dict[str, Stack]) -> Stack:
    """The splits that are open on the way from `parent` to `name`."""
    above = frames.get(parent, ())
    transition = graph[parent].transition
    if transition is not None and (transition.kind == "split" or transition.kind == "foreach"):
        return (*above, Frame(parent, transition.kind, name))
    return above


def _above_the_first(node: Node) -> Stack:
    """A first step that is a foreach runs below the ``start`` that `complete_graph` adds."""
    foreach = node.step is not None and node.step.header.foreach
    return (Frame("start", "foreach", node.name),) if foreach else ()


def _problem(
    name: str,
    what: str,
    why: str,
    fix: str,
    *,
    whole: bool = False,
    ends: tuple[str, ...] = (),
    joins: tuple[str, ...] = (),
) -> GraphProblem:
    """A problem of balance."""
    return GraphProblem("unbalanced", name, what, why, fix, whole=whole, ends=ends, joins=joins)


def _meeting_problems(graph: FlowGraph, node: Node, arriving: list[Stack]) -> list[GraphProblem]:
    """What is wrong with several ways that meet in a step which is no join."""
    if len(arriving) < 2:
        return []
    if len(set(arriving)) == 1 and all(parent in graph.behind_switch for parent in node.parents):
        return []
    names = ", ".join(node.parents)
    what = f"Step {node.name} comes after {names}, but is no join."
    why = "Only the cases of one switch may meet without a join."
    if _join_problems(graph, node, arriving):
        fix = f"Let one split lead to all of them, or let only one of them lead to {node.name}."
        return [_problem(node.name, what, why, fix)]
    return [
        _problem(
            node.name,
            what,
            why,
            f"Write `%%step {node.name} --after {','.join(node.parents)} --join`, and read `inputs` in its body.",
            joins=node.parents,
        )
    ]


def _join_problems(graph: FlowGraph, node: Node, arriving: list[Stack]) -> list[GraphProblem]:
    """What is wrong with the ways that come into a join."""
    name = node.name
    if not arriving or not all(arriving):
        if node.step is None or node.step.header.join:
            what = f"Step {name} is a join, but no split or foreach is open above it."
            fix = "Remove --join, or start a split (two steps with the same --after) or a --foreach above it."
        else:
            what = f"Step {name} reads `inputs`, as a join does, but no split or foreach is open above it."
            fix = "Read the artifacts of the step above by their names, or start a split or a --foreach above it."
        return [_problem(name, what, "A join ends the branches of a split or the tasks of a foreach.", fix)]
    tops = {(stack[:-1], stack[-1].split) for stack in arriving}
    if len(tops) > 1:
        splits = ", ".join(sorted({split for _, split in tops}))
        return [
            _problem(
                name,
                f"Step {name} joins branches of different splits ({splits}).",
                "A join ends one split; inner splits are joined first.",
                "Join the inner split in a step of its own.",
            )
        ]
    top = arriving[0][-1]
    branches = {stack[-1].branch for stack in arriving}
    targets = graph[top.split].targets if top.kind == "split" else ()
    missing = [target for target in targets if target not in branches]
    if missing:
        return [
            _problem(
                name,
                f"Step {name} joins the split of {top.split} without its branch {', '.join(missing)}.",
                "A join waits for all branches of a split.",
                f"Add the last step of that branch to --after in the header of {name}.",
            )
        ]
    return []


def _open_ends(graph: FlowGraph, frames: dict[str, Stack]) -> list[GraphProblem]:
    """Splits and foreachs that no join ends, each reported at the last step that is inside it."""
    ends: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}
    for name, node in graph.nodes.items():
        stack = frames.get(name, ())
        if not node.targets and stack and name in graph.reachable:
            ends.setdefault(stack[-1].split, []).append(name)
            kinds[stack[-1].split] = stack[-1].kind
    return [
        _problem(
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


@dataclass(frozen=True)
class FlowGraph:
    """Steps and transitions.

    Attributes
    ----------
    nodes : dict of str to Node
        In document order.
    problems : tuple of GraphProblem
        What could not be resolved.
    """

    nodes: dict[str, Node]
    problems: tuple[GraphProblem, ...] = ()

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def __contains__(self, name: str) -> bool:
        return name in self.nodes

    @cached_property
    def entry(self) -> str | None:
        """The step that runs first: the one marked so, else ``start``, else the first without parents."""
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
        """The step that runs last: the one marked so, else ``end``; None if neither is there."""
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
        """One cycle as ``(a, b, a)``, empty when there is none; a switch may lead to itself."""
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
        """Steps so that parents come first (document order where free); steps on a cycle come last."""
        place = {name: position for position, name in enumerate(self.nodes)}
        waiting: dict[str, int] = {}
        children: dict[str, list[str]] = {}
        for name, node in self.nodes.items():
            parents = {parent for parent in node.parents if parent in self.nodes and parent != name}
            waiting[name] = len(parents)
            for parent in parents:
                children.setdefault(parent, []).append(name)
        ready = [place[name] for name, count in waiting.items() if not count]
        names = list(self.nodes)
        done: dict[str, None] = {}
        while ready:
            name = names[heapq.heappop(ready)]
            done[name] = None
            for child in children.get(name, ()):
                waiting[child] -= 1
                if not waiting[child]:
                    heapq.heappush(ready, place[child])
        return (*done, *(name for name in names if name not in done))

    @cached_property
    def _splits(self) -> tuple[dict[str, tuple[Frame, ...]], tuple[GraphProblem, ...]]:
        """Open splits and problems, found together."""
        return follow_splits(self)

    @property
    def frames(self) -> dict[str, tuple[Frame, ...]]:
        """For each step the splits that are open when it runs, outermost first."""
        return self._splits[0]

    @cached_property
    def unavoidable(self) -> frozenset[str]:
        """Steps that run whichever cases the switches of the flow take."""
        if not any(node.kind == "switch" for node in self.nodes.values()):
            return self.reachable
        # For each step the bits of those that run whenever it does: of a switch those that all its cases lead to.
        bits = self._bits
        needed: dict[str, int] = {}
        for name in reversed(self.order):
            node = self.nodes[name]
            ways = [needed.get(target, 0) for target in node.targets if target != name]
            if node.kind == "switch":
                below = reduce(operator.and_, ways, (1 << len(bits)) - 1)
            else:
                below = reduce(operator.or_, ways, 0)
            needed[name] = below | bits[name]
        certain = needed.get(self.entry, 0) if self.entry is not None else 0
        return frozenset(name for name in self.reachable if certain & bits[name])

    @cached_property
    def _bits(self) -> dict[str, int]:
        """A bit for each step: sets of steps as integers keep questions about all steps of a long flow cheap."""
        return {name: 1 << place for place, name in enumerate(self.nodes)}

    @cached_property
    def _above(self) -> dict[str, int]:
        """For each step the bits of those from which it can be reached; on a graph without a cycle."""
        bits = self._bits
        above: dict[str, int] = {}
        for name in self.order:
            found = 0
            for parent in self.nodes[name].parents:
                if parent in bits:
                    found |= above.get(parent, 0) | bits[parent]
            above[name] = found
        return above

    @cached_property
    def behind_switch(self) -> frozenset[str]:
        """Switches, and the steps that one leads to, directly or not."""
        switches = reduce(operator.or_, (self._bits[one.name] for one in self.nodes.values() if _is_switch(one)), 0)
        if not switches:
            return frozenset()
        return frozenset(
            name for name, node in self.nodes.items() if _is_switch(node) or self._above_bits(name) & switches
        )

    def _above_bits(self, name: str) -> int:
        """The bits of all steps from which one can be reached."""
        if self.cycle:
            return reduce(operator.or_, (self._bits[one] for one in self.ancestors(name)), 0)
        return self._above.get(name, 0)

    def is_above(self, other: str, name: str) -> bool:
        """Whether `name` can be reached from `other`; cheaper than to look for it among `ancestors`."""
        return bool(self._bits.get(other, 0) & self._above_bits(name)) if name in self.nodes else False

    def below(self, names: Iterable[str]) -> frozenset[str]:
        """All steps that can be reached from one of some steps."""
        first = [target for name in names if name in self.nodes for target in self.nodes[name].targets]
        return self._reached(first, operator.attrgetter("targets"))

    def between(self, split: str, name: str) -> frozenset[str]:
        """The steps on the ways from a split to `name`: those above it that are neither the split nor above that."""
        seen: set[str] = set()
        ahead = list(self.nodes[name].parents) if name in self.nodes else []
        while ahead:
            parent = ahead.pop()
            if parent in seen or parent == split or parent not in self.nodes:
                continue
            if self.is_above(parent, split):
                continue
            seen.add(parent)
            ahead.extend(self.nodes[parent].parents)
        return frozenset(seen)

    def in_foreach(self, name: str) -> bool:
        """Whether a step runs once for each item of a foreach."""
        return any(frame.kind == "foreach" for frame in self.frames.get(name, ()))

    @property
    def balance_problems(self) -> tuple[GraphProblem, ...]:
        """Splits without joins, joins without splits, joins of unrelated branches."""
        return self._splits[1]

    def arriving(self, name: str) -> dict[str, tuple[Frame, ...]]:
        """For each parent of a step the splits that are open on the way from it, outermost first."""
        return {parent: leaving(self, parent, name, self.frames) for parent in self.nodes[name].parents}

    def ancestors(self, name: str) -> frozenset[str]:
        """All steps from which `name` can be reached."""
        return self._reached(self.nodes[name].parents if name in self.nodes else (), operator.attrgetter("parents"))

    def _reached(self, first: Iterable[str], onward: Callable[[Node], Iterable[str]]) -> frozenset[str]:
        """Some steps, and those that lead on from them; names of steps that do not exist are passed over."""
        seen: set[str] = set()
        ahead = list(first)
        while ahead:
            name = ahead.pop()
            if name not in seen and name in self.nodes:
                seen.add(name)
                ahead.extend(onward(self.nodes[name]))
        return frozenset(seen)


def _is_switch(node: Node) -> bool:
    """Whether a step's transition is a switch, be the step a join or not."""
    return node.transition is not None and node.transition.kind == "switch"
