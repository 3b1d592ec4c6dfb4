"""What a step of a run costs over its body: the slope between flows of 2 and 16 linear steps, in a real kernel.

The peer is the exported flow, run by Metaflow, which has run it once before. With imports, the shared code imports
pandas and scikit-learn; those of Metaflow are counted once a step, for each of its tasks is a process of its own.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kernel import open_kernel, round_trip
from benchmarks.machine import LIMIT_FORK, fork_and_exit
from benchmarks.peer import run_metaflow
from benchmarks.table import Figure, Row

__all__ = ["measure", "ours"]

SHORT, LONG = 2, 16
# Metaflow's runs with imports take seconds a step.
LONG_WITH_IMPORTS = 6
ROUNDS = 9
# Of Metaflow's runs: of the short flow, and of the long one, which takes seconds.
METAFLOW_ROUNDS, METAFLOW_LONG_ROUNDS = 7, 3
GOAL = 0.020


@dataclass(frozen=True)
class Kind:
    """What a flow imports.

    Attributes
    ----------
    what, imports : str
    long : int
        Steps of Metaflow's longer flow.
    """

    what: str
    imports: str
    long: int

    @property
    def step(self) -> str:
        """The row of one more step."""
        return f"run{self.what}: one more linear step"

    @property
    def flow(self) -> str:
        """The row of a whole flow."""
        return f"run{self.what}: flow of {SHORT} steps"


KINDS = (
    Kind("", "import math", LONG),
    Kind(" with pandas, sklearn", "import pandas as pd\nimport sklearn.linear_model", LONG_WITH_IMPORTS),
)


def measure() -> list[Row]:
    """Medians of whole ``%flow run`` cells, then of Metaflow's runs."""
    rows = []
    for kind in KINDS:
        with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
            folder = Path(name)
            short, whole = _both(folder, kind, ROUNDS)
            if kind.long != LONG:
                _export(folder / "peer", kind, kind.long)
            peer_short = _theirs(folder / "short", METAFLOW_ROUNDS)
            peer_whole = _theirs(folder / ("long" if kind.long == LONG else "peer"), METAFLOW_LONG_ROUNDS)
        cost, theirs = (whole - short) / (LONG - SHORT), (peer_whole - peer_short) / (kind.long - SHORT)
        fork = fork_and_exit(kind.imports).seconds
        twice = f"{SHORT} × {LIMIT_FORK}"
        rows += [
            Row(kind.step, cost, "metaflow", theirs, "<= 20 ms", cost <= GOAL, "ms", LIMIT_FORK, fork),
            Row(kind.flow, short, "metaflow", peer_short, "", True, "ms", twice, SHORT * fork),
        ]
    return rows


def ours() -> list[Figure]:
    """The same, of ours."""
    figures = []
    for kind in KINDS:
        with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
            short, whole = _both(Path(name), kind, ROUNDS)
        figures += [Figure(kind.step, (whole - short) / (LONG - SHORT)), Figure(kind.flow, short)]
    return figures


def _both(folder: Path, kind: Kind, rounds: int) -> tuple[float, float]:
    """Median seconds of the short and of the long flow."""
    return _ours(folder / "short", kind, SHORT, rounds), _ours(folder / "long", kind, LONG, rounds)


def _cells(kind: Kind, steps: int) -> list[str]:
    """A flow that counts."""
    first = "%%step start -> k\nk = 0"
    middle = [f"%%step s{number} -> k\nk = k + 1" for number in range(steps - 2)]
    return [
        "%load_ext flownb",
        "%%flow Line",
        f"%%shared\n{kind.imports}",
        first,
        *middle,
        "%%step end -> k\nk = k + 1",
    ]


def _ours(folder: Path, kind: Kind, steps: int, rounds: int) -> float:
    """Median seconds of a run in a kernel that has run the flow before; the flow is exported, too."""
    folder.mkdir()
    with open_kernel(folder) as client:
        for cell in [*_cells(kind, steps), "%flow export flow.py", "%flow run", "%flow run"]:
            round_trip(client, cell)
        return statistics.median(round_trip(client, "%flow run") for _ in range(rounds))


def _theirs(folder: Path, rounds: int) -> float:
    """Median seconds of Metaflow's run of an exported flow that it has run before."""
    run_metaflow(folder, "run")
    return statistics.median(run_metaflow(folder, "run") for _ in range(rounds))


def _export(folder: Path, kind: Kind, steps: int) -> None:
    """The flow as ``flow.py``."""
    folder.mkdir()
    with open_kernel(folder) as client:
        for cell in [*_cells(kind, steps), "%flow export flow.py"]:
            round_trip(client, cell)
