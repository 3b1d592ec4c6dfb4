"""Hard cells: flownb and real Metaflow agree on every artifact, or flownb refuses before anything runs."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from flownb.cells.cell import read_cell
from flownb.client import Run
from flownb.errors import CellError, CheckFailed
from flownb.session.options import RunOptions
from flownb.session.session import Session
from tests.fidelity.equality import same_value
from tests.fidelity.hard_cell import HardCell
from tests.fidelity.hard_cells import HARD_CELLS
from tests.fidelity.metaflow_peer import MetaflowRun, Tasks, run_many_in_metaflow

EQUAL = [case for case in HARD_CELLS if case.outcome == "equal"]
REFUSED = [case for case in HARD_CELLS if case.outcome == "refused"]


def open_session(case: HardCell, folder: Path) -> Session:
    """A session that knows the case's cells."""
    session = Session(folder=folder)
    session.open(read_cell(source, number=number) for number, source in enumerate(case.cells, 1))
    return session


def tasks_of(run: Run, steps: list[str]) -> Tasks:
    """Artifacts of each task of the notebook's own steps, in foreach order."""
    found: Tasks = {}
    for name in steps:
        if name in run:
            tasks = sorted(run[name], key=lambda task: ([f.index for f in task._record.foreach], int(task.id)))
            found[name] = [{a.id: a.data for a in task.artifacts} for task in tasks]
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


@pytest.fixture(scope="session")
def metaflow_runs(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> dict[str, MetaflowRun]:
    """Real Metaflow's runs of all exported flows; pytest's cache spares those whose text did not change."""
    folder = tmp_path_factory.mktemp("export")
    texts = {}
    for case in EQUAL:
        with contextlib.suppress(CheckFailed):  # its own test says so
            texts[case.name] = open_session(case, folder).export()
    cache = pytestconfig.cache
    home = Path(cache.mkdir("metaflow_runs")) if cache is not None else folder
    return run_many_in_metaflow(texts, home)


@pytest.mark.parametrize("case", EQUAL, ids=lambda case: case.name)
@pytest.mark.xdist_group("metaflow")
def test_equal_to_metaflow(case: HardCell, tmp_path: Path, metaflow_runs: dict[str, MetaflowRun]) -> None:
    """A run here and a run of the exported file on Metaflow leave the same artifacts."""
    session = open_session(case, tmp_path)
    assert () == session.check()
    outcome = session.run(RunOptions())
    steps = [step.name for step in session.flow.steps]
    ours = tasks_of(Run(outcome.pathspec, datastore=session.datastore), steps)
    theirs = {name: tasks for name, tasks in metaflow_runs[case.name].tasks().items() if name in steps}
    assert [] == differences(ours, theirs)


@pytest.mark.parametrize("case", EQUAL, ids=lambda case: case.name)
def test_cell_by_cell_is_the_same(case: HardCell, tmp_path: Path) -> None:
    """Executing step cells one after another leaves the same artifacts as a run of the whole flow."""
    session = open_session(case, tmp_path)
    outcome = session.run(RunOptions())
    whole = tasks_of(Run(outcome.pathspec, datastore=session.datastore), [s.name for s in session.flow.steps])
    if any(node.kind == "switch" for node in session.picture().nodes):
        pytest.skip("a run takes one case of a switch; cell by cell, all of them are executed")
    cells = open_session(case, tmp_path / "cells")
    for step in cells.flow.steps:
        cells.run_step(step.name)
    results = cells.results()
    ours: Tasks = {}
    for name in whole:
        records = results.latest(name)
        assert results.work is not None
        run = Run(f"{cells.flow.name}/{results.work}", datastore=cells.datastore)
        ours[name] = [{a.id: a.data for a in run[name][record.task].artifacts} for record in records]
    assert [] == differences(ours, whole)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused_before_anything_runs(case: HardCell, tmp_path: Path) -> None:
    """What cannot become a Metaflow flow is refused by a check, and nothing is recorded."""
    try:
        session = open_session(case, tmp_path)
        found = session.check()
    except CellError:
        return
    assert () != found
    assert not Path(session.datastore.location).exists()
