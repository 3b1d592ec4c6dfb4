"""The command line on a notebook file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flownb import __version__
from flownb.cells.notebook import document_text, read_document
from flownb.cli.main import _place_of_notebook

CELLS = (
    "%load_ext flownb",
    '%%flow F\nalpha = Parameter("alpha", default=2)',
    "%%step load -> xs\nxs = [1, 2]\nprint('loading')",
    "%%step train --foreach xs -> m\nm = self.input * alpha",
    "%%step pick --join -> best\nbest = max(task.m for task in inputs)",
    "%flow run",
)
WriteNotebook = Callable[..., Path]


def flownb(*words: str, cwd: Path, **variables: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    command = [sys.executable, "-m", "flownb.cli.main", *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **variables})
    return done.returncode, done.stdout, done.stderr


def test_run_spin_show(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """A notebook's flow runs without a kernel; a step is spun on that run; show draws what is known of it."""
    path = write_notebook(*CELLS)
    status, out, err = flownb("run", "nb.ipynb", "--alpha", "3", "--tag", "t", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert out.split("\n")[0] == "[load] loading"
    assert "run F/1: 6 tasks in" in out
    status, out, _ = flownb("spin", "--set", "alpha=10", "--index", "1", str(path), "train", cwd=Path("/"))
    assert (status, out.rstrip().split("\n")[-1]) == (0, "  m = 20")
    status, out, _ = flownb("show", "nb.ipynb", cwd=tmp_path)
    assert (status, out.split("\n")[0]) == (0, "F · 3 steps · 3 fresh")
    assert "fresh, 2 tasks, made with alpha = 3 (" in out
    flownb("run", "nb.ipynb", cwd=tmp_path)
    assert flownb("show", "nb.ipynb", cwd=tmp_path)[1].split("\n")[0] == "F · 3 steps · 3 fresh"


def test_a_percent_script_is_a_notebook(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """The same cells as a script run and export as they do from an .ipynb file, and Tab completes their steps."""
    path = write_notebook(*CELLS)
    script = path.with_suffix(".py")
    script.write_text(document_text(read_document(path), script))
    status, out, err = flownb("run", "--alpha", "3", "nb.py", cwd=tmp_path)
    assert (status, err, "run F/1: 6 tasks in" in out) == (0, "", True)
    status, out, _ = flownb("spin", "--index", "1", "--set", "alpha=10", "nb.py", "train", cwd=tmp_path)
    assert (status, out.rstrip().split("\n")[-1]) == (0, "  m = 20")
    _, exported, _ = flownb("export", "nb.ipynb", "-o", "-", cwd=tmp_path)
    status, out, err = flownb("export", "nb.py", "-o", "-", cwd=tmp_path)
    assert (status, _unhashed(out), err) == (0, _unhashed(exported.replace("nb.ipynb", "nb.py")), "")
    assert flownb("runs", "nb.py", cwd=tmp_path)[1].split()[-1] == "alpha=3"
    ask = {"_FLOWNB_COMPLETE": "bash_complete", "COMP_WORDS": "flownb spin nb.py ", "COMP_CWORD": "3"}
    assert flownb(cwd=tmp_path, **ask)[1].split() == ["plain,load", "plain,train", "plain,pick"]


def test_status_and_resume(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """After an edit, status says what is stale, and a resume runs that and clones the rest."""
    write_notebook(*CELLS)
    assert flownb("run", "nb.ipynb", "--alpha", "3", cwd=tmp_path)[0] == 0
    write_notebook(*CELLS[:3], CELLS[3] + " + 1", CELLS[4])
    status, out, err = flownb("status", "nb.ipynb", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert "  train  would run: `train` changed" in out.split("\n")
    status, out, err = flownb("resume", "nb.ipynb", "--tag", "again", cwd=tmp_path)
    assert (status, err) == (0, "")
    said = [
        "resumed F/1",
        "  load: cloned",
        "  train: ran, `train` changed",
        "  pick: ran, `train` changed, `m` differs",
    ]
    assert out.rstrip().split("\n")[-5:-1] == said
    assert "run F/2: 6 tasks in" in out.rstrip().split("\n")[-1]
    status, out, _ = flownb("resume", "nb.ipynb", "train", "--origin-run-id", "2", cwd=tmp_path)
    assert (status, out.rstrip().split("\n")[-3]) == (0, "  train: ran, from `train` on")
    status, _, err = flownb("resume", "nb.ipynb", "--alpha", "4", cwd=tmp_path)
    assert (status, "A resume has the parameters of the run that it resumes" in err) == (2, True)


def test_check(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Checking lists what is wrong with cell number and line, and its status says whether anything is."""
    write_notebook(*CELLS)
    assert flownb("check", "nb.ipynb", cwd=tmp_path) == (0, "F: 3 steps, no problems\n", "")
    write_notebook(*CELLS[:2], "%%step load\nxs = lod()", name="bad.ipynb")
    status, out, _ = flownb("check", "bad.ipynb", cwd=tmp_path)
    assert status == 1
    assert out.startswith("FN001 cell 3 (step load), line 2: Step load reads `lod`, which nothing defines.")
    assert out.endswith("F: 1 steps, 1 error\n")


def test_warnings_block_nothing(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """With warnings alone a check, an export and a run succeed and say them; --strict makes a check fail by them."""
    write_notebook("%%flow F", "%%step a -> x\nx = 1\nif x > 2:\n    nowhere")
    warning = "warning FN001 cell 2 (step a), line 4: Step a reads `nowhere`, which nothing defines."
    for words, expected in (((), 0), (("--strict",), 1)):
        status, out, _ = flownb("check", "nb.ipynb", *words, cwd=tmp_path)
        assert (status, out.split("\n")[0], out.split("\n")[-2]) == (expected, warning, "F: 1 steps, 1 warning")
    for command in ("export", "run"):
        status, _, err = flownb(command, "nb.ipynb", cwd=tmp_path)
        assert (status, err.count(warning)) == (0, 1)


def test_a_module_that_is_missing_here_may_be_exported(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """What this Python lacks fails a run before anything runs, and is only said by an export."""
    write_notebook("%%flow F", "%%step a -> x\nimport flownb_has_no_such_module\nx = 1")
    assert (flownb("run", "nb.ipynb", cwd=tmp_path)[0], flownb("export", "nb.ipynb", cwd=tmp_path)[0]) == (1, 0)


def _unhashed(exported: str) -> str:
    """An exported file without the hash in its header, which counts the names of files there."""
    return re.sub(r"(?m)^# Content \w{16};", "# Content;", exported)


def test_export(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Exporting writes to the file that is named, or to standard output."""
    write_notebook(*CELLS)
    status, out, _ = flownb("export", "nb.ipynb", "-o", "made.py", cwd=tmp_path)
    assert (status, out.startswith("wrote made.py")) == (0, True)
    text = (tmp_path / "made.py").read_text()
    assert "#   python made.py run" in text
    status, out, err = flownb("export", "nb.ipynb", "-o", "-", cwd=tmp_path)
    assert (status, _unhashed(out), err) == (0, _unhashed(text.replace("made.py", "flow.py")), "")
    compile(text, "made.py", "exec")


def test_export_names_what_the_notebook_installs(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Requirements of `%pip install` lines, in scratch cells too, are in the file's header."""
    write_notebook("%pip install -q duckdb>=1 'polars==1.2'", *CELLS)
    assert "# It needs: duckdb>=1, polars==1.2.\n" in flownb("export", "nb.ipynb", "-o", "-", cwd=tmp_path)[1]


def test_card(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """A step's card is printed as text, or written as a page to a file or to standard output."""
    shared = "%%shared\nfrom flownb import current\nfrom flownb.cards import Markdown"
    write_notebook(shared, "%%step a\n@card(id='x')\ncurrent.card.append(Markdown('*hi*'))")
    assert flownb("run", "nb.ipynb", cwd=tmp_path)[0] == 0
    assert flownb("card", "nb.ipynb", "a", cwd=tmp_path) == (0, "a\n\n*hi*\n\nThis step has no artifacts.\n", "")
    assert flownb("card", "nb.ipynb", "a", "-o", "card.html", cwd=tmp_path) == (0, "wrote card.html\n", "")
    page = (tmp_path / "card.html").read_text(encoding="utf-8")
    assert "<p><em>hi</em></p>" in page
    assert flownb("card", "nb.ipynb", "a", "--id", "x", "-o", "-", cwd=tmp_path) == (0, f"{page}\n", "")
    status, _, err = flownb("card", "nb.ipynb", "a", "--id", "y", cwd=tmp_path)
    assert (status, "No such card: Step a has no card with the id `y`." in err) == (1, True)


def test_steps_run_in_the_notebooks_folder(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Relative paths and modules beside the notebook are found wherever the command is started."""
    (tmp_path / "data.txt").write_text("7")
    (tmp_path / "beside.py").write_text("K = 2")
    path = write_notebook("%%shared\nimport beside", "%%step load -> x\nx = int(open('data.txt').read()) * beside.K")
    assert flownb("run", str(path), cwd=Path("/"))[0] == 0
    assert (tmp_path / ".flownb").is_dir()


def test_a_failing_step(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """The user's frames at the cell's lines and one message of ours go to standard error; the status is 1."""
    write_notebook("%%step load -> x\nx = 1\nx = x / 0")
    status, out, err = flownb("run", "nb.ipynb", cwd=tmp_path)
    assert status == 1
    assert "✗ load" in out
    assert 'File "<cell 1: step load>", line 3' in err
    assert "flownb/runtime" not in err
    assert err.rstrip().split("\n")[-1].startswith("flownb: Step failed: Run NbFlow/1 stopped: step load failed.")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("run", "none.ipynb"), 1, "Notebook `none.ipynb` cannot be read. No such file or directory."),
        (("run", "text.ipynb"), 1, "`text.ipynb` is not a notebook."),
        (("run", "nb.ipynb", "--beta", "1"), 2, "Flow F has no parameter `beta`."),
        (("spin", "nb.ipynb", "trian"), 1, "There is no step `trian`. Did you mean `train`?"),
        (("spin", "nb.ipynb", "pick"), 1, "Step pick cannot run: `train` has no results yet."),
        (("spin", "nb.ipynb"), 2, "spin is given no step."),
        (("show", "nb.ipynb", "--all"), 2, "`--all` is not an option of show. It has no options."),
        (
            ("export", "nb.ipynb", "-o", "none/flow.py"),
            2,
            "none/flow.py` cannot be written. No such file or directory.",
        ),
    ],
)
def test_bad_calls(
    write_notebook: WriteNotebook, tmp_path: Path, words: tuple[str, ...], status: int, message: str
) -> None:
    """A call that cannot be carried out is one message on standard error, without a traceback."""
    write_notebook(*CELLS)
    (tmp_path / "text.ipynb").write_text("hello")
    code, out, err = flownb(*words, cwd=tmp_path)
    assert (code, out) == (status, "")
    assert message in err
    assert "Traceback" not in err


def test_tags_in_the_file_mark_cells(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """Without a front end, tags are read from the notebook file."""
    path = write_notebook("x = 2", "y = x * 3")
    notebook = json.loads(path.read_text())
    notebook["cells"][0]["metadata"]["tags"] = ["step:load", "out:x"]
    notebook["cells"][1]["metadata"]["tags"] = ["step:triple", "out:y"]
    path.write_text(json.dumps(notebook))
    assert flownb("run", "nb.ipynb", cwd=tmp_path)[0] == 0
    status, out, _ = flownb("spin", "nb.ipynb", "triple", cwd=tmp_path)
    assert (status, out.rstrip().split("\n")[-1]) == (0, "  y = 6")


def test_parameters_after_two_dashes(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """What is after `--` is the flow's own, also a parameter that is called like an option of the command."""
    header = '%%flow F\nhelp_ = Parameter("help", default="a")\nexecutor = Parameter("executor", default="b")'
    write_notebook(header, "%%step load -> x\nx = self.help_, self.executor\nprint(x)")
    words = (
        "run",
        "nb.ipynb",
        "--executor",
        "inline",
        "--with",
        "kubernetes",
        "--",
        "--help",
        "c",
        "--executor",
        "d.ipynb",
    )
    status, out, err = flownb(*words, cwd=tmp_path)
    assert (status, err) == (0, "")
    assert out.split("\n")[0] == "note: @kubernetes of --with is not applied here"
    assert "('c', 'd.ipynb')" in out
    status, _, err = flownb("run", "nb.ipynb", "--executor", "inline", cwd=tmp_path)
    assert (status, "`--executor` can mean two things here" in err) == (2, True)


def test_the_package_is_a_command_and_has_a_version(tmp_path: Path) -> None:
    """`python -m flownb` is the command; `--version` says which."""
    words = [sys.executable, "-m", "flownb", "--version"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"flownb {__version__}\n", "")
    status, out, _ = flownb("--help", cwd=tmp_path)
    assert (status, "`flownb COMMAND --help` lists a command's options and has examples." in out) == (0, True)


def test_use_another_notebooks_run(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """`use` lets a run of another notebook count, status and spin say so, and --none ends it."""
    write_notebook(*CELLS, name="other.ipynb")
    write_notebook(*CELLS)
    assert flownb("run", "other.ipynb", "--alpha", "3", cwd=tmp_path)[0] == 0
    status, _, err = flownb("spin", "nb.ipynb", "train", cwd=tmp_path)
    assert (status, "`load` has no results yet" in err) == (1, True)
    said = "uses run F/1 of other.ipynb where this notebook has nothing newer; `flownb use NOTEBOOK --none` ends that"
    assert flownb("use", "nb.ipynb", "1", cwd=tmp_path) == (0, f"F: {said}\n", "")
    status, out, err = flownb("spin", "nb.ipynb", "train", "--index", "1", cwd=tmp_path)
    assert (status, out.rstrip().split("\n")[-1], err) == (0, "  m = 6", f"note: {said}\n")
    status, out, err = flownb("status", "nb.ipynb", cwd=tmp_path)
    assert (status, said in out.split("\n"), err) == (0, True, "")
    status, out, _ = flownb("use", "nb.ipynb", "--none", cwd=tmp_path)
    assert (status, out) == (0, "F: uses the results of this notebook alone. It used run F/1 before.\n")
    assert flownb("show", "nb.ipynb", cwd=tmp_path)[1].split("\n")[0] == "F · 3 steps · 3 never run"
    status, _, err = flownb("use", "nb.ipynb", "9", cwd=tmp_path)
    assert (status, "Run F/9 does not exist." in err) == (1, True)


def test_the_default_name_is_the_file_s(write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """check, export and run call a flow without a %%flow cell after the notebook's file."""
    write_notebook("%%step load -> x\nx = 1", name="train model-2.ipynb")
    assert "TrainModel2Flow: 1 steps" in flownb("check", "train model-2.ipynb", cwd=tmp_path)[1]
    assert "class TrainModel2Flow(FlowSpec):" in flownb("export", "train model-2.ipynb", "-o", "-", cwd=tmp_path)[1]
    assert "run TrainModel2Flow/1: " in flownb("run", "train model-2.ipynb", cwd=tmp_path)[1]
    (tmp_path / "train model-2.ipynb").rename(tmp_path / "m.ipynb")
    assert "no problems" in flownb("check", "m.ipynb", cwd=tmp_path)[1]


@pytest.mark.parametrize(("words", "zygotes"), [((), 1), (("--executor", "inline"), 0)])
def test_a_run_starts_the_processes_that_it_needs(
    words: tuple[str, ...], zygotes: int, write_notebook: WriteNotebook, tmp_path: Path
) -> None:
    """Workers are forked from the process that a run starts first; without workers there is none."""
    write_notebook(*CELLS)
    code = """
import sys
from flownb.cli.main import main

started = []
sys.addaudithook(lambda event, values: started.append(str(values[1])) if event == "subprocess.Popen" else None)
status = main(sys.argv[1:])
print(sum("flownb.runtime.workers.zygote" in words for words in started), file=sys.stderr)
sys.exit(status)
"""
    command = [sys.executable, "-P", "-c", code, "run", "nb.ipynb", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, f"{zygotes}\n")


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("run --alpha 3 nb.py", 3),
        ("run --script x.py nb.ipynb", 3),
        ("spin --artifacts-module values.py nb.py train", 3),
        ("run --background nb.py", 2),
        ("run nb.py --script x.py", 1),
        ("run --alpha=x.py", None),
    ],
)
def test_which_word_is_the_notebook(words: str, place: int | None) -> None:
    """A script may also be the value of an option, which comes before it."""
    assert _place_of_notebook(words.split()) == place
