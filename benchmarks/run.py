"""What a step of a run costs over its body: the slope between flows of 2 and 16 linear steps, in a real kernel.

The peer is the exported flow, run by Metaflow. With imports, the shared code imports pandas and scikit-learn; those of
Metaflow are counted once a step, for each of its tasks is a process of its own.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.kernel import open_kernel, round_trip
from benchmarks.peer import run_metaflow
from benchmarks.table import Row

__all__ = ["measure"]

SHORT, LONG = 2, 16
# Metaflow's runs with imports take seconds a step.
LONG_WITH_IMPORTS = 6
ROUNDS = 9
GOAL = 0.020
IMPORTS = "%%shared\nimport pandas as pd\nimport sklearn.linear_model"


def measure() -> list[Row]:
    """Medians of whole ``%flow run`` cells; Metaflow's runs are long enough for one each."""
    rows = []
    for what, shared, long in (
        ("", "%%shared\nimport math", LONG),
        (" with pandas, sklearn", IMPORTS, LONG_WITH_IMPORTS),
    ):
        with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
            short, whole = _ours(Path(name) / "short", shared, SHORT), _ours(Path(name) / "long", shared, LONG)
            peer_short = run_metaflow(Path(name) / "short", "run")
            if long != LONG:
                _export(Path(name) / "peer", shared, long)
            peer_whole = run_metaflow(Path(name) / ("long" if long == LONG else "peer"), "run")
        cost, theirs = (whole - short) / (LONG - SHORT), (peer_whole - peer_short) / (long - SHORT)
        rows += [
            Row(f"run{what}: one more linear step", cost, "metaflow", theirs, "<= 20 ms", cost <= GOAL),
            Row(f"run{what}: flow of {SHORT} steps", short, "metaflow", peer_short, "", True),
        ]
    return rows


def _cells(shared: str, steps: int) -> list[str]:
    """A flow that counts."""
    first = "%%step start -> k\nk = 0"
    middle = [f"%%step s{number} -> k\nk = k + 1" for number in range(steps - 2)]
    return ["%load_ext flownb", "%%flow Line", shared, first, *middle, "%%step end -> k\nk = k + 1"]


def _ours(folder: Path, shared: str, steps: int) -> float:
    """Median seconds of a run in a kernel that has run the flow before; the flow is exported, too."""
    folder.mkdir()
    with open_kernel(folder) as client:
        for cell in [*_cells(shared, steps), "%flow export flow.py", "%flow run", "%flow run"]:
            round_trip(client, cell)
        return statistics.median(round_trip(client, "%flow run") for _ in range(ROUNDS))


def _export(folder: Path, shared: str, steps: int) -> None:
    """The flow as ``flow.py``."""
    folder.mkdir()
    with open_kernel(folder) as client:
        for cell in [*_cells(shared, steps), "%flow export flow.py"]:
            round_trip(client, cell)
