"""Graph shapes: flownb and real Metaflow run the same tasks, in the same foreachs, to the same artifacts."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flownb.client import Run
from flownb.errors import FlownbError, StepFailed
from flownb.flow.lint import errors_of
from flownb.session.export import export_flow
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from flownb.session.states import step_states
from tests.fidelity.hard_cell import HardCell
from tests.fidelity.hard_graphs import GRAPHS
from tests.fidelity.metaflow_peer import MetaflowRun, run_many_in_metaflow
from tests.fidelity.notebook_side import RunsHere, cell_by_cell, differences, notebook_session, stacks_of, tasks_of
from tests.fidelity.shape import FailingShape, watched
from tests.fidelity.shapes_failing import FAILING
from tests.fidelity.shapes_foreach import FOREACHS
from tests.fidelity.shapes_splits import SPLITS
from tests.fidelity.shapes_switches import SWITCHES

SHAPES = (*GRAPHS, *SPLITS, *FOREACHS, *SWITCHES)


def run_on_metaflow(text: str, config: pytest.Config, folder: Path, *arguments: str) -> MetaflowRun:
    """Real Metaflow's run of an exported flow; pytest's cache spares those whose text did not change."""
    home = Path(config.cache.mkdir("metaflow_runs")) if config.cache is not None else folder / "metaflow"
    return run_many_in_metaflow({"flow": text}, home, *arguments)["flow"]


@pytest.fixture(scope="module")
def runs_here(tmp_path_factory: pytest.TempPathFactory) -> RunsHere:
    """Runs of the shapes, which both a comparison with Metaflow and one with single cells look at."""
    return RunsHere(tmp_path_factory.mktemp("here"))


@pytest.mark.parametrize("case", SHAPES, ids=lambda case: case.name)
def test_shape_is_equal_on_metaflow(
    case: HardCell, tmp_path: Path, pytestconfig: pytest.Config, runs_here: RunsHere
) -> None:
    """Every step, those that flownb adds included, has the same tasks with the same stacks and artifacts."""
    exported = notebook_session(watched(case.cells), tmp_path)
    assert errors_of(exported.checks.find()) == ()
    with ThreadPoolExecutor(1) as pool:
        on_metaflow = pool.submit(run_on_metaflow, export_flow(exported), pytestconfig, tmp_path)
        session, run = runs_here.of(watched(case.cells))
        theirs = on_metaflow.result()
    assert stacks_of(run, session.program(True).graph) == theirs.stacks()
    assert differences(tasks_of(run, [step.id for step in run]), theirs.tasks()) == []
    judged = {name: one.state for name, one in step_states(session).items()}
    assert judged == {name: "fresh" if name in theirs.tasks() else "untaken" for name in judged}


@pytest.mark.parametrize("case", SHAPES, ids=lambda case: case.name)
def test_shape_is_equal_cell_by_cell(case: HardCell, tmp_path: Path, runs_here: RunsHere) -> None:
    """Executing the cells of the ways that are taken, one after another, leaves the artifacts that a run leaves."""
    cells = notebook_session(watched(case.cells), tmp_path)
    if any(name in node.targets for name, node in cells.program(False).graph.nodes.items()):
        pytest.skip("a run goes back to a step as often as its switch says; a cell is executed once")
    session, run = runs_here.of(watched(case.cells))
    whole = tasks_of(run, [step.name for step in session.flow.steps if step.name in run])
    assert differences(cell_by_cell(cells, whole), whole) == []


@pytest.mark.parametrize("case", FAILING, ids=lambda case: case.name)
def test_shape_fails_as_on_metaflow(case: FailingShape, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """What fails while it runs fails in the same step in both, and both say about what."""
    session = notebook_session(case.cells, tmp_path)
    assert errors_of(session.checks.find()) == ()
    limit = ("--max-num-splits", str(case.max_num_splits))
    theirs = run_on_metaflow(export_flow(session), pytestconfig, tmp_path, *limit)
    assert theirs.return_code == 1
    assert re.findall(r"\[\d+/(\w+)/\d+ \(pid \d+\)\] Task failed", theirs.output) == ([case.step] if case.step else [])
    assert case.says in theirs.output
    with pytest.raises(FlownbError) as raised:
        run_flow(session, RunOptions(max_num_splits=case.max_num_splits))
    failed = raised.value.pathspec.split("/")[2] if isinstance(raised.value, StepFailed) else None
    assert failed == case.step
    assert case.says in f"{raised.value} {raised.value.__cause__}"


def test_branches_come_in_the_order_of_the_split(tmp_path: Path) -> None:
    """A join here sees branches in the order of the cells, which on Metaflow is another in each run."""
    # Metaflow looks the branches up in a set of names (`metaflow/runtime.py`, _queue_task_join, 2.19.39).
    session = notebook_session(
        (
            "%%step start\n",
            *(f"%%step {name} --after start -> x\nx = '{name}'\n" for name in ("mango", "apple", "plum", "fig")),
            "%%step gather --after fig,plum,mango,apple --join -> xs\nxs = [i.x for i in inputs]\n",
        ),
        tmp_path,
    )
    run = Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore)
    assert tasks_of(run, ["gather"])["gather"] == [{"xs": ["mango", "apple", "plum", "fig"]}]
