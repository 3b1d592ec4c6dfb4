"""The derived index, beside manifests in memory and in a folder.

Run as a program, this file is the processes that its tests race and kill.
"""

# ruff: noqa: D102 - what the stand-ins' methods do is said in `Runs` and `Tasks`

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flownb.errors import ParameterError, StoreError
from flownb.store.datastore import Datastore
from flownb.store.index import Index, RunRow, TaskRow
from flownb.store.index import file as index_file
from flownb.store.index import index as index_module
from flownb.store.index import refresh as index_refresh
from flownb.store.index import tables as index_tables
from flownb.store.records import RunEnd, RunRecord, TaskRecord

Start = Callable[..., subprocess.Popen[str]]
STATES = ("running", "done", "failed", "interrupted")


class Memory:
    """Manifests in memory, which count how often they are read."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], RunRecord | None] = {}
        self.newest: dict[str, int] = {}
        self.ended: dict[tuple[str, str], RunEnd] = {}
        self.dead: set[tuple[str, str]] = set()
        self.tags: dict[tuple[str, str], tuple[str, ...]] = {}
        self.log: list[tuple[str, str]] = []
        self.marked: dict[tuple[str, str], RunRecord] = {}
        self.attempts: dict[tuple[str, str], dict[tuple[str, str, int], TaskRecord]] = {}
        self.reads: dict[str, int] = {}

    def _read(self, what: str, count: int = 1) -> None:
        self.reads[what] = self.reads.get(what, 0) + count

    def flows(self) -> list[str]:
        return sorted({flow for flow, _ in self.records})

    def has_run(self, flow: str, run: str) -> bool:
        self._read("has_run")
        return (flow, run) in self.records

    def last_run(self, flow: str) -> int:
        self._read("last_run")
        return max((int(run) for name, run in self.records if name == flow), default=0)

    def run_records(self, flow: str, ids: Sequence[str]) -> list[RunRecord | None]:
        self._read("run_records", len(ids))
        return [self.records.get((flow, run)) for run in ids]

    def run_ends(self, flow: str, ids: Sequence[str]) -> list[RunEnd | None]:
        self._read("run_ends", len(ids))
        return [self.ended.get((flow, run)) for run in ids]

    def alive(self, flow: str, runs: Sequence[str]) -> list[bool]:
        return [(flow, run) not in self.dead for run in runs]

    def tagged(self, record: RunRecord) -> RunRecord:
        return replace(record, tags=self.tags.get((record.flow, record.run), record.tags))

    def changes(self, flow: str, after: int) -> tuple[int, Sequence[str]]:
        entries = [run for name, run in self.log if name == flow]
        return len(entries), entries[after:]

    def task_names(self, flow: str, run: str) -> Iterable[tuple[str, str, int]]:
        self._read("task_names")
        return list(self.attempts.get((flow, run), {}))

    def task_records(self, flow: str, run: str, names: Sequence[tuple[str, str, int]]) -> list[TaskRecord | None]:
        self._read("task_records", len(names))
        return [self.attempts[flow, run].get(name) for name in names]

    def begin(self, flow: str = "F", **values: Any) -> RunRecord:
        last = self.newest.get(flow, 0)
        while last and (flow, str(last)) not in self.records:
            last -= 1
        self.newest[flow] = last + 1
        run = str(last + 1)
        record = RunRecord(flow, run, **{"kind": "run", "user": "ada", "started": float(run), **values})
        self.records[flow, run] = record
        return record

    def end(self, record: RunRecord, status: Any = "done") -> RunEnd:
        return self.ended.setdefault((record.flow, record.run), RunEnd(status, record.started + 1))

    def remove(self, record: RunRecord) -> None:
        place = record.flow, record.run
        # As in the datastore, only the mark stays.
        self.records[place] = replace(record, tags=(), user="", notebook="", removed=1.0)
        self.log.append(place)

    def restore(self, record: RunRecord) -> None:
        self.records[record.flow, record.run] = record
        self.log.append((record.flow, record.run))

    def write_task(self, record: TaskRecord) -> TaskRecord:
        self.attempts.setdefault((record.flow, record.run), {})[record.step, record.task, record.attempt] = record
        return record

    def expected(self, flow: str = "F", **filters: Any) -> list[str]:
        """Ids that match, found by looking at every record."""
        found = []
        for (name, run), record in self.records.items():
            if name != flow or record is None or record.removed:
                continue
            end = self.ended.get((flow, run))
            wanted = (
                set(filters.get("tags", ())) <= set(record.tags)
                and filters.get("user") in (None, record.user)
                and filters.get("status") in (None, end.status if end else "running")
                and filters.get("kind", "run") in (None, record.kind)
                and (filters.get("since") is None or record.started >= filters["since"])
                and (filters.get("until") is None or record.started < filters["until"])
                and (filters.get("before") is None or int(run) < int(filters["before"]))
            )
            if wanted:
                found.append(run)
        return sorted(found, key=int, reverse=True)


class Folder(Memory):
    """Manifests as files, for several processes; a run id is taken by making its file."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.last = 0

    def _get(self, kind: type, *names: str) -> Any:
        try:
            return kind(**json.loads(self.root.joinpath(*names).read_text()))
        except FileNotFoundError:
            return None

    def _put(self, record: Any, *names: str) -> bool:
        path = self.root.joinpath(*names)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{secrets.token_hex(6)}")
        temporary.write_text(json.dumps(asdict(record)))
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True

    def flows(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir())

    def has_run(self, flow: str, run: str) -> bool:
        return (self.root / flow / run / "run.json").exists()

    def last_run(self, flow: str) -> int:
        folder = self.root / flow
        return max((int(path.parent.name) for path in folder.glob("*/run.json")), default=0)

    def run_records(self, flow: str, ids: Sequence[str]) -> list[RunRecord | None]:
        return [self._get(RunRecord, flow, run, "run.json") for run in ids]

    def run_ends(self, flow: str, ids: Sequence[str]) -> list[RunEnd | None]:
        return [self._get(RunEnd, flow, run, "end.json") for run in ids]

    def alive(self, flow: str, runs: Sequence[str]) -> list[bool]:
        return [True for _ in runs]

    def tagged(self, record: RunRecord) -> RunRecord:
        return record

    def task_names(self, flow: str, run: str) -> Iterable[tuple[str, str, int]]:
        folder = self.root / flow / run / "steps"
        return [(p.parent.parent.name, p.parent.name, int(p.stem)) for p in folder.glob("*/*/[0-9]*.json")]

    def task_records(self, flow: str, run: str, names: Sequence[tuple[str, str, int]]) -> list[TaskRecord | None]:
        return [self._get(TaskRecord, flow, run, "steps", step, task, f"{n}.json") for step, task, n in names]

    def begin(self, flow: str = "F", **values: Any) -> RunRecord:
        while True:
            self.last += 1
            record = RunRecord(flow, str(self.last), **{"kind": "run", "user": "ada", "started": time.time(), **values})
            if self._put(record, flow, record.run, "run.json"):
                return record

    def end(self, record: RunRecord, status: Any = "done") -> RunEnd:
        end = RunEnd(status, time.time())
        self._put(end, record.flow, record.run, "end.json")
        return end

    def write_task(self, record: TaskRecord) -> TaskRecord:
        self._put(record, record.flow, record.run, "steps", record.step, record.task, f"{record.attempt}.json")
        return record


def task(run: RunRecord, number: int, **values: Any) -> TaskRecord:
    """An attempt that began `number` seconds after the epoch."""
    defaults = {"step": "work", "attempt": 0, "status": "done", "started": float(number), "finished": number + 0.5}
    return TaskRecord(run.flow, run.run, task=str(number), **{**defaults, **values})


def ids(rows: list[RunRow]) -> list[str]:
    """Run ids of rows."""
    return [row.run for row in rows]


def dump(folder: Path) -> dict[str, list[Any]]:
    """All rows of the index, apart from when ends were looked for."""
    name = (folder / f"current.{index_tables.SCHEMA}").read_text().strip()
    db = sqlite3.connect(folder / name)
    tables = ("flows", "runs", "spans", "tasks")
    found = {table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall() for table in tables}
    found["open"] = db.execute("SELECT flow, run FROM open").fetchall()
    query = "SELECT flow, mark, chunk, bits FROM marks WHERE length(bits)"
    found["marks"] = sorted((*key, index_tables._decode(bits)) for *key, bits in db.execute(query))
    db.close()
    return found


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit maps of 16 runs, so that a few runs lie across many."""
    monkeypatch.setattr(index_tables, "CHUNK", 16)
    monkeypatch.setattr(index_tables, "SPARSE", -1)
    monkeypatch.setattr(index_tables, "WINDOWS", (1, 2))
    monkeypatch.setattr(index_refresh, "CHUNK", 5)


def test_a_run_is_listed_as_it_was_recorded(tmp_path: Path) -> None:
    """A row holds what the run's record and its end say."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    record = truth.begin(tags=("b", "a"), notebook="nb.ipynb", started=5.0)
    index.run_begun(record)
    row = RunRow("F", "1", "run", "running", "ada", ("a", "b"), "nb.ipynb", 5.0, None)
    assert index.runs("F") == [row]
    index.run_ended("F", "1", truth.end(record, "failed"))
    assert index.latest("F") == row._replace(status="failed", finished=6.0)
    assert (index.flows(), index.runs("G"), index.latest("G")) == (["F"], [], None)


def test_runs_come_in_numeric_order(tmp_path: Path) -> None:
    """Run 10 is newer than run 9, and task 10 later than task 9 when both began at once."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    run = [truth.begin() for _ in range(11)][-1]
    for number in (10, 9):
        truth.write_task(task(run, number, started=1.0))
    assert ids(index.runs("F")) == [str(number) for number in range(11, 0, -1)]
    assert [row.task for row in index.timeline("F", "11")] == ["9", "10"]


def test_an_unknown_status_is_refused(tmp_path: Path) -> None:
    """A status that no run has is a mistake, not an empty list."""
    with pytest.raises(ParameterError) as caught:
        Index(tmp_path, Memory(), Memory()).runs("F", status="finished")  # type: ignore[arg-type]  # what is tested
    assert caught.value.what == "`finished` is not a status of a run."


reported = st.booleans()
begin = st.tuples(
    st.just("begin"),
    reported,
    st.fixed_dictionaries(
        {
            "tags": st.lists(st.sampled_from("abc"), max_size=3).map(tuple),
            "user": st.sampled_from(["ada", "bob", ""]),
            "kind": st.sampled_from(["run", "run", "run", "work", "spin"]),
            "started": st.integers(0, 30).map(float),
        }
    ),
    st.sampled_from([False, False, False, True]),
)
change = st.tuples(st.sampled_from(["remove", "restore", *STATES[1:], *STATES[1:]]), reported, st.integers(0, 10**6))
query = st.tuples(
    st.just("query"),
    st.fixed_dictionaries(
        {},
        optional={
            "tags": st.lists(st.sampled_from("abcd"), max_size=3),
            "user": st.sampled_from([None, "ada", "bob", ""]),
            "status": st.sampled_from([None, *STATES]),
            "kind": st.sampled_from([None, "run", "work", "spin"]),
            "since": st.none() | st.integers(-1, 31).map(float),
            "until": st.none() | st.integers(-1, 31).map(float),
        },
    ),
    st.none() | st.integers(0, 60),
    st.integers(0, 20),
)
rebuild = st.just(("rebuild",))


@pytest.mark.usefixtures("small_chunks")
@settings(deadline=None, max_examples=150)
@given(st.lists(begin | begin | begin | change | query | rebuild, max_size=80), query)
def test_queries_give_what_looking_at_all_records_gives(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], last: Any
) -> None:
    """Whichever records were reported to it, a query answers as if it had read every manifest."""
    truth = Memory()
    index = Index(tmp_path_factory.mktemp("index"), truth, truth)
    for kind, *values in [*steps, last]:
        if kind == "begin":
            reported, fields, damaged = values
            record = truth.begin(**fields)
            if damaged:
                truth.records["F", record.run] = None
            elif reported:
                index.run_begun(record)
        elif kind == "query":
            filters, before, limit = values
            for bit_maps in ("on", "off"):
                with pytest.MonkeyPatch.context() as patched:
                    patched.setenv("FLOWNB_INDEX_BITMAPS", bit_maps)
                    found = ids(index.runs("F", **filters, before=before, limit=limit))
                    assert truth.expected(**filters, before=before)[:limit] == found
                    assert index.count("F", **filters) == len(truth.expected(**filters))
        elif kind == "rebuild":
            index.rebuild()
        elif truth.records:
            reported, position = values
            number = position % len(truth.records) + 1
            change_run(truth, index, kind, str(number), reported=reported)
    index.close()


def change_run(truth: Memory, index: Index, kind: str, run: str, *, reported: bool) -> None:
    """End, remove or restore a run that can be ended, removed or restored."""
    record, place = truth.records["F", run], ("F", run)
    if record is None or (kind == "restore") != bool(record.removed):
        return
    if kind == "remove":
        truth.marked[place] = record
        truth.remove(record)
        if reported:
            index.run_removed("F", run, 1.0)
    elif kind == "restore":
        truth.restore(truth.marked[place])
        if reported:
            index.run_restored(truth.marked[place], truth.ended.get(place))
    elif record.kind == "run":
        end = truth.end(record, kind)
        if reported:
            index.run_ended("F", run, end)


def test_many_runs_are_filtered_as_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters over several bit maps, dense and sparse, find what looking at all records finds; so they do without."""
    truth, rng = Memory(), random.Random(4)
    for number in range(1, 10_001):
        tags = [f"id:{number}", *(["rare"] if number in (3, 4096, 4097, 8191) else []), *rng.sample("abcdef", 2)]
        record = truth.begin(
            tags=tuple(tags),
            user=rng.choice(["ada", "bob"]),
            kind=rng.choice(["run", "work"]),
            started=number + rng.uniform(-50, 50),
        )
        if record.kind == "run" and number < 9_990:
            truth.end(record, rng.choice(STATES[1:]))
    index = Index(tmp_path, truth, truth)
    for _ in range(100):
        filters = {
            "tags": rng.sample(["a", "b", "rare", "id:4096", "nowhere"], rng.randrange(2)),
            "user": rng.choice([None, "ada"]),
            "status": rng.choice([None, *STATES]),
            "kind": rng.choice([None, "run", "work"]),
            "since": rng.choice([None, rng.uniform(0, 10_000)]),
            "until": rng.choice([None, rng.uniform(0, 10_000)]),
        }
        below = rng.choice([None, rng.randrange(10_100)])
        expected = truth.expected(**filters)
        lower = [run for run in expected if below is None or int(run) < below]
        with monkeypatch.context() as patched:
            patched.setenv("FLOWNB_INDEX_BITMAPS", "off" if rng.random() < 0.1 else "on")
            assert ids(index.runs("F", **filters, before=below, limit=700)) == lower[:700]
            assert index.count("F", **filters) == len(expected)


@pytest.mark.usefixtures("small_chunks")
def test_runs_of_one_notebook(tmp_path: Path) -> None:
    """A notebook's runs are found by its id, also after a removal, a restoration and a rebuild."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    kept = {name: [truth.begin(notebook_id=name) for _ in range(20)] for name in ("x", "y", "")}
    for name, records in kept.items():
        assert ids(index.runs("F", notebook_id=name)) == [one.run for one in reversed(records)]
    removed = kept["x"][7]
    truth.remove(removed)
    assert len(index.runs("F", notebook_id="x")) == 19
    truth.restore(removed)
    assert ids(index.runs("F", notebook_id="x")) == [one.run for one in reversed(kept["x"])]
    index.rebuild()
    assert (len(index.runs("F", notebook_id="y")), len(index.runs("F", limit=100))) == (20, 60)


@pytest.mark.usefixtures("small_chunks")
def test_pages_have_no_gap_and_no_duplicate(tmp_path: Path) -> None:
    """Following pages gives each run once, also while new runs begin."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    for number in range(200):
        truth.begin(tags=("x",) if number % 3 else ())
    expected, found, below = truth.expected(tags=["x"]), [], None
    while page := ids(index.runs("F", tags=["x"], before=below, limit=7)):
        found += page
        below = page[-1]
        index.run_begun(truth.begin(tags=("x",)))
    assert found == expected


def test_nothing_new_costs_no_read(tmp_path: Path) -> None:
    """A second query of runs that have ended reads the newest run's record, and probes for the next one."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    for number in range(300):
        truth.end(truth.begin(nonce=str(number)))
    index.runs("F")
    truth.reads.clear()
    index.runs("F")
    assert truth.reads == {"run_records": 1, "has_run": 1}


def test_crashed_runs_do_not_cost_more_and_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands of runs without an end a query looks at a few, yet it finds each one's end in time."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    records = [truth.begin() for _ in range(3000)]
    index.runs("F")
    for _ in range(3000 // index_refresh.LATER + 1):
        index.runs("F")
    truth.reads.clear()
    index.runs("F", limit=index_refresh.NEWEST + 10)
    assert truth.reads["run_ends"] == index_refresh.NEWEST + 10
    truth.end(records[5])
    assert index.latest("F", status="done") is None
    later = time.time() * 1.1
    monkeypatch.setattr(index_refresh.time, "time", lambda: later)
    for _ in range(3000 // index_refresh.LATER + 1):
        index.count("F")
    assert index.latest("F", status="done").run == "6"  # type: ignore[union-attr]  # None would fail as well


def test_a_run_whose_process_died_has_failed(tmp_path: Path) -> None:
    """It is found as failed and not as running, by every query and after a rebuild, until it comes back."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    dead, back, alive = truth.begin(), truth.begin(), truth.begin()
    for record in (dead, back, alive):
        index.run_begun(record)
    assert ids(index.runs("F", status="running")) == ["3", "2", "1"]
    truth.dead |= {("F", "1"), ("F", "2")}
    assert ids(index.runs("F", status="running")) == ["3"]
    assert ids(index.runs("F", status="failed")) == ["2", "1"]
    assert [(row.run, row.status, row.finished) for row in index.runs("F")] == [
        ("3", "running", None),
        ("2", "failed", None),
        ("1", "failed", None),
    ]
    assert (index.count("F", status="running"), index.count("F", status="failed")) == (1, 2)
    index.rebuild()
    assert ids(index.runs("F", status="failed")) == ["2", "1"]
    truth.dead.clear()
    assert [row.status for row in index.runs("F")] == ["running"] * 3
    truth.dead |= {("F", "1"), ("F", "2")}
    index.runs("F")
    index.run_ended("F", "2", truth.end(back))  # it had been cut off only
    assert [(row.run, row.status) for row in index.runs("F")] == [("3", "running"), ("2", "done"), ("1", "failed")]
    assert ids(index.runs("F", status="failed")) == ["1"]


def test_runs_that_died_do_not_hide_running_ones(tmp_path: Path) -> None:
    """However many runs died, one that ends later is found at once, and they are not all looked at each time."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    going = truth.begin()
    truth.dead = {("F", truth.begin().run) for _ in range(1000)}
    for _ in range(1 + 1000 // index_refresh.NEWEST):
        index.count("F")
    assert index.count("F", status="failed") == 1000
    truth.reads.clear()
    assert ids(index.runs("F", status="running")) == ["1"]
    assert {name: count for name, count in truth.reads.items() if name == "run_ends"} == {"run_ends": 1}
    truth.end(going)
    assert ids(index.runs("F", status="done")) == ["1"]


def test_a_working_run_never_dies(tmp_path: Path) -> None:
    """A notebook's working run needs no living process, and its timeline can be queried."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    work = truth.begin(kind="work")
    index.run_begun(work)
    truth.write_task(task(work, 1))
    truth.dead.add(("F", "1"))
    assert len(index.timeline("F", "1")) == 1
    assert [row.status for row in index.runs("F", kind="work")] == ["running"]


def test_a_row_shown_as_running_is_running(tmp_path: Path) -> None:
    """However many runs have no end, a page shows none as running that has ended."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    records = [truth.begin() for _ in range(1500)]
    for _ in range(8):
        index.runs("F")
    for record in records[100:1400]:
        truth.end(record)
    assert ids(index.runs("F", status="running", before=1400, limit=40)) == [
        str(number) for number in range(100, 60, -1)
    ]


def test_a_timeline_is_read_once(tmp_path: Path) -> None:
    """Tasks that were not reported are read when the timeline is queried; once the run has ended, never again."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    run = truth.begin()
    index.run_begun(run)
    for number in (3, 1, 2):
        truth.write_task(task(run, number))
    index.task_ended(truth.write_task(task(run, 4, attempt=1, status="failed")))
    expected = [TaskRow("work", str(n), 0, "done", n, n + 0.5) for n in (1, 2, 3)]
    expected.append(TaskRow("work", "4", 1, "failed", 4.0, 4.5))
    assert index.timeline("F", "1") == expected
    truth.end(run)
    index._refresh._listing.clear()  # however long the first listing took, it may list again
    assert index.timeline("F", "1") == expected
    truth.reads.clear()
    assert index.timeline("F", "1") == expected
    assert truth.reads == {}
    assert index.timeline("F", "2") == []


def test_a_removed_task_leaves_the_timeline(tmp_path: Path) -> None:
    """A working run's task whose record was removed is shown no longer, one that took its place is."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    run = truth.begin(kind="work")
    index.run_begun(run)
    for number in (1, 2):
        index.task_ended(truth.write_task(task(run, number)))
    assert [row.task for row in index.timeline("F", "1")] == ["1", "2"]
    del truth.attempts["F", "1"]["work", "1", 0]
    truth.write_task(task(run, 3))
    assert [row.task for row in Index(tmp_path, truth, truth).timeline("F", "1")] == ["2", "3"]


def test_a_timeline_that_was_reported_needs_no_listing(tmp_path: Path) -> None:
    """When the writer says how many attempts there are and all were reported, the manifests are not read."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    run = truth.begin()
    index.run_begun(run)
    for number in range(5):
        index.task_ended(truth.write_task(task(run, number)))
    index.run_ended("F", "1", truth.end(run), tasks=5)
    assert len(index.timeline("F", "1")) == 5
    assert truth.reads == {}


def test_a_running_timeline_is_not_listed_all_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a run runs, listing its tasks takes at most a twentieth of the time."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    run = truth.begin()
    now = [0.0]
    monkeypatch.setattr(index_refresh.time, "monotonic", lambda: now[0])
    slow = truth.task_names

    def task_names(flow: str, run: str) -> Iterable[tuple[str, str, int]]:
        now[0] += 2.0
        return slow(flow, run)

    monkeypatch.setattr(truth, "task_names", task_names)
    for _ in range(100):
        index.timeline("F", "1")
        now[0] += 1.0
    assert truth.reads["task_names"] == 3
    truth.write_task(task(run, 1))
    now[0] += 100.0
    assert len(index.timeline("F", "1")) == 1


def damaged(folder: Path) -> Iterable[tuple[str, Callable[[], object]]]:
    """Ways in which an index can be gone or wrong."""
    pointer = folder / f"current.{index_tables.SCHEMA}"

    def file() -> Path:
        return folder / pointer.read_text().strip()

    def sql(text: str) -> None:
        db = sqlite3.connect(file())
        db.execute(text)
        db.commit()
        db.close()

    def remove_all() -> None:
        for path in folder.iterdir():
            path.unlink()

    def fill(content: bytes, *, start: int = 0) -> None:
        with file().open("r+b") as stream:
            stream.seek(start)
            stream.write(content)

    yield "folder emptied", remove_all
    yield "file removed", lambda: file().unlink()
    yield "file empty", lambda: os.truncate(file(), 0)
    yield "file cut", lambda: os.truncate(file(), 5000)
    yield "garbage", lambda: file().write_bytes(os.urandom(20_000))
    yield "pages overwritten", lambda: fill(os.urandom(20_000), start=4096)
    yield "old schema", lambda: sql("PRAGMA user_version = 0")
    yield "other program", lambda: sql("PRAGMA application_id = 7")
    yield "table missing", lambda: sql("DROP TABLE marks")
    yield "pointer empty", lambda: pointer.write_text("")
    yield "pointer garbage", lambda: pointer.write_bytes(b"\xff\xfe../../x")
    yield "pointer to nowhere", lambda: pointer.write_text("abc.sqlite\n")


@pytest.mark.parametrize("what", [name for name, _ in damaged(Path())])
@pytest.mark.parametrize("first", ["reader", "writer"])
def test_a_damaged_index_is_rebuilt(tmp_path: Path, what: str, first: str) -> None:
    """Whatever happened to the file, writers continue and the next query knows all runs."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    for number in range(40):
        index.run_begun(truth.begin(tags=("x",) * (number % 2)))
    assert index.count("F", tags=["x"]) == 20
    index.close()
    dict(damaged(tmp_path))[what]()
    if first == "writer":
        index.run_begun(truth.begin())
    assert ids(index.runs("F", tags=["x"])) == truth.expected(tags=["x"])
    assert index.count("F") == len(truth.records)
    index.close()
    assert Index(tmp_path, truth, truth).count("F") == len(truth.records)


@pytest.mark.parametrize("what", ["folder emptied", "file removed", "pointer to nowhere"])
def test_an_index_removed_while_open_is_rebuilt(tmp_path: Path, what: str) -> None:
    """Removing the index under a process that uses it loses nothing, and processes meet in the new one."""
    truth = Memory()
    one, other = Index(tmp_path, truth, truth), Index(tmp_path, truth, truth)
    one.run_begun(truth.begin())
    assert other.count("F") == 1
    dict(damaged(tmp_path))[what]()
    one.run_begun(truth.begin())
    assert (other.count("F"), one.count("F")) == (2, 2)
    third = Index(tmp_path, truth, truth)
    assert third.count("F") == 2


def test_another_stores_index_is_not_used(tmp_path: Path) -> None:
    """A datastore made where another one was does not show that one's runs."""
    old, new = Memory(), Memory()
    for _ in range(3):
        old.begin()
    assert Index(tmp_path, old, old, store="old").count("F") == 3
    new.begin(user="bob")
    assert [row.user for row in Index(tmp_path, new, new, store="new").runs("F")] == ["bob"]


def test_a_flow_that_was_removed_by_hand_is_read_again(tmp_path: Path) -> None:
    """When a flow's manifests are gone and others took their place, none of the old is shown."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    for _ in range(10):
        truth.begin(tags=("old",))
    assert index.count("F") == 10
    truth.records.clear()
    assert index.count("F") == 0
    truth.begin()
    assert (index.count("F"), index.count("F", tags=["old"])) == (1, 0)


def test_runs_above_a_hole_are_found(tmp_path: Path) -> None:
    """When runs were removed by hand, or expired in a bucket, a new index and a rebuilt one know all others."""
    truth = Memory()
    for number in range(30):
        truth.begin(tags=("x",) * (number % 2))
    for run in (1, 2, 10, 11, 12, 29):
        del truth.records["F", str(run)]
    index = Index(tmp_path, truth, truth)
    assert ids(index.runs("F")) == truth.expected()
    assert ids(index.runs("F", tags=["x"])) == truth.expected(tags=["x"])
    assert index.rebuild() == {"F": 30}
    assert ids(index.runs("F")) == truth.expected()


def test_a_datastore_without_its_first_run_is_listed(tmp_path: Path) -> None:
    """Removing a run's folder in a datastore hides that run alone."""
    store = Datastore(tmp_path)
    for _ in range(4):
        store.runs.new_run(RunRecord("F", "", "run", started=1.0))
    shutil.rmtree(tmp_path / "flows/F/1")
    shutil.rmtree(tmp_path / "index")
    assert ids(Datastore(tmp_path).index.runs("F")) == ["4", "3", "2"]
    assert Datastore(tmp_path).index.rebuild() == {"F": 4}
    shutil.rmtree(tmp_path / "flows/F/4")
    assert ids(Datastore(tmp_path).index.runs("F")) == ["3", "2"]


@pytest.mark.parametrize("reported", [True, False])
def test_a_run_whose_id_was_given_again_takes_the_old_ones_place(tmp_path: Path, reported: bool) -> None:
    """When a run was removed by hand and another got its id, nothing of the first is shown."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    first, old = (truth.begin(tags=("old",), nonce=f"old {number}", user="bob") for number in range(2))
    truth.end(first)
    for record in (first, old):
        index.run_begun(record)
    index.task_ended(truth.write_task(task(old, 1)))
    index.run_ended("F", "2", truth.end(old, "failed"))
    assert len(index.timeline("F", "2")) == 1
    for kept in (truth.records, truth.ended, truth.attempts):
        kept.pop(("F", "2"))  # type: ignore[attr-defined]  # all three are dicts
    new = truth.begin(tags=("new",), nonce="new")
    if reported:
        index.run_begun(new)
    assert (ids(index.runs("F", tags=["new"])), ids(index.runs("F", tags=["old"]))) == (["2"], ["1"])
    assert (ids(index.runs("F", status="running")), ids(index.runs("F", status="failed"))) == (["2"], [])
    assert (ids(index.runs("F", user="bob")), index.count("F")) == (["1"], 2)
    assert index.timeline("F", "2") == []
    index.run_begun(first)
    assert index.runs("F")[1].status == "done"


def test_the_id_of_a_removed_run_may_be_given_again(tmp_path: Path) -> None:
    """A run whose mark of removal was removed by hand is shown no longer, the one that got its id is."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    old = truth.begin(nonce="old")
    index.run_begun(old)
    truth.remove(old)
    index.run_removed("F", "1", 1.0)
    assert index.runs("F") == []
    index.run_begun(old)
    assert index.runs("F") == []
    truth.records.clear()
    truth.log.clear()
    index.run_begun(truth.begin(nonce="new", user="bob"))
    assert [row.user for row in index.runs("F")] == ["bob"]


def test_a_writer_does_not_wait_for_a_locked_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process holds the index, records are reported to it once and then not for a while; a reader waits,
    and knows them all.
    """
    monkeypatch.setattr(index_file, "BUSY_SECONDS", 60.0)
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    index.run_begun(truth.begin())
    asked: list[float | None] = []
    write = index._file.write

    def counted(work: Callable[[sqlite3.Connection], Any], *, patience: float | None = None) -> Any:
        asked.append(patience)
        return write(work, patience=patience)

    monkeypatch.setattr(index._file, "write", counted)
    name = (tmp_path / f"current.{index_tables.SCHEMA}").read_text().strip()
    other = sqlite3.connect(tmp_path / name, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def tell() -> None:
        for _ in range(20):
            record = truth.begin()
            index.run_begun(record)
            index.task_ended(truth.write_task(task(record, 1)))
            index.run_ended("F", record.run, truth.end(record), tasks=1)

    writer = threading.Thread(target=tell)
    writer.start()
    writer.join(120)
    waited = writer.is_alive()
    alone = list(asked)
    found: list[int] = []
    reader = threading.Thread(target=lambda: found.append(index.count("F", status="done")))
    reader.start()
    other.execute("ROLLBACK")
    other.close()
    reader.join()
    writer.join()
    assert not waited
    assert alone == [index_module.NOTIFY_SECONDS]
    assert found == [20]
    assert len(index.timeline("F", "7")) == 1
    now = time.monotonic() + index_module.SILENT_SECONDS
    monkeypatch.setattr(index_module.time, "monotonic", lambda: now)
    asked.clear()
    index.run_begun(truth.begin())
    assert asked == [index_module.NOTIFY_SECONDS]


def test_a_place_that_cannot_be_written_has_a_temporary_index(tmp_path: Path) -> None:
    """In a read-only folder queries are answered from an index of this process, which leaves nothing behind."""
    truth = Memory()
    (tmp_path / "file").write_text("in the way")
    index = Index(tmp_path / "file" / "index", truth, truth)
    record = truth.begin()
    index.run_begun(record)
    assert ids(index.runs("F")) == ["1"]
    folder = index._file.folder
    assert folder.is_dir()
    assert index.rebuild() == {"F": 1}
    del index
    assert not folder.exists()


def test_a_file_that_cannot_be_written_has_a_temporary_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that another user may only let us read is left as it is."""
    truth = Memory()
    Index(tmp_path, truth, truth).run_begun(truth.begin())
    before = sorted(path.name for path in tmp_path.iterdir())
    real = index_file._open

    def read_only(path: Path, mode: str) -> sqlite3.Connection:
        return real(path, "ro" if path.parent == tmp_path else mode)

    monkeypatch.setattr(index_file, "_open", read_only)
    index = Index(tmp_path, truth, truth)
    truth.begin()
    index.run_begun(truth.begin())
    assert index.count("F") == 3
    assert index._file.folder != tmp_path
    kept = ("", ".sqlite", f".{index_tables.SCHEMA}")
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix in kept) == before


def test_without_wal_the_index_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system has no shared memory, SQLite's other journal serves."""
    monkeypatch.setattr(sqlite3, "connect", without_wal(sqlite3.connect))
    truth = Memory()
    one, other = Index(tmp_path, truth, truth), Index(tmp_path, truth, truth)
    for _ in range(20):
        one.run_begun(truth.begin())
        other.run_begun(truth.begin())
    assert (one.count("F"), other.count("F")) == (40, 40)
    assert list(tmp_path.glob("*-wal")) == []
    assert one.rebuild() == {"F": 40}


def without_wal(connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
    """A `connect` whose connections keep their journal mode."""

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            return super().execute("SELECT 1" if sql.startswith("PRAGMA journal_mode") else sql, *values)

    return lambda *words, **options: connect(*words, **options, factory=Connection)


def test_rebuilt_and_reported_indices_are_equal(tmp_path: Path) -> None:
    """An index to which everything was reported has the same rows as one rebuilt from the manifests."""
    truth, rng = Memory(), random.Random(7)
    index = Index(tmp_path, truth, truth)
    for number in range(500):
        kind = rng.choice(["run", "run", "work"])
        record = truth.begin(rng.choice("FG"), kind=kind, tags=tuple(rng.sample("abc", 2)), user=rng.choice("uv"))
        index.run_begun(record)
        if kind == "run" and number % 7:
            index.run_ended(record.flow, record.run, truth.end(record, rng.choice(STATES[1:])))
        if number % 50 == 3:
            truth.remove(record)
            index.run_removed(record.flow, record.run, 1.0)
    for flow in "FG":
        index.runs(flow)
    before = dump(tmp_path)
    index.rebuild()
    after = dump(tmp_path)
    names = [{number: name for number, name, *_ in one["flows"]} for one in (before, after)]
    for table in before:
        rows = [
            sorted(([name[row[0]], *row[1:]] for row in one[table] if table != "marks" or row[3]), key=str)
            for one, name in zip((before, after), names, strict=True)
        ]
        assert table == "spans" or rows[0] == rows[1], table
    assert len(list(tmp_path.glob("*.sqlite"))) == 1


def test_threads_share_an_index(tmp_path: Path) -> None:
    """Threads write and read through one index at once."""
    truth = Memory()
    index = Index(tmp_path, truth, truth)
    records = [truth.begin() for _ in range(400)]

    def work(part: list[RunRecord]) -> None:
        for record in part:
            index.run_begun(record)
            index.run_ended("F", record.run, truth.end(record))
            index.runs("F", limit=5)

    threads = [threading.Thread(target=work, args=(records[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index.count("F", status="done") == 400


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start this file as a program, which is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start_one(*words: object) -> subprocess.Popen[str]:
        command = [sys.executable, __file__, *map(str, words)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str]) -> list[str]:
    """Wait for a program that must not fail; its lines."""
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    return output.splitlines()


def test_eight_writers_and_readers_at_once_lose_nothing(tmp_path: Path, start: Start) -> None:
    """Eight processes write runs of one flow while two read: no call finds the index locked, all runs are there."""
    writers = [start("write", tmp_path, 60) for _ in range(8)]
    readers = [start("read", tmp_path, 480) for _ in range(2)]
    assert [finish(process) for process in writers] == [["0 lost"]] * 8
    assert [finish(process) for process in readers] == [["480"]] * 2
    truth = Folder(tmp_path / "flows")
    index = Index(tmp_path / "index", truth, truth)
    assert (index.count("F"), index.count("F", status="done")) == (480, 480)
    assert ids(index.runs("F", limit=1000)) == [str(number) for number in range(480, 0, -1)]


def test_a_rebuild_while_writers_run_loses_nothing(tmp_path: Path, start: Start) -> None:
    """Runs that begin and end while the index is rebuilt over and over are all in it afterwards."""
    truth = Folder(tmp_path / "flows")
    index = Index(tmp_path / "index", truth, truth)
    (tmp_path / "flows").mkdir()
    writers = [start("write", tmp_path, 150) for _ in range(3)]
    rounds = 0
    while any(process.poll() is None for process in writers):
        index.rebuild()
        rounds += 1
    assert [finish(process) for process in writers] == [["0 lost"]] * 3
    assert rounds > 3
    assert (index.count("F"), index.count("F", status="done")) == (450, 450)
    assert all(len(index.timeline("F", str(run))) == 2 for run in (1, 100, 450))
    index.rebuild()
    assert len(list((tmp_path / "index").glob("*.sqlite"))) == 1


def test_killed_writers_leave_an_index_that_repairs_itself(tmp_path: Path, start: Start) -> None:
    """A writer killed at any point, 200 times, stops no other process, and the next query knows all it recorded."""
    assert finish(start("kill", tmp_path, 200)) == ["200 rounds"]


def test_a_fork_uses_a_connection_of_its_own(tmp_path: Path, start: Start) -> None:
    """Children of a process that has the index open write through it at once with their parent."""
    assert finish(start("fork", tmp_path, 8)) == ["all there"]


def write_runs(root: Path, count: int) -> int:
    """Begin, work on and end runs; how often reporting to the index failed."""
    truth = Folder(root / "flows")
    index = Index(root / "index", truth, truth)
    write, lost = index._file.write, 0

    def counted(work: Callable[[sqlite3.Connection], Any], *, patience: float | None = None) -> Any:
        nonlocal lost
        try:
            return write(work, patience=patience and 60.0)  # with more to do than its processors, a machine is slow
        except StoreError:
            lost += 1
            raise

    index._file.write = counted  # type: ignore[method-assign]  # the index ignores what it raises
    for _ in range(count):
        record = truth.begin(tags=("x",))
        index.run_begun(record)
        for number in (1, 2):
            index.task_ended(truth.write_task(task(record, number)))
        index.run_ended("F", record.run, truth.end(record), tasks=2)
    index.close()
    return lost


def main(what: str, root: Path, count: int) -> None:
    """What the processes do that tests start."""
    truth = Folder(root / "flows")
    index = Index(root / "index", truth, truth)
    if what == "write":
        print(f"{write_runs(root, count)} lost")
    elif what == "read":
        while index.count("F", status="done") < count:
            page = index.runs("F", tags=["x"], limit=20)
            assert sorted(ids(page), key=int, reverse=True) == ids(page)
        print(index.count("F"))
    elif what == "kill":
        for _ in range(count):
            child = os.fork()
            if child == 0:
                write_runs(root, 10**6)
            time.sleep(random.uniform(0, 0.02))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            runs = sum(1 for path in (root / "flows" / "F").glob("*") if (path / "run.json").exists())
            ended = sum(1 for path in (root / "flows" / "F").glob("*") if (path / "end.json").exists())
            assert (index.count("F"), index.count("F", status="done")) == (runs, ended)
        print(f"{count} rounds")
    elif what == "fork":
        index.count("F")
        children = []
        for _ in range(count):
            child = os.fork()
            if child == 0:
                truth_here = Folder(root / "flows")
                for _ in range(30):
                    index.run_begun(truth_here.begin())
                os._exit(0)
            children.append(child)
            index.run_begun(truth.begin())
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * count
        there = index._file.read(lambda db: db.execute("SELECT count(*) FROM runs").fetchone()[0])
        assert there == count * 31, there
        print("all there")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
