"""`flownb import`: a Metaflow file becomes a notebook, by the command."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from flownb.cells.notebook import read_notebook
from flownb.cli.main import main

STEPS = (
    '\n    @step\n    def start(self) -> None:\n        """Begin."""\n        self.x = 1\n        self.next(self.end)\n'
)
END = "\n    @step\n    def end(self):\n        print(self.x)\n"
FLOW = f"from metaflow import FlowSpec, step\n\n\nclass F(FlowSpec):\n{STEPS}{END}"
START = '\n\nif __name__ == "__main__":\n    F()\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Metaflow file in the working folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "flow.py"
    path.write_text(FLOW + START, "utf-8")
    return path


def test_a_file_becomes_a_notebook_beside_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has the steps, and the command says what the checks find."""
    assert main(["import", "flow.py"]) == 0
    assert capsys.readouterr() == ("wrote flow.ipynb: F, 2 steps, no problems\n", "")
    assert [cell.name for cell in read_notebook(file.with_suffix(".ipynb")).cells if cell.kind == "step"] == [
        "start",
        "end",
    ]


def test_a_notebook_is_replaced_only_with_force(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An existing file stays as it is; with --force it has what a first import writes."""
    file.with_suffix(".ipynb").write_text("mine")
    assert main(["import", "flow.py"]) == 2
    assert "`flow.ipynb` exists." in capsys.readouterr().err
    assert file.with_suffix(".ipynb").read_text() == "mine"
    assert main(["import", "flow.py", "--force"]) == main(["import", "flow.py", "-o", "other.ipynb"]) == 0
    assert file.with_suffix(".ipynb").read_text() == file.with_name("other.ipynb").read_text()


def test_several_flows_get_a_notebook_each_in_a_folder(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a folder the command asks which one is meant."""
    file.write_text(FLOW + FLOW.replace("class F", "class G").partition("\n")[2], "utf-8")
    assert main(["import", "flow.py"]) == 1
    assert "several flows: F, G" in capsys.readouterr().err
    folder = file.parent / "made"
    folder.mkdir()
    assert main(["import", "flow.py", "-o", "made"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["F.ipynb", "G.ipynb"]


def test_what_the_checks_find_is_said_and_hinders_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A flow that Metaflow refuses is imported all the same."""
    file.write_text((FLOW + START).replace("self.next(self.end)", "self.next(self.nowhere)"), "utf-8")
    assert main(["import", "flow.py"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("wrote flow.ipynb: F, 2 steps, ")
    assert "nowhere" in err


def test_the_notebook_can_be_printed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `-o -` no file is written, and the output is the notebook alone."""
    assert main(["import", "flow.py", "-o", "-"]) == 0
    printed = capsys.readouterr().out
    assert not file.with_suffix(".ipynb").exists()
    assert main(["import", "flow.py"]) == 0
    assert file.with_suffix(".ipynb").read_text() == printed


@pytest.mark.parametrize("output", ["flow.txt", "nowhere"])
def test_an_output_that_is_not_a_notebook_is_refused(
    file: Path, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name has to end in .ipynb, or to be a folder that exists."""
    assert main(["import", file.name, "-o", output]) == 2
    assert f"`{output}` is neither" in capsys.readouterr().err


def test_the_file_that_is_imported_is_never_replaced(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A notebook with Kale's tags stays as it is, also with --force."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("x = 1", id="a", metadata={"tags": ["step:load"]})]
    )
    kale = file.with_name("kale.ipynb")
    nbformat.write(notebook, kale)
    text = kale.read_text()
    assert main(["import", "kale.ipynb", "-o", "kale.ipynb", "--force"]) == 2
    assert "`kale.ipynb` is the file that is imported." in capsys.readouterr().err
    assert kale.read_text() == text
    assert main(["import", "kale.ipynb"]) == 0
