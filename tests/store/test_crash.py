"""A process that is killed while it persists and records: what it had recorded stays, and nothing half is left.

Run as a script, this file is the nursery: it forks one writer for each line that it reads, and kills it. Before
a writer continues, it notes in a file of its own what is recorded. `FLOWNB_ROUNDS` sets the random rounds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flownb.store.local.storage
from flownb.client import Flow
from flownb.store.datastore import Datastore
from flownb.store.hashing import hash_file
from flownb.store.records import Execution, RunEnd, RunRecord, TaskRecord, from_json

ROUNDS = int(os.environ.get("FLOWNB_ROUNDS", "100"))
# What the store does to the file system, by name in `os`.
CALLS = ("open", "write", "replace", "rename", "link", "mkdir", "unlink", "rmdir", "close", "fstat")
WHERE = ("before", "after", "half")
STEPS = ("start", "train")


def values(seed: int) -> dict[str, Any]:
    """Artifacts of each size: in the manifest, in a shared blob, in a blob of their own, the same in every task."""
    numbers = np.random.default_rng(seed)
    return {
        "inline": seed,
        "packed": list(range(seed, seed + 500)),
        "also_packed": numbers.random(1000),
        "large": numbers.random(20_000),
        "everywhere": np.arange(30_000),
    }


def record_task(
    store: Datastore, run: str, step: str, seed: int, note: Callable[..., None], artifacts: dict[str, Any]
) -> str:
    """Record a task that failed at first; its second attempt has what `values` gives."""
    with store.recording():
        task = store.tasks.new_task("F", run, step)
        note("id", run, task)
        store.tasks.write_task(TaskRecord("F", run, step, task, 0, "failed"))
        note("task", run, step, task, 0, seed)
        refs = store.artifacts.save_all(artifacts, before={}).refs
        store.tasks.write_task(TaskRecord("F", run, step, task, 1, "done", artifacts=refs, captured=tuple(refs)))
        note("task", run, step, task, 1, seed)
    return task


def write_runs(root: str, seed: int, rounds: int, note: Callable[..., None]) -> None:
    """Record a working run, and whole runs with two tasks each; say what was recorded."""
    store = Datastore(root)
    work = store.runs.new_run(RunRecord("F", "", "work")).run
    note("run", work)
    for seed_here in range(seed, seed + rounds):
        given = store.artifacts.save_given({"parameter": "p" * 5000})
        run = store.runs.new_run(RunRecord("F", "", "run", parameters=given, tags=(str(seed_here),))).run
        note("run", run)
        for number, step in enumerate(STEPS):
            record_task(store, run, step, seed_here + number, note, values(seed_here + number))
        task = record_task(store, work, "a", seed_here, note, values(seed_here))
        store.tasks.add_execution("F", work, Execution("a", (task,), "done"))
        note("execution", work, task)
        store.runs.end_run("F", run, RunEnd("done", 1.0))
        note("end", run)


def kill_at(number: int, where: str) -> None:
    """Have this process killed at its `number`-th call that the store makes to the file system."""
    count = 0

    def hook(name: str) -> None:
        call = getattr(os, name)

        def counted(*args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == number and where == "half" and name == "write":
                call(args[0], memoryview(args[1])[: len(args[1]) // 2])
            if count == number and where != "after":
                os.kill(os.getpid(), signal.SIGKILL)
            last = count == number
            try:
                return call(*args, **options)
            finally:
                if last:
                    os.kill(os.getpid(), signal.SIGKILL)

        setattr(os, name, counted)

    for name in CALLS:
        hook(name)


def nursery() -> None:
    """Fork a writer for each line of the input, and say how it ended."""
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if not child:
            notes, write = os.open(job["notes"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), os.write
            flownb.store.local.storage._syncfs = lambda file: 0  # a kill is not a power failure
            if job["number"]:
                kill_at(job["number"], job["where"])
            rounds = 1 if job["number"] else 1_000_000

            def note(*what: Any, notes: int = notes, write: Any = write) -> None:
                write(notes, json.dumps(what).encode() + b"\n")

            try:
                write_runs(job["root"], job["seed"], rounds, note)
            except BaseException as error:
                note("error", repr(error))
                os._exit(1)
            os._exit(0)
        if job["after"]:
            time.sleep(job["after"])  # the moment of the kill
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


Kill = Callable[..., tuple[int, list[list[Any]]]]


@pytest.fixture(scope="module")
def killed() -> Iterator[Kill]:
    """Give a function that runs a writer, kills it, and returns its exit code and its notes."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def run(root: Path, *, seed: int = 0, number: int = 0, where: str = "", after: float = 0.0) -> Any:
            notes = root.parent / f"{root.name}.notes"
            notes.unlink(missing_ok=True)
            job = {"root": str(root), "notes": str(notes), "seed": seed, "number": number, "where": where}
            stdin.write(json.dumps({**job, "after": after}) + "\n")
            stdin.flush()
            code = int(stdout.readline())
            return code, [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []

        yield run
        stdin.close()


def assert_equal_values(store: Datastore, record: TaskRecord, seed: int) -> None:
    """Whether a task's artifacts are those of `values`."""
    expected = values(seed)
    assert set(record.artifacts) == set(expected)
    for name, ref in record.artifacts.items():
        assert store.artifacts.holds(ref)
        np.testing.assert_array_equal(expected[name], store.artifacts.load(ref, name=name, where=record.pathspec))


def assert_kept(root: Path, notes: list[list[Any]]) -> None:
    """Whether all that was reported recorded can be read and is what it was."""
    store = Datastore(root)
    executions: dict[str, list[str]] = {}
    for kind, *what in notes:
        if kind == "run":
            assert store.runs.run("F", what[0]).run == what[0]
        elif kind == "end":
            assert store.runs.run_end("F", what[0]) == RunEnd("done", 1.0)
        elif kind == "execution":
            executions.setdefault(what[0], []).append(what[1])
        elif kind == "task":
            run, step, task, attempt, seed = what
            text = store.storage.read(f"flows/F/{run}/steps/{step}/{task}/{attempt}.json")
            found = from_json(TaskRecord, text or b"")
            assert (found.attempt, found.status) == (attempt, ("failed", "done")[attempt])
            if attempt:
                assert store.tasks.last_attempt("F", run, step, task) == found
                assert_equal_values(store, found, seed)
        else:
            assert kind == "id"
    for run, tasks in executions.items():
        assert [one.tasks[0] for one in store.tasks.executions("F", run)][: len(tasks)] == tasks


def assert_whole(root: Path) -> None:
    """Whether every file is whole, and every manifest refers to nothing that is missing or damaged."""
    store = Datastore(root)
    for entry in store.blobs.entries():
        assert hash_file(store.blobs.path(entry.name), entry.size) == entry.name  # type: ignore[attr-defined]  # local
    kinds = {"run.json": RunRecord, "end.json": RunEnd}
    for entry in store.storage.entries("flows"):
        name = entry.name.rpartition("/")[2]
        if name in kinds or "/steps/" in entry.name:
            record = from_json(kinds.get(name, TaskRecord), store.storage.read(entry.name) or b"")
            for artifact, ref in getattr(record, "artifacts", {}).items():
                store.artifacts.load(ref, name=artifact, where=entry.name)


def assert_still_usable(root: Path, notes: list[list[Any]]) -> None:
    """Whether the next process can write: new ids that nobody had, and all that it records is read again."""
    taken = {(kind, *what[:2]) for kind, *what in notes if kind in ("run", "id")}
    before = [one.name for one in Datastore(root).storage.entries("flows")]
    noted: list[list[Any]] = []
    flownb_syncfs, flownb.store.local.storage._syncfs = flownb.store.local.storage._syncfs, lambda file: 0
    try:
        write_runs(str(root), 7000, 1, lambda *what: noted.append(json.loads(json.dumps(what))))
    finally:
        flownb.store.local.storage._syncfs = flownb_syncfs
    assert not taken & {(kind, *what[:2]) for kind, *what in noted if kind in ("run", "id")}
    for run in (what[0] for kind, *what in noted if kind == "run"):
        assert f"flows/F/{run}/run.json" not in before
    # A working run continues where it was left.
    for run in {what[0] for kind, *what in notes if kind == "id"}:
        store = Datastore(root)
        if store.runs.run("F", run).kind == "work":
            record_task(store, run, "b", 7000, lambda *what: noted.append(list(what)), values(7000))
            assert ("id", run, noted[-1][3]) not in taken
    assert_kept(root, noted)


def test_a_kill_at_any_call_loses_nothing_that_was_recorded(tmp_path: Path, killed: Kill) -> None:
    """Whichever call to the file system a writer dies before, after or in the middle of, the store stays whole."""
    for where in WHERE:
        number = 0
        while True:
            number += 1
            root = tmp_path / f"{where}-{number}"
            code, notes = killed(root, number=number, where=where)
            assert code in (-signal.SIGKILL, 0), notes
            assert_kept(root, notes)
            assert_whole(root)
            if number % 5 == 0 or code == 0:
                assert_still_usable(root, notes)
                assert_kept(root, notes)
            if code == 0:
                break
        assert number > 50


def test_a_kill_at_any_moment_loses_nothing_that_was_recorded(tmp_path: Path, killed: Kill) -> None:
    """Writer after writer is killed at a random moment in one store; what each had recorded outlives them all."""
    numbers = random.Random(ROUNDS)
    root, kept = tmp_path / "store", list[list[Any]]()
    for number in range(ROUNDS):
        code, notes = killed(root, seed=number * 100, after=numbers.uniform(0.0005, 0.03))
        assert code == -signal.SIGKILL, notes
        assert_kept(root, notes)
        kept += notes
        if number % 20 == 19:
            assert_whole(root)
            assert_still_usable(root, notes)
    assert_kept(root, kept)
    assert kept


def test_an_id_that_a_killed_process_never_took_is_given_to_the_next(tmp_path: Path, killed: Kill) -> None:
    """A process that dies before its run is recorded leaves no gap, and no flow or run that was never begun."""
    for number in range(1, 40):
        root = tmp_path / str(number)
        _, notes = killed(root, number=number, where="before")
        if notes:
            break
        if not any(one.name == "run.json" for one in root.rglob("*.json")):
            assert list(Datastore(root).runs.run_ids("F")) == []
            assert Datastore(root).runs.new_run(RunRecord("F", "", "run")).run == "1"
            assert [run.id for run in Flow("F", datastore=Datastore(root)).runs()] == ["1"]
    assert number > 5


def test_what_a_killed_process_held_is_let_go(tmp_path: Path, killed: Kill) -> None:
    """The lock of a process that died while it recorded keeps nobody from clearing up."""
    code, notes = killed(tmp_path / "store", after=0.2)
    assert (code, bool(notes)) == (-signal.SIGKILL, True)
    with Datastore(tmp_path / "store").storage.lock(exclusive=True):
        assert_kept(tmp_path / "store", notes)


if __name__ == "__main__":
    nursery()
