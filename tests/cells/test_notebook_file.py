"""Notebook files of every kind: read, or refused with what is wrong and what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from flownb.cells.notebook import CodeCell, read_code, read_notebook, saved_cells
from flownb.errors import NotFound

CELL = {"cell_type": "code", "source": ["%%step a\n", "x = 1"], "metadata": {"tags": ["t"]}, "id": "one"}
FIX = "Give the path of an .ipynb file."
REPAIR = "Open the notebook in JupyterLab and save it again, or restore the file."


def notebook(*cells: Any, **other: Any) -> bytes:
    """A notebook file's content."""
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **other}).encode()


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b" \n", f"`nb.ipynb` is not a notebook. The file is empty. {FIX}"),
    "no JSON": (b"hello", f"`nb.ipynb` is not a notebook. It does not hold nbformat JSON. {FIX}"),
    "half": (notebook(CELL)[:40], f"`nb.ipynb` is not a notebook. It does not hold nbformat JSON. {FIX}"),
    "a list": (b"[]", f"`nb.ipynb` is not a notebook. It does not hold nbformat JSON. {FIX}"),
    "brackets": (b"[" * 100_000, f"`nb.ipynb` is not a notebook. It does not hold nbformat JSON. {FIX}"),
    "other JSON": (
        b"{}",
        f"`nb.ipynb` is not a notebook. It is JSON without the number `nbformat`, which all notebooks have. {FIX}",
    ),
    "format as text": (
        notebook(nbformat="4"),
        f"`nb.ipynb` is not a notebook. It is JSON without the number `nbformat`, which all notebooks have. {FIX}",
    ),
    "format 5": (
        notebook(CELL, nbformat=5),
        "Notebook `nb.ipynb` cannot be read. It has notebook format 5, and this version of flownb reads formats up to "
        "4. Save it in format 4, or use a newer version of flownb.",
    ),
    "format 3 that is none": (
        notebook(nbformat=3, worksheets=7),
        f"`nb.ipynb` is not a notebook. It cannot be upgraded from notebook format 3. {FIX}",
    ),
    "Latin-1": (
        notebook(CELL).replace(b"x = 1", b"x = '\xe9'"),
        "Notebook `nb.ipynb` cannot be read. Notebooks are UTF-8 text, and byte 64 of this file is not: it may be in "
        "another encoding. Save it as UTF-8.",
    ),
    "UTF-16": (
        notebook(CELL).decode().encode("utf-16"),
        "Notebook `nb.ipynb` cannot be read. Notebooks are UTF-8 text, and byte 0 of this file is not: it may be in "
        "UTF-16. Save it as UTF-8.",
    ),
    "cells that are an object": (
        notebook(cells={}),
        f"`nb.ipynb` is not a notebook. It has no list of cells. {FIX}",
    ),
    "a cell that is a number": (
        notebook(CELL, 7),
        f"Notebook `nb.ipynb` cannot be read. Cell 2 is damaged: it is a number instead of an object. {REPAIR}",
    ),
    "a source that is null": (
        notebook({**CELL, "source": None}),
        f"Notebook `nb.ipynb` cannot be read. Cell 1 is damaged: its source is null instead of text. {REPAIR}",
    ),
    "a source of numbers": (
        notebook({**CELL, "source": [1]}),
        f"Notebook `nb.ipynb` cannot be read. Cell 1 is damaged: its source is a list instead of text. {REPAIR}",
    ),
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the notebook is, named from its folder."""
    monkeypatch.chdir(tmp_path)
    return Path("nb.ipynb")


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_wrong_with_a_file_is_said(kind: str, file: Path) -> None:
    """Each gets one message, and a kernel that reads the file meanwhile assumes that it is being written."""
    content, message = REFUSED[kind]
    file.write_bytes(content)
    with pytest.raises(NotFound) as caught:
        read_notebook(file)
    assert str(caught.value) == message
    with pytest.raises(ValueError, match=r"nb\.ipynb"):
        saved_cells(file)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    ],
)
def test_a_file_that_cannot_be_opened(make: Any, why: str, file: Path) -> None:
    """The system's reason is given."""
    make(file)
    with pytest.raises(NotFound) as caught:
        read_notebook(file)
    assert str(caught.value) == f"Notebook `nb.ipynb` cannot be read. {why}. {FIX}"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read any file")
def test_a_file_without_permission(file: Path) -> None:
    """The system's reason is given."""
    file.write_bytes(notebook(CELL))
    file.chmod(0)
    with pytest.raises(NotFound) as caught:
        read_notebook(file)
    assert str(caught.value) == f"Notebook `nb.ipynb` cannot be read. Permission denied. {FIX}"


def test_a_name_that_no_file_can_have() -> None:
    """A null character and 300 letters are errors like others."""
    for name, why in (("a\0.ipynb", "embedded null byte"), (f"{'a' * 300}.ipynb", "File name too long")):
        with pytest.raises(NotFound) as caught:
            read_notebook(name)
        assert str(caught.value) == f"Notebook `{name}` cannot be read. {why}. {FIX}"


def test_code_cells_are_read(file: Path) -> None:
    """Text or lines, tags and ids; other cells are skipped, and what is of no use in metadata is left out."""
    text = {"cell_type": "markdown", "source": None}
    plain = {"cell_type": "code", "source": "y", "metadata": 7, "id": 3}
    odd = {"cell_type": "code", "source": [], "metadata": {"tags": ["a", 1, None]}}
    found = [CodeCell("%%step a\nx = 1", ("t",), "one"), CodeCell("y", (), None), CodeCell("", ("a",), None)]
    for content in (notebook(text, CELL, plain, odd), b"\xef\xbb\xbf" + notebook(text, CELL, plain, odd)):
        file.write_bytes(content)
        assert read_code(file) == found


def test_older_formats_are_upgraded(file: Path) -> None:
    """A notebook of format 3 is read as one of format 4."""
    cell = {"cell_type": "code", "input": "%%step a\nx = 1", "language": "python", "metadata": {}, "outputs": []}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": [cell], "metadata": {}}]}
    file.write_text(json.dumps(old))
    assert [one.source for one in read_code(file)] == ["%%step a\nx = 1"]
