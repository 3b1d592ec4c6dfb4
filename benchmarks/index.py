"""Pages, the latest successful run and a timeline from the index of 1,000,000 runs, and what telling it costs.

The peer is Metaflow's client on 200 runs in local metadata: one is run, the others are copies of what it recorded.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Literal

from benchmarks.table import Figure, Row
from flownb.store.index import Index
from flownb.store.index.file import IndexFile
from flownb.store.index.tables import put_runs, put_tasks
from flownb.store.records import RunEnd, RunRecord, TaskRecord

__all__ = ["measure", "ours"]

RUNS = 1_000_000
TASKS = 50_000
ROUNDS = 300
TIMELINES = 15
PAGE_GOAL = 0.010
TIMELINE_GOAL = 0.100
WRITE_GOAL = 0.001
# What a query or a change is compared with.
PAGE, TAG, LATEST, TIMELINE, WRITE = "page", "tag", "latest", "timeline", "write"
METAFLOW_RUNS = 200

FLOW = """
from metaflow import FlowSpec, step

class Bench(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Bench()
"""
CLIENT = """
import statistics
from itertools import islice
from time import perf_counter
from metaflow import Flow, namespace

namespace(None)

def median(work):
    times = []
    for _ in range(5):
        started = perf_counter()
        work()
        times.append(perf_counter() - started)
    return statistics.median(times)

def first(work, count):
    found = list(islice(work(), count))
    assert len(found) == count, len(found)

flow = Flow("Bench")
print(median(lambda: first(lambda: flow.runs(), 50)))
print(median(lambda: first(lambda: flow.runs("few"), 5)))
print(median(lambda: flow.latest_successful_run))
"""


class Truth:
    """Manifests whose files would be found or missed on a local disk."""

    def __init__(self, folder: Path) -> None:
        self.there, self.missing = folder, folder / "missing"
        self.runs = RUNS

    def flows(self) -> list[str]:
        return ["F"]

    def has_run(self, flow: str, run: str) -> bool:
        return (self.there if int(run) <= self.runs else self.missing).exists()

    def last_run(self, flow: str) -> int:
        return self.runs

    def alive(self, flow: str, runs: Sequence[str]) -> list[bool]:
        return [True] * len(runs)

    def tagged(self, record: RunRecord) -> RunRecord:
        return record

    def run_records(self, flow: str, ids: Sequence[str]) -> list[RunRecord | None]:
        raise AssertionError("the index is complete")

    def run_ends(self, flow: str, ids: Sequence[str]) -> list[RunEnd | None]:
        for _ in ids:
            try:
                self.missing.read_bytes()
            except FileNotFoundError:
                continue
        return [None] * len(ids)

    def changes(self, flow: str, after: int) -> tuple[int, Sequence[str]]:
        self.missing.exists()
        return 0, ()

    def task_names(self, flow: str, run: str) -> Iterable[tuple[str, str, int]]:
        raise AssertionError("the timeline is complete")

    def task_records(self, flow: str, run: str, names: Sequence[tuple[str, str, int]]) -> list[TaskRecord | None]:
        raise AssertionError("the timeline is complete")


def measure() -> list[Row]:
    """Median and 95th percentile of each query, on other pages, users and tags each time."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        folder = Path(name)
        page, tagged, latest = _metaflow(folder / "metaflow")
        found = _ours(folder)
        with closing(sqlite3.connect(next((folder / "index").glob("*.sqlite")))) as db:
            rows = _middle(
                _times(lambda: db.execute("SELECT * FROM runs WHERE flow = 1 ORDER BY run DESC LIMIT 50").fetchall())
            )
            tasks = _middle(_times(lambda: db.execute("SELECT * FROM tasks").fetchall(), TIMELINES))
        small = _middle(_times(lambda: _write(folder)))
    peers = {
        PAGE: (f"metaflow page of 50 of {METAFLOW_RUNS}", page, PAGE_GOAL, "50 bare rows", rows),
        TAG: (f"metaflow runs(tag) of {METAFLOW_RUNS}", tagged, PAGE_GOAL, "50 bare rows", rows),
        LATEST: (f"metaflow latest_successful_run of {METAFLOW_RUNS}", latest, PAGE_GOAL, "50 bare rows", rows),
        TIMELINE: ("-", tasks, TIMELINE_GOAL, "its bare rows", tasks),
        WRITE: ("-", small, WRITE_GOAL, "writing a small file", small),
    }
    return [
        Row(figure.what, figure.value, peer, theirs, f"<= {goal * 1e3:.0f} ms", figure.value <= goal, "ms", limit, best)
        for what, (kind, times) in found.items()
        for peer, theirs, goal, limit, best in [peers[kind]]
        for figure in _figures(what, times)
    ]


def ours() -> list[Figure]:
    """All queries, once."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        found = _ours(Path(name))
    return [figure for what, (_, times) in found.items() for figure in _figures(what, times)]


def _ours(folder: Path) -> dict[str, tuple[str, list[float]]]:
    """Which of Metaflow's queries is its peer, and seconds, by what was done."""
    truth = Truth(folder)
    _fill(IndexFile(folder / "index"))
    index = Index(folder / "index", truth, truth)
    rng = random.Random(1)

    def deep() -> int:
        return rng.randrange(100, RUNS)

    def user() -> str:
        return f"u{rng.randrange(20)}"

    four = ["t0", "t1", "t2", "t3"]
    queries: dict[str, tuple[str, Callable[[], object]]] = {
        "first page of 50": (PAGE, lambda: index.runs("F")),
        "page anywhere": (PAGE, lambda: index.runs("F", before=deep())),
        "page of a user and status": (PAGE, lambda: index.runs("F", user=user(), status="failed")),
        "page of a rare tag": (TAG, lambda: index.runs("F", tags=["rare"], before=deep())),
        "page of a tag of one run": (TAG, lambda: index.runs("F", tags=[f"id:{deep()}"])),
        "4 tags that 3 of 4 have each, none all": (
            TAG,
            lambda: index.runs("F", tags=four, user=user(), status="done"),
        ),
        "page of some minutes": (PAGE, lambda: _minutes(index, deep())),
        "page of running ones": (PAGE, lambda: index.runs("F", status="running", before=deep())),
        "page of working runs": (PAGE, lambda: index.runs("F", kind="work", before=deep())),
        "latest successful": (LATEST, lambda: index.latest("F", status="done")),
        "count of a user and status": (PAGE, lambda: index.count("F", user=user(), status="done")),
    }
    found = {f"{RUNS:,} runs: {what}": (kind, _times(work)) for what, (kind, work) in queries.items()}
    found[f"timeline of {TASKS:,} tasks"] = (TIMELINE, _times(lambda: index.timeline("F", "77"), TIMELINES))
    for what, times in _telling(index, truth).items():
        found[f"telling the index: {what}"] = (WRITE, times)
    index.close()
    return found


def _minutes(index: Index, start: int) -> object:
    return index.runs("F", since=10.0 * start, until=10.0 * start + 3600)


def _telling(index: Index, truth: Truth) -> dict[str, list[float]]:
    """What a writer pays, beside the manifest that it writes anyway."""

    def begin() -> None:
        truth.runs += 1
        index.run_begun(_record(truth.runs))

    begun = _times(begin)
    numbers, tasks = iter(range(RUNS + 1, RUNS + ROUNDS + 1)), iter(range(ROUNDS))
    ended = _times(lambda: index.run_ended("F", str(next(numbers)), RunEnd("done", 1.0)))
    task = _times(lambda: index.task_ended(_task(RUNS, next(tasks))))
    return {"a run began": begun, "a run ended": ended, "a task ended": task}


def _write(folder: Path) -> None:
    """Write a file as large as a manifest, and put it into its place."""
    (folder / "new").write_text("x" * 500)
    os.replace(folder / "new", folder / "manifest")


def _figures(what: str, times: list[float]) -> list[Figure]:
    middle, late = _middle(times), sorted(times)[int(len(times) * 0.95)]
    return [Figure(f"{what}, p50", middle), Figure(f"{what}, p95", late)]


def _middle(times: list[float]) -> float:
    return statistics.median(times)


def _times(work: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    found = []
    for _ in range(rounds):
        started = perf_counter()
        work()
        found.append(perf_counter() - started)
    return found


def _record(number: int) -> RunRecord:
    """A run every 10 seconds: 20 users, four tags that three of four have, one of its own, one that 100 have."""
    rng = random.Random(number)
    tags = [f"t{n}" for n in range(4) if n != number % 4] + [f"id:{number}"] + ["rare"] * (number % 10_000 == 7)
    kind: Literal["run", "work"] = "work" if rng.random() < 0.1 else "run"
    return RunRecord(
        "F", str(number), kind, "nb.ipynb", tags=tuple(tags), user=f"u{rng.randrange(20)}", started=number * 10.0
    )


def _end(number: int) -> RunEnd | None:
    """One in 500 crashed, and 20 at the end are under way."""
    if number % 500 == 0 or number > RUNS - 20:
        return None
    return RunEnd("failed" if number % 10 == 3 else "done", number * 10.0 + 5)


def _task(run: int, number: int) -> TaskRecord:
    return TaskRecord("F", str(run), f"step{number % 4}", str(number), 0, "done", started=float(number), finished=1e6)


def _fill(file: IndexFile) -> None:
    """All runs, and the tasks of one, straight into the file."""
    file.write(lambda db: db.execute("INSERT INTO flows VALUES (1, 'F', ?, 0)", (RUNS,)))
    for first in range(1, RUNS + 1, 20_000):
        batch = [(n, _record(n), _end(n)) for n in range(first, first + 20_000)]
        file.write(partial(put_runs, flow=1, found=batch))
    file.write(lambda db: put_tasks(db, 1, (_task(77, n) for n in range(TASKS))))
    file.write(lambda db: db.execute("UPDATE runs SET tasks = ?, status = 'done' WHERE run = 77", (TASKS,)))
    file.close()


def _metaflow(folder: Path) -> list[float]:
    """Seconds of a page, of a tag's runs and of the latest successful run."""
    folder.mkdir()
    (folder / "flow.py").write_text(FLOW)
    keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {
        **keep,
        "HOME": str(folder),
        "METAFLOW_USER": "bench",
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
    }

    def run(*words: str) -> str:
        command = [sys.executable, *words]
        done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    run("flow.py", "--no-pylint", "run", "--tag", "few")
    run("flow.py", "--no-pylint", "run")
    recorded = folder / ".metaflow" / "Bench"
    tagged, plain = sorted(path for path in recorded.iterdir() if path.name.isdigit())
    for copy in range(METAFLOW_RUNS - 2):
        source = tagged if copy % 40 == 0 else plain
        number = str(int(plain.name) + 1000 + copy)
        target = recorded / number
        shutil.copytree(source, target)
        for path in target.rglob("*.json"):
            path.write_text(path.read_text().replace(source.name, number))
    return [float(line) for line in run("-c", CLIENT).splitlines()]
