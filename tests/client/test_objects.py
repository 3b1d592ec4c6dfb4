"""The read-only client."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from flownb.cells.notebook import read_notebook
from flownb.client import DataArtifact, Flow, Run, Step, Task
from flownb.errors import ArtifactNotFound, InvalidPathspec, NotFound, StepFailed
from flownb.session.options import RunOptions, parse_run
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.step import run_step
from flownb.store.datastore import Datastore
from flownb.store.garbage import collect
from flownb.store.records import RunRecord, TaskRecord
from tests.conftest import MakeSession

CELLS = (
    '%%flow F\nalpha = Parameter("alpha", default=2)',
    "%%step load -> xs\nxs = [1, 2]",
    "%%step train --foreach xs -> m\nm = self.input * alpha",
    "%%step pick --join -> best\nbest = max(task.m for task in inputs)",
)


@pytest.fixture
def session(make_session: MakeSession) -> Session:
    """Two runs, the second of which failed, and a working run."""
    session = make_session(*CELLS)
    run_flow(session, parse_run("--tag good".split()))
    with pytest.raises(StepFailed):
        run_flow(make_session(CELLS[0], "%%step load -> x\nx = 1 / 0"), parse_run([]))
    run_step(session, "load")
    return session


def test_flow_lists_runs_newest_first(session: Session) -> None:
    """Runs of the whole flow are iterated from new to old; working runs are separate."""
    flow = Flow("F", datastore=session.datastore)
    assert [run.id for run in flow] == ["2", "1"]
    assert [run.id for run in flow.working_runs()] == ["3"]
    assert flow.latest_run is not None
    assert flow.latest_successful_run is not None
    assert (flow.latest_run.id, flow.latest_successful_run.id) == ("2", "1")
    assert [run.id for run in flow.runs("good")] == ["1"]


def test_a_run_knows_how_it_ended(session: Session) -> None:
    """Finished, successful, times and the data of its last step."""
    good, bad = Run("F/1", datastore=session.datastore), Run("F/2", datastore=session.datastore)
    assert ((good.finished, good.successful), (bad.finished, bad.successful)) == ((True, True), (False, False))
    assert good.finished_at is not None
    assert datetime(2020, 1, 1) < good.created_at <= good.finished_at
    assert good.data is not None
    assert good.data.best == 4
    assert bad.data is None
    assert [step.id for step in good] == ["end", "pick", "train", "load", "start"]


def test_tasks_have_artifacts(session: Session) -> None:
    """A task gives its artifacts by name, as attributes of data, and inherited ones too."""
    tasks = sorted(Step("F/1/train", datastore=session.datastore), key=lambda task: task.index or 0)
    assert [task["m"].data for task in tasks] == [2, 4]
    assert [artifact.id for artifact in tasks[0]] == ["alpha", "m", "xs"]
    assert tasks[0].data.xs == [1, 2]
    assert "m" in tasks[0]
    assert (tasks[0].successful, tasks[0].finished, tasks[0].exception) == (True, True, None)
    artifact = tasks[0]["m"]
    assert isinstance(artifact, DataArtifact)
    assert artifact.size > 0
    assert len(artifact.sha) == 64


def test_a_failed_task_keeps_its_exception(session: Session) -> None:
    """The traceback has the user's lines."""
    task = Step("F/2/load", datastore=session.datastore).task
    assert task is not None
    assert not task.successful
    assert task.exception is not None
    assert "x = 1 / 0" in str(task.exception)
    assert (task.exception.type, task.exception.exception) == ("builtins.ZeroDivisionError", "division by zero")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda store: Flow("G", datastore=store), "Flow `G` has no runs in"),
        (lambda store: Run("F/9", datastore=store), "Run F/9 does not exist."),
        (lambda store: Run("F", datastore=store), "`F` has 1 parts."),
        (lambda store: Step("F/1/trian", datastore=store), "Run F/1 has no step `trian`. Did you mean `train`?"),
        (lambda store: Task("F/1/train/99", datastore=store), "There is no finished task F/1/train/99."),
        (lambda store: Run("../1", datastore=store), "`..` is not the name of a flow, run, step or task."),
    ],
)
def test_what_is_not_there(session: Session, read: object, message: str) -> None:
    """A name that does not exist is refused with what does."""
    assert callable(read)
    with pytest.raises((NotFound, InvalidPathspec)) as caught:
        read(session.datastore)
    assert str(caught.value).startswith(message)


def test_an_artifact_that_is_not_there(session: Session) -> None:
    """Asking for a missing artifact names the nearest one and all there are."""
    task = Step("F/1/pick", datastore=session.datastore).task
    assert task is not None
    with pytest.raises(ArtifactNotFound) as caught:
        task["bset"]
    assert str(caught.value).startswith("Task F/1/pick/5 has no artifact `bset`. Did you mean `best`? It has `alpha`")
    assert not hasattr(task.data, "bset")


def test_the_store_of_the_environment(session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a datastore given, FLOWNB_DATASTORE names it."""
    monkeypatch.setenv("FLOWNB_DATASTORE", str(tmp_path / ".flownb"))
    assert Run("F/1").successful


def test_a_run_knows_what_it_was_made_by(write_notebook: Callable[..., Path], tmp_path: Path) -> None:
    """Python, host, user and command of a run; every code cell of its notebook, scratch cells too."""
    scratch, step = "print('free play')", "%%step load -> xs\nimport numpy\nxs = [1, 2]"
    path = write_notebook(scratch, CELLS[0], step, name="made.ipynb")
    session = Session(path)
    session.open(read_notebook(path).cells)
    outcome = run_flow(session, parse_run("--tag good".split()))
    run = Run(outcome.pathspec, datastore=session.datastore)
    assert [(cell["kind"], cell["source"]) for cell in run.cells] == [
        ("scratch", scratch),
        ("flow", CELLS[0]),
        ("step", step),
    ]
    assert (run.user, run.status, run.origin_run_id) == ("tester", "done", None)
    assert (run.environment["python"], run.environment["host"]) == (platform.python_version(), socket.gethostname())
    task = run["load"].task
    assert task is not None
    assert [(cell["kind"], cell["name"]) for cell in task.cells] == [("flow", "F"), ("step", "load")]
    info = task.environment_info
    assert {name: value for name, value in info.items() if name != "distributions"} == run.environment
    assert info["distributions"]["numpy"] == importlib.metadata.version("numpy")
    assert (task.current_attempt, task.runtime_name, task.origin_pathspec) == (0, "dev", None)
    assert task.metadata_dict == {
        "attempt": "0",
        "attempt-done": "0",
        "attempt_ok": "True",
        "ds-root": str(tmp_path / ".flownb"),
        "ds-type": "local",
        "origin-run-id": "None",
        "python_version": platform.python_version(),
        "runtime": "dev",
        "script-name": "made.ipynb",
        "user": "tester",
    }


def test_what_a_run_was_made_by_is_not_cleared_up(session: Session) -> None:
    """The notebook's cells and what tasks had imported stay as long as their run."""
    collect(session.datastore)
    fresh = Datastore(session.datastore.location)
    run = Run("F/1", datastore=fresh)
    assert [cell["source"].partition("\n")[0] for cell in run.cells] == [cell.partition("\n")[0] for cell in CELLS]
    task = run["train"].task
    assert task is not None
    assert "flownb" in task.environment_info["distributions"]


def test_records_of_earlier_versions_say_less(tmp_path: Path) -> None:
    """Without environment, cells and distributions, nothing is made up."""
    store = Datastore(tmp_path)
    store.runs.new_run(RunRecord("F", "", "run"))
    store.tasks.write_task(TaskRecord("F", "1", "a", "1", 0, "done"))
    run = Run("F/1", datastore=store)
    assert (run.environment, run.cells, run.user) == ({}, [], "")
    task = run["a"].task
    assert task is not None
    assert (task.cells, task.environment_info) == ([], {"distributions": {}})


def test_each_run_has_the_classes_it_was_made_with(make_session: MakeSession, tmp_path: Path) -> None:
    """Values of runs before and after a shared class was edited behave as they did then, in whatever order read."""
    for said in ("old", "new"):
        session = make_session(
            "%%flow F\nalpha = Parameter('alpha', default=1)",
            f"%%shared\nclass Question:\n    def answer(self):\n        return '{said}'",
            "%%step load -> q, n\nq = Question()\nn = 1",
        )
        run_flow(session, RunOptions())
    code = """
        import sys
        from flownb import Run
        for run in sys.argv[1:]:
            data = Run(f"F/{run}")["load"].task.data
            print(run, data.q.answer(), data.n)
    """
    for order in (["1", "2", "1"], ["2", "1", "2"]):
        command = [sys.executable, "-c", textwrap.dedent(code), *order]
        environment = {**os.environ, "FLOWNB_DATASTORE": str(tmp_path / ".flownb")}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        said_by = {"1": "old", "2": "new"}
        assert done.stdout.splitlines() == [f"{run} {said_by[run]} 1" for run in order]
    # Also where the notebook is open.
    assert Run("F/1", datastore=session.datastore)["load"].task.data.q.answer() == "old"  # type: ignore[union-attr]
    assert Run("F/2", datastore=session.datastore)["load"].task.data.q.answer() == "new"  # type: ignore[union-attr]
