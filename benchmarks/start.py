"""Commands from a terminal, the whole process: what scripts, agents, editors and continuous integration wait for.

Metaflow runs the same commands on the exported flow, in turns with ours. Both have what they import compiled, and the
commands were run before. Each has a row for time by the clock and one for the processor's, which a busy machine
changes less; that of a run includes its workers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.machine import LIMIT_START, interpreter_start, middle
from benchmarks.notebook import write_notebook
from benchmarks.peer import use_flownb, use_metaflow
from benchmarks.processes import Used
from benchmarks.table import Figure, Row

__all__ = ["measure", "ours"]

PAIRS = 11
# In one round of a comparison of builds.
TIMES = 3
CELLS = ("%%flow Line", "%%step start -> k\nk = 1", "%%step end -> k\nk = k + 1")
NOTEBOOK = "line.ipynb"
COMPLETE = "_FLOWNB_COMPLETE"


@dataclass(frozen=True)
class Command:
    """A command and Metaflow's.

    Attributes
    ----------
    what : str
    words, theirs : tuple of str
        Ours, and Metaflow's after ``python flow.py``.
    variables : mapping of str to str
        Of the environment, for ours.
    at_most : float
        The goal as a multiple of Metaflow's time; infinity if there is none.
    within : float
        The goal in seconds.
    """

    what: str
    words: tuple[str, ...]
    theirs: tuple[str, ...]
    variables: Mapping[str, str] = field(hash=False)
    at_most: float = float("inf")
    within: float = float("inf")

    @property
    def goal(self) -> str:
        """The goal as text."""
        return f"<= {self.at_most} x" if self.within == float("inf") else f"<= {self.within * 1e3:.0f} ms"

    def is_met(self, ours: float, theirs: float) -> bool:
        """Whether both goals are."""
        return ours <= min(self.at_most * theirs, self.within)


def _completed(typed: str) -> dict[str, str]:
    """What bash sets when Tab is pressed after a text."""
    return {COMPLETE: "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}


COMMANDS = (
    Command("flownb spin, a trivial step", ("spin", NOTEBOOK, "end"), ("spin", "end"), {}, at_most=0.5),
    Command("flownb run, two steps", ("run", NOTEBOOK), ("run",), {}, at_most=0.5),
    Command("flownb check", ("check", NOTEBOOK), ("check",), {}, at_most=0.8),
    Command("flownb --help", ("--help",), ("--help",), {}, within=0.1),
    Command("Tab after `flownb sp`", (), ("--help",), _completed("flownb sp"), within=0.1),
    Command(
        "Tab after `flownb run NOTEBOOK --m`", (), ("--help",), _completed(f"flownb run {NOTEBOOK} --m"), within=0.1
    ),
)


def measure() -> list[Row]:
    """Medians of pairs."""
    found: dict[Command, tuple[list[Used], list[Used]]] = {command: ([], []) for command in COMMANDS}
    starts: list[Used] = []
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        folder = Path(name)
        _prepare(folder)
        use_metaflow(folder, "run")
        for command in COMMANDS:
            use_metaflow(folder, *command.theirs)
        for number in range(PAIRS):
            starts.append(interpreter_start(1))
            for command, (mine, theirs) in found.items():
                for is_ours in (True, False) if number % 2 == 0 else (False, True):
                    if is_ours:
                        mine.append(_use(folder, command))
                    else:
                        theirs.append(use_metaflow(folder, *command.theirs))
    start = middle(starts)
    rows = []
    for command, pairs in found.items():
        mine_middle, peer = (middle(one) for one in pairs)
        what, named = command.what, f"flow.py {' '.join(command.theirs)}"
        met = command.is_met(mine_middle.seconds, peer.seconds)
        rows += [
            Row(what, mine_middle.seconds, named, peer.seconds, command.goal, met, "ms", LIMIT_START, start.seconds),
            Row(f"{what}: processor", mine_middle.cpu, named, peer.cpu, "", True, "ms", LIMIT_START, start.cpu),
        ]
    return rows


def ours() -> list[Figure]:
    """One round: medians of a few calls of each command."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        folder = Path(name)
        _prepare(folder)
        for command in COMMANDS:
            found = middle([_use(folder, command) for _ in range(TIMES)])
            figures += [
                Figure(command.what, found.seconds),
                Figure(f"{command.what}: processor", found.cpu),
                Figure(f"{command.what}: page faults", found.faults, "count"),
            ]
    return figures


def _prepare(folder: Path) -> None:
    """A notebook whose commands have all been called once, and its ``flow.py``."""
    write_notebook(folder / NOTEBOOK, CELLS)
    use_flownb(folder, "export", NOTEBOOK)
    use_flownb(folder, "run", NOTEBOOK)
    for command in COMMANDS:
        _use(folder, command)


def _use(folder: Path, command: Command) -> Used:
    return use_flownb(folder, *command.words, variables=dict(command.variables))
