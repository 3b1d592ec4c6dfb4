"""The tutorial, as a new user meets it."""

from __future__ import annotations

from pathlib import Path

import nbformat

from tests.browser.lab import Lab

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "first_flow.ipynb"


def test_the_tutorial_runs_from_top_to_bottom(lab: Lab) -> None:
    """Run All Cells of the first notebook fails in no cell but the one that is meant to."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    lab.open(lab.write("first_flow", cells))
    lab.run_all()
    assert list(lab.failed()) == ["caught"]
