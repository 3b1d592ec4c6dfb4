"""Logs of a flow whose state is in S3."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flownb.cells.cell import read_cell
from flownb.cli.main import main
from flownb.session.logs import parse_logs, step_log
from flownb.session.options import parse_run
from flownb.session.run import begin_run, run_flow
from flownb.session.session import Session
from flownb.session.step import run_step
from flownb.store.garbage import remove_run

CELLS = (
    "%%flow F",
    "%%step load -> xs\nxs = [1, 2, 3]\nprint('loaded')",
    "%%step train --foreach xs\nprint('got', self.input)",
    "%%step pick --join\nimport time\nfrom pathlib import Path\nprint('last')\n"
    "while Path('wait').exists():\n    time.sleep(0.01)",
)


@pytest.fixture
def session(s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Session:
    """A session on those cells with its datastore in the bucket."""
    monkeypatch.setenv("FLOWNB_DATASTORE", s3_url)
    monkeypatch.chdir(tmp_path)
    session = Session(folder=tmp_path)
    session.open(read_cell(source, number=number) for number, source in enumerate(CELLS, 1))
    return session


def texts(session: Session, words: str) -> list[str]:
    """What ``%flow logs`` shows."""
    return [piece.text for task in step_log(session, parse_logs(words.split())).tasks for piece in task.pieces]


def test_logs_are_kept_in_a_bucket(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """Step cells and runs leave their logs in the bucket, whole once they have ended; they go with their run."""
    run_step(session, "load")
    run_flow(session, parse_run([]))
    assert texts(session, "load --from 1") == ["loaded\n"]
    assert texts(session, "train --from 2") == ["got 1\n", "got 2\n", "got 3\n"]
    capsys.readouterr()
    assert main(["logs", "F/2/train/4"]) == 0
    assert capsys.readouterr().out == "got 2\n"
    assert remove_run(session.datastore, "F", "2", force=True).bytes > 0
    assert session.datastore.logs.attempts("F", "2") == []


def test_a_run_in_a_bucket_is_followed(session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another process sees what a task wrote while it runs: objects are written again now and then."""
    monkeypatch.setattr("flownb.store.s3.storage.REWRITTEN", 0.0)
    (tmp_path / "wait").touch()
    run = begin_run(session, parse_run([]))
    run.start()
    command = [sys.executable, "-m", "flownb.cli.main", "logs", run.pathspec, "--follow"]
    environment = {**os.environ, "FLOWNB_CACHE_SIZE": "0"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as reader:
        assert reader.stdout is not None
        lines = iter(reader.stdout.readline, "")
        assert "[pick/6] last\n" in lines
        assert run.running
        (tmp_path / "wait").unlink()
        assert list(lines) == []
    assert reader.returncode == 0
    run.join(60)
