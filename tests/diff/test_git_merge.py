"""The recipe of docs/git.md: notebooks of two branches are merged by nbdime in a real repository."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import nbformat
import pytest

from flownb.cli.main import main

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
ROOT = Path(__file__).resolve().parents[2]
CELLS = {
    "title": "# Train",
    "magic": "%load_ext flownb",
    "load": "%%step load -> x\nx = 1",
    "train": "%%step train -> y\ny = x + 1",
    "last": "%%step last -> z\nz = y",
}
Merge = Callable[[Mapping[str, str], Mapping[str, str]], bool]


def write(cells: Mapping[str, str], *, first_count: int) -> None:
    """Write nb.ipynb as a kernel leaves it that has executed all cells: with counts and outputs of that time."""
    found = []
    for count, (name, source) in enumerate(cells.items(), first_count):
        if source.startswith("#"):
            found.append(nbformat.v4.new_markdown_cell(source, id=name))
            continue
        output = nbformat.v4.new_output("stream", text=f"✓ {name} in {count} ms\n")
        found.append(nbformat.v4.new_code_cell(source, id=name, execution_count=count, outputs=[output]))
    nbformat.write(nbformat.v4.new_notebook(cells=found, metadata={"flownb": {"id": "n1"}}), "nb.ipynb")


def git(*words: str, is_fine: Iterable[int] = (0,)) -> int:
    """Call git; the status."""
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    assert done.returncode in is_fine, done.stdout + done.stderr
    return done.returncode


def block(start: str) -> str:
    """The first code block of docs/git.md below a line that begins so."""
    text = (ROOT / "docs/git.md").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(start)}.*?^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.fixture
def merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Merge:
    """Merge two versions of a notebook in a repository that is set up as the recipe says; whether git could."""
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "settings"))
    Path("settings").write_text("[user]\nname = t\nemail = t@example.org\n[init]\ndefaultBranch = main\n")
    git("init", "-q")
    Path(".gitattributes").write_text(block("`.gitattributes`"))
    Path("nbdime_config.json").write_text(block("`nbdime_config.json`"))
    for line in block("Once in each clone").splitlines():
        git(*shlex.split(line)[1:])
    write(CELLS, first_count=1)
    git("add", "nb.ipynb", ".gitattributes", "nbdime_config.json")
    git("commit", "-qm", "base")

    def merged(ours: Mapping[str, str], theirs: Mapping[str, str]) -> bool:
        git("checkout", "-qb", "theirs")
        write(theirs, first_count=100)
        git("commit", "-qam", "theirs")
        git("checkout", "-q", "main")
        write(ours, first_count=50)
        git("commit", "-qam", "ours")
        return git("merge", "--no-edit", "theirs", is_fine=(0, 1)) == 0

    return merged


def cells() -> dict[str, dict[str, object]]:
    """The cells of the merged notebook, by id."""
    found = json.loads(Path("nb.ipynb").read_text())["cells"]
    return {one["id"]: {**one, "source": "".join(one["source"])} for one in found}


def test_different_steps_merge(merge: Merge, capsys: pytest.CaptureFixture[str]) -> None:
    """Two branches changed different steps and executed everything: the merge has both, and no output of either."""
    new = {"tune": "%%step tune -> k\nk = 3"}
    theirs = {**{name: CELLS[name] for name in ("title", "magic", "load", "train")}, **new}
    theirs["last"] = "%%step last -> z\nz = y * k"
    assert merge({**CELLS, "load": "%%step load -> x\nx = 10"}, theirs)
    found = cells()
    assert list(found) == ["title", "magic", "load", "train", "tune", "last"]
    assert [found[name]["source"] for name in ("load", "last")] == ["%%step load -> x\nx = 10", theirs["last"]]
    assert {name: found[name]["outputs"] for name in ("load", "train", "last")} == {"load": [], "train": [], "last": []}
    nbformat.validate(nbformat.read("nb.ipynb", 4))
    assert nbformat.read("nb.ipynb", 4).metadata.flownb.id == "n1"
    assert main(["check", "nb.ipynb"]) == 0
    assert main(["export", "nb.ipynb", "-o", "flow.py"]) == 0
    text = Path("flow.py").read_text()
    assert ("x = 10" in text, "z = y * k" in text, "def tune" in text) == (True, True, True)
    capsys.readouterr()
    assert main(["diff", "HEAD~1:nb.ipynb", "nb.ipynb", "--only", "code", "--stat"]) == 1
    assert capsys.readouterr().out.splitlines()[3:] == [
        "code",
        "  + step tune: captures `k`; +1 -0 lines",
        "  ~ step last: +1 -1 lines",
    ]


def test_one_step_conflicts(merge: Merge, capsys: pytest.CaptureFixture[str]) -> None:
    """Two branches changed the same line: the cell has both, check refuses it, and each side can be compared."""
    ours, theirs = ({**CELLS, "load": f"%%step load -> x\nx = {value}"} for value in (10, 20))
    theirs["last"] = "%%step last -> z\nz = -y"
    assert not merge(ours, theirs)
    assert cells()["load"]["source"] == "%%step load -> x\n<<<<<<< local\nx = 10\n=======\nx = 20\n>>>>>>> remote"
    assert cells()["last"]["source"] == "%%step last -> z\nz = -y"
    assert main(["check", "nb.ipynb"]) == 1
    capsys.readouterr()
    assert main(["diff", ":2:nb.ipynb", ":3:nb.ipynb", "--only", "code", "--stat"]) == 1
    assert capsys.readouterr().out.splitlines()[3:] == [
        "code",
        "  ~ step load: +1 -1 lines",
        "  ~ step last: +1 -1 lines",
    ]
