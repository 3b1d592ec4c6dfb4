"""The notebook's flow, its datastore and its working run: what every face (magic, command line) works with.

Takes cells and commands; gives results to show. One session belongs to one kernel or one command.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from time import sleep, time
from typing import Any

from flownb.cells.assignment import analyse_names
from flownb.cells.body import STEP_DECORATORS
from flownb.cells.cell import Cell, read_cell
from flownb.cells.notebook import read_notebook
from flownb.client import Task
from flownb.dag import Dag
from flownb.errors import CheckFailed, FlownbError, NotFound, ParameterError, StepFailed, nearest
from flownb.flow.complete import complete_graph
from flownb.flow.definition import FlowDefinition, Step, define_flow
from flownb.flow.draw import draw_graph
from flownb.flow.lint import Diagnostic, check_flow
from flownb.flow.module import requirements
from flownb.pathspec import Origin, parse_origin
from flownb.runtime.decorators import APPLIED
from flownb.runtime.executor import SequentialExecutor
from flownb.runtime.freshness import Freshness, judge
from flownb.runtime.parameters import resolve_parameters
from flownb.runtime.program import Program, module_name
from flownb.runtime.scheduler import Scheduler
from flownb.runtime.task import TaskResult, TaskSpec, message, run_attempt, run_task
from flownb.session.cellbook import CellBook
from flownb.session.instances import Instance, conditions_hold, step_instances
from flownb.session.latest import LatestResults
from flownb.session.options import RunOptions, SpinOptions, literal, load_artifacts_module
from flownb.session.picture import flow_picture
from flownb.session.report import StepReport, capture_header, uncaptured, value_types
from flownb.settings import datastore_root, user_name
from flownb.store.datastore import Datastore, Execution
from flownb.store.records import ArtifactRef, RunEnd, RunRecord, TaskRecord

__all__ = ["RunOutcome", "Session", "SpinOutcome", "StepOutcome"]

Display = Callable[[Any], None]


@dataclass(frozen=True)
class StepOutcome:
    """A step that ran: what to show, and what to put into the notebook's namespace."""

    report: StepReport
    values: dict[str, Any]


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


@dataclass(frozen=True)
class RunOutcome:
    """A whole flow that ran."""

    pathspec: str
    tasks: int
    seconds: float


class Session:
    """One notebook's flow.

    Parameters
    ----------
    notebook : Path or None
        The notebook's file, if known.
    folder : Path or None
        Where ``.flownb`` is kept unless FLOWNB_DATASTORE says otherwise; None means beside the notebook, or here.
    """

    def __init__(self, notebook: Path | None = None, *, folder: Path | None = None) -> None:
        self.notebook = notebook
        self.cells = CellBook(notebook)
        self.datastore = Datastore(datastore_root(folder or (notebook.parent if notebook else None)))
        self._programs: dict[bool, tuple[tuple[Cell, ...], Program]] = {}
        self._checked: dict[str, Program] = {}
        self._results: dict[str, LatestResults] = {}
        self._given: tuple[Program, dict[str, ArtifactRef]] | None = None

    @cached_property
    def spin_datastore(self) -> Datastore:
        """Where ``spin --persist`` keeps its tasks; safe to delete."""
        return Datastore(self.datastore.root / "spin", blobs=self.datastore.blobs)

    # -- the flow

    def open(self, cells: Iterable[Cell]) -> None:
        """Take over all cells of a notebook file."""
        self.cells.open(cells)

    def define(self, cell: Cell) -> None:
        """Take over one cell, new or edited, as a kernel does when it is executed."""
        self.cells.put(cell)

    @property
    def flow(self) -> FlowDefinition:
        """The flow as its cells now define it."""
        return self._program(False).flow

    def _program(self, complete: bool) -> Program:
        """The flow made executable, anew when a cell changed."""
        cells = self.cells.cells()
        known = self._programs.get(complete)
        if known is not None and known[0] == cells:
            return known[1]
        flow = define_flow(cells)
        graph = draw_graph(flow)
        program = Program(flow, complete_graph(graph) if complete else graph)
        self._programs[complete] = (cells, program)
        return program

    def run_shared(self, cell: Cell) -> dict[str, Any]:
        """Execute shared code or the flow's header once, and give the names that `cell` defines.

        Raises
        ------
        CheckFailed
            If shared code reads names that nothing defines.
        Exception
            What the code raised.
        """
        found = [one for one in self.check(only="") if one.cell is cell]
        if found:
            raise CheckFailed(tuple(found))
        flow_class = self._program(False).flow_class()
        names = vars(sys.modules[flow_class.__module__])
        return {name: names[name] for name in analyse_names(cell.parsed.tree).assigned if name in names}

    def shared_values(self, names: Iterable[str]) -> dict[str, Any]:
        """What names of shared code are in the module that the last step ran in."""
        module = sys.modules.get(module_name(self.flow.name))
        return {name: vars(module)[name] for name in names if module is not None and name in vars(module)}

    def check(self, *, only: str | None = None, kernel_names: Iterable[str] = ()) -> tuple[Diagnostic, ...]:
        """Run the static checks on the whole flow, or on one step."""
        program = self._program(False)
        if only is None and not program.flow.steps:
            raise NotFound(
                "There is no flow here yet.",
                "No cell begins with %%step.",
                "Write %%step NAME on a cell's first line and run it.",
            )
        return check_flow(program.flow, graph=program.graph, only=only, kernel_names=kernel_names)

    def _require_checked(self, only: str | None, kernel_names: Iterable[str]) -> None:
        """Raise `CheckFailed` unless the checks pass; a text that passed is not checked again."""
        program = self._program(False)
        if only is not None and self._checked.get(only) is program:
            return
        found = self.check(only=only, kernel_names=kernel_names)
        if found:
            raise CheckFailed(found)
        if only is not None:
            self._checked[only] = program

    def step(self, name: str) -> Step:
        """A step by name.

        Raises
        ------
        NotFound
            If no cell defines it.
        """
        step = self.flow.step(name)
        if step is None:
            names = [one.name for one in self.flow.steps]
            raise NotFound(
                f"There is no step `{name}`.{nearest(name, names)}",
                f"The steps are {', '.join(names)}." if names else "No step cell was run yet.",
                f"Run the cell `%%step {name}` first, or correct the name.",
            )
        return step

    # -- results

    def results(self) -> LatestResults:
        """The latest results of the flow's steps."""
        name = self.flow.name
        if name not in self._results:
            self._results[name] = LatestResults(self.datastore, name, work=self._find_working_run(name))
        return self._results[name]

    def _find_working_run(self, flow: str) -> str | None:
        """The newest working run of this notebook."""
        for run in self.datastore.run_ids(flow):
            try:
                record = self.datastore.run(flow, run)
            except FlownbError:
                continue
            if record.kind == "work" and record.notebook == self._notebook_name:
                return run
        return None

    @property
    def _notebook_name(self) -> str:
        return self.notebook.name if self.notebook else ""

    def _working_run(self) -> str:
        """Id of the working run, begun if there is none."""
        results = self.results()
        if results.work is None:
            flow = self.flow.name

            def make(run: str) -> RunRecord:
                return RunRecord(flow, run, "work", self._notebook_name, {}, (), user_name(), time())

            results.work = self.datastore.new_run(make, flow).run
        return results.work

    def freshness(self) -> dict[str, Freshness]:
        """The state of every step's latest result."""
        results = self.results()
        latest: dict[str, tuple[TaskRecord, ...]] = {}

        def attempted(step: str) -> tuple[TaskRecord, ...]:
            if step not in latest:
                latest[step] = results.attempted(step)
            return latest[step]

        program = self._program(False)
        return judge(program, attempted, results.parents_of, self._refs(program))

    def picture(self, running: Mapping[str, Freshness] | None = None) -> Dag:
        """The flow's graph with each step's state, to be drawn."""
        program = self._program(False)
        return flow_picture(program, running if running is not None else self.freshness())

    # -- running

    def _refs(self, program: Program) -> dict[str, ArtifactRef]:
        """Constants, and parameters at their defaults, as artifacts; kept until a cell changes.

        Parameters that have no default are left out: a single step takes them from its parents.
        """
        if self._given is None or self._given[0] is not program:
            optional = {name: p for name, p in program.parameters.items() if not (p.required and p.default is None)}
            values = {**program.constants, **resolve_parameters(optional, program.flow.name, {})}
            self._given = (program, {name: self.datastore.save(value, name=name) for name, value in values.items()})
        return self._given[1]

    def _require_parameters(self, program: Program, step: str, known: Iterable[str]) -> None:
        """Raise unless every required parameter has a value."""
        missing = sorted(program.parameters.keys() - set(known))
        if missing:
            name = program.parameters[missing[0]].name
            raise ParameterError(
                f"Step {step} cannot run alone: parameter `{name}` has no value.",
                "It is required, has no default, and no parent of the step has it.",
                f"Give it a default in the %%flow cell, run the flow once (`%flow run --{name} VALUE`), or "
                f"`%spin {step} --set {missing[0]}=VALUE`.",
            )

    def run_step(self, name: str, *, display: Display | None = None, kernel_names: Iterable[str] = ()) -> StepOutcome:
        """Run one step on its parents' latest results and record it in the working run.

        Parameters
        ----------
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
        step = self.step(name)
        self._require_checked(name, kernel_names)
        program, results = self._program(False), self.results()
        given = self._refs(program)  # also makes the flow's classes importable, before anything is loaded
        instances = step_instances(program, name, results.latest, self.datastore)
        for instance in instances:
            self._require_parameters(program, name, {*given, *_inherited(instance)})
        run = self._working_run()
        done: list[TaskResult] = []
        for instance in instances:
            task = self.datastore.new_task(program.flow.name, run, name)
            spec = TaskSpec(name, run, task, instance.parents, instance.frames, given)
            done.append(run_task(program, spec, self.datastore, keep=self.datastore, display=display))
            error = done[-1].error
            if error is not None:
                if instance.frames:
                    frame = instance.frames[-1]
                    place = f"item {frame.index} of {frame.num_splits}"
                    error.add_note(f"In {place}; `%spin {name} --index {frame.index}` runs it alone.")
                break
        status = done[-1].record.status
        execution = Execution(name, tuple(result.record.task for result in done), status)
        self.datastore.add_execution(program.flow.name, run, execution)
        if done[-1].error is not None:
            raise done[-1].error
        notes = self._notes(program, name, instances)
        if len(done) > 1 and done[0].values:
            notes.append(f"the notebook now has {', '.join(done[0].values)} of the first of {len(done)} tasks")
        report = _report(step, "ran", done, notes)
        return StepOutcome(report, done[0].values)

    def not_applied(self, only: str | None = None) -> list[str]:
        """What is written to flow.py but has no effect here, said for one step or the whole flow."""
        notes = []
        program = self._program(False)
        for name in program.graph.nodes if only is None else [only]:
            for decorator in program.decorators(name):
                kind = decorator.lstrip("@ ").split("(")[0]
                if kind in STEP_DECORATORS - APPLIED - {"resources"}:
                    notes.append(f"@{kind} of {name} is written to flow.py; it is not applied here")
        return notes

    def not_executed(self) -> tuple[str, ...]:
        """Steps that are known only as the notebook was saved, for their cells were not executed here."""
        return self.cells.unexecuted()

    def _notes(self, program: Program, name: str, instances: list[Instance]) -> list[str]:
        """What a user should know of how a step was run here."""
        notes = self.not_applied(name)
        results = self.results()
        for parent in program.graph[name].parents:
            if parent != name and any(task.status != "done" for task in results.attempted(parent)):
                notes.append(f"{parent} failed when it last ran; its result from before was used")
        tasks = [task for instance in instances for task in instance.parents]
        if len(tasks) == 1 and not conditions_hold(program, name, tasks[0], self.datastore):
            notes.append("its --when does not hold for the parent's value: a run would not take this step")
        for parameter in sorted(program.parameters):
            keys = {task.artifacts[parameter].key for task in tasks if parameter in task.artifacts}
            default = self._refs(program).get(parameter)
            if len(keys) > 1:
                notes.append(f"its parents ran with different values of the parameter {parameter}")
            elif keys and default is not None and default.key not in keys:
                notes.append(f"the parameter {parameter} is what its parents ran with, not the default")
        others = {results.notebook_of(task) for task in tasks} - {"", self._notebook_name}
        if self._notebook_name and others:
            notes.append(f"its parents' results come from {', '.join(sorted(others))}")
        return notes

    def spin(
        self,
        options: SpinOptions,
        *,
        body: str | None = None,
        filename: str | None = None,
        display: Display | None = None,
        kernel_names: Iterable[str] = (),
    ) -> SpinOutcome:
        """Run one step on persisted parents, recording nothing.

        Parameters
        ----------
        options : SpinOptions
        body : str, optional
            A throw-away body in place of the step's own; its header stays.
        filename : str, optional
            The name tracebacks show for that body.
        display, kernel_names
            As for `run_step`.

        Raises
        ------
        CheckFailed, MissingResults, NotFound, ParameterError
        Exception
            What the step's own code raised.
        """
        step = self.step(options.step)
        program = self._program(False)
        if body is not None:
            program = _with_body(program, step, body, filename)
            found = check_flow(program.flow, graph=program.graph, only=step.name, kernel_names=kernel_names)
            if found:
                raise CheckFailed(found)
        else:
            self._require_checked(step.name, kernel_names)
        given = self._refs(program)  # also makes the flow's classes importable, before anything is loaded
        overrides = self._overrides(program, options)
        instance, origin = self._spin_instance(program, options, overrides)
        inherited = _inherited(instance)
        self._refuse_unknown(program, step, options, overrides, inherited | given.keys())
        given = {**given, **origin}
        self._require_parameters(program, step.name, {*given, *inherited, *overrides})
        keep = self.spin_datastore if options.persist else None
        run = task = ""
        if keep is not None:
            run, task = self._spin_run(keep, program.flow.name, step.name)
        spec = TaskSpec(step.name, run, task, instance.parents, instance.frames, given, overrides)
        with _module_kept(program.flow.name):
            result = run_attempt(
                program, spec, self.datastore, keep=keep, display=display, decorated=not options.skip_decorators
            )
        if keep is not None:
            status = "done" if result.error is None else "failed"
            keep.end_run(program.flow.name, run, RunEnd(status, time()))  # type: ignore[arg-type]  # one of its three
        if result.error is not None:
            raise result.error
        set_here = {n: v for n, v in result.values.items() if n not in overrides or n in step.captures}
        result = replace(result, values=set_here)
        report = _report(step, "persisted" if keep else "spun", [result], self._spin_notes(instance, options))
        kept = Task(result.record.pathspec, datastore=keep) if keep else None
        return SpinOutcome(report, result.values, kept)

    def _spin_notes(self, instance: Instance, options: SpinOptions) -> list[str]:
        notes = []
        if instance.frames and options.index is None:
            frame = instance.frames[-1]
            notes.append(f"item {frame.index} of {frame.num_splits}; --index picks another")
        return notes

    def _spin_run(self, keep: Datastore, flow: str, step: str) -> tuple[str, str]:
        """A new run of one task in the spin datastore."""

        def make(run: str) -> RunRecord:
            return RunRecord(flow, run, "spin", self._notebook_name, {}, (), user_name(), time())

        run = keep.new_run(make, flow).run
        return run, keep.new_task(flow, run, step)

    def _spin_instance(
        self, program: Program, options: SpinOptions, overrides: Mapping[str, Any]
    ) -> tuple[Instance, dict[str, ArtifactRef]]:
        """The task to spin and the parameters of where it comes from.

        Without ``--from`` the task is made from the latest results, and its parameters come with these.
        """
        flow, step = program.flow.name, options.step
        results = self.results()
        origin: Origin | None = None
        parameters: dict[str, ArtifactRef] = {}
        if options.origin is not None:
            origin = parse_origin(options.origin, flow)
            parameters = dict(self.datastore.run(flow, origin.run).parameters)  # says so if there is no such run
            results = LatestResults(self.datastore, flow, only=origin.run)
        if origin is not None and origin.step == step:
            record = self._recorded(flow, origin, options.index)
            parameters = {name: ref for name, ref in record.artifacts.items() if name in program.parameters}
            return Instance(tuple(results.parents_of(record)), record.foreach), parameters

        def latest(parent: str) -> tuple[TaskRecord, ...]:
            tasks = results.latest(parent)
            if origin is not None and origin.task is not None and origin.step == parent:
                tasks = tuple(task for task in tasks if task.task == origin.task)
            return tasks

        if origin is not None and origin.step is not None and origin.step not in program.graph[step].parents:
            parents = ", ".join(program.graph[step].parents) or "none"
            raise NotFound(
                f"`--from {options.origin}` names step {origin.step}, which is no parent of {step}.",
                f"The parents of {step} are: {parents}.",
                f"Name a task of a parent or of {step} itself, or the run alone.",
            )
        instances = step_instances(program, step, latest, self.datastore, overrides)
        if options.index is None:
            return instances[0], parameters
        chosen = next((one for one in instances if one.frames and one.frames[-1].index == options.index), None)
        if chosen is None:
            raise self._no_item(step, options.index, [one.frames[-1].index for one in instances if one.frames])
        return chosen, parameters

    def _no_item(self, step: str, index: int, indexes: Sequence[int]) -> NotFound:
        """That a step has no task of an index, and which it has."""
        if not indexes:
            return NotFound(f"Step {step} has no item {index}.", "It is not inside a foreach.", "Leave --index out.")
        return NotFound(
            f"Step {step} has no item {index}.",
            f"Its foreach has items 0 to {max(indexes)}.",
            "Give another --index.",
        )

    def _recorded(self, flow: str, origin: Origin, index: int | None) -> TaskRecord:
        """A task that ran before, by id, or by its position in the innermost foreach."""
        assert origin.step is not None
        if origin.task is not None:
            record = self.datastore.task(flow, origin.run, origin.step, origin.task)
        else:
            tasks = self.datastore.tasks(flow, origin.run, origin.step)
            record = next((t for t in tasks if index is None or (t.foreach and t.foreach[-1].index == index)), None)
            if record is None and tasks and index is not None:
                raise self._no_item(origin.step, index, [task.foreach[-1].index for task in tasks if task.foreach])
        if record is None:
            ids = ", ".join(self.datastore.task_ids(flow, origin.run, origin.step)) or "none"
            raise NotFound(
                f"There is no finished task {flow}/{origin.run}/{origin.step}/{origin.task or ''}.",
                f"The tasks of that step are: {ids}.",
                "Name one of these, or the run alone.",
            )
        return record

    def _overrides(self, program: Program, options: SpinOptions) -> dict[str, Any]:
        """Values of ``--artifacts-module`` and ``--set``, converted."""
        overrides: dict[str, Any] = {}
        if options.artifacts_module is not None:
            overrides.update(load_artifacts_module(options.artifacts_module))
        for name, text in options.overrides.items():
            parameter = program.parameters.get(name)
            overrides[name] = parameter.convert(text) if parameter is not None else literal(text)
        return overrides

    def _refuse_unknown(
        self, program: Program, step: Step, options: SpinOptions, overrides: Iterable[str], known: Iterable[str]
    ) -> None:
        """Raise if an override names nothing that the step inherits."""
        is_join = program.graph[step.name].is_join
        known = {*program.parameters, *program.constants, *(() if is_join else known)}
        for name in overrides:
            if name not in known:
                given = f"--set {name}={options.overrides[name]}" if name in options.overrides else f"ARTIFACTS: {name}"
                listed = ", ".join(f"`{one}`" for one in sorted(known)) or "nothing"
                raise ParameterError(
                    f"`{given}` names no artifact.{nearest(name, known)}",
                    f"Step {step.name} inherits {listed}" + (", for it is a join." if is_join else "."),
                    "Correct the name, or leave it out.",
                )

    def run(
        self,
        options: RunOptions,
        *,
        on_start: Callable[[TaskSpec], None] = lambda spec: None,
        on_end: Callable[[TaskResult], None] = lambda result: None,
        on_retry: Callable[[TaskResult, float], None] = lambda result, seconds: sleep(seconds),
        kernel_names: Iterable[str] = (),
    ) -> RunOutcome:
        """Run the whole flow as a new run.

        Parameters
        ----------
        options : RunOptions
        on_start, on_end : callable
            Told of each task as it starts and ends.
        on_retry : callable
            Told of an attempt that failed and will be tried again; it is to wait the seconds it is given.
        kernel_names : iterable of str
            For the checks' messages.

        Returns
        -------
        RunOutcome

        Raises
        ------
        CheckFailed, ParameterError, StoreError
            Before anything runs.
        StepFailed
            If a step's code raised; its exception is the cause.
        """
        self._require_checked(None, kernel_names)
        program = self._program(True)
        flow = program.flow.name
        values = {**program.constants, **resolve_parameters(program.parameters, flow, options.parameters)}
        given = {name: self.datastore.save(value, name=name) for name, value in values.items()}
        parameters = {name: given[name] for name in program.parameters}
        started = time()

        def make(run: str) -> RunRecord:
            return RunRecord(flow, run, "run", self._notebook_name, parameters, options.tags, user_name(), started)

        run = self.datastore.new_run(make, flow).run
        tasks = 0

        def ended(result: TaskResult) -> None:
            nonlocal tasks
            tasks += 1
            on_end(result)

        def run_one(spec: TaskSpec) -> TaskResult:
            return run_task(program, spec, self.datastore, keep=self.datastore, on_retry=on_retry)

        executor = SequentialExecutor(run_one)
        scheduler = Scheduler(
            program,
            executor,
            run=run,
            new_task=lambda step: self.datastore.new_task(flow, run, step),
            given=given,
            tags=options.tags,
            max_num_splits=options.max_num_splits,
        )
        status = "failed"
        try:
            with _module_kept(flow):
                failed = scheduler.run(on_start, ended)
            if failed is None:
                status = "done"
            elif failed.record.status == "interrupted":
                status = "interrupted"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            executor.close()
            self.datastore.end_run(flow, run, RunEnd(status, time()))  # type: ignore[arg-type]  # one of its three
        if failed is not None:
            assert failed.error is not None
            if status == "interrupted":
                raise failed.error
            record = failed.record
            raise StepFailed(
                f"Run {flow}/{run} stopped: step {record.step} failed.",
                _first_line(failed.error),
                f"Correct the step; `%spin {record.step} --from {run}/{record.step}/{record.task}` runs it alone on "
                "the same inputs.",
                pathspec=record.pathspec,
            ) from failed.error
        return RunOutcome(f"{flow}/{run}", tasks, time() - started)

    # -- export

    def export(self, filename: str = "flow.py", *, kernel_names: Iterable[str] = ()) -> str:
        """The flow as the text of a Metaflow file called `filename`.

        Raises
        ------
        CheckFailed
            If the flow has errors.
        """
        from flownb.export.flow_file import flow_file

        self._require_checked(None, kernel_names)
        return flow_file(
            self._program(True), notebook=self._notebook_name, filename=filename, needs=requirements(self._all_cells())
        )

    def _all_cells(self) -> tuple[Cell, ...]:
        """The notebook's cells, scratch cells too where its file can be read."""
        if self.notebook is not None and self.notebook.exists():
            with contextlib.suppress(FlownbError):
                return read_notebook(self.notebook).cells
        return self.cells.cells()


@contextlib.contextmanager
def _module_kept(flow: str) -> Iterator[None]:
    """Put the flow's module back afterwards: the notebook's scratch cells hold its classes."""
    name = module_name(flow)
    before = sys.modules.get(name)
    try:
        yield
    finally:
        if before is not None:
            sys.modules[name] = before


def _inherited(instance: Instance) -> set[str]:
    """Names of all artifacts a task's parents have."""
    return {name for parent in instance.parents for name in parent.artifacts}


def _first_line(error: BaseException) -> str:
    text = message(error).strip().split("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {text}." if text else f"{type(error).__name__}."


def _with_body(program: Program, step: Step, body: str, filename: str | None) -> Program:
    """The same flow with one step's body replaced."""
    cell = read_cell(f"%%step {step.header.line}\n{body}", number=step.cell.number, filename=filename)
    steps = tuple(Step(cell) if one.name == step.name else one for one in program.flow.steps)
    flow = replace(program.flow, steps=steps)
    return Program(flow, draw_graph(flow))


def _report(step: Step, verb: str, results: list[TaskResult], notes: list[str]) -> StepReport:
    """The report of a step's tasks."""
    local = uncaptured(step) if verb == "ran" else ()
    first, last = results[0].record, results[-1].record
    refs = {name: first.artifacts[name] for name in results[0].values if name in first.artifacts}
    metadata = {
        "seconds": round(last.finished - first.started, 4),
        "tasks": [result.record.pathspec for result in results[:20] if result.record.task],
        "sizes": {name: ref.size for name, ref in refs.items()},
    }
    return StepReport(
        step.name,
        verb,
        len(results),
        value_types(results),
        local,
        capture_header(step, local) if local else "",
        tuple(notes),
        metadata,
    )
