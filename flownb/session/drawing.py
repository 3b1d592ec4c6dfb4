"""A flow's steps with their states, as what `flownb.picture` draws."""

from __future__ import annotations

from collections.abc import Mapping

from flownb.picture.model import Dag, DagEdge, DagNode
from flownb.runtime.freshness import NEVER, Freshness
from flownb.runtime.program import Program
from flownb.session.session import Session
from flownb.session.states import step_states

__all__ = ["flow_picture", "picture", "step_detail"]


def picture(session: Session, states: Mapping[str, Freshness] | None = None) -> Dag:
    """The flow's graph with each step's state, to be drawn; None means the states as they are judged now."""
    return flow_picture(session.program(False), states if states is not None else step_states(session))


def flow_picture(program: Program, states: Mapping[str, Freshness]) -> Dag:
    """The picture of the user's own steps.

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
    """The text beside a step's state: the reason for it, else its tasks inside a foreach and how they were made."""
    if state.reasons:
        return state.brief or state.reasons[0]
    tasks = [f"{state.tasks} task{'s' * (state.tasks > 1)}"] if in_foreach and state.tasks else []
    return ", ".join([*tasks, *state.notes])
