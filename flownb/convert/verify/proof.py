"""Executes a plain notebook and the flows that are proposed for it, and says where their values differ.

A `Proof` is made once for a notebook. Its `check` may be called for several proposals: the plain notebook is executed
again only if a proposal has steps that end where no snapshot was taken, or if something differs that may differ from
run to run anyway.
"""

from __future__ import annotations

import ast
import itertools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from flownb.convert.plain import read_plain
from flownb.convert.proposal import Proposal
from flownb.convert.trees import walk
from flownb.convert.verify.chance import runs_needed
from flownb.convert.verify.comparison import Comparison, expected_artifacts
from flownb.convert.verify.flow import FlowAnswer, Pair, judge
from flownb.convert.verify.folder import WorkFolder
from flownb.convert.verify.lines import lines_of
from flownb.convert.verify.plain import HASH_SEEDS, PlainRun, run_plain
from flownb.convert.verify.report import Row, Verification
from flownb.convert.verify.snapshots import Held

__all__ = ["Checked", "Proof"]

IDENTIFIER = re.compile(r"[^\W\d]\w*")
# Names that IPython puts into the namespace of every notebook.
NOT_THEIRS = frozenset(["In", "Out", "exit", "quit", "get_ipython", "open", "display"])
# A flow may take this many times the seconds of the plain notebook, and at least `LEAST` seconds.
SLOWER = 20
LEAST = 120.0


@dataclass(frozen=True)
class Checked:
    """What is known of one proposal.

    Attributes
    ----------
    verification : Verification
    answer : FlowAnswer
        What the flow did.
    changed : dict of int to frozenset of str
        By cell number: names whose values are other ones after that cell than at the snapshot before.
    """

    verification: Verification
    answer: FlowAnswer = field(default_factory=FlowAnswer)
    changed: Mapping[int, frozenset[str]] = field(default_factory=dict)


class Proof:
    """The proof of one notebook; a context manager that removes its files at the end.

    Parameters
    ----------
    document : dict
        The plain notebook, as `flownb.cells.notebook.read_document` returns it.
    folder : Path
        The folder of the notebook.
    timeout : float, optional
        Seconds that one cell may take; None means no limit.
    notify : callable
        Called with what happens now, in words.
    """

    def __init__(
        self,
        document: dict[str, Any],
        folder: Path,
        *,
        timeout: float | None = None,
        notify: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.cells = read_plain(document)
        self.plains: list[PlainRun] = []
        self._folder = WorkFolder(folder, mentioned="\n".join(cell.source for cell in self.cells))
        self._timeout, self._notify = timeout, notify
        self._needed: frozenset[int] = frozenset()
        self._captured: frozenset[str] = frozenset()
        self._started = time.monotonic()

    def __enter__(self) -> Proof:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.__exit__(kind, error, trace)

    # -- the plain notebook

    @property
    def plain(self) -> PlainRun:
        """The first run of the plain notebook."""
        return self.plains[0]

    def execute_plain(self, proposal: Proposal) -> PlainRun:
        """The first run of the plain notebook, with a snapshot wherever the proposal needs one."""
        needed = boundaries(proposal, len(self.cells))
        captured = frozenset(name for step in proposal.steps for name in step.captures)
        known = self.plains and (self.plain.failure is not None or needed <= self.plain.snapshots.keys())
        if known and captured <= self._captured | self._mentioned:
            return self.plain
        self._needed |= needed
        self._captured |= captured
        self.plains.clear()
        return self.execute_again()

    def execute_again(self) -> PlainRun:
        """One more run of the plain notebook, in a new process."""
        number = len(self.plains)
        doing = "running the notebook" if number == 0 else "running the notebook again"
        self._notify(doing)
        run = run_plain(
            self.cells,
            self._folder.renew(),
            self._folder.root,
            store=self._folder.root / "store",
            names={cell.number: self._names_after(cell.number) for cell in self.cells},
            needed=self._needed,
            attempt=number,
            timeout=self._timeout,
            on_cell=lambda cell: self._notify(f"{doing}: cell {cell} of {len(self.cells)}"),
        )
        self.plains.append(replace(run, files=self._folder.written()))
        return self.plains[-1]

    @property
    def can_execute_again(self) -> bool:
        """Whether there is a seed for another run."""
        return len(self.plains) < len(HASH_SEEDS)

    def _names_after(self, number: int) -> list[str]:
        """What later cells and all functions may read, and what the cells of the same step mention."""
        before = max((one for one in self._needed if one < number), default=0)
        found = set(self._captured)
        for cell in self.cells:
            if cell.number > before or self._defines[cell.number]:
                found |= self._words[cell.number]
        return sorted(found - NOT_THEIRS)

    @cached_property
    def _words(self) -> dict[int, frozenset[str]]:
        """Everything in the text of a cell that could be a name, in strings and comments too."""
        return {
            cell.number: frozenset(w for w in IDENTIFIER.findall(cell.source) if not w.startswith("_"))
            for cell in self.cells
        }

    @cached_property
    def _mentioned(self) -> frozenset[str]:
        return frozenset().union(*self._words.values())

    @cached_property
    def _defines(self) -> dict[int, bool]:
        """Whether a cell defines a function or class, which reads names when it is called."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
        return {
            cell.number: cell.tree is not None and any(isinstance(node, kinds) for node in walk(cell.tree))
            for cell in self.cells
        }

    def held(self, number: int) -> Mapping[str, Held]:
        """What names hold after a cell: the latest snapshot up to it.

        Names that no later cell mentions are not in it; they have the values of the last snapshot that they are in.
        """
        found: dict[str, Held] = {}
        for one in sorted(self.plain.snapshots):
            if one <= number:
                asked = set(self._names_after(one))
                found = {name: held for name, held in found.items() if name not in asked}
                found |= self.plain.snapshots[one]
        return found

    # -- the flow

    def check(self, proposal: Proposal, *, last: bool = False) -> Checked:
        """Execute the flow that is proposed, and compare it with the notebook.

        Parameters
        ----------
        proposal : Proposal
        last : bool, default False
            Whether there will be no other proposal: then the notebook is executed a third time before anything is
            said to differ.

        Raises
        ------
        ExecutorError
            If a process cannot be started.
        """
        plain = self.execute_plain(proposal)
        notes = self._notes(proposal)
        if plain.failure is not None:
            return Checked(
                Verification((), plain.failure, plain_runs=len(self.plains), notes=notes, seconds=self._seconds)
            )
        expected = expected_artifacts(proposal, self.held)
        moved = self._moved(proposal)
        answer = self._judge(proposal, expected, [(one, other) for _, _, one, other in moved])
        changed: dict[int, set[str]] = {}
        for (cell, name, _, _), difference in zip(moved, answer.pairs, strict=False):
            if difference:
                changed.setdefault(cell, set()).add(name)
        rows = self._rows(proposal, answer)
        needed = max(runs_needed(self.cells), 1 + any(row.verdict == "differs" for row in rows))
        while len(self.plains) < needed and self.plains[-1].failure is None:
            self.execute_again()
        rows = self._rows(proposal, answer)
        while (
            last and self.can_execute_again and answer.failure is None and any(row.verdict == "differs" for row in rows)
        ):
            self.execute_again()
            rows = self._rows(proposal, answer)
        failed = next((run.failure for run in self.plains if run.failure is not None), None)
        if failed is not None:
            failed = replace(failed, error=f"{failed.error} (not in its first run, but when it is executed again)")
        flow_failure = "" if answer.failure is None else f"{_in_step(answer.failure.step)}{answer.failure.error}"
        verification = Verification(rows, failed, flow_failure, len(self.plains), self._seconds, notes)
        return Checked(verification, answer, {cell: frozenset(names) for cell, names in changed.items()})

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _notes(self, proposal: Proposal) -> tuple[str, ...]:
        """What was not executed as it is, and what was not compared."""
        found: list[str] = []
        if linked := self._folder.linked:
            shown = ", ".join(f"`{one}`" for one in linked[:3]) + " …" * (len(linked) > 3)
            found.append(
                f"the runs work in a copy of the notebook's folder, where {shown} is linked because of its size"
            )
        in_steps = {number for step in proposal.steps for number in step.cells}
        lines = {number: len(lines_of(text)) for number, text in self.plain.printed.items() if number not in in_steps}
        if count := sum(lines.values()):
            cells = ", ".join(str(number) for number, some in lines.items() if some)
            where = f"{count} line{'s' * (count != 1)} of cell{'s' * (',' in cells)} {cells}"
            found.append(f"{where}, of which no step has the code, {'are' if count > 1 else 'is'} not compared")
        return tuple(found)

    def _judge(
        self, proposal: Proposal, expected: Mapping[str, Mapping[str, Held]], pairs: Sequence[Pair], runs: bool = True
    ) -> FlowAnswer:
        """Run the flow, or compare pairs only."""
        if runs:
            self._notify("running the flow")
        answer = judge(
            proposal.document,
            self._folder.renew() if runs else self._folder.work,
            self._folder.root,
            store=self._folder.root / "store",
            runs=runs,
            expected={step: {name: held.ref for name, held in names.items()} for step, names in expected.items()},
            pairs=pairs,
            timeout=max(LEAST, SLOWER * self.plain.seconds),
        )
        return replace(answer, files=self._folder.written()) if runs else answer

    def _moved(self, proposal: Proposal) -> list[tuple[int, str, Any, Any]]:
        """Names that later steps read and whose stored bytes are other ones than at the snapshot before."""
        found: list[tuple[int, str, Any, Any]] = []
        numbers = sorted(self.plain.snapshots)
        for before, number in itertools.pairwise(numbers):
            later = {name for step in proposal.steps if max(step.cells, default=0) > number for name in step.loads}
            old, new = self.plain.snapshots[before], self.plain.snapshots[number]
            for name in sorted(later & new.keys()):
                one, other = old.get(name), new[name]
                if other.ref is not None and (one is None or one.ref is None or one.ref.key != other.ref.key):
                    found.append((number, name, None if one is None else one.ref, other.ref))
        return found

    def _rows(self, proposal: Proposal, answer: FlowAnswer) -> tuple[Row, ...]:
        """One row for each value, for what each step printed, and for each file."""
        several = len(self.plains) > 1 and all(run.failure is None for run in self.plains)
        unstable = self._unstable_names(proposal) if several else frozenset()
        return Comparison(self.cells, self.plains, proposal, answer, self.held).rows(unstable)

    def _unstable_names(self, proposal: Proposal) -> set[tuple[int, str]]:
        """Cells and names with other values in another run of the plain notebook."""
        asked: list[tuple[int, str]] = []
        pairs: list[Pair] = []
        names = {name for step in proposal.steps for name in (*step.captures, *step.loads)}
        for number, snapshot in self.plain.snapshots.items():
            for name, held in snapshot.items():
                for run in range(1, len(self.plains)):
                    other = self.plains[run].snapshots.get(number, {}).get(name)
                    one_ref, other_ref = held.ref, None if other is None else other.ref
                    same = one_ref is not None and other_ref is not None and one_ref.key == other_ref.key
                    if name in names and not same and not (one_ref is None and other_ref is None):
                        asked.append((number, name))
                        pairs.append((one_ref, other_ref))
        if not pairs:
            return set()
        known = self._compared.setdefault(len(self.plains), {})
        new = [pair for pair in dict.fromkeys(pairs) if pair not in known]
        if new:
            known.update(zip(new, self._judge(proposal, {}, new, runs=False).pairs, strict=False))
        # Without an answer, because the flow's own code fails, a difference is not known to be one.
        return {place for place, pair in zip(asked, pairs, strict=True) if known.get(pair)}

    @cached_property
    def _compared(self) -> dict[int, dict[Pair, str]]:
        """Differences of pairs of plain values that are known, by the number of runs."""
        return {}


def boundaries(proposal: Proposal, count: int) -> frozenset[int]:
    """The cells after which values are stored: the last ones of steps, and all that are in no step.

    Parameters
    ----------
    proposal : Proposal
    count : int
        How many code cells the notebook has.
    """
    owners: dict[int, str] = {cell: step.name for step in proposal.steps for cell in step.cells}
    return frozenset(
        number for number in range(1, count + 1) if number not in owners or owners.get(number + 1) != owners[number]
    )


def _in_step(step: str) -> str:
    return f"step {step}: " if step else ""
