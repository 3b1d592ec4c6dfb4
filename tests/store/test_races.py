"""Processes that write at once: no id is given twice, nothing is lost, and a reader never sees anything half.

Run as a script, this file is one of the processes; it begins when its input is closed, as all others do.
`FLOWNB_ROUNDS` sets how much each of them does.
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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import flownb.store.local.storage
from flownb.client import Flow
from flownb.errors import CorruptBlob
from flownb.store.datastore import Datastore
from flownb.store.records import Execution, RunEnd, RunRecord, TaskRecord

ROUNDS = int(os.environ.get("FLOWNB_ROUNDS", "100"))
PROCESSES = 8
SIZE = 2 << 20


def write_runs(root: str, me: int, rounds: int) -> list[str]:
    """Record whole runs of one task each, and give their ids."""
    ids = []
    for number in range(rounds):
        store = Datastore(root)
        run = store.runs.new_run(RunRecord("F", "", "run", tags=(f"{me}-{number}",))).run
        refs = store.artifacts.save_all(
            {"me": me, "large": np.full(20_000, me), "packed": [number] * 500}, before={}
        ).refs
        task = store.tasks.new_task("F", run, "start")
        store.tasks.write_task(TaskRecord("F", run, "start", task, 0, "done", artifacts=refs))
        store.runs.end_run("F", run, RunEnd("done", 1.0))
        ids.append(run)
    return ids


def add_tasks(root: str, me: int, rounds: int) -> list[str]:
    """Add tasks and executions to the working run 1, at times as a process that has just begun."""
    store, ids = Datastore(root), []
    for number in range(rounds):
        if number % 10 == 9:
            store = Datastore(root)
        task = store.tasks.new_task("F", "1", f"step{me}")
        refs = store.artifacts.save_all({"value": (me, number)}, before={}).refs
        store.tasks.write_task(TaskRecord("F", "1", f"step{me}", task, 0, "done", artifacts=refs))
        store.tasks.add_execution("F", "1", Execution(f"step{me}", (task,), "done"))
        ids.append(task)
    return ids


def poll(root: str, me: int, rounds: int) -> dict[str, int]:
    """Read all there is, over and over until all have ended; what was seen once must stay."""
    seen = dict.fromkeys(("polls", "runs", "tasks", "ends", "executions"), 0)
    while True:
        last = Path(root, "stop").exists()
        store = Datastore(root)
        found = dict.fromkeys(seen, 0)
        for run in Flow("F", datastore=store) if store.runs.run_ids("F") else ():
            found["runs"] += 1
            found["ends"] += run.successful
        for run_id in store.runs.run_ids("F"):
            found["executions"] += len(list(store.tasks.executions("F", run_id)))
            for step in store.tasks.steps("F", run_id):
                for record in store.tasks.last_attempts("F", run_id, step):
                    found["tasks"] += 1
                    values = {name: store.artifacts.load(ref, name=name) for name, ref in record.artifacts.items()}
                    assert not values.keys() - {"me", "large", "packed", "value"}
                    assert "large" not in values or set(values["large"]) == {values["me"]}
        found["polls"] = seen["polls"] + 1
        assert all(found[name] >= seen[name] for name in seen), (seen, found)
        seen = found
        if last:
            return seen


def same_content(root: str, me: int, rounds: int) -> list[str]:
    """Have several processes persist the same content at once; one is killed, one reads meanwhile."""
    moments = random.Random(me)
    ends = []
    for number in range(rounds):
        content = np.random.default_rng(number).bytes(SIZE)
        key = hash_one_thread(content)
        if number % 3 == 2:  # as if the file had been damaged: then all heal it at once
            path = Datastore(root).blobs.path(key)  # type: ignore[attr-defined]  # local
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(SIZE))
        with started(
            lambda content=content, key=key: Datastore(root).blobs.put([content], key, SIZE),
            lambda content=content, key=key: Datastore(root).blobs.put([content], key, SIZE),
            lambda content=content, key=key: Datastore(root).blobs.put([content], key, SIZE),
            lambda content=content, key=key: read_until_there(root, content, key),
        ) as children:
            time.sleep(moments.uniform(0, 0.005))  # the moment of the kill
            os.kill(children[0], signal.SIGKILL)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert codes[0] in (0, -signal.SIGKILL)
        assert codes[1:] == [0, 0, 0]
        assert Datastore(root).blobs.get(key, SIZE) == content
        ends.append("done" if codes[0] == 0 else "killed")
    return ends


def forked(root: str, me: int, rounds: int) -> int:
    """Hash with all cores, fork, and have the child load and save what is large; give its exit code."""
    store = Datastore(root)
    ref = store.artifacts.save(np.zeros(SIZE), name="x")

    def change() -> None:
        signal.alarm(60)  # a child that waits for threads it does not have ends here
        value = Datastore(root).artifacts.load(ref)
        value[0] = 1
        assert Datastore(root).artifacts.save(value, name="x").key != ref.key

    with started(change) as (child,):
        pass
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@contextmanager
def started(*works: Callable[[], object]) -> Iterator[list[int]]:
    """Fork a process for each piece of work; they all begin together."""
    gate, key = os.pipe()
    children = []
    for work in works:
        child = os.fork()
        if not child:
            os.close(key)
            os.read(gate, 1)
            try:
                work()
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        children.append(child)
    os.close(gate)
    os.close(key)
    yield children


def hash_one_thread(content: bytes) -> str:
    """The key of content; no thread is begun, for those would be missing after a fork."""
    from blake3 import blake3

    return blake3(content, max_threads=1).hexdigest()


def read_until_there(root: str, content: bytes, key: str) -> None:
    """Read a blob until it is there and undamaged; it is never anything else than the content."""
    while True:
        try:
            assert Datastore(root).blobs.get(key, SIZE) == content
        except CorruptBlob:
            continue
        return


def run_together(root: Path, *jobs: tuple[str, int, int], poller: bool = True) -> list[Any]:
    """Run each job in a process of its own, all from the same moment on, and give what they gave."""
    command = [sys.executable, __file__, str(root)]
    if poller:
        jobs = (*jobs, ("poll", 0, 0))
    processes = [
        subprocess.Popen(
            [*command, *map(str, job)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for job in jobs
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    writers = processes[:-1] if poller else processes
    results = [process.communicate() for process in writers]
    if poller:
        (root / "stop").touch()
        results.append(processes[-1].communicate())
    assert [(process.returncode, error) for process, (_, error) in zip(processes, results, strict=True)] == [
        (0, "")
    ] * len(processes)
    return [json.loads(output) for output, _ in results]


def test_eight_processes_that_write_runs_share_no_id_and_lose_nothing(tmp_path: Path) -> None:
    """Runs of one flow that eight processes begin at once have dense ids of their own, and all are complete."""
    rounds = max(ROUNDS // 4, 1)
    *ids, seen = run_together(tmp_path, *(("write_runs", me, rounds) for me in range(PROCESSES)))
    total = rounds * PROCESSES
    assert sorted(int(run) for mine in ids for run in mine) == list(range(1, total + 1))
    assert (seen["runs"], seen["tasks"], seen["ends"]) == (total, total, total)
    store = Datastore(tmp_path)
    assert list(store.runs.run_ids("F")) == [str(number) for number in range(total, 0, -1)]
    for me, mine in enumerate(ids):
        assert [store.runs.run("F", run).tags for run in mine] == [(f"{me}-{number}",) for number in range(rounds)]
        for number, run in enumerate(mine):
            (record,) = store.tasks.last_attempts("F", run, "start")
            assert [store.artifacts.load(record.artifacts[name]) for name in ("me", "packed")] == [me, [number] * 500]


def test_eight_processes_that_add_to_one_working_run_lose_nothing(tmp_path: Path) -> None:
    """Task ids of one working run are dense and given once, and every execution is kept, each process's in order."""
    Datastore(tmp_path).runs.new_run(RunRecord("F", "", "work"))
    *ids, seen = run_together(tmp_path, *(("add_tasks", me, ROUNDS) for me in range(PROCESSES)))
    total = ROUNDS * PROCESSES
    assert sorted(int(task) for mine in ids for task in mine) == list(range(1, total + 1))
    assert (seen["tasks"], seen["executions"]) == (total, total)
    store = Datastore(tmp_path)
    executions = list(store.tasks.executions("F", "1"))
    for me, mine in enumerate(ids):
        assert [one.tasks[0] for one in executions if one.step == f"step{me}"] == mine
        records = {record.task: record for record in store.tasks.last_attempts("F", "1", f"step{me}")}
        assert [store.artifacts.load(records[task].artifacts["value"]) for task in mine] == [
            (me, number) for number in range(ROUNDS)
        ]


def test_processes_that_persist_the_same_content_race_safely(tmp_path: Path) -> None:
    """Of several that write the same blob one is killed: the others succeed, and no reader sees a part of it."""
    (ends,) = run_together(tmp_path, ("same_content", 1, ROUNDS), poller=False)
    assert len(ends) == ROUNDS
    assert set(ends) >= {"killed"}


def test_a_forked_process_loads_and_saves_what_is_large(tmp_path: Path) -> None:
    """A child of multiprocessing's fork does not wait for hashing threads that only its parent has."""
    assert run_together(tmp_path, ("forked", 0, 0), poller=False) == [0]


def main() -> None:
    """Do what the command line says once the input is closed."""
    flownb.store.local.storage._syncfs = lambda file: 0  # nobody cuts the power
    root, name, me, rounds = sys.argv[1:]
    jobs = (write_runs, add_tasks, poll, same_content, forked)
    job = next(job for job in jobs if job.__name__ == name)
    print("ready", flush=True)
    sys.stdin.read()
    print(json.dumps(job(root, int(me), int(rounds))))


if __name__ == "__main__":
    main()
