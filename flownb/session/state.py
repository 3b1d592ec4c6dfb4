"""What a session knows: the notebook's cells, its flow, its datastore, and the results recorded so far.

Takes cells; gives the flow made executable, its checks, its latest results and their freshness. Running is done by the
sibling modules, each from a `SessionState`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flownb.cells.assignment import analyse_names
from flownb.cells.cell import Cell
from flownb.cells.notebook import DocumentCell, read_notebook
from flownb.errors import CheckFailed, FlownbError, NotFound, ParameterError, nearest
from flownb.flow.build_graph import complete_graph, draw_graph
from flownb.flow.definition import FlowDefinition, Step, define_flow
from flownb.flow.lint import Diagnostic, check_flow, errors_of
from flownb.flow.module import metaflow_name
from flownb.flow.names import default_flow_name, step_name_problem
from flownb.picture import Dag
from flownb.provenance.module_copies import is_own
from flownb.runtime.decorators import APPLIED, APPLIED_TO_FLOWS, Recorded
from flownb.runtime.events import EventStream
from flownb.runtime.freshness import Freshness
from flownb.runtime.parameters.config import ConfigParameter, config_environment
from flownb.runtime.parameters.parameter import Parameter, RunInputs
from flownb.runtime.parameters.start import check_names, start_values
from flownb.runtime.program import Program, module_name
from flownb.runtime.task import TaskSpec, inherited_refs
from flownb.runtime.workers.server import ServerPool
from flownb.session.cards import CardShelf
from flownb.session.cellbook import CellBook
from flownb.session.identity import NotebookFile
from flownb.session.judge import Judge, flow_picture
from flownb.session.latest import LatestResults
from flownb.session.report import Reports
from flownb.session.working import WorkingRuns
from flownb.settings import datastore_root
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef

if TYPE_CHECKING:
    from flownb.session.run import FlowRun

__all__ = ["Display", "SessionState", "module_kept"]

Display = Callable[[Any], None]
# What the defaults of configs and included files depend on.
Outside = tuple[object, ...]


class SessionState:
    """One notebook's cells, flow, datastore and results.

    Parameters
    ----------
    notebook : Path or None
        The notebook's file, if known.
    folder : Path or None
        Where ``.flownb`` is kept unless FLOWNB_DATASTORE says otherwise; None means beside the notebook, or here.
    kernel : str
        What distinguishes this kernel from all others, also after a restart: whose results it reads if it is not known
        which notebook it executes.
    """

    def __init__(self, notebook: Path | None = None, *, folder: Path | None = None, kernel: str = "") -> None:
        self.cells = CellBook(notebook)
        folder = folder or (notebook.parent if notebook else None)
        self.datastore = Datastore(datastore_root(folder))
        self.working = WorkingRuns(self.datastore, NotebookFile(notebook, (folder or Path()).absolute(), kernel))
        self._default_name = default_flow_name(notebook)
        self.events = EventStream()
        self.cards = CardShelf()
        self.reports = Reports()
        self.servers = ServerPool()
        self.runs: list[FlowRun] = []  # in the background
        self.events.subscribe(self.cards.watch)  # before any view, which then finds no running card any more
        self._programs: dict[bool, tuple[tuple[Cell, ...], Program, Outside]] = {}
        self.warn: Callable[[Diagnostic], None] = lambda diagnostic: None  # shows a warning; each face has its way
        self._checked: dict[str, Program] = {}
        self._warned: set[tuple[str, int, str]] = set()
        self._noted: set[str] = set()
        self._looked_elsewhere: set[tuple[str, NotebookFile]] = set()
        self._given: tuple[Program, dict[str, ArtifactRef]] | None = None

    @cached_property
    def spin_datastore(self) -> Datastore:
        """Where ``spin --persist`` keeps its tasks; safe to delete."""
        return self.datastore.spins()

    # -- the flow

    @property
    def notebook(self) -> Path | None:
        """The notebook's file, if it is known."""
        return self.working.file.path

    def show_notebook(self, name: str, written_id: str) -> None:
        """Take over what a view says of the notebook: the name of its file, and flownb's id in its metadata."""
        self.working.show(name, written_id)
        if not self.working.has_recorded and default_flow_name(self.notebook) != self._default_name:
            # Once something is recorded, the flow keeps its name for as long as the kernel lives.
            self._default_name = default_flow_name(self.notebook)
            self._programs.clear()

    def go_on_as(self, other: SessionState) -> None:
        """Be of the notebook that another session of this kernel is of, under the same default name."""
        self.working.take_ids(other.working)
        if other.working.has_recorded:
            self._default_name = other._default_name
            self._programs.clear()

    def open(self, cells: Iterable[Cell]) -> None:
        """Take over all cells of a notebook file."""
        self.cells.open(cells)

    def define(self, cell: Cell, *, request: DocumentCell | None = None) -> Cell | None:
        """Take over one cell, new or edited, as a kernel does when it is executed; `request` is how it was sent.

        What is returned is another header of the flow, if this cell replaces it.
        """
        return self.cells.put(cell, request=request)

    @property
    def flow(self) -> FlowDefinition:
        """The flow as its cells now define it."""
        return self.program(False).flow

    def program(self, complete: bool) -> Program:
        """The flow made executable, anew when a cell changed, or what its code was made from or has read."""
        cells = self.cells.cells()
        known = self._programs.get(complete)
        if known is not None and known[0] == cells and _is_current(known[1], known[2]):
            return known[1]
        flow = define_flow(cells, default_name=self._default_name)
        graph = draw_graph(flow)
        program = Program(flow, complete_graph(graph) if complete else graph, file=self._export_file)
        self._programs[complete] = (cells, program, _outside(flow))
        return program

    @property
    def _export_file(self) -> str:
        """The path that an export beside the notebook has."""
        return str(((self.notebook.parent if self.notebook else Path()) / "flow.py").absolute())

    def run_shared(self, cell: Cell) -> dict[str, Any]:
        """Execute shared code or the flow's header once, and give the names that `cell` defines.

        Raises
        ------
        CheckFailed
            If shared code reads names that nothing defines.
        Exception
            What the code raised.
        """
        self.judge(one for one in self.check(only="") if one.cell is cell)
        flow_class = self.program(False).flow_class()
        check_names({name: one for name, one in vars(flow_class).items() if isinstance(one, Parameter)})
        names = vars(sys.modules[flow_class.__module__])
        return {name: names[name] for name in analyse_names(cell.parsed.tree).assigned if name in names}

    def shared_values(self, names: Iterable[str]) -> dict[str, Any]:
        """What names of shared code are in the module that the last step ran in, but for the user's own modules.

        Of those, and of what is defined in them, the notebook has its own copies.
        """
        module = sys.modules.get(module_name(self.flow.name))
        found = {name: vars(module)[name] for name in names if module is not None and name in vars(module)}
        return {name: value for name, value in found.items() if not is_own(value)}

    def check(self, *, only: str | None = None, kernel_names: Iterable[str] = ()) -> tuple[Diagnostic, ...]:
        """Run the static checks on the whole flow, or on one step."""
        program = self.program(False)
        flow = program.flow
        if only is None and not (flow.all_steps or flow.unusable or flow.refused):
            raise NotFound(
                "There is no flow here yet.",
                "No cell begins with %%step.",
                "Write %%step NAME on a cell's first line and run it.",
            )
        return check_flow(program.flow, graph=program.graph, only=only, kernel_names=kernel_names)

    def require_checked(
        self, only: str | None, kernel_names: Iterable[str], *, again: bool = False, elsewhere: bool = False
    ) -> None:
        """Raise `CheckFailed` if the checks find errors, and show warnings; a text that passed is not checked again.

        `again` shows warnings that were shown before, too; `elsewhere` passes what fails only in this Python.
        """
        program = self.program(False)
        if only is not None and self._checked.get(only) is program:
            return
        self.judge(self.check(only=only, kernel_names=kernel_names), again=again, elsewhere=elsewhere)
        if only is not None:
            self._checked[only] = program

    def judge(self, found: Iterable[Diagnostic], *, again: bool = False, elsewhere: bool = False) -> None:
        """Raise `CheckFailed` with the errors among findings, else show the warnings."""
        found = tuple(found)
        if errors := errors_of(found, elsewhere=elsewhere):
            raise CheckFailed(errors)
        for one in found:
            one = replace(one, severity="warning")  # an error that does not count here is said as one
            key = (one.cell.source, one.line, one.what)
            if again or key not in self._warned:
                self.warn(one)
            self._warned.add(key)

    def step_of(self, cell_id: str) -> str | None:
        """Name of the step that a notebook cell defines; None if it defines none."""
        steps = (*self.flow.steps, *self.flow.unusable)
        return next((step.name for step in steps if step.cell.cell_id == cell_id), None)

    def step(self, name: str) -> Step:
        """A step by name; one whose name no step can have is there for a check to report it.

        Raises
        ------
        NotFound
            If no cell defines it.
        """
        step = self.flow.step(name) or next((one for one in self.flow.unusable if one.name == name), None)
        if step is None:
            names = [one.name for one in self.flow.all_steps]
            raise NotFound(
                f"There is no step `{name}`.{nearest(name, names)}",
                f"The steps are {', '.join(names)}." if names else "No step cell was run yet.",
                f"Run the cell `%%step {name}` first, or correct the name.",
            )
        return step

    # -- results

    def results(self) -> LatestResults:
        """The latest results of the flow's steps."""
        return self.working.results(self.flow.name)

    @property
    def notebook_name(self) -> str:
        """File name of the notebook, empty when it is not known."""
        return self.working.file.name

    def working_run(self) -> str:
        """Id of the working run, begun if there is none, or if it was removed."""
        return self.working.run(self.flow.name)

    def mark_noted(self, note: str) -> None:
        """Do not say again in `notes` what was said."""
        self._noted.add(note)

    def notes(self) -> list[str]:
        """What a user should know of where results come from; each is said once."""
        found = []
        flow = self.flow
        results = self.results()
        place = (flow.name, self.working.file)
        is_new = flow.all_steps and results.work is None and not results.before
        if is_new and place not in self._looked_elsewhere:
            self._looked_elsewhere.add(place)
            others = self.working.other_flows(flow.name) if flow.header is None else []
            left = self.working.left_here(flow.name)
            if left is not None:
                found.append(
                    f"a notebook at this path recorded results under another id, in run {flow.name}/{left.run}; if it "
                    f"was this one, and its id was not saved, `%flow use {left.run}` takes them"
                )
            elif others:
                found.append(
                    f"this notebook's flow is called {flow.name} now, after its file; its earlier results belong to "
                    f"{' and '.join(others)}. To go on with them, add a cell `%%flow {others[0]}`"
                )
        if used := self.working.used(flow.name):
            found.append(used)
        new = [one for one in found if one not in self._noted]
        self._noted.update(new)
        return new

    def freshness(self, *, run_code: bool = True) -> dict[str, Freshness]:
        """How every step stands, by its latest result.

        Parameters
        ----------
        run_code : bool, default True
            Whether shared code and the flow's header may be executed for the defaults of its parameters. Without, a
            result that was made with other defaults counts as fresh until the code was executed anyhow.
        """
        return self.judgement(run_code=run_code).steps()

    def judgement(self, *, run_code: bool = True) -> Judge:
        """What judges the steps' latest results as they are now; `run_code` as for `freshness`."""
        program = self.program(False)
        given: Mapping[str, ArtifactRef] | None = None
        if run_code:
            with contextlib.suppress(ParameterError):  # a config's file may be gone; running a step says so
                given = self.refs(program)
        elif self._given is not None and self._given[0].shared_hash == program.shared_hash:
            given = self._given[1]
        if given is None:
            program = program.unexecuted()
        return Judge(program, self.results(), self.datastore, given)

    def became(self, states: Mapping[str, Freshness]) -> dict[str, Freshness]:
        """How steps stand when a run has ended, given how they stand by its events.

        What ended well is judged like everything else: a cell may have been edited meanwhile. A step that the run did
        not come to has no result of it, for the run broke off, or for a switch led elsewhere.
        """
        judged: dict[str, Freshness] = {}
        with contextlib.suppress(FlownbError):  # the store cannot be read, which the run itself has said
            judged = self.freshness(run_code=False)
        found = {name: judged.get(name, state) if state.state == "fresh" else state for name, state in states.items()}
        untaken = {name: one for name, one in judged.items() if one.state == "untaken" and name not in states}
        return {**untaken, **found}

    def picture(self, running: Mapping[str, Freshness] | None = None) -> Dag:
        """The flow's graph with each step's state, to be drawn."""
        program = self.program(False)
        return flow_picture(program, running if running is not None else self.freshness())

    # -- what a task starts with

    def refs(self, program: Program) -> dict[str, ArtifactRef]:
        """Constants, and parameters at their defaults, as artifacts; kept until a cell changes.

        Parameters that have no default are left out: a single step takes them from its parents.
        """
        known = self._given
        if known is None or known[0] is not program or not all(map(self.datastore.artifacts.holds, known[1].values())):
            with program.looked_at():
                _ = program.declared  # the module's code may set environment variables
                inputs = RunInputs(environment=config_environment())
                _, defaults = start_values(program, inputs, ds_type=self.datastore_type, complete=False)
                known = self._given = (program, self.datastore.artifacts.save_given({**program.constants, **defaults}))
        return known[1]

    def configured(self, program: Program, spec: TaskSpec) -> Program:
        """The program with the configs that a task starts with, so that its decorators see what its step sees."""
        declared = {name: one for name, one in program.declared.items() if isinstance(one, ConfigParameter)}
        if not declared:
            return program
        refs, configs = inherited_refs(program, spec), {}
        for name, one in declared.items():
            if name in spec.overrides or name in refs:
                known = name in spec.overrides
                configs[one.name] = (
                    spec.overrides[name] if known else self.datastore.artifacts.load(refs[name], name=name)
                )
        return program.with_configs(configs)

    @property
    def datastore_type(self) -> str:
        """What Metaflow calls a datastore of this kind."""
        return "s3" if str(self.datastore.location).startswith("s3:") else "local"

    def require_parameters(self, program: Program, step: str, known: Iterable[str]) -> None:
        """Raise unless every required parameter has a value."""
        missing = sorted(program.parameters.keys() - set(known))
        if missing:
            one = program.parameters[missing[0]]
            is_config = isinstance(one, ConfigParameter)
            option = f"--config {one.name} FILE" if is_config else f"--{one.name} VALUE"
            raise ParameterError(
                f"Step {step} cannot run alone: {'config' if is_config else 'parameter'} `{one.name}` has no value.",
                "It is required, has no default, and no parent of the step has it.",
                f"Give it a default in the %%flow cell, run the flow once (`%flow run {option}`), or "
                f"`%spin {step} --set {missing[0]}=VALUE`.",
            )

    def not_applied(self, only: str | None = None, added: Iterable[Recorded] = ()) -> list[str]:
        """What is written to flow.py but has no effect here, said for one step or the whole flow.

        Parameters
        ----------
        only : str, optional
        added : iterable of (str, dict)
            What ``--with`` adds to all steps.
        """
        names = dict.fromkeys(name for name, _ in added)
        notes = [f"@{name} of --with is not applied here" for name in names if name not in APPLIED]
        program = self.program(False)
        flow = program.flow
        places = [(name, program.decorators(name), APPLIED) for name in program.graph.nodes if only in (None, name)]
        if only is None:
            notes += self.left_out_magics()
        if flow.header is not None and only is None:
            places.insert(0, ("the flow", flow.header.parsed.decorators, APPLIED_TO_FLOWS))
        for place, decorators, applied in places:
            for decorator in decorators:
                name = metaflow_name(flow, decorator.name)
                if name is not None and name not in applied:
                    notes.append(f"@{name} of {place} is written to flow.py; it is not applied here")
        return notes

    def left_out_cells(self) -> list[str]:
        """Marked cells that are not part of the flow, for they cannot be read or their step cannot have its name."""
        flow = self.flow
        found = {cell: cell.refusal[0] for cell in flow.refused if cell.refusal is not None}
        for step in flow.unusable:
            problem = step_name_problem(step.name, flow.class_names)
            found[step.cell] = problem[0] if problem is not None else ""
        return [f"{cell.title} is not part of the flow: {found[cell]}" for cell in flow.marked if cell in found]

    def left_out_magics(self) -> list[str]:
        """Cell magics above marks, such as ``%%time``, which no run and no flow.py has."""
        return [
            f"`{magic}` of {cell.title} applies where the cell is executed, and not in runs and flow.py"
            for cell in self.flow.marked
            for magic in cell.wrappers
        ]

    def not_executed(self) -> tuple[str, ...]:
        """Steps that are taken as they stand in the notebook, for they were not executed here like that."""
        return self.cells.unexecuted()

    def all_cells(self) -> tuple[Cell, ...]:
        """The notebook's cells, scratch cells too where its file can be read."""
        if self.notebook is not None and self.notebook.exists():
            with contextlib.suppress(FlownbError):
                return read_notebook(self.notebook).cells
        return self.cells.cells()


def _is_current(program: Program, outside: Outside) -> bool:
    """Whether what a program's defaults depend on is as it was."""
    return outside == _outside(program.flow) and not program.is_outdated


def _outside(flow: FlowDefinition) -> Outside:
    """What tells that a default of a config, an included file or the module of a base class may have changed."""
    modules = [base.place for base in flow.bases if base.module]
    if not flow.configs and not flow.default_files and not modules:
        return ()
    found: list[object] = [config_environment()]
    for path in (*flow.default_files, *modules):
        try:
            status = Path(path).expanduser().stat()
            found.append((path, status.st_mtime_ns, status.st_size))
        except (OSError, RuntimeError):
            found.append((path, None, None))
    return tuple(found)


@contextlib.contextmanager
def module_kept(flow: str) -> Iterator[None]:
    """Put the flow's module back afterwards: the notebook's scratch cells hold its classes."""
    name = module_name(flow)
    before = sys.modules.get(name)
    try:
        yield
    finally:
        if before is not None:
            sys.modules[name] = before
