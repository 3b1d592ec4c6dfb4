"""Every view says the same of a step: badge, ``%flow``, status, the command line, a resume's plan, reports."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from flownb.cells.cell import read_cell
from flownb.errors import StepFailed
from flownb.picture.layout import state_word
from flownb.picture.text import dag_text
from flownb.runtime.freshness import Freshness
from flownb.session.drawing import picture
from flownb.session.options import RunOptions, parse_run, parse_spin
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.states import step_states
from flownb.session.status import flow_status
from flownb.session.step import run_step
from flownb.widgets.board import StatusBoard

HEADER = '%%flow F\nk = Parameter("k", default=5)\nfile = IncludeFile("file", default="file.txt")'
LOAD = "%%step load -> xs, kind\nxs = [1, 2]\nkind = 'small'"
TRAIN = "%%step train --after load --when kind=small -> m\nm = [x * self.k for x in xs]"
WORDS = "%%step words --after load --when kind=big -> m\nm = self.file.split()"
PICK = "%%step pick --after train,words -> best\nbest = max(m)"
REPORT = "%%step report -> text\ntext = f'{best} {self.k}'"
CELLS = {"flow": HEADER, "load": LOAD, "train": TRAIN, "words": WORDS, "pick": PICK, "report": REPORT}
INLINE = "--executor inline"


class Notebook:
    """A notebook file, opened by one session after the other as kernels and commands do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cells = dict(CELLS)
        (folder / "file.txt").write_text("a b")
        self.save()

    def save(self, **edited: str) -> None:
        """Write the file with other cells."""
        self.cells |= edited
        cells = [nbformat.v4.new_code_cell(text, id=name) for name, text in self.cells.items()]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), self.folder / "nb.ipynb")

    def session(self) -> Session:
        """A session as a new kernel has it."""
        session = Session(self.folder / "nb.ipynb")
        session.open(
            read_cell(text, number=number, cell_id=name) for number, (name, text) in enumerate(self.cells.items())
        )
        return session

    def run(self, options: str = "") -> None:
        """Run the flow."""
        run_flow(self.session(), parse_run(f"{INLINE} {options}".split()))

    def step(self, *names: str) -> None:
        """Execute step cells."""
        session = self.session()
        for name in names:
            run_step(session, name)


def run_with_defaults(notebook: Notebook) -> None:
    """The flow ran."""
    notebook.run()


def run_with_parameter(notebook: Notebook) -> None:
    """The flow ran with a parameter of its own."""
    notebook.run("--k 15")


def cell_by_cell(notebook: Notebook) -> None:
    """The cells of one way were executed."""
    notebook.step("load", "train", "pick", "report")


def cell_after_a_run_with_parameter(notebook: Notebook) -> None:
    """The first cell was executed after such a run."""
    notebook.run("--k 15")
    notebook.step("load")


def edited(notebook: Notebook) -> None:
    """The first cell was edited."""
    notebook.run()
    notebook.save(load=LOAD.replace("[1, 2]", "[1, 3]"))


def child_of_an_edited_step(notebook: Notebook) -> None:
    """Cells below an edited one were executed."""
    notebook.run()
    notebook.save(load=LOAD.replace("[1, 2]", "[1, 3]"))
    notebook.step("train", "pick")


def other_way(notebook: Notebook) -> None:
    """The switch now leads to a step that never ran."""
    notebook.run()
    notebook.save(load=LOAD.replace("small", "big"))
    notebook.step("load")


def other_file(notebook: Notebook) -> None:
    """A file that a parameter has by default changed."""
    notebook.save(load=LOAD.replace("small", "big"))
    notebook.run()
    (notebook.folder / "file.txt").write_text("a b c")


def failed(notebook: Notebook) -> None:
    """A step was edited, and failed in a run."""
    notebook.run()
    notebook.save(train=TRAIN + "\n1 / 0")
    with contextlib.suppress(StepFailed):
        notebook.run()


def interrupted(notebook: Notebook) -> None:
    """A step was edited, and was interrupted."""
    notebook.run()
    notebook.save(pick=PICK + "\nraise KeyboardInterrupt")
    with contextlib.suppress(KeyboardInterrupt):
        notebook.step("pick")


Situation = Callable[[Notebook], None]
MADE = "made with k = 15 (default: 5)"
OLDER = "made from an older result of `{}` ({})"
LED = "`load` led to `{}`"
NOW = "made with k = 15 (now: 5)"
ALL_FRESH = [("fresh", ""), ("fresh", ""), ("not taken", LED.format("train")), ("fresh", ""), ("fresh", "")]
# What each view says of load, train, words, pick and report: its word, and all that is said of it.
SAID: list[tuple[Situation, list[tuple[str, str]]]] = [
    (
        run_with_defaults,
        [("fresh", ""), ("fresh", ""), ("not taken", LED.format("train")), ("fresh", ""), ("fresh", "")],
    ),
    (cell_by_cell, [("fresh", ""), ("fresh", ""), ("not taken", LED.format("train")), ("fresh", ""), ("fresh", "")]),
    (
        run_with_parameter,
        [("fresh", ""), ("fresh", MADE), ("not taken", LED.format("train")), ("fresh", ""), ("fresh", MADE)],
    ),
    (
        cell_after_a_run_with_parameter,
        [
            ("fresh", ""),
            ("stale", NOW),
            ("not taken", LED.format("train")),
            ("stale", OLDER.format("train", NOW)),
            ("stale", f"{OLDER.format('pick', NOW)}, {MADE}"),
        ],
    ),
    (
        edited,
        [
            ("stale", "`load` changed"),
            ("stale", OLDER.format("load", "`load` changed")),
            ("not taken", LED.format("train")),
            ("stale", OLDER.format("train", "`load` changed")),
            ("stale", OLDER.format("pick", "`load` changed")),
        ],
    ),
    (
        child_of_an_edited_step,
        [
            ("stale", "`load` changed"),
            ("stale", OLDER.format("load", "`load` changed")),
            ("not taken", LED.format("train")),
            ("stale", OLDER.format("train", "`load` changed")),
            ("stale", OLDER.format("pick", "`load` changed")),
        ],
    ),
    (
        other_way,
        [
            ("fresh", ""),
            ("not taken", LED.format("words")),
            ("never run", ""),
            ("stale", "`words` has no result"),
            ("stale", OLDER.format("pick", "`words` has no result")),
        ],
    ),
    (
        other_file,
        [
            ("fresh", ""),
            ("not taken", LED.format("words")),
            ("stale", "made with file = 'a b' (now: 'a b c')"),
            ("stale", OLDER.format("words", "made with file = 'a b' (now: 'a b c')")),
            ("stale", OLDER.format("pick", "made with file = 'a b' (now: 'a b c')")),
        ],
    ),
    (
        failed,
        [
            ("fresh", ""),
            ("failed", "ZeroDivisionError"),
            ("not taken", LED.format("train")),
            ("stale", OLDER.format("train", "`train` changed")),
            ("stale", OLDER.format("pick", "`train` changed")),
        ],
    ),
    (
        interrupted,
        [
            ("fresh", ""),
            ("fresh", ""),
            ("not taken", LED.format("train")),
            ("interrupted", ""),
            ("stale", OLDER.format("pick", "`pick` changed")),
        ],
    ),
]
STEPS = ("load", "train", "words", "pick", "report")


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A notebook in a folder of its own, where its steps run."""
    monkeypatch.chdir(tmp_path)
    return Notebook(tmp_path)


def told(state: Freshness) -> tuple[str, str]:
    """A state in the word of pictures, and all that is said of it."""
    word = state_word(state.state, ", ".join(state.reasons))
    return word, "" if word == "interrupted" else ", ".join([*state.reasons, *state.notes])


def badges(session: Session) -> dict[str, tuple[str, str]]:
    """The word and the title of each badge."""
    board = StatusBoard(session, lambda changed: None)
    board.refresh()
    statuses = {status.step: status for status in board._statuses(board._cells())}
    return {step: (told(board.states[step])[0], status.title) for step, status in statuses.items()}


@pytest.mark.parametrize(("situation", "expected"), SAID, ids=[one.__name__ for one, _ in SAID])
def test_every_view_says_the_same(notebook: Notebook, situation: Situation, expected: list[tuple[str, str]]) -> None:
    """Of one store, the judgement, badges, the picture, the status and a command in another process say the same."""
    situation(notebook)
    session = notebook.session()
    assert {n: told(one) for n, one in step_states(session).items()} == dict(zip(STEPS, expected, strict=True))
    for step, (word, title) in badges(session).items():
        said = dict(zip(STEPS, expected, strict=True))[step]
        assert word == said[0]
        assert all(part.replace("`", "") in title for part in said[1].split(", "))
    lines = flow_status(session).lines()
    words = {word: [one for one, _ in expected].count(word) for word, _ in expected}
    assert all(f"{number} {word}" in lines[0] for word, number in words.items())
    listed = {line.split()[0]: " ".join(line.split()[1:]) for line in lines[1 : 1 + len(STEPS)]}
    joined = {
        step: word + (f"{', ' if word == 'fresh' else ': '}{said}" if said else "")
        for step, (word, said) in zip(STEPS, expected, strict=True)
    }
    assert joined == listed
    drawn = dag_text(picture(session))
    assert drawn.split("\n")[0].replace("F · ", "F: ", 1) == lines[0]
    for step, (word, _) in zip(STEPS, expected, strict=True):
        assert any(line.split()[1:2] == [step] and f" {word}" in line for line in map(unguided, drawn.split("\n")))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", "from flownb.cli.main import main; main()", "status", "nb.ipynb"]
    done = subprocess.run(command, cwd=notebook.folder, env=environment, capture_output=True, text=True, check=True)
    assert "\n".join(lines) == done.stdout.rstrip("\n")


def unguided(line: str) -> str:
    """A line of a picture without what is drawn before its glyph."""
    return line.lstrip("│├─╰ ")


def test_a_kernel_that_ran_no_code_says_the_same_of_parameters(notebook: Notebook) -> None:
    """Right after a kernel restart the badges say which results were made with other parameters, and run no code."""
    notebook.run("--k 15")
    notebook.save(extra="%%shared\nopen('executed', 'w').close()")
    session = notebook.session()
    board = StatusBoard(session, lambda changed: None)
    board.refresh()
    assert not (notebook.folder / "executed").exists()
    notebook.save(extra="x = 1")
    board = StatusBoard(notebook.session(), lambda changed: None)
    board.refresh()
    assert {name: one.notes for name, one in board.states.items()} == {
        "load": (),
        "train": (MADE,),
        "words": (),
        "pick": (),
        "report": (MADE,),
    }


def test_a_resume_plan_says_what_it_keeps(notebook: Notebook) -> None:
    """What is fresh would be cloned, and both say with which parameters it was made."""
    notebook.run("--k 15")
    lines = flow_status(notebook.session()).lines()
    assert lines[6:] == [
        "resume, of a run made with k = 15 (default: 5):",
        "  load    would be cloned",
        f"  train   would be cloned, {MADE}",
        "  words   would not run",
        "  pick    would be cloned",
        f"  report  would be cloned, {MADE}",
    ]


def test_a_spin_says_which_parameters_it_used(notebook: Notebook) -> None:
    """A spin on the results of a run takes the run's parameters, and says so of those that it reads."""
    notebook.run("--k 15")
    session = notebook.session()
    assert spin_step(session, parse_spin(["train"])).report.inputs == (f"{MADE}, as the run that its inputs come from",)
    assert spin_step(session, parse_spin(["pick"])).report.inputs == ()
    assert spin_step(session, parse_spin("train --set k=5".split())).report.inputs == ()
    from_run = spin_step(session, parse_spin("report --from 1".split()))
    assert (
        from_run.values,
        from_run.report.inputs,
    ) == ({"text": "30 15"}, (f"{MADE}, as the run that its inputs come from",))


def test_a_file_that_changed_is_read_by_a_single_step(notebook: Notebook) -> None:
    """A parameter that was not chosen has its current default, also on a result from before its file changed."""
    notebook.save(load=LOAD.replace("small", "big"))
    notebook.run()
    (notebook.folder / "file.txt").write_text("a b c")
    session = notebook.session()
    assert spin_step(session, parse_spin(["words"])).values == {"m": ["a", "b", "c"]}
    assert run_step(session, "words").values == {"m": ["a", "b", "c"]}
    assert step_states(session)["words"].state == "fresh"


def test_a_report_says_that_a_parent_is_older(notebook: Notebook) -> None:
    """Until a step whose code changed is run again, what is made from its result says so: report, spin, badge."""
    notebook.run()
    notebook.save(load=LOAD.replace("[1, 2]", "[1, 3]"))
    session = notebook.session()
    older = OLDER.format("load", "`load` changed")
    outcome = run_step(session, "train")
    assert (outcome.report.inputs, outcome.report.lines()[1:]) == ((older,), ["  note: " + older])
    assert spin_step(session, parse_spin(["train"])).report.inputs == (older,)
    assert step_states(session)["train"].reasons == (older,)
    run_step(session, "load")
    assert run_step(session, "train").report.inputs == ()
    assert tuple(
        (step_states(session)[name].state, step_states(session)[name].reasons) for name in ("train", "pick")
    ) == (("fresh", ()), ("stale", ("`m` differs",)))


def test_a_report_says_that_it_used_a_way_that_was_not_taken(notebook: Notebook) -> None:
    """A merge whose way has no result runs on that of the other way, and says so; executing the way mends it."""
    notebook.run()
    notebook.save(load=LOAD.replace("small", "big"))
    session = notebook.session()
    run_step(session, "load")
    said = f"made from the result of `train`, which was not taken: {LED.format('words')}"
    assert run_step(session, "pick").report.inputs == (said,)
    assert (
        step_states(session)["pick"].state,
        step_states(session)["pick"].reasons,
    ) == ("stale", ("`words` has no result",))
    assert run_step(session, "words").report.inputs == ()
    assert (run_step(session, "pick").values, run_step(session, "pick").report.inputs) == ({"best": "b"}, ())
    untaken = "not taken: `load` led to `words`, so a run would not reach this step; it ran anyway"
    assert run_step(session, "train").report.inputs == (untaken,)
    assert step_states(session)["train"].state == "untaken"


def test_a_run_goes_by_what_it_was_given(notebook: Notebook) -> None:
    """A run's own record says which parameters its user chose, and a resume passes that on."""
    session = notebook.session()
    run_flow(session, parse_run(f"{INLINE} --k 15".split()))
    record = session.datastore.runs.run("F", "1")
    assert (record.chosen, session.datastore.artifacts.load(record.defaults["k"])) == (("k",), 5)
    run_flow(session, RunOptions(executor="inline"))
    assert (session.datastore.runs.run("F", "2").chosen, session.datastore.runs.run("F", "2").defaults) == ((), {})
