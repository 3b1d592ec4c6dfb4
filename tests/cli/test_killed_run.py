"""A process that is killed while it runs a flow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flownb.client import Flow, Run
from flownb.store.datastore import Datastore

CELLS = (
    "%%flow F",
    "%%step first -> x\nx = 1",
    "%%step wait -> y\nimport os, time\nprint('waiting', flush=True)\n"
    "while not os.path.exists('go'):\n    time.sleep(0.01)\ny = x",
)


def test_a_killed_run_shows_as_failed(
    write_notebook: Callable[..., Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """For the client and `flownb runs`, at once, though nobody could write that it ended; what was done is there."""
    write_notebook(*CELLS)
    request.addfinalizer((tmp_path / "go").touch)  # the step's own process waits for it
    command = [sys.executable, "-m", "flownb.cli.main"]
    with subprocess.Popen([*command, "run", "nb.ipynb"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("waiting" in line for line in process.stdout)
        store = Datastore(tmp_path / ".flownb")
        run = Run("F/1", datastore=store)
        assert (run.status, run.finished) == ("running", False)
        process.kill()
        process.wait(120)
        assert (run.status, run.finished, run.successful, run.finished_at) == ("failed", False, False, None)
        assert [one.id for one in Flow("F", datastore=store).runs(status="failed")] == ["1"]
        listed = subprocess.run([*command, "runs", "F"], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert [listed.stdout.split()[place] for place in (0, 1, 4)] == ["F/1", "failed", "died"]
    assert store.runs.run_end("F", "1") is None
    assert run["first"].task.data.x == 1  # type: ignore[union-attr]  # there is one
