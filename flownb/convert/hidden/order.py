"""In which order the cells were executed, as the saved execution counts say."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from flownb.convert.hidden.facts import CellFacts
from flownb.convert.hidden.notebook import Notebook
from flownb.convert.hidden.texts import finding, listed, numbered, verb
from flownb.convert.proposal import Finding, Place

__all__ = []

FROM_TOP = "The flow is built from the order of the document"
# Cells for which a name is looked for that makes the order matter; the message names one.
LOOKED_AT = 20


def check_executed_out_of_order(notebook: Notebook) -> Iterator[Finding]:
    """Report cells that were executed in another order than the document has, unless they only define things."""
    counted = [one for one in notebook.cells if one.cell.execution_count is not None and not one.only_defines]
    moved = _moved(counted)
    if not moved:
        return
    numbers = [one.number for one in moved]
    were = verb(moved, "was", "were")
    what = f"{numbered(numbers).capitalize()} {were} executed in another order than the document has."
    why = f"{FROM_TOP}, and cells in another order have no names in common that change, so the results are the same."
    fix = "Nothing needs to be done."
    conflict = _conflict(moved, counted)
    if conflict is not None:
        first, second, names = conflict
        why = (
            f"Cell {second.number} was executed before cell {first.number}, and both use {listed(names)}, which one of "
            f"them changes. {FROM_TOP}, so its results may differ from the saved outputs."
        )
        fix = "Restart the kernel, execute all cells from top to bottom, and compare the outputs."
    places = map(Place, numbers)
    yield finding("hidden", "executed-out-of-order", places, what, why, fix, harmless=conflict is None)


def _moved(counted: list[CellFacts]) -> list[CellFacts]:
    """The fewest cells without which the execution counts increase."""
    counts = [one.cell.execution_count or 0 for one in counted]
    ends: list[int] = []
    at_end: list[int] = []
    before: list[int] = []
    for index, count in enumerate(counts):
        length = bisect_left(ends, count)
        before.append(at_end[length - 1] if length else -1)
        if length == len(ends):
            ends.append(count)
            at_end.append(index)
        else:
            ends[length], at_end[length] = count, index
    kept: set[int] = set()
    index = at_end[-1] if at_end else -1
    while index >= 0:
        kept.add(index)
        index = before[index]
    return [one for index, one in enumerate(counted) if index not in kept]


def _conflict(moved: list[CellFacts], counted: list[CellFacts]) -> tuple[CellFacts, CellFacts, list[str]] | None:
    """Two cells, in document order, that were executed in the other order, with names that one changes."""
    for one in moved[:LOOKED_AT]:
        for other in counted:
            first, second = sorted((one, other), key=lambda facts: facts.number)
            if (first.cell.execution_count or 0) <= (second.cell.execution_count or 0):
                continue
            changed, used = _changed(first), _changed(second)
            both = (changed & (used | second.names.reads.keys())) | (used & first.names.reads.keys())
            if both:
                return first, second, sorted(both)
    return None


def _changed(facts: CellFacts) -> set[str]:
    """Names that a cell binds or whose value it changes; what an import binds is always the same."""
    return set(facts.names.variables) | {change.name for change in facts.changes}


def check_never_executed(notebook: Notebook) -> Iterator[Finding]:
    """Report cells with code that were not executed, or were changed since, while cells below them were."""
    last = max((one.number for one in notebook.cells if one.cell.execution_count is not None), default=0)
    found = [
        one
        for one in notebook.cells
        if one.cell.execution_count is None and one.number < last and one.tree is not None and one.tree.body
    ]
    if found:
        numbers = [one.number for one in found]
        what = f"{numbered(numbers).capitalize()} {verb(found, 'has', 'have')} never been executed"
        yield finding(
            "hidden",
            "never-executed",
            map(Place, numbers),
            f"{what}, or not since the last edit, and cells below were.",
            f"{FROM_TOP}, so {verb(found, 'it is', 'they are')} part of it and may change the results.",
            "Delete what you do not need, execute all cells from top to bottom, and look at the outputs.",
        )
