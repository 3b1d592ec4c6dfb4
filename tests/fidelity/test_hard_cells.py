"""Hard cells: flownb and real Metaflow agree on every artifact, or flownb refuses before anything runs."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from flownb.errors import CellError, CheckFailed
from flownb.flow.lint import errors_of
from flownb.session.drawing import picture
from flownb.session.export import export_flow
from tests.fidelity.hard_cell import HardCell
from tests.fidelity.hard_cells import HARD_CELLS
from tests.fidelity.metaflow_peer import MetaflowRun, run_many_in_metaflow
from tests.fidelity.notebook_side import RunsHere, cell_by_cell, differences, notebook_session, tasks_of

EQUAL = [case for case in HARD_CELLS if case.outcome in ("equal", "warned")]
REFUSED = [case for case in HARD_CELLS if case.outcome == "refused"]


@pytest.fixture(scope="session")
def metaflow_runs(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> dict[str, MetaflowRun]:
    """Real Metaflow's runs of all exported flows; pytest's cache spares those whose text did not change."""
    folder = tmp_path_factory.mktemp("export")
    texts = {}
    for case in EQUAL:
        with contextlib.suppress(CheckFailed):  # its own test says so
            texts[case.name] = export_flow(notebook_session(case.cells, folder))
    cache = pytestconfig.cache
    home = Path(cache.mkdir("metaflow_runs")) if cache is not None else folder
    return run_many_in_metaflow(texts, home)


@pytest.fixture(scope="module")
def runs_here(tmp_path_factory: pytest.TempPathFactory) -> RunsHere:
    """Runs of the cases, which both a comparison with Metaflow and one with single cells look at."""
    return RunsHere(tmp_path_factory.mktemp("here"))


@pytest.mark.parametrize("case", EQUAL, ids=lambda case: case.name)
@pytest.mark.xdist_group("metaflow")
def test_equal_to_metaflow(
    case: HardCell, tmp_path: Path, metaflow_runs: dict[str, MetaflowRun], runs_here: RunsHere
) -> None:
    """A run here and a run of the exported file on Metaflow leave the same artifacts."""
    found = notebook_session(case.cells, tmp_path).checks.find()
    assert (errors_of(found), bool(found)) == ((), case.outcome == "warned")
    session, run = runs_here.of(case.cells)
    steps = [step.name for step in session.flow.steps]
    ours = tasks_of(run, steps)
    theirs = {name: tasks for name, tasks in metaflow_runs[case.name].tasks().items() if name in steps}
    assert differences(ours, theirs) == []


@pytest.mark.parametrize("case", EQUAL, ids=lambda case: case.name)
def test_cell_by_cell_is_the_same(case: HardCell, tmp_path: Path, runs_here: RunsHere) -> None:
    """Executing step cells one after another leaves the same artifacts as a run of the whole flow."""
    session, run = runs_here.of(case.cells)
    whole = tasks_of(run, [step.name for step in session.flow.steps])
    if any(node.kind == "switch" for node in picture(session).nodes):
        pytest.skip("a run takes one case of a switch; cell by cell, all of them are executed")
    cells = notebook_session(case.cells, tmp_path)
    assert differences(cell_by_cell(cells, whole), whole) == []


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused_before_anything_runs(case: HardCell, tmp_path: Path) -> None:
    """What cannot become a Metaflow flow is refused by a check, and nothing is recorded."""
    try:
        session = notebook_session(case.cells, tmp_path)
        found = session.checks.find()
    except CellError:
        return
    assert errors_of(found) != ()
    assert not Path(session.datastore.location).exists()
