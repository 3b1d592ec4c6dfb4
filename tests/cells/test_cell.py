"""One cell: what its first line or its tags say it is, and where its body begins."""

from __future__ import annotations

import pytest

from flownb.cells.cell import read_cell
from flownb.errors import CellError

KINDS = {
    "%%step train -> m\nm = 1": ("step", "train", 2, "m = 1"),
    "\n\n  %%step train\n\nm = 1": ("step", "train", 4, "\nm = 1"),
    "%%step\ttrain\nm = 1": ("step", "train", 2, "m = 1"),
    "%%step train": ("step", "train", 2, ""),
    "%%flow F\nx = 1": ("flow", "F", 2, "x = 1"),
    "%%shared\nimport os": ("shared", "", 2, "import os"),
    "%%shared  ": ("shared", "", 2, ""),
    "x = 1": ("scratch", "", 1, "x = 1"),
    "%%time\nx = 1": ("scratch", "", 1, "%%time\nx = 1"),
    "%%steps train": ("scratch", "", 1, "%%steps train"),
    "# %%step train\nx = 1": ("scratch", "", 1, "# %%step train\nx = 1"),
    "x = 1\n%%step train": ("scratch", "", 1, "x = 1\n%%step train"),
    "": ("scratch", "", 1, ""),
}


@pytest.mark.parametrize("source", KINDS)
def test_the_first_line_says_what_a_cell_is(source: str) -> None:
    """A cell's kind, name and body follow from its first line that is not blank."""
    cell = read_cell(source)
    assert KINDS[source] == (cell.kind, cell.name, cell.body_line, cell.body)


TAGGED = {
    ("step:train", "out:m"): ("step", "train"),
    ("flow:F",): ("flow", "F"),
    ("shared",): ("shared", ""),
    ("imports",): ("shared", ""),
    ("functions", "other"): ("shared", ""),
    ("skip", "step:train"): ("scratch", ""),
    ("other",): ("scratch", ""),
}


@pytest.mark.parametrize("tags", TAGGED)
def test_tags_say_what_a_cell_is(tags: tuple[str, ...]) -> None:
    """A tag means what the magic means, and the whole text is the body."""
    cell = read_cell("m = 1\nn = 2", tags=tags)
    assert (*TAGGED[tags], "m = 1\nn = 2", 1) == (cell.kind, cell.name, cell.body, cell.body_line)


def test_a_magic_outranks_tags() -> None:
    """A cell that has both is what its magic says."""
    cell = read_cell("%%step train -> m\nm = 1", tags=["step:other", "shared"])
    assert ("step", "train", ("m",)) == (cell.kind, cell.name, cell.header.captures if cell.header else ())


def test_a_cell_magic_of_ipython_outranks_tags() -> None:
    """A cell that begins with another cell magic is no Python, so its tags do not make it a step."""
    assert "scratch" == read_cell("%%bash\nls", tags=["step:train"]).kind


def test_line_ends_of_other_systems_are_read() -> None:
    """Windows' and old Macs' line ends become one newline each."""
    assert read_cell("%%step a\nx = 1\ny = 2") == read_cell("%%step a\r\nx = 1\ry = 2")


def test_shared_takes_no_arguments() -> None:
    """A name behind %%shared is a mistake, not a comment."""
    with pytest.raises(CellError) as caught:
        read_cell("%%shared helpers\n")
    assert "`%%shared helpers` has arguments. It takes none. Write %%shared alone." == str(caught.value)


def test_messages_name_the_cell() -> None:
    """A cell's title and file name tell its number and what it is."""
    cell = read_cell("%%step a\n", number=3, cell_id="x1")
    assert ("cell 3 (step a)", "<cell 3: step a>", "x1") == (cell.title, cell.filename, cell.cell_id)
    assert ("cell (shared)", "<cell 0: shared>") == (read_cell("%%shared").title, read_cell("%%shared").filename)
    assert "<here>" == read_cell("x", filename="<here>").filename
