"""Foreachs of trivial tasks, 10 to 10,000 of them: the cost of one, the memory of the kernel, and a resume of all.

The peer is the exported flow, run by Metaflow with 10 and 100 tasks, after a run that does not count. With the
environment variable ``BENCH_SLOW`` set, Metaflow also runs 1,000, which takes minutes.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_client.blocking.client import BlockingKernelClient

from benchmarks.kernel import open_kernel, round_trip
from benchmarks.machine import LIMIT_FORK, fork_and_exit
from benchmarks.peer import run_metaflow
from benchmarks.processes import forget_peak, peak, process_id, resident
from benchmarks.table import Figure, Row

__all__ = ["measure", "ours"]

COUNTS = (10, 100, 1_000, 10_000)
GOAL = 8.0
GROWTH = 1.15
RESUME_GOAL = 1.0
RESUMED = 1_000
RESUME = f"resume that clones {RESUMED:,} tasks"
KERNEL = "kernel's peak growth, foreach of 10,000"
# What the kernel may keep of a task while a join waits for it, in bytes.
KEPT = 8_000
CELLS = (
    "%load_ext flownb",
    '%%flow Wide\nn = Parameter("n", default=10)',
    "%%step start -> xs\nxs = list(range(self.n))",
    "%%step each --foreach xs -> y\ny = self.input + 1",
    "%%step gather --join -> total\ntotal = sum(one.y for one in inputs)",
    "%%step end --after gather -> total\ntotal = total + 0",
    "%flow export flow.py",
)


@dataclass(frozen=True)
class Found:
    """What one kernel measured.

    Attributes
    ----------
    seconds : dict of int to float
        Of a run, by its number of tasks.
    grown : dict of int to int
        Bytes that the kernel's peak grew by, by the same number.
    resumed : float
        Seconds of a resume that clones the run of `RESUMED` tasks.
    """

    seconds: dict[int, float]
    grown: dict[int, int]
    resumed: float


def measure() -> list[Row]:
    """Whole ``%flow run`` and ``%flow resume`` cells in one kernel, then Metaflow's runs."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        folder = Path(name)
        found = _ours(folder, COUNTS)
        counts = COUNTS[:3] if os.environ.get("BENCH_SLOW") else COUNTS[:2]
        run_metaflow(folder, *_line("run", counts[0]).split()[1:])
        theirs = {count: run_metaflow(folder, *_line("run", count).split()[1:]) for count in counts}
        peer_resumed = run_metaflow(folder, "resume", "--max-num-splits", "1000", "end")
    fork = fork_and_exit().seconds
    rows = []
    for count, seconds in found.seconds.items():
        beside = max(one for one in theirs if one <= count)
        cost, peer = seconds / count, theirs[beside] / beside
        at_most = GOAL / 1_000 if count <= 1_000 else GROWTH * found.seconds[1_000] / 1_000
        goal = {1_000: "<= 8 ms", 10_000: f"<= {GROWTH} x at 1,000"}.get(count, "")
        met = not goal or cost <= at_most
        rows.append(Row(_task(count), cost, f"metaflow, {beside:,}", peer, goal, met, "ms", LIMIT_FORK, fork))
    grown, most = found.grown[10_000], KEPT * 10_000
    clones = f"metaflow, {max(theirs):,} clones"
    return [
        *rows,
        Row(KERNEL, grown, "8 kB a task", most, "<= that", grown <= most, "MB"),
        Row(RESUME, found.resumed, clones, peer_resumed, "<= 1 s", found.resumed <= RESUME_GOAL),
    ]


def ours() -> list[Figure]:
    """The same, up to 1,000 tasks."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        found = _ours(Path(name), COUNTS[:3])
    tasks = [Figure(_task(count), seconds / count) for count, seconds in found.seconds.items()]
    return [*tasks, Figure(RESUME, found.resumed)]


def _ours(folder: Path, counts: Sequence[int]) -> Found:
    """Runs in one kernel; the flow is exported, too."""
    with open_kernel(folder) as client:
        for cell in CELLS:
            round_trip(client, cell)
        kernel = process_id(client, folder / "pid")
        _run(client, 2)
        seconds, grown, resumed = {}, {}, 0.0
        for count in counts:
            forget_peak(kernel)
            before = resident(kernel)
            seconds[count] = statistics.median(_run(client, count) for _ in range(5 if count <= 100 else 1))
            grown[count] = peak(kernel) - before
            if count == RESUMED:
                resumed = statistics.median(round_trip(client, _line("resume", count)) for _ in range(3))
    return Found(seconds, grown, resumed)


def _task(count: int) -> str:
    return f"foreach of {count:,}: one task"


def _line(command: str, count: int) -> str:
    """``%flow run`` or ``resume`` of so many items."""
    parameter = f" --n {count}" if command == "run" else ""
    return f"%flow {command}{parameter} --max-num-splits {count}"


def _run(client: BlockingKernelClient, count: int) -> float:
    """Seconds of a run."""
    return round_trip(client, _line("run", count))
