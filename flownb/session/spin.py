"""One step run on persisted parents, recording nothing: ``%spin`` and ``flownb spin``.

With ``--pdb`` it may be a task of a run: its step then sees what it saw there (inputs, foreach item, attempt, ids,
tags, decorators of ``--with``, the branch of its project), and a debugger opens where it fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import time
from typing import TYPE_CHECKING, Any

from flownb.cells.body import parse_body
from flownb.cells.cell import Cell
from flownb.errors import NotFound, ParameterError, nearest
from flownb.flow.build_graph import build_graph
from flownb.flow.definition import Step
from flownb.flow.lint import check_flow
from flownb.flow.lint.captures import CAPTURE_NEVER_ASSIGNED
from flownb.metaflow_decorators import APPLIED_TO_STEPS
from flownb.pathspec import Origin, parse_origin
from flownb.runtime.attempt import AttemptOptions, Debug, run_attempt
from flownb.runtime.capture import logged
from flownb.runtime.description import check_project
from flownb.runtime.events import task_reported
from flownb.runtime.launch import Launch, launch
from flownb.runtime.parameters.config import ConfigParameter, choose_configs
from flownb.runtime.parameters.parameter import ParameterContext, RunInputs
from flownb.runtime.program import Program, module_kept
from flownb.runtime.task import TaskSpec, inherited_refs
from flownb.session.cards import card_hook
from flownb.session.export import only_here
from flownb.session.instances import Instance, step_instances
from flownb.session.judge import Judge
from flownb.session.latest import LatestResults, no_task
from flownb.session.options import SpinOptions, literal, load_artifacts_module
from flownb.session.report import StepReport, step_report
from flownb.session.run_facts import launch_of
from flownb.session.session import Display, Session
from flownb.session.start import configured, require_parameters
from flownb.session.states import input_notes, judgement
from flownb.settings import user_name
from flownb.store.artifacts import inline_refs
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, RunEnd, RunRecord, TaskRecord

if TYPE_CHECKING:
    from flownb.client import Task

__all__ = ["SpinOutcome", "spin_step"]

# Decorators that a spin applies: it makes one attempt, and nothing runs beside it.
APPLIED_TO_SPINS = APPLIED_TO_STEPS - {"retry", "resources"}


@dataclass(frozen=True)
class SpinOutcome:
    """A step that was spun.

    Attributes
    ----------
    report : StepReport
    values : dict of str to object
        What the step set, as live objects.
    task : Task or None
        Where ``--persist`` kept it, in the spin datastore: ``outcome.task["model"].data``.
    """

    report: StepReport
    values: dict[str, Any]
    task: Task | None = None

    def __getitem__(self, name: str) -> Any:
        """The value of an artifact the spun step set."""
        if name not in self.values:
            raise NotFound(
                f"The spun step {self.report.step} set no `{name}`.{nearest(name, self.values)}",
                f"It set {', '.join(f'`{n}`' for n in self.values)}." if self.values else "It set nothing.",
                "Correct the name.",
            )
        return self.values[name]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return self.report._repr_mimebundle_(include, exclude)


def spin_step(
    session: Session,
    options: SpinOptions,
    *,
    body: str | None = None,
    source: str | None = None,
    filename: str | None = None,
    display: Display | None = None,
    kernel_names: Iterable[str] = (),
    debug: Debug | None = None,
    last: bool = False,
) -> SpinOutcome:
    """Run one step on persisted parents, recording nothing.

    Parameters
    ----------
    session : Session
    options : SpinOptions
    body : str, optional
        A throw-away body in place of the step's own. It is to look around with: it may set some of what the header
        captures, or nothing, and does not lead on to the next step.
    source : str, optional
        The whole text of the cell that ends with that body, for messages to show its lines.
    filename : str, optional
        The name tracebacks show for that body.
    display, kernel_names
        As for `run_step`.
    debug : callable, optional
        Opens a debugger on the step's exception, for ``--pdb``; None where nobody could answer it.
    last : bool, default False
        Whether this process ends after it.

    Raises
    ------
    CheckFailed, MissingResults, NotFound, ParameterError
    Exception
        What the step's own code raised.
    """
    step = session.step(options.step)
    program = of_cells = session.program(False)
    task_of_run: TaskRecord | None = None
    if options.pdb:
        _refuse_pdb(debug is not None)
        options, task_of_run = _debugged(session, program.flow.name, options)
    if body is not None:
        program = _with_body(program, step, body, source, filename)
        step = program.graph[step.name].step or step
        found = check_flow(program.flow, graph=program.graph, only=step.name, kernel_names=kernel_names)
        # What it captures is only what it may set.
        session.checks.raise_errors(one for one in found if one.code != CAPTURE_NEVER_ASSIGNED)
    else:
        session.checks.require(step.name, kernel_names)
    given = session.start_values.of(program)  # also makes the flow's classes importable, before anything is loaded
    adds = launch(options.decorators, options.branch, options.production)
    if task_of_run is not None and not (options.decorators or options.branch or options.production):
        adds = launch_of(session.datastore.runs.run(program.flow.name, task_of_run.run))
    program = program if adds == Launch() else program.launched(adds)
    if options.branch is not None or options.production:
        check_project(program, options.branch, options.production)
    overrides, joined = _overrides(program, options)
    judge = judgement(session, of_cells)
    instance, origin = _spin_instance(session, program, options, overrides, given, judge)
    inputs: list[str] = []
    if options.origin is None:  # else the user said on what to spin it
        instance = judge.inputs(instance)
        inputs = input_notes(judge, step.name, [instance])
    instance = _with_inputs(instance, program.flow.name, step.name, joined)
    inherited = instance.inherited
    _refuse_unknown(program, step, options, overrides, inherited | given.keys())
    given = {**given, **origin}
    require_parameters(program, step.name, {*given, *inherited, *overrides})
    keep = session.spin_datastore if options.persist else None
    run = task = ""
    if keep is not None:
        run, task = _spin_run(session, keep, program.flow.name, step.name)
    spec = TaskSpec(step.name, run, task, instance.parents, instance.frames, given, overrides)
    emit = session.events.emit
    with module_kept(program.flow.name), task_reported(emit, program.flow.name, spec, "spin") as ended:
        with logged(keep, program.flow.name, spec):
            ready, decorated = configured(program, spec, session.datastore), not options.skip_decorators
            on_card = card_hook(session.cards, emit, program.flow.name, spec)
            if options.isolate:
                from flownb.session.executors import run_isolated

                result = run_isolated(
                    ready,
                    spec,
                    session.datastore,
                    session.servers,
                    keep=keep,
                    decorated=decorated,
                    on_card=on_card,
                )
            else:
                ran = spec
                if task_of_run is not None and keep is None:  # what is kept has ids of its own
                    ran = _as_in_run(spec, task_of_run, session.datastore.runs.run(program.flow.name, task_of_run.run))
                attempt = AttemptOptions(
                    keep,
                    display=display,
                    decorated=decorated,
                    on_card=on_card,
                    last=last and keep is None,
                    debug=_noting(debug, program, task_of_run) if options.pdb else None,
                )
                result = run_attempt(ready, ran, session.datastore, attempt)
                result = replace(result, record=replace(result.record, run=spec.run, task=spec.task))
        session.cards.keep_spun(result)
        ended(result)
    if keep is not None:
        status = "done" if result.error is None else "failed"
        keep.runs.end_run(program.flow.name, run, RunEnd(status, time()))  # type: ignore[arg-type]  # one of its three
    if result.error is not None:
        raise result.error
    set_here = {n: v for n, v in result.values.items() if n not in overrides or n in step.captures}
    result = replace(result, values=set_here)
    failed = result.record.exception is not None  # also if @catch handled it
    notes = _spin_notes(instance, options, task_of_run, failed)
    notes += [*map(str, only_here(result.record).values()), *result.notes]
    used = judge.used(result.record, {n: r for n, r in inherited_refs(program, spec).items() if n not in overrides})
    inputs += [f"{one}, as the run that its inputs come from" for one in used]
    report = step_report(
        step, "persisted" if keep else "spun", [result], notes, parents=instance.parents, inputs=inputs
    )
    session.reports.keep(report)
    kept = None
    if keep is not None:
        from flownb.client import Task

        kept = Task(result.record.pathspec, datastore=keep)
    return SpinOutcome(report, result.values, kept)


def _debugged(session: Session, flow: str, options: SpinOptions) -> tuple[SpinOptions, TaskRecord | None]:
    """The options with the very task that is to be debugged, and its record; None if it is one that never ran."""
    if options.origin is None:
        return options, None
    origin = parse_origin(options.origin, flow)
    session.datastore.runs.run(flow, origin.run)  # says so if there is no such run
    record = _task_to_debug(session.datastore, flow, options.step, origin, options.index)
    return (replace(options, origin=record.place), record) if record is not None else (options, None)


def _noting(debug: Debug | None, program: Program, task_of_run: TaskRecord | None) -> Debug | None:
    """A debugger that shows with the error whether its code is not the one that failed in the run."""
    edited = _edited_since(program, task_of_run) if task_of_run is not None else ""
    if debug is None or not edited:
        return debug
    opens = debug

    def noted(error: BaseException) -> None:
        error.add_note(edited)
        opens(error)

    return noted


def _task_to_debug(datastore: Datastore, flow: str, step: str, origin: Origin, index: int | None) -> TaskRecord | None:
    """The task that ``--from`` means to a debugger: the one it names, else the first of the step that failed there.

    None if it names another step, or the step has no task there: it then says where the inputs are.
    """
    if origin.step not in (None, step):
        return None
    if origin.task is not None:
        record = datastore.tasks.last_attempt(flow, origin.run, step, origin.task)
        if record is None:
            raise no_task(datastore, flow, origin.run, step, origin.task)
        return record
    tasks = list(datastore.tasks.last_attempts(flow, origin.run, step))
    if index is not None:
        tasks = [task for task in tasks if task.foreach and task.foreach[-1].index == index]
    return next((task for task in tasks if task.exception is not None), next(iter(tasks), None))


def _as_in_run(spec: TaskSpec, record: TaskRecord, run: RunRecord) -> TaskSpec:
    """A spec with the ids, the attempt and the tags that a task had in its run."""
    return replace(spec, run=record.run, task=record.task, attempt=record.attempt, tags=run.tags, origin_run=run.origin)


def _edited_since(program: Program, record: TaskRecord) -> str:
    """A sentence if the code of a task's step changed since it ran; empty if it did not, or that is not known."""
    now = {"method": program.methods[record.step].code_hash, "shared": program.shared_hash}
    if all(record.fingerprint.get(part, known) == known for part, known in now.items()):
        return ""
    return f"The code of {record.step} was edited since {record.place} ran; this is what the cells have now."


def _refuse_pdb(can_debug: bool) -> None:
    """Raise `ParameterError` if nobody could answer a debugger."""
    if not can_debug:
        raise ParameterError(
            "`--pdb` cannot open a debugger here.",
            "Nobody can answer its prompt: this front end, or this program's input, does not take any.",
            "Run it in JupyterLab, in a console or in a terminal, or leave --pdb out.",
        )


def _spin_notes(instance: Instance, options: SpinOptions, task_of_run: TaskRecord | None, failed: bool) -> list[str]:
    notes = []
    if task_of_run is not None and task_of_run.exception is not None and not failed:
        notes.append(f"{task_of_run.place} failed in its run, and does not fail here")
    if instance.frames and options.index is None and task_of_run is None:
        frame = instance.frames[-1]
        notes.append(f"item {frame.index} of {frame.num_splits}; --index picks another")
    if not options.skip_decorators:
        added = dict.fromkeys(name for name, _ in options.decorators)
        notes += [f"@{name} of --with is not applied in a spin" for name in added if name not in APPLIED_TO_SPINS]
    return notes


def _spin_run(session: Session, keep: Datastore, flow: str, step: str) -> tuple[str, str]:
    """A new run of one task in the spin datastore."""
    record = RunRecord(flow, "", "spin", started=time(), **session.working.facts(flow))
    run = keep.runs.new_run(record).run
    return run, keep.tasks.new_task(flow, run, step)


def _spin_instance(
    session: Session,
    program: Program,
    options: SpinOptions,
    overrides: Mapping[str, Any],
    given: Mapping[str, ArtifactRef],
    judge: Judge,
) -> tuple[Instance, dict[str, ArtifactRef]]:
    """The task to spin and the parameters of where it comes from.

    Without ``--from`` the task is made from the latest results, and its parameters come with these.
    """
    flow, step = program.flow.name, options.step
    origin: Origin | None = None
    find = judge.latest
    parameters: dict[str, ArtifactRef] = {}
    if options.origin is not None:
        origin = parse_origin(options.origin, flow)
        parameters = dict(session.datastore.runs.run(flow, origin.run).parameters)  # says so if there is no such run
        of_run = LatestResults(session.datastore, flow, only=origin.run)
        find = of_run.latest
        if origin.step == step:
            record = _recorded(session, flow, origin, options.index)
            parameters = {name: ref for name, ref in record.artifacts.items() if name in program.parameters}
            return Instance(tuple(of_run.parents_of(record)), record.foreach), parameters

    def latest(parent: str) -> tuple[TaskRecord, ...]:
        tasks = find(parent)
        if origin is not None and origin.task is not None and origin.step == parent:
            tasks = tuple(task for task in tasks if task.task == origin.task)
        return tasks

    if origin is not None and origin.step is not None and origin.step not in program.graph[step].parents:
        parents = ", ".join(program.graph[step].parents) or "none"
        raise NotFound(
            f"`--from {options.origin}` names step {origin.step}, which is not a parent of {step}.",
            f"The parents of {step} are: {parents}.",
            f"Name a task of a parent or of {step} itself, or the run alone.",
        )
    instances = step_instances(program, step, latest, session.datastore, overrides, given={**given, **parameters})
    if options.index is None:
        return instances[0], parameters
    chosen = next((one for one in instances if one.frames and one.frames[-1].index == options.index), None)
    if chosen is None:
        raise _no_item(step, options.index, [one.frames[-1].index for one in instances if one.frames])
    return chosen, parameters


def _no_item(step: str, index: int, indexes: Sequence[int]) -> NotFound:
    """That a step has no task of an index, and which it has."""
    if not indexes:
        return NotFound(f"Step {step} has no item {index}.", "It is not inside a foreach.", "Leave --index out.")
    return NotFound(
        f"Step {step} has no item {index}.",
        f"Its foreach has items 0 to {max(indexes)}.",
        "Give another --index.",
    )


def _recorded(session: Session, flow: str, origin: Origin, index: int | None) -> TaskRecord:
    """A task that ran before, by id, or by its position in the innermost foreach."""
    assert origin.step is not None
    if origin.task is not None:
        record = session.datastore.tasks.last_attempt(flow, origin.run, origin.step, origin.task)
    else:
        tasks = session.datastore.tasks.last_attempts(flow, origin.run, origin.step)
        record = next((t for t in tasks if index is None or (t.foreach and t.foreach[-1].index == index)), None)
        if record is None and tasks and index is not None:
            raise _no_item(origin.step, index, [task.foreach[-1].index for task in tasks if task.foreach])
    if record is None:
        raise no_task(session.datastore, flow, origin.run, origin.step, origin.task or "")
    return record


def _overrides(program: Program, options: SpinOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values of ``--artifacts-module``, ``--config`` and ``--set``, converted; then those for the inputs of a join."""
    overrides: dict[str, Any] = {}
    joined: dict[str, Any] = {}
    if options.artifacts_module is not None:
        for name, value in load_artifacts_module(options.artifacts_module).items():
            (joined if "/" in str(name) else overrides)[name] = value
    if options.config_files or options.config_values:
        declared = {n: one for n, one in program.declared.items() if isinstance(one, ConfigParameter)}
        inputs = RunInputs(files=options.config_files, values=options.config_values, folder=options.folder)
        context = ParameterContext(program.flow.name, user_name(), "")
        chosen = choose_configs(declared.values(), inputs, context, complete=False)
        given = {*options.config_files, *options.config_values}
        overrides |= {name: chosen[one.name] for name, one in declared.items() if one.name in given}
    for name, text in options.overrides.items():
        parameter = program.parameters.get(name)
        overrides[name] = parameter.convert(text) if parameter is not None else literal(text)
    return overrides, joined


def _with_inputs(instance: Instance, flow: str, step: str, joined: Mapping[str, Any]) -> Instance:
    """The task with other values in the artifacts of the tasks that it joins, by their pathspecs."""
    places = {parent.place: parent for parent in instance.parents}
    known = ", ".join(f'"{place}"' for place in places)
    for pathspec, values in joined.items():
        place = pathspec.removeprefix(f"{flow}/")
        if place not in places:
            raise ParameterError(
                f"`ARTIFACTS: {pathspec}` is not a task that {step} takes its inputs from.{nearest(place, places)}",
                f"These are {known}.",
                "Correct it; --from RUN takes the inputs from another run.",
            )
        if not isinstance(values, Mapping):
            raise ParameterError(
                f"`ARTIFACTS: {pathspec}` has the value {values!r}.",
                "The value for a task is a dictionary, from the names of its artifacts to their values.",
                f'Write ARTIFACTS = {{"{pathspec}": {{"k": 15}}}}.',
            )
        refs = inline_refs(values)
        places[place] = replace(places[place], artifacts={**places[place].artifacts, **refs})
    return instance._replace(parents=tuple(places.values()))


def _refuse_unknown(
    program: Program, step: Step, options: SpinOptions, overrides: Iterable[str], known: Iterable[str]
) -> None:
    """Raise if an override names nothing that the step inherits."""
    is_join = program.graph[step.name].is_join
    known = {*program.parameters, *program.constants, *(() if is_join else known)}
    for name in overrides:
        if name not in known:
            given = f"--set {name}={options.overrides[name]}" if name in options.overrides else f"ARTIFACTS: {name}"
            listed = ", ".join(f"`{one}`" for one in sorted(known)) or "nothing"
            raise ParameterError(
                f"`{given}` does not name an artifact.{nearest(name, known)}",
                f"Step {step.name} inherits {listed}" + (", for it is a join." if is_join else "."),
                "Correct the name, or leave it out.",
            )


def _with_body(program: Program, step: Step, body: str, source: str | None, filename: str | None) -> Program:
    """The same flow with one step's body replaced by one to look around with; the step leads nowhere."""
    node = program.graph[step.name]
    if source is None or not source.rstrip().endswith(body.rstrip()):
        source = f"%%spin {step.name}\n{body}"
    above = source.rstrip()[: len(source.rstrip()) - len(body.rstrip())]
    line = above.count("\n") + (1 if body.strip() else 2)
    label = f"the %%spin cell (step {step.name})"
    names = parse_body(body, "step").names
    captures = tuple(one for one in step.captures if one in names.assigned and one not in names.definitions)
    header = replace(step.header, captures=captures, join=node.is_join)
    cell = Cell(source, "step", step.name, header, line, 0, None, filename or f"<spin {step.name}>", label=label)
    spun = replace(step, cell=cell, is_throw_away=True)
    steps = tuple(spun if one.name == step.name else one for one in program.flow.steps)
    if step.name in program.flow.inherited:  # for this spin a cell takes the place of the base's step
        steps = (spun, *steps)
    flow = replace(program.flow, steps=steps)
    graph = build_graph(flow)
    if spun.body.transition is None:
        nodes = {**graph.nodes, step.name: replace(graph[step.name], transition=None)}
        graph = replace(graph, nodes=nodes)
    return program.of_cells(flow, graph)
