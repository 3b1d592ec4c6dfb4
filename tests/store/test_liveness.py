"""Runs whose process dies: they show as failed, and nothing is written on their behalf."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from flownb.client import Flow, Run
from flownb.store import liveness
from flownb.store.datastore import Datastore
from flownb.store.garbage import collect
from flownb.store.liveness import SILENT_SECONDS
from flownb.store.local import LocalStorage
from flownb.store.local import storage as local_storage
from flownb.store.records import RunEnd, RunRecord
from flownb.store.s3 import S3Storage

PROGRAM = """
    import os, sys, time
    from flownb.store.datastore import Datastore
    from flownb.store.records import RunRecord
    store = Datastore(sys.argv[1])
    run = store.runs.new_run(RunRecord("F", "", "run", started=time.time())).run
    store.runs.beat("F", run)
    if store.runs.liveness._beating:
        store.runs.liveness._beating.join()
    if sys.argv[2:]:
        told, tell = os.pipe()
        if os.fork() == 0:
            os.write(tell, b"x")  # what a fork does on its first steps is done
            sys.stdin.read()
            os._exit(0)
        os.read(told, 1)
    print(run, flush=True)
    sys.stdin.read()
"""


def begin(location: str, *words: str) -> subprocess.Popen[str]:
    """A process that has begun a run and continues until its input ends."""
    program = textwrap.dedent(PROGRAM)
    command = [sys.executable, "-c", program, location, *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    """Close what connects to a process, and wait for it."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    process.wait(120)


def statuses(store: Datastore) -> list[str]:
    """What every way of asking says of run 1, which agree."""
    row = store.index.runs("F")[0]
    run = Run("F/1", datastore=store)
    said = store.runs.run_status("F", "1")
    assert row.status == run.status == said
    assert [run.finished, run.successful] == [said == "done"] * 2
    assert [one.id for one in Flow("F", datastore=store).runs(status=said)] == ["1"]
    assert list(Flow("F", datastore=store).runs(status="failed" if said == "running" else "running")) == []
    return [said, "ended" if store.runs.run_end("F", "1") else "no end"]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let a minute pass by the server's clock when called; until then no time passes, however slow the machine is."""
    passed = 0.0
    ages = S3Storage.ages

    def stopped(self: S3Storage, names: Sequence[str]) -> list[float | None]:
        return [None if age is None else passed for age in ages(self, names)]

    def later() -> None:
        nonlocal passed
        passed = SILENT_SECONDS + 1

    monkeypatch.setattr(S3Storage, "ages", stopped)
    return later


@pytest.mark.parametrize("forked", [False, True])
def test_a_killed_process_leaves_a_failed_run(forked: bool, tmp_path: Path) -> None:
    """In a folder it shows at once, also while a process that was forked from it lives; no end is written."""
    store, location = Datastore(tmp_path), str(tmp_path)
    process = begin(location, *(["fork"] if forked else []))
    assert statuses(store) == ["running", "no end"]
    os.kill(process.pid, signal.SIGKILL)
    process.wait(120)
    assert statuses(store) == ["failed", "no end"]
    end(process)
    assert not (tmp_path / "flows/F/1/end.json").exists()


def test_a_killed_process_leaves_a_failed_run_in_a_bucket(s3_url: str, silent: Callable[[], None]) -> None:
    """A minute after its last heartbeat, by the server's clock."""
    store = Datastore(s3_url)
    process = begin(s3_url)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(120)
    assert statuses(store) == ["running", "no end"]
    silent()
    assert statuses(store) == ["failed", "no end"]
    end(process)


def test_the_clock_here_does_not_count_for_a_bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run continues, however wrong the reader's clock is."""
    writer, reader = Datastore(s3_url), Datastore(s3_url)
    run = writer.runs.new_run(RunRecord("F", "", "run", started=time.time())).run
    for wrong in (-1e5, 1e5):
        now = time.time() + wrong
        with monkeypatch.context() as patched:
            patched.setattr(liveness.time, "time", lambda now=now: now)
            assert reader.runs.run_status("F", run) == "running"


def test_a_beat_keeps_a_run_alive_where_nothing_else_shows_it(
    datastore_location: str, silent: Callable[[], None]
) -> None:
    """A run that has not said anything for a minute continues with its next heartbeat, and ends as it says."""
    writer, reader = Datastore(datastore_location), Datastore(datastore_location)
    record = RunRecord("F", "", "run", started=time.time(), environment={"host": "elsewhere"})
    assert writer.runs.new_run(record).run == "1"
    writer.runs.liveness._held.popitem()[1]()  # locks of another machine need not be seen
    assert statuses(reader) == ["running", "no end"]
    heartbeat, run = "flows/F/1/heartbeat.json", "flows/F/1/run.json"
    if datastore_location.startswith("s3:"):
        silent()
    else:
        past = time.time() - SILENT_SECONDS - 1
        os.utime(Path(datastore_location, run), (past, past))
    assert statuses(reader) == ["failed", "no end"]
    if not datastore_location.startswith("s3:"):  # whose clock cannot be put back
        writer.runs.beat("F", "1")
        assert writer.storage.exists(heartbeat)
        assert statuses(reader) == ["running", "no end"]
    writer.runs.end_run("F", "1", RunEnd("done", time.time()))
    assert statuses(reader) == ["done", "ended"]


@pytest.mark.usefixtures("s3_environment")
def test_a_beat_waits_for_no_server(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It returns while its write is under way, and the next one does not wait in a queue behind it."""
    store = Datastore(s3_url)
    let_go, writes = threading.Event(), []

    def write(self: S3Storage, name: str, content: bytes) -> None:
        writes.append(name)
        let_go.wait()

    monkeypatch.setattr(S3Storage, "write", write)
    store.runs.beat("F", "1")
    store.runs.beat("F", "1")
    let_go.set()
    assert store.runs.liveness._beating is not None
    store.runs.liveness._beating.join(120)
    assert writes == ["flows/F/1/heartbeat.json"]


def test_a_beat_that_fails_is_not_an_error(tmp_path: Path) -> None:
    """A store that cannot be written at the moment does not stop a run."""
    (tmp_path / "flows").write_text("in the way")
    Datastore(tmp_path).runs.beat("F", "1")


def test_a_run_that_ends_right_now_has_not_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds neither end nor process looks for the end again: it is written before the mark is taken off."""
    writer, reader = Datastore(tmp_path), Datastore(tmp_path)
    run = writer.runs.new_run(RunRecord("F", "", "run", started=time.time())).run
    alive = LocalStorage.is_held

    def is_held(self: LocalStorage, name: str) -> bool | None:
        if self is reader.storage:
            writer.runs.end_run("F", run, RunEnd("done", time.time()))
        return alive(self, name)

    with monkeypatch.context() as patched:
        patched.setattr(LocalStorage, "is_held", is_held)
        patched.setattr(writer.index._file, "write", lambda *given, **more: None)
        assert reader.runs.run_status("F", run) == "done"
    other = writer.runs.new_run(RunRecord("F", "", "run", started=time.time())).run
    run = other
    monkeypatch.setattr(LocalStorage, "is_held", is_held)
    assert [row.status for row in reader.index.runs("F")] == ["done", "done"]


def test_askers_do_not_take_each_other_for_the_run(tmp_path: Path) -> None:
    """While one process asks whether a dead run is held, another that asks gets the right answer."""
    import fcntl

    store = Datastore(tmp_path)
    run = store.runs.new_run(RunRecord("F", "", "run", started=time.time())).run
    store.runs.liveness.end(f"flows/F/{run}")
    with (tmp_path / f"flows/F/{run}/run.json").open("rb") as asker:
        fcntl.flock(asker, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert store.runs.run_status("F", run) == "failed"


@pytest.fixture
def no_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without hard links."""

    def link(*given: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(local_storage.os, "link", link)


@pytest.mark.usefixtures("no_hard_links")
def test_a_run_is_marked_on_a_file_system_without_hard_links(tmp_path: Path) -> None:
    """The mark is on the file that has the name."""
    writer, reader = Datastore(tmp_path), Datastore(tmp_path)
    run = writer.runs.new_run(RunRecord("F", "", "run", started=time.time())).run
    assert reader.runs.run_status("F", run) == "running"
    writer.runs.liveness.end(f"flows/F/{run}")
    assert reader.runs.run_status("F", run) == "failed"


def test_on_a_file_system_without_locks_the_heartbeat_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that cannot be looked up is not taken for dead."""
    monkeypatch.setattr(LocalStorage, "is_held", lambda self, name: None)
    writer, reader = Datastore(tmp_path), Datastore(tmp_path)
    run = writer.runs.new_run(RunRecord("F", "", "run", started=time.time())).run
    assert reader.runs.run_status("F", run) == "running"
    past = time.time() - SILENT_SECONDS - 1
    os.utime(tmp_path / f"flows/F/{run}/run.json", (past, past))
    assert reader.runs.run_status("F", run) == "failed"


def test_working_runs_need_no_process(tmp_path: Path) -> None:
    """A notebook's working run continues after its kernel."""
    store = Datastore(tmp_path)
    run = store.runs.new_run(RunRecord("F", "", "work", started=time.time())).run
    store.runs.liveness.end(f"flows/F/{run}")
    assert store.runs.run_status("F", run) == "running"


def test_a_dead_run_can_be_cleared_up(tmp_path: Path) -> None:
    """Its process is known to be dead, so `flownb gc` need not wait; one of another machine gets a day."""
    store = Datastore(tmp_path)
    for host in (socket.gethostname(), "elsewhere"):
        run = store.runs.new_run(RunRecord("F", "", "run", started=time.time(), environment={"host": host})).run
        store.runs.liveness.end(f"flows/F/{run}")
    done = store.runs.new_run(RunRecord("F", "", "run", started=time.time())).run
    store.runs.end_run("F", done, RunEnd("done", time.time()))
    assert collect(store, keep_last=1).runs == ("F/1",)
