"""Two processes on one store against plain dicts, and names of any text that never leave the root."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

import flownb.store.local.storage
from flownb.client import Flow, Run, Step, Task
from flownb.errors import CorruptBlob, FlownbError, NotFound, StoreError
from flownb.pathspec import parse_origin
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, Execution, RunEnd, RunRecord, TaskRecord

ROUNDS = int(os.environ.get("FLOWNB_ROUNDS", "100"))
FLOWS = ("F", "G")
STEPS = ("start", "train-1")

values = st.one_of(
    st.integers(),
    st.text(max_size=20),
    st.lists(st.floats(allow_nan=False), max_size=5),
    st.builds(lambda n, size: np.full(size, n, "f8"), st.integers(0, 9), st.sampled_from([3, 200, 1000, 9000, 40_000])),
    st.builds(
        lambda n, size: {"a": bytes([n]) * size, "b": [n]}, st.integers(0, 9), st.sampled_from([10, 5000, 90_000])
    ),
)
which = st.integers(0, 1)


@dataclass(frozen=True)
class Kept:
    """A reference and its value."""

    ref: ArtifactRef
    value: Any


def equal(one: Any, other: Any) -> bool:
    """Whether two values are equal."""
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    return type(one) is type(other) and one == other


class TwoProcesses(RuleBasedStateMachine):
    """Two datastores on one folder, each with what it remembers, beside what must be in the folder."""

    kept = Bundle("kept")

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.syncfs, flownb.store.local.storage._syncfs = flownb.store.local.storage._syncfs, lambda file: 0
        self.stores = [Datastore(self.root), Datastore(self.root)]
        self.damaged: set[str] = set()
        self.runs: dict[str, list[RunRecord]] = {flow: [] for flow in FLOWS}
        self.owners: dict[tuple[str, str], Datastore] = {}
        self.ends: dict[tuple[str, str], RunEnd] = {}
        self.ids: dict[tuple[str, str], list[str]] = {}
        self.tasks: dict[tuple[str, str, str, str], list[TaskRecord]] = {}
        self.executions: dict[tuple[str, str], list[Execution]] = {}

    def teardown(self) -> None:
        """Leave nothing behind."""
        flownb.store.local.storage._syncfs = self.syncfs
        shutil.rmtree(self.root)

    def _is_damaged(self, ref: ArtifactRef) -> bool:
        return ref.blob is not None and ref.blob[0] in self.damaged

    def _healed(self, ref: ArtifactRef) -> None:
        if ref.blob is not None:
            self.damaged.discard(ref.blob[0])

    @rule(target=kept, who=which, value=values)
    def save(self, who: int, value: Any) -> Kept:
        """Persisting also heals."""
        ref = self.stores[who].artifacts.save(value, name="x")
        self._healed(ref)
        return Kept(ref, value)

    @rule(target=kept, who=which, some=st.lists(values, min_size=1, max_size=6))
    def save_together(self, who: int, some: list[Any]) -> Any:
        """Values that share a blob, as long as they are small."""
        saved = self.stores[who].artifacts.save_all(
            {str(number): value for number, value in enumerate(some)}, before={}
        )
        assert saved.failures == {}
        for ref in saved.refs.values():
            self._healed(ref)
        return multiple(*(Kept(saved.refs[str(number)], value) for number, value in enumerate(some)))

    @rule(who=which, one=kept)
    def load(self, who: int, one: Kept) -> None:
        """The value, or an error for it alone."""
        if self._is_damaged(one.ref):
            with pytest.raises(CorruptBlob, match="Artifact `x` of F/1 cannot be read"):
                self.stores[who].artifacts.load(one.ref, name="x", where="F/1")
        else:
            assert equal(one.value, self.stores[who].artifacts.load(one.ref, name="x"))

    @rule(target=kept, who=which, one=kept, changed=st.booleans())
    def load_and_save(self, who: int, one: Kept, changed: bool) -> Any:
        """What was changed in place is another value, what was not has the same reference."""
        if self._is_damaged(one.ref):
            return multiple()
        loaded = self.stores[who].artifacts.read(one.ref)
        value = loaded.value
        if changed and isinstance(value, np.ndarray):
            value[-1] += 1
        elif changed and isinstance(value, list):
            value.append(1.5)
        elif changed and isinstance(value, dict):
            value["b"].append(5)
        else:
            changed = False
        ref = self.stores[who].artifacts.save(value, name="x", before=loaded)
        assert (one.ref.key != ref.key) == changed
        assert changed or one.ref == ref
        self._healed(ref)
        return Kept(ref, value)

    @rule(one=kept, how=st.sampled_from(["flip", "cut", "remove"]))
    def damage(self, one: Kept, how: str) -> None:
        """Damage a blob as a new file, for two writes in one tick of the clock cannot be distinguished."""
        if one.ref.blob is None or one.ref.blob[0] in self.damaged:
            return
        key = one.ref.blob[0]
        path = self.root / "blobs" / key[:2] / key
        content = path.read_bytes()
        path.unlink()
        if how == "flip":
            position = one.ref.packed.offset if one.ref.packed else len(content) // 2
            path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
            if one.ref.packed:  # only that value is damaged
                path.write_bytes(bytes(len(content)))
        elif how == "cut":
            path.write_bytes(b"")
        self.damaged.add(key)

    @rule(who=which)
    def reopen(self, who: int) -> None:
        """A process ends and another begins."""
        self.stores[who] = Datastore(self.root)

    @rule(
        who=which,
        flow=st.sampled_from(FLOWS),
        kind=st.sampled_from(["run", "work"]),
        tags=st.lists(st.text(), max_size=2),
    )
    def new_run(self, who: int, flow: str, kind: Literal["run", "work"], tags: list[str]) -> None:
        """The next id, whoever asks."""
        record = self.stores[who].runs.new_run(RunRecord(flow, "", kind, tags=tuple(tags), started=1.5))
        assert record.run == str(len(self.runs[flow]) + 1)
        self.runs[flow].append(record)
        self.owners[flow, record.run] = self.stores[who]

    @rule(who=which, one=kept, data=st.data(), failed=st.booleans())
    def new_task(self, who: int, one: Kept, data: st.DataObject, failed: bool) -> None:
        """A task that failed at first, and perhaps was tried again."""
        runs = [record for flow in FLOWS for record in self.runs[flow]]
        if not runs:
            return
        run = data.draw(st.sampled_from(runs))
        store = self.stores[who]
        place = (run.flow, run.run)
        if run.kind == "run" and self.owners[place] is not store:
            return
        step = data.draw(st.sampled_from(STEPS))
        task = store.tasks.new_task(*place, step)
        taken = self.ids.setdefault(place, [])
        assert task == str(len(taken) + 1)
        taken.append(task)
        there = one.ref.blob is None or (self.root / "blobs" / one.ref.blob[0][:2] / one.ref.blob[0]).exists()
        statuses: tuple[Literal["failed", "done"], ...] = ("failed", "done") if failed else ("done",)
        for attempt, status in enumerate(statuses):
            record = TaskRecord(*place, step, task, attempt, status, artifacts={"x": one.ref}, finished=2.5)
            if there:
                store.tasks.write_task(record)
                self.tasks.setdefault((*place, step, task), []).append(record)
            else:
                with pytest.raises(StoreError, match="its artifact `x` is gone"):
                    store.tasks.write_task(record)

    @rule(who=which, data=st.data())
    def add_execution(self, who: int, data: st.DataObject) -> None:
        """Tasks become the latest results of their step."""
        runs = [record for flow in FLOWS for record in self.runs[flow] if record.kind == "work"]
        if runs:
            run = data.draw(st.sampled_from(runs))
            execution = Execution(data.draw(st.sampled_from(STEPS)), ("1", "2"), "done")
            self.stores[who].tasks.add_execution(run.flow, run.run, execution)
            self.executions.setdefault((run.flow, run.run), []).append(execution)

    @rule(who=which, data=st.data())
    def end_run(self, who: int, data: st.DataObject) -> None:
        """A run ends."""
        runs = [record for flow in FLOWS for record in self.runs[flow]]
        if runs:
            run = data.draw(st.sampled_from(runs))
            end = RunEnd(data.draw(st.sampled_from(["done", "failed"])), 3.0)
            self.stores[who].runs.end_run(run.flow, run.run, end)
            self.ends[run.flow, run.run] = end

    @invariant()
    def both_see_the_same(self) -> None:
        """Whoever looks finds what was recorded, no more and no less."""
        for store in (*self.stores, Datastore(self.root)):
            assert store.runs.flows() == [flow for flow in FLOWS if self.runs[flow]]
            for flow in FLOWS:
                ids = [record.run for record in self.runs[flow]]
                assert list(store.runs.run_ids(flow)) == ids[::-1]
                assert (
                    store.runs.run_records(flow, ids) == [store.runs.run(flow, run) for run in ids] == self.runs[flow]
                )
                assert store.runs.run_ends(flow, ids) == [self.ends.get((flow, run)) for run in ids]
                for run in ids:
                    self._sees_the_run(store, flow, run)

    def _sees_the_run(self, store: Datastore, flow: str, run: str) -> None:
        assert list(store.tasks.executions(flow, run)) == self.executions.get((flow, run), [])
        mine = {place[2:]: attempts for place, attempts in self.tasks.items() if place[:2] == (flow, run)}
        assert store.tasks.steps(flow, run) == sorted({step for step, _ in mine})
        for step in store.tasks.steps(flow, run):
            expected = sorted((int(task), attempts[-1]) for (one, task), attempts in mine.items() if one == step)
            assert store.tasks.last_attempts(flow, run, step) == [record for _, record in expected]
            assert store.tasks.task_ids(flow, run, step) == [str(task) for task, _ in expected]
            for task, record in expected:
                assert store.tasks.last_attempt(flow, run, step, str(task)) == record


TestTwoProcesses = TwoProcesses.TestCase
TestTwoProcesses.settings = settings(
    max_examples=max(ROUNDS // 4, 1),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# Text of any kind, and such as might lead somewhere.
names = st.one_of(
    st.text(max_size=12),
    st.lists(
        st.sampled_from(["..", ".", "/", "\\", "~", "\0", "a", "flows", "%2e", "\n", " ", "C:", "1"]), max_size=6
    ).map("".join),
    st.just("a" * 300),
)


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store deep in a folder whose other files are those of another store."""
    outer = tmp_path_factory.mktemp("outer")
    for root in (outer, outer / "a", outer / "a/b/c"):
        store = Datastore(root)
        run = store.runs.new_run(RunRecord("F", "", "work", tags=(str(root),))).run
        store.tasks.write_task(TaskRecord("F", run, "s", store.tasks.new_task("F", run, "s"), 0, "done"))
    return outer


def files(root: Path) -> set[str]:
    """Names of all files, but for those that SQLite makes and removes beside an index that is in use."""
    names = {path.relative_to(root).as_posix() for path in root.rglob("*")}
    return {name for name in names if not name.endswith(("-wal", "-shm"))}


@settings(max_examples=ROUNDS, deadline=None)
@given(flow=names, run=names, step=names, task=names, place=st.integers(0, 15))
def test_no_name_leads_out_of_the_root(nested: Path, flow: str, run: str, step: str, task: str, place: int) -> None:
    """Whatever a flow, run, step or task is called, nothing outside of the root is read, made or changed."""
    root = nested / "a/b/c"
    store = Datastore(root)
    # Some of the parts are right, so that the others are looked at.
    parts = [
        one if place >> number & 1 else good
        for number, (one, good) in enumerate(zip((flow, run, step, task), "F1s1", strict=True))
    ]
    flow, run, step, task = parts
    before = files(nested)
    reads: list[Callable[[], object]] = [
        lambda: Flow(flow, datastore=store),
        lambda: Run(f"{flow}/{run}", datastore=store),
        lambda: Step(f"{flow}/{run}/{step}", datastore=store),
        lambda: Task(f"{flow}/{run}/{step}/{task}", datastore=store),
        lambda: store.runs.run(flow, run),
        lambda: store.runs.run_records(flow, [run])[0],
        lambda: store.runs.run_end(flow, run),
        lambda: store.runs.run_ends(flow, [run])[0],
        lambda: store.runs.has_run(flow, run),
        lambda: store.runs.last_run(flow),
        lambda: store.tasks.steps(flow, run),
        lambda: store.tasks.task_ids(flow, run, step),
        lambda: store.tasks.last_attempt(flow, run, step, task),
        lambda: store.tasks.last_attempts(flow, run, step),
        lambda: list(store.tasks.executions(flow, run)),
        lambda: store.tasks.claims(flow, run),
        lambda: store.tasks.executions_stamp(flow, run),
    ]
    for read in reads:
        try:
            found = read()
        except FlownbError:
            continue
        if isinstance(found, RunRecord):
            assert found.tags == (str(root),)
    assert files(nested) == before
    writes: list[Callable[[], object]] = [
        lambda: store.runs.new_run(RunRecord(flow, "", "work")),
        lambda: store.runs.end_run(flow, run, RunEnd("done", 1.0)),
        lambda: store.tasks.new_task(flow, run, step),
        lambda: store.tasks.write_task(TaskRecord(flow, run, step, task, 0, "done")),
        lambda: store.tasks.add_execution(flow, run, Execution(step, (task,), "done")),
    ]
    outside = {name for name in before if not name.startswith("a/b/c")}
    copy = nested.parent / "copy"
    # SQLite removes these files of an index when it likes, also while they are copied.
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    try:
        for write in writes:
            try:
                write()
            except FlownbError:
                continue
        assert {name for name in files(nested) if not name.startswith("a/b/c")} == outside
    finally:
        shutil.rmtree(root)
        copy.rename(root)


@settings(max_examples=ROUNDS * 5, deadline=None)
@given(text=st.one_of(names, st.lists(names, min_size=1, max_size=5).map("/".join)))
def test_an_origin_has_safe_parts(text: str) -> None:
    """A place that a spin starts from is refused, or made of names that lead nowhere else."""
    try:
        origin = parse_origin(text, "F")
    except NotFound:
        return
    for part in (origin.run, origin.step, origin.task):
        assert part is None or (Path("root") / part).resolve().parent == Path("root").resolve()
