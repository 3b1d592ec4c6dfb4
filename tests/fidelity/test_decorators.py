"""Decorators: tasks that are tried again, caught, timed out here and on real Metaflow leave the same artifacts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flownb.client import Run
from flownb.flow_file.writing import flow_file
from flownb.metaflow_decorators import CHECKED, FLOW_DECORATORS, MAX_RETRIES, STEP_DECORATORS, TABLE, dotted_name
from flownb.session.export import export_flow
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from tests.fidelity.metaflow_peer import Tasks, run_many_in_metaflow
from tests.fidelity.notebook_side import cell_by_cell, differences, notebook_session, tasks_of

IMPORTS = "%%shared\nimport os\nfrom metaflow import current\n"
FLOWS = {
    "retry": (
        IMPORTS,
        "%%step a -> xs\nxs = [0]",
        "%%step b -> n\n@retry(times=2)\nxs.append(current.retry_count)\nn = len(xs)\nassert current.retry_count == 2",
        "%%step c -> m\n@retry(times='1', minutes_between_retries=0)\nm = xs, n",
    ),
    "catch": (
        IMPORTS,
        "%%step a -> x, y\n@catch(var='e')\nself.before = 1\nx = 1\ny = x / 0",
        "%%step b -> z\n@catch(var='none', print_exception=False)\nz = [e.type, e.exception, hasattr(self, 'y')]",
        "%%step c -> w\n@catch(var='e')\nw = y",
        "%%step d -> v\n@catch(var='g')\nv = self.w",
        "%%step last -> u\nu = [e.type, e.exception, g.type, none, self.before, v if g is None else 'unset']",
    ),
    "catch in a foreach": (
        IMPORTS,
        "%%step s -> xs\n@environment(vars={'A': 1})\nxs = [2, 0, 1]",
        "%%step f --foreach xs -> y\n@retry(times=1, minutes_between_retries=0)\n@catch(var='e')\n"
        "self.tries = current.retry_count\ny = 2 // self.input",
        "%%step j --join -> ys\n@catch(var='e')\nself.e = 'lost'\n"
        "ys = [(i.e and i.e.type, i.tries, hasattr(i, 'y')) for i in inputs]",
        "%%step k -> same\nsame = e",
    ),
    "what was caught, alike, is merged": (
        "%%step s -> xs\nxs = [0, 2, 1]",
        "%%step f --foreach xs\n@catch(print_exception=False)\nif self.input:\n    raise ValueError('odd')",
        "%%step j --join -> seen\nseen = [hasattr(i, '_catch_exception') for i in inputs]\n"
        "self.merge_artifacts(inputs)",
        "%%step k -> kept\nkept = [self._catch_exception.type, self._catch_exception.exception]",
    ),
    "what was caught is excluded": (
        "%%step s -> xs\nxs = [1, 2]",
        "%%step f --foreach xs\n@catch(var='e', print_exception=False)\nself.y = 1\nraise ValueError(self.input)",
        "%%step j --join -> seen\nseen = [i._catch_exception.exception == i.e.exception for i in inputs]\n"
        "self.merge_artifacts(inputs, exclude=['e', '_catch_exception'])\n"
        "seen += [self.y, hasattr(self, '_catch_exception')]",
    ),
    "environment": (
        "%%shared\nimport os\nAT_IMPORT = os.environ.get('A')\nB = {'A': 'b', 'N': 2}",
        "%%step a -> seen\n@environment(vars={'A': 1})\nseen = [AT_IMPORT, os.environ['A']]",
        "%%step b -> two\n@environment(vars=B)\ntwo = [AT_IMPORT, os.environ['N']]",
        "%%step c -> three\n@resources(cpu=1, memory=100)\nthree = [AT_IMPORT, os.environ.get('N')]",
    ),
    "timeout": (
        IMPORTS,
        "%%step a -> x\n@timeout(seconds=1)\n@catch(var='e', print_exception=False)\n"
        "x = 0\ntry:\n    while x >= 0:\n        x += 1\nfinally:\n    self.cleaned = True",
        "%%step b -> y\n@timeout(minutes=5)\ny = e.type, self.cleaned, x if not e else None",
    ),
    "processes": (
        "%%shared\nimport multiprocessing, math\nfrom joblib import Parallel, delayed\n"
        "class Box:\n    def __init__(self, n): self.n = n\ndef double(box): return Box(box.n * 2)",
        "%%step a -> ns\nwith multiprocessing.get_context('spawn').Pool(2) as pool:\n"
        "    ns = [b.n for b in pool.map(double, [Box(1), Box(2)])]",
        "%%step b -> ms\nms = [b.n for b in Parallel(n_jobs=2)(delayed(double)(Box(n)) for n in ns)]",
    ),
}
CRASHING = (
    IMPORTS,
    "%%step a -> n\n@catch(var='e')\n@retry(times=1, minutes_between_retries=0)\nn = 1\nos.kill(os.getpid(), 9)",
    "%%step b -> m\n@retry(times=1, minutes_between_retries=0)\nm = current.retry_count\nif not m:\n    os._exit(3)",
    "%%step c -> z\nz = [e.type, hasattr(self, 'n'), m]",
)


def comparable(tasks: Tasks) -> Tasks:
    """Exceptions that were caught as their types: texts of frames, of time-outs and of crashes are each side's own."""

    def plain(value: Any) -> Any:
        return f"caught {value.type}" if type(value).__name__ == "MetaflowExceptionWrapper" else value

    return {s: [{name: plain(value) for name, value in task.items()} for task in found] for s, found in tasks.items()}


def on_metaflow(cells: tuple[str, ...], config: pytest.Config, folder: Path) -> Tasks:
    """Artifacts of real Metaflow's run of the exported flow."""
    home = Path(config.cache.mkdir("metaflow_runs")) if config.cache is not None else folder / "metaflow"
    text = export_flow(notebook_session(cells, folder / "export"))
    return comparable(run_many_in_metaflow({"flow": text}, home)["flow"].tasks())


@pytest.mark.parametrize("name", FLOWS)
def test_decorated_steps_are_equal_on_metaflow(name: str, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """A run, and the cells executed one after another, leave what Metaflow's tasks leave."""
    theirs = on_metaflow(FLOWS[name], pytestconfig, tmp_path)
    session = notebook_session(FLOWS[name], tmp_path / "run")
    run = Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore)
    assert differences(comparable(tasks_of(run, [step.id for step in run])), theirs) == []
    own = {step.name: theirs[step.name] for step in session.flow.steps}
    assert differences(comparable(cell_by_cell(notebook_session(FLOWS[name], tmp_path / "work"), own)), own) == []


def test_crashes_are_equal_on_metaflow(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """A process that dies is tried again and caught as on Metaflow."""
    theirs = on_metaflow(CRASHING, pytestconfig, tmp_path)
    session = notebook_session(CRASHING, tmp_path / "run")
    run = Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore)
    assert differences(comparable(tasks_of(run, [step.id for step in run])), theirs) == []


REFUSED = {
    "catch of a foreach": (
        "not supported in foreach",
        ("%%step a -> xs\n@catch\nxs = [1]", "%%step b --foreach xs", "%%step c --join"),
    ),
    "catch of a switch": (
        "not supported in conditional",
        (
            "%%step a -> k\n@catch\nk = 1",
            "%%step b --when k=1",
            "%%step c --after a --when k=2",
            "%%step d --after b,c",
        ),
    ),
    "retry too often": ("maximum number of retries is @retry(times=4)", ("%%step a\n@retry(times=5)",)),
    "no duration": ("Specify a duration for @timeout", ("%%step a\n@timeout(seconds=0.5)",)),
    "unknown setting": ("does not support the attribute", ("%%step a\n@retry(time=3)",)),
    "setting without a name": ("You tried to apply decorator", ("%%step a\n@retry(3)",)),
    "twice": ("already has a decorator", ("%%step a\n@retry\n@retry(times=1)",)),
    "no number": ("invalid literal for int()", ("%%step a\n@retry(times='many')",)),
    "variables in a list": ("has no attribute 'items'", ("%%step a\n@environment(vars=['A'])",)),
    "a variable that is no text": ("expected str, bytes or os.PathLike", ("%%step a\n@environment(vars={1: 2})",)),
    "a var that is no text": ("attribute name must be string", ("%%step a\n@catch(var=1)",)),
}


def test_what_is_refused_here_fails_on_metaflow(tmp_path: Path) -> None:
    """Each is a finding of one of the three checks of decorators, and ends real Metaflow's run with an error."""
    sessions = {name: notebook_session(cells, tmp_path / name) for name, (_, cells) in REFUSED.items()}
    codes = {name: [one.code for one in session.checks.find()] for name, session in sessions.items()}
    assert {name: bool(set(c) & {"FN023", "FN024", "FN025"}) for name, c in codes.items()} == dict.fromkeys(
        REFUSED, True
    )
    texts = {name: flow_file(session.program(True)) for name, session in sessions.items()}
    runs = run_many_in_metaflow(texts, tmp_path / "metaflow", workers=2)
    for name, (says, _) in REFUSED.items():
        assert (name, runs[name].return_code, says in " ".join(runs[name].output.split())) == (name, 1, True)


def test_settings_are_those_of_metaflow(tmp_path: Path) -> None:
    """The table of decorators says what the installed Metaflow's classes say: settings, defaults and class names."""
    code = (
        "import json; from metaflow.decorators import get_all_flow_decos as f, get_all_step_decos as s; "
        "from metaflow.metaflow_config import MAX_ATTEMPTS as m; "
        "facts = lambda c: [dict(c.defaults), c.allow_multiple, f'{c.__module__}.{c.__name__}']; "
        "print(json.dumps([{n: facts(c) for n, c in s().items()}, {n: facts(c) for n, c in f().items()}, m]))"
    )
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"METAFLOW_USER": "tester", "HOME": str(tmp_path), "PATH": ""},
    )
    steps, flows, attempts = json.loads(found.stdout)
    assert attempts - 2 == MAX_RETRIES
    public = {name for name in steps if name in STEP_DECORATORS and not name.endswith("_internal")}
    assert public == CHECKED
    assert {name for name in flows if not name.startswith("airflow_")} == FLOW_DECORATORS
    for name, (defaults, is_repeatable, class_name) in {**{name: steps[name] for name in public}, **flows}.items():
        if name in TABLE:
            ours = TABLE[name]
            assert (name, ours.is_repeatable) == (name, is_repeatable)
            assert (name, set(defaults if ours.settings is None else ours.settings)) == (name, set(defaults))
            assert (name, dict(ours.defaults or defaults)) == (name, defaults)
            assert (name, dotted_name(name) if ours.class_name else class_name) == (name, class_name)
