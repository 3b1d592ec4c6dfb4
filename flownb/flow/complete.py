"""From the user's graph to the one that runs and ships.

Takes a `FlowGraph` without problems; gives one that Metaflow's linter accepts: ``start`` and ``end`` are added, joins
that split are split in two, and edges from a split straight into a join get a step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, count

from flownb.cells.body import Transition
from flownb.flow.decorator_call import written_names
from flownb.flow.graph import FlowGraph
from flownb.flow.node import Node

__all__ = ["complete_graph"]


def complete_graph(graph: FlowGraph) -> FlowGraph:
    """Add ``start``, ``end`` and the bridge steps that Metaflow's rules ask for.

    A flow of one step needs neither, nor one whose first or last step says ``@step(start=True)`` or ``(end=True)``.

    Parameters
    ----------
    graph : FlowGraph
        A graph without problems.

    Returns
    -------
    FlowGraph
        A graph that Metaflow's linter accepts; the added nodes have ``step is None``.
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
    """Nodes that get bridge steps between them; each costs the same, however long the flow is.

    Parameters
    ----------
    nodes : dict of str to Node
        Changed in place; `ordered` gives them in document order.
    """

    def __init__(self, nodes: dict[str, Node]) -> None:
        self._nodes = nodes
        self._names = list(nodes)
        # What was put right behind a node, the last one first.
        self._behind: dict[str, list[str]] = {}
        # Names of artifacts, which no bridge may have; found when the first bridge is needed.
        self._written: set[str] | None = None

    def ordered(self) -> dict[str, Node]:
        """All nodes, each bridge behind the step it was made for."""
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
        """`name`, or `name` with the first number that makes it no step's and no artifact's."""
        if self._written is None:
            steps = [node.step for node in self._nodes.values() if node.step is not None]
            self._written = {name for step in steps for name in written_names(step)}
        numbered = (f"{name}_{number}" for number in count(2))
        return next(free for free in chain([name], numbered) if free not in self._nodes and free not in self._written)

    def _insert(self, after: str, node: Node) -> None:
        """Put a node right behind another in document order."""
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
