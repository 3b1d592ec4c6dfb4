"""A cell that cannot be a step, typed and never executed: its own error, and no other cell's."""

from __future__ import annotations

from pathlib import Path

import pytest

from flownb.cells.notebook import DocumentCell
from flownb.errors import CheckFailed, MissingResults
from flownb.session.options import RunOptions, parse_spin
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.states import step_states
from flownb.session.step import run_step

GOOD = (("a", "%%step load -> x\nx = 1"), ("c", "%%step use -> y\ny = x + 1"))
# Text and tags of the bad cell, and the code and line of its error.
BAD: list[tuple[str, tuple[str, ...], str, int]] = [
    ("%%step 2_clean\nz = 1", (), "FN009", 1),
    ("%%step next\nz = 1", (), "FN009", 1),
    ("%%step train-model\nz = 1", (), "FN009", 1),
    ("%%step class\nz = 1", (), "FN009", 1),
    ("%%step load.data\nz = 1", (), "FN009", 1),
    ("%%step Load\nz = 1", (), "FN009", 1),
    ("%%step k\nz = 1", (), "FN009", 1),
    ("%%step clean --fter load\nz = 1", (), "FN030", 1),
    ("%%step\nz = 1", (), "FN030", 1),
    ("%%step clean ->\nz = 1", (), "FN030", 1),
    ("# clean it\n%%step clean\nz = 1", (), "FN030", 2),
    ("%%step clean\nz = (", (), "FN011", 2),
    ("%%step clean\n!ls", (), "FN003", 2),
    ("z = 1", ("step:",), "FN030", 1),
    ("z = 1", ("step:clean", "foreach:1x"), "FN030", 1),
    ("z = 1", ("step:2_clean",), "FN009", 1),
]
IDS = [repr(one[:2])[:40] for one in BAD]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session in the test's folder."""
    return Session(folder=tmp_path)


def show(session: Session, text: str, tags: tuple[str, ...], *below: tuple[str, str]) -> None:
    """Show a document with a bad cell below good ones."""
    cells = [("f", "%%flow F\nk = 1"), *GOOD, ("bad", text), *below]
    session.cells.show([DocumentCell(one, source, tags if one == "bad" else ()) for one, source in cells])


@pytest.mark.parametrize(("text", "tags", "code", "line"), BAD, ids=IDS)
def test_a_bad_cell_breaks_no_other(session: Session, text: str, tags: tuple[str, ...], code: str, line: int) -> None:
    """Steps that do not come after it run and spin, and the checks and a run name that cell alone."""
    show(session, text, tags)
    assert run_step(session, "load").values["x"] == 1
    assert run_step(session, "use").values["y"] == 2
    assert spin_step(session, parse_spin(["use"]))["y"] == 2
    assert {"load": "fresh", "use": "fresh"}.items() <= {n: f.state for n, f in step_states(session).items()}.items()
    found = session.checks.find()
    assert [(o.code, o.cell.cell_id, o.line, o.severity) for o in found] == [(code, "bad", line, "error")]
    with pytest.raises(CheckFailed) as caught:
        run_flow(session, RunOptions())
    assert caught.value.diagnostics == found


@pytest.mark.parametrize(("text", "tags", "code", "line"), BAD, ids=IDS)
def test_a_step_that_comes_after_a_bad_cell_waits_for_it(
    session: Session, text: str, tags: tuple[str, ...], code: str, line: int
) -> None:
    """A step below it, without --after, does not quietly come after another step."""
    show(session, text, tags, ("d", "%%step last"))
    for step in ("load", "use"):
        run_step(session, step)
    with pytest.raises((CheckFailed, MissingResults)) as caught:
        run_step(session, "last")
    parses = code in ("FN003", "FN011")  # then it is a step, that has not run
    assert ("clean" if parses else "which is not a step yet") in str(caught.value)


def test_a_bad_cell_that_is_executed_says_what_is_wrong(session: Session) -> None:
    """The error of the cell itself is shown, not that there is no such step."""
    show(session, "%%step 2_clean\nz = 1", ())
    with pytest.raises(CheckFailed) as caught:
        run_step(session, "2_clean")
    assert [one.code for one in caught.value.diagnostics] == ["FN009"]  # type: ignore[attr-defined]
    assert session.step_of("bad") == "2_clean"


def test_a_bad_header_of_the_flow_concerns_every_step(session: Session) -> None:
    """What the flow is called decides where results are, so no step runs until that cell is right."""
    session.cells.show([DocumentCell("f", "%%flow my flow\nk = 1"), DocumentCell("a", GOOD[0][1])])
    with pytest.raises(CheckFailed) as caught:
        run_step(session, "load")
    assert [one.code for one in caught.value.diagnostics] == ["FN030"]  # type: ignore[attr-defined]


def test_two_headers_are_refused_before_a_step_runs(session: Session) -> None:
    """Which of two %%flow cells counts is not guessed."""
    cells = [("f", "%%flow F\nk = 1"), ("g", "%%flow F\nn = 1"), GOOD[0]]
    session.cells.show([DocumentCell(one, source) for one, source in cells])
    with pytest.raises(CheckFailed) as caught:
        run_step(session, "load")
    assert [one.code for one in caught.value.diagnostics] == ["FN031"]  # type: ignore[attr-defined]
    session.cells.show([DocumentCell(one, source) for one, source in (cells[1], cells[2])])
    assert run_step(session, "load").values["x"] == 1


def test_a_refused_second_header_changes_nothing_else(session: Session) -> None:
    """The first %%flow cell counts: the flow keeps its name, its parameters and its results."""
    cells = [DocumentCell("f", "%%flow F\nk = 1"), DocumentCell("a", "%%step load -> x\nx = k")]
    session.cells.show(cells)
    run_step(session, "load")
    session.cells.show([*cells, DocumentCell("g", "%%flow G\nn = 1")])
    assert [one.code for one in session.checks.find()] == ["FN031"]
    assert (session.flow.name, step_states(session)["load"].state) == ("F", "fresh")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("a" * 300, "Choose another name."), ("日本", "Choose another name."), ("Über", "Call it `uber`.")],
)
def test_a_better_name_is_one_that_a_step_can_have(session: Session, name: str, hint: str) -> None:
    """What is proposed in place of a name is a name, or there is no proposal."""
    show(session, f"%%step {name}\nz = 1", ())
    assert [one.fix for one in session.checks.find() if one.code == "FN009"] == [hint]
