"""Clearing up a datastore in a bucket, where age replaces locks."""

from __future__ import annotations

import time

import numpy as np
import pytest

from flownb.errors import CorruptBlob, NotFound
from flownb.store import garbage
from flownb.store.datastore import Datastore
from flownb.store.garbage import Removed, collect, remove_run, remove_spins
from flownb.store.records import RunEnd, RunRecord, TaskRecord
from flownb.store.runs import RunStore
from flownb.store.s3 import TRUSTED_AGE, S3Blobs

BIG = 20_000


def record_run(store: Datastore, number: float, *, parents: tuple[str, ...] = ()) -> TaskRecord:
    """A run of one task whose artifact `x` is an array of that number, in a blob of its own."""
    run = store.runs.new_run(RunRecord("F", "", "run", started=time.time())).run
    task = store.tasks.new_task("F", run, "a")
    artifacts = {"x": store.artifacts.save(np.full(BIG, number), name="x")}
    record = TaskRecord("F", run, "a", task, 0, "done", parents, artifacts=artifacts, finished=time.time())
    store.tasks.write_task(record)
    store.runs.end_run("F", run, RunEnd("done", time.time()))
    return record


def blobs(store: Datastore) -> set[str]:
    """Keys of all blobs that are there."""
    return {entry.name for entry in store.blobs.entries()}


@pytest.fixture
def all_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every blob is old enough to be removed."""
    monkeypatch.setattr(S3Blobs, "shortest_life", -1.0)


def test_blobs_wait_until_no_writer_can_name_them(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests of old runs go at once; their blobs are reported as waiting, and go two weeks later."""
    store = Datastore(s3_url)
    runs = [record_run(store, float(number)) for number in range(3)]
    store.artifacts.save(np.full(BIG, 9.0), name="lost")
    store.artifacts.settle()
    held = sum(entry.size for entry in store.blobs.entries())
    kept = runs[2].artifacts["x"]
    expected = Removed(("F/2", "F/1"), 0, 0, 0, held - kept.size)
    assert collect(store, keep_last=1, dry_run=True) == expected
    assert collect(store, keep_last=1) == expected
    assert len(blobs(store)) == 4
    fresh = Datastore(s3_url)
    with pytest.raises(NotFound, match="Run F/1 was removed on"):
        fresh.runs.run("F", "1")
    names = {entry.name for run in "12" for entry in fresh.storage.entries(f"flows/F/{run}")}
    assert names == {"flows/F/1/run.json", "flows/F/2/run.json"}
    now = time.time()
    monkeypatch.setattr(garbage.time, "time", lambda: now + 2 * TRUSTED_AGE - 600)
    assert collect(fresh) == Removed((), 0, 0, 0, held - kept.size)
    monkeypatch.setattr(garbage.time, "time", lambda: now + 2 * TRUSTED_AGE + 600)
    assert collect(fresh) == Removed((), 0, 3, held - kept.size, 0)
    assert blobs(fresh) == {kept.key}
    assert fresh.artifacts.load(kept)[0] == 2.0


@pytest.mark.usefixtures("all_old")
def test_a_run_that_a_task_begins_to_use_meanwhile_is_kept(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that takes its id after the records were looked at, before a run it starts from was marked as removed,
    has that run restored: in the manifests, in the index and with its blobs.
    """
    store, other = Datastore(s3_url), Datastore(s3_url)
    old, used = record_run(store, 0.0), record_run(store, 1.0)
    record_run(store, 2.0)
    work = other.runs.new_run(RunRecord("F", "", "work", started=time.time())).run
    claimed: list[str] = []
    mark = RunStore.remove_run

    def remove_later(self: RunStore, record: RunRecord, now: float) -> RunRecord:
        if record.run == used.run:
            claimed.append(other.tasks.new_task("F", work, "b", parents=[used]))
        return mark(self, record, now)

    monkeypatch.setattr(RunStore, "remove_run", remove_later)
    removed = collect(store, keep_last=1)
    assert claimed == ["1"]
    assert (removed.runs, removed.blobs) == (("F/1",), 1)
    fresh = Datastore(s3_url)
    assert fresh.runs.run("F", used.run).run == used.run
    assert [row.run for row in fresh.index.runs("F")] == ["3", "2"]
    assert fresh.index.runs("F")[1].status == "done"
    assert old.artifacts["x"].key not in blobs(fresh)
    assert fresh.artifacts.load(used.artifacts["x"])[0] == 1.0


@pytest.mark.usefixtures("all_old")
def test_a_task_that_comes_too_late_is_an_error(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that takes its id once the run it starts from is marked as removed fails; it reads nothing that goes."""
    store, other = Datastore(s3_url), Datastore(s3_url)
    used = record_run(store, 1.0)
    record_run(store, 2.0)
    work = other.runs.new_run(RunRecord("F", "", "work", started=time.time())).run
    refused: list[NotFound] = []
    clear = RunStore.clear_run

    def claim_first(self: RunStore, record: RunRecord) -> None:
        with pytest.raises(NotFound) as caught:
            other.tasks.new_task("F", work, "b", parents=[used])
        refused.append(caught.value)
        clear(self, record)

    monkeypatch.setattr(RunStore, "clear_run", claim_first)
    assert collect(store, keep_last=1).runs == ("F/1",)
    assert [error.what.startswith("Run F/1 was removed on") for error in refused] == [True]


@pytest.mark.usefixtures("all_old")
def test_one_run_is_removed(s3_url: str) -> None:
    """The run is gone with what it alone needed; what another run has too stays, and the id stays taken."""
    store = Datastore(s3_url)
    first, second = record_run(store, 1.0), record_run(store, 1.0)
    third = record_run(store, 3.0)
    assert ((removed := remove_run(store, "F", first.run)).runs, removed.blobs) == (("F/1",), 0)
    assert ((removed := remove_run(store, "F", third.run)).runs, removed.blobs) == (("F/3",), 1)
    fresh = Datastore(s3_url)
    assert blobs(fresh) == {second.artifacts["x"].key}
    assert [row.run for row in fresh.index.runs("F")] == ["2"]
    assert record_run(fresh, 4.0).run == "4"


@pytest.mark.usefixtures("all_old")
def test_spins_keep_what_they_refer_to_until_they_are_cleared(s3_url: str) -> None:
    """Clearing up looks at the spins too; removing them leaves the runs' artifacts."""
    store = Datastore(s3_url)
    spins = store.spins()
    run, spun = record_run(store, 0.0), record_run(spins, 1.0)
    assert collect(store) == Removed()
    assert ((removed := remove_spins(store)).runs, removed.blobs) == (("spin/F/1",), 1)
    assert blobs(store) == {run.artifacts["x"].key}
    assert list(store.storage.entries("spin")) == []
    with pytest.raises(CorruptBlob):
        Datastore(s3_url).artifacts.load(spun.artifacts["x"])
