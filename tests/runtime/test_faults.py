"""Runs whose processes are killed at random moments: nothing that was recorded is lost or wrong, all can be resumed.

Run as a script, this file is the nursery: it forks one driver of a run for each line it is told, which is then killed.
`FLOWNB_ROUNDS` sets the number of rounds; a quarter of them kill the driver, one in eight what forks the workers, all
others workers. What is killed when is drawn from a seeded generator.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flownb.cells.cell import read_cell
from flownb.errors import StepFailed
from flownb.runtime.events import Event, TaskEnded
from flownb.session.options import ResumeOptions, RunOptions
from flownb.session.resume import Resume
from flownb.session.run import begin_run, run_flow
from flownb.session.session import Session
from flownb.store.datastore import Datastore
from flownb.store.records import TaskRecord

ROUNDS = int(os.environ.get("FLOWNB_ROUNDS", "32"))
# A variable that all processes of a killed driver have, to find them by.
MARK = "FLOWNB_TEST_FAULT"
FLOW = "FaultFlow"
SHARED = """
import numpy as np

def large(seed, number):
    return np.random.default_rng([seed, number]).random(20_000)

def small(seed, number):
    return [seed, number, "x" * 300]
"""
ITEMS = 5
CELLS = (
    f'%%flow {FLOW}\nseed = Parameter("seed", default=0)',
    f"%%shared{SHARED}",
    f"%%step begin -> xs, base\nxs = list(range({ITEMS}))\nbase = large(seed, 100)",
    "%%step each --foreach xs -> part, note\n@retry(times=1, minutes_between_retries=0)\n"
    "part = base * self.input + large(seed, self.input)\nnote = small(seed, self.input)",
    "%%step gather --join -> parts, notes\nparts = np.stack([i.part for i in inputs])\n"
    "notes = [i.note for i in inputs]\nself.merge_artifacts(inputs, include=['base'])",
    "%%step left --after gather -> high\nhigh = parts.max(axis=0)",
    "%%step right --after gather -> low\n@retry(times=1, minutes_between_retries=0)\nlow = parts.min(axis=0)",
    "%%step last --after left,right --join -> answer\nanswer = inputs.left.high - inputs.right.low",
)
OPTIONS = {"executor": "process", "workers": 3}


def expected(seed: int, step: str, index: int) -> dict[str, Any]:
    """What a step's task of a run sets."""
    names: dict[str, Any] = {}
    exec(SHARED, names)
    large, small = names["large"], names["small"]
    base = large(seed, 100)
    parts = np.stack([base * number + large(seed, number) for number in range(ITEMS)])
    notes = [small(seed, number) for number in range(ITEMS)]
    high, low = parts.max(axis=0), parts.min(axis=0)
    found: dict[str, dict[str, Any]] = {
        "begin": {"xs": list(range(ITEMS)), "base": base},
        "each": {"part": parts[index], "note": notes[index], "base": base},
        "gather": {"parts": parts, "notes": notes, "base": base},
        "left": {"high": high, "notes": notes},
        "right": {"low": low, "notes": notes},
        "last": {"answer": high - low},
    }
    return {"seed": seed, **found.get(step, {})}


def flow_session(root: Path) -> Session:
    """A session on the flow, with its datastore in a folder."""
    session = Session(folder=root)
    session.open(read_cell(source, number=number) for number, source in enumerate(CELLS, 1))
    return session


def processes(variable: str) -> list[int]:
    """Ids of all processes that were started with an environment variable."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found


def children(pid: int) -> list[int]:
    """Ids of the processes that a process started."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def zygotes() -> list[int]:
    """Ids of the processes that fork this one's workers."""
    return [pid for pid in children(os.getpid()) if b"workers.zygote" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def nursery() -> None:
    """Fork a driver for each line of the input; kill it, and say how it ended."""
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if not child:
            os.setsid()
            os.environ[MARK] = job["mark"]
            notes = os.open(job["notes"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            try:
                session = flow_session(Path(job["root"]))

                def note(event: Event, notes: int = notes) -> None:
                    if isinstance(event, TaskEnded) and event.status == "done":
                        os.write(notes, json.dumps([event.run, event.step, event.task]).encode() + b"\n")

                session.events.subscribe(note)
                run = begin_run(session, RunOptions({"seed": job["seed"]}, **OPTIONS))
                os.write(notes, json.dumps([run.pathspec.rpartition("/")[2], "", ""]).encode() + b"\n")
                run.drive()
            finally:
                os._exit(0)
        time.sleep(job["after"])  # the moment of the kill
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


@pytest.fixture(scope="module")
def killed_driver() -> Iterator[Callable[..., tuple[int, list[list[str]]]]]:
    """Give a function that runs a driver, kills it, and gives its exit code and what it said was done."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def run(root: Path, *, seed: int, after: float) -> tuple[int, list[list[str]]]:
            notes = root.parent / f"notes-{seed}"
            mark = f"{os.getpid()}-{seed}"
            stdin.write(
                json.dumps({"root": str(root), "notes": str(notes), "seed": seed, "after": after, "mark": mark})
            )
            stdin.write("\n")
            stdin.flush()
            code = int(stdout.readline())
            wait_until(lambda: not processes(f"{MARK}={mark}"))
            return code, [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []

        yield run
        stdin.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again until something holds; fail after a time that no test needs."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Killer:
    """Kills processes of this one's runs at drawn moments, in a thread of its own.

    Parameters
    ----------
    moments : list of float
        Seconds after the start of the one before.
    choose : callable
        Gives the processes to choose from.
    """

    def __init__(self, moments: list[float], choose: Callable[[], list[int]], numbers: random.Random) -> None:
        self.kills = 0
        self._moments, self._choose, self._numbers = moments, choose, numbers
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._kill)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _kill(self) -> None:
        for moment in self._moments:
            self._over.wait(moment)
            while not self._over.is_set() and not (found := self._choose()):
                self._over.wait(0.001)
            if self._over.is_set():
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._numbers.choice(found), signal.SIGKILL)
                self.kills += 1


def assert_right(store: Datastore, record: TaskRecord, seed: int) -> None:
    """Whether a task that is done has what its step sets."""
    assert record.status == "done"
    wanted = expected(seed, record.step, record.foreach[-1].index if record.foreach else 0)
    assert wanted.keys() <= record.artifacts.keys(), record.pathspec
    for name, value in wanted.items():
        found = store.artifacts.load(record.artifacts[name], name=name, where=record.pathspec)
        np.testing.assert_array_equal(value, found, err_msg=f"{record.pathspec} {name}")


def assert_recorded(root: Path, run: str, seed: int, done: list[tuple[str, str]]) -> Counter[str]:
    """Whether all tasks that were said to be done are, and every recorded one is right; counts attempts by status."""
    store = Datastore(root)
    counts: Counter[str] = Counter()
    last: dict[tuple[str, str], TaskRecord] = {}
    for _, record in store.tasks.attempts(FLOW, run):
        assert record is not None, "a record is damaged"
        counts[record.status] += 1
        if record.status == "done":
            assert_right(store, record, seed)
            last[record.step, record.task] = record
    assert set(done) <= set(last), "a task that was said to be done is not recorded as such"
    return counts


def assert_resumes(root: Path, session: Session, run: str, seed: int) -> Counter[str]:
    """Whether a resume ends well, executes no task that was done, and has the right answer."""
    plan = Resume(session, ResumeOptions(origin=run, run=RunOptions(**OPTIONS)))
    outcome = plan.begin().drive()
    counts = assert_recorded(root, outcome.pathspec.rpartition("/")[2], seed, [])
    assert len(session.program(True).graph.nodes) + ITEMS - 1 == outcome.tasks == counts["done"]
    store = Datastore(root)
    before = {
        (record.step, record.foreach)
        for _, record in store.tasks.attempts(FLOW, run)
        if record is not None and record.status == "done"
    }
    assert outcome.cloned == len(before)
    return Counter(resumed=1, cloned=outcome.cloned)


def one_round(root: Path, session: Session, number: int, numbers: random.Random, seconds: float) -> Counter[str]:
    """A run whose workers, or what forks them, are killed; resumed if it failed."""
    done: list[tuple[str, str]] = []

    def note(event: Event) -> None:
        if isinstance(event, TaskEnded) and event.status == "done":
            done.append((event.step, event.task))

    of_zygote = number % 8 == 1

    def choose() -> list[int]:
        return zygotes() if of_zygote else [pid for zygote in zygotes() for pid in children(zygote)]

    moments = [numbers.uniform(0, seconds) for _ in range(1 if of_zygote else numbers.choice((1, 1, 2, 4)))]
    counts: Counter[str] = Counter()
    unsubscribe = session.events.subscribe(note)
    try:
        run = begin_run(session, RunOptions({"seed": number}, **OPTIONS))
        with Killer(moments, choose, numbers) as killer, contextlib.suppress(StepFailed):
            run.drive()
    finally:
        unsubscribe()
    counts["failed" if run.error is not None else "ended well"] += 1
    assert run.error is None or "ended without a result" in str(run.error)
    counts["zygotes killed" if of_zygote else "workers killed"] += killer.kills
    name = run.pathspec.rpartition("/")[2]
    recorded = assert_recorded(root, name, number, done)
    counts["attempts lost"] += recorded["failed"]
    if counts["failed"]:
        counts += assert_resumes(root, session, name, number)
    return counts


def test_killed_processes_lose_nothing(
    tmp_path: Path, killed_driver: Callable[..., tuple[int, list[list[str]]]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is killed when, each task that was done stays as it was, and each run can be resumed to its answer."""
    if not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists():
        pytest.skip("processes are found in /proc")
    numbers = random.Random(ROUNDS)
    root = tmp_path / "notebook"
    session = flow_session(root)
    run_flow(session, RunOptions({"seed": 10**6}, **OPTIONS))
    start = time.monotonic()
    run_flow(session, RunOptions({"seed": 10**6}, **OPTIONS))
    seconds = time.monotonic() - start
    counts: Counter[str] = Counter()
    for number in range(ROUNDS):
        counts["rounds"] += 1
        if number % 4 != 3:
            counts += one_round(root / ".flownb", session, number, numbers, seconds)
            continue
        code, notes = killed_driver(root, seed=number, after=numbers.uniform(0.3, 0.8 + 2 * seconds))
        assert code in (-signal.SIGKILL, 0)
        counts["drivers killed"] += code != 0
        if notes:
            run = notes[0][0]
            status = Datastore(root / ".flownb").runs.run_status(FLOW, run)
            assert status in (("done",) if code == 0 else ("done", "failed"))
            done = [(step, task) for _, step, task in notes if step]
            assert_recorded(root / ".flownb", run, number, done)
            if status == "failed":
                counts["failed"] += 1
                counts += assert_resumes(root / ".flownb", session, run, number)
            else:
                counts["ended well"] += 1
    with capsys.disabled():
        print(f"\n{dict(counts)}")
    assert counts["failed"] == counts["resumed"]
    assert min(counts["workers killed"], counts["zygotes killed"], counts["drivers killed"], counts["resumed"]) > 0
    session.servers.close()


if __name__ == "__main__":
    nursery()
