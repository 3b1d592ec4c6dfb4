"""What a step may do to the process it runs in: whatever it starts or changes stays with its own attempt."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from flownb.client import Run
from flownb.runtime import scheduler
from flownb.runtime.workers import pool as pool_module
from flownb.session.options import RunOptions
from flownb.session.run import begin_run
from flownb.session.step import run_step
from tests.conftest import MakeSession
from tests.runtime.workers.runs import SHARED, failed_run, ran, values

POOL = """%%shared
import multiprocessing, os, signal, sys, threading, time
import concurrent.futures
class Box:
    def __init__(self, n): self.n = n
    def __eq__(self, other): return type(other) is Box and other.n == self.n
def double(box): return Box(box.n * 2)"""


@pytest.mark.parametrize(
    "pool",
    [
        "multiprocessing.Pool(2)",
        "multiprocessing.get_context('spawn').Pool(2)",
        "concurrent.futures.ProcessPoolExecutor(2)",
        "concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('forkserver'))",
        "concurrent.futures.ThreadPoolExecutor(2)",
    ],
)
@pytest.mark.parametrize("mode", ["run", "work"])
def test_pools_call_shared_functions(make_session: MakeSession, pool: str, mode: str) -> None:
    """Processes that a step starts, however they are started, know the functions and classes of shared cells."""
    session = make_session(
        POOL, f"%%step a -> ns\nwith {pool} as p:\n    ns = [b.n for b in p.map(double, [Box(1), Box(2)])]"
    )
    found = values(ran(session)["a"].task) if mode == "run" else run_step(session, "a").values
    assert found["ns"] == [2, 4]


def test_joblib_calls_shared_functions_as_they_are_now(make_session: MakeSession) -> None:
    """The processes that joblib keeps do not outlive the step whose shared code they have."""
    joblib = "from joblib import Parallel, delayed\nns = Parallel(n_jobs=2)(delayed(double)(Box(n)) for n in (1, 2))\n"
    step = f"%%step a -> ns\n{joblib}ns = [b.n for b in ns]"
    session = make_session(POOL, step)
    assert ran(session)["a"].task["ns"].data == [2, 4]
    assert run_step(session, "a").values["ns"] == [2, 4]
    session.cells.put(make_session(POOL.replace("* 2", "* 3")).cells.cells()[0])
    assert run_step(session, "a").values["ns"] == [3, 6]


def test_threads_and_exit_handlers_end_well(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that works when the step is done runs to its end, and what was registered for exit is called."""
    monkeypatch.setattr(pool_module, "LINGER", 300.0)  # however slow the machine is
    path = tmp_path / "late"
    session = make_session(
        SHARED,
        f"%%step a\nimport atexit\npath = {str(path)!r}\ndone = threading.Event()\n"
        "def late():\n    done.wait(0.3)\n    open(path, 'a').write('thread ')\n"
        "threading.Thread(target=late).start()\n"
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "atexit.register(lambda: open(path, 'a').write('exit'))",
    )
    ran(session)
    assert path.read_text() == "thread exit"


def test_a_thread_that_never_ends_is_ended(make_session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a time the task is done all the same."""
    monkeypatch.setattr(pool_module, "LINGER", 0.2)
    session = make_session(SHARED, "%%step a -> x\nthreading.Thread(target=threading.Event().wait).start()\nx = 1")
    assert ran(session)["a"].task["x"].data == 1


def test_random_numbers_differ_between_tasks(make_session: MakeSession) -> None:
    """Tasks of a foreach draw numbers of their own, though their processes have one origin; seeds still work."""
    session = make_session(
        "%%shared\nimport random, uuid, secrets\nimport numpy as np",
        "%%step s -> xs\nxs = [1, 2, 3, 4]",
        "%%step f --foreach xs -> drawn, seeded\n"
        "drawn = [random.random(), float(np.random.rand()), np.random.default_rng().random(), str(uuid.uuid4())]\n"
        "np.random.seed(7)\nrandom.seed(7)\nseeded = [random.random(), float(np.random.rand())]",
        "%%step j --join -> drawn, seeded\ndrawn = [i.drawn for i in inputs]\nseeded = [i.seeded for i in inputs]",
    )
    found = values(ran(session, workers=4)["j"].task)
    for kind in zip(*found["drawn"], strict=True):
        assert len(set(kind)) == 4
    assert len({tuple(one) for one in found["seeded"]}) == 1


def test_changes_to_the_process_end_with_it(make_session: MakeSession) -> None:
    """Folder, environment, import path, modules, warnings, handlers, limits: the next task sees none of it."""
    session = make_session(
        "%%shared\nimport os, signal, sys, threading, time, json, decimal, locale, builtins",
        "%%step a -> x\nos.chdir('/')\nos.environ['FLOWNB_LEAK'] = '1'\nsys.path.insert(0, '/leak')\n"
        "json.leak = builtins.leak = 1\nsys.setrecursionlimit(5000)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "decimal.getcontext().prec = 3\nos.umask(0o777)\nsys.stdout = None\nos.close(1)\nx = 1",
        "%%step b -> seen\nseen = [os.getcwd(), 'FLOWNB_LEAK' in os.environ, '/leak' in sys.path]\n"
        "seen += [hasattr(json, 'leak'), hasattr(builtins, 'leak'), sys.getrecursionlimit() == 5000]\n"
        "seen += [signal.getsignal(signal.SIGTERM) is signal.SIG_IGN, decimal.getcontext().prec == 3]\nprint('heard')",
    )
    run = ran(session)
    assert run["b"].task["seen"].data == [os.getcwd(), *[False] * 7]  # noqa: PTH109  # a text, as in the step
    assert run["b"].task.stdout == "heard\n"


def test_a_step_has_its_own_signals(make_session: MakeSession) -> None:
    """Handlers that a step installs work as in a process of its own, and its children are its own to wait for."""
    session = make_session(
        SHARED,
        "%%step a -> heard, status\nheard = []\nsignal.signal(signal.SIGTERM, lambda *a: heard.append('term'))\n"
        "signal.signal(signal.SIGUSR1, lambda *a: heard.append('usr1'))\nos.kill(os.getpid(), signal.SIGTERM)\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\npid = os.fork()\nif not pid:\n    os._exit(3)\n"
        "status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])",
    )
    task = ran(session)["a"].task
    assert (task["heard"].data, task["status"].data) == (["term", "usr1"], 3)


def test_a_module_beside_the_notebook_is_read_again(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit between two runs is seen by the second, though what forks the workers stays."""
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "flownb_beside.py"
    module.write_text("VALUE = 1\n")
    session = make_session("%%shared\nimport flownb_beside", "%%step a -> x\nx = flownb_beside.VALUE")
    assert ran(session)["a"].task["x"].data == 1
    module.write_text("VALUE = 'another text'\n")
    assert ran(session)["a"].task["x"].data == "another text"


def test_the_surroundings_are_those_of_the_run(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables, folder and import path that the kernel changed between two runs hold for the second."""
    session = make_session(
        SHARED, "%%step a -> seen\nseen = [os.environ.get('FLOWNB_NEW'), os.getcwd(), 'beside' in sys.path]"
    )
    before = os.getcwd()  # noqa: PTH109  # a text, as in the step
    assert ran(session)["a"].task["seen"].data == [None, before, False]
    monkeypatch.setenv("FLOWNB_NEW", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("beside")
    assert ran(session)["a"].task["seen"].data == ["1", str(tmp_path), True]


def test_two_runs_at_once(make_session: MakeSession, tmp_path: Path) -> None:
    """Runs in threads of their own have their own workers; each waits here for the other, so neither blocks it."""
    meet = str(tmp_path / "meet")
    session = make_session(
        '%%flow F\nme = Parameter("me", default="")',
        SHARED,
        f"%%step a -> x\nopen({meet!r} + me, 'w').close()\nend = time.monotonic() + 120\n"
        f"while not (os.path.exists({meet!r} + 'left') and os.path.exists({meet!r} + 'right')):\n"
        "    assert time.monotonic() < end, 'the other run does not run'\n    time.sleep(0.01)\nx = me",
    )
    runs = [begin_run(session, RunOptions({"me": me})) for me in ("left", "right")]
    for run in runs:
        run.start()
    for run in runs:
        run.join(240)
    assert [run.error for run in runs] == [None, None]
    found = [Run(run.pathspec, datastore=session.datastore)["a"].task["x"].data for run in runs]
    assert found == ["left", "right"]


def test_a_step_cannot_reach_the_pipes_of_others(make_session: MakeSession) -> None:
    """A worker holds no file that another's end of output hangs on, and none of the zygote's."""
    session = make_session(
        SHARED,
        "%%step s -> xs\nxs = [1, 2, 3]",
        "%%step f --foreach xs -> fds\nfds = {}\nfor n in os.listdir('/proc/self/fd'):\n"
        "    if os.path.islink(f'/proc/self/fd/{n}'):\n        fds[n] = os.readlink(f'/proc/self/fd/{n}')",
        "%%step j --join -> all\nall = [i.fds for i in inputs]",
    )
    for fds in ran(session, workers=3)["j"].task["all"].data:
        assert fds["0"] == "/dev/null"
        sockets = [place for place in fds.values() if place.startswith("socket:")]
        pipes = [place for place in fds.values() if place.startswith("pipe:")]
        assert (len(sockets), len(set(pipes))) == (1, 2), fds


def test_what_a_timed_out_step_started_ends_with_it(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a process is ended by force, so are those that it started."""
    monkeypatch.setattr(scheduler, "REACTION", 0.1)
    path = tmp_path / "pid"
    _, error = failed_run(
        make_session(
            SHARED,
            "%%step a\n@timeout(seconds=1)\nimport itertools, subprocess\n"
            f"open({str(path)!r}, 'w').write(str(subprocess.Popen(['sleep', '600']).pid))\nsum(itertools.repeat(0))",
        )
    )
    assert "did not react" in str(error)
    pid = int(path.read_text())
    deadline = time.monotonic() + 120
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    """Whether a process runs; one that nobody has reaped does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_an_interrupted_run_ends_its_workers(make_session: MakeSession, tmp_path: Path) -> None:
    """A step that ignores Ctrl-C is ended by force, and nothing of it stays."""
    path = tmp_path / "pid"
    session = make_session(
        SHARED,
        f"%%step a\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nopen({str(path)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(600)",
    )
    run = begin_run(session, RunOptions())
    run.start()
    deadline = time.monotonic() + 120
    while (not path.exists() or not path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    run.stop()
    run.join(120)
    assert not run.running
    assert not _lives(int(path.read_text()))
    assert session.datastore.runs.run_status("NotebookFlow", run.pathspec.split("/")[1]) == "interrupted"
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
