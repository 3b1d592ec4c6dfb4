"""``%spin`` of a trivial step behind a parent that holds 1 GB, beside a plain cell and Metaflow's ``spin``.

Also ``%spin`` of steps that read a small value, beside a hit of ``joblib.Memory`` for a function of the same value:
both are cells of one kernel, in turns, and both are over a plain cell. joblib hashes its argument and reads its result.
IPython's history is off there: a cell would wait for the one before it to be written to disk.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from benchmarks.kernel import open_kernel, round_trip
from benchmarks.table import Row

__all__ = ["measure"]

ROUNDS = 60
METAFLOW_ROUNDS = 5
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


def measure() -> list[Row]:
    """The rows of both kernels."""
    return [*_large(), *_small()]


def _small() -> list[Row]:
    """Medians of cells in turns."""
    rows = []
    with tempfile.TemporaryDirectory() as name, open_kernel(Path(name)) as client:
        for cell in SMALL_CELLS:
            round_trip(client, cell)
        for what, spin, call in SMALL:
            for cell in (call, spin) * 5:
                round_trip(client, cell)
            times = [[round_trip(client, cell) for cell in ("2 + 2", spin, call)] for _ in range(2 * ROUNDS)]
            plain, spun, hit = (statistics.median(column) for column in zip(*times, strict=True))
            ours, theirs = spun - plain, hit - plain
            rows.append(
                Row(
                    f"%spin that reads {what}, over a plain cell",
                    ours,
                    "a joblib cache hit, over a plain cell",
                    theirs,
                    f"<= {SMALL_GOAL} x",
                    ours <= SMALL_GOAL * theirs,
                )
            )
    return rows


def _large() -> list[Row]:
    """Medians in one kernel; the same flow exported, run once and spun by Metaflow."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with open_kernel(folder) as client:
            for cell in CELLS:
                round_trip(client, cell)
            for _ in range(5):
                round_trip(client, "%spin trivial")
            plain, spun = [], []
            for _ in range(ROUNDS):
                plain.append(round_trip(client, "2 + 2"))
                spun.append(round_trip(client, "%spin trivial"))
            round_trip(client, "import numpy as np; from pathlib import Path; big_ = np.ones(125_000_000)")
            summed, spun_sum = [], []
            for _ in range(9):
                summed.append(round_trip(client, "big_.sum()"))
                spun_sum.append(round_trip(client, "%spin total"))
        trivial, total = _metaflow(folder)
    over = statistics.median(spun) - statistics.median(plain)
    reading = statistics.median(spun_sum)
    bound = 1.2 * statistics.median(summed)
    return [
        Row("%spin over a plain cell, 1 GB untouched", over, "metaflow spin", trivial, "<= 5 ms", over <= GOAL),
        Row("%spin as a whole cell", statistics.median(spun), "plain cell", statistics.median(plain), "", True),
        Row("%spin that sums the 1 GB", reading, "the sum itself", bound / 1.2, "<= 1.2 x", reading <= bound),
        Row("%spin that sums the 1 GB", reading, "metaflow spin", total, "", True),
    ]


def _metaflow(folder: Path) -> tuple[float, float]:
    """Median seconds of Metaflow's spin of both steps, after one run of the exported flow."""
    keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {
        **keep,
        "HOME": str(folder),
        "METAFLOW_USER": "bench",
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
    }

    def run(*words: str) -> float:
        started = perf_counter()
        command = [sys.executable, "flow.py", "--no-pylint", *words]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        return perf_counter() - started

    run("run")
    found = []
    for step in ("trivial", "total"):
        found.append(statistics.median(run("spin", step) for _ in range(METAFLOW_ROUNDS)))
    return found[0], found[1]
