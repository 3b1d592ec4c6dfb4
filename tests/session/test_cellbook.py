"""Cells as a kernel comes to know them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from flownb.cells.cell import Cell, read_cell
from flownb.cells.notebook import DocumentCell
from flownb.flow.definition import define_flow
from flownb.session.cellbook import CellBook


def step(name: str, cell_id: str | None = None, body: str = "pass") -> Cell:
    """A step cell."""
    return read_cell(f"%%step {name}\n{body}", cell_id=cell_id)


def names(book: CellBook) -> list[str]:
    """Step names in order; of a cell whose mark cannot be read a question mark."""
    return [cell.name if cell.refusal is None else "?" for cell in book.cells()]


def test_without_ids_the_first_execution_decides_the_order() -> None:
    """Running a step again, changed or not, leaves it in its place."""
    book = CellBook()
    for name in ("a", "b", "c", "a"):
        book.put(step(name))
    book.put(step("b", body="x = 2"))
    assert names(book) == ["a", "b", "c"]
    assert book.cells()[1].body == "x = 2"


def test_with_ids_a_step_can_be_renamed() -> None:
    """The same cell with another step name is the same step renamed."""
    book = CellBook()
    for one in (step("a", "1"), step("b", "2"), step("bb", "2")):
        book.put(one)
    assert names(book) == ["a", "bb"]


def test_a_copied_cell_takes_the_step_over() -> None:
    """Of two cells that define one step, the one executed last counts, in its own place."""
    book = CellBook()
    for one in (step("a", "1"), step("b", "2"), step("a", "3")):
        book.put(one)
    assert names(book) == ["b", "a"]


def test_deleted_cells_are_forgotten() -> None:
    """Cells the front end says were deleted are gone; unknown ids do no harm."""
    book = CellBook()
    book.put(step("a", "1"))
    book.put(step("b", "2"))
    book.unmark(["1", "9"])
    assert names(book) == ["b"]


def test_a_cell_that_is_marked_again_keeps_its_place() -> None:
    """A cell that was executed without its mark and then with it stays in its place."""
    book = CellBook()
    for one in (step("a", "1"), step("b", "2")):
        book.put(one)
    book.unmark(["1"])
    book.put(step("a", "1"))
    assert names(book) == ["a", "b"]


def test_saved_cells_are_part_of_the_flow(write_notebook: Callable[..., Path]) -> None:
    """After a restart the flow is what was saved; an executed cell outranks its saved text."""
    path = write_notebook("%%step a\nx = 1", "y", "%%step b\nx = 2", "%%step c", "%%step oops --fter b")
    book = CellBook(path)
    assert (names(book), book.unexecuted()) == (["a", "b", "c", "?"], ("a", "b", "c"))
    book.put(step("bb", "c2", "x = 3"))
    assert (names(book), book.unexecuted()) == (["a", "bb", "c", "?"], ("a", "c"))
    book.unmark(["c0"])
    assert names(book) == ["bb", "c", "?"]


def test_a_cell_that_left_the_file_leaves_the_flow(write_notebook: Callable[..., Path]) -> None:
    """A step whose cell was in the saved file and is not in a newer one was deleted."""
    book = CellBook(write_notebook("%%step a", "%%step b"))
    book.put(step("b", "c1"))
    assert names(book) == ["a", "b"]
    path = write_notebook("%%step a")
    os.utime(path, ns=(0, 0))
    assert names(book) == ["a"]


def test_the_saved_file_decides_the_order(write_notebook: Callable[..., Path]) -> None:
    """A cell that was inserted between two others and executed last is between them."""
    path = write_notebook("a", "new", "b")  # ids c0, c1, c2
    book = CellBook(path)
    for one in (step("a", "c0"), step("b", "c2"), step("new", "c1")):
        book.put(one)
    assert names(book) == ["a", "new", "b"]
    book.put(step("unsaved", "c9"))
    assert "unsaved" in names(book)


def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    """While the front end writes the notebook, the order known so far holds."""
    path = tmp_path / "nb.ipynb"
    path.write_text('{"cells": [')
    book = CellBook(path)
    book.put(step("a", "1"))
    book.put(step("b", "2"))
    assert names(book) == ["a", "b"]


def shown(*cells: tuple[str, str]) -> list[DocumentCell]:
    """A document as a view shows it, from ids and texts."""
    return [DocumentCell(cell_id, source) for cell_id, source in cells]


def test_a_shown_document_decides_order_and_texts() -> None:
    """With a view, the flow is the notebook that it shows: order, renamed, inserted and deleted cells, edited texts."""
    book = CellBook()
    for one in (step("a", "1"), step("b", "2"), step("c", "3")):
        book.put(one)
    book.show(shown(("3", "%%step c\npass"), ("9", "1 + 1"), ("4", "%%step new\npass"), ("1", "%%step aa\nx = 1")))
    assert names(book) == ["c", "new", "aa"]
    assert book.cells()[2].body == "x = 1"


def test_an_executed_cell_stays_what_it_was_while_its_text_is_the_same() -> None:
    """A view that shows what was executed changes nothing, so tracebacks name the executed cell."""
    book = CellBook()
    cell = read_cell("%%step a\npass", cell_id="1", filename="In[1]")
    request = DocumentCell("1", "%%time\n%%step a\npass")
    book.put(cell, request=request)
    book.show([DocumentCell("0", "1 + 1"), request])
    assert (book.cells()[0].filename, book.cells()[0].number) == ("In[1]", 2)
    assert book.unexecuted() == ()


def test_an_edited_cell_is_not_executed_as_edited() -> None:
    """Steps whose shown text was not executed are named."""
    book = CellBook()
    book.put(step("a", "1"), request=DocumentCell("1", "%%step a\npass"))
    book.show(shown(("1", "%%step a\nx = 2"), ("2", "%%step b\npass")))
    assert book.unexecuted() == ("a", "b")


def test_what_is_executed_after_the_document_was_shown_counts() -> None:
    """A cell that the view has not reported yet is part of the flow, at its end, and its text is the newest."""
    book = CellBook()
    book.show(shown(("1", "%%step a\npass"), ("2", "%%step b\npass")))
    book.put(step("a", "1", body="x = 2"))
    book.put(step("c", "3"))
    assert names(book) == ["a", "b", "c"]
    assert book.cells()[0].body == "x = 2"
    book.unmark(["1"])
    assert names(book) == ["b", "c"]


def test_a_deletion_that_is_undone_brings_the_step_back() -> None:
    """A cell that was deleted and is shown again is a step again."""
    book = CellBook()
    document = shown(("1", "%%step a\npass"), ("2", "%%step b\npass"))
    book.put(step("a", "1"), request=document[0])
    book.show(document[1:])
    book.unmark(["1"])
    assert names(book) == ["b"]
    book.show(document)
    assert names(book) == ["a", "b"]


def test_cells_that_code_executed_stay_with_a_view() -> None:
    """A step without an id, run from code, is part of the flow unless the document defines it too."""
    book = CellBook()
    book.put(step("x"))
    book.show(shown(("1", "%%step a\npass")))
    assert names(book) == ["a", "x"]
    book.show(shown(("1", "%%step x\npass")))
    assert names(book) == ["x"]


def test_a_half_typed_header_is_there_to_be_reported() -> None:
    """A cell whose mark cannot be read is part of what checks look at, and of nothing that runs."""
    book = CellBook()
    book.show(shown(("1", "%%step a\npass"), ("2", "%%step \npass"), ("3", "%%step b --after\npass")))
    assert names(book) == ["a", "?", "?"]
    flow = define_flow(book.cells())
    assert ([one.name for one in flow.steps], len(flow.refused)) == (["a"], 2)


def flow_cell(name: str, cell_id: str | None, body: str = "pass") -> Cell:
    """A flow's header."""
    return read_cell(f"%%flow {name}\n{body}", cell_id=cell_id)


def test_a_second_header_is_not_forgotten(write_notebook: Callable[..., Path]) -> None:
    """With the file or a view at hand both headers are there, for a check to report; an edited one replaces itself."""
    book = CellBook(write_notebook("%%flow F\nx = 1", "%%flow F\ny = 1"))
    assert [book.put(flow_cell("F", "c0", "x = 1")), book.put(flow_cell("F", "c1", "y = 1"))] == [None, None]
    assert [cell.body for cell in book.cells()] == ["x = 1", "y = 1"]
    assert [book.put(flow_cell("F", "c0", "x = 2")), book.put(flow_cell("G", "c1"))] == [None, None]
    assert names(book) == ["F", "G"]
    book = CellBook()
    book.show(shown(("1", "%%flow F\nx = 1"), ("2", "%%flow F\ny = 1")))
    assert book.put(flow_cell("F", "2", "y = 1")) is None
    assert [cell.body for cell in book.cells()] == ["x = 1", "y = 1"]


def test_a_header_that_replaces_another_one_names_it() -> None:
    """Where the other cell may be gone the one executed last counts, and the caller can say what it replaced."""
    book = CellBook()
    first = flow_cell("F", "1")
    assert [book.put(first), book.put(first), book.put(flow_cell("G", "2"))] == [None, None, first]
    assert names(book) == ["G"]
    book = CellBook()
    first = flow_cell("F", None)
    assert [book.put(first), book.put(first), book.put(flow_cell("G", None))] == [None, None, first]
    assert names(book) == ["G"]


def test_the_same_step_twice_in_the_document_is_left_for_a_check_to_report() -> None:
    """Two shown cells that define one step are both there, as in a file."""
    book = CellBook()
    book.show(shown(("1", "%%step a\npass"), ("2", "%%step a\npass")))
    assert names(book) == ["a", "a"]
