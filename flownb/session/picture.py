"""The flow's graph as a picture: steps with kind and state, arrows with their labels.

Takes a `Program` and the state of its steps; gives a `Dag` to draw.
"""

from __future__ import annotations

from collections.abc import Mapping

from flownb.picture import Dag, DagEdge, DagNode
from flownb.runtime.freshness import NEVER, Freshness
from flownb.runtime.program import Program

__all__ = ["flow_picture", "step_detail"]


def flow_picture(program: Program, states: Mapping[str, Freshness]) -> Dag:
    """Give the picture of the user's own steps.

    Parameters
    ----------
    program : Program
        With the graph of the user's own steps.
    states : mapping of str to Freshness
        By step; a missing step never ran.
    """
    graph = program.graph
    nodes = []
    for name, node in graph.nodes.items():
        state = states.get(name, NEVER)
        in_foreach = graph.in_foreach(name)
        nodes.append(DagNode(name, node.kind, state.state, step_detail(state, in_foreach), in_foreach))
    edges = []
    for name, node in graph.nodes.items():
        transition = node.transition
        cases: dict[str, list[str]] = {}
        for value, target in transition.cases if transition is not None else ():
            cases.setdefault(target, []).append(str(value))
        for target in node.targets:
            if target not in graph or transition is None:
                continue
            label = ""
            if transition.kind == "foreach":
                label = f"foreach {transition.foreach}"
            elif transition.kind == "switch":
                label = f"{transition.condition}={' | '.join(cases.get(target, ()))}"
            edges.append(DagEdge(name, target, label))
    return Dag(program.flow.name, tuple(nodes), tuple(edges))


def step_detail(state: Freshness, in_foreach: bool) -> str:
    """What is said beside a step's state: why it is so, else its tasks inside a foreach and how they were made."""
    if state.reasons:
        return state.brief or state.reasons[0]
    tasks = [f"{state.tasks} task{'s' * (state.tasks > 1)}"] if in_foreach and state.tasks else []
    return ", ".join([*tasks, *state.notes])
