"""The client: what it says of one flow's runs here and what Metaflow's own says of them there."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flownb.client import DataArtifact, Flow, Run, Step, Task
from flownb.errors import StepFailed
from flownb.session.export import export_flow
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from tests.fidelity.metaflow_peer import run_in_metaflow
from tests.fidelity.notebook_side import notebook_session

CELLS = (
    "%%flow ClientFlow\nn = Parameter('n', default=3)",
    "%%step first -> xs\nfrom metaflow import Task, current\nxs = [0, 1, 2]\ntask = Task(current.pathspec)\n"
    "self.own = [task.id == current.task_id, task.finished, task.successful, [*task.artifacts], task.index]",
    "%%step each --foreach xs -> y\n@catch(var='e', print_exception=False)\nself.before = self.input\n"
    "y = 6 // self.input",
    "%%step gather --join -> ys\nys = [i.y if i.e is None else None for i in inputs]\nself.own = inputs[0].own",
    "%%step left --after gather\nprint('a')\nprint('b', end='')",
    "%%step right --after gather\npass",
    "%%step both --after left,right --join -> ys\nys = inputs.left.ys\nself.own = inputs.left.own",
)
FAILING = (*CELLS[:1], "%%step first -> x\nx = 1\nraise ValueError('no')", "%%step last")
# One text for both clients: it is given a flow and says all in plain values, without ids and times.
LOOK = r'''
def kind(read):
    """What reading something gives: a value, or the names of what it raises."""
    try:
        return read()
    except Exception as error:
        known = {"KeyError", "AttributeError", "MetaflowNotFound", "MetaflowInvalidPathspec"}
        return sorted(known & {one.__name__ for one in type(error).__mro__})


def short(pathspec):
    return pathspec.split("/")[2]


def ids(things):
    return sorted(one.id for one in things)


def moments(thing):
    return [type(one).__name__ + str(getattr(one, "tzinfo", "")) for one in (thing.created_at, thing.finished_at)]


def of_task(task):
    artifacts = task.artifacts
    return {
        "ends": [task.finished, task.successful, moments(task), task.current_attempt, task.index],
        "artifacts": sorted(set(artifacts._fields) - {"name"}),
        "as tuple": sorted({one.id for one in artifacts} - {"name"}) == sorted({one.id for one in task} - {"name"}),
        "data": {one.id: one.data for one in task if one.id not in ("name", "e")},
        "caught": str(task.data.e.type) if "e" in task.data and task.data.e is not None else None,
        "hidden": ["_catch_exception" in task, "_catch_exception" in dir(task.data), "_catch_exception" in task.data],
        "exception": task.exception and [task.exception.type, task.exception.exception],
        "parents": sorted(short(one) for one in task.parent_task_pathspecs),
        "children": sorted(short(one) for one in task.child_task_pathspecs),
        "missing": ["KeyError" in kind(lambda: task["nope"]), "AttributeError" in kind(lambda: task.data.nope)],
        "metadata": [task.metadata_dict[name] for name in ("attempt", "attempt_ok", "attempt-done")],
        "events": {one.name for one in task.metadata} >= {"attempt", "attempt_ok"},
        "path": [type(task.path_components).__name__, task.path_components == task.pathspec.split("/")],
    }


def of_run(run):
    tasks = {}
    for step in run:
        for task in step:
            key = step.id if task.index is None else f"{step.id}[{task.index}]"
            tasks[key] = of_task(task)
    steps = {
        step.id: [ids(step.parent_steps), ids(step.child_steps), moments(step)]
        for step in run if step.id != "first" or run.successful
    }
    return {
        "ends": [run.finished, run.successful, moments(run)],
        "steps": [step.id for step in run if step.id not in ("left", "right")],
        "of steps": steps,
        "tasks": tasks,
        "data": run.data and {"ys": run.data.ys, "has": ["ys" in run.data, "nope" in run.data]},
        "end": run.end_task and [run.end_task.finished, [one.successful for one in run.end_task.parent_tasks]],
        "missing": [kind(lambda: run["nope"]), "nope" in run, "first" in run, kind(lambda: run["first"]["99"])],
    }


def look(Flow, Run, Step, Task, DataArtifact, start):
    flow = Flow("ClientFlow")
    run = flow.latest_run
    found = of_run(run)
    task = run["first"].task
    found["classes"] = [
        *[type(one).__name__ for one in (Run(run.pathspec), Step(run["first"].pathspec), Task(task.pathspec))],
        sorted(DataArtifact(f"{task.pathspec}/{name}").id for name in ("xs", "x") if name in task),
    ]
    found["missing flow"] = [
        kind(read) for read in (lambda: flow["0"], lambda: Flow("NoSuchFlow"), lambda: Run("ClientFlow/0"))
    ]
    found["paths"] = [
        kind(read) for read in (lambda: Run("ClientFlow"), lambda: Task("ClientFlow/1"), lambda: Flow("A/B"))
    ]
    found["now"] = abs(run.created_at.timestamp() - start) < 600  # a time of another zone is hours away
    if "left" in run:
        lines = list(run["left"].task.loglines("stdout"))
        found["lines"] = [line for _, line in lines]
        found["zone"] = [at.tzinfo for at, _ in lines]
    return found
'''
THEIRS = """
import json, sys
from metaflow import DataArtifact, Flow, Run, Step, Task, namespace
namespace(None)
print(json.dumps(look(Flow, Run, Step, Task, DataArtifact, float(sys.argv[1]))))
"""


@pytest.fixture(autouse=True)
def _far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let local times differ from UTC."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("cells", [CELLS, FAILING], ids=["went well", "failed"])
def test_the_client_says_the_same(cells: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every public attribute of runs, steps, tasks and artifacts has the value and type that Metaflow's has."""
    session = notebook_session(cells, tmp_path / "here")
    there = tmp_path / "there"
    ending = pytest.raises(StepFailed) if cells is FAILING else contextlib.nullcontext()
    with ending:
        run_flow(session, RunOptions())
    start = time.time()
    ending = pytest.raises(AssertionError, match="failed") if cells is FAILING else contextlib.nullcontext()
    with ending:
        run_in_metaflow(export_flow(session), there)
    (there / "look.py").write_text(f"{LOOK}\n{THEIRS}", "utf-8")
    environment = {**os.environ, "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(there)}
    environment |= {"METAFLOW_DEFAULT_DATASTORE": "local", "METAFLOW_DEFAULT_METADATA": "local"}
    done = subprocess.run(
        [sys.executable, "look.py", str(start)], cwd=there, env=environment, capture_output=True, text=True
    )
    assert done.stderr == ""
    theirs = json.loads(done.stdout)
    monkeypatch.setenv("FLOWNB_DATASTORE", session.datastore.location)
    names: dict[str, Any] = {}
    exec(LOOK, names)  # the very text that looked there
    ours = names["look"](Flow, Run, Step, Task, DataArtifact, start)
    assert json.loads(json.dumps(ours)) == theirs
