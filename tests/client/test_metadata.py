"""Where the client reads from, in a step and outside of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from flownb.client import Run, get_metadata
from flownb.session.options import RunOptions, parse_spin
from flownb.session.run import run_flow
from flownb.session.spin import spin_step
from flownb.session.step import run_step
from tests.conftest import MakeSession

READ = (
    "import os\nfrom metaflow import Flow, Run, Step, Task, get_metadata\n"
    "os.chdir('/')\nplace = get_metadata()\n"
    "x = [Flow('OtherFlow').latest_successful_run.data.x, Run('OtherFlow/1').data.x]\n"
    "x += [Step('OtherFlow/1/start').task.data.x, Task('OtherFlow/1/start/1').data.x]\n"
)


def test_steps_read_the_notebooks_datastore(make_session: MakeSession, tmp_path: Path) -> None:
    """In a run, a step cell and a spin, from whatever folder, the client's names read the notebook's datastore."""
    run_flow(make_session("%%flow OtherFlow", "%%step start -> x\nx = 1"), RunOptions())
    expected = {"x": [1, 1, 1, 1], "place": f"flownb@{tmp_path / '.flownb'}"}
    session = make_session("%%flow ReadingFlow", f"%%step start -> x, place\n{READ}")
    data = Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore).data
    assert data is not None
    assert {"x": data.x, "place": data.place} == expected
    assert run_step(session, "start").values == expected
    assert spin_step(session, parse_spin(["start"])).values == expected
    assert spin_step(session, parse_spin(["start", "--persist"])).values == expected


def test_outside_of_a_step_the_folder_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Elsewhere it is .flownb in the current folder, or what FLOWNB_DATASTORE names."""
    monkeypatch.chdir(tmp_path)
    assert get_metadata() == f"flownb@{tmp_path / '.flownb'}"
    monkeypatch.setenv("FLOWNB_DATASTORE", str(tmp_path / "other"))
    assert get_metadata() == f"flownb@{tmp_path / 'other'}"
