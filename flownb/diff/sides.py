"""The two things that are compared: what a user's words name, with its cells and, of a run, its records.

A word names a notebook's or a Metaflow file, a file at a revision of git (``HEAD~1:nb.ipynb``), or a run, a step of it
or a task (``Flow/12``, ``12``, ``Flow/12/train``, ``Flow/12/train/3``). A number alone is a run of the other's flow.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from flownb.cells.cell import Cell, read_any_cell
from flownb.cells.notebook import read_notebook
from flownb.errors import FlownbError, NotFound, ParameterError, StoreError, nearest
from flownb.flow.build_graph import build_graph
from flownb.flow.definition import FlowDefinition, define_flow
from flownb.flow.graph import FlowGraph
from flownb.flow.names import default_flow_name
from flownb.pathspec import safe_name

if TYPE_CHECKING:
    from flownb.flow_file.parts import FlowFile
    from flownb.session.latest import LatestResults
    from flownb.session.session import Session
    from flownb.store.datastore import Datastore
    from flownb.store.records import ArtifactRef, RunRecord, TaskRecord

__all__ = ["RecordedRun", "Side", "Sources", "kernel_sources", "latest_run", "read_sides"]

GRAMMAR = "A side is a notebook's file, REVISION:FILE, or a run: FLOW/RUN[/STEP[/TASK]]."
SUFFIXES = (".ipynb", ".py")


@dataclass(frozen=True)
class RecordedRun:
    """What is recorded of a run.

    Attributes
    ----------
    datastore : Datastore
    record : RunRecord
    tasks : dict of str to tuple of TaskRecord
        By step: the last attempt of each task; of a working run those of the step's last execution.
    step, task : str or None
        The step and the task that were named.
    """

    datastore: Datastore
    record: RunRecord
    tasks: dict[str, tuple[TaskRecord, ...]]
    step: str | None = None
    task: str | None = None


@dataclass(frozen=True)
class Side:
    """A notebook or a run.

    Attributes
    ----------
    name : str
        How it was named.
    flow : FlowDefinition
    run : RecordedRun or None
    has_code : bool
        Whether its code is known: very old runs, and runs whose manifest is damaged, have none.
    is_flow_file : bool
        Whether it is a Metaflow file. What is compared with it is compared as the file that it would be exported to.
    """

    name: str
    flow: FlowDefinition
    run: RecordedRun | None = None
    has_code: bool = True
    is_flow_file: bool = False

    @cached_property
    def graph(self) -> FlowGraph:
        """The graph of the user's own steps."""
        return build_graph(self.flow)

    @property
    def step(self) -> str | None:
        """The only step that is meant, if one was named."""
        return self.run.step if self.run is not None else None


@dataclass(frozen=True)
class Sources:
    """Where sides are read from.

    Attributes
    ----------
    datastore : callable
        Opens the datastore that runs are read from, given the notebook that is compared, if one is.
    latest : callable
        Given a notebook, its flow and the datastore: the id of its latest run, None if it has none.
    notebook : FlowDefinition or None
        The flow of the notebook that a kernel executes.
    """

    datastore: Callable[[Path | None], Datastore]
    latest: Callable[[Path | None, str, Datastore], str | None]
    notebook: Side | None = None
    _opened: dict[Path | None, Datastore] = field(default_factory=dict, compare=False)

    def open(self, notebook: Path | None) -> Datastore:
        """The datastore, opened once."""
        if notebook not in self._opened:
            self._opened[notebook] = self.datastore(notebook)
        return self._opened[notebook]


def kernel_sources(session: Session) -> Sources:
    """Where a kernel reads sides from: its own datastore, and its notebook as its cells now are."""

    def latest(path: Path | None, flow: str, datastore: Datastore) -> str | None:
        return _latest(session.working.results(flow))

    name = session.notebook.name if session.notebook is not None else "this notebook"
    return Sources(lambda notebook: session.datastore, latest, Side(name, session.flow))


def latest_run(path: Path | None, flow: str, datastore: Datastore) -> str | None:
    """Id of the latest run of a notebook's file; of another notebook's with the same flow, if it has none itself."""
    from flownb.session.identity import NotebookFile, WorkingRuns

    file = path.resolve() if path is not None else None
    folder = file.parent if file is not None else Path.cwd()
    found = _latest(WorkingRuns(datastore, NotebookFile(file, folder, "")).results(flow))
    if found is None:
        found = next((row.run for row in datastore.index.runs(flow, kind="run", limit=1)), None)
    return found


def _latest(results: LatestResults) -> str | None:
    """The notebook's newest run of the whole flow, or else its working run."""
    return next(iter([*results.own_runs(), *results.working_runs()]), None)


def read_sides(words: Sequence[str], sources: Sources) -> tuple[Side, Side]:
    """Read the sides that words name.

    Parameters
    ----------
    words : sequence of str
        Two sides; or one notebook, which is compared with its latest run. In a kernel, the other side of a single word
        is the notebook itself, and so is that of none.
    sources : Sources

    Returns
    -------
    (Side, Side)
        The older and the newer one, as they were named; a notebook's latest run is the first.

    Raises
    ------
    ParameterError
        If there are more or fewer words, or one does not name a side.
    NotFound
        If a side does not exist.
    """
    if len(words) > 2 or (not words and sources.notebook is None):
        raise ParameterError(
            f"`{words[2]}` is one side too many." if words else "Nothing to compare was named.",
            "A diff has two sides, or one notebook that is compared with its latest run.",
            f"Name two. {GRAMMAR}",
        )
    known: list[Side | None] = [_notebook(word) for word in words]
    if sources.notebook is not None and len(words) < 2:
        known.append(sources.notebook)
    path = next((Path(word) for word in words if Path(word).suffix in SUFFIXES and Path(word).exists()), None)
    named = [word.split("/")[0] for word in words if "/" in word and not word[0].isdigit()]
    flow = next((side.flow.name for side in known if side is not None), next(iter(named), None))
    sides = [
        side if side is not None else _run(words[place], flow, sources.open(path)) for place, side in enumerate(known)
    ]
    if len(sides) == 2:
        if sides[0].is_flow_file != sides[1].is_flow_file:
            return _as_flow_file(sides[0]), _as_flow_file(sides[1])
        return sides[0], sides[1]
    only = sides[0]
    if only.run is not None:
        raise ParameterError(
            f"`{words[0]}` is one side.", "A diff of a run has another side.", f"Name it after the first. {GRAMMAR}"
        )
    store = sources.open(path)
    latest = sources.latest(path, only.flow.name, store)
    if latest is None:
        raise NotFound(
            f"`{only.name}` has no run to compare it with.",
            f"{only.flow.name} has no runs in `{store.location}`.",
            "Run it first, or name the other side.",
        )
    return _run(f"{only.flow.name}/{latest}", only.flow.name, store), only


def _notebook(word: str) -> Side | None:
    """The notebook that a word names; None if it names a run."""
    path = Path(word)
    if path.suffix in SUFFIXES and (":" not in word or path.exists()):
        return _side(word, path)
    if path.exists() and path.is_file():
        return _side(word, path)
    if ":" in word:
        return _revision(word)
    return None


def _side(name: str, path: Path) -> Side:
    """A side that is a file."""
    try:
        cells = read_notebook(path).cells
    except NotFound:
        if path.suffix != ".py" or not path.exists():
            raise
        from flownb.flow_file.reading import read_flow_path

        return Side(name, define_flow(_cells_of_flow_file(read_flow_path(path))), is_flow_file=True)
    return Side(name, define_flow(cells, default_name=default_flow_name(path)))


def _as_flow_file(side: Side) -> Side:
    """A side with the code that its flow has as a Metaflow file; as it is, if it cannot be exported."""
    from flownb.flow.build_graph import complete_graph
    from flownb.flow_file.documentation import Documentation
    from flownb.flow_file.reading import read_flow_file
    from flownb.flow_file.writing import flow_code
    from flownb.runtime.program import Program

    if side.is_flow_file or side.graph.problems or not side.graph.nodes:
        return side
    with contextlib.suppress(FlownbError):
        text = flow_code(Program(side.flow, complete_graph(side.graph)), Documentation(), None)
        return replace(side, flow=define_flow(_cells_of_flow_file(read_flow_file(text))))
    return side


def _cells_of_flow_file(file: FlowFile) -> tuple[Cell, ...]:
    """The cells that a Metaflow file has as a notebook."""
    from flownb.flow_file.notebook import notebook_of

    document, _ = notebook_of(file)
    code = [one for one in document["cells"] if one["cell_type"] == "code"]
    return tuple(read_any_cell("".join(one["source"]), tags=one["metadata"].get("tags", ())) for one in code)


def _revision(word: str) -> Side:
    """A notebook at a revision of git, as ``git show`` finds it."""
    revision, _, name = word.rpartition(":")
    # A name is of the whole repository for git, unless it begins with a dot; a user means the folder that is current.
    found = None
    for place in dict.fromkeys([f"./{name}", name]):
        try:
            found = subprocess.run(
                ["git", "show", f"{revision}:{place}"], stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
        except OSError as error:
            raise NotFound(
                f"`{word}` cannot be read.", f"git cannot be started: {error.strerror}.", "Install git, or name a file."
            ) from error
        if found.returncode == 0:
            break
    assert found is not None
    if found.returncode:
        said = found.stderr.decode(errors="replace").strip().split("\n")[0].rstrip(".")
        raise NotFound(
            f"`{word}` cannot be read.", f"git says: {said}.", "Correct the revision or the path, or name a file."
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(name).name)
        path.write_bytes(found.stdout)
        return _side(word, path)


def _run(word: str, flow: str | None, datastore: Datastore) -> Side:
    """The run, step or task that a word names."""
    parts = word.strip("/").split("/")
    if parts[0].isdigit() and flow is None:
        flows = datastore.runs.flows()
        if len(flows) != 1:
            raise ParameterError(
                f"`{word}` can be a run of several flows.",
                f"The flows in `{datastore.location}` are: {', '.join(flows) or 'none'}.",
                f"Write FLOW/{word}.",
            )
        flow = flows[0]
    if parts[0].isdigit() and flow is not None:
        parts = [flow, *parts]
    if not 2 <= len(parts) <= 4 or not parts[1].isdigit():
        raise ParameterError(f"`{word}` does not name a side.", GRAMMAR, "Correct it; a file has to exist.")
    flow, run, step, task = [*map(safe_name, parts), None, None][:4]
    assert flow is not None
    assert run is not None
    if flow not in datastore.runs.flows():
        known = datastore.runs.flows()
        raise NotFound(
            f"Flow `{flow}` is not in `{datastore.location}`.{nearest(flow, known)}",
            f"The flows there are: {', '.join(known) or 'none'}.",
            "Correct the name, or call this where the notebook is.",
        )
    record = datastore.runs.run(flow, run)
    tasks = _tasks(datastore, record)
    name = "/".join(part for part in (flow, run, step, task) if part is not None)
    if step is not None and step not in tasks:
        raise NotFound(
            f"Run {flow}/{run} has no step `{step}`.{nearest(step, tasks)}",
            f"Its steps are: {', '.join(tasks) or 'none'}.",
            "Correct the name.",
        )
    if task is not None and step is not None:
        chosen = tuple(one for one in tasks[step] if one.task == task)
        if not chosen:
            ids = ", ".join(one.task for one in tasks[step])
            raise NotFound(f"There is no task {name}.", f"The tasks of that step are: {ids}.", "Name one of these.")
        tasks = {step: chosen}
    elif step is not None:
        tasks = {step: tasks[step]}
    cells = _cells(datastore, record, tasks)
    found = define_flow(cells or (), default_name=flow)
    return Side(name, found, RecordedRun(datastore, record, tasks, step, task), has_code=cells is not None)


def _tasks(datastore: Datastore, record: RunRecord) -> dict[str, tuple[TaskRecord, ...]]:
    """The tasks of a run, by step."""
    flow, run = record.flow, record.run
    found = {step: tuple(datastore.tasks.last_attempts(flow, run, step)) for step in datastore.tasks.steps(flow, run)}
    if record.kind == "work":  # of what was executed several times only the last counts
        last = {one.step: one.tasks for one in datastore.tasks.executions(flow, run)}
        found = {step: tuple(one for one in tasks if one.task in last.get(step, ())) for step, tasks in found.items()}
    return {step: tasks for step, tasks in found.items() if tasks}


def _cells(datastore: Datastore, record: RunRecord, tasks: dict[str, tuple[TaskRecord, ...]]) -> list[Cell] | None:
    """The marked cells that a run was made of; None if they are not recorded.

    In a working run each step may have been executed with other cells: those of the newest task count, and of each step
    the cell that it was executed with.
    """
    if record.source is not None:
        return _recorded_cells(datastore, record.source)
    newest = sorted((one for some in tasks.values() for one in some), key=lambda one: one.finished)
    by_task = [(one, _recorded_cells(datastore, one.source)) for one in newest if one.source is not None]
    known = [(one, cells) for one, cells in by_task if cells is not None]
    if not known:
        return None
    own = {one.step: cell for one, cells in known for cell in cells if cell.kind == "step" and cell.name == one.step}
    found = [own.get(cell.name, cell) if cell.kind == "step" else cell for cell in known[-1][1]]
    there = {cell.name for cell in found if cell.kind == "step"}
    return found + [cell for name, cell in own.items() if name not in there]


def _recorded_cells(datastore: Datastore, ref: ArtifactRef) -> list[Cell] | None:
    """Cells as they were recorded; None if they cannot be read."""
    from flownb.client.artifacts import cell_tags

    with contextlib.suppress(StoreError):
        texts = datastore.artifacts.load_plain(ref, name="cells")
        return [read_any_cell(one["source"], tags=cell_tags(one)) for one in texts]
    return None
