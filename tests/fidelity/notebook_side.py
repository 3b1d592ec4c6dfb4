"""flownb runs the notebook: our side of every fidelity test.

It runs a notebook's cells, reads artifacts and foreach stacks of every task, and lists where they differ from those
of real Metaflow.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from flownb.cells.cell import read_any_cell
from flownb.client import Run, Task
from flownb.equality import same_value
from flownb.flow.graph import FlowGraph
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.states import step_states
from flownb.session.step import run_step
from tests.fidelity.metaflow_peer import Frame, Stacks, Tasks

__all__ = ["RunsHere", "cell_by_cell", "differences", "notebook_session", "stacks_in", "stacks_of", "tasks_of"]


def notebook_session(cells: Sequence[str], folder: Path) -> Session:
    """A session that knows a notebook's cells, with its datastore in `folder`."""
    session = Session(folder=folder)
    session.open(read_any_cell(source, number=number) for number, source in enumerate(cells, 1))
    return session


class RunsHere:
    """Whole runs of notebooks, each recorded once for all tests that look at it.

    Parameters
    ----------
    folder
        Where the runs are recorded, each in a folder of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folders = (folder / str(number) for number in itertools.count())
        self._runs: dict[tuple[str, ...], tuple[Path, str]] = {}

    def of(self, cells: tuple[str, ...]) -> tuple[Session, Run]:
        """A session on a notebook of which a run is recorded, and that run."""
        if cells not in self._runs:
            folder = next(self._folders)
            self._runs[cells] = folder, run_flow(notebook_session(cells, folder), RunOptions()).pathspec
        folder, pathspec = self._runs[cells]
        session = notebook_session(cells, folder)
        return session, Run(pathspec, datastore=session.datastore)


def tasks_of(run: Run, steps: Collection[str]) -> Tasks:
    """Artifacts of each task of those of `steps` that ran, in foreach order."""
    return {name: [_artifacts(task) for task in _tasks(run, name)] for name in steps if name in run}


def stacks_of(run: Run, graph: FlowGraph) -> Stacks:
    """Foreach stack of each task of every step that ran, in foreach order; `graph` is complete."""
    return stacks_in(run, {name: list(node.targets) for name, node in graph.nodes.items()})


def stacks_in(run: Run, targets: Mapping[str, Sequence[str]]) -> Stacks:
    """Foreach stack of each task of every step that ran, in foreach order.

    Metaflow's frames name the step that runs for each item, ours the one above it that started the foreach; `targets`
    has for each step the steps that follow it.
    """

    def stack(task: Task) -> tuple[Frame, ...]:
        frames = task._record.foreach
        return tuple((targets[f.step][0], f.var, f.num_splits, f.index) for f in frames)

    return {step.id: [stack(task) for task in _tasks(run, step.id)] for step in run}


def cell_by_cell(session: Session, steps: Collection[str]) -> Tasks:
    """Execute the step cells that are on taken ways, one after another; give the artifacts of each task of `steps`."""
    for step in session.flow.steps:
        if step_states(session)[step.name].state != "untaken":
            run_step(session, step.name)
    results = session.results()
    found: Tasks = {}
    for name in steps:
        records = results.latest(name)
        assert results.work is not None
        run = Run(f"{session.flow.name}/{results.work}", datastore=session.datastore)
        found[name] = [_artifacts(run[name][record.task]) for record in records]
    return found


def differences(ours: Tasks, theirs: Tasks) -> list[str]:
    """Every artifact that is not the same in both, said in words."""
    found = [f"step {name} ran on one side only" for name in ours.keys() ^ theirs.keys()]
    for name in ours.keys() & theirs.keys():
        if len(ours[name]) != len(theirs[name]):
            found.append(f"{name}: {len(ours[name])} tasks here, {len(theirs[name])} on Metaflow")
            continue
        for index, (mine, other) in enumerate(zip(ours[name], theirs[name], strict=True)):
            found += [f"{name}[{index}]: `{a}` is on one side only" for a in mine.keys() ^ other.keys()]
            found += [
                f"{name}[{index}].{a}: {mine[a]!r} here, {other[a]!r} on Metaflow"
                for a in mine.keys() & other.keys()
                if not same_value(mine[a], other[a])
            ]
    return found


def _tasks(run: Run, step: str) -> list[Task]:
    """The tasks of a step by foreach index, the outermost first, then by creation."""
    return sorted(run[step], key=lambda task: ([frame.index for frame in task._record.foreach], int(task.id)))


def _artifacts(task: Task) -> dict[str, object]:
    """A task's artifacts, inherited ones included."""
    return {artifact.id: artifact.data for artifact in task.artifacts}
