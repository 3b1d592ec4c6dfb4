"""Compares one run of the proposed flow with the runs of the plain notebook, row by row.

What differs between the runs of the plain notebook is `unverifiable`, whatever the flow did; so is what agrees in all
runs but depends on the time or on chance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import replace

from flownb.convert.hidden.texts import numbered
from flownb.convert.plain import PlainCell
from flownb.convert.proposal import Proposal, ProposedStep
from flownb.convert.verify.chance import reason_of
from flownb.convert.verify.flow import FlowAnswer
from flownb.convert.verify.lines import lines_of, printed_difference, unstable_lines
from flownb.convert.verify.plain import PlainRun
from flownb.convert.verify.report import FILE, NOT_COMPARABLE, PRINTED, Row
from flownb.convert.verify.snapshots import Held
from flownb.convert.verify.taint import find_taint

__all__ = ["Comparison", "expected_artifacts", "first_cell"]

# Files of pickled objects: equal objects can have other bytes, because pickle writes which strings are one object.
PICKLED = (".pkl", ".pickle", ".joblib", ".pt", ".pth")

HeldAfter = Callable[[int], Mapping[str, Held]]


def expected_artifacts(proposal: Proposal, held: HeldAfter) -> dict[str, dict[str, Held]]:
    """What the artifacts of each step should be: its captures, and the earlier ones that later steps read.

    Parameters
    ----------
    proposal : Proposal
    held : callable
        Returns what names hold after a cell of the plain notebook, by its number.
    """
    found: dict[str, dict[str, Held]] = {}
    available: set[str] = set()
    for position, step in enumerate(proposal.steps):
        available |= set(step.captures)
        here = held(max(step.cells, default=0))
        later = {name for other in proposal.steps[position + 1 :] for name in other.loads}
        wanted = [*step.captures, *sorted((later & available) - set(step.captures))]
        found[step.name] = {name: here[name] for name in wanted if name in here and here[name].ref is not None}
    return found


def first_cell(proposal: Proposal, step: ProposedStep) -> int:
    """The first cell of a step that no other step repeats: what it starts with is what names hold before that cell."""
    elsewhere = {cell for other in proposal.steps if other is not step for cell in other.cells}
    return min((cell for cell in step.cells if cell not in elsewhere), default=min(step.cells, default=0))


class Comparison:
    """One flow and its notebook.

    Parameters
    ----------
    cells : sequence of PlainCell
    plains : sequence of PlainRun
        The runs of the plain notebook; the first one is compared with the flow.
    proposal : Proposal
    answer : FlowAnswer
        What the flow did.
    held : callable
        As for `expected_artifacts`.
    """

    def __init__(
        self,
        cells: Sequence[PlainCell],
        plains: Sequence[PlainRun],
        proposal: Proposal,
        answer: FlowAnswer,
        held: HeldAfter,
    ) -> None:
        self._cells, self._plains, self._proposal, self._answer, self._held = cells, plains, proposal, answer, held
        self._expected = expected_artifacts(proposal, held)
        self._taint = find_taint(cells, proposal.findings)

    def rows(self, unstable: Set[tuple[int, str]]) -> tuple[Row, ...]:
        """All rows, in the order of the steps; files are the last ones.

        Parameters
        ----------
        unstable : set of (int, str)
            Cells and names that have other values in another run of the plain notebook.
        """
        rows: list[Row] = []
        wrong: set[str] = set()
        for step in self._proposal.steps:
            inputs = [name for name in step.loads if (self._entry(step), name) in unstable]
            for name in dict.fromkeys([*step.captures, *self._expected[step.name]]):
                differs = bool(self._answer.verdicts.get(step.name, {}).get(name))
                if name not in step.captures and (not differs or name in wrong):
                    continue  # inherited: the step that captured it has a row
                row = self._value(step, name)
                if row.verdict != "failed" and (max(step.cells, default=0), name) in unstable:
                    reason = reason_of(self._cells_of(step), name=name, inputs=inputs)
                    known = row.detail if row.detail.startswith(NOT_COMPARABLE) else reason
                    row = replace(row, verdict="unverifiable", detail=known)
                lucky = self._taint.after.get(max(step.cells, default=0), {}).get(name)
                if row.verdict == "equal" and lucky:
                    row = replace(row, verdict="unverifiable", detail=lucky)
                rows.append(row)
                wrong |= {name} if differs else set()
            rows += self._lines(step, inputs)
        return (*rows, *self._files())

    def _cells_of(self, step: ProposedStep) -> list[PlainCell]:
        return [cell for cell in self._cells if cell.number in step.cells]

    def _entry(self, step: ProposedStep) -> int:
        """The cell whose snapshot says what a step starts with."""
        return max((one for one in self._plains[0].snapshots if one < first_cell(self._proposal, step)), default=0)

    def _value(self, step: ProposedStep, name: str) -> Row:
        """The row of an artifact."""
        held = self._held(max(step.cells, default=0)).get(name)
        row = Row(step.name, name, held.type if held else "", held.shape if held else "", "equal")
        verdict = self._answer.verdicts.get(step.name, {}).get(name)
        ref = self._answer.artifacts.get(step.name, {}).get(name)
        failed = ""
        if held is None:
            failed = "the notebook has no such name after these cells"
        elif held.ref is None or held.problem:
            failed = f"it cannot be stored: {held.problem}"
        elif ref is not None and ref.by_value:
            failed = f"it cannot be stored: Metaflow cannot pickle {ref.by_value}"
        elif step.name not in self._answer.artifacts:
            failed = "the step did not end well"
        elif verdict is None:
            failed = "it was not compared"
        if failed:
            return replace(row, verdict="failed", detail=failed)
        return replace(row, verdict="differs", detail=verdict or "") if verdict else row

    def _lines(self, step: ProposedStep, inputs: Collection[str]) -> list[Row]:
        """The row of what a step printed; none if neither side printed anything."""
        plains = [
            lines_of("".join(run.printed.get(cell, "") for cell in step.cells))
            for run in self._plains
            if run.failure is None
        ]
        flow = lines_of(self._answer.printed.get(step.name, ""))
        if not plains or (not plains[0] and not flow):
            return []
        plain = plains[0]
        row = Row(step.name, PRINTED, "", f"{len(plain)} line{'s' * (len(plain) != 1)}", "equal")
        if step.name not in self._answer.artifacts:
            return [replace(row, verdict="failed", detail="the step did not end well")]
        unstable = unstable_lines(plain, plains[1:])
        if self._is_captured(step):
            return [replace(row, verdict="unverifiable", detail="`%%capture` keeps it from the notebook's output")]
        detail = printed_difference(plain, flow, unstable=unstable, partly=self._is_split(step))
        lucky = next((self._taint.printed[cell] for cell in step.cells if cell in self._taint.printed), "")
        if detail and lucky and _without_numbers(plain) == _without_numbers(flow):
            # All runs of the notebook may print the same rounded time, and the flow another one.
            return [replace(row, verdict="unverifiable", detail=lucky)]
        if detail:
            detail = self._printed_by_shared(plain, flow) or detail
            return [replace(row, verdict="differs", detail=detail)]
        if unstable is None:
            return [replace(row, verdict="unverifiable", detail=reason_of(self._cells_of(step), inputs=inputs))]
        if unstable:
            text = "\n".join(plain[place] for place in unstable)
            reason = reason_of(self._cells_of(step), text=text, inputs=inputs)
            return [replace(row, verdict="unverifiable", shape=f"{len(unstable)} of {row.shape}", detail=reason)]
        return [replace(row, verdict="unverifiable", detail=lucky)] if lucky else [row]

    def _printed_by_shared(self, plain: Sequence[str], flow: Sequence[str]) -> str:
        """That the lines of a step differ only by what shared code prints in each task; empty if that is not so."""
        cells = sorted({part.place.cell for part in self._proposal.shared})
        found = [cell for cell in cells if lines_of(self._plains[0].printed.get(cell, ""))]
        lines = {line for cell in found for line in lines_of(self._plains[0].printed[cell])}
        more = len(flow) - len(plain)
        if more <= 0 or flow[more:] != plain or not lines.issuperset(flow[:more]):
            return ""
        return f"shared code of {numbered(found)} prints in every task; move what it prints to a cell of its own"

    def _is_captured(self, step: ProposedStep) -> bool:
        """Whether ``%%capture`` keeps what a cell of a step prints from the output of the notebook."""
        cells = self._cells_of(step)
        return any(wrapper.split()[0] == "%%capture" for cell in cells for wrapper in cell.wrappers)

    def _is_split(self, step: ProposedStep) -> bool:
        """Whether some statements of a step's cells are elsewhere in the flow."""
        elsewhere = {part.place.cell for part in (*self._proposal.scratch, *self._proposal.shared)}
        elsewhere |= {cell for other in self._proposal.steps if other is not step for cell in other.cells}
        return bool(elsewhere & set(step.cells))

    def _files(self) -> list[Row]:
        """A row for each file that the notebook or the flow wrote."""
        if self._answer.failure is not None:
            return []
        plain, flow = self._plains[0].files, self._answer.files
        others = [run.files for run in self._plains[1:] if run.failure is None]
        same_names = all(other.keys() == plain.keys() for other in others)
        rows: list[Row] = []
        for name in sorted(plain.keys() | flow.keys()):
            row = Row("", name, FILE, "", "equal")
            if name not in flow and (cells := [cell for cell in self._cells if name in _written_by_magic(cell)]):
                detail = f"cell {cells[-1].number} writes it with `%%{cells[-1].magic}`, which no step can"
                row = replace(row, verdict="unverifiable", detail=detail)
            elif any(other.get(name) != plain.get(name) for other in others) or (name not in plain and not same_names):
                if name not in flow and all(name in one for one in (plain, *others)):
                    row = replace(row, verdict="differs", detail="the flow does not write it")
                elif not name.endswith(PICKLED):
                    cells = [cell for cell in self._cells if name.rpartition("/")[2] in cell.source]
                    row = replace(row, verdict="unverifiable", detail=reason_of(cells))
            elif name not in flow:
                row = replace(row, verdict="differs", detail="the flow does not write it")
            elif name not in plain:
                row = replace(row, verdict="differs", detail="the notebook does not write it")
            elif plain[name] != flow[name] and not name.endswith(PICKLED):
                row = replace(row, verdict="differs", detail="its content is another one in the flow")
            rows.append(row)
        return rows


def _without_numbers(lines: Sequence[str]) -> list[str]:
    """Lines with the same digit for each number."""
    return [re.sub(r"\d+", "0", line) for line in lines]


def _written_by_magic(cell: PlainCell) -> tuple[str, ...]:
    """The file that a ``%%writefile`` cell writes."""
    if cell.magic not in ("writefile", "file"):
        return ()
    return tuple(word.strip("\"'").removeprefix("./") for word in cell.source.split("\n", 1)[0].split()[-1:])
