"""One cell: what its first line or its tags say it is, and where its body begins."""

from __future__ import annotations

import pytest

from flownb.cells.cell import read_any_cell, read_cell
from flownb.errors import CellError

KINDS = {
    "%%step train -> m\nm = 1": ("step", "train", 2, "m = 1"),
    "\n \n%%step train\n\nm = 1": ("step", "train", 4, "\nm = 1"),
    "\n  %%step train\n\n  if m:\n    \n      m = 1": ("step", "train", 3, "\nif m:\n  \n    m = 1"),
    "\t%%step train\n\tm = 1": ("step", "train", 2, "m = 1"),
    "%%step\u00a0train\nm = 1": ("step", "train", 2, "m = 1"),
    "%%time\n%%step train\nm = 1": ("step", "train", 3, "m = 1"),
    "%%time\n\n  %%capture out\n  %%flow F\n  m = 1": ("flow", "F", 5, "m = 1"),
    "%%timeit -n 1\n%%shared\nm = 1": ("shared", "", 3, "m = 1"),
    "%%step\ttrain\nm = 1": ("step", "train", 2, "m = 1"),
    "%%step train": ("step", "train", 2, ""),
    "%%flow F\nx = 1": ("flow", "F", 2, "x = 1"),
    "%%shared\nimport os": ("shared", "", 2, "import os"),
    "%%shared  ": ("shared", "", 2, ""),
    "x = 1": ("scratch", "", 1, "x = 1"),
    "%%time\nx = 1": ("scratch", "", 1, "%%time\nx = 1"),
    "%%steps train": ("scratch", "", 1, "%%steps train"),
    "# %%step train\nx = 1": ("scratch", "", 1, "# %%step train\nx = 1"),
    "%%bash\n%%step train": ("scratch", "", 1, "%%bash\n%%step train"),
    'x = """\n%%step train\n"""': ("scratch", "", 1, 'x = """\n%%step train\n"""'),
    "# old:\n# %%step train\nx = 1": ("scratch", "", 1, "# old:\n# %%step train\nx = 1"),
    "# first\n%%spin train\nx = 1": ("scratch", "", 1, "# first\n%%spin train\nx = 1"),
    "%%time": ("scratch", "", 1, "%%time"),
    "": ("scratch", "", 1, ""),
}


@pytest.mark.parametrize("source", KINDS)
def test_the_first_line_says_what_a_cell_is(source: str) -> None:
    """A cell's kind, name and body follow from its first line that is not blank."""
    cell = read_cell(source)
    assert (cell.kind, cell.name, cell.body_line, cell.body) == KINDS[source]


MISPLACED = {
    "# train it\n\n%%step train\nm = 1": ("`%%step train` is below a comment.", "step", 4),
    "#| label: fig-1\n%%step train\nm = 1": ("`%%step train` is below a comment.", "step", 3),
    "# %%\n%%shared\nm = 1": ("`%%shared` is below a comment.", "shared", 3),
    "%%time\n# timed\n%%flow F\nm = 1": ("`%%flow F` is below a comment.", "flow", 4),
    "import os\n%%step train\nm = 1": ("`%%step train` is below other code.", "step", 3),
    "%matplotlib inline\n%%step train\nm = 1": ("`%%step train` is below other code.", "step", 3),
    "  %%step train\nm = 1": ("`%%step train` does not begin with `%%step`.", "step", 2),
    ">>> %%step train\n... m = 1": ("`>>> %%step train` does not begin with `%%step`.", "step", 2),
    "%% step train\nm = 1": ("`%% step train` does not begin with `%%step`.", "step", 2),
}


@pytest.mark.parametrize("source", MISPLACED)
def test_a_mark_that_ipython_does_not_take_is_refused(source: str) -> None:
    """A mark below a comment or code, or behind blanks, is a mistake that says where the mark belongs."""
    cell = read_any_cell(source)
    what = cell.refusal.what if cell.refusal else ""
    assert (what, cell.kind, cell.body_line) == MISPLACED[source]
    with pytest.raises(CellError) as caught:
        read_cell(source)
    assert caught.value.sentences == cell.refusal


def test_what_cannot_be_read_says_so_itself() -> None:
    """A cell with a bad header or a bad tag is known by its kind, and has the three sentences of the error."""
    cells = [read_any_cell("%%step a --fter b\nx = 1"), read_any_cell("x = 1", tags=["step:"])]
    assert [(one.kind, one.name, one.body_line, one.refusal is not None) for one in cells] == [
        ("step", "", 2, True),
        ("step", "", 1, True),
    ]
    assert read_cell("%%step a") == read_any_cell("%%step a")


def test_magics_above_a_mark_are_kept_apart() -> None:
    """What runs the cell below it, such as %%time, is not part of the step; tags mark such a cell as well."""
    timed, tagged = read_cell("%%time\n%%capture x\n%%step a\ny = 1"), read_cell("%%time\ny = 1", tags=["step:a"])
    assert [(one.name, one.wrappers, one.body) for one in (timed, tagged)] == [
        ("a", ("%%time", "%%capture x"), "y = 1"),
        ("a", ("%%time",), "y = 1"),
    ]


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
    assert (cell.kind, cell.name, cell.body, cell.body_line) == (*TAGGED[tags], "m = 1\nn = 2", 1)


def test_a_magic_outranks_tags() -> None:
    """A cell that has both is what its magic says."""
    cell = read_cell("%%step train -> m\nm = 1", tags=["step:other", "shared"])
    assert (cell.kind, cell.name, cell.header.captures if cell.header else ()) == ("step", "train", ("m",))


def test_a_cell_magic_of_ipython_outranks_tags() -> None:
    """A cell that begins with another cell magic is not Python, so its tags do not make it a step."""
    assert read_cell("%%bash\nls", tags=["step:train"]).kind == "scratch"


def test_line_ends_of_other_systems_are_read() -> None:
    """Windows' and old Macs' line ends become one newline each."""
    assert read_cell("%%step a\nx = 1\ny = 2") == read_cell("%%step a\r\nx = 1\ry = 2")


def test_shared_takes_no_arguments() -> None:
    """A name behind %%shared is a mistake, not a comment."""
    with pytest.raises(CellError) as caught:
        read_cell("%%shared helpers\n")
    assert str(caught.value) == "`%%shared helpers` has arguments. It takes none. Write %%shared alone."


def test_messages_name_the_cell() -> None:
    """A cell's title and file name have its number and its kind."""
    cell = read_cell("%%step a\n", number=3, cell_id="x1")
    assert (cell.title, cell.filename, cell.cell_id) == ("cell 3 (step a)", "<cell 3: step a>", "x1")
    assert (read_cell("%%shared").title, read_cell("%%shared").filename) == ("cell (shared)", "<cell 0: shared>")
    assert read_cell("x", filename="<here>").filename == "<here>"
