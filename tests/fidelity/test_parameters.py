"""Parameters, configs and included files: a run here and the exported flow on real Metaflow agree, or both refuse."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

from flownb.client import Run
from flownb.errors import CheckFailed, ParameterError
from flownb.session.export import export_flow
from flownb.session.options import parse_run
from flownb.session.run import run_flow
from flownb.session.step import run_step
from tests.fidelity.metaflow_peer import MetaflowRun, Tasks
from tests.fidelity.notebook_side import differences, notebook_session, tasks_of
from tests.fidelity.parameter_cases import EQUAL, FILES, REFUSED, ParameterCase


@pytest.mark.parametrize("case", EQUAL, ids=lambda case: case.name)
@pytest.mark.xdist_group("metaflow")
def test_equal_to_metaflow(case: ParameterCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run here and a run of the exported file on Metaflow, started alike, leave the same artifacts."""
    here = _folder(tmp_path / "here", monkeypatch, case)
    session = notebook_session(case.cells, here)
    assert session.checks.find() == ()
    with ThreadPoolExecutor(1) as pool:
        on_metaflow = pool.submit(_run_on_metaflow, case, export_flow(session), tmp_path / "there")
        outcome = run_flow(session, parse_run([*case.configs, *case.parameters]))
        theirs = on_metaflow.result()
    steps = [step.name for step in session.flow.steps]
    ours = tasks_of(Run(outcome.pathspec, datastore=session.datastore), steps)
    assert differences(ours, {name: theirs[name] for name in steps}) == []


@pytest.mark.parametrize("case", EQUAL[:1] + EQUAL[-2:], ids=lambda case: case.name)
def test_cell_by_cell_is_the_same(case: ParameterCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Executing step cells one after another leaves what a run with the same configs leaves."""
    values = dict(zip(case.configs[1::3], case.configs[2::3], strict=True))
    here = _folder(tmp_path, monkeypatch, case)
    monkeypatch.setenv("METAFLOW_FLOW_CONFIG_VALUE", json.dumps(values))
    session = notebook_session(case.cells, here)
    outcome = run_flow(session, parse_run(list(case.configs)))
    whole = tasks_of(Run(outcome.pathspec, datastore=session.datastore), [s.name for s in session.flow.steps])
    for step in session.flow.steps:
        run_step(session, step.name)
    working = Run(f"{session.flow.name}/{session.working.run(session.flow.name)}", datastore=session.datastore)
    assert differences(tasks_of(working, list(whole)), whole) == []


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
@pytest.mark.xdist_group("metaflow")
def test_refused_by_both(case: ParameterCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Metaflow refuses is refused here in three sentences, and nothing is recorded."""
    session = notebook_session(case.cells, _folder(tmp_path / "here", monkeypatch, case))
    with pytest.raises((ParameterError, CheckFailed)) as caught:
        run_flow(session, parse_run([*case.configs, *case.parameters]))
    if isinstance(caught.value, ParameterError):
        assert all(part.endswith((".", "?")) for part in (caught.value.what, caught.value.why)), str(caught.value)
        assert caught.value.fix
    assert session.datastore.runs.flows() == []
    for name in ("here", "there"):
        _folder(tmp_path / name, monkeypatch, case)
    found = session.program(True).cache.declared
    found.parameters, found.constants = {}, {}  # a class body that raises is exported as it is
    run = _start_metaflow(case, export_flow(session), tmp_path / "there")
    assert run.return_code != 0, run.output


def _folder(folder: Path, monkeypatch: pytest.MonkeyPatch, case: ParameterCase) -> Path:
    """A folder with the files, entered, and the variables set."""
    folder.mkdir(exist_ok=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    monkeypatch.chdir(folder)
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    return folder


def _start_metaflow(case: ParameterCase, flow_py: str, folder: Path) -> MetaflowRun:
    """Run the exported flow, started as the case says."""
    folder.mkdir(exist_ok=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "flow.py").write_text(flow_py, "utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "METAFLOW_USER": "tester",
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
    }
    done = subprocess.run(
        [sys.executable, "flow.py", "--no-pylint", *case.configs, "run", *case.parameters],
        cwd=folder,
        env={**environment, **case.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return MetaflowRun(folder, done.returncode, done.stdout)


def _run_on_metaflow(case: ParameterCase, flow_py: str, folder: Path) -> Tasks:
    """The artifacts of the exported flow's run, included files as their content, which is what the client shows."""
    tasks = _start_metaflow(case, flow_py, folder).tasks()
    return {step: [{n: _content(v) for n, v in task.items()} for task in found] for step, found in tasks.items()}


def _content(value: Any) -> object:
    """What Metaflow's client gives for an artifact."""
    if type(value).__name__ != "IncludedFile":
        return value
    about = value.descriptor
    found = gzip.decompress(Path(urlparse(about["url"]).path).read_bytes())
    return found.decode(about["encoding"]).replace("\r\n", "\n") if about["is_text"] else found
