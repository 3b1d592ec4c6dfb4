"""Errors and warnings: what is said of each, and that only errors block."""

from __future__ import annotations

from pathlib import Path

import pytest

from flownb.cells.cell import read_cell
from flownb.errors import CheckFailed, Message
from flownb.flow.lint import Diagnostic, counted, errors_of, warnings_of
from flownb.session.session import Session

CELL = read_cell("%%step a\nx = 1", number=1)
ERROR = Diagnostic("FN001", Message("This fails.", "It must.", "Change it."), CELL, 2, "a")
WARNING = Diagnostic("FN002", Message("This may fail.", "Who knows.", "Look at it."), CELL, 2, "a", "warning")


def test_a_warning_says_that_it_is_one() -> None:
    """The text of a warning begins with that word, the text of an error with its code."""
    assert [str(one).split("\n")[0] for one in (ERROR, WARNING)] == [
        "FN001 cell 1 (step a), line 2: This fails.",
        "warning FN002 cell 1 (step a), line 2: This may fail.",
    ]


def test_findings_are_parted_and_counted() -> None:
    """Errors and warnings can be distinguished, and a list of findings summed up."""
    found = [ERROR, WARNING, ERROR]
    assert (errors_of(found), warnings_of(found)) == ((ERROR, ERROR), (WARNING,))
    assert [
        counted(found),
        counted([ERROR]),
        counted([WARNING, WARNING]),
        counted([]),
    ] == ["2 errors, 1 warning", "1 error", "2 warnings", "no problems"]


def test_only_errors_block(tmp_path: Path) -> None:
    """Errors are raised without the warnings beside them; warnings alone are shown, and shown once."""
    session = Session(folder=tmp_path)
    shown: list[Diagnostic] = []
    session.checks.warn = shown.append
    with pytest.raises(CheckFailed) as caught:
        session.checks.raise_errors([WARNING, ERROR])
    assert (caught.value.diagnostics, shown) == ((ERROR,), [])
    session.checks.raise_errors([WARNING])
    session.checks.raise_errors([WARNING])
    assert shown == [WARNING]
    session.checks.raise_errors([WARNING], again=True)
    assert shown == [WARNING, WARNING]
