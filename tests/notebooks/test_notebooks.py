"""The saved notebooks are what a reader should see; `scripts/test_notebooks.py` executes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from flownb.cells.cell import read_cell

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MAX_KILOBYTES = 150

# Anything that only one machine or one execution would print.
PRIVATE = re.compile(r"(?<![\w.])/(?:work|root|tmp|home|Users)/|0x[0-9a-f]{6,}|\bWarning\b")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> Any:
    """Each notebook as a reader finds it."""
    return nbformat.read(request.param, as_version=4)


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _texts(output: Any) -> list[str]:
    """All that an output shows as text."""
    if output.output_type == "stream":
        return [output.text]
    if output.output_type == "error":
        return [output.evalue, *output.traceback]
    return [str(value) for kind, value in output.data.items() if not kind.startswith("image/png")]


def test_all_notebooks_are_there() -> None:
    """The five-minute flow, the real one, and that one's plain form ship with flownb."""
    assert [path.name for path in NOTEBOOKS] == ["first_flow.ipynb", "flight_delays.ipynb", "flight_delays_plain.ipynb"]


def test_is_valid(notebook: Any) -> None:
    """A notebook follows nbformat, with ids that a person chose, so that a diff names the cell."""
    nbformat.validate(notebook)
    generated = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){0,3}|[0-9a-f-]{36}")
    assert [cell.id for cell in notebook.cells if generated.fullmatch(cell.id)] == []


def test_was_executed_in_order(notebook: Any) -> None:
    """Every code cell was executed once, from the top: nbval compares nothing under a cell that was not."""
    cells = _code(notebook)
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]


def test_only_marked_cells_fail(notebook: Any) -> None:
    """A cell ends in an error if, and only if, it is tagged as one that shows a mistake."""
    failed = [cell.id for cell in _code(notebook) if any(out.output_type == "error" for out in cell.outputs)]
    marked = [cell.id for cell in _code(notebook) if "raises-exception" in cell.metadata.get("tags", ())]
    assert failed == marked


def test_steps_show_their_report(notebook: Any) -> None:
    """Below every step cell is a report that names the step and each artifact it captures."""
    steps = [read_cell(cell.source) for cell in _code(notebook)]
    for step, cell in zip(steps, _code(notebook), strict=True):
        if step.kind != "step" or step.header is None:
            continue
        last = cell.outputs[-1].data["text/plain"]
        assert re.match(rf"✓ {step.name}\b", last), cell.id
        for name in step.header.captures:
            assert re.search(rf"\b{name}: \w", last), f"{cell.id} does not report {name}"


def test_figures_are_shown(notebook: Any) -> None:
    """Each flow is drawn, as SVG for GitHub, and the plain notebook has its plots; each also as text."""
    is_flow = any(cell.source.startswith("%%step") for cell in _code(notebook))
    kind = "image/svg+xml" if is_flow else "image/png"
    drawn = [out.data for cell in _code(notebook) for out in cell.outputs if kind in out.get("data", {})]
    assert drawn
    assert all("text/plain" in data for data in drawn)


def test_outputs_hold_nothing_private(notebook: Any) -> None:
    """No output has a path of the machine it was made on, an address, a warning, or stderr text."""
    for cell in _code(notebook):
        for output in cell.outputs:
            assert output.get("name") != "stderr", cell.id
            for text in _texts(output):
                found = PRIVATE.search(text)
                assert found is None, f"{cell.id}: {found and found.group()}"


def test_holds_no_execution_metadata(notebook: Any) -> None:
    """A second execution leaves the file as it was: no times, and the kernel is any Python 3."""
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info == {"name": "python"}
    assert [cell.id for cell in notebook.cells if set(cell.metadata) - {"tags"}] == []
    assert [cell.id for cell in _code(notebook) for out in cell.outputs if out.get("metadata")] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_small(path: Path) -> None:
    """A notebook stays light enough for GitHub to render and for a diff to be read."""
    assert path.stat().st_size < MAX_KILOBYTES * 1000
