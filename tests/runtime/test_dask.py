"""Runs on a dask cluster: a real scheduler and real workers, each a process of its own, some of which are killed.

Steps and tests meet at named pipes: opening one waits until the other side opens it too.
"""

from __future__ import annotations

import os
import pickle
import re
import select
import site
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from distributed import Client

from flownb.client import Run
from flownb.errors import ExecutorError, StepFailed, StoreError
from flownb.runtime.engines.dask_host import require_store
from flownb.runtime.engines.parcels import LARGEST, pack, pack_spec, unpack, unpack_spec
from flownb.runtime.events import TaskOutput
from flownb.runtime.executor import Ended, Message
from flownb.runtime.scheduler import RunStopped
from flownb.runtime.task import Output, TaskResult, TaskSpec
from flownb.session.executors import open_executor
from flownb.session.options import parse_resume, parse_run
from flownb.session.resume import Resume
from flownb.session.run import FlowRun, begin_run
from flownb.session.session import Session
from flownb.session.step import run_step
from tests.conftest import MakeSession
from tests.store.conftest import S3Server, s3_environment, s3_server, s3_url  # noqa: F401  # fixtures

PATIENCE = 240.0
SHARED = "%%shared\nimport os\nfrom pathlib import Path\nfrom flownb import current"
LOAD = "%%step load -> xs\nxs = [1, 2, 3, 4]"
TRAIN = "%%step train --foreach xs -> m\nm = self.input * 10"
PICK = "%%step pick --join -> best\nbest = max(task.m for task in inputs)"
CELLS = (SHARED, LOAD, TRAIN, PICK)
# Says on which worker it runs, then continues when the test lets it.
HELD = (
    "%%step held -> best\nPath('begun').write_text(os.environ.get('TEST_WORKER', 'here'))\n"
    "Path('go').read_text()\nbest = 5"
)


class Cluster:
    """A scheduler and its workers, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[str]] = {}
        words = ["dask_scheduler", "--port", "0", "--host", "127.0.0.1"]
        self.address = self._start("scheduler", words, r"Scheduler at:\s+(\S+)")

    def work(self, name: str, *options: str, python: tuple[str, ...] = (sys.executable,)) -> None:
        """Start a worker and wait until the scheduler knows it."""
        words = ["dask_worker", self.address, "--no-nanny", "--name", name, "--nthreads", "1", *options]
        self._start(name, words, r"Registered to:\s+(\S+)", python)

    def kill(self, name: str) -> None:
        """End a process at once."""
        self.processes[name].kill()
        self.processes[name].wait(PATIENCE)

    def close(self) -> None:
        """End all."""
        for process in self.processes.values():
            process.kill()
            process.wait(PATIENCE)

    def _start(self, name: str, words: list[str], sign: str, python: tuple[str, ...] = (sys.executable,)) -> str:
        """Start a process and wait until it says what a pattern finds."""
        process = subprocess.Popen(
            [*python, "-m", f"distributed.cli.{words[0]}", "--no-dashboard", *words[1:]],
            cwd=self.folder,
            env={**os.environ, "TEST_WORKER": name, "METAFLOW_USER": "dask"},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes[name] = process
        assert process.stderr is not None
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            found = re.search(sign, line)
            if found:
                threading.Thread(target=_read_on, args=(process,), daemon=True).start()
                return found[1]
        raise AssertionError("".join(said))


def _read_on(process: subprocess.Popen[str]) -> None:
    """Read what a process says until it ends."""
    assert process.stderr is not None
    with process.stderr:
        for _ in process.stderr:
            pass


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler without workers; they work in another folder than the flow."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()


MakePipes = Callable[..., None]


@pytest.fixture
def pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePipes:
    """Make named pipes in the flow's folder, where the driver works from now on."""
    monkeypatch.chdir(tmp_path)

    def make(*names: str) -> None:
        for name in names:
            os.mkfifo(tmp_path / name)

    return make


def begin(session: Session, cluster: Cluster, *words: str) -> FlowRun:
    """Begin a run on a cluster."""
    return begin_run(session, parse_run(["--executor", f"dask={cluster.address}", *words]))


def fails(run: FlowRun) -> BaseException:
    """What a run that was started ends with."""
    run.join(PATIENCE)
    assert run.error is not None
    return run.error


def left(session: Session, run: FlowRun, step: str) -> object:
    """What a step of a run left as `best`."""
    return Run(run.pathspec, datastore=session.datastore)[step].task.data.best


def test_tasks_run_on_all_workers(
    cluster: Cluster, make_session: MakeSession, pipes: MakePipes, tmp_path: Path
) -> None:
    """Tasks run at once on several workers, in the driver's folder and as its user; what they write is heard."""
    cluster.work("one")
    cluster.work("two")
    pipes("a")
    session = make_session(
        SHARED,
        "%%step load -> xs\nxs = [0, 1]",
        "%%step train --foreach xs -> m, facts\nm = self.index\nprint('training', m)\n"
        "Path('a').write_text('x') if m else Path('a').read_text()\n"
        "facts = (os.environ['TEST_WORKER'], os.getcwd(), current.username)",
        "%%step pick --join -> best\nbest = [task.facts for task in inputs]",
    )
    heard: list[str] = []
    session.events.subscribe(lambda event: heard.append(event.text) if isinstance(event, TaskOutput) else None)
    run = begin(session, cluster)
    run.drive()
    facts = left(session, run, "pick")
    assert isinstance(facts, list)
    assert {fact[0] for fact in facts} == {"one", "two"}
    assert {fact[1:] for fact in facts} == {(str(tmp_path), "tester")}
    assert sorted("".join(heard).split("\n"))[-2:] == ["training 0", "training 1"]


def test_tasks_of_one_worker_do_not_see_each_other(
    cluster: Cluster, make_session: MakeSession, pipes: MakePipes, tmp_path: Path
) -> None:
    """Two tasks in the threads of one worker have their own folder, environment, modules, outputs and `current`."""
    cluster.work("one", "--nthreads", "2")
    pipes("a", "b")
    session = make_session(
        SHARED + "\nimport sys\nimport tempfile",
        "%%step load -> xs\nxs = [0, 1]",
        "%%step train --foreach xs -> facts\nme = str(self.index)\nplace = tempfile.mkdtemp()\nhere = Path.cwd()\n"
        "os.environ['ME'] = me\nos.chdir(place)\nsys.modules['me'] = me\nprint('before', me)\n"
        "for pipe in 'ab':\n"
        "    (here / pipe).write_text('x') if self.index else (here / pipe).read_text()\n"
        "    print('after', me)\n"
        "facts = (os.environ['ME'] == sys.modules['me'] == me, os.getcwd() == place, current.task_id)",
        "%%step pick --join -> best\nbest = [task.facts for task in inputs]",
    )
    heard: dict[str, str] = {}

    def hear(event: object) -> None:
        if isinstance(event, TaskOutput):
            heard[event.task] = heard.get(event.task, "") + event.text

    session.events.subscribe(hear)
    run = begin(session, cluster)
    run.drive()
    tasks = Run(run.pathspec, datastore=session.datastore)["train"].tasks()
    assert sorted(left(session, run, "pick")) == sorted((True, True, task.id) for task in tasks)  # type: ignore[call-overload]  # a list
    assert sorted(heard.values()) == ["before 0\nafter 0\nafter 0\n", "before 1\nafter 1\nafter 1\n"]


@pytest.mark.parametrize("retry", [True, False])
def test_a_killed_worker_is_a_failed_attempt(
    cluster: Cluster, make_session: MakeSession, pipes: MakePipes, tmp_path: Path, retry: bool
) -> None:
    """A worker that is killed takes its attempt along: @retry runs it elsewhere; else the run fails, can be resumed."""
    cluster.work("one")
    cluster.work("two")
    pipes("begun", "go")
    held = HELD.replace("-> best\n", "-> best\n@retry(times=2, minutes_between_retries=0)\n") if retry else HELD
    session = make_session(*CELLS, held)
    run = begin(session, cluster)
    run.start()
    first = (tmp_path / "begun").read_text()
    cluster.kill(first)
    if retry:
        assert {(tmp_path / "begun").read_text()} == {"one", "two"} - {first}
        (tmp_path / "go").write_text("on")
        run.join(PATIENCE)
    else:
        error = fails(run)
        assert isinstance(error, StepFailed)
        assert re.search(r"The dask worker tcp://\S+ that ran it is gone", str(error))
        run = Resume(session, parse_resume(["--executor", f"dask={cluster.address}"])).begin()
        run.start()
        assert {(tmp_path / "begun").read_text()} == {"one", "two"} - {first}
        (tmp_path / "go").write_text("on")
        run.join(PATIENCE)
        assert run.outcome is not None
        assert run.outcome.cloned == 7
    assert left(session, run, "held") == 5
    assert left(session, run, "pick") == 40
    attempts = session.datastore.tasks.last_attempts(*run.pathspec.split("/"), "held")
    assert [record.attempt for record in attempts] == [int(retry)]


def test_a_cluster_says_how_much_room_there_is(cluster: Cluster, make_session: MakeSession) -> None:
    """As many tasks run as the workers have threads, or fewer if asked, and their memory counts, not the driver's."""
    session = make_session(*CELLS)
    cluster.work("one", "--nthreads", "3", "--memory-limit", "1 GiB")
    cluster.work("two", "--nthreads", "1", "--memory-limit", "2 GiB")
    for words, slots in (((), 4), (("--max-workers", "2"), 2)):
        options = parse_run(["--executor", f"dask={cluster.address}", *words])
        session.datastore.artifacts.save(1, name="x")
        with open_executor(
            session.program(True),
            session.datastore,
            session.servers,
            name=options.executor,
            workers=options.workers,
            workers_given=options.workers_given,
        ) as executor:
            assert (executor.slots, executor.memory) == (slots, 3072)


def test_a_step_that_crashes_leaves_its_worker(cluster: Cluster, make_session: MakeSession, pipes: MakePipes) -> None:
    """A step that ends its process is a failed attempt with a reason; the dask worker runs the next one."""
    cluster.work("one")
    pipes()
    session = make_session(
        SHARED,
        "%%step a -> best\n@retry(times=1, minutes_between_retries=0)\n"
        "if not current.retry_count:\n    print('last words', flush=True)\n    os._exit(7)\nbest = os.getppid()",
        "%%step last",
    )
    run = begin(session, cluster)
    run.drive()
    assert left(session, run, "a")
    (record,) = session.datastore.tasks.task_records(*run.pathspec.split("/"), [("a", "2", 0)])
    assert record is not None
    assert record.exception is not None
    assert "exit status 7" in record.exception["message"]


def test_a_stopped_run_stops_its_tasks(
    cluster: Cluster, make_session: MakeSession, pipes: MakePipes, tmp_path: Path
) -> None:
    """A stop reaches steps on workers as an interrupt, which is recorded, and the run continues from there."""
    cluster.work("one")
    pipes("begun", "go", "told")
    held = HELD.replace(
        "Path('go').read_text()\n",
        "try:\n    Path('go').read_text()\nexcept KeyboardInterrupt:\n    print('interrupted')\n    raise\n",
    )
    session = make_session(SHARED, held)
    heard: list[str] = []
    session.events.subscribe(lambda event: heard.append(event.text) if isinstance(event, TaskOutput) else None)
    run = begin(session, cluster)
    run.start()
    (tmp_path / "begun").read_text()
    run.stop()
    assert isinstance(fails(run), RunStopped)
    assert "interrupted\n" in "".join(heard)
    (task,) = session.datastore.tasks.last_attempts(*run.pathspec.split("/"), "held")
    assert task.status == "interrupted"


def test_a_lost_scheduler_ends_the_run(
    cluster: Cluster, make_session: MakeSession, pipes: MakePipes, tmp_path: Path
) -> None:
    """When the scheduler is gone the run fails and says so; all that was done is there for a resume."""
    cluster.work("one")
    pipes("begun", "go")
    session = make_session(*CELLS, HELD)
    run = begin(session, cluster)
    run.start()
    (tmp_path / "begun").read_text()
    cluster.kill("scheduler")
    error = fails(run)
    assert isinstance(error, ExecutorError)
    assert error.what == f"The dask scheduler at {cluster.address} is gone."
    assert session.datastore.runs.run_status(*run.pathspec.split("/")) == "failed"
    run = Resume(session, parse_resume([])).begin()
    run.start()
    assert (tmp_path / "begun").read_text() == "here"
    (tmp_path / "go").write_text("on")
    run.join(PATIENCE)
    assert run.outcome is not None
    assert run.outcome.cloned == 7


def test_a_missing_scheduler_is_reported_soon(make_session: MakeSession) -> None:
    """A scheduler that does not answer is named, before a step has run."""
    session = make_session(*CELLS)
    run = begin_run(session, parse_run(["--executor", "dask=127.0.0.1:1"]))
    with pytest.raises(ExecutorError) as caught:
        run.drive()
    assert caught.value.what == "The dask scheduler at tcp://127.0.0.1:1 cannot be reached."


def test_a_worker_without_flownb_is_reported(cluster: Cluster, make_session: MakeSession, tmp_path: Path) -> None:
    """A worker that lacks flownb is named, with what to do there."""
    for installed in Path(site.getsitepackages()[0]).iterdir():
        if "flownb" not in installed.name and not installed.name.endswith(".pth"):
            (cluster.folder / "site").mkdir(exist_ok=True)
            (cluster.folder / "site" / installed.name).symlink_to(installed)
    start = "import runpy, sys; sys.path.append('site'); del sys.argv[1]"
    code = f"{start}; runpy.run_module(sys.argv.pop(1), run_name='__main__')"
    cluster.work("bare", python=(sys.executable, "-S", "-c", code))
    with pytest.raises(ExecutorError) as caught:
        begin(make_session(*CELLS), cluster).drive()
    assert re.fullmatch(r"The dask worker at tcp://\S+ cannot run this flow.", caught.value.what)
    assert caught.value.why.endswith("and it is not installed.")


def test_a_worker_that_sees_another_datastore_is_refused(tmp_path: Path) -> None:
    """What a worker would record in a folder that nobody else sees would be lost, so it records nothing."""
    with pytest.raises(
        StoreError, match=r"A dask worker does not see the datastore `.*/store`\. There is no such folder"
    ):
        require_store(str(tmp_path / "store"), "token")


def test_a_cluster_of_its_own(make_session: MakeSession, pipes: MakePipes) -> None:
    """Without an address a cluster of the run's own is started, and is gone after it."""
    pipes()
    session = make_session(*CELLS)
    run = begin_run(session, parse_run(["--executor", "dask", "--max-workers", "2"]))
    run.drive()
    assert left(session, run, "pick") == 40


def test_nothing_of_a_run_stays_on_the_cluster(cluster: Cluster, make_session: MakeSession, pipes: MakePipes) -> None:
    """After a run the scheduler keeps nothing of it, and workers have no process or thread of it."""
    cluster.work("one")
    pipes()
    begin(make_session(*CELLS), cluster).drive()
    with Client(cluster.address, set_as_default=False) as client:
        kept = client.run_on_scheduler(
            lambda dask_scheduler: [
                name
                for name in (*dask_scheduler.task_metadata, *dask_scheduler._broker._topics, *dask_scheduler.tasks)
                if "flownb" in name and not name.startswith("Client-")  # dask's own list of clients
            ]
        )
    assert kept == []
    assert list(_children(cluster.processes["one"].pid)) == []


def _children(pid: int) -> Iterator[int]:
    """Processes that a process has started and that still are."""
    import psutil

    for child in psutil.Process(pid).children():
        descriptor = os.pidfd_open(child.pid)
        ended, _, _ = select.select([descriptor], [], [], PATIENCE)  # it may be on its way
        os.close(descriptor)
        if not ended:
            yield child.pid


def test_tasks_of_a_killed_driver_are_ended(
    cluster: Cluster, write_notebook: Callable[..., Path], pipes: MakePipes, tmp_path: Path
) -> None:
    """A driver that is killed leaves no task running on the cluster."""
    cluster.work("one")
    pipes("begun", "go")
    held = HELD.replace("os.environ.get('TEST_WORKER', 'here')", "str(os.getpid())")
    notebook = write_notebook(SHARED, held)
    words = ["flownb", "run", str(notebook), "--executor", f"dask={cluster.address}"]
    driver = subprocess.Popen([sys.executable, "-m", "flownb.cli.main", *words[1:]], stdout=subprocess.DEVNULL)
    descriptor = os.pidfd_open(int((tmp_path / "begun").read_text()))
    driver.kill()
    driver.wait(PATIENCE)
    ended, _, _ = select.select([descriptor], [], [], PATIENCE)
    os.close(descriptor)
    assert ended


def test_a_run_in_a_bucket(
    s3_url: str,  # noqa: F811
    s3_environment: S3Server,  # noqa: F811
    cluster: Cluster,
    make_session: MakeSession,
    monkeypatch: pytest.MonkeyPatch,
    pipes: MakePipes,
    tmp_path: Path,
) -> None:
    """With a bucket for a datastore, workers that share no folder run a flow; one that is killed is made up for."""
    monkeypatch.setenv("FLOWNB_DATASTORE", s3_url)
    cluster.work("one")
    cluster.work("two")
    pipes("begun", "go")
    held = HELD.replace("-> best\n", "-> best\n@retry(times=2, minutes_between_retries=0)\n")
    session = make_session(*CELLS, held)
    run = begin(session, cluster)
    run.start()
    first = (tmp_path / "begun").read_text()
    cluster.kill(first)
    assert {(tmp_path / "begun").read_text()} == {"one", "two"} - {first}
    (tmp_path / "go").write_text("on")
    run.join(PATIENCE)
    assert run.error is None
    assert left(session, run, "held") == 5
    assert left(session, run, "pick") == 40


def test_much_does_not_go_through_dask(cluster: Cluster, make_session: MakeSession, pipes: MakePipes) -> None:
    """Large outputs, and joins of many tasks, reach the other end although little of them goes through dask."""
    cluster.work("one", "--nthreads", "2")
    pipes()
    session = make_session(
        SHARED,
        "%%step load -> xs\nxs = list(range(60))",
        "%%step train --foreach xs -> m, text\nm = self.input\ntext = 'x' * 600",
        "%%step pick --join -> best\nbest = sum(task.m for task in inputs)\nprint('y' * 500_000)",
    )
    heard: list[str] = []
    session.events.subscribe(lambda event: heard.append(event.text) if isinstance(event, TaskOutput) else None)
    run = begin(session, cluster)
    run.drive()
    assert left(session, run, "pick") == sum(range(60))
    assert "".join(heard) == "y" * 500_000 + "\n"


def test_what_is_packed_is_small(make_session: MakeSession) -> None:
    """What is packed stays below the limit however much it is, and is the same at the other end."""
    session = make_session("%%step load -> xs\nxs = [1]")
    run_step(session, "load")
    flow = session.flow.name
    (run,) = session.datastore.runs.run_ids(flow)
    (record,) = session.datastore.tasks.last_attempts(flow, run, "load")
    many = replace(record, attempt=1, read=tuple(str(number) for number in range(20_000)))
    session.datastore.tasks.write_task(many)
    spec = TaskSpec("load", record.run, record.task, (many,), attempt=1)
    assert len(pack_spec(spec)) < LARGEST
    assert unpack_spec(pack_spec(spec), session.datastore) == spec
    messages: list[Message] = [
        Ended(TaskResult(many, {}), elsewhere=True),
        Output("display", data={"image/png": "x" * 100_000}),
    ]
    for message in messages:
        packed = pack(3, message, session.datastore)
        assert len(packed) < LARGEST
        number, sent = pickle.loads(packed)
        assert number == 3
        assert unpack(sent, spec, record.flow, session.datastore) == message
