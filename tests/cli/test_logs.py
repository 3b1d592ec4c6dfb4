"""``flownb logs``: of what ran, and of what runs in another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flownb.cli.main import main

CELLS = (
    "%%flow F",
    "%%step load -> xs\nxs = [1, 2]\nprint('loading')",
    "%%step train --foreach xs -> m\nimport sys\nm = self.input\nprint('got', m)\nprint('oh', m, file=sys.stderr)",
    "%%step pick --join\nfrom IPython.display import display\nprint('9%\\r99%')\ndisplay([1])\n"
    "print('open', end='', flush=True)\n1 / 0",
)
WAITING = (
    "%%flow F",
    "%%step wait\nimport os, time\nprint('one', flush=True)\nwhile not os.path.exists('go'):\n    time.sleep(0.01)\n"
    "print('two')",
    "%%step last",
)


@pytest.fixture
def here(write_notebook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a notebook whose flow ran and failed in its last step."""
    write_notebook(*CELLS)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "nb.ipynb"]) == 1
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """What a command prints."""
    capsys.readouterr()
    assert main(list(words)) == 0
    return capsys.readouterr().out.splitlines()


def test_logs_of_a_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every line of a run has its task before it; a failed task ends in its traceback; displays are their text."""
    lines = said(capsys, "logs", "F/1")
    assert lines[0] == "[load/2] loading"
    assert set(lines[1:5]) == {"[train/3] got 1", "[train/3] oh 1", "[train/4] got 2", "[train/4] oh 2"}
    assert lines[5:7] == ["[pick/5] 99%", "[pick/5] [1]"]
    assert lines[-2:] == ["[pick/5] ZeroDivisionError: division by zero", "[pick/5] open"]  # whose line had no end


def test_logs_of_a_step_and_a_stream(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A step's tasks are labelled too; one stream can be asked for."""
    assert sorted(said(capsys, "logs", "F/1/train", "--stdout")) == ["[train/3] got 1", "[train/4] got 2"]
    assert sorted(said(capsys, "logs", "F/1/train", "--stderr")) == ["[train/3] oh 1", "[train/4] oh 2"]
    assert said(capsys, "logs", "F/1/start") == []


def test_logs_of_a_task_are_as_they_were_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One task's text is printed as it was written, also with --follow and the number of its attempt."""
    for more in ([], ["--follow"], ["--attempt", "0"]):
        assert said(capsys, "logs", "F/1/train/3", "--stdout", *more) == ["got 1"]
        assert set(said(capsys, "logs", "F/1/train/3", *more)) == {"got 1", "oh 1"}
        lines = said(capsys, "logs", "F/1/pick/5", *more)
        assert lines[:3] == ["9%", "99%", "[1]"]
        assert lines[-1] == "ZeroDivisionError: division by zero"


def test_places_that_are_not_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong place is an error that says what there is."""
    for place, status, text in (
        ("F", 2, "does not name a run"),
        ("F/1/train/3/0", 2, "does not name a run"),
        ("F/2", 1, "Run F/2 does not exist."),
        ("G/1", 1, "Run G/1 does not exist."),
        ("F/1/trian", 1, "Did you mean `train`?"),
        ("F/1/train/9", 1, "The tasks of that step that ended are: 3, 4."),
        ("F/../1", 1, "is not the name of a flow, run, step or task"),
    ):
        capsys.readouterr()
        assert main(["logs", place]) == status
        assert text in capsys.readouterr().err
    assert main(["logs", "F/1/train/3", "--attempt", "4"]) == 1
    assert "Task F/1/train/3 has no attempt 4." in capsys.readouterr().err


def test_whoever_reads_along_may_leave(here: Path) -> None:
    """A pipe that is closed early is not an error."""
    command = [sys.executable, "-m", "flownb.cli.main", "logs", "F/1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait(60)) == (b"", 0)
    process.stderr.close()


@pytest.fixture
def running(
    write_notebook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[subprocess.Popen[str]]:
    """A run in another process, whose step has written a line and waits for a file."""
    write_notebook(*WAITING)
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "flownb.cli.main", "run", "nb.ipynb"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        assert "[wait] one\n" in iter(process.stdout.readline, "")
        try:
            yield process
        finally:
            Path("go").touch()
            process.communicate(timeout=60)


def follow(place: str) -> subprocess.Popen[str]:
    """Follow the logs of a place."""
    command = [sys.executable, "-m", "flownb.cli.main", "logs", place, "--follow"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("place", ["F/1", "F/1/wait", "F/1/wait/2", "F/1/end"])
def test_a_running_run_is_followed_to_its_end(running: subprocess.Popen[str], place: str) -> None:
    """What a run in another process writes is printed while it runs, and following ends with it."""
    label = "" if place.endswith("2") else "[wait/2] "
    reader = follow(place)
    assert reader.stdout is not None
    if not place.endswith("end"):
        assert reader.stdout.readline() == f"{label}one\n"
    assert reader.poll() is None
    Path("go").touch()
    rest, _ = reader.communicate(timeout=60)
    assert (rest, reader.returncode) == ("" if place.endswith("end") else f"{label}two\n", 0)


def test_following_ends_when_the_process_died(running: subprocess.Popen[str]) -> None:
    """A killed run is no longer followed; what it wrote until then is there."""
    reader = follow("F/1")
    assert reader.stdout is not None
    assert reader.stdout.readline() == "[wait/2] one\n"
    os.kill(running.pid, signal.SIGKILL)
    rest, _ = reader.communicate(timeout=60)
    assert (rest, reader.returncode) == ("", 0)
