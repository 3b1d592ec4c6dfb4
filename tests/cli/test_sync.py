"""``flownb sync`` in a terminal: edits of flow.py come back, conflicts stop it, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from flownb.cells.notebook import document_text, read_document
from tests.cli.test_main import flownb

CELLS = (
    "%%shared\nLIMIT = 10",
    "%%flow F\nalpha = Parameter('alpha', default=2)",
    "%%step load -> xs\nxs = [alpha, LIMIT]",
    "%%step show\nprint(xs)",
)
WriteNotebook = Callable[..., Path]


def replace(path: Path, old: str, new: str) -> None:
    """Edit a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def sources(path: Path) -> list[str]:
    """The cells of a notebook."""
    return [cell["source"] for cell in read_document(path)["cells"]]


def test_edits_of_the_file_come_back(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """The notebook has them, a check passes, and the merged flow runs."""
    name = write_notebook(*CELLS).name
    assert flownb("export", name, cwd=tmp_path)[0] == 0
    replace(tmp_path / "flow.py", "print(xs)", "print(sum(xs))")
    replace(tmp_path / name, "[alpha, LIMIT]", "[alpha, LIMIT, 1]")
    status, out, err = flownb("sync", name, "--dry-run", cwd=tmp_path)
    assert (status, "+print(sum(xs))" in out, err) == (0, True, "")
    assert sources(tmp_path / name)[3] == CELLS[3]
    said = f"edited {name}:\n  cell 4 (step show): edited\nwrote flow.py\n"
    assert flownb("sync", name, cwd=tmp_path) == (0, said, "")
    assert sources(tmp_path / name)[2:] == ["%%step load -> xs\nxs = [alpha, LIMIT, 1]", "%%step show\nprint(sum(xs))"]
    assert flownb("export", name, "--check", cwd=tmp_path) == (0, "flow.py is up to date\n", "")
    assert flownb("sync", name, cwd=tmp_path) == (0, "flow.py is up to date\n", "")
    assert "[show] 13" in flownb("run", name, cwd=tmp_path)[1]


def test_edits_come_back_into_a_percent_script(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Its other lines stay as they are."""
    script = tmp_path / "nb.py"
    script.write_text(document_text(read_document(write_notebook(*CELLS)), script))
    text = script.read_text()
    flownb("export", "nb.py", cwd=tmp_path)
    replace(tmp_path / "flow.py", "print(xs)", "print(sum(xs))")
    assert flownb("sync", "nb.py", cwd=tmp_path)[0] == 0
    assert script.read_text() == text.replace("print(xs)", "print(sum(xs))")


def test_a_conflict_stops_it(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Both edits are shown with cell and lines, nothing is written, and either side can be taken."""
    path = write_notebook(*CELLS)
    flownb("export", "nb.ipynb", cwd=tmp_path)
    replace(tmp_path / "flow.py", "LIMIT = 10", "LIMIT = 11")
    replace(path, "LIMIT = 10", "LIMIT = 12")
    before = path.read_bytes(), (tmp_path / "flow.py").read_bytes()
    status, out, err = flownb("sync", "nb.ipynb", cwd=tmp_path)
    assert (status, out.split("\n")) == (
        1,
        [
            "conflict: `LIMIT` was changed in cell 1 (shared), line 2 and in flow.py, line 11",
            "  --- last export",
            "  +++ cell 1 (shared), line 2",
            "  @@ -1 +1 @@",
            "  -LIMIT = 10",
            "  +LIMIT = 12",
            "  --- last export",
            "  +++ flow.py, line 11",
            "  @@ -1 +1 @@",
            "  -LIMIT = 10",
            "  +LIMIT = 11",
            "",
        ],
    )
    assert err == (
        "nothing was written: 1 conflict. Edit one of the files, or take one side with --take notebook or --take flow\n"
    )
    assert (path.read_bytes(), (tmp_path / "flow.py").read_bytes()) == before
    assert flownb("sync", "nb.ipynb", "--take", "flow", cwd=tmp_path)[0] == 0
    assert sources(path)[0] == "%%shared\nLIMIT = 11"
    assert flownb("export", "nb.ipynb", "--check", cwd=tmp_path)[0] == 0


def test_the_last_export_is_found_in_git(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """A clone has no copies of exports; without a history either, the user says which side counts."""
    path = write_notebook(*CELLS)
    flownb("export", "nb.ipynb", cwd=tmp_path)
    who = {f"GIT_{one}_{what}": "a@b" for one in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for words in (["init", "-q"], ["add", "flow.py", "nb.ipynb"], ["commit", "-qm", "export"]):
        subprocess.run(["git", *words], cwd=tmp_path, env={**os.environ, **who}, check=True)
    for file in (tmp_path / ".flownb" / "exports").iterdir():
        file.unlink()
    replace(tmp_path / "flow.py", "print(xs)", "print(xs, 1)")
    git = (tmp_path / ".git").rename(tmp_path / "elsewhere")
    status, _, err = flownb("sync", "nb.ipynb", cwd=tmp_path)
    assert (status, "The last export of `flow.py` is not known." in err) == (1, True)
    git.rename(tmp_path / ".git")
    assert flownb("sync", "nb.ipynb", cwd=tmp_path)[0] == 0
    assert sources(path)[3] == "%%step show\nprint(xs, 1)"


def test_what_is_not_the_export_of_this_notebook_is_refused(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """A file of another notebook, one that flownb did not write, and one that is not there."""
    write_notebook(*CELLS)
    write_notebook(*CELLS, name="other.ipynb")
    flownb("export", "other.ipynb", cwd=tmp_path)
    (tmp_path / "own.py").write_text("from metaflow import FlowSpec\n")
    found = [flownb("sync", "nb.ipynb", name, cwd=tmp_path)[2] for name in ("flow.py", "own.py", "none.py")]
    assert found == [
        "flownb: Not synchronised: `flow.py` was exported from `other.ipynb`. Its edits would be lost in `nb.ipynb`. "
        "Name that notebook: flownb sync other.ipynb flow.py\n",
        "flownb: Not synchronised: `own.py` was not exported by flownb. Its header does not say which notebook it "
        "comes from. Make a notebook of it: flownb import own.py\n",
        "flownb: Parameter not accepted: `none.py` cannot be read. No such file or directory. Name the exported file: "
        "flownb sync NOTEBOOK none.py\n",
    ]


def test_comments_that_the_notebook_cannot_have_stay_in_the_file(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """The file is not written over them; outputs and metadata of the notebook stay."""
    path = write_notebook(*CELLS)
    raw = json.loads(path.read_text())
    raw["metadata"]["mine"] = 1
    raw["cells"][3]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["[2]\n"]}]
    path.write_text(json.dumps(raw))
    flownb("export", "nb.ipynb", cwd=tmp_path)
    replace(tmp_path / "flow.py", "class F", "# my remark\nclass F")
    replace(tmp_path / "flow.py", "print(xs)", "print(xs, 1)")
    status, out, err = flownb("sync", "nb.ipynb", cwd=tmp_path)
    assert (status, err) == (0, "note: the notebook does not have the comments above the flow\n")
    assert out.endswith("flow.py was not written, because it would lose that; `flownb export --force` writes it\n")
    after = json.loads(path.read_text())
    assert after["cells"][3] == {**raw["cells"][3], "source": ["%%step show\n", "print(xs, 1)"]}
    assert after["metadata"] == raw["metadata"]
