"""The notebook's flow, its datastore and its working run: what every face (magic, command line) works with.

Takes cells and commands; gives results to show. One session belongs to one kernel or one command.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from time import time
from typing import Any

from flownb.cells.assignment import analyse_names
from flownb.cells.body import STEP_DECORATORS
from flownb.cells.cell import Cell, read_cell
from flownb.cells.notebook import read_notebook
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
from flownb.runtime.program import Program
from flownb.runtime.scheduler import Scheduler
from flownb.runtime.task import TaskResult, TaskSpec, run_task
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
    pathspec : str or None
        Where it was kept in the spin datastore.
    """

    report: StepReport
    values: dict[str, Any]
    pathspec: str | None = None

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
        return Datastore(self.datastore.root / "spin")

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

        return judge(self._program(False), attempted, results.parents_of)

    def picture(self, running: Mapping[str, Freshness] | None = None) -> Dag:
        """The flow's graph with each step's state, to be drawn."""
        program = self._program(False)
        return flow_picture(program, running if running is not None else self.freshness())

    # -- running

    def _refs(self, program: Program, given: Mapping[str, Any] | None = None) -> dict[str, ArtifactRef]:
        """Parameters and constants as artifacts; defaults are kept until a cell changes."""
        if given is None and self._given is not None and self._given[0] is program:
            return self._given[1]
        values = {**program.constants, **resolve_parameters(program.parameters, program.flow.name, given or {})}
        refs = {name: self.datastore.save(value, name=name) for name, value in values.items()}
        if given is None:
            self._given = (program, refs)
        return refs

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
        instances = step_instances(program, name, results.latest, self.datastore)
        given = self._refs(program)
        run = self._working_run()
        done: list[TaskResult] = []
        for instance in instances:
            task = self.datastore.new_task(program.flow.name, run, name)
            spec = TaskSpec(name, run, task, instance.parents, instance.frames, given)
            done.append(run_task(program, spec, self.datastore, keep=self.datastore, display=display))
            if done[-1].error is not None:
                break
        status = done[-1].record.status
        execution = Execution(name, tuple(result.record.task for result in done), status)
        self.datastore.add_execution(program.flow.name, run, execution)
        results.add(run, execution)
        if done[-1].error is not None:
            raise done[-1].error
        notes = self._notes(program, name, instances)
        if len(done) > 1 and done[0].values:
            notes.append(f"the notebook now has {', '.join(done[0].values)} of the first of {len(done)} tasks")
        report = _report(step, "ran", done, notes)
        return StepOutcome(report, done[0].values)

    def _notes(self, program: Program, name: str, instances: list[Instance]) -> list[str]:
        """What a user should know of how a step was run here."""
        notes = []
        for decorator in program.decorators(name):
            kind = decorator.lstrip("@ ").split("(")[0]
            if kind in STEP_DECORATORS - APPLIED - {"resources"}:
                notes.append(f"@{kind} is written to flow.py; it is not applied here")
        parents = instances[0].parents if instances else ()
        if len(parents) == 1 and not conditions_hold(program, name, parents[0], self.datastore):
            notes.append("its --when does not hold for the parent's value: a run would not take this step")
        attempted = self.results()
        for parent in program.graph[name].parents:
            if any(task.status != "done" for task in attempted.attempted(parent)):
                notes.append(f"{parent} failed when it last ran; its result from before was used")
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
        instance = self._spin_instance(program, options)
        keep = self.spin_datastore if options.persist else None
        run = task = ""
        if keep is not None:
            run, task = self._spin_run(keep, program.flow.name, step.name)
        overrides = self._overrides(program, step, options, instance)
        spec = TaskSpec(step.name, run, task, instance.parents, instance.frames, self._refs(program), overrides)
        result = run_task(
            program, spec, self.datastore, keep=keep, display=display, decorated=not options.skip_decorators
        )
        if result.error is not None:
            raise result.error
        if keep is not None:
            keep.end_run(program.flow.name, run, RunEnd("done", time()))
        result = replace(
            result, values={n: v for n, v in result.values.items() if n not in overrides or n in step.captures}
        )
        report = _report(step, "persisted" if keep else "spun", [result], self._spin_notes(instance, options))
        return SpinOutcome(report, result.values, result.record.pathspec if keep else None)

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

    def _spin_instance(self, program: Program, options: SpinOptions) -> Instance:
        """The task to spin: from the latest results, or from the place ``--from`` names."""
        flow, step = program.flow.name, options.step
        results = self.results()
        origin: Origin | None = None
        if options.origin is not None:
            origin = parse_origin(options.origin, flow)
            self.datastore.run(flow, origin.run)  # says so if there is none
            results = LatestResults(self.datastore, flow, only=origin.run)
        if origin is not None and origin.step == step:
            return self._recorded_instance(flow, origin, results)

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
        instances = step_instances(program, step, latest, self.datastore)
        if options.index is None:
            return instances[0]
        chosen = [one for one in instances if one.frames and one.frames[-1].index == options.index]
        if not chosen:
            count = len(instances)
            foreach = bool(instances and instances[0].frames)
            raise NotFound(
                f"Step {step} has no item {options.index}.",
                f"Its foreach has {count} items, from 0 to {count - 1}." if foreach else "It is not inside a foreach.",
                "Give another --index." if foreach else "Leave --index out.",
            )
        return chosen[0]

    def _recorded_instance(self, flow: str, origin: Origin, results: LatestResults) -> Instance:
        """The inputs of a task that ran before."""
        assert origin.step is not None
        if origin.task is not None:
            record = self.datastore.task(flow, origin.run, origin.step, origin.task)
        else:
            record = next(iter(self.datastore.tasks(flow, origin.run, origin.step)), None)
        if record is None:
            ids = ", ".join(self.datastore.task_ids(flow, origin.run, origin.step)) or "none"
            raise NotFound(
                f"There is no finished task {flow}/{origin.run}/{origin.step}/{origin.task or ''}.",
                f"The tasks of that step are: {ids}.",
                "Name one of these, or the run alone.",
            )
        return Instance(tuple(results.parents_of(record)), record.foreach)

    def _overrides(self, program: Program, step: Step, options: SpinOptions, instance: Instance) -> dict[str, Any]:
        """Values of ``--artifacts-module`` and ``--set``, converted."""
        overrides: dict[str, Any] = {}
        if options.artifacts_module is not None:
            overrides.update(load_artifacts_module(options.artifacts_module))
        inherited = {name for parent in instance.parents for name in parent.artifacts}
        known = inherited | set(program.parameters) | set(program.constants)
        for name, text in options.overrides.items():
            if name not in known:
                raise ParameterError(
                    f"`--set {name}={text}` names no artifact.{nearest(name, known)}",
                    f"Step {step.name} inherits {', '.join(f'`{n}`' for n in sorted(known)) or 'nothing'}.",
                    "Correct the name.",
                )
            parameter = program.parameters.get(name)
            overrides[name] = parameter.convert(text) if parameter is not None else literal(text)
        return overrides

    def run(
        self,
        options: RunOptions,
        *,
        on_start: Callable[[TaskSpec], None] = lambda spec: None,
        on_end: Callable[[TaskResult], None] = lambda result: None,
        kernel_names: Iterable[str] = (),
    ) -> RunOutcome:
        """Run the whole flow as a new run.

        Parameters
        ----------
        options : RunOptions
        on_start, on_end : callable
            Told of each task as it starts and ends.
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
        given = self._refs(program, options.parameters)
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

        executor = SequentialExecutor(lambda spec: run_task(program, spec, self.datastore, keep=self.datastore))
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


def _first_line(error: BaseException) -> str:
    text = str(error).strip().split("\n")[0].rstrip(".")
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
