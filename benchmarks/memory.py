"""The memory of runs: the command, what workers are forked from, the workers, and all together.

A foreach of 10,000 trivial tasks; a flow that makes 2 GB and reads them; and 8 workers that read 2 GB at the same time.
What all hold together is the sum of PSS, in which pages that processes share count once. What one holds is its peak as
Linux remembers it, in which they count fully. Metaflow runs 20 tasks, the same 2 GB, and the 8 workers with 512 MB,
for each of its tasks makes copies.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.notebook import write_notebook
from benchmarks.peer import OUTPUT, run_flownb, start_flownb, start_metaflow
from benchmarks.processes import Peaks, held, resident, watch_peaks
from benchmarks.table import Figure, Row

__all__ = ["measure", "ours"]

TASKS, FEW = 10_000, 20
WORKERS = 8
LARGE, SMALL = 2 << 30, 1 << 29
PATIENCE = 300.0
NOTEBOOK = "memory.ipynb"
WIDE = (
    '%%flow Wide\nn = Parameter("n", default=10)',
    "%%step start -> xs\nxs = list(range(self.n))",
    "%%step each --foreach xs -> y\ny = self.input + 1",
    "%%step gather --join -> total\ntotal = sum(one.y for one in inputs)",
    "%%step end --after gather\npass",
)
TWO_GB = (
    "%%flow Large",
    "%%shared\nimport numpy as np",
    "%%step start -> big\nbig = np.ones({length})",
    "%%step end -> total\ntotal = float(big.sum())",
)
# A worker and Metaflow's task alike wait here until all have read.
SHARED = (
    "%%flow Shared",
    "%%shared\nimport time\nfrom pathlib import Path\nimport numpy as np",
    "%%step start -> big, xs\nbig = np.ones({length})\nxs = list(range({workers}))",
    """\
%%step each --foreach xs
seen = float(self.big.sum())
Path({folder!r}, f"read{{self.index}}").touch()
while not Path({folder!r}, "go").exists():
    time.sleep(0.05)""",
    "%%step gather --join -> n\nn = len(list(inputs))",
    "%%step end --after gather\npass",
)
NAMED = ("the command", "what workers are forked from", "a worker")
TOGETHER = "all together"


def measure() -> list[Row]:
    """One run of each."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        folder = Path(name)
        bare, numpy = _interpreter(folder, "pass"), _interpreter(folder, "import numpy")
        wide = _ours(folder / "wide", WIDE, "--n", str(TASKS), "--max-num-splits", str(TASKS))
        few = _peaks(folder / "wide", start_metaflow(folder / "wide", "run", "--n", str(FEW), "--max-workers", "2"))
        large = _ours(folder / "large", TWO_GB)
        peer = _peaks(folder / "large", start_metaflow(folder / "large", "run"))
        shared = _held_by_readers(folder / "shared", LARGE)
        small = _held_by_readers(folder / "small", SMALL)
        theirs = _held_by_metaflow(folder / "small")
    python, array = ("python", bare), ("2 GB + python with numpy", LARGE + numpy)
    bound = LARGE + WORKERS * numpy
    beside = f"2 GB + {WORKERS} × python with numpy"
    return [
        *_rows(f"foreach of {TASKS:,}", wide, few, f"metaflow, {FEW}", [python] * 4),
        *_rows("2 GB made and read", large, peer, "metaflow", [python, python, array, array]),
        Row(_shared(LARGE), shared, "-", shared, "<= the limit", shared <= bound, "MB", beside, bound),
        Row(_shared(SMALL), small, "metaflow", theirs, "", True, "MB"),
    ]


def ours() -> list[Figure]:
    """One run of each, of ours."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        folder = Path(name)
        wide = _ours(folder / "wide", WIDE, "--n", str(TASKS), "--max-num-splits", str(TASKS))
        large = _ours(folder / "large", TWO_GB)
        shared = _held_by_readers(folder / "shared", LARGE)
    return [
        *_figures(f"foreach of {TASKS:,}", wide),
        *_figures("2 GB made and read", large),
        Figure(_shared(LARGE), shared, "MB"),
    ]


def _figures(what: str, peaks: Peaks) -> list[Figure]:
    """The peaks of a run."""
    found = [(name, peaks.of(generation)) for generation, name in enumerate(NAMED)] + [(TOGETHER, peaks.together)]
    return [Figure(f"{what}: {name}", value, "MB") for name, value in found]


def _rows(what: str, mine: Peaks, theirs: Peaks, peer: str, limits: Sequence[tuple[str, int]]) -> list[Row]:
    """The peaks of a run beside Metaflow's, whose tasks are started by its command and not forked."""
    beside = (theirs.of(0), None, theirs.of(1), theirs.together)
    return [
        Row(
            figure.what,
            figure.value,
            "-" if other is None else peer,
            other or 0,
            "",
            True,
            "MB",
            limit,
            at_best,
        )
        for figure, other, (limit, at_best) in zip(_figures(what, mine), beside, limits, strict=True)
    ]


def _shared(size: int) -> str:
    text = "2 GB" if size == LARGE else "512 MB"
    return f"{WORKERS} workers reading {text}: {TOGETHER}"


def _ours(folder: Path, cells: Sequence[str], *words: str) -> Peaks:
    """The peaks of ``flownb run``; the flow is exported, too."""
    folder.mkdir()
    write_notebook(folder / NOTEBOOK, [cell.format(length=LARGE // 8) for cell in cells])
    run_flownb(folder, "export", NOTEBOOK)
    return _peaks(folder, start_flownb(folder, "run", NOTEBOOK, *words))


def _peaks(folder: Path, process: subprocess.Popen[bytes]) -> Peaks:
    """The peaks of a run."""
    found = watch_peaks(process)
    _ended(folder, process)
    return found


def _interpreter(folder: Path, code: str) -> int:
    """What a Python process holds that has executed some code, if it shares nothing."""
    waiting = f"{code}\nimport time, pathlib\npathlib.Path({str(folder)!r}, 'read0').touch()\ntime.sleep({PATIENCE})"
    process = subprocess.Popen([sys.executable, "-c", waiting])
    try:
        _wait_until_read(folder, process, 1)
        return resident(process.pid)
    finally:
        process.kill()
        process.wait()
        (folder / "read0").unlink(missing_ok=True)


def _held_by_readers(folder: Path, size: int) -> int:
    """What ``flownb run`` and its workers hold."""
    folder.mkdir()
    write_notebook(
        folder / NOTEBOOK,
        [cell.format(length=size // 8, workers=WORKERS, folder=str(folder)) for cell in SHARED],
    )
    run_flownb(folder, "export", NOTEBOOK)
    return _read(folder, start_flownb(folder, "run", NOTEBOOK, "--max-workers", str(WORKERS)))


def _held_by_metaflow(folder: Path) -> int:
    """What Metaflow's run and its tasks hold."""
    for file in (*folder.glob("read*"), folder / "go"):
        file.unlink()
    return _read(folder, start_metaflow(folder, "run", "--max-workers", str(WORKERS)))


def _read(folder: Path, process: subprocess.Popen[bytes]) -> int:
    """What a run and all below it hold while its tasks wait; then let it end."""
    try:
        _wait_until_read(folder, process, WORKERS)
        found = _settled(process)
    finally:
        (folder / "go").touch()
        _ended(folder, process)
    return found


def _ended(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until a run has ended well."""
    if process.wait(PATIENCE):
        raise RuntimeError(f"the run failed:\n{(folder / OUTPUT).read_text(errors='replace')}")


def _settled(process: subprocess.Popen[bytes]) -> int:
    """What is held once it no longer changes: the sum of shares is wrong while processes still map and unmap files."""
    end = time.monotonic() + PATIENCE
    before, now = 0, held(process.pid)
    while abs(now - before) > now / 200 and time.monotonic() < end:
        time.sleep(0.5)
        before, now = now, held(process.pid)
    return now


def _wait_until_read(folder: Path, process: subprocess.Popen[Any], count: int) -> None:
    """Wait until so many have said that they have read."""
    end = time.monotonic() + PATIENCE
    while len(list(folder.glob("read*"))) < count:
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("the tasks did not come to read")
        time.sleep(0.05)
