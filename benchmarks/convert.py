"""``flownb convert`` without its proof: whole processes, on plain notebooks of one, 100, 1,000 and 2,000 code cells.

The peer is the same command on a notebook of one cell: what it costs to start. The proof executes the notebook twice,
so it takes as long as the notebook does.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.machine import LIMIT_START, interpreter_start
from benchmarks.notebook import write_notebook
from benchmarks.peer import run_flownb, use_flownb
from benchmarks.table import Figure, Row

__all__ = ["measure", "ours"]

ONE, USUAL, SHORT, LONG = 1, 100, 1_000, 2_000
ROUNDS = 7
GOAL, GROWTH = 1.5, 2.3
# What people write, over and over; each block is five cells that use what the block before has made.
CELLS = (
    "import json\nimport math\n\nSCALE{n} = {n}\n\n\ndef scaled{n}(rows):\n    return [row * SCALE{n} for row in rows]",
    "rows{n} = [value + {n} for value in range(20)]\nlabels{n} = {{}}\nprint(len(rows{n}))",
    "for row in scaled{n}(rows{n}):\n    labels{n}[row] = str(row)\nrows{n}.append(len(labels{n}))",
    "total{n} = sum(rows{n}) + total{before}\nmean{n} = total{n} / len(rows{n})\nmean{n}",
    "sorted(labels{n})[:5]",
)


def measure() -> list[Row]:
    """Medians of whole processes, in turns, after one call of each."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        folder = Path(name)
        lengths = (ONE, USUAL, SHORT, LONG)
        for length in lengths:
            _write(folder, length)
        _in_turn(folder, lengths)
        rounds = [_in_turn(folder, lengths) for _ in range(ROUNDS)]
    one, usual, short, long = (statistics.median(column) for column in zip(*rounds, strict=True))
    start = interpreter_start().seconds
    met, linear = usual <= GOAL * one, long <= GROWTH * short
    return [
        Row(_what(USUAL), usual, "1 cell", one, f"<= {GOAL} x", met, "ms", LIMIT_START, start),
        Row(_what(LONG), long, f"{SHORT:,} cells", short, f"<= {GROWTH} x", linear, "ms", LIMIT_START, start),
    ]


def ours() -> list[Figure]:
    """One call for each length."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        for length in (USUAL, LONG):
            _write(Path(name), length)
            used = use_flownb(Path(name), *_words(length))
            found += [Figure(_what(length), used.seconds), Figure(f"{_what(length)}: processor", used.cpu)]
    return found


def _what(length: int) -> str:
    return f"flownb convert, {length:,} cells, without proof"


def _words(length: int) -> tuple[str, ...]:
    return ("convert", f"plain{length}.ipynb", "-o", f"flow{length}.ipynb", "--no-verify", "--force")


def _in_turn(folder: Path, lengths: tuple[int, ...]) -> list[float]:
    """Seconds of each."""
    return [run_flownb(folder, *_words(length)) for length in lengths]


def _write(folder: Path, length: int) -> None:
    """A plain notebook of so many code cells."""
    texts = ["total0 = 0"]
    for block in range(1, length // len(CELLS) + 2):
        texts += [cell.format(n=block, before=block - 1) for cell in CELLS]
    write_notebook(folder / f"plain{length}.ipynb", texts[:length])
