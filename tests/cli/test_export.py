"""``flownb export``: hand edits are never lost, a check writes nothing, and what a commit brings is exported again."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
import yaml

from flownb.cli.pre_commit import exported_pairs, main
from flownb.flow_file.exports import exported_before
from flownb.flow_file.header import is_edited, read_header
from tests.cli.test_main import flownb

ROOT = Path(__file__).resolve().parents[2]
CELLS = ("md: # Squares", "%%shared\nimport re\nimport os", "md: The numbers.", "%%step load -> n\nn = 3 # three")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a notebook with markdown cells, for the texts that begin with `md: `."""

    def write(*cells: str, name: str = "nb.ipynb") -> Path:
        notebook = nbformat.v4.new_notebook()
        for number, text in enumerate(cells):
            kind = nbformat.v4.new_markdown_cell if text.startswith("md: ") else nbformat.v4.new_code_cell
            notebook.cells.append(kind(text.removeprefix("md: "), id=f"c{number}"))
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        nbformat.write(notebook, path)
        return path

    return write


def git(folder: Path, *words: str) -> None:
    """Call git."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_an_export_is_written_once(write: Write, tmp_path: Path) -> None:
    """What is up to date is not touched, formatted or not; a change of the notebook is shown, then written."""
    write(*CELLS)
    file = tmp_path / "flow.py"
    status, out, _ = flownb("export", "nb.ipynb", cwd=tmp_path)
    assert (status, out) == (0, "wrote flow.py (26 lines); run it with: python flow.py run\n")
    text = file.read_text()
    assert '"""Squares"""\n\nimport os\nimport re\n\nfrom metaflow' in text
    assert '    def load(self):\n        """The numbers."""\n' in text
    os.utime(file, (1, 1))
    assert flownb("export", "nb.ipynb", cwd=tmp_path)[:2] == (0, "flow.py is up to date\n")
    formatted = text.replace("3 # three", "3  # three")
    file.write_text(formatted)
    os.utime(file, (1, 1))
    assert flownb("export", "nb.ipynb", cwd=tmp_path)[:2] == (0, "flow.py is up to date\n")
    assert (file.stat().st_mtime, file.read_text()) == (1, formatted)
    write(*(cell.replace("three", "3") for cell in CELLS))
    status, out, _ = flownb("export", "nb.ipynb", cwd=tmp_path)
    assert status == 0
    assert out.startswith("--- a/flow.py\n+++ b/flow.py\n@@ ")
    assert "\n-        n = 3  # three\n+        n = 3 # 3\n" in out
    assert "n = 3 # 3" in file.read_text()


def test_a_notebook_of_plain_text_has_text_too(tmp_path: Path) -> None:
    """The markdown of percent files, whose cells have no ids."""
    (tmp_path / "nb.py").write_text(
        "# %% [markdown]\n# # About\n\n# %%\nx = 1\n\n# %% [markdown]\n# *Load*.\n\n# %%\n# %%step s\n"
    )
    text = flownb("export", "nb.py", "-o", "-", cwd=tmp_path)[1]
    assert '"""About"""' in text
    assert '    def s(self):\n        """*Load*."""\n' in text


def test_an_edited_file_is_not_overwritten(write: Write, tmp_path: Path) -> None:
    """The edits are shown, with what to do; --force replaces them."""
    write(*CELLS)
    file = tmp_path / "flow.py"
    flownb("export", "nb.ipynb", cwd=tmp_path)
    text = file.read_text()
    edited = text.replace("n = 3", "n = 4")
    file.write_text(edited)
    status, out, err = flownb("export", "nb.ipynb", cwd=tmp_path)
    assert (status, file.read_text()) == (1, edited)
    assert "\n-        n = 3 # three\n+        n = 4 # three\n" in out
    assert err == (
        f"flownb: The file was not overwritten: `{file}` has edits that are not in the notebook. Somebody changed it "
        "after it was exported, and another export would lose that. Take the edits back with `flownb sync`. Or replace "
        "them: export with --force.\n"
    )
    assert exported_before(file, edited, tmp_path) == text
    status, out, err = flownb("export", "nb.ipynb", "--force", cwd=tmp_path)
    assert (status, err, file.read_text()) == (0, "", text)
    assert "\n-        n = 4 # three\n+        n = 3 # three\n" in out


def test_a_file_of_somebody_else_is_not_overwritten(write: Write, tmp_path: Path) -> None:
    """A file without a header stays, an empty one does not."""
    write(*CELLS)
    file = tmp_path / "flow.py"
    file.write_text("x = 1\n")
    status, _, err = flownb("export", "nb.ipynb", cwd=tmp_path)
    assert (status, file.read_text()) == (1, "x = 1\n")
    assert "was not exported by flownb. It would be lost. Export to another file, or replace `flow.py` with" in err
    file.write_text("")
    assert flownb("export", "nb.ipynb", cwd=tmp_path)[0] == 0
    assert is_edited(file.read_text()) is False


def test_a_check_writes_nothing(write: Write, tmp_path: Path) -> None:
    """It fails if the file is missing, behind or edited, says which, and shows the difference."""
    write(*CELLS)
    file = tmp_path / "flow.py"

    def check() -> tuple[int, str]:
        status, out, err = flownb("export", "nb.ipynb", "--check", cwd=tmp_path)
        assert err == ""
        return status, out

    assert check() == (1, "flow.py does not exist: export the notebook\n")
    assert [one.name for one in tmp_path.iterdir() if one.suffix] == ["nb.ipynb"]
    flownb("export", "nb.ipynb", cwd=tmp_path)
    assert check() == (0, "flow.py is up to date\n")
    text = file.read_text()
    file.write_text(text.replace("n = 3", "n = 4"))
    status, out = check()
    assert (status, out.split("\n")[-2]) == (
        1,
        "flow.py has edits that are not in the notebook: take them back with `flownb sync`",
    )
    file.write_text(text)
    write(*CELLS, "%%step use --after load\nprint(n)")
    status, out = check()
    assert (status, out.split("\n")[-2]) == (1, "flow.py is behind the notebook: export it again")
    assert "\n+    def use(self):\n" in out
    assert file.read_text() == text


def test_the_header_leads_to_the_notebook(write: Write, tmp_path: Path) -> None:
    """Inside a repository by the way to it, elsewhere by its name alone, which no machine changes."""
    write(*CELLS, name="notebooks/nb.ipynb")
    (tmp_path / "flows").mkdir()
    for expected in ("nb.ipynb", "../notebooks/nb.ipynb"):
        flownb("export", "notebooks/nb.ipynb", "-o", "flows/flow.py", cwd=tmp_path)
        header = read_header((tmp_path / "flows" / "flow.py").read_text())
        assert header is not None
        assert header.notebook == expected
        git(tmp_path, "init")


def test_the_hook_exports_what_belongs_to_a_commit(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A notebook leads to its exported files and an exported file to its notebook; all others are left alone."""
    git(tmp_path, "init")
    monkeypatch.chdir(tmp_path)
    write(*CELLS, name="notebooks/nb.ipynb")
    write("1 +", name="notebooks/plain.ipynb")
    (tmp_path / "setup.py").write_text("x = 1\n")
    file = tmp_path / "notebooks" / "made.py"
    flownb("export", "notebooks/nb.ipynb", "-o", "notebooks/made.py", cwd=tmp_path)
    given = ["notebooks/nb.ipynb", "notebooks/plain.ipynb", "setup.py", "notebooks/made.py"]
    pair = (Path("notebooks/nb.ipynb"), Path("notebooks/made.py"))
    assert exported_pairs(map(Path, given)) == [pair]
    assert exported_pairs([Path("notebooks/nb.ipynb")]) == [pair]
    assert exported_pairs([Path("notebooks/plain.ipynb"), Path("setup.py"), Path("gone.py")]) == []
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert main(["--check", *given]) == 0
    write(*CELLS, "%%step use --after load\nprint(n)", name="notebooks/nb.ipynb")
    assert main(["--check", *given]) == 1
    assert "notebooks/made.py is behind the notebook" in capfd.readouterr().out
    assert main(given) == 0
    assert "def use(self)" in file.read_text()


def test_the_hooks_call_a_command_that_is_installed() -> None:
    """The entries of the file that pre-commit reads."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert {hook["id"]: hook["entry"] for hook in hooks} == {
        "flownb-export": "flownb-pre-commit",
        "flownb-export-check": "flownb-pre-commit --check",
    }
    assert scripts["flownb-pre-commit"] == f"{main.__module__}:main"


def test_requirements_are_written_beside_the_file(write: Write, tmp_path: Path) -> None:
    """With the versions that are installed, own modules followed; files of somebody else stay."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("from .part import x\nimport yaml\n")
    (tmp_path / "mine" / "part.py").write_text("import typing\nif typing.TYPE_CHECKING:\n    import IPython\nx = 1\n")
    write(
        "%pip install 'pyarrow[extra]' polars_that_is_not_here>=2 ./folder",
        "%%shared\nimport os\nimport numpy as np\nfrom mine import x\nfrom mine.part import x as y",
        "%%step s\ntry:\n    import flownb_is_not_this\nexcept ImportError:\n    pass",
    )
    status, out, err = flownb("export", "nb.ipynb", "--requirements", cwd=tmp_path)
    assert (status, out.split("\n")[1:-1]) == (
        0,
        [
            "note: `flownb_is_not_this` is not installed here, so requirements.txt does not have it",
            "wrote requirements.txt",
            "wrote pyproject.toml",
        ],
    )
    versions = {name: version(name) for name in ("metaflow", "numpy", "pyarrow", "PyYAML")}
    expected = [
        f"metaflow=={versions['metaflow']}",
        f"numpy=={versions['numpy']}",
        "polars_that_is_not_here>=2",
        f"pyarrow[extra]=={versions['pyarrow']}",
        f"pyyaml=={versions['PyYAML']}",
    ]
    text = (tmp_path / "requirements.txt").read_text()
    assert text.split("\n")[1:-1] == ["# `flownb_is_not_this` is imported too; it was not installed here.", *expected]
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert project["project"] == {
        "name": "nb-flow",
        "version": "0.0.0",
        "requires-python": f">={sys.version_info[0]}.{sys.version_info[1]}",
        "dependencies": expected,
    }
    (tmp_path / "requirements.txt").write_text(f"{text}more\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    status, _, err = flownb("export", "nb.ipynb", "--requirements", cwd=tmp_path)
    assert (status, "`requirements.txt` was not overwritten. It has edits, which would be lost." in err) == (1, True)
    out = flownb("export", "nb.ipynb", "--requirements", "--force", cwd=tmp_path)[1]
    assert "wrote requirements.txt\nnote: pyproject.toml is not flownb's and stays as it is; `uv add -r req" in out
    assert (tmp_path / "pyproject.toml").read_text() == "[project]\n"


def test_a_notebook_is_never_overwritten(tmp_path: Path) -> None:
    """The notebook itself, here by a link, and the name of another notebook are refused, also with --force."""
    text = "# %%\nx = 1\n\n# %%\n# %%step s\n"
    (tmp_path / "flow.py").write_text(text)
    (tmp_path / "link.py").symlink_to("flow.py")
    for file in ("link.py", "new.ipynb"):
        status, out, err = flownb("export", "flow.py", "-o", file, "--force", cwd=tmp_path)
        assert (status, out, (tmp_path / "flow.py").read_text()) == (2, "", text)
        assert "Name another Python file; a terminal command does that with -o." in err


def test_an_export_of_another_notebook_is_not_overwritten(write: Write, tmp_path: Path) -> None:
    """The other notebook is named; one that was renamed may replace the file, and --force always does."""
    write(*CELLS)
    write(CELLS[3], name="other.ipynb")
    flownb("export", "nb.ipynb", cwd=tmp_path)
    text = (tmp_path / "flow.py").read_text()
    status, _, err = flownb("export", "other.ipynb", cwd=tmp_path)
    assert (status, (tmp_path / "flow.py").read_text()) == (1, text)
    assert "was exported from `nb.ipynb`. It is not of this notebook. Export to another file, or replace" in err
    status, out, _ = flownb("export", "other.ipynb", "--check", cwd=tmp_path)
    assert (status, out.split("\n")[-2]) == (
        1,
        "flow.py was exported from nb.ipynb: export this notebook to another file",
    )
    (tmp_path / "nb.ipynb").rename(tmp_path / "renamed.ipynb")
    assert flownb("export", "renamed.ipynb", cwd=tmp_path)[0] == 0
    assert flownb("export", "other.ipynb", "--force", cwd=tmp_path)[0] == 0
