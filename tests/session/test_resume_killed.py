"""A run whose process is killed is resumed from what it recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flownb.client import Run
from flownb.store.datastore import Datastore

CELLS = (
    "%%flow F",
    "%%step load -> xs\nxs = [1, 2, 3]",
    "%%step train --foreach xs -> m, process\nimport os\nm, process = self.input * 2, os.getpid()\n"
    "if self.input == 3 and os.path.exists('reached'):\n    with open('reached', 'w') as file:\n"
    "        file.write('3')\n    open('never').read()",
    "%%step pick --join -> best\nbest = [i.m for i in inputs]",
)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_from_outside(
    write_notebook: Callable[..., Path], tmp_path: Path, number: signal.Signals
) -> None:
    """Tasks that were recorded are cloned, the one that ran is run again, and the result is right."""
    write_notebook(*CELLS)
    for name in ("reached", "never"):
        os.mkfifo(tmp_path / name)
    command = [sys.executable, "-m", "flownb.cli.main"]
    begun = subprocess.Popen(
        [*command, "run", "nb.ipynb", "--max-workers", "1"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert (tmp_path / "reached").read_text() == "3"  # returns when the third task is there
    begun.send_signal(number)
    assert begun.wait() != 0
    (tmp_path / "reached").unlink()
    done = subprocess.run([*command, "resume", "nb.ipynb"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)
    assert [line for line in done.stdout.split("\n") if line.startswith(("  load", "  pick"))] == [
        "  load: cloned",
        "  pick: ran, had not run",
    ]
    assert "  train: 1 of 3 tasks ran: " in done.stdout
    store = Datastore(tmp_path / ".flownb")
    run = Run("F/2", datastore=store)
    assert run.data.best == [2, 4, 6]  # type: ignore[union-attr]  # it has ended
    before = {
        task.foreach[-1].index: task.artifacts["process"]
        for task in store.tasks.last_attempts("F", "1", "train")
        if task.captured
    }
    after = {task.foreach[-1].index: task.artifacts["process"] for task in store.tasks.last_attempts("F", "2", "train")}
    assert [before.get(index) == after[index] for index in range(3)] == [True, True, False]
