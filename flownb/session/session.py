"""One notebook's flow and what belongs to it: its cells, its results, its datastore, and what its steps showed.

What can be done with a session is a function in the module of that command: `run_step` in `flownb.session.step`,
`run_flow` in `flownb.session.run`, `export_flow` in `flownb.session.export`, and so on. They import this module. It
imports what reads cells and checks flows; its other parts are made, and their modules imported, when they are first
needed, so that a check never opens the datastore.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from flownb.cells.cell import Cell
from flownb.cells.notebook import DocumentCell, read_notebook
from flownb.errors import FlownbError, NotFound, nearest
from flownb.flow.build_graph import build_graph, complete_graph
from flownb.flow.definition import FlowDefinition, Step, define_flow
from flownb.flow.graph import FlowGraph
from flownb.flow.names import default_flow_name
from flownb.session.cellbook import CellBook
from flownb.session.checks import Checks
from flownb.settings import datastore_root

if TYPE_CHECKING:
    from flownb.runtime.events import EventStream
    from flownb.runtime.program import Program
    from flownb.runtime.workers.server import ServerPool
    from flownb.session.identity import NotebookFile, WorkingRuns
    from flownb.session.latest import LatestResults
    from flownb.session.report import CardShelf, Reports
    from flownb.session.start import StartValues
    from flownb.store.datastore import Datastore

__all__ = ["BackgroundRun", "Display", "Session"]

# Shows the value of a body's last expression.
Display = Callable[[Any], None]
# What the defaults of configs and included files depend on.
Outside = tuple[object, ...]


class BackgroundRun(Protocol):
    """A run of the whole flow that another thread drives."""

    @property
    def pathspec(self) -> str:
        """``Flow/run``."""
        ...

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        ...

    def stop(self) -> None:
        """Ask it to stop."""
        ...

    def join(self, seconds: float | None = None) -> None:
        """Wait until it has ended, or for some seconds."""
        ...


@dataclass(frozen=True)
class _Defined:
    """The flow as the cells defined it, and what its code was made from beside them."""

    cells: tuple[Cell, ...]
    flow: FlowDefinition
    graph: FlowGraph
    outside: Outside


class Session:
    """One notebook's cells, flow, results and datastore; it belongs to one kernel or one command.

    Parameters
    ----------
    notebook : Path or None
        The notebook's file, if known.
    folder : Path or None
        Where ``.flownb`` is kept unless FLOWNB_DATASTORE says otherwise; None means beside the notebook, or here.
    kernel : str
        Distinguishes this kernel from all others, also after a restart: whose results it reads if it is not known which
        notebook it executes.

    Attributes
    ----------
    cells : CellBook
        The notebook's marked cells.
    checks : Checks
        The static checks of the flow.
    runs : list of BackgroundRun
        Runs in the background.
    """

    def __init__(self, notebook: Path | None = None, *, folder: Path | None = None, kernel: str = "") -> None:
        self.cells = CellBook(notebook)
        self.checks = Checks(self._checked)
        self.runs: list[BackgroundRun] = []
        folder = folder or (notebook.parent if notebook else None)
        self._place = datastore_root(folder)
        self._opened = (notebook, (folder or Path()).absolute(), kernel)
        self._default_name = default_flow_name(notebook)
        self._defined: dict[bool, _Defined] = {}
        self._programs: dict[bool, tuple[_Defined, Program]] = {}
        self._noted: set[str] = set()
        self._looked_elsewhere: set[tuple[str, NotebookFile]] = set()

    # -- its parts

    @cached_property
    def datastore(self) -> Datastore:
        """Where results are kept."""
        from flownb.store.datastore import Datastore

        return Datastore(self._place)

    @cached_property
    def working(self) -> WorkingRuns:
        """Which notebook this is, its working runs and its latest results."""
        from flownb.session.identity import NotebookFile, WorkingRuns

        return WorkingRuns(self.datastore, NotebookFile(*self._opened))

    @cached_property
    def start_values(self) -> StartValues:
        """Constants, and parameters at their defaults."""
        from flownb.session.start import StartValues

        return StartValues(self.datastore)

    @cached_property
    def events(self) -> EventStream:
        """What happens."""
        from flownb.runtime.events import EventStream

        stream = EventStream()
        stream.subscribe(self.cards.watch)  # before any view, which then finds no card of a task that has ended
        return stream

    @cached_property
    def cards(self) -> CardShelf:
        """Cards that are in no datastore."""
        from flownb.session.report import CardShelf

        return CardShelf()

    @cached_property
    def reports(self) -> Reports:
        """The last report of each step."""
        from flownb.session.report import Reports

        return Reports()

    @cached_property
    def servers(self) -> ServerPool:
        """Processes from which workers are forked."""
        from flownb.runtime.workers.server import ServerPool

        return ServerPool()

    @cached_property
    def spin_datastore(self) -> Datastore:
        """Where ``spin --persist`` keeps its tasks; safe to delete."""
        return self.datastore.spins()

    # -- the notebook

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
            self._defined.clear()

    def continue_as(self, other: Session) -> None:
        """Be of the same notebook as another session of this kernel, under the same default name."""
        self.working.take_ids(other.working)
        if other.working.has_recorded:
            self._default_name = other._default_name
            self._defined.clear()

    def open(self, cells: Iterable[Cell]) -> None:
        """Take over all cells of a notebook file."""
        self.cells.open(cells)

    def define(self, cell: Cell, *, request: DocumentCell | None = None) -> Cell | None:
        """Take over one cell, new or edited, as a kernel does when it is executed; `request` is how it was sent.

        Returns the other header of the flow that this cell replaces, if there is one.
        """
        return self.cells.put(cell, request=request)

    def all_cells(self) -> tuple[Cell, ...]:
        """The notebook's cells, scratch cells too where its file can be read."""
        if self.notebook is not None and self.notebook.exists():
            with contextlib.suppress(FlownbError):
                return read_notebook(self.notebook).cells
        return self.cells.cells()

    # -- the flow

    @property
    def flow(self) -> FlowDefinition:
        """The flow as its cells now define it."""
        return self._define_flow(False).flow

    def _checked(self) -> tuple[FlowDefinition, FlowGraph]:
        """The flow as its cells now define it, with the graph of the user's own steps."""
        defined = self._define_flow(False)
        return defined.flow, defined.graph

    def program(self, complete: bool) -> Program:
        """The flow made executable; made again when a cell changed, or what its code was made from or has read.

        Parameters
        ----------
        complete : bool
            Whether the graph has the steps that a run adds: start, end, bridges.
        """
        from flownb.runtime.program import Program

        defined = self._define_flow(complete)
        known = self._programs.get(complete)
        if known is not None and known[0] is defined:
            return known[1]
        program = Program(defined.flow, defined.graph, file=self._export_file)
        self._programs[complete] = (defined, program)
        return program

    def _define_flow(self, complete: bool) -> _Defined:
        """The flow and its graph; `complete` is as for `program`."""
        cells = self.cells.cells()
        known = self._defined.get(complete)
        if known is not None and known.cells == cells and self._is_current(complete, known):
            return known
        flow = define_flow(cells, default_name=self._default_name)
        graph = build_graph(flow)
        defined = _Defined(cells, flow, complete_graph(graph) if complete else graph, _outside(flow))
        self._defined[complete] = defined
        return defined

    def _is_current(self, complete: bool, defined: _Defined) -> bool:
        """Whether what the flow's defaults depend on is as it was, and so is what its program has read."""
        made = self._programs.get(complete)
        is_outdated = made is not None and made[0] is defined and made[1].is_outdated
        return defined.outside == _outside(defined.flow) and not is_outdated

    @property
    def _export_file(self) -> str:
        """The path that an export beside the notebook has."""
        return str(((self.notebook.parent if self.notebook else Path()) / "flow.py").absolute())

    def step(self, name: str) -> Step:
        """A step by name; also one whose name is not allowed, for a check to report it.

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

    def step_of(self, cell_id: str) -> str | None:
        """Name of the step that a notebook cell defines; None if it defines none."""
        steps = (*self.flow.steps, *self.flow.unusable)
        return next((step.name for step in steps if step.cell.cell_id == cell_id), None)

    # -- results

    def results(self) -> LatestResults:
        """The latest results of the flow's steps."""
        return self.working.results(self.flow.name)

    def mark_noted(self, note: str) -> None:
        """Do not repeat in `notes` what the user was shown already."""
        self._noted.add(note)

    def notes(self) -> list[str]:
        """What a user should know of where results come from; each note is returned once."""
        found = []
        flow = self.flow
        results = self.working.results(flow.name)
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
                    f"{' and '.join(others)}. To continue with them, add a cell `%%flow {others[0]}`"
                )
        if used := self.working.used(flow.name):
            found.append(used)
        new = [one for one in found if one not in self._noted]
        self._noted.update(new)
        return new


def _outside(flow: FlowDefinition) -> Outside:
    """What changes when a default of a config, an included file or the module of a base class may have changed."""
    modules = [base.place for base in flow.bases if base.module]
    if not flow.configs and not flow.default_files and not modules:
        return ()
    from flownb.runtime.parameters.config import config_environment

    found: list[object] = [config_environment()]
    for path in (*flow.default_files, *modules):
        try:
            status = Path(path).expanduser().stat()
            found.append((path, status.st_mtime_ns, status.st_size))
        except (OSError, RuntimeError):
            found.append((path, None, None))
    return tuple(found)
