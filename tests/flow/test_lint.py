"""The checks: for each code the mistakes it finds, word by word, and what it lets pass."""

from __future__ import annotations

import sys

import pytest

from flownb.flow.lint import CHECKS, check_flow
from tests.flow.flows import define
from tests.flow.lint_cases import ACCEPTED, REFUSED

Found = tuple[str, int, int, str, str, str]


def found(*cells: str, only: str | None = None, kernel_names: tuple[str, ...] = ()) -> list[Found]:
    """Code (a warning's behind that word), cell, line and the three sentences of each diagnostic."""
    diagnostics = check_flow(define(*cells), only=only, kernel_names=kernel_names)
    said = {"error": "", "warning": "warning "}
    return [
        (said[one.severity] + one.code, one.cell.number, one.line, one.what, one.why, one.fix) for one in diagnostics
    ]


@pytest.mark.parametrize(("cells", "expected"), REFUSED, ids=lambda value: repr(value)[:60])
def test_a_mistake_is_reported_in_three_sentences(cells: tuple[str, ...], expected: list[Found]) -> None:
    """What happened, why, and what to do: with the right code, at the right cell and line, and nothing else."""
    assert found(*cells) == expected


@pytest.mark.parametrize(("code", "cells"), ACCEPTED, ids=lambda value: repr(value)[:60])
def test_what_is_right_passes(code: str, cells: tuple[str, ...]) -> None:
    """The nearest thing to each mistake that is none has no diagnostic at all."""
    assert (code, found(*cells)) == (code, [])


def test_every_check_has_both_kinds_of_case() -> None:
    """No code is without a case that it refuses and one that it accepts."""
    assert {one[0].removeprefix("warning ") for _, expected in REFUSED for one in expected} == set(CHECKS)
    assert {code for code, _ in ACCEPTED} == set(CHECKS)


def test_each_part_is_a_sentence() -> None:
    """What happened, why and what to do are never empty and end like sentences."""
    for _, expected in REFUSED:
        for _, _, _, *sentences in expected:
            assert [sentence.endswith((".", "?")) for sentence in sentences] == [True] * 3


def test_one_step_can_be_checked_alone() -> None:
    """Mistakes of other steps and the flow's open ends are left for later; those of shared code are not."""
    cells = (
        "%%shared\nbad = nowhere",
        "%%step a -> xs\nxs = [1]",
        "%%step b --foreach xs\ny = 1",
        "%%step c\nz = gone",
    )
    assert [one[:2] for one in found(*cells, only="b")] == [("FN001", 1)]
    assert [one[:2] for one in found(*cells, only="c")] == [("FN001", 1), ("FN001", 4)]
    assert [one[:2] for one in found(*cells)] == [("FN001", 1), ("FN008", 4), ("FN001", 4)]


def test_a_step_alone_is_checked_for_what_its_parent_passes_on() -> None:
    """A misspelt artifact of --foreach or --when is an error of the step that names it, before its tasks are made."""
    foreach = ("%%step a -> items\nitems = [1]", "%%step b --foreach item", "%%step c --after a --foreach items")
    assert [(*one[:3], one[5]) for one in found(*foreach[:2], only="b")] == [
        ("FN002", 2, 1, "Write `%%step b --foreach items`.")
    ]
    switch = ("%%step a -> kind\nkind = 1", "%%step b --when kid=1", "%%step c --after a --when kid=2")
    assert [one[:2] for one in found(*switch, only="c")] == [("FN002", 3)]
    unsure = ("%%step a -> items\nitems = [1]\nsetattr(self, 'item', [2])", "%%step b --foreach item")
    assert [one[0] for one in found(*unsure, only="b")] == ["warning FN002"]
    assert found(*foreach[:2], only="a") == []


def test_a_name_of_the_notebook_is_named_as_such() -> None:
    """A name that only the kernel has is not a name a step can read, and the message says so."""
    step = found("%%step a\ny = df", kernel_names=("df",))
    assert [one[4] for one in step] == ["`df` exists only in the notebook's namespace, which steps never see."]
    shared = found("%%shared\ny = df", "%%step a", kernel_names=("df",))
    assert [one[4] for one in shared] == ["`df` exists only in the notebook's namespace, which flows never see."]


def test_the_join_that_loses_a_name_is_found_where_parents_form_a_cycle() -> None:
    """The first join from which the reader can be reached, although the transitions of this flow form no cycle."""
    cells = (
        "%%step s0\nself.next(self.end, foreach='xs')",
        "%%step s2 --foreach xs",
        "%%step s3 -> xs, df",
        "%%step s6 --after s4,s3\nawait x",
        "%%step s7 --after s0 -> y, q\nself.merge_artifacts(inputs, include=['x'])",
        "%%step s8 -> x, model, q\nself.next(self.s2, self.s0)",
    )
    assert [one[4:] for one in found(*cells) if "reads `x`" in one[3]] == [
        (
            "`s8` sets it, but the join `s7` does not pass it on.",
            'Write `self.merge_artifacts(inputs, include=["x"])` in s7, or capture `x` there.',
        )
    ]


def test_diagnostics_come_in_document_order() -> None:
    """Shared code first, then step by step, line by line."""
    cells = ("%%step a\nx = n1\ny = n2", "%%shared\nk = n3", "%%step b\nreturn n4")
    assert [one[1:3] for one in found(*cells)] == [(2, 2), (1, 2), (1, 3), (3, 2), (3, 2)]


def test_a_diagnostic_shows_its_line() -> None:
    """As text it names code, cell and line, and quotes the line."""
    one = check_flow(define("%%step a\ny = nowhere"))[0]
    assert str(one) == (
        "FN001 cell 1 (step a), line 2: Step a reads `nowhere`, which nothing defines.\n"
        "    2 | y = nowhere\n"
        "    No shared cell, no earlier step and no Python builtin has that name.\n"
        "    Define `nowhere` in a %%shared cell, or assign and capture it in an earlier step (`-> nowhere`)."
    )


def test_a_module_that_was_made_unimportable_is_missing() -> None:
    """A module that an earlier import marked as absent counts as absent."""
    sys.modules["pandaz_blocked"] = None  # type: ignore[assignment]  # Python's own mark for "cannot be imported"
    try:
        assert [one[0] for one in found("%%step a\nimport pandaz_blocked")] == ["FN016"]
    finally:
        del sys.modules["pandaz_blocked"]
