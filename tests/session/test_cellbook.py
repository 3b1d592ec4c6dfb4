"""Cells as a kernel comes to know them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from flownb.cells.cell import Cell, read_cell
from flownb.session.cellbook import CellBook


def step(name: str, cell_id: str | None = None, body: str = "pass") -> Cell:
    """A step cell."""
    return read_cell(f"%%step {name}\n{body}", cell_id=cell_id)


def names(book: CellBook) -> list[str]:
    """Step names in order."""
    return [cell.name for cell in book.cells()]


def test_without_ids_the_first_execution_decides_the_order() -> None:
    """Running a step again, changed or not, leaves it in its place."""
    book = CellBook()
    for name in ("a", "b", "c", "a"):
        book.put(step(name))
    book.put(step("b", body="x = 2"))
    assert ["a", "b", "c"] == names(book)
    assert "x = 2" == book.cells()[1].body


def test_with_ids_a_step_can_be_renamed() -> None:
    """The same cell with another step name is the same step renamed."""
    book = CellBook()
    for one in (step("a", "1"), step("b", "2"), step("bb", "2")):
        book.put(one)
    assert ["a", "bb"] == names(book)


def test_a_copied_cell_takes_the_step_over() -> None:
    """Of two cells that define one step, the one executed last counts, in its own place."""
    book = CellBook()
    for one in (step("a", "1"), step("b", "2"), step("a", "3")):
        book.put(one)
    assert ["b", "a"] == names(book)


def test_deleted_cells_are_forgotten() -> None:
    """Cells the front end says were deleted are gone; unknown ids do no harm."""
    book = CellBook()
    book.put(step("a", "1"))
    book.put(step("b", "2"))
    book.unmark(["1", "9"])
    assert ["b"] == names(book)


def test_a_cell_that_is_marked_again_keeps_its_place() -> None:
    """A cell that was executed without its mark and then with it stands where it stood."""
    book = CellBook()
    for one in (step("a", "1"), step("b", "2")):
        book.put(one)
    book.unmark(["1"])
    book.put(step("a", "1"))
    assert ["a", "b"] == names(book)


def test_saved_cells_are_part_of_the_flow(write_notebook: Callable[..., Path]) -> None:
    """After a restart the flow is what was saved; an executed cell outranks its saved text."""
    path = write_notebook("%%step a\nx = 1", "y", "%%step b\nx = 2", "%%step c", "%%step oops --fter b")
    book = CellBook(path)
    assert (["a", "b", "c"], ("a", "b", "c")) == (names(book), book.unexecuted())
    book.put(step("bb", "c2", "x = 3"))
    assert (["a", "bb", "c"], ("a", "c")) == (names(book), book.unexecuted())
    book.unmark(["c0"])
    assert ["bb", "c"] == names(book)


def test_a_cell_that_left_the_file_leaves_the_flow(write_notebook: Callable[..., Path]) -> None:
    """A step whose cell was in the saved file and is not in a newer one was deleted."""
    book = CellBook(write_notebook("%%step a", "%%step b"))
    book.put(step("b", "c1"))
    assert ["a", "b"] == names(book)
    path = write_notebook("%%step a")
    os.utime(path, ns=(0, 0))
    assert ["a"] == names(book)


def test_the_saved_file_decides_the_order(write_notebook: Callable[..., Path]) -> None:
    """A cell that was inserted between two others and executed last stands between them."""
    path = write_notebook("a", "new", "b")  # ids c0, c1, c2
    book = CellBook(path)
    for one in (step("a", "c0"), step("b", "c2"), step("new", "c1")):
        book.put(one)
    assert ["a", "new", "b"] == names(book)
    book.put(step("unsaved", "c9"))
    assert "unsaved" in names(book)


def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    """While the front end writes the notebook, the order known so far holds."""
    path = tmp_path / "nb.ipynb"
    path.write_text('{"cells": [')
    book = CellBook(path)
    book.put(step("a", "1"))
    book.put(step("b", "2"))
    assert ["a", "b"] == names(book)
