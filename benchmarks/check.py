"""Static checks: of one step in a flow of twenty, beside compiling the same text with Python, and of a whole long flow.

The long flow is a notebook of steps that each set an artifact, checked by the command, whole processes. Its peer is
Metaflow's ``check`` of the exported flow with fewer steps: Metaflow 2.19.39 follows a flow's steps by recursion, which
fails for a thousand steps in a row.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from time import perf_counter

from benchmarks.machine import LIMIT_START, interpreter_start
from benchmarks.notebook import write_notebook
from benchmarks.peer import run_flownb, run_metaflow, use_flownb
from benchmarks.table import Figure, Row
from flownb.cells.cell import read_cell
from flownb.flow.definition import define_flow
from flownb.flow.lint import check_flow

__all__ = ["measure", "ours"]

STEPS = 20
ROUNDS = 30
GOAL = 0.005
SHORT, LONG, PEER = 1_000, 2_000, 500
ROUNDS_OF_PROCESSES = 7
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


ONE, WHOLE = f"static checks of one step of {STEPS}", f"flownb check, {LONG:,} steps"
COMPILE = "compile() of its text"


def measure() -> list[Row]:
    """Medians."""
    return [*_one_step(), *_long_flow()]


def ours() -> list[Figure]:
    """One call of the command, and medians for one step."""
    checked, _ = _step_times()
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        _write(Path(name), LONG)
        whole = use_flownb(Path(name), "check", _notebook(LONG))
    processor = Figure(f"{WHOLE}: processor", whole.cpu)
    return [Figure(ONE, checked), Figure(WHOLE, whole.seconds), processor]


def _one_step() -> list[Row]:
    """The row of a step whose text has just changed."""
    checked, compiled = _step_times()
    return [Row(ONE, checked, "-", 0, "<= 5 ms", checked <= GOAL, "ms", COMPILE, compiled)]


def _step_times() -> tuple[float, float]:
    """Median seconds to check a changed step, and to compile its text."""
    checked, compiled = [], []
    for round_number in range(ROUNDS):
        cells = [read_cell(f"%%step s{n} -> rows\n{'rows = [1]' if not n else ''}{BODY}") for n in range(STEPS)]
        changed = f"%%step s{STEPS // 2} -> rows\n# {round_number}{BODY}"
        check_flow(define_flow(cells), only="s0")
        started = perf_counter()
        cells[STEPS // 2] = read_cell(changed)
        found = check_flow(define_flow(cells), only=f"s{STEPS // 2}")
        checked.append(perf_counter() - started)
        assert not found, found
        started = perf_counter()
        compile(changed.partition("\n")[2], "<cell>", "exec")
        compiled.append(perf_counter() - started)
    return statistics.median(checked), statistics.median(compiled)


def _long_flow() -> list[Row]:
    """Medians of whole processes: ``flownb check`` of two lengths and Metaflow's, in turns, after one call of each."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        folder = Path(name)
        for steps in (SHORT, LONG, PEER):
            _write(folder, steps)
        run_flownb(folder, "export", _notebook(PEER))
        _in_turn(folder)
        rounds = [_in_turn(folder) for _ in range(ROUNDS_OF_PROCESSES)]
    few, many, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    start = interpreter_start().seconds
    peer, shorter = f"metaflow, {PEER:,} steps", f"{SHORT:,} steps"
    is_fast, is_linear = many <= LONG_GOAL, many <= GROWTH * few
    return [
        Row(WHOLE, many, peer, theirs, f"<= {LONG_GOAL:g} s", is_fast, "ms", LIMIT_START, start),
        Row(WHOLE, many, shorter, few, f"<= {GROWTH} x", is_linear, "ms", LIMIT_START, start),
    ]


def _in_turn(folder: Path) -> tuple[float, float, float]:
    """Seconds of our check of the shorter and of the long flow, and of Metaflow's."""
    few, many = (run_flownb(folder, "check", _notebook(steps)) for steps in (SHORT, LONG))
    return few, many, run_metaflow(folder, "check")


def _notebook(steps: int) -> str:
    return f"long{steps}.ipynb"


def _write(folder: Path, steps: int) -> None:
    """A notebook whose steps come one after the other, each with an artifact of its own."""
    first = "%%step s0 -> x, rows\nx, rows = 1, [1]"
    texts = [first, *(f"%%step s{n} -> y{n}\ny{n} = x + len(rows) + len(self.rows)" for n in range(1, steps))]
    write_notebook(folder / _notebook(steps), texts)
