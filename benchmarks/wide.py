"""Foreachs of trivial tasks, 10 to 10,000 of them: the cost of one, the memory of the kernel, and a resume of all.

The peer is the exported flow, run by Metaflow with 10 and 100 tasks. With the environment variable ``BENCH_SLOW`` set,
Metaflow also runs 1,000, which takes minutes.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

from jupyter_client.blocking.client import BlockingKernelClient

from benchmarks.kernel import open_kernel, round_trip
from benchmarks.peer import run_metaflow
from benchmarks.processes import forget_peak, peak, process_id, resident
from benchmarks.table import Row

__all__ = ["measure"]

COUNTS = (10, 100, 1_000, 10_000)
GOAL = 8.0
GROWTH = 1.15
RESUME_GOAL = 1.0
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


def measure() -> list[Row]:
    """Whole ``%flow run`` and ``%flow resume`` cells in one kernel, then Metaflow's runs."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        folder = Path(name)
        with open_kernel(folder) as client:
            for cell in CELLS:
                round_trip(client, cell)
            kernel = process_id(client, folder / "pid")
            _run(client, 2)
            ours, memory = {}, {}
            for count in COUNTS:
                forget_peak(kernel)
                before = resident(kernel)
                ours[count] = statistics.median(_run(client, count) for _ in range(5 if count <= 100 else 1))
                memory[count] = peak(kernel) - before
                if count == 1_000:
                    resumed = statistics.median(round_trip(client, _line("resume", count)) for _ in range(3))
        counts = COUNTS[:3] if os.environ.get("BENCH_SLOW") else COUNTS[:2]
        theirs = {count: run_metaflow(folder, *_line("run", count).split()[1:]) for count in counts}
        peer_resumed = run_metaflow(folder, "resume", "--max-num-splits", "1000", "end")
    rows = []
    for count in COUNTS:
        beside = max(one for one in theirs if one <= count)
        cost = ours[count] / count
        limit = GOAL / 1_000 if count <= 1_000 else GROWTH * ours[1_000] / 1_000
        goal = {1_000: "<= 8 ms", 10_000: f"<= {GROWTH} x at 1,000"}.get(count, "")
        peer = f"metaflow, {beside:,}"
        met = not goal or cost <= limit
        rows.append(Row(f"foreach of {count:,}: one task", cost, peer, theirs[beside] / beside, goal, met))
    grown, limit = memory[10_000], KEPT * 10_000
    within = grown <= limit
    peer = f"metaflow, {max(theirs):,} clones"
    return [
        *rows,
        Row("kernel's peak growth, foreach of 10,000", grown, "8 kB a task", limit, "<= that", within, "MB"),
        Row("resume that clones 1,000 tasks", resumed, peer, peer_resumed, "<= 1 s", resumed <= RESUME_GOAL),
    ]


def _line(command: str, count: int) -> str:
    """``%flow run`` or ``resume`` of so many items."""
    parameter = f" --n {count}" if command == "run" else ""
    return f"%flow {command}{parameter} --max-num-splits {count}"


def _run(client: BlockingKernelClient, count: int) -> float:
    """Seconds of a run."""
    return round_trip(client, _line("run", count))
