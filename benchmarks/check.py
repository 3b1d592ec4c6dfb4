"""Static checks: of one step in a flow of twenty, beside compiling the same text with Python, and of a whole long flow.

The long flow is a notebook of steps that each set an artifact, checked by the command, whole processes. Its peer is
Metaflow's ``check`` of the exported flow with fewer steps: Metaflow 2.19.39 follows a flow's steps by recursion, which
fails for a thousand steps in a row.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import nbformat

from benchmarks.peer import run_metaflow
from benchmarks.table import Row
from flownb.cells.cell import read_cell
from flownb.flow.definition import define_flow
from flownb.flow.lint import check_flow

__all__ = ["measure"]

STEPS = 20
ROUNDS = 30
GOAL = 0.005
SHORT, LONG, PEER = 1_000, 2_000, 500
PROCESSES = 7
LONG_GOAL, GROWTH = 2.0, 2.3
BODY = """
total = 0
for number, item in enumerate(rows):
    if item % 2:
        total += item
    else:
        total -= number
names = {key: [value for value in range(3)] for key in "abc"}
try:
    kept = max(names.values(), key=len)
except ValueError as error:
    kept = [str(error)]
rows = [*rows, total, len(kept)]
"""


def measure() -> list[Row]:
    """Medians."""
    return [*_one_step(), *_long_flow()]


def _one_step() -> list[Row]:
    """Median for a step whose text has just changed."""
    ours, theirs = [], []
    for round_number in range(ROUNDS):
        cells = [read_cell(f"%%step s{n} -> rows\n{'rows = [1]' if not n else ''}{BODY}") for n in range(STEPS)]
        changed = f"%%step s{STEPS // 2} -> rows\n# {round_number}{BODY}"
        check_flow(define_flow(cells), only="s0")
        started = perf_counter()
        cells[STEPS // 2] = read_cell(changed)
        found = check_flow(define_flow(cells), only=f"s{STEPS // 2}")
        ours.append(perf_counter() - started)
        assert not found, found
        started = perf_counter()
        compile(changed.partition("\n")[2], "<cell>", "exec")
        theirs.append(perf_counter() - started)
    median = statistics.median(ours)
    peer = statistics.median(theirs)
    return [Row("static checks of one step of 20", median, "compile() of its text", peer, "<= 5 ms", median <= GOAL)]


def _long_flow() -> list[Row]:
    """Medians of ``flownb check NOTEBOOK``, the two lengths in turn."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        folder = Path(name)
        short, long, peer = (_notebook(folder, steps) for steps in (SHORT, LONG, PEER))
        _flownb("check", short)
        times = [(_flownb("check", short), _flownb("check", long)) for _ in range(PROCESSES)]
        few, many = (statistics.median(pair[place] for pair in times) for place in (0, 1))
        _flownb("export", peer, "-o", str(folder / "flow.py"))
        theirs = statistics.median(run_metaflow(folder, "check") for _ in range(3))
    what = f"flownb check, {LONG:,} steps"
    return [
        Row(what, many, f"metaflow, {PEER:,} steps", theirs, f"<= {LONG_GOAL:g} s", many <= LONG_GOAL),
        Row(what, many, f"{SHORT:,} steps", few, f"<= {GROWTH} x", many <= GROWTH * few),
    ]


def _notebook(folder: Path, steps: int) -> Path:
    """A notebook whose steps come one after the other, each with an artifact of its own."""
    first = "%%step s0 -> x, rows\nx, rows = 1, [1]"
    texts = [first, *(f"%%step s{n} -> y{n}\ny{n} = x + len(rows) + len(self.rows)" for n in range(1, steps))]
    path = folder / f"long{steps}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in texts]), path)
    return path


def _flownb(command: str, notebook: Path, *words: str) -> float:
    """Seconds of ``flownb COMMAND NOTEBOOK``, the whole process."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = perf_counter()
    subprocess.run(
        [sys.executable, "-m", "flownb.cli.main", command, str(notebook), *words],
        cwd=notebook.parent,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return perf_counter() - started
