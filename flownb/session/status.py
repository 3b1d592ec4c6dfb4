"""What is stale and why, and what a resume would clone: ``%flow status`` and ``flownb status``.

Only shared code and the flow's header are executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flownb.errors import FlownbError, NotFound
from flownb.flow.lint import errors_of
from flownb.picture.layout import INTERRUPTED, flow_summary, state_word
from flownb.runtime.clones import Clones, StepClones
from flownb.runtime.freshness import NEVER, Freshness
from flownb.session.drawing import picture
from flownb.session.report import as_bundle
from flownb.session.resume import find_origin, offered_tasks, rehearse
from flownb.session.session import Session
from flownb.session.states import judgement, step_states

__all__ = ["FlowStatus", "flow_status"]


@dataclass(frozen=True)
class FlowStatus:
    """The states of a flow's steps.

    Attributes
    ----------
    flow : str
    summary : str
        How many steps are in which state, as the picture of the flow says it.
    steps : dict of str to Freshness
        By step, parents first.
    resume : dict of str to StepClones or None
        What a resume would do with each step; None if there is no run to resume. Of steps after one that would run,
        tasks are missing: whether they run is known when that step has run.
    below : frozenset of str
        Those steps.
    added : tuple of str
        Steps that a run adds, such as `start`, that would run and that some of those come after.
    kept : tuple of str
        The values that the run was made with and that are not the default: a resume keeps them.
    made : dict of str to tuple of str
        The same for the steps whose tasks read those values.
    note : str
        Why nothing can be resumed, empty if it can.
    metadata : dict
        The run that would be resumed.
    used : str
        Which other run the notebook uses, empty if it uses none.
    """

    flow: str
    summary: str
    steps: dict[str, Freshness]
    resume: dict[str, StepClones] | None = None
    below: frozenset[str] = frozenset()
    added: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    made: dict[str, tuple[str, ...]] = field(default_factory=dict)
    note: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    used: str = ""

    def lines(self) -> list[str]:
        """The status as plain lines, which name no ids."""
        width = max((len(name) for name in self.steps), default=0)
        lines = [f"{self.flow}: {self.summary}"]
        lines += [f"  {name:<{width}}  {_said(state)}".rstrip() for name, state in self.steps.items()]
        lines += [self.used] if self.used else []
        if self.resume is None:
            return [*lines, f"resume: {self.note}"]
        made = ", ".join(self.kept).replace(", made with ", " and ")
        lines.append(f"resume, of a run {made}:" if made else "resume:")
        width = max(map(len, (*self.added, *self.steps)), default=0)
        for name in (*self.added, *self.steps):
            planned = _planned(self.resume.get(name), name in self.below, self.made.get(name, ()))
            lines.append(f"  {name:<{width}}  {planned}")
        return lines

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        return as_bundle(self.lines()), {"flownb": self.metadata}


def flow_status(session: Session, origin: str | None = None) -> FlowStatus:
    """Judge the latest results of all steps, and what a resume would clone.

    Parameters
    ----------
    session : Session
    origin : str, optional
        The run that would be resumed; None is the newest.

    Raises
    ------
    NotFound
        If the flow has no steps, or a run was named that does not exist.
    """
    found = session.checks.find()  # says so when there are no steps
    flow, states = session.flow.name, step_states(session)
    steps = {name: states.get(name, NEVER) for name in session.program(False).graph.order}
    summary = flow_summary(picture(session, states))
    used = session.working.used(flow)
    session.mark_noted(used)
    if errors_of(found):
        return FlowStatus(flow, summary, steps, note="the flow has errors; `%flow check` lists them", used=used)
    try:
        run = find_origin(session.datastore, flow, origin, own=session.results().own_runs())
    except FlownbError as error:
        if origin is not None:
            raise
        note = "there is no run yet" if isinstance(error, NotFound) else "the newest run is still running"
        return FlowStatus(flow, summary, steps, note=note, used=used)
    program = session.program(True)
    tasks = offered_tasks(session.datastore, run)
    planned = rehearse(session, Clones(program, session.datastore, tasks), run)
    below = program.graph.below(name for name, one in planned.items() if one.ran) & steps.keys()
    added = [name for name, one in planned.items() if one.ran and name not in steps]
    judge = judgement(session)
    made: dict[str, dict[str, None]] = {}
    for task in tasks:
        if task.step in steps:
            made.setdefault(task.step, {}).update(dict.fromkeys(map(str, judge.used(task, task.artifacts))))
    return FlowStatus(
        flow,
        summary,
        steps,
        planned,
        frozenset(below),
        tuple(name for name in added if program.graph.below([name]) & steps.keys()),
        tuple(map(str, judge.kept(run.parameters))),
        {name: tuple(found) for name, found in made.items()},
        metadata={"origin": f"{flow}/{run.run}"},
        used=used,
    )


def _said(state: Freshness) -> str:
    """The state of a step, and why."""
    word = state_word(state.state, ", ".join(state.reasons))
    tasks = [f"{state.tasks} tasks"] if state.state == "fresh" and state.tasks > 1 else []
    if state.state in ("never", "fresh") or word == INTERRUPTED:
        return ", ".join([word, *tasks, *state.notes])
    return f"{word}: {', '.join([*state.reasons, *state.notes])}"


def _planned(one: StepClones | None, below: bool, made: Sequence[str]) -> str:
    """What a resume would do with a step, as far as that is known if it is `below` one that would run."""
    if one is None:
        return "depends on what runs above" if below else "would not run"
    rest = "; other tasks depend on what runs above" if below else ""
    if not one.ran:
        tasks = [f"{one.cloned} tasks"] if one.cloned > 1 else []
        return ", ".join(["would be cloned", *tasks, *made]) + rest
    part = f"{one.ran} of {one.ran + one.cloned} tasks " if one.cloned else ""
    return f"{part}would run: {one.why}{rest}"
