"""How much room a datastore takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flownb.store.datastore import Datastore
from flownb.store.records import RunRecord, TaskRecord
from flownb.store.usage import Share, measure

BIG = 20_000


def record(store: Datastore, flow: str, run: str, task: str, values: dict[str, object]) -> int:
    """A task that captured these values; gives the bytes they take."""
    refs = {name: store.artifacts.save(value, name=name) for name, value in values.items()}
    store.tasks.write_task(TaskRecord(flow, run, "a", task, 0, "done", artifacts=refs, captured=tuple(values)))
    return sum(ref.size for ref in refs.values())


def test_equal_values_are_counted_once(tmp_path: Path) -> None:
    """By flow, run and artifact: what is stored, what only that one refers to, what storing it once saved."""
    store = Datastore(tmp_path)
    runs = [store.runs.new_run(RunRecord(flow, "", "run", started=1.0)).run for flow in "FFG"]
    size = record(store, "F", runs[0], "1", {"x": np.zeros(BIG)})
    record(store, "F", runs[1], "1", {"x": np.zeros(BIG), "y": np.ones(BIG)})
    record(store, "G", runs[2], "1", {"x": np.ones(BIG)})
    store.artifacts.save(np.full(BIG, 3.0), name="nobody's")
    usage = measure(store)
    assert (usage.blobs, usage.unneeded, usage.saved) == (3 * size, size, size)
    assert usage.flows == [Share("F", 2 * size, size, size), Share("G", size, 0, 0)]
    assert usage.runs == [Share("F/2", 2 * size, 0, 0), Share("F/1", size, 0, 0), Share("G/1", size, 0, 0)]
    assert usage.artifacts == [Share("x", 2 * size, size, size), Share("y", size, 0, 0)]


def test_inherited_values_save_nothing(tmp_path: Path) -> None:
    """A value that a task only passed on would not have been stored again anyway."""
    store = Datastore(tmp_path)
    run = store.runs.new_run(RunRecord("F", "", "run", started=1.0)).run
    refs = {"x": store.artifacts.save(np.zeros(BIG), name="x")}
    store.tasks.write_task(TaskRecord("F", run, "a", "1", 0, "done", artifacts=refs, captured=("x",)))
    store.tasks.write_task(TaskRecord("F", run, "b", "2", 0, "done", artifacts=refs))
    assert measure(store).saved == 0


def test_one_flow_or_run(tmp_path: Path) -> None:
    """What is asked of one flow or run leaves the others out, but for the totals."""
    store = Datastore(tmp_path)
    for flow in "FG":
        store.runs.new_run(RunRecord(flow, "", "run", started=1.0))
    size = record(store, "F", "1", "1", {"x": np.zeros(BIG)})
    record(store, "G", "1", "1", {"y": np.ones(BIG)})
    usage = measure(store, flow="F", run="1")
    assert (usage.artifacts, usage.blobs) == ([Share("x", size, size, 0)], 2 * size)
