"""The states of a flow's steps as all views show them: one judgement, and notes on inputs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from flownb.errors import FlownbError, ParameterError
from flownb.runtime.freshness import Freshness
from flownb.runtime.program import Program
from flownb.session.instances import Instance
from flownb.session.judge import Judge
from flownb.session.session import Session
from flownb.store.records import ArtifactRef

__all__ = ["input_notes", "judgement", "states_after_run", "step_states"]


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


def judgement(session: Session, program: Program | None = None, *, run_code: bool = True) -> Judge:
    """What judges the steps' latest results as they are now.

    Parameters
    ----------
    session : Session
    program : Program, optional
        The session's own, without the steps that a run adds, for a caller that has just asked for it.
    run_code : bool, default True
        As for `step_states`.
    """
    program = program or session.program(False)
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
