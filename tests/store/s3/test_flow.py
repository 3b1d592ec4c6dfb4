"""A whole flow whose state is in S3."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from flownb.cells.cell import read_cell
from flownb.client import Flow
from flownb.session.options import RunOptions
from flownb.session.session import Session
from flownb.session.step_options import parse_spin

CELLS = (
    "%%flow F",
    "%%shared\nimport numpy as np\n\nclass Model:\n    def __init__(self, weights):\n        self.weights = weights",
    "%%step load -> xs, big\nxs = list(range(20))\nbig = np.arange(3_000_000.0)",
    "%%step train --foreach xs -> model\nmodel = Model(big[self.input] + self.input)",
    "%%step pick --join -> best, big\nbest = max(task.model.weights for task in inputs)\n"
    "big = inputs[0].big\nbig[0] = 7",
)


@pytest.fixture
def session(s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Session:
    """A session on those cells with its datastore in the bucket."""
    monkeypatch.setenv("FLOWNB_DATASTORE", s3_url)
    session = Session(folder=tmp_path)
    session.open(read_cell(source, number=number) for number, source in enumerate(CELLS, 1))
    return session


def test_a_flow_runs_and_is_read_elsewhere(session: Session) -> None:
    """A run in S3 gives what it gives in a folder; another process without any cache reads it through the client."""
    assert 24 == session.run(RunOptions()).tasks
    code = """
        from flownb import Flow
        run = Flow("F").latest_successful_run
        pick = run["pick"].task.data
        print(run.pathspec, pick.best, pick.big[0], run["load"].task.data.big[0])
        print(sorted(task.data.model.weights for task in run["train"])[-1])
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    environment = {**os.environ, "FLOWNB_CACHE_SIZE": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert "F/1 38.0 7.0 0.0\n38.0\n" == done.stdout


def test_cells_and_spins(session: Session, tmp_path: Path) -> None:
    """Step cells, spins and kept spins work as in a folder, and nothing is written beside the notebook."""
    for step in ("load", "train", "pick"):
        session.run_step(step)
    assert 38.0 == session.spin(parse_spin(["pick"])).values["best"]
    kept = session.spin(parse_spin(["train", "--index", "3", "--persist"]))
    assert kept.task is not None
    assert 6.0 == kept.task.data.model.weights
    assert {"fresh"} == {one.state for one in session.freshness().values()}
    (work,) = Flow("F", datastore=session.datastore).working_runs()
    assert 20 == len(list(work["train"]))
    assert [] == [path for path in tmp_path.iterdir() if path.name.startswith(".flownb")]
