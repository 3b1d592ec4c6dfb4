"""docs/checks.md names every check, and says of each when it is an error and when a warning."""

from __future__ import annotations

import re
from pathlib import Path

from flownb.flow.lint import CHECKS
from tests.flow.lint_cases import REFUSED

TABLE = Path(__file__).resolve().parents[2] / "docs" / "checks.md"


def test_the_table_is_complete() -> None:
    """Every code has one row of five cells, in order."""
    rows = [line.strip("|").split(" | ") for line in TABLE.read_text("utf-8").splitlines() if line.startswith("| FN")]
    assert [row[0].strip() for row in rows] == sorted(CHECKS)
    assert {len(row) for row in rows} == {5}


def test_the_table_says_what_the_checks_do() -> None:
    """A row says "never" of errors or warnings exactly where no case of the check has them."""
    errors = {one[0] for _, expected in REFUSED for one in expected if " " not in one[0]}
    warnings = {one[0].split()[1] for _, expected in REFUSED for one in expected if " " in one[0]}
    for line in re.findall(r"^\| FN.*$", TABLE.read_text("utf-8"), re.M):
        code, _, error, warning, _ = (part.strip() for part in line.strip("|").split(" | "))
        assert (code, code in errors, code in warnings) == (
            code,
            not error.startswith("never"),
            not warning.startswith("never"),
        )
