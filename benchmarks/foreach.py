"""What one trivial task of a foreach of 2,000 costs: time, the processor's time, and page faults of all processes.

Once in a flow that imports nothing heavy, once with pandas and scikit-learn in a shared cell. The peer is the exported
flow, run by Metaflow with few tasks, after a run that does not count: what more of them cost over fewer. The limit is
to fork a process that has imported the same, and to let it end: a task is a process of its own, so nothing that keeps
this promise is cheaper. Tasks run two at a time on two cores, forks one after the other.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kernel import open_kernel, round_trip
from benchmarks.machine import LIMIT_FORK, fork_and_exit, middle
from benchmarks.peer import use_metaflow
from benchmarks.processes import Used, process_id, used
from benchmarks.table import Figure, Row, Unit

__all__ = ["measure", "ours"]

COUNT = 2_000
ROUNDS = 3
METAFLOW_ROUNDS = 3
MAX_FAULTS = 600


@dataclass(frozen=True)
class Kind:
    """What a flow imports.

    Attributes
    ----------
    what : str
    imports : str
    few, more : int
        Numbers of Metaflow's tasks.
    """

    what: str
    imports: str
    few: int
    more: int


KINDS = (
    Kind("foreach task", "import math", 4, 24),
    Kind("foreach task, pandas and sklearn", "import pandas\nimport sklearn.linear_model", 2, 8),
)


def measure() -> list[Row]:
    """Medians of whole ``%flow run`` cells in one kernel."""
    rows = []
    for kind in KINDS:
        with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
            folder = Path(name)
            task = _ours(folder, kind, ROUNDS)
            fork = fork_and_exit(kind.imports)
            theirs = _theirs(folder, kind)
        is_bare = kind is KINDS[0]
        columns: list[tuple[str, float, float, float, str, bool, Unit]] = [
            ("", task.seconds, theirs.seconds, fork.seconds, "", True, "ms"),
            (": processor", task.cpu, theirs.cpu, fork.cpu, "", True, "ms"),
            (
                ": page faults",
                task.faults,
                theirs.faults,
                fork.faults,
                f"<= {MAX_FAULTS}" if is_bare else "",
                not is_bare or task.faults <= MAX_FAULTS,
                "count",
            ),
        ]
        rows += [
            Row(kind.what + of, mine, f"metaflow, {kind.more}", peer, goal, met, unit, LIMIT_FORK, at_best)
            for of, mine, peer, at_best, goal, met, unit in columns
        ]
    return rows


def ours() -> list[Figure]:
    """One round."""
    figures = []
    for kind in KINDS:
        with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
            task = _ours(Path(name), kind, 1)
        figures += [
            Figure(kind.what, task.seconds),
            Figure(f"{kind.what}: processor", task.cpu),
            Figure(f"{kind.what}: page faults", task.faults, "count"),
        ]
    return figures


def _ours(folder: Path, kind: Kind, rounds: int) -> Used:
    """What a task uses, of the kernel, the process that workers are forked from, and the workers."""
    cells = (
        "%load_ext flownb",
        '%%flow Wide\nn = Parameter("n", default=10)',
        f"%%shared\n{kind.imports}",
        "%%step start -> xs\nxs = list(range(self.n))",
        "%%step each --foreach xs -> y\ny = self.input + 1",
        "%%step gather --join -> total\ntotal = sum(one.y for one in inputs)",
        "%%step end --after gather -> total\ntotal = total + 0",
        "%flow export flow.py",
    )
    found = []
    with open_kernel(folder) as client:
        for cell in cells:
            round_trip(client, cell)
        kernel = process_id(client, folder / "pid")
        round_trip(client, _line(20))
        for _ in range(rounds):
            before = used(kernel)
            round_trip(client, _line(COUNT))
            found.append((used(kernel) - before) / COUNT)
    return middle(found)


def _theirs(folder: Path, kind: Kind) -> Used:
    """What a task of Metaflow's uses: medians of runs of few and of more tasks, in turns, after one of few."""
    counts = (kind.few, kind.more)
    use_metaflow(folder, *_words("run", kind.few))
    pairs = [[use_metaflow(folder, *_words("run", count)) for count in counts] for _ in range(METAFLOW_ROUNDS)]
    few, more = (middle(list(column)) for column in zip(*pairs, strict=True))
    return (more - few) / (kind.more - kind.few)


def _words(command: str, count: int) -> tuple[str, ...]:
    return (command, "--n", str(count), "--max-num-splits", str(count))


def _line(count: int) -> str:
    return f"%flow {' '.join(_words('run', count))}"
