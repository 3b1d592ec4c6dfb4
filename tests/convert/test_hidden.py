"""Hidden state of plain notebooks: what is found, with which words, and what is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flownb.convert.hidden import CHECKS, find_hidden
from flownb.convert.plain import PlainCell, read_plain
from flownb.convert.proposal import Part, Place, Proposal, ProposedStep
from tests.convert.hidden_cases import FOUND, SILENT, Cells

TABLE = Path(__file__).resolve().parents[2] / "docs" / "hidden-state.md"


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


def rows() -> list[list[str]]:
    """The rows of the table in docs/hidden-state.md."""
    lines = TABLE.read_text("utf-8").splitlines()
    return [[part.strip() for part in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")][1:]


def test_the_table_has_every_code() -> None:
    """Every code has one row of four cells, in the order of the checks."""
    assert [row[0].removesuffix(" *") for row in rows()] == list(CHECKS)
    assert {len(row) for row in rows()} == {4}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_the_examples_of_the_table_are_found(row: list[str]) -> None:
    """The code of a row is found in its example, and only in different steps if the row is marked."""
    code, _, example, _ = row
    cells = tuple(one.replace("⏎", "\n") for one in re.findall("`(.*?)`", example))
    if not cells:
        return
    name = code.removesuffix(" *")
    assert name in {one.code for one in find_hidden(plain(cells))}
    together = ProposedStep(
        "all", tuple(Part(Place(number + 1), text, "step") for number, text in enumerate(cells)), ()
    )
    in_one_step = find_hidden(plain(cells), Proposal("F", (together,)))
    assert (name in {one.code for one in in_one_step}) is not code.endswith("*")
    apart = [
        ProposedStep(f"s{number}", (Part(Place(number + 1), text, "step"),), ()) for number, text in enumerate(cells)
    ]
    assert name in {one.code for one in find_hidden(plain(cells), Proposal("F", tuple(apart)))}


def test_code_of_all_steps_is_executed_in_each() -> None:
    """A setting among the imports counts for all steps; a seed there gives all steps the same numbers."""
    cells = plain(("import os, random\nos.chdir('..')\nrandom.seed(1)", "x = random.random()", "y = random.random()"))
    shared = (Part(Place(1), cells[0].source, "shared"),)
    one = ProposedStep(
        "one", (Part(Place(2), cells[1].source, "step"), Part(Place(3), cells[2].source, "step")), ("x", "y")
    )
    two = [ProposedStep(f"s{cell.number}", (Part(Place(cell.number), cell.source, "step"),), ()) for cell in cells[1:]]
    assert find_hidden(cells, Proposal("F", (one,), shared)) == ()
    assert [one.code for one in find_hidden(cells, Proposal("F", tuple(two), shared))] == ["seed-in-another-cell"]


def test_messages_name_cells_and_lines() -> None:
    """A message says which cells and lines it is about, and what the flow makes of it."""
    cells = plain((("total = load(1)", 4), ("totals = 1", 2), ("f = open('a')", 5), ("f.read()", 6)))
    assert [str(one.message) for one in find_hidden(cells)] == [
        "Cell 1 was executed in another order than the document has. The flow is built from the order of the document, "
        "and cells in another order have no names in common that change, so the results are the same. Nothing needs "
        "to be done.",
        "Cell 1, line 1 uses `load`, which no cell defines. Executed from top to bottom, the notebook stops there with "
        "a NameError. The saved execution counts have gaps, so a cell that defined it was perhaps changed or deleted. "
        "Write the line that defines `load` into a cell above, or correct the name.",
        "`f` of cell 3, line 1 is an open file, and cell 4 uses it. A step stores its values for the next step, and "
        "this one cannot be stored. Merge cells 3 and 4 into one, or open it in each of these cells.",
    ]
