"""Packages, Python and environment variables: what makes a result stale, row by row of the table in docs/running.md."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flownb.session.options import ResumeOptions, RunOptions, parse_run
from flownb.session.resume import Resume
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.states import step_states
from flownb.session.status import flow_status
from flownb.session.step import run_step
from tests.conftest import MakeSession

OS = "%%shared\nimport os"
INLINE = RunOptions(executor="inline")


def state(session: Session, step: str = "a") -> tuple[str, tuple[str, ...]]:
    """A step's state and its reasons."""
    one = step_states(session)[step]
    return one.state, one.reasons


def parts(session: Session, step: str = "a") -> dict[str, str]:
    """The fingerprint of a step's latest task."""
    return dict(session.results().latest(step)[0].fingerprint)


def record_other(session: Session, step: str, part: str, old: str, new: str) -> None:
    """Change what the latest task's record says, as if it had been made elsewhere."""
    task = session.results().latest(step)[0]
    changed = {**task.fingerprint, part: task.fingerprint[part].replace(old, new)}
    assert task.fingerprint != changed
    session.datastore.tasks.write_task(replace(task, attempt=task.attempt + 1, fingerprint=changed), made=())


def test_another_version(make_session: MakeSession) -> None:
    """A package that the step imports, or that one of these requires, in another version; a resume runs the step."""
    cells = ("%%step a -> x\nimport pandas\nx = 1", "%%step b -> y\ny = x")
    session = make_session(*cells)
    run_flow(session, RunOptions())
    assert state(make_session(*cells))[0] == "fresh"
    import numpy

    record_other(session, "a", "distributions", f"numpy={numpy.__version__}", "numpy=1.0")
    reason = f"`numpy` changed from 1.0 to {numpy.__version__}"
    assert state(make_session(*cells)) == ("stale", (reason,))
    lines = flow_status(make_session(*cells)).lines()
    assert f"  a  would run: {reason}" in lines
    assert parts(session, "b").get("distributions", "") == ""
    resumed = Resume(make_session(*cells), ResumeOptions(run=INLINE))
    resumed.begin().drive()
    assert resumed.lines == [f"a: ran, {reason}", "b: cloned"]


def test_packages_of_values(make_session: MakeSession) -> None:
    """A step that reads a value of a package's class, at any depth, depends on the package without importing it."""
    load = "%%step a -> xs, df\nimport numpy, pandas\nxs = [{1: numpy.arange(3)}]\ndf = pandas.DataFrame({'a': [1]})"
    session = make_session(load, "%%step b -> y\ny = len(self.xs)", "%%step c -> z\nz = int(df.a.sum())")
    for step in "abc":
        run_step(session, step)
    names = [[e.partition("=")[0] for e in parts(session, step)["distributions"].split()] for step in "bc"]
    assert (names[0], "pandas" in names[1]) == (["numpy"], True)


def test_code_that_imports_what_it_does_not_name(make_session: MakeSession) -> None:
    """With `import_module` or `exec` in a step's code, all that the process has imported counts."""
    cell = "%%step a -> x\nimport importlib\nx = importlib.import_module('num' + 'py').int8(1).item()"
    session = make_session(cell)
    run_step(session, "a")
    assert "numpy=" in parts(session)["distributions"]


def test_another_python(make_session: MakeSession) -> None:
    """Python's own version counts, the last number too."""
    session = make_session("%%step a -> x\nx = 1")
    run_step(session, "a")
    now = ".".join(map(str, sys.version_info[:3]))
    record_other(session, "a", "python", now, "3.11.0")
    assert state(make_session("%%step a -> x\nx = 1")) == ("stale", (f"Python changed from 3.11.0 to {now}",))


@pytest.mark.parametrize("executor", ["steps", "process"])
def test_a_variable_that_is_read(executor: str, make_session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that a step's code reads, in whatever way it runs, and whether it was set or not."""
    cells = (OS, "%%step a -> x\nx = os.getenv('FLOWNB_TEST_A')", "%%step b -> y\ny = 1")
    monkeypatch.delenv("FLOWNB_TEST_A", raising=False)
    session = make_session(*cells)
    if executor == "steps":
        run_step(session, "a")
        run_step(session, "b")
    else:
        run_flow(session, RunOptions())
    assert {one.state for one in step_states(make_session(*cells)).values()} == {"fresh"}
    monkeypatch.setenv("FLOWNB_TEST_B", "1")
    assert state(make_session(*cells))[0] == "fresh"
    monkeypatch.setenv("FLOWNB_TEST_A", "1")
    assert state(make_session(*cells)) == ("stale", ("environment variable `FLOWNB_TEST_A` changed",))


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module beside the notebook that reads a variable when it is imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "reads_when_imported.py"
    path.write_text("import os\nA = os.environ.get('FLOWNB_TEST_A')\ndef b():\n    return os.getenv('FLOWNB_TEST_B')\n")
    yield path
    sys.modules.pop(path.stem, None)


@pytest.mark.parametrize("name", ["FLOWNB_TEST_A", "FLOWNB_TEST_B"])
def test_a_variable_that_a_module_reads(
    name: str, beside: Path, make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a module reads when it is imported counts for each step that uses it, also for the second one."""
    cells = [f"%%step {step} -> {step}x\nimport {beside.stem} as m\n{step}x = m.A, m.b()" for step in "ab"]
    session = make_session(*cells)
    for step in "ab":
        run_step(session, step)
    assert {one.state for one in step_states(make_session(*cells)).values()} == {"fresh"}
    monkeypatch.setenv(name, "1")
    for step in "ab":
        assert (
            state(make_session(*cells), step)[0],
            state(make_session(*cells), step)[1][0],
        ) == ("stale", f"environment variable `{name}` changed")


def test_a_variable_of_the_step_itself(make_session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """What @environment sets is the step's code; the variable around it does not count. Nor does what a step sets."""
    cell = (
        "%%step a -> x\n@environment(vars={'FLOWNB_TEST_A': '1'})\n"
        "os.environ['FLOWNB_TEST_B'] = '2'\nx = os.environ['FLOWNB_TEST_A'] + os.environ['FLOWNB_TEST_B']"
    )
    run_step(make_session(OS, cell), "a")
    monkeypatch.setenv("FLOWNB_TEST_A", "3")
    monkeypatch.setenv("FLOWNB_TEST_B", "3")
    assert state(make_session(OS, cell))[0] == "fresh"
    assert state(make_session(OS, cell.replace("'1'", "'2'"))) == ("stale", ("`a` changed",))


def test_a_variable_of_the_command(make_session: MakeSession) -> None:
    """What `--with environment:…` set for a run is not there without it; a resume with it takes the task over."""
    cells = (OS, "%%step a -> x\nx = os.environ.get('FLOWNB_TEST_A')")
    options = parse_run(["--executor", "inline", "--with", 'environment:vars={"FLOWNB_TEST_A": "1"}'])
    run_flow(make_session(*cells), options)
    assert state(make_session(*cells)) == ("stale", ("environment variable `FLOWNB_TEST_A` changed",))
    resumed = Resume(make_session(*cells), ResumeOptions(run=options))
    resumed.begin().drive()
    assert resumed.lines == ["a: cloned"]


def test_all_variables(make_session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that looks at all variables is held to all, except for those of the terminal or the session."""
    cells = (OS, "%%step a -> n\nn = len(dict(os.environ))")
    run_step(make_session(*cells), "a")
    monkeypatch.setenv("TERM_PROGRAM", "other")
    assert state(make_session(*cells))[0] == "fresh"
    monkeypatch.setenv("RATE", "1")
    assert state(make_session(*cells)) == ("stale", ("environment variables changed",))


def test_the_time_zone(make_session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time zone counts for code that imports what may ask for it, and for no other."""
    cells = ("%%step a -> t\nfrom datetime import datetime\nt = str(datetime.fromtimestamp(0))", "%%step b -> y\ny = 1")
    session = make_session(*cells)
    run_step(session, "a")
    run_step(session, "b")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        assert state(make_session(*cells)) == ("stale", ("the time zone changed",))
        assert "environment" not in parts(session, "b")
    time.tzset()
    assert state(make_session(*cells))[0] == "fresh"


def test_what_packages_look_up_for_themselves(make_session: MakeSession) -> None:
    """A step that computes, fits, and plots depends on no environment variable."""
    cell = (
        "%%step a -> x\nimport matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt\nimport numpy as np\n"
        "import pandas as pd\nimport subprocess, sys, tempfile\nfrom sklearn.ensemble import RandomForestRegressor\n"
        "xs = np.arange(10.0).reshape(-1, 1)\nmodel = RandomForestRegressor(3, n_jobs=2, random_state=0)\n"
        "model.fit(pd.DataFrame(xs), xs.ravel())\nplt.plot([1, 2])\nplt.close('all')\n"
        "with tempfile.TemporaryDirectory() as folder:\n    subprocess.run([sys.executable, '-c', ''], check=True)\n"
        "x = float(model.predict(xs)[0])"
    )
    session = make_session(cell)
    run_step(session, "a")
    names = {entry.partition("=")[0] for entry in parts(session).get("environment", "").split()}
    assert names == {"@zone"}  # pandas knows the local time


@pytest.mark.parametrize(
    ("cells", "step_reads"),
    [
        (("%%flow F\nimport os\nk = Parameter('k', default=os.environ.get('WANTED', '1'))",), True),
        (("%%flow F\nimport os\nk = Parameter('k', default=lambda c=None: os.environ.get('WANTED', '1'))",), False),
        (("%%shared\nimport os\nV = os.getenv('WANTED', '1')", "%%flow F\nk = V"), True),
        (
            (
                "%%shared\nimport os\nos.environ.setdefault('WANTED', '1')",
                "%%flow F\nimport os\nk = os.environ['WANTED']",
            ),
            True,
        ),
        (("%%flow F\nimport ports\nk = Parameter('k', default=ports.WANTED)",), True),
    ],
    ids=["default", "function", "constant", "set-by-default", "module"],
)
def test_defaults_and_constants_follow_a_variable(
    cells: tuple[str, ...], step_reads: bool, make_session: MakeSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the flow's code takes from a variable is taken again when that changes: in cells as in a run."""
    (tmp_path / "ports.py").write_text("import os\nWANTED = os.environ.get('WANTED', '1')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("WANTED", "1")
    session = make_session(*cells, "%%step a -> x\nx = self.k")
    assert run_step(session, "a").values["x"] == "1"
    assert state(session) == ("fresh", ())
    monkeypatch.setenv("WANTED", "2")
    assert state(session)[0] == "stale"
    assert ("environment variable `WANTED` changed" in state(session)[1]) is step_reads
    assert run_step(session, "a").values["x"] == "2"
    assert state(session) == ("fresh", ())


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The module of an installed package, which reads variables, files and lines for those who call it."""
    folder = tmp_path / "lib" / "site-packages"
    info = folder / "outer_limits-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: outer-limits\nVersion: 1.0\n")
    (info / "RECORD").write_text("outer_limits.py,,\n")
    path = folder / "outer_limits.py"
    path.write_text(
        "import ctypes, locale, os, subprocess, sys\nAT_IMPORT = os.getenv('FLOWNB_TEST_A')\n"
        "def line():\n    return sys._getframe(1).f_lineno\n"
        "def in_c():\n    getenv = ctypes.CDLL(None).getenv\n    getenv.restype = ctypes.c_char_p\n"
        "    return getenv(b'FLOWNB_TEST_A')\n"
        "def said():\n    return subprocess.run(['printenv', 'FLOWNB_TEST_A'], capture_output=True).stdout\n"
        "def place():\n    return locale.setlocale(locale.LC_CTYPE)\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    time.sleep(0.05)  # times of files may be behind the clock, and what is installed now may be of another version
    yield path
    sys.modules.pop(path.stem, None)


@pytest.mark.parametrize(
    ("row", "body", "variable"),
    [
        ("line numbers that a package sees", "x = outer_limits.line()", ""),
        ("the same version from an index, or a file of", "x = outer_limits.line()", ""),
        ("one that an installed package reads when it is imported", "x = outer_limits.AT_IMPORT", "FLOWNB_TEST_A"),
        ("one that an installed package reads when it is imported", "x = outer_limits.in_c()", "FLOWNB_TEST_A"),
        ("one that an installed package reads when it is imported", "x = outer_limits.said()", "FLOWNB_TEST_A"),
        ("the locale", "x = outer_limits.place()", "LC_ALL"),
        ("files, the network, the time", "import pathlib\nx = pathlib.Path('file.txt').read_text()", ""),
    ],
)
def test_what_is_not_seen(
    row: str, body: str, variable: str, package: Path, make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits that the table names: the result would be another one, and counts as fresh."""
    monkeypatch.chdir(package.parents[2])
    Path("file.txt").write_text("1")
    run_step(make_session(f"%%step a -> x\nimport outer_limits\n{body}"), "a")
    Path("file.txt").write_text("2")
    if variable:
        monkeypatch.setenv(variable, "C")
    elif "file of" in row:
        package.write_text(package.read_text().replace("f_lineno", "f_lineno + 1"))
    above = "# one line more\n" if row.startswith("line numbers") else ""
    assert state(make_session(f"%%step a -> x\n{above}import outer_limits\n{body}")) == ("fresh", ())
    text = (Path(__file__).parents[2] / "docs" / "running.md").read_text(encoding="utf-8")
    assert len([line for line in text.splitlines() if line.startswith(f"| {row}") and "| no |" in line]) == 1
