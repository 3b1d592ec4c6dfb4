"""The states of a flow's steps as all views show them: one judgement, the picture of the flow, notes on inputs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from flownb.errors import FlownbError, ParameterError
from flownb.picture import Dag, DagEdge, DagNode
from flownb.runtime.freshness import NEVER, Freshness
from flownb.runtime.program import Program
from flownb.session.instances import Instance
from flownb.session.judge import Judge
from flownb.session.session import Session
from flownb.store.records import ArtifactRef

__all__ = ["flow_picture", "input_notes", "judgement", "picture", "states_after_run", "step_detail", "step_states"]


def step_states(session: Session, *, run_code: bool = True) -> dict[str, Freshness]:
    """The state of every step, by its latest result.

    Parameters
    ----------
    session : Session
    run_code : bool, default True
        Whether shared code and the flow's header may be executed for the defaults of its parameters. Without, a
        result that was made with other defaults counts as fresh until the code was executed for another reason.
    """
    return judgement(session, run_code=run_code).steps()


def judgement(session: Session, *, run_code: bool = True) -> Judge:
    """What judges the steps' latest results as they are now; `run_code` is as for `step_states`."""
    program = session.program(False)
    given: Mapping[str, ArtifactRef] | None = None
    if run_code:
        with contextlib.suppress(ParameterError):  # a config's file may be missing; running a step says so
            given = session.start_values.of(program)
    else:
        given = session.start_values.known(program)
    if given is None:
        program = program.unexecuted()
    return Judge(program, session.working.results(program.flow.name), session.datastore, given)


def states_after_run(session: Session, states: Mapping[str, Freshness]) -> dict[str, Freshness]:
    """The states of steps when a run has ended, given their states by its events.

    What ended well is judged like everything else: a cell may have been edited in the meantime. A step that the run
    did not reach has no result of it: the run was stopped, or a switch led elsewhere.
    """
    judged: dict[str, Freshness] = {}
    with contextlib.suppress(FlownbError):  # the datastore cannot be read, which the run itself has reported
        judged = step_states(session, run_code=False)
    found = {name: judged.get(name, state) if state.state == "fresh" else state for name, state in states.items()}
    untaken = {name: one for name, one in judged.items() if one.state == "untaken" and name not in states}
    return {**untaken, **found}


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


def input_notes(judge: Judge, step: str, instances: Iterable[Instance]) -> list[str]:
    """Notes on the results that a step is about to run on: of branches that were not taken, and older ones."""
    led = [str(reason) for reason in judge.untaken(step)]
    notes = []
    parents = [parent.step for instance in instances for parent in instance.parents if parent.step != step]
    if led:
        notes.append(f"not taken: {', '.join(led)}, so a run would not reach this step; it ran anyway")
    else:
        for parent in dict.fromkeys(parents):
            if away := [str(reason) for reason in judge.untaken(parent)]:
                notes.append(f"made from the result of `{parent}`, which was not taken: {', '.join(away)}")
    return notes + [str(reason) for reason in judge.older(parents)]
