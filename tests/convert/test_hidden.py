"""Hidden state of plain notebooks: what is found, with which words, and what is not."""

from __future__ import annotations

import pytest

from flownb.convert.hidden import CHECKS, find_hidden
from flownb.convert.plain import PlainCell, read_plain
from tests.convert.hidden_cases import FOUND, SILENT, Cells


def plain(cells: Cells) -> tuple[PlainCell, ...]:
    """The cells of a notebook, as they are read from its file."""
    pairs = [(one, None) if isinstance(one, str) else one for one in cells]
    document = {"cells": [{"cell_type": "code", "source": text, "execution_count": count} for text, count in pairs]}
    return read_plain(document)


def found(cells: Cells) -> list[str]:
    """All findings of a notebook as `code cell:line …`."""
    return [
        " ".join([one.code, *(f"{place.cell}:{place.line}" for place in one.places)])
        for one in find_hidden(plain(cells))
    ]


@pytest.mark.parametrize(("cells", "expected"), FOUND, ids=lambda one: one[0] if isinstance(one, list) else None)
def test_hidden_state_is_found(cells: Cells, expected: list[str]) -> None:
    """Each finding names its cells and lines, and there are no others."""
    assert sorted(found(cells)) == sorted(expected)


@pytest.mark.parametrize("cells", SILENT)
def test_harmless_code_is_not_reported(cells: Cells) -> None:
    """What people write without doing harm gives no finding."""
    assert found(cells) == []


def test_each_check_has_a_case() -> None:
    """Every code of the table is found in a case."""
    assert sorted({one.split()[0] for _, expected in FOUND for one in expected}) == sorted(CHECKS)
