"""``%spin --isolate process`` of a trivial step behind a parent that holds 1 GB, over the same spin in the kernel.

The peer is Metaflow's ``spin``, which starts a process, too.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.kernel import open_kernel, round_trip
from benchmarks.peer import run_metaflow
from benchmarks.table import Row

__all__ = ["measure"]

ROUNDS = 60
METAFLOW_ROUNDS = 3
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


def measure() -> list[Row]:
    """Medians of the two spins in turns, in one kernel."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        folder = Path(name)
        with open_kernel(folder) as client:
            for cell in (*CELLS, *([INSIDE, ISOLATED] * 5)):
                round_trip(client, cell)
            pairs = [(round_trip(client, ISOLATED), round_trip(client, INSIDE)) for _ in range(ROUNDS)]
        run_metaflow(folder, "run")
        theirs = statistics.median(run_metaflow(folder, "spin", "trivial") for _ in range(METAFLOW_ROUNDS))
    over = statistics.median(isolated for isolated, _ in pairs) - statistics.median(inside for _, inside in pairs)
    what = "%spin --isolate process over %spin"
    return [Row(what, over, "metaflow spin", theirs, "<= 15 ms", over <= GOAL)]
