"""Clearing up a datastore."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from flownb.errors import CorruptBlob, NotFound, StoreError
from flownb.store.datastore import Datastore
from flownb.store.garbage import Removed, collect, remove_run, remove_spins
from flownb.store.records import Execution, RunEnd, RunRecord, TaskRecord
from flownb.store.usage import measure

DAY = 86400.0
BIG = 20_000


def record_run(store: Datastore, number: float, *, status: str = "done", parents: tuple[str, ...] = ()) -> TaskRecord:
    """A run of one task whose artifact `x` is an array of that number, in a blob of its own."""
    with store.recording():
        run = store.runs.new_run(RunRecord("F", "", "run", started=time.time())).run
        task = store.tasks.new_task("F", run, "a")
        artifacts = {"x": store.artifacts.save(np.full(BIG, number), name="x")}
        record = TaskRecord("F", run, "a", task, 0, "done", parents, artifacts=artifacts, finished=time.time())
        store.tasks.write_task(record)
    if status:
        store.runs.end_run("F", run, RunEnd(status, time.time()))  # type: ignore[arg-type]  # one of its three
    return record


def execute(store: Datastore, run: str, step: str, number: float, *, parents: tuple[str, ...] = ()) -> TaskRecord:
    """One execution of a step in a working run."""
    task = store.tasks.new_task("F", run, step)
    artifacts = {"x": store.artifacts.save(np.full(BIG, number), name="x")}
    record = TaskRecord("F", run, step, task, 0, "done", parents, artifacts=artifacts, finished=time.time())
    store.tasks.write_task(record)
    store.tasks.add_execution("F", run, Execution(step, (task,), "done"))
    return record


def working_run(store: Datastore) -> str:
    """Begin a working run."""
    return store.runs.new_run(RunRecord("F", "", "work", "nb.ipynb", started=time.time())).run


def blobs(store: Datastore) -> set[str]:
    """Keys of all blobs that are there."""
    return {entry.name for entry in store.blobs.entries()}


def test_what_a_run_was_made_by_stays_with_it(tmp_path: Path) -> None:
    """The notebook's cells, and what a task had imported, are kept and measured with their run, and go with it."""
    store = Datastore(tmp_path)
    cells, distributions, x = (
        store.artifacts.save(np.full(BIG, number), name=str(number)) for number in (1.0, 2.0, 3.0)
    )
    run = store.runs.new_run(RunRecord("F", "", "run", cells=cells, started=time.time())).run
    refs = {"artifacts": {"x": x}, "distributions": distributions}
    store.tasks.write_task(TaskRecord("F", run, "a", "1", 0, "done", **refs))  # type: ignore[arg-type]  # both as they are
    store.runs.end_run("F", run, RunEnd("done", time.time()))
    assert collect(store) == Removed()
    assert blobs(store) == {cells.key, distributions.key, x.key}
    assert {share.name for share in measure(store).artifacts} == {"cells", "distributions", "x"}
    remove_run(store, "F", run)
    assert blobs(store) == set()


def test_without_a_rule_only_what_nothing_refers_to_goes(tmp_path: Path) -> None:
    """A blob that no manifest names is removed; runs and their artifacts stay."""
    store = Datastore(tmp_path)
    kept = record_run(store, 1.0)
    store.artifacts.save(np.full(BIG, 2.0), name="lost")
    size = kept.artifacts["x"].size
    assert collect(store) == Removed((), 0, 1, size, 0)
    assert blobs(store) == {kept.artifacts["x"].key}
    assert collect(store) == Removed()


def test_the_newest_runs_are_kept(tmp_path: Path) -> None:
    """`keep_last` counts from the newest run; what goes is gone for readers, with its blobs."""
    store = Datastore(tmp_path)
    runs = [record_run(store, float(number)) for number in range(5)]
    assert collect(store, keep_last=2).runs == ("F/3", "F/2", "F/1")
    fresh = Datastore(tmp_path)
    assert blobs(fresh) == {run.artifacts["x"].key for run in runs[3:]}
    with pytest.raises(NotFound, match=r"Run F/2 was removed on \d{4}-\d\d-\d\d\."):
        fresh.runs.run("F", "2")
    assert fresh.tasks.last_attempt("F", "2", "a", "1") is None
    assert fresh.artifacts.load(runs[4].artifacts["x"])[0] == 4.0


def test_a_dry_run_removes_nothing(tmp_path: Path) -> None:
    """What would be removed is said, and everything is still there."""
    store = Datastore(tmp_path)
    for number in range(3):
        record_run(store, float(number))
    before = sorted(tmp_path.rglob("*"))
    would = collect(store, keep_last=1, dry_run=True)
    assert would.runs == ("F/2", "F/1")
    assert [path for path in sorted(tmp_path.rglob("*")) if path.name != ".lock"] == [
        path for path in before if path.name != ".lock"
    ]
    assert collect(store, keep_last=1) == would


def test_age_and_number_both_have_to_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run goes only if it is old and not among the newest."""
    store = Datastore(tmp_path)
    for number in range(3):
        record_run(store, float(number))
    assert collect(store, keep_last=1, older_than=DAY).runs == ()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * DAY)
    assert collect(store, keep_last=1, older_than=DAY).runs == ("F/2", "F/1")


def test_the_newest_success_is_kept(tmp_path: Path) -> None:
    """However many runs failed since, the last one that succeeded stays."""
    store = Datastore(tmp_path)
    record_run(store, 0.0)
    record_run(store, 1.0)
    for number in range(3):
        record_run(store, 2.0 + number, status="failed")
    assert collect(store, keep_last=1).runs == ("F/4", "F/3", "F/1")


def test_a_running_run_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that has not ended is kept while its process lives, and for a day after it last recorded something."""
    store = Datastore(tmp_path)
    other = Datastore(tmp_path)
    record_run(other, 0.0, status="")
    record_run(store, 1.0)
    assert collect(store, keep_last=1).runs == ()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * DAY)
    assert collect(store, keep_last=1).runs == ()  # `other` is alive
    other.runs.liveness.end("flows/F/1")  # as if it had died
    assert collect(store, keep_last=1).runs == ("F/1",)


def test_what_a_kept_task_started_from_is_kept(tmp_path: Path) -> None:
    """A run whose task is the parent of a kept task stays, through any number of runs between."""
    store = Datastore(tmp_path)
    first = record_run(store, 0.0)
    second = record_run(store, 1.0, parents=(f"{first.run}/a/{first.task}",))
    record_run(store, 2.0)
    record_run(store, 3.0, parents=(f"{second.run}/a/{second.task}",))
    assert collect(store, keep_last=1).runs == ("F/3",)


def test_what_a_task_is_about_to_read_is_kept(tmp_path: Path) -> None:
    """While a step of the notebook runs, the run it started from and the constants it reads stay."""
    store = Datastore(tmp_path)
    old = record_run(store, 0.0)
    record_run(store, 1.0)
    constant = store.artifacts.save(np.full(BIG, 7.0), name="constant")
    work = working_run(store)
    task = store.tasks.new_task("F", work, "b", parents=[old], given=[constant])
    assert collect(store, keep_last=1).runs == ()
    assert constant.key in blobs(store)
    parents = (f"{old.run}/a/{old.task}",)
    store.tasks.write_task(TaskRecord("F", work, "b", task, 0, "done", parents, finished=time.time()))
    store.tasks.add_execution("F", work, Execution("b", (task,), "done"))
    assert collect(store, keep_last=1).blobs == 1
    assert constant.key not in blobs(store)


def test_superseded_results_of_a_notebook_go(tmp_path: Path) -> None:
    """Of a step that was executed often, the newest results stay, and what other results started from."""
    store = Datastore(tmp_path)
    work = working_run(store)
    first = [execute(store, work, "a", float(number)) for number in range(4)]
    origin = (f"{work}/a/{first[1].task}",)
    second = execute(store, work, "b", 10.0, parents=origin)
    assert collect(store).tasks == 0
    assert collect(store, keep_last=1).tasks == 2
    kept = [first[1], first[3], second]
    assert blobs(store) == {task.artifacts["x"].key for task in kept}
    left = [execution.tasks for execution in Datastore(tmp_path).tasks.executions("F", work)]
    assert left == [(first[3].task,), (second.task,)]
    assert Datastore(tmp_path).tasks.new_task("F", work, "a") == "6"


def test_the_last_success_of_a_step_outlives_failures(tmp_path: Path) -> None:
    """A step that fails again and again keeps the result its children run on."""
    store = Datastore(tmp_path)
    work = working_run(store)
    good = execute(store, work, "a", 1.0)
    for _ in range(3):
        task = store.tasks.new_task("F", work, "a")
        store.tasks.write_task(TaskRecord("F", work, "a", task, 0, "failed", finished=time.time()))
        store.tasks.add_execution("F", work, Execution("a", (task,), "failed"))
    assert collect(store, keep_last=1).tasks == 2
    assert [one.tasks for one in store.tasks.executions("F", work)] == [(good.task,), ("4",)]


def test_ids_of_removed_runs_are_not_given_again(tmp_path: Path) -> None:
    """Also the newest run's id stays taken."""
    store = Datastore(tmp_path)
    record_run(store, 1.0)
    remove_run(store, "F", "1")
    assert record_run(Datastore(tmp_path), 2.0).run == "2"
    with pytest.raises(NotFound, match="was removed on"):
        remove_run(store, "F", "1")


def test_a_needed_run_is_removed_only_by_force(tmp_path: Path) -> None:
    """A run that another one started from, or that may be running, is refused; by force its blobs in use stay."""
    store = Datastore(tmp_path)
    first = record_run(store, 0.0)
    second = store.runs.new_run(RunRecord("F", "", "run", started=time.time())).run
    task = store.tasks.new_task("F", second, "b")
    parents = (f"{first.run}/a/{first.task}",)
    store.tasks.write_task(TaskRecord("F", second, "b", task, 0, "done", parents, artifacts=first.artifacts))
    with pytest.raises(StoreError, match="A task of F/2 started from one of its tasks"):
        remove_run(store, "F", "1")
    with pytest.raises(StoreError, match="Run F/2 may still be running"):
        remove_run(store, "F", "2")
    assert remove_run(store, "F", "1", force=True).runs == ("F/1",)
    assert Datastore(tmp_path).artifacts.load(first.artifacts["x"])[0] == 0.0


def test_spins_hold_what_they_refer_to_until_they_are_cleared(tmp_path: Path) -> None:
    """A kept spin's artifacts survive gc; one call removes all spins with what only they needed."""
    store = Datastore(tmp_path)
    spins = store.spins()
    run = record_run(store, 0.0)
    spun = record_run(spins, 1.0)
    assert collect(store) == Removed()
    assert ((removed := remove_spins(store)).runs, removed.blobs) == (("spin/F/1",), 1)
    assert blobs(store) == {run.artifacts["x"].key}
    with pytest.raises(CorruptBlob):
        Datastore(tmp_path).artifacts.load(spun.artifacts["x"])


def test_a_damaged_manifest_stops_the_clearing_up(tmp_path: Path) -> None:
    """Where it is not known what a run needs, nothing is removed; removing that run continues."""
    store = Datastore(tmp_path)
    for number in range(3):
        record_run(store, float(number))
    path = tmp_path / "flows/F/2/steps/a/1/0.json"
    path.write_text(path.read_text()[:50])
    fresh = Datastore(tmp_path)
    with pytest.raises(StoreError, match=r"flows/F/2/steps/a/1/0\.json.*flownb rm F/2 --force"):
        collect(fresh, keep_last=1)
    assert len(blobs(fresh)) == 3
    assert remove_run(fresh, "F", "2", force=True).blobs == 1
    (tmp_path / "flows/F/1/run.json").write_text("{")
    with pytest.raises(StoreError, match=r"flows/F/1/run\.json"):
        collect(fresh)
    assert remove_run(fresh, "F", "1", force=True).runs == ("F/1",)


def test_an_interrupted_removal_is_finished(tmp_path: Path) -> None:
    """What a killed removal left of a run goes with the next clearing up."""
    store = Datastore(tmp_path)
    record = record_run(store, 0.0)
    store.runs.remove_run(store.runs.run("F", record.run), time.time())
    assert (tmp_path / "flows/F/1/steps/a/1/0.json").exists()
    assert collect(Datastore(tmp_path)).blobs == 1
    assert [path.name for path in (tmp_path / "flows/F/1").rglob("*")] == ["run.json"]


def test_temporary_files_of_killed_processes_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary file is removed once nobody can be writing it."""
    store = Datastore(tmp_path)
    record_run(store, 0.0)
    left = tmp_path / "blobs/.abc-0123456789ab.tmp"
    left.write_bytes(b"half a blob")
    collect(store)
    assert left.exists()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + DAY)
    collect(store)
    assert not left.exists()


def test_clearing_up_while_others_write(tmp_path: Path) -> None:
    """Four processes record runs, some with equal content, while gc runs again and again: every run that is there can
    be read whole.
    """
    code = f"""
        import sys, time
        import numpy as np
        from flownb.store.datastore import Datastore
        from flownb.store.records import RunEnd, RunRecord, TaskRecord
        store = Datastore({str(tmp_path)!r})
        for number in range(40):
            with store.recording():
                run = store.runs.new_run(RunRecord("F", "", "run", started=time.time())).run
            for task in "12":
                with store.recording():
                    value = np.full({BIG}, float(number % 4))
                    refs = store.artifacts.save_given({{"x": value, "y": [run, task] * 100}})
                    record = TaskRecord("F", run, "a", task, 0, "done", artifacts=refs, finished=time.time())
                    store.tasks.write_task(record)
            store.runs.end_run("F", run, RunEnd("done", time.time()))
    """
    writers = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)]) for _ in range(4)]
    rounds = 0
    removed = 0
    while any(writer.poll() is None for writer in writers):
        removed += len(collect(Datastore(tmp_path), keep_last=3).runs)
        rounds += 1
    assert [writer.returncode for writer in writers] == [0] * 4
    store = Datastore(tmp_path)
    assert list(store.runs.run_ids("F")) == [str(number) for number in range(160, 0, -1)]
    left = [
        record
        for record in store.runs.run_records("F", store.runs.run_ids("F"))
        if record is not None and not record.removed
    ]
    assert len(left) + removed == 160
    assert rounds > 1
    for record in left:
        tasks = store.tasks.last_attempts("F", record.run, "a")
        assert [task.task for task in tasks] == ["1", "2"]
        for task in tasks:
            assert store.artifacts.load(task.artifacts["y"]) == [record.run, task.task] * 100
            assert store.artifacts.load(task.artifacts["x"]).size == BIG


def test_a_damaged_claim_stops_the_clearing_up(tmp_path: Path) -> None:
    """Where it is not known what a running task needs, nothing is removed."""
    store = Datastore(tmp_path)
    work = working_run(store)
    constant = store.artifacts.save(np.full(BIG, 7.0), name="constant")
    store.tasks.new_task("F", work, "b", given=[constant])
    path = tmp_path / f"flows/F/{work}/ids/1.json"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(StoreError, match=r"flows/F/1/ids/1\.json"):
        collect(store)
    assert blobs(store) == {constant.key}


def test_two_damaged_runs_can_be_removed(tmp_path: Path) -> None:
    """By force one goes although the other cannot be read; both at once, with their blobs."""
    store = Datastore(tmp_path)
    for number in range(3):
        record_run(store, float(number))
        if number:
            (tmp_path / f"flows/F/{number}/steps/a/1/0.json").write_text("{")
    fresh = Datastore(tmp_path)
    removed = remove_run(fresh, "F", "1", force=True)
    assert (removed.runs, removed.blobs, removed.damaged) == (("F/1",), 0, ("flows/F/2/steps/a/1/0.json",))
    assert ((last := remove_run(fresh, "F", "2", force=True)).runs, last.blobs) == (("F/2",), 2)


def test_a_task_of_a_removed_run_is_not_recorded(tmp_path: Path) -> None:
    """Writing to a run that was removed by force is an error, instead of losing what was recorded."""
    store = Datastore(tmp_path)
    run = store.runs.new_run(RunRecord("F", "", "run", started=time.time())).run
    remove_run(Datastore(tmp_path), "F", run, force=True)
    for record in (
        lambda: store.tasks.write_task(TaskRecord("F", run, "a", "1", 0, "done")),
        lambda: store.runs.end_run("F", run, RunEnd("done", 1.0)),
    ):
        with pytest.raises(StoreError, match="Nothing more can be recorded in run F/1"):
            record()


def test_a_running_step_of_a_notebook_is_not_removed(tmp_path: Path) -> None:
    """A working run whose step has begun is removed by force alone."""
    store = Datastore(tmp_path)
    work = working_run(store)
    store.tasks.new_task("F", work, "a")
    with pytest.raises(StoreError, match="Run F/1 may still be running"):
        remove_run(Datastore(tmp_path), "F", work)


def test_the_first_writer_is_waited_for(tmp_path: Path) -> None:
    """Also before anything was recorded, clearing up waits for who has saved and not yet recorded."""
    store = Datastore(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        with store.recording():
            ref = store.artifacts.save(np.full(BIG, 1.0), name="x")
            clearing = pool.submit(collect, Datastore(tmp_path))
            with pytest.raises(TimeoutError):
                clearing.result(0.1)
            store.runs.new_run(RunRecord("F", "", "run", started=time.time(), constants={"x": ref}))
        assert clearing.result().blobs == 0
    assert blobs(store) == {ref.key}


def test_a_run_cannot_begin_on_what_was_removed(tmp_path: Path) -> None:
    """What a run's record refers to has to be there."""
    store = Datastore(tmp_path)
    ref = store.artifacts.save(np.full(BIG, 1.0), name="x")
    collect(store)
    with pytest.raises(StoreError, match="A run of F cannot begin: an artifact that it needs is gone"):
        store.runs.new_run(RunRecord("F", "", "run", started=time.time(), constants={"x": ref}))


def test_foreign_files_among_blobs_are_left_alone(tmp_path: Path) -> None:
    """What other programs leave in the folder of blobs is neither counted nor removed."""
    store = Datastore(tmp_path)
    record = record_run(store, 0.0)
    foreign = tmp_path / f"blobs/{record.artifacts['x'].key[:2]}/Thumbs.db"
    foreign.write_bytes(b"x")
    assert collect(store) == Removed()
    assert foreign.exists()
