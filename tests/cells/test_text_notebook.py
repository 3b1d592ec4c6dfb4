"""Notebooks as text files: read as the same cells as an .ipynb file, written back as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest

from flownb.cells.notebook import document_text, read_code, read_document, read_notebook, saved_id
from flownb.errors import NotFound

SOURCES = (
    "%load_ext flownb",
    '%%flow F(Base)\nalpha = Parameter("alpha", default=2)',
    "%%shared\nimport math\n\n\ndef double(x):\n    return 2 * x",
    "%%step load -> xs\n# %%step is in a comment\nxs = [double(alpha)]",
    "%%time\n%%step show\nls = xs\nprint(ls)",
    "%%step last",
    "!ls\n%flow run",
)
TAGGED = ("y = sum(xs)", ("step:total", "after:load", "out:y"))
PERCENT = '# %% [markdown]\n# # Title\n\n# %%\n# %%step a -> x\nx = 1\n\n# %% tags=["step:b"]\ny = x\n'


def example() -> Any:
    """A notebook with cells of all kinds."""
    cells = [nbformat.v4.new_markdown_cell("# Title\n\nText.")]
    cells += [nbformat.v4.new_code_cell(source) for source in SOURCES]
    cells.append(nbformat.v4.new_code_cell(TAGGED[0], metadata={"tags": [*TAGGED[1]]}))
    return nbformat.v4.new_notebook(cells=cells)


@pytest.mark.parametrize(
    ("name", "form"),
    [("nb.py", "py:percent"), ("nb.py", "py:hydrogen"), ("nb.py", "py:light"), ("nb.md", "md"), ("nb.Rmd", "Rmd")],
)
def test_the_cells_of_a_text_are_those_of_the_notebook(name: str, form: str, tmp_path: Path) -> None:
    """Whatever format the header names, magics and tags mean what they mean in an .ipynb file."""
    path = tmp_path / name
    path.write_text(jupytext.writes(example(), form))
    found = [(cell.source, cell.tags) for cell in read_code(path)]
    assert found == [*((source, ()) for source in SOURCES), TAGGED]
    kinds = [(cell.kind, cell.name) for cell in read_notebook(path).cells]
    steps = [("step", "load"), ("step", "show"), ("step", "last")]
    assert kinds == [("scratch", ""), ("flow", "F"), ("shared", ""), *steps, ("scratch", ""), ("step", "total")]


@pytest.mark.parametrize("header", ["", "# ---\n# jupyter:\n#   flownb:\n#     id: one\n# ---\n\n"])
def test_a_text_is_written_as_it_was(header: str, tmp_path: Path) -> None:
    """A percent script without a header gets none, and an id in a header is known and kept."""
    path = tmp_path / "nb.py"
    path.write_text(header + PERCENT)
    document = read_document(path)
    assert saved_id(path) == ("one" if header else "")
    written = document_text(document, path)
    assert written.endswith(PERCENT)
    assert (written == PERCENT) == (not header)
    path.write_text(written)
    assert saved_id(path) == ("one" if header else "")
    again = read_document(path)
    assert [cell["id"] for cell in again["cells"]] == [cell["id"] for cell in document["cells"]]


def test_a_notebook_becomes_a_script_and_the_other_way_round(tmp_path: Path) -> None:
    """The suffix of the file that is written says the format, tags and the notebook's id included."""
    document = json.loads(json.dumps(example()))
    document["metadata"]["flownb"] = {"id": "one"}
    script = tmp_path / "nb.py"
    script.write_text(document_text(document, script))
    assert "# %%\n# %%step load -> xs\n" in script.read_text()
    notebook = tmp_path / "nb.ipynb"
    notebook.write_text(document_text(read_document(script), notebook))
    nbformat.validate(nbformat.read(notebook, 4))
    assert [(one.source, one.tags) for one in read_code(notebook)] == [*((one, ()) for one in SOURCES), TAGGED]
    assert saved_id(notebook) == "one"


def test_tags_are_written_into_a_script_that_had_none(tmp_path: Path) -> None:
    """Jupytext's filter for a script without metadata does not leave out tags that were added."""
    path = tmp_path / "nb.py"
    path.write_text("# %%\nx = 1\n")
    document = read_document(path)
    document["cells"][0]["metadata"]["tags"] = ["step:a"]
    path.write_text(document_text(document, path))
    assert [cell.tags for cell in read_code(path)] == [("step:a",)]


def test_characters_that_end_no_line_of_python_stay(tmp_path: Path) -> None:
    """Jupytext's lines end at a form feed and at U+2028, too; those of the cells do not."""
    text = "# %%\n\fx = '\u2028'\n"
    path = tmp_path / "nb.py"
    path.write_text(text, encoding="utf-8")
    assert [cell.source for cell in read_code(path)] == ["\fx = '\u2028'"]
    assert document_text(read_document(path), path) == text


def test_a_cell_that_would_be_split_is_not_written(tmp_path: Path) -> None:
    """Nothing is lost: a line that begins a cell in a percent script stops the writing."""
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = '''\n# %% a\n'''\n# %%\ny = 1")])
    with pytest.raises(NotFound) as caught:
        document_text(document, tmp_path / "nb.py")
    assert str(caught.value) == (
        f"The notebook cannot be written to `{tmp_path / 'nb.py'}`. Cell 1 would be read differently from there: a "
        "line such as `# %%` in a cell begins another cell. Change the cell, or write an .ipynb file."
    )


FLOW = "from metaflow import FlowSpec, step\n\n\nclass Train(FlowSpec):\n    pass\n"
REFUSED = {
    "module.py": ("import math\n", "It is a Python module without cells."),
    "broken.py": ("def f(:\n", "It is a Python module without cells."),
    "flow.py": (FLOW, "It is a Python module with the Metaflow flow `Train`."),
    "text.md": ("# Title\n", "Its text does not begin with a header in which jupytext says that it is one."),
    "empty.py": (" \n", "The file is empty."),
    "header.md": ("---\njupyter:\n  a: [b}\n---\n", "jupytext says: while parsing a flow sequence."),
}
FIXES = {
    "flow.py": "Make a notebook of it: flownb import flow.py -o flow.ipynb",
    "text.md": "Make a notebook of it: jupytext --to ipynb text.md",
    "empty.py": "Give the path of an .ipynb file.",
    "header.md": "Correct its header, or give the path of an .ipynb file.",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_text_is_instead_of_a_notebook(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module, a flow and a text get an error that says what to do with each."""
    monkeypatch.chdir(tmp_path)
    text, why = REFUSED[name]
    Path(name).write_text(text)
    with pytest.raises(NotFound) as caught:
        read_notebook(name)
    fix = FIXES.get(name, "Begin each cell with a line `# %%`, or give the path of an .ipynb file.")
    assert (caught.value.why, caught.value.fix) == (why, fix)
