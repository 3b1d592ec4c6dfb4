"""What JupyterLab's command gets from the kernel that converts a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from flownb.magics.conversion import convert_for_view


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plain notebook in the folder of the process, named as JupyterLab names it."""
    monkeypatch.chdir(tmp_path)
    cells = [nbformat.v4.new_code_cell(text) for text in ("xs = [3, 1]", "ys = sorted(xs)\nprint(ys)", "%flow convert")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), "plain.ipynb")
    return Path("plain.ipynb")


def messages(notebook: Path, output: str | None = None, *, force: bool = False, verify: bool = False) -> list[Any]:
    """All messages of a conversion."""
    found: list[Any] = []
    target = Path(output) if output else None
    convert_for_view(notebook, target, force=force, verify=verify, publish=found.append)
    return found


def test_progress_comes_before_the_result(notebook: Path) -> None:
    """Each message says in its only key what it is; the result is that of the command line."""
    found = messages(notebook, verify=True)
    assert [next(iter(message)) for message in found] == ["progress"] * (len(found) - 1) + ["result"]
    assert {"progress": "running the notebook: cell 2 of 2"} in found
    result = found[-1]["result"]
    assert (result["output"], result["flow"], result["changed"]) == ("plain_flow.ipynb", "PlainFlow", True)
    assert result["verification"]["verified"] is True


def test_a_file_that_exists_is_replaced_on_request_only(notebook: Path) -> None:
    """Its name is published instead, and the file is as it was; with `force`, or under another name, it is written."""
    Path("plain_flow.ipynb").write_text("mine")
    assert messages(notebook) == [{"exists": "plain_flow.ipynb"}]
    assert Path("plain_flow.ipynb").read_text() == "mine"
    assert messages(notebook, "other.ipynb")[-1]["result"]["output"] == "other.ipynb"
    assert messages(notebook, force=True)[-1]["result"]["output"] == "plain_flow.ipynb"
    assert "%%step" in Path("plain_flow.ipynb").read_text()


def test_the_notebook_itself_is_never_replaced(notebook: Path) -> None:
    """The sentences of the error are published, so that the view can show them."""
    before = notebook.read_text()
    (message,) = messages(notebook, "plain.ipynb", force=True)
    assert message["error"]["what"] == "`plain.ipynb` is the notebook that is converted."
    assert notebook.read_text() == before


def test_a_file_that_the_kernel_cannot_see(notebook: Path) -> None:
    """The error names the kernel's folder."""
    (message,) = messages(Path("elsewhere.ipynb"))
    assert message["error"]["what"] == f"`elsewhere.ipynb` is not in the folder of the kernel, `{Path.cwd()}`."
