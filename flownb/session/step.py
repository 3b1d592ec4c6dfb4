"""What executing a cell of the flow does: a step runs as a task of the working run, shared code is executed once."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flownb.cells.assignment import analyse_names
from flownb.cells.cell import Cell
from flownb.provenance.distributions import changed_distributions
from flownb.provenance.module_copies import is_own
from flownb.runtime.attempt import AttemptOptions, run_task
from flownb.runtime.capture import logged
from flownb.runtime.events import task_reported, task_retried
from flownb.runtime.parameters.parameter import Parameter
from flownb.runtime.parameters.start import check_names
from flownb.runtime.program import Program, module_name
from flownb.runtime.task import TaskResult, TaskSpec, inherited_refs
from flownb.session.cards import card_hook
from flownb.session.checks import not_applied
from flownb.session.export import only_here
from flownb.session.instances import Instance, step_instances
from flownb.session.report import StepReport, step_report
from flownb.session.session import Display, Session
from flownb.session.start import configured, require_parameters
from flownb.session.states import input_notes, judgement, step_states
from flownb.store.records import Execution

__all__ = ["StepOutcome", "run_shared_cell", "run_step", "shared_values"]


@dataclass(frozen=True)
class StepOutcome:
    """A step that ran: what to show, and what to put into the notebook's namespace."""

    report: StepReport
    values: dict[str, Any]


def run_step(
    session: Session, name: str, *, display: Display | None = None, kernel_names: Iterable[str] = ()
) -> StepOutcome:
    """Run one step on its parents' latest results and record it in the working run.

    Parameters
    ----------
    session : Session
    name : str
    display : callable, optional
        Shows the value of the body's last expression.
    kernel_names : iterable of str
        For the checks' messages.

    Raises
    ------
    CheckFailed, MissingResults, StoreError
    Exception
        What the step's own code raised, after the attempt was recorded.
    """
    step = session.step(name)
    session.checks.require(name, kernel_names)
    _run_inherited_parents(session, name)
    program, results = session.program(False), session.results()
    given = session.start_values.of(program)  # also makes the flow's classes importable, before anything is loaded
    judge = judgement(session)
    instances = step_instances(program, name, results.latest, session.datastore, given=given)
    instances = [judge.inputs(instance) for instance in instances]
    inputs = input_notes(judge, name, instances)
    for instance in instances:
        require_parameters(program, name, {*given, *instance.inherited})
    run = session.working.run(session.flow.name)
    done: list[TaskResult] = []
    used: dict[str, None] = {}
    for instance in instances:
        with session.datastore.recording():
            given = session.start_values.of(program)
            task = session.datastore.tasks.new_task(
                program.flow.name, run, name, parents=instance.parents, given=given.values()
            )
        spec = TaskSpec(name, run, task, instance.parents, instance.frames, given)
        with task_reported(session.events.emit, program.flow.name, spec, "work") as ended:
            done.append(_run_logged(session, program, spec, display))
            ended(done[-1])
        used |= dict.fromkeys(map(str, judge.used(done[-1].record, inherited_refs(program, spec))))
        error = done[-1].error
        if error is not None:
            if instance.frames:
                frame = instance.frames[-1]
                place = f"item {frame.index} of {frame.num_splits}"
                error.add_note(f"In {place}; `%spin {name} --index {frame.index}` runs it alone.")
            break
    status = done[-1].record.status
    execution = Execution(name, tuple(result.record.task for result in done), status)
    session.datastore.tasks.add_execution(program.flow.name, run, execution)
    if done[-1].error is not None:
        raise done[-1].error
    notes = _notes(session, program, name, instances) + _other_versions(done)
    notes += dict.fromkeys(str(one) for result in done for one in only_here(result.record).values())
    notes += dict.fromkeys(note for result in done for note in result.notes)
    asides: list[str] = []
    if len(done) > 1 and done[0].values:
        asides.append(f"the notebook now has {', '.join(done[0].values)} of the first of {len(done)} tasks")
    inputs += [f"{one}, as the run that its inputs come from" for one in used]
    report = step_report(
        step,
        "ran",
        done,
        notes,
        asides=asides,
        parents=instances[0].parents,
        inputs=inputs,
        taken={*program.graph.nodes, *program.flow.class_names},
        hint=session.reports.is_new_text(step.cell.source),
    )
    session.reports.keep(report)
    return StepOutcome(report, done[0].values)


def run_shared_cell(session: Session, cell: Cell) -> dict[str, Any]:
    """Execute shared code or the flow's header once.

    Returns
    -------
    dict of str to object
        The names that `cell` defines.

    Raises
    ------
    CheckFailed
        If shared code reads names that nothing defines.
    Exception
        What the code raised.
    """
    session.checks.raise_errors(one for one in session.checks.find(only="") if one.cell is cell)
    flow_class = session.program(False).flow_class()
    check_names({name: one for name, one in vars(flow_class).items() if isinstance(one, Parameter)})
    names = vars(sys.modules[flow_class.__module__])
    return {name: names[name] for name in analyse_names(cell.parsed.tree).assigned if name in names}


def shared_values(session: Session, names: Iterable[str]) -> dict[str, Any]:
    """The values that names of shared code have in the module of the last step, except for the user's own modules.

    Of those, and of what is defined in them, the notebook has its own copies.
    """
    module = sys.modules.get(module_name(session.flow.name))
    found = {name: vars(module)[name] for name in names if module is not None and name in vars(module)}
    return {name: value for name, value in found.items() if not is_own(value)}


def _other_versions(done: Iterable[TaskResult]) -> list[str]:
    """Notes on packages that were installed after this kernel imported them."""
    used = dict.fromkeys(result.record.fingerprint.get("distributions", "") for result in done)
    found = dict.fromkeys(one for text in used for one in changed_distributions(text))
    return [f"`{name}` {what} while this kernel had it imported; restart the kernel to use it" for name, what in found]


def _run_inherited_parents(session: Session, name: str) -> None:
    """Run the parents that come from a base class, which no cell of the notebook runs, unless they are fresh."""
    program = session.program(False)
    parents = [one for one in program.graph[name].parents if one in program.flow.inherited and one != name]
    if parents:
        states = step_states(session)
        if any(states[parent].state != "untaken" for parent in parents):
            parents = [parent for parent in parents if states[parent].state != "untaken"]
        for parent in parents:
            if states[parent].state != "fresh":
                run_step(session, parent)


def _run_logged(session: Session, program: Program, spec: TaskSpec, display: Display | None) -> TaskResult:
    """Run a task in the kernel and keep the output of its attempts."""
    with logged(session.datastore, program.flow.name, spec) as next_attempt:

        def on_retry(result: TaskResult) -> None:
            next_attempt()
            session.events.emit(task_retried(result, "work"))

        on_card = card_hook(session.cards, session.events.emit, program.flow.name, spec)
        attempts = AttemptOptions(session.datastore, display=display, on_card=on_card)
        ready = configured(program, spec, session.datastore)
        return run_task(ready, spec, session.datastore, attempts, on_retry=on_retry)


def _notes(session: Session, program: Program, name: str, instances: list[Instance]) -> list[str]:
    """What a user should know of how a step was run here."""
    notes = not_applied(program, name)
    results = session.results()
    for parent in program.graph[name].parents:
        if parent != name and any(task.status != "done" for task in results.attempted(parent)):
            notes.append(f"{parent} failed when it last ran; its result from before was used")
    tasks = [task for instance in instances for task in instance.parents]
    for parameter in sorted(program.parameters):
        keys = {task.artifacts[parameter].key for task in tasks if parameter in task.artifacts}
        if len(keys) > 1:
            notes.append(f"its parents ran with different values of the parameter {parameter}")
    used = list(dict.fromkeys(task.step for task in tasks if results.is_used(task)))
    if used:
        notes.append(f"{' and '.join(used)}: taken from run {results.uses}, which this notebook uses")
    return notes
