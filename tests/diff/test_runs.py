"""Two recorded runs, and a run and a notebook, compared by the command and from a kernel."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from flownb.cells.cell import read_cell
from flownb.cli.main import main
from flownb.client.artifacts import cell_tags
from flownb.diff import artifacts
from flownb.diff.compare import compare
from flownb.diff.sides import kernel_sources, read_sides
from flownb.diff.text import diff_lines
from flownb.session.options import RunOptions
from flownb.session.run import begin_run
from flownb.session.session import Session
from flownb.session.step import run_step

WriteNotebook = Callable[..., Path]
CELLS = (
    "%%flow F\nalpha = Parameter('alpha', default=0.5)",
    "%%shared\nclass P:\n    def __init__(self, x):\n        self.x = x",
    "%%step load -> xs, names\nxs = [1, 2, 3]\nnames = {'a', 'b'}",
    "%%step train --foreach xs -> score, p\nscore = self.input * alpha\np = P(score)",
    "%%step pick --join -> best\nbest = max(one.score for one in inputs)",
)
LATER = (
    *CELLS[:2],
    CELLS[2].replace("[1, 2, 3]", "[2, 3, 4]").replace("'b'", "'c'"),
    CELLS[3].replace("train", "fit"),
    CELLS[4].replace("-> best", "-> best, n").replace("best =", "n = 1\nbest ="),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a notebook that ran, was changed and ran again; its first version is in git."""
    found = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        patch.delenv("FLOWNB_DATASTORE", raising=False)
        for cells, options in ((CELLS, []), (LATER, ["--alpha", "0.1", "--tag", "late"])):
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
            nbformat.write(notebook, "nb.ipynb")
            assert main(["run", "nb.ipynb", *options]) == 0
            if not options:
                _git(found, "init", "-q", "-b", "main")
                _git(found, "add", "nb.ipynb")
                _git(found, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "first")
    return found


def _git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True)


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder, as the current one."""
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def said(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[str]]]:
    """Call the command: its status, and its lines without those that name the sides."""

    def call(*words: str) -> tuple[int, list[str]]:
        capsys.readouterr()
        status = main(["diff", *words])
        return status, [line for line in capsys.readouterr().out.splitlines()[2:] if line]

    return call


Said = Callable[..., tuple[int, list[str]]]


def test_the_results_of_two_runs(said: Said) -> None:
    """Tasks are paired by their items, artifacts are compared by key, and values that differ are summarised."""
    assert said("F/1", "F/2", "--only", "artifacts") == (
        1,
        [
            "artifacts",
            "  - task fit[0]: done",
            "  + task fit[2]: done",
            "  ~ load.xs: list",
            "      [0]: - 1",
            "      [2]: + 4",
            "  ~ load.names: set",
            "      - 1 item: 'b'",
            "      + 1 item: 'c'",
            "  ~ fit.score: differs in 2 of 2 tasks",
            "      fit[1] → [0]: 1.0 → 0.2 (-80 %)",
            "      fit[2] → [1]: 1.5 → 0.3 (-80 %)",
            "  ~ fit.p: differs in 2 of 2 tasks",
            "      fit[1] → [0]: .x: 1.0 → 0.2 (-80 %)",
            "      fit[2] → [1]: .x: 1.5 → 0.3 (-80 %)",
            "  ~ pick.best: 1.5 → 0.4 (-73.3 %)",
            "  + pick.n: only in the second run",
        ],
    )


def test_code_and_parameters_of_two_runs(said: Said) -> None:
    """A run has the cells that it was made of, and facts of runs make no difference by themselves."""
    assert said("1", "2", "--stat", "--only", "code", "--only", "parameters", "--only", "graph") == (
        1,
        [
            "graph",
            "  ~ train is called fit",
            "code",
            "  ~ step load: +2 -2 lines",
            "  ~ step fit: renamed from train",
            "  ~ step pick: captures `n` too; +1 -0 lines",
            "parameters",
            "  ~ alpha: 0.5 → 0.1 (-80 %); given for the second run",
        ],
    )
    status, found = said("1", "2", "--only", "run")
    assert (status, "  tags: none → late" in found, "  branch: none → main" in found) == (0, True, True)


def test_a_step_and_a_task(said: Said) -> None:
    """Of a step that is named only its own code and results are compared, and two tasks whatever their items are."""
    only = ("--only", "artifacts", "--stat")
    assert said("1/pick", "2", *only)[1] == ["artifacts", "  ~ pick.best: float", "  + pick.n: int"]
    found = said("F/1/train/3", "F/2/fit/5", "--only", "artifacts")[1]
    assert found[:2] == ["artifacts", "  ~ fit.score: 0.5 → 0.4 (-20 %)"]
    assert said("1/train", "2/fit", "--only", "code")[1] == ["code", "  ~ step fit: renamed from train"]


def test_a_notebook_and_a_run(said: Said) -> None:
    """A notebook alone is compared with its latest run, whose parameters may be others than its defaults."""
    assert said("nb.ipynb") == (1, ["parameters", "  ~ alpha: 0.1 → 0.5 (+400 %); given for the run"])
    assert said("1", "nb.ipynb", "--only", "graph") == (1, ["graph", "  ~ train is called fit"])
    assert said("nb.ipynb", "1", "--only", "graph") == (1, ["graph", "  ~ fit is called train"])


def test_a_revision_of_git(said: Said, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook is read from a commit, also in a folder below the repository's."""
    assert said("HEAD:nb.ipynb", "nb.ipynb", "--only", "graph") == (1, ["graph", "  ~ train is called fit"])
    assert said("HEAD:nb.ipynb", "F/1") == (0, ["no differences"])
    below = here / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    assert said("HEAD:nb.ipynb", "../nb.ipynb", "--only", "graph") == (1, ["graph", "  ~ train is called fit"])


def test_files_of_other_formats(said: Said, here: Path, tmp_path: Path) -> None:
    """A percent script is a notebook; with a Metaflow file everything is compared as the file that it exports to."""
    script = tmp_path / "nb.py"
    script.write_text("\n\n".join(f"# %%\n# {one}" for one in LATER))
    assert said("nb.ipynb", str(script)) == (0, ["no differences"])
    file = tmp_path / "flow.py"
    assert main(["export", "nb.ipynb", "-o", str(file)]) == 0
    assert said("nb.ipynb", str(file)) == (0, ["no differences"])
    file.write_text(file.read_text().replace("n = 1", "n = 2"))
    assert said(str(file), "F/2", "--only", "code", "--stat") == (1, ["code", "  ~ step pick: +1 -1 lines"])


def test_as_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as plain data."""
    assert main(["diff", "1", "2", "--json", "--only", "artifacts", "--only", "graph"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["differs"]) == (1, True)
    assert found["graph"] == [{"step": "fit", "change": "renamed", "before": "train", "after": "fit"}]
    (best,) = [one for one in found["artifacts"] if one["name"] == "best"]
    example = ["pick", [{"path": "", "text": "1.5 → 0.4 (-73.3 %)", "lines": []}], ""]
    assert best == {
        "step": "pick",
        "name": "best",
        "before": "float",
        "after": "float",
        "tasks": 1,
        "differing": 1,
        "examples": [example],
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "diff is given no side."),
        (("1",), "`1` is one side."),
        (("1", "2", "3"), "`3` is one side too many."),
        (("1", "99"), "Run F/99 does not exist."),
        (("F/1/nothing", "2"), "Run F/1 has no step `nothing`."),
        (("F/1/train/9", "2"), "There is no task F/1/train/9."),
        (("G/1", "2"), "Flow `G` is not in"),
        (("what", "2"), "`what` does not name a side."),
        (("gone.ipynb", "2"), "Notebook `gone.ipynb` cannot be read."),
        (("HEAD:gone.ipynb", "2"), "`HEAD:gone.ipynb` cannot be read."),
        (("1", "2", "--only", "everything"), "`everything` is not a part of a diff."),
    ],
)
def test_wrong_calls(here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], expected: str) -> None:
    """The status is 2, so that it is distinguished from a difference, and the message says what to do."""
    capsys.readouterr()
    assert main(["diff", *words]) == 2
    assert expected in capsys.readouterr().err


def test_large_values_are_not_loaded(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above a size only types and sizes are said."""
    monkeypatch.setattr(artifacts, "LARGEST", 10)
    found = said("1", "2", "--only", "artifacts")[1]
    assert next(line for line in found if "load.names" in line).endswith(": too large to be loaded and compared")


def test_a_kernel(make_session: Callable[..., Session]) -> None:
    """A kernel compares its cells with its latest run; a working run has each step's cell as it was executed last."""
    session = make_session(*CELLS[:3])
    run_step(session, "load")
    assert said_in_kernel(session) == ["no differences"]
    session.define(read_cell(LATER[2]))
    assert said_in_kernel(session) == ["code", "  ~ step load: +2 -2 lines"]
    run_step(session, "load")
    assert said_in_kernel(session) == ["no differences"]
    begin_run(session, RunOptions(executor="inline")).drive()
    session.define(read_cell("%%step after\n1"))
    assert said_in_kernel(session)[:2] == ["graph", "  + after: after load, the last step"]
    assert "  status: work → done" in said_in_kernel(session, "1", "2")


def said_in_kernel(session: Session, *words: str) -> list[str]:
    """What ``%flow diff`` prints below the names of the sides."""
    found = compare(*read_sides(words, kernel_sources(session)))
    return [line for line in diff_lines(found, brief=True)[2:] if line]


def test_tags_are_recorded(make_session: Callable[..., Session]) -> None:
    """The cells of a run that tags mark are compared with all that their tags say."""
    session = make_session(*CELLS[:3])
    tagged = ["step:after", "after:load", "out:n", "foreach:xs"]
    session.define(read_cell("n = self.input", tags=tagged, cell_id="t"))
    session.define(read_cell("%%step last --join\n1"))
    begin_run(session, RunOptions(executor="inline")).drive()
    assert said_in_kernel(session) == ["no differences"]


def test_tags_that_older_versions_recorded() -> None:
    """Of a cell that tags mark an older record has kind and name alone."""
    cells = [{"kind": "step", "name": "a"}, {"kind": "flow", "name": "F(B)"}, {"kind": "shared", "name": ""}]
    assert [cell_tags(one) for one in cells] == [["step:a"], ["flow:F(B)"], ["shared"]]


def test_two_notebooks_without_a_datastore(write_notebook: WriteNotebook, capsys: pytest.CaptureFixture[str]) -> None:
    """Notebooks are compared where nothing was ever recorded; a notebook without runs says that it has none."""
    first, second = write_notebook(*CELLS), write_notebook(*LATER, name="other.ipynb")
    assert (main(["diff", str(first), str(first)]), main(["diff", str(first), str(second)])) == (0, 1)
    capsys.readouterr()
    assert main(["diff", str(first)]) == 2
    assert "There is no datastore in" in capsys.readouterr().err
