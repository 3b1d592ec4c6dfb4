"""Errors are proven and warnings block nothing: real Metaflow fails by each error, and runs what is only warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from flownb.client import Run
from flownb.flow.build_graph import build_graph, complete_graph
from flownb.flow.lint import CHECKS, errors_of, warnings_of
from flownb.flow.module import class_source, exported_shared, hoisted_source, metaflow_imports
from flownb.runtime.program import Program
from flownb.session.export import export_flow
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from tests.fidelity.diagnostic_cases import PROVEN, SAID, UNWRITTEN
from tests.fidelity.metaflow_peer import MetaflowRun, run_many_in_metaflow
from tests.fidelity.notebook_side import differences, notebook_session, tasks_of

# These have no form that is an error, and these none that is a warning.
NEVER_ERRORS = {"FN013", "FN014", "FN022", "FN027"}
NEVER_WARNINGS = {"FN003", "FN005", "FN006", "FN007", "FN008", "FN011", "FN018", "FN020", "FN023", "FN024", "FN029"}
NEVER_WARNINGS |= {"FN030", "FN031"}


def flow_text(cells: tuple[str, ...], folder: Path) -> str:
    """What the exporter would write, whatever the checks say; its header comment runs the class, which may fail."""
    flow = notebook_session(cells, folder).flow.as_written
    program = Program(flow, complete_graph(build_graph(flow)))
    imports = ", ".join(metaflow_imports(flow))
    blocks = [f"from metaflow import {imports}" if imports else "", *map(exported_shared, flow.shared)]
    blocks += [line.text for line in hoisted_source(flow)]
    blocks.append("\n".join(line.text for line in class_source(flow)))
    blocks += [program.methods[name].text for name in program.graph.nodes]
    return "\n".join([*blocks, 'if __name__ == "__main__":', f"    {flow.name}()", ""])


@pytest.fixture(scope="session")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, MetaflowRun]:
    """Real Metaflow's runs of the flows that must fail."""
    folder = tmp_path_factory.mktemp("refused")
    texts = {str(cells): flow_text(cells, folder) for _, _, cells in PROVEN}
    return run_many_in_metaflow(texts, folder)


@pytest.fixture(scope="session")
def accepted(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> dict[str, MetaflowRun]:
    """Real Metaflow's runs of the flows that are only warned of; pytest's cache spares those that did not change."""
    folder = tmp_path_factory.mktemp("said")
    texts = {str(cells): export_flow(notebook_session(cells, folder)) for _, cells in SAID}
    cache = pytestconfig.cache
    return run_many_in_metaflow(texts, Path(cache.mkdir("metaflow_runs")) if cache is not None else folder)


@pytest.mark.parametrize(("code", "says", "cells"), PROVEN, ids=lambda value: repr(value)[:50])
@pytest.mark.xdist_group("metaflow")
def test_an_error_is_proven(
    code: str, says: str, cells: tuple[str, ...], tmp_path: Path, refused: dict[str, MetaflowRun]
) -> None:
    """What a check refuses really fails on Metaflow, and for the reason that it was refused for."""
    found = errors_of(notebook_session(cells, tmp_path).checks.find())
    assert code in [one.code for one in found]
    run = refused[str(cells)]
    assert (run.return_code not in (0, None), says in run.output) == (True, True), run.output[-1500:]


@pytest.mark.parametrize(("code", "cells"), UNWRITTEN, ids=lambda value: repr(value)[:50])
def test_what_no_file_can_hold_is_refused(code: str, cells: tuple[str, ...], tmp_path: Path) -> None:
    """Cells that contradict each other are refused, for whatever flow.py held would leave something of them out."""
    assert code in [one.code for one in errors_of(notebook_session(cells, tmp_path).checks.find())]


@pytest.mark.parametrize(("code", "cells"), SAID, ids=lambda value: repr(value)[:50])
@pytest.mark.xdist_group("metaflow")
def test_a_warning_blocks_nothing(
    code: str, cells: tuple[str, ...], tmp_path: Path, accepted: dict[str, MetaflowRun]
) -> None:
    """What is only warned of runs on Metaflow and here, with the same artifacts."""
    session = notebook_session(cells, tmp_path)
    shown: list[str] = []
    session.checks.warn = lambda diagnostic: shown.append(diagnostic.code)
    found = session.checks.find()
    assert (errors_of(found), code in [one.code for one in warnings_of(found)]) == ((), True)
    outcome = run_flow(session, RunOptions())
    assert [one.code for one in found] == shown
    steps = [step.name for step in session.flow.steps]
    ours = tasks_of(Run(outcome.pathspec, datastore=session.datastore), steps)
    theirs = {name: tasks for name, tasks in accepted[str(cells)].tasks().items() if name in steps}
    assert differences(ours, theirs) == []


def test_every_code_is_shown_here() -> None:
    """Each check has a flow that fails by its error, and one that runs in spite of its warning, where it has them."""
    assert {code for code, *_ in (*PROVEN, *UNWRITTEN)} == set(CHECKS) - NEVER_ERRORS
    assert {code for code, _ in SAID} == set(CHECKS) - NEVER_WARNINGS - {"FN026"}
