"""Which edits of cells leave results fresh."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.states import step_states
from flownb.session.status import flow_status
from flownb.session.step import run_step
from tests.conftest import MakeSession

FLOW = "%%flow NotebookFlow\nk = 3\nlimit = Parameter('limit', default=2)"
SHARED = "%%shared\ndef twice(n):\n    return 2 * n"
LOAD = "%%step load -> xs\nxs = [1, 2]"
TRAIN = "%%step train --foreach xs -> m\n@retry(times=1)\nm = twice(self.input)"
PICK = "%%step pick --join -> best\nbest = max(i.m for i in inputs)"
CELLS = (FLOW, SHARED, LOAD, TRAIN, PICK)


def states(session: Session) -> dict[str, tuple[str, tuple[str, ...]]]:
    """State and reasons of each step."""
    return {name: (one.state, one.reasons) for name, one in step_states(session).items()}


def edited(cells: tuple[str, ...], old: str, new: str) -> tuple[str, ...]:
    """The cells with an edit in one of them."""
    found = tuple(cell.replace(old, new) for cell in cells)
    assert found != cells
    return found


@pytest.fixture
def done(make_session: MakeSession) -> Session:
    """A session in which every cell ran."""
    session = make_session(*CELLS)
    for step in ("load", "train", "pick"):
        run_step(session, step)
    return session


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("k = 3", "# three\nk = 3"),
        ("'limit', default=2", '"limit",\n    default=2,\n'),
        ("    return", "    # twice\n\n    return"),
        ("xs = [1, 2]", "\nxs = [  # items\n  1,\n  2,\n]\n"),
        ("times=1", "times = 1"),
    ],
)
def test_how_code_looks(done: Session, make_session: MakeSession, old: str, new: str) -> None:
    """Comments, blank lines and formatting in any cell leave all steps fresh, and a resume takes them over."""
    assert set(states(make_session(*edited(CELLS, old, new))).values()) == {("fresh", ())}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("k = 3", "k = 4", "shared code changed"),
        ("    return", "    'docstring'\n    return", "shared code changed"),
        ("xs = [1, 2]", "xs = [1.0, 2]", "`load` changed"),
        ("xs = [1, 2]", "'a text'\nxs = [1, 2]", "`load` changed"),
    ],
)
def test_what_code_says(done: Session, make_session: MakeSession, old: str, new: str, reason: str) -> None:
    """A change of what a cell says makes its steps stale; texts and docstrings are read by code, so they count."""
    state, reasons = states(make_session(*edited(CELLS, old, new)))["load"]
    assert (state, reasons[0]) == ("stale", reason)


def test_code_that_sees_its_lines(make_session: MakeSession) -> None:
    """Where a step, or a function that it may call, can see lines, its text counts."""
    shared = "%%shared\nimport sys\ndef line():\n    return sys._getframe(1).f_lineno"
    run_step(make_session(shared, "%%step a -> x\nx = line()"), "a")
    assert states(make_session(shared, "%%step a -> x\nx = line()"))["a"][0] == "fresh"
    assert states(make_session(shared, "%%step a -> x\n# above\nx = line()"))["a"] == ("stale", ("`a` changed",))


def test_a_step_that_sees_lines_of_shared_code(make_session: MakeSession) -> None:
    """A step that keeps a traceback through a shared function depends on the lines of that function's cell."""
    shared = "%%shared\ndef fail():\n    raise ValueError"
    step = "%%step a -> x\nimport traceback\ntry:\n    fail()\nexcept ValueError:\n    x = traceback.format_exc()"
    run_step(make_session(shared, step), "a")
    assert states(make_session(shared, step))["a"][0] == "fresh"
    assert states(make_session(*edited((shared, step), "def", "\ndef")))["a"] == ("stale", ("shared code changed",))


def test_a_caught_exception_has_lines(make_session: MakeSession) -> None:
    """What @catch keeps names the lines, so a comment makes such a task stale."""
    cell = "%%step a\n@catch(var='e', print_exception=False)\nx = 1 / 0"
    run_step(make_session(cell), "a")
    assert states(make_session(cell))["a"][0] == "fresh"
    assert states(make_session(cell.replace("x = 1", "\n# why\nx = 1")))["a"] == ("stale", ("`a` changed",))


def test_a_resume_after_a_comment(make_session: MakeSession) -> None:
    """A resume takes over what has other comments."""
    run_flow(make_session(*CELLS), RunOptions(executor="inline"))
    lines = flow_status(make_session(*edited(CELLS, "m = twice", "# here\nm = twice"))).lines()
    assert "  train  would be cloned, 2 tasks" in lines


def test_every_task_of_a_foreach_counts(done: Session, make_session: MakeSession) -> None:
    """One task that was made by other code makes the step stale, wherever it is in the foreach."""
    datastore, run = done.datastore, done.working.run("NotebookFlow")
    last = datastore.tasks.last_attempts("NotebookFlow", run, "train")[-1]
    older = replace(last, attempt=last.attempt + 1, fingerprint={**last.fingerprint, "method": "", "method_tree": ""})
    datastore.tasks.write_task(older, made=())
    assert states(make_session(*CELLS))["train"] == ("stale", ("`train` changed",))


def test_records_of_the_version_before(done: Session, make_session: MakeSession) -> None:
    """A record that has hashes of texts alone holds where the text is the same, and is stale where it is not."""
    datastore, run = done.datastore, done.working.run("NotebookFlow")
    for task in datastore.tasks.last_attempts("NotebookFlow", run, "load"):
        parts = ("method", "shared", "decorators", "settings")
        old = {name: value for name, value in task.fingerprint.items() if name in parts}
        datastore.tasks.write_task(replace(task, attempt=task.attempt + 1, fingerprint=old), made=())
    assert states(make_session(*CELLS))["load"][0] == "fresh"
    assert states(make_session(*edited(CELLS, "xs = [1", "# one\nxs = [1")))["load"] == ("stale", ("`load` changed",))


def test_records_of_older_versions(make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold hashes of texts and of files alone: what is as it was is fresh, and an edited module is said."""
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "older_helper.py"
    module.write_text("n = 1  # one\n")
    load = "%%step load -> x\nimport older_helper\nx = older_helper.n"
    session = make_session(load)
    run_step(session, "load")
    record = next(Path(session.datastore.location).glob("flows/*/1/steps/load/*/*.json"))
    old = json.loads(record.read_text())
    made = {name: one for name, one in old["fingerprint"].items() if name in ("method", "shared", "decorators")}
    made["modules"] = f"older_helper={hashlib.blake2b(module.read_bytes(), digest_size=8).hexdigest()}"
    record.write_text(json.dumps({**old, "fingerprint": made, "sum": None}))
    assert states(make_session(load)) == {"load": ("fresh", ())}
    module.write_text("n = 2\n")
    assert states(make_session(load)) == {"load": ("stale", ("module `older_helper` changed",))}
