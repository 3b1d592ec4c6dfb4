"""Build a flow's graph from headers, ``self.next`` and the order of cells.

`build_graph` works out who comes after whom among the user's own steps; the result holds every problem that was found.
`complete_graph` adds to a graph without problems what Metaflow's linter asks for: ``start`` and ``end``, a step of its
own for the split of a join, and a step between a split and its join.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, count

from flownb.cells.body import Transition
from flownb.cells.header import INPUTS
from flownb.collector import collector_paused
from flownb.errors import Message, nearest
from flownb.flow.decorators import written_names
from flownb.flow.definition import FlowDefinition, Step
from flownb.flow.graph import FlowGraph, GraphProblem, Node

__all__ = ["build_graph", "complete_graph"]

# Why headers must agree with a self.next.
ONLY_NEXT = "If a body ends in self.next, only that line decides where the flow goes next."


@collector_paused()
def build_graph(flow: FlowDefinition) -> FlowGraph:
    """Work out parents and transitions of the user's own steps.

    Parameters
    ----------
    flow : FlowDefinition

    Returns
    -------
    FlowGraph
        Always; what is wrong is in `FlowGraph.problems`.
    """
    steps = {step.name: step for step in reversed(flow.all_steps)}
    steps = {step.name: steps[step.name] for step in flow.all_steps}
    problems: list[GraphProblem] = []
    parents = _parents(flow, steps, problems)
    children_of: dict[str, list[Step]] = {}
    for child in steps.values():
        for parent in parents[child.name]:
            children_of.setdefault(parent, []).append(child)
    nodes = {}
    for name, step in steps.items():
        children = children_of.get(name, [])
        explicit = step.body.transition
        transition = explicit if explicit is not None else _derived(name, children, problems)
        if explicit is not None:
            _compare(step, explicit, children, problems)
        joins = step.header.join or (INPUTS in step.names.reads and INPUTS not in flow.shared_names)
        nodes[name] = Node(name, step, parents[name], transition, joins)
    return FlowGraph(nodes, tuple(problems))


def _parents(flow: FlowDefinition, steps: dict[str, Step], problems: list[GraphProblem]) -> dict[str, tuple[str, ...]]:
    """Parents of each step: ``--after``, or who names it in ``self.next``, or the step cell above."""
    named_by: dict[str, list[str]] = {}
    for step in steps.values():
        if step.body.transition is not None:
            for target in step.body.transition.targets:
                named_by.setdefault(target, []).append(step.name)
    parents: dict[str, tuple[str, ...]] = {}
    first = next((step.name for step in steps.values() if step.body.is_start), "start")
    above: Step | None = None
    for step in steps.values():
        name, header = step.name, step.header
        explicit = named_by.get(name, [])
        if header.after:
            for parent in header.after:
                if parent not in steps:
                    message = Message(
                        f"Step {name} comes after `{parent}`, which is not a step.{nearest(parent, steps)}",
                        f"The steps so far are {', '.join(steps)}.",
                        "Correct --after, or run the cell that defines that step first.",
                    )
                    problems.append(GraphProblem("unknown parent", name, message))
                elif steps[parent].body.transition is not None and parent not in explicit:
                    message = Message(
                        f"Step {name} says `--after {parent}`, but {parent}'s self.next does not name it.",
                        ONLY_NEXT,
                        f"Add self.{name} to {parent}'s self.next, or remove that self.next.",
                    )
                    problems.append(GraphProblem("conflict", name, message))
            parents[name] = tuple(p for p in dict.fromkeys([*header.after, *explicit]) if p in steps)
        elif set(explicit) - {name}:
            parents[name] = tuple(explicit)
        elif (
            above is not None
            and above.body.transition is None
            and name != first
            and (name not in flow.inherited or step.is_last)
        ):
            # What remains in `explicit` is a switch that leads back to its own step.
            parents[name] = (above.name, *explicit)
        else:
            parents[name] = tuple(explicit)
        # A step of a base class has no place in the notebook.
        above = step if name not in flow.inherited else above
    return parents


def _derived(name: str, children: list[Step], problems: list[GraphProblem]) -> Transition | None:
    """The transition that the children's headers ask for."""
    if not children:
        return None
    targets = tuple(child.name for child in children)
    foreach = [child for child in children if child.header.foreach]
    when = [child for child in children if child.header.when]
    if foreach:
        if len(children) > 1:
            others = ", ".join(child.name for child in children if child is not foreach[0])
            message = Message(
                f"Step {name} goes to {foreach[0].name} as a foreach and also to {others}.",
                "A foreach leads to exactly one step.",
                f"Put a step between {name} and {foreach[0].name}, or move {others} after it.",
            )
            problems.append(GraphProblem("conflict", foreach[0].name, message))
        return Transition("foreach", (foreach[0].name,), foreach=foreach[0].header.foreach)
    if when:
        return _switch(name, children, problems)
    return Transition("linear" if len(targets) == 1 else "split", targets)


def _switch(name: str, children: list[Step], problems: list[GraphProblem]) -> Transition:
    """The switch that ``--when`` headers ask for."""
    first = next(child for child in children if child.header.when)
    assert first.header.when is not None
    artifact = first.header.when[0]
    cases: list[tuple[str | int | float, str]] = []
    for child in children:
        condition = child.header.when
        if condition is None or condition[0] != artifact:
            message = Message(
                f"Step {child.name} is not a case of {name}'s switch on `{artifact}`.",
                "All steps after a switch are cases of the same artifact.",
                f"Write `--when {artifact}=VALUE` in the header of {child.name}.",
            )
            problems.append(GraphProblem("switch", child.name, message))
            continue
        if any(value == condition[1] for value, _ in cases):
            message = Message(
                f"Two steps after {name} are for `{artifact}={condition[1]}`.",
                "Each value of a switch leads to one step.",
                f"Give {child.name} another value.",
            )
            problems.append(GraphProblem("switch", child.name, message))
            continue
        cases.append((condition[1], child.name))
    if len(cases) < 2:
        message = Message(
            f"The switch of {name} on `{artifact}` has only one case.",
            "Metaflow's switch needs at least two.",
            f"Add a step with `--after {name} --when {artifact}=OTHER`.",
        )
        problems.append(GraphProblem("switch", first.name, message, whole=True))
    return Transition("switch", tuple(step for _, step in cases), condition=artifact, cases=tuple(cases))


def _compare(step: Step, explicit: Transition, children: list[Step], problems: list[GraphProblem]) -> None:
    """Report headers of children that contradict the parent's ``self.next``."""
    for child in children:
        header = child.header
        if child.name not in explicit.targets:
            continue  # reported where `--after` was read
        wants = None
        if header.foreach and explicit.foreach != header.foreach:
            wants = f"--foreach {header.foreach}"
        if header.when and (explicit.condition != header.when[0] or (header.when[1], child.name) not in explicit.cases):
            wants = f"--when {header.when[0]}={header.when[1]}"
        if wants:
            message = Message(
                f"Step {child.name} says `{wants}`, but {step.name}'s self.next says something else.",
                ONLY_NEXT,
                f"Remove `{wants}` from {child.name}'s header, or change {step.name}'s self.next.",
            )
            problems.append(GraphProblem("conflict", child.name, message))


def complete_graph(graph: FlowGraph) -> FlowGraph:
    """Add ``start``, ``end`` and the bridge steps that Metaflow's rules ask for.

    A flow of one step needs neither ``start`` nor ``end``. A flow whose first step says ``@step(start=True)`` needs no
    ``start``, a flow whose last step says ``@step(end=True)`` no ``end``.

    Parameters
    ----------
    graph : FlowGraph
        A graph without problems.

    Returns
    -------
    FlowGraph
        A graph that Metaflow's linter accepts; of the added nodes `step` is None.
    """
    nodes = dict(graph.nodes)
    if not nodes:
        return graph
    entry, exit_name = graph.entry, graph.exit
    assert entry is not None
    if len(nodes) == 1 and _is_alone(nodes[entry]):
        return graph
    if "start" not in nodes and graph.marked_start is None:
        step = nodes[entry].step
        foreach = step.header.foreach if step else None
        first = Transition("foreach" if foreach else "linear", (entry,), foreach=foreach)
        nodes = {"start": Node("start", None, (), first), **nodes}
        nodes[entry] = replace(nodes[entry], parents=("start",))
    leaves = [name for name, node in nodes.items() if not node.targets and name != exit_name]
    if leaves:
        last = exit_name or "end"
        end = nodes.pop(last, Node(last, None, (), None))
        nodes[last] = replace(end, parents=(*end.parents, *leaves))
        for name in leaves:
            nodes[name] = replace(nodes[name], transition=Transition("linear", (last,)))
    bridges = _Bridges(nodes)
    for name in list(nodes):
        transition = nodes[name].transition
        if transition is None or transition.line:
            continue
        splitting = bridges.split_off(name) if nodes[name].is_join and transition.kind != "linear" else name
        if transition.kind in ("split", "switch"):
            for target in transition.targets:
                if nodes[target].is_join:
                    bridges.pass_through(splitting, target)
    return FlowGraph(bridges.ordered())


def _is_alone(node: Node) -> bool:
    """Whether a flow's only step can be both its first and its last, as Metaflow accepts it (2.19.39)."""
    return node.transition is None and not node.is_join and not (node.step and node.step.header.foreach)


class _Bridges:
    """Inserts bridge steps between nodes; each costs the same, however long the flow is.

    Parameters
    ----------
    nodes : dict of str to Node
        Changed in place; `ordered` gives them in document order.
    """

    def __init__(self, nodes: dict[str, Node]) -> None:
        self._nodes = nodes
        self._names = list(nodes)
        # What was put right after a node, the last one first.
        self._behind: dict[str, list[str]] = {}
        # Names of artifacts, which a bridge must not have; worked out when the first bridge is needed.
        self._written: set[str] | None = None

    def ordered(self) -> dict[str, Node]:
        """All nodes, each bridge right after the step it was made for."""
        ahead = self._names[::-1]
        found: dict[str, Node] = {}
        while ahead:
            name = ahead.pop()
            found[name] = self._nodes[name]
            ahead += self._behind.get(name, ())
        return found

    def split_off(self, join: str) -> str:
        """Move a join's split, foreach or switch to a step of its own, whose name is returned."""
        node = self._nodes[join]
        bridge = self._free_name(f"{join}_split")
        self._insert(join, Node(bridge, None, (join,), node.transition))
        self._nodes[join] = replace(node, transition=Transition("linear", (bridge,)))
        for child in node.targets:
            self._reparent(child, join, bridge)
        return bridge

    def pass_through(self, split: str, join: str) -> None:
        """Put a step on an edge that leads from a split straight into a join."""
        name = self._free_name(f"{split}_to_{join}")
        self._insert(split, Node(name, None, (split,), Transition("linear", (join,))))
        transition = self._nodes[split].transition
        assert transition is not None
        self._nodes[split] = replace(self._nodes[split], transition=redirect(transition, join, name))
        self._reparent(join, split, name)

    def _free_name(self, name: str) -> str:
        """`name`, or `name` with the first number with which no step and no artifact is called so."""
        if self._written is None:
            steps = [node.step for node in self._nodes.values() if node.step is not None]
            self._written = {name for step in steps for name in written_names(step)}
        numbered = (f"{name}_{number}" for number in count(2))
        return next(free for free in chain([name], numbered) if free not in self._nodes and free not in self._written)

    def _insert(self, after: str, node: Node) -> None:
        """Put a node right after another one in document order."""
        self._nodes[node.name] = node
        self._behind.setdefault(after, []).append(node.name)

    def _reparent(self, child: str, old: str, new: str) -> None:
        """Replace one parent of a node."""
        parents = tuple(new if parent == old else parent for parent in self._nodes[child].parents)
        self._nodes[child] = replace(self._nodes[child], parents=parents)


def redirect(transition: Transition, old: str, new: str) -> Transition:
    """The same transition with one target replaced."""

    def swap(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(new if name == old else name for name in names)

    cases = tuple((value, new if step == old else step) for value, step in transition.cases)
    return replace(transition, targets=swap(transition.targets), cases=cases)
