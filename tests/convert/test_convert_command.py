"""`flownb convert` without its proof: the file that is written, what is printed, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flownb.cells.notebook import document_text, read_document
from flownb.cli.main import main

PLAIN = ("import math\nxs = [1, 2]\nxs.append(3)", "len(xs)", "total = sum(xs)\nprint(math.floor(total))")


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed has the same lines wherever the tests run."""
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def here(write_notebook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plain notebook `nb.ipynb` in the current folder."""
    path = write_notebook(*PLAIN)
    monkeypatch.chdir(path.parent)
    return path


def test_a_flow_is_written_beside_the_notebook(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table has cells and captures; the input stays as it was, and the flow passes the checks."""
    before = here.read_bytes()
    assert main(["convert", "nb.ipynb", "--no-verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        "NbFlow: 2 steps",
        "  step        cells  captures",
        "  make_xs     1      xs",
        "  make_total  3      total",
        "%%shared: cell 1, line 1",
        "scratch: cell 2",
    ]
    assert lines[-1] == "wrote nb_flow.ipynb; open it, or run it with: flownb run nb_flow.ipynb"
    assert here.read_bytes() == before
    assert main(["check", "nb_flow.ipynb"]) == 0


def test_a_flow_is_copied_byte_for_byte(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Converting the result again gives the same bytes if a file is named, and else writes nothing."""
    main(["convert", "nb.ipynb", "--no-verify", "--name", "Sums"])
    assert main(["convert", "nb_flow.ipynb", "--no-verify", "-o", "again.ipynb"]) == 0
    assert Path("again.ipynb").read_bytes() == Path("nb_flow.ipynb").read_bytes()
    assert main(["convert", "again.ipynb", "--no-verify"]) == 0
    assert "again.ipynb is a flow already; nothing was written" in capsys.readouterr().out
    assert not Path("again_flow.ipynb").exists()
    assert document_text(read_document(Path("again.ipynb"))) == Path("again.ipynb").read_text(encoding="utf-8")


def test_files_are_not_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another file is replaced with --force only, and the input never."""
    Path("out.ipynb").write_text("mine")
    assert main(["convert", "nb.ipynb", "--no-verify", "-o", "out.ipynb"]) == 2
    assert "`out.ipynb` exists already." in capsys.readouterr().err
    assert Path("out.ipynb").read_text() == "mine"
    assert main(["convert", "nb.ipynb", "--no-verify", "-o", "out.ipynb", "--force"]) == 0
    assert main(["convert", "nb.ipynb", "--no-verify", "-o", "nb.ipynb", "--force"]) == 2
    assert "A conversion does not modify its input." in capsys.readouterr().err


def test_what_is_refused_is_not_written(
    write_notebook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error names cell and line; the JSON has the same, and no output."""
    path = write_notebook("names = !ls", "print(len(names))")
    monkeypatch.chdir(path.parent)
    assert main(["convert", "nb.ipynb", "--no-verify"]) == 1
    assert (
        "error (magic-makes-value), cell 1, line 1: `names` gets its value from `names = !ls`"
        in capsys.readouterr().out
    )
    assert main(["convert", "nb.ipynb", "--no-verify", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["output"], said["findings"][0]["code"]) == (None, "magic-makes-value")
    assert not Path("nb_flow.ipynb").exists()


def test_json_for_tools(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Steps, places and the written file are there for the view in JupyterLab."""
    assert main(["convert", "nb.ipynb", "--no-verify", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["steps"] == [
        {"name": "make_xs", "cells": [1], "captures": ["xs"], "loads": []},
        {"name": "make_total", "cells": [3], "captures": ["total"], "loads": ["xs"]},
    ]
    assert (said["output"], said["verification"], said["changed"]) == ("nb_flow.ipynb", None, True)
    assert said["shared"] == [{"cell": 1, "line": 1, "end_line": 1}]


def test_a_flow_needs_a_name_of_a_class(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--name` refuses what cannot be the name of a class."""
    assert main(["convert", "nb.ipynb", "--name", "my flow"]) == 2
    assert "`my flow` cannot be a flow's name." in capsys.readouterr().err


def test_what_is_harmless_is_one_line(
    write_notebook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What makes no difference in a flow is named by its codes and cells; the JSON has all of it."""
    path = write_notebook("xs = [1]\nprint(xs)", "xs.append(2)\nprint(xs)", "xs += [3]\nprint(xs)")
    monkeypatch.chdir(path.parent)
    assert main(["convert", "nb.ipynb", "--no-verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [one for one in lines if "harmless" in one] == [
        "harmless in a flow (--json says more): changes-own-input in cells 2, 3"
    ]
    assert main(["convert", "nb.ipynb", "--no-verify", "--force", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["findings"]
    assert [(one["code"], one["harmless"]) for one in said] == [("changes-own-input", True)]


@pytest.mark.parametrize(
    ("cells", "path", "text", "said"),
    [
        (("%%writefile own.py\na = 1", "from own import a\nprint(a)"), "own.py", "a = 1\n", "put its code into a cell"),
        (("%%writefile a.csv\n1", "print(open('a.csv').read())"), "a.csv", "1\n", "write it in Python"),
        (
            ("x = 1\n%sx mkdir -p out", "print(open('out/a', 'w').write('1'))"),
            "out/a",
            "",
            '`os.makedirs("out", exist_ok',
        ),
    ],
)
def test_what_a_magic_makes_has_to_be_there(
    cells: tuple[str, ...],
    path: str,
    text: str,
    said: str,
    write_notebook: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A flow that needs a file which only a magic writes is refused, unless the file is beside the notebook."""
    monkeypatch.chdir(write_notebook(*cells).parent)
    assert main(["convert", "nb.ipynb"]) == 1
    printed = capsys.readouterr()
    assert "error (made-by-magic), cell 1, line" in printed.out
    assert said in " ".join(printed.out.split())
    assert printed.err == ""  # nothing was executed
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text)
    assert main(["convert", "nb.ipynb", "--no-verify"]) == 0
