"""A whole flow whose state is in S3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from flownb.cells.cell import read_cell
from flownb.cells.notebook import read_notebook
from flownb.client import Flow
from flownb.session.options import RunOptions, parse_spin
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.states import step_states
from flownb.session.step import run_step

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
    assert run_flow(session, RunOptions()).tasks == 24
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
    assert done.stdout == "F/1 38.0 7.0 0.0\n38.0\n"


def test_cells_and_spins(session: Session, tmp_path: Path) -> None:
    """Step cells, spins and kept spins work as in a folder, and nothing is written beside the notebook."""
    for step in ("load", "train", "pick"):
        run_step(session, step)
    assert spin_step(session, parse_spin(["pick"])).values["best"] == 38.0
    kept = spin_step(session, parse_spin(["train", "--index", "3", "--persist"]))
    assert kept.task is not None
    assert kept.task.data.model.weights == 6.0
    assert {one.state for one in step_states(session).values()} == {"fresh"}
    (work,) = Flow("F", datastore=session.datastore).working_runs()
    assert len(list(work["train"])) == 20
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".flownb")] == []


def test_notebooks_and_users_of_one_bucket_are_kept_apart(
    s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Checkouts of one notebook, with and without an id, by one user and by two: each reads its own results alone."""
    monkeypatch.setenv("FLOWNB_DATASTORE", s3_url)

    def opened(place: str, user: str, x: int, notebook_id: str) -> Session:
        monkeypatch.setenv("METAFLOW_USER", user)
        path = tmp_path / place / "n.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = [
            {"cell_type": "code", "id": f"c{number}", "metadata": {}, "outputs": [], "source": source}
            for number, source in enumerate(("%%flow F", f"%%step load -> x\nx = {x}", "%%step add -> y\ny = x + 1"))
        ]
        metadata = {"flownb": {"id": notebook_id}} if notebook_id else {}
        text = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
        path.write_text(json.dumps(text), encoding="utf-8")
        session = Session(path)
        session.open(read_notebook(path).cells)
        return session

    who = [
        (f"{notebook_id or 'none'}/{place}", user, notebook_id)
        for notebook_id in ("", "4a1f")
        for place in ("a", "b")
        for user in ("ada", "bob")
    ]
    for x, (place, user, notebook_id) in enumerate(who):
        assert step_states(opened(place, user, x, notebook_id))["load"].state == "never"
        run_step(opened(place, user, x, notebook_id), "load")
        run_flow(opened(place, user, x, notebook_id), RunOptions(executor="inline"))
    found = [
        spin_step(opened(place, user, x, named), parse_spin(["add"])) for x, (place, user, named) in enumerate(who)
    ]
    assert [one.values["y"] for one in found] == [x + 1 for x in range(len(who))]
