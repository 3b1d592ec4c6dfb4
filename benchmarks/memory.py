"""The memory of a run whose 8 workers read one large artifact at the same time: driver, zygote and workers.

Each task reads all of it, says so with a file, and goes on when it is told to. What is counted is the sum of PSS, in
which pages that processes share count once. Metaflow, whose workers each make a copy, runs the same with 512 MB.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.peer import start_metaflow
from benchmarks.processes import held, resident
from benchmarks.table import Row

__all__ = ["measure"]

WORKERS = 8
LARGE, SMALL = 2 << 30, 1 << 29
PATIENCE = 300.0
START = "%%step start -> big, xs\nbig = np.ones({length})\nxs = list(range({workers}))"
# A worker and Metaflow's task alike wait here until all have read.
READ = """\
%%step each --foreach xs
seen = float(self.big.sum())
Path({folder!r}, f"read{{self.index}}").touch()
while not Path({folder!r}, "go").exists():
    time.sleep(0.05)"""


def measure() -> list[Row]:
    """Bytes held while all workers hold the artifact."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        interpreter = _interpreter(Path(name))
        large = _ours(Path(name) / "large", LARGE)
        small = _ours(Path(name) / "small", SMALL)
        theirs = _theirs(Path(name) / "small")
    bound = LARGE + WORKERS * interpreter
    beside = f"2 GB + {WORKERS} × python with numpy"
    return [
        Row(f"{WORKERS} workers reading 2 GB, in all", large, beside, bound, "<= that", large <= bound, "MB"),
        Row(f"{WORKERS} workers reading 512 MB, in all", small, "metaflow", theirs, "", True, "MB"),
    ]


def _interpreter(folder: Path) -> int:
    """What a Python process with numpy holds, if it shares nothing."""
    code = f"import time, numpy, pathlib\npathlib.Path({str(folder)!r}, 'read0').touch()\ntime.sleep({PATIENCE})"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        _wait_until_read(folder, process, 1)
        return resident(process.pid)
    finally:
        process.kill()
        process.wait()
        (folder / "read0").unlink(missing_ok=True)


def _ours(folder: Path, size: int) -> int:
    """What ``flownb run`` and its workers hold."""
    folder.mkdir()
    cells = (
        "%load_ext flownb",
        "%%flow Shared",
        "%%shared\nimport time\nfrom pathlib import Path\nimport numpy as np",
        START.format(length=size // 8, workers=WORKERS),
        READ.format(folder=str(folder)),
        "%%step gather --join -> n\nn = len(list(inputs))",
        "%%step end --after gather\npass",
    )
    code: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": ()}
    listed = [{**code, "source": cell} for cell in cells]
    notebook = {"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (folder / "shared.ipynb").write_text(json.dumps(notebook))
    command = [sys.executable, "-m", "flownb.cli.main"]
    subprocess.run([*command, "export", "shared.ipynb"], cwd=folder, check=True, capture_output=True)
    return _read(
        folder,
        subprocess.Popen(
            [*command, "run", "shared.ipynb", "--max-workers", str(WORKERS)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ),
    )


def _theirs(folder: Path) -> int:
    """What Metaflow's run and its tasks hold."""
    for file in (*folder.glob("read*"), folder / "go"):
        file.unlink()
    return _read(folder, start_metaflow(folder, "run", "--max-workers", str(WORKERS)))


def _read(folder: Path, process: subprocess.Popen[str]) -> int:
    """What a run and all below it hold while its tasks wait; then let it end."""
    try:
        _wait_until_read(folder, process, WORKERS)
        found = _settled(process)
    finally:
        (folder / "go").touch()
        said, _ = process.communicate(timeout=PATIENCE)
    if process.returncode:
        raise RuntimeError(f"the run failed:\n{said}")
    return found


def _settled(process: subprocess.Popen[str]) -> int:
    """What is held once it stands still: the sum of shares is wrong while processes still map and unmap files."""
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
