"""Artifacts, runs and tasks, in a folder and in a bucket."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from flownb.errors import CorruptBlob, NotFound, StoreError, UnpicklableArtifact
from flownb.store.datastore import Datastore
from flownb.store.local import LocalBlobs
from flownb.store.records import Execution, ForeachFrame, RunRecord, TaskRecord, from_json, to_json


def new_run(store: Datastore, flow: str = "F") -> str:
    """Begin a run and give its id."""
    return store.runs.new_run(RunRecord(flow, "", "run", started=1.0)).run


def test_small_values_stand_in_the_manifest(tmp_path: Path) -> None:
    """A value of a few bytes makes no file, and a large one makes exactly one."""
    store = Datastore(tmp_path)
    small, large = store.artifacts.save(42, name="x"), store.artifacts.save(np.zeros(10_000), name="y")
    assert small.inline is not None
    assert large.inline is None
    assert [path.name for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == [large.key]
    assert (store.artifacts.load(small), store.artifacts.load(large)[7]) == (42, 0.0)


def test_each_load_is_independent(datastore_location: str) -> None:
    """Changing a loaded value changes neither the store nor a value loaded later."""
    store = Datastore(datastore_location)
    ref = store.artifacts.save(np.arange(1000.0), name="x")
    first = store.artifacts.load(ref)
    first[:] = -1
    assert store.artifacts.load(ref)[-1] == 999.0


def test_equal_values_have_equal_keys(datastore_location: str) -> None:
    """The key says whether two artifacts have the same content."""
    store = Datastore(datastore_location)
    one, same, other = (store.artifacts.save({"a": [1, value]}, name="x") for value in (2, 2, 3))
    assert one.key == same.key
    assert one.key != other.key


def test_unpicklable_value_is_named(datastore_location: str) -> None:
    """A value that cannot be pickled is refused with its name, its type and the reason."""
    with pytest.raises(UnpicklableArtifact) as caught:
        Datastore(datastore_location).artifacts.save(threading.Lock(), name="lock")
    assert caught.value.artifact == "lock"
    assert caught.value.what == "Artifact `lock` of type _thread.lock cannot be persisted."


def test_damage_names_the_artifact_and_spares_the_others(tmp_path: Path) -> None:
    """A corrupted blob is an error that names artifact, task and key; other artifacts stay readable."""
    store = Datastore(tmp_path)
    bad, good = store.artifacts.save(np.zeros(1000), name="bad"), store.artifacts.save(np.ones(1000), name="good")
    LocalBlobs(tmp_path / "blobs").path(bad.key).write_bytes(b"x" * bad.size)
    with pytest.raises(CorruptBlob) as caught:
        Datastore(tmp_path).artifacts.load(bad, name="bad", where="F/1/start/1")
    assert caught.value.what == "Artifact `bad` of F/1/start/1 cannot be read."
    assert bad.key in caught.value.why
    assert Datastore(tmp_path).artifacts.load(good)[0] == 1.0


def test_run_ids_are_sequential_for_each_flow(datastore_location: str) -> None:
    """Each flow counts its own runs from 1; listing gives the newest first."""
    store = Datastore(datastore_location)
    assert [new_run(store, "F"), new_run(store, "F"), new_run(store, "G")] == ["1", "2", "1"]
    assert store.runs.run_ids("F") == ["2", "1"]
    assert store.runs.flows() == ["F", "G"]


def test_racing_writers_never_share_an_id(datastore_location: str) -> None:
    """Threads and processes that begin runs at once each get their own id."""
    code = f"""
        from flownb.store.datastore import Datastore
        from flownb.store.records import RunRecord
        for _ in range(25):
            print(Datastore({datastore_location!r}).runs.new_run(RunRecord("F", "", "run")).run)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with ThreadPoolExecutor(4) as pool:
        outputs = list(pool.map(lambda _: subprocess.check_output(command, text=True), range(4)))
    ids = [int(line) for output in outputs for line in output.split()]
    assert sorted(ids) == list(range(1, 101))


def test_task_records_come_back_equal(datastore_location: str) -> None:
    """What was recorded of a task is what is read."""
    store = Datastore(datastore_location)
    run = new_run(store)
    task = store.tasks.new_task("F", run, "train")
    frame = ForeachFrame("start", "xs", 3, 1)
    artifacts = {"x": store.artifacts.save(1, name="x")}
    record = TaskRecord("F", run, "train", task, 0, "done", ("1/start/1",), (frame,), artifacts, ("x",), ("end",))
    store.tasks.write_task(record)
    assert Datastore(datastore_location).tasks.last_attempt("F", run, "train", task) == record
    assert from_json(TaskRecord, to_json(record)) == record


def test_the_last_attempt_counts(datastore_location: str) -> None:
    """A task that failed and was tried again is what its last attempt was."""
    store = Datastore(datastore_location)
    run = new_run(store)
    task = store.tasks.new_task("F", run, "train")
    for attempt, status in enumerate(["failed", "done"]):
        store.tasks.write_task(TaskRecord("F", run, "train", task, attempt, status))  # type: ignore[arg-type]  # literals
    found = Datastore(datastore_location).tasks.last_attempt("F", run, "train", task)
    assert found is not None
    assert (found.attempt, found.status) == (1, "done")


def test_executions_keep_their_order(datastore_location: str) -> None:
    """Executions of a working run are read in the order they were recorded."""
    store = Datastore(datastore_location)
    run = new_run(store)
    made = [Execution("a", ("1",), "done"), Execution("b", ("2", "3"), "failed"), Execution("a", ("4",), "done")]
    for execution in made:
        store.tasks.add_execution("F", run, execution)
    assert list(Datastore(datastore_location).tasks.executions("F", run)) == made


def test_a_half_written_manifest_spares_the_rest(tmp_path: Path) -> None:
    """A manifest that was cut off is named in the error, and other tasks stay readable."""
    store = Datastore(tmp_path)
    run = new_run(store)
    for _ in range(2):
        task = store.tasks.new_task("F", run, "a")
        store.tasks.write_task(TaskRecord("F", run, "a", task, 0, "done"))
    path = tmp_path / "flows/F" / run / "steps/a/1/0.json"
    path.write_text(path.read_text()[:30])
    fresh = Datastore(tmp_path)
    with pytest.raises(StoreError, match=r"steps/a/1/0\.json"):
        fresh.tasks.last_attempt("F", run, "a", "1")
    assert fresh.tasks.last_attempt("F", run, "a", "2") is not None


def test_left_over_temporary_files_are_not_seen(tmp_path: Path) -> None:
    """What a killed process left under a temporary name is not a run, task or attempt."""
    store = Datastore(tmp_path)
    run = new_run(store)
    task = store.tasks.new_task("F", run, "a")
    folder = tmp_path / "flows/F" / run / "steps/a" / task
    folder.mkdir(parents=True)
    (folder / ".0.json-abc.tmp").write_text("{")
    assert store.tasks.last_attempt("F", run, "a", task) is None
    assert store.tasks.last_attempts("F", run, "a") == []


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "", ".hidden", "a\0b"])
def test_names_cannot_leave_the_root(tmp_path: Path, name: str) -> None:
    """A flow, run, step or task name that could name another folder is refused."""
    with pytest.raises(NotFound):
        Datastore(tmp_path).runs.run(name, "1")


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    """A store that a later version made is not written to."""
    (tmp_path / "store.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(StoreError, match="has format 99"):
        new_run(Datastore(tmp_path))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Where the store would have to be made inside a file, the error names the folder and the setting."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="FLOWNB_DATASTORE"):
        new_run(Datastore(tmp_path / "file" / "store"))


@pytest.mark.parametrize("location", ["gs://bucket/x", "file:///tmp/x", "S3://bucket/x", "s3:/bucket/x"])
def test_a_place_of_another_kind_is_refused(location: str) -> None:
    """What looks like a URL and is none of S3's makes no folder of that name."""
    with pytest.raises(StoreError, match="is not a place for a datastore"):
        new_run(Datastore(location))
