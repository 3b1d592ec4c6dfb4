"""``%spin`` of a trivial step behind a parent that holds 1 GB, beside a plain cell and Metaflow's ``spin``.

Also ``%spin`` of steps that read a small value, beside a hit of ``joblib.Memory`` for a function of the same value:
both are cells of one kernel, in turns, and both are over a plain cell. joblib hashes its argument and reads its result.
IPython's history is off there: a cell would wait for the one before it to be written to disk.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.kernel import open_kernel, round_trip
from benchmarks.peer import run_metaflow
from benchmarks.table import Figure, Row

__all__ = ["measure", "ours"]

PLAIN = "plain cell"
ROUNDS = 60
# Of a trivial step, and of one that reads 1 GB.
METAFLOW_ROUNDS, METAFLOW_LONG_ROUNDS = 7, 3
GOAL = 0.005
CELLS = (
    "%load_ext flownb",
    "%%flow Big",
    "%%shared\nimport numpy as np",
    "%%step load -> big, k\nbig = np.ones(125_000_000)\nk = 1;",
    "%%step trivial -> k\nk = k + 1",
    "%%step total -> s\ns = float(big.sum())",
    "%flow export flow.py",
)
SMALL_GOAL = 1.0
SMALL_CELLS = (
    "get_ipython().history_manager.enabled = False",
    "%load_ext flownb",
    "%%flow Small",
    "%%shared\nimport pandas as pd",
    "%%step load -> numbers, frame\nnumbers = list(range(100))\n"
    "frame = pd.DataFrame({'x': range(100), 'y': [n / 2 for n in range(100)]});",
    "%%step add --after load -> total\ntotal = sum(numbers)",
    "%%step column --after load -> total\ntotal = float(frame['y'].sum())",
    "import joblib\nmemory = joblib.Memory('cache', verbose=0)",
    "@memory.cache\ndef add(numbers):\n    return sum(numbers)",
    "@memory.cache\ndef column(frame):\n    return float(frame['y'].sum())",
)
# What is read, the step, and the call that joblib answers.
SMALL = (
    ("a list of 100", "%spin add", "add(numbers)"),
    ("a DataFrame of 100 rows", "%spin column", "column(frame)"),
)


OVER, WHOLE, SUMS = "%spin over a plain cell, 1 GB untouched", "%spin as a whole cell", "%spin that sums the 1 GB"


def measure() -> list[Row]:
    """The rows of both kernels, and of the large flow exported, run once and spun by Metaflow."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        plain, spun, summed, reading = _large(Path(name), ROUNDS)
        trivial, total = _metaflow(Path(name))
    over, bound = spun - plain, 1.2 * summed
    rows = [
        Row(OVER, over, "metaflow spin", trivial, "<= 5 ms", over <= GOAL, "ms", PLAIN, plain),
        Row(WHOLE, spun, PLAIN, plain, "", True, "ms", PLAIN, plain),
        Row(SUMS, reading, "the sum itself", summed, "<= 1.2 x", reading <= bound, "ms", "the sum itself", summed),
        Row(SUMS, reading, "metaflow spin", total, "", True, "ms", "the sum itself", summed),
    ]
    hit, beside = f"<= {SMALL_GOAL} x", "a joblib cache hit, over a plain cell"
    for what, (plain, spun, theirs) in _small(2 * ROUNDS).items():
        mine, peer = spun - plain, theirs - plain
        rows.append(Row(what, mine, beside, peer, hit, mine <= SMALL_GOAL * peer, "ms", PLAIN, plain))
    return rows


def ours() -> list[Figure]:
    """Fewer rounds of both kernels."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        plain, spun, _, reading = _large(Path(name), ROUNDS // 2)
    small = [Figure(what, spun - plain) for what, (plain, spun, _) in _small(ROUNDS).items()]
    return [Figure(OVER, spun - plain), Figure(WHOLE, spun), Figure(SUMS, reading), *small]


def _small(rounds: int) -> dict[str, tuple[float, float, float]]:
    """Median seconds of a plain cell, of the spin and of joblib's hit, in turns, by what is read."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name, open_kernel(Path(name)) as client:
        for cell in SMALL_CELLS:
            round_trip(client, cell)
        for what, spin, call in SMALL:
            for cell in (call, spin) * 5:
                round_trip(client, cell)
            times = [[round_trip(client, cell) for cell in ("2 + 2", spin, call)] for _ in range(rounds)]
            plain, spun, hit = (statistics.median(column) for column in zip(*times, strict=True))
            found[f"%spin that reads {what}, over a plain cell"] = (plain, spun, hit)
    return found


def _large(folder: Path, rounds: int) -> tuple[float, float, float, float]:
    """Median seconds of a plain cell and a spin, in turns, and of the sum itself and a spin of it."""
    with open_kernel(folder) as client:
        for cell in CELLS:
            round_trip(client, cell)
        for _ in range(5):
            round_trip(client, "%spin trivial")
        plain, spun = [], []
        for _ in range(rounds):
            plain.append(round_trip(client, "2 + 2"))
            spun.append(round_trip(client, "%spin trivial"))
        round_trip(client, "import numpy as np; from pathlib import Path; big_ = np.ones(125_000_000)")
        summed, spun_sum = [], []
        for _ in range(9):
            summed.append(round_trip(client, "big_.sum()"))
            spun_sum.append(round_trip(client, "%spin total"))
    return (
        statistics.median(plain),
        statistics.median(spun),
        statistics.median(summed),
        statistics.median(spun_sum),
    )


def _metaflow(folder: Path) -> tuple[float, float]:
    """Median seconds of Metaflow's spin of both steps, after one run of the exported flow and one spin of each."""
    run_metaflow(folder, "run")
    found = []
    for step, rounds in (("trivial", METAFLOW_ROUNDS), ("total", METAFLOW_LONG_ROUNDS)):
        run_metaflow(folder, "spin", step)
        found.append(statistics.median(run_metaflow(folder, "spin", step) for _ in range(rounds)))
    trivial, total = found
    return trivial, total
