"""Every hint that a program can apply, applied: the finding is gone and no new error is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest

from flownb.cells.cell import Cell, read_any_cell
from flownb.cells.header import header_tags
from flownb.flow.definition import define_flow
from flownb.flow.lint import CHECKS, Diagnostic, check_flow
from flownb.flow.lint.edits import Edit, apply_edits
from tests.fidelity.diagnostic_cases import PROVEN, SAID, UNWRITTEN
from tests.flow.hint_cases import HINTED, TAGGED
from tests.flow.lint_cases import REFUSED

Text = tuple[str, tuple[str, ...]]
# Codes whose remedies all need a decision.
UNDECIDED = {"FN004", "FN006", "FN007", "FN011", "FN012", "FN013", "FN016", "FN018", "FN023", "FN027"}


def read(texts: Sequence[Text]) -> tuple[Cell, ...]:
    """The code cells of a notebook, from their texts and tags."""
    return tuple(read_any_cell(source, tags=tags, number=number) for number, (source, tags) in enumerate(texts, 1))


def found(cells: Sequence[Cell]) -> tuple[Diagnostic, ...]:
    """What the checks find."""
    return check_flow(define_flow(cells))


def notebooks() -> Iterator[tuple[Text, ...]]:
    """All flows that the tests of the checks have."""
    for cells, _ in REFUSED:
        yield tuple((cell, ()) for cell in cells)
    for _, _, cells in PROVEN:
        yield tuple((cell, ()) for cell in cells)
    for _, cells in (*UNWRITTEN, *SAID, *HINTED):
        yield tuple((cell, ()) for cell in cells)
    for _, tagged in TAGGED:
        yield tagged


ALL = list(dict.fromkeys(notebooks()))


def outcomes(texts: Sequence[Text]) -> Iterator[tuple[str, bool, list[str]]]:
    """For each finding of a notebook its code, whether it has edits, and what is wrong after these were made."""
    cells = read(texts)
    before = found(cells)
    known = Counter((one.code, one.what) for one in before if one.severity == "error")
    for one in before:
        if not one.edits:
            yield one.code, False, []
            continue
        after = found(read(apply_edits(one.edits, cells)))
        now = Counter((other.code, other.what) for other in after if other.severity == "error")
        wrong = [f"new: {code} {what}" for code, what in now - known]
        if sum((other.code, other.what) == (one.code, one.what) for other in after) >= sum(
            (other.code, other.what) == (one.code, one.what) for other in before
        ):
            wrong.append(f"still there: {one.code} {one.what}")
        yield one.code, True, [f"{one.fix} -> {problem}" for problem in wrong]


def tagged(text: Text) -> Text:
    """The same step marked by tags."""
    cell = read_any_cell(text[0], tags=text[1])
    if cell.kind != "step" or cell.header is None or cell.tags:
        return text
    return cell.body, header_tags(cell.header)


def indented(text: Text) -> Text:
    """The same cell with all lines indented, which IPython takes back."""
    if '"""' in text[0] or "\\\n" in text[0]:
        return text
    return "\n".join(f"  {line}" for line in text[0].split("\n")), text[1]


def timed(text: Text) -> Text:
    """The same cell below another magic."""
    return f"%%time\n{text[0]}", text[1]


@pytest.mark.parametrize("written", [tagged, indented, timed])
def test_hints_fit_the_way_a_cell_is_written(written: Callable[[Text], Text]) -> None:
    """In cells that are marked by tags, are indented or are timed, each hint passes as well."""
    problems = [
        (texts, problem) for texts in ALL for _, _, wrong in outcomes(tuple(map(written, texts))) for problem in wrong
    ]
    assert problems == []


@pytest.mark.parametrize("texts", ALL, ids=lambda value: repr(value)[:60])
def test_a_hint_applied_literally_passes_the_check(texts: tuple[Text, ...]) -> None:
    """What a fix says is what its edits do: that finding is gone, and no other error takes its place."""
    assert [problem for _, _, wrong in outcomes(texts) for problem in wrong] == []


def test_each_code_has_a_hint_that_was_applied() -> None:
    """No code is left out, other than those whose remedies all need a decision."""
    applied = Counter(code for texts in ALL for code, has_edits, _ in outcomes(texts) if has_edits)
    assert set(applied) == set(CHECKS) - UNDECIDED
    assert set(CHECKS) - set(applied) == UNDECIDED


@pytest.mark.parametrize(("sentence", "cells"), HINTED, ids=lambda value: repr(value)[:60])
def test_a_hint_leads_to_no_next_error(sentence: str, cells: tuple[str, ...]) -> None:
    """Hints that led into the next error say what passes."""
    assert sentence in [one.fix for one in found(read([(cell, ()) for cell in cells]))]


@pytest.mark.parametrize(("sentence", "texts"), TAGGED, ids=lambda value: repr(value)[:60])
def test_a_cell_that_is_marked_by_tags_keeps_its_tags(sentence: str, texts: tuple[Text, ...]) -> None:
    """No hint asks for a %%step line in a cell that has none."""
    assert sentence in [one.fix for one in found(read(texts))]


def test_edits_say_which_lines_they_replace() -> None:
    """A front end is given the cell, its lines and their new text."""
    cells = read([("\n%%step a -> n\nn = 1\ndf = 2", ()), ("%%step b\ny = df", ())])
    (one,) = found(cells)
    assert one.fix == "Write `%%step a -> n, df`."
    assert one.edits == (Edit(cells[0], 2, 2, "%%step a -> n, df"),)
    assert apply_edits(one.edits, cells) == [("\n%%step a -> n, df\nn = 1\ndf = 2", ()), ("%%step b\ny = df", ())]
