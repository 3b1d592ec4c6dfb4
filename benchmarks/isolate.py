"""``%spin --isolate process`` of a trivial step behind a parent that holds 1 GB, over the same spin in the kernel.

The peer is Metaflow's ``spin``, which starts a process, too.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.kernel import open_kernel, round_trip
from benchmarks.machine import LIMIT_FORK, fork_and_exit
from benchmarks.peer import run_metaflow
from benchmarks.table import Figure, Row

__all__ = ["measure", "ours"]

ROUNDS = 60
METAFLOW_ROUNDS = 7
GOAL = 0.015
CELLS = (
    "%load_ext flownb",
    "%%flow Big",
    "%%shared\nimport numpy as np",
    "%%step load -> big, k\nbig = np.ones(125_000_000)\nk = 1;",
    "%%step trivial -> k\nk = k + 1",
    "%flow export flow.py",
)
INSIDE, ISOLATED = "%spin trivial", "%spin trivial --isolate process"


WHAT = "%spin --isolate process over %spin"


def measure() -> list[Row]:
    """Medians of the two spins in turns, in one kernel."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        folder = Path(name)
        over = _over(folder, ROUNDS)
        run_metaflow(folder, "run")
        run_metaflow(folder, "spin", "trivial")
        theirs = statistics.median(run_metaflow(folder, "spin", "trivial") for _ in range(METAFLOW_ROUNDS))
    fork = fork_and_exit("import numpy").seconds
    return [Row(WHAT, over, "metaflow spin", theirs, "<= 15 ms", over <= GOAL, "ms", LIMIT_FORK, fork)]


def ours() -> list[Figure]:
    """Fewer pairs."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        return [Figure(WHAT, _over(Path(name), ROUNDS // 3))]


def _over(folder: Path, rounds: int) -> float:
    """Seconds that the spin in a process takes longer, the median of pairs; the flow is exported, too."""
    with open_kernel(folder) as client:
        for cell in (*CELLS, *([INSIDE, ISOLATED] * 5)):
            round_trip(client, cell)
        return statistics.median(round_trip(client, ISOLATED) - round_trip(client, INSIDE) for _ in range(rounds))
