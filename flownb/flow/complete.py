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
    for name in list(nodes):
        transition = nodes[name].transition
        if transition is None or transition.line:
            continue
        splitting = _bridge(nodes, name) if nodes[name].is_join and transition.kind != "linear" else name
        if transition.kind in ("split", "switch"):
            for target in transition.targets:
                if nodes[target].is_join:
                    _pass_through(nodes, splitting, target)
    return FlowGraph(nodes)


def _is_alone(node: Node) -> bool:
    """Whether a flow's only step can be both its first and its last, as Metaflow accepts it (2.19.39)."""
    return node.transition is None and not node.is_join and not (node.step and node.step.header.foreach)


def _free_name(nodes: dict[str, Node], name: str) -> str:
    """`name`, or `name` with the first number that makes it no step's and no artifact's."""
    taken = set(nodes)
    for node in nodes.values():
        if node.step is not None:
            taken.update(written_names(node.step))
    numbered = (f"{name}_{number}" for number in count(2))
    return next(free for free in chain([name], numbered) if free not in taken)


def _insert(nodes: dict[str, Node], after: str, node: Node) -> None:
    """Put a node right behind another in document order."""
    items = list(nodes.items())
    place = list(nodes).index(after) + 1
    nodes.clear()
    nodes.update([*items[:place], (node.name, node), *items[place:]])


def _reparent(nodes: dict[str, Node], child: str, old: str, new: str) -> None:
    """Replace one parent of a node."""
    nodes[child] = replace(nodes[child], parents=tuple(new if p == old else p for p in nodes[child].parents))


def _bridge(nodes: dict[str, Node], join: str) -> str:
    """Move a join's split, foreach or switch to a step of its own, whose name is returned."""
    node = nodes[join]
    bridge = _free_name(nodes, f"{join}_split")
    _insert(nodes, join, Node(bridge, None, (join,), node.transition))
    nodes[join] = replace(node, transition=Transition("linear", (bridge,)))
    for child in node.targets:
        _reparent(nodes, child, join, bridge)
    return bridge


def _pass_through(nodes: dict[str, Node], split: str, join: str) -> None:
    """Put a step on an edge that leads from a split straight into a join."""
    name = _free_name(nodes, f"{split}_to_{join}")
    _insert(nodes, split, Node(name, None, (split,), Transition("linear", (join,))))
    transition = nodes[split].transition
    assert transition is not None
    nodes[split] = replace(nodes[split], transition=redirect(transition, join, name))
    _reparent(nodes, join, split, name)


def redirect(transition: Transition, old: str, new: str) -> Transition:
    """The same transition with one target replaced."""

    def swap(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(new if name == old else name for name in names)

    cases = tuple((value, new if step == old else step) for value, step in transition.cases)
    return replace(transition, targets=swap(transition.targets), cases=cases)
