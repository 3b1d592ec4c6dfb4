"""What is said of stale steps, and of what a resume would take over."""

from __future__ import annotations

import pytest

from flownb.cells.cell import read_cell
from flownb.errors import StepFailed
from flownb.runtime.clones import Clones
from flownb.session.options import RunOptions, parse_run
from flownb.session.resume import find_origin, offered_tasks, rehearse
from flownb.session.run import run_flow
from flownb.session.status import flow_status
from flownb.session.step import run_step
from tests.conftest import MakeSession

LOAD = "%%step load -> xs\nxs = [1, 2, 3]"
TRAIN = "%%step train --foreach xs -> m\nm = self.input * 2"
SCORE = "%%step score -> s\ns = self.m"
PICK = "%%step pick --join -> best\nbest = max(i.s for i in inputs)"
FLOW = (LOAD, TRAIN, SCORE, PICK)
INLINE = RunOptions(executor="inline")


def test_before_anything_ran(make_session: MakeSession) -> None:
    """Steps that never run are said to be so."""
    assert flow_status(make_session(*FLOW)).lines() == [
        "NotebookFlow: 4 steps · 4 never run",
        "  load   never run",
        "  train  never run",
        "  score  never run",
        "  pick   never run",
        "resume: there is no run yet",
    ]


def test_after_a_run(make_session: MakeSession) -> None:
    """What is fresh would be cloned; the text names no ids, which are metadata."""
    session = make_session(*FLOW)
    run_flow(session, INLINE)
    status = flow_status(make_session(*FLOW))
    assert status.lines() == [
        "NotebookFlow: 4 steps · 4 fresh",
        "  load   fresh",
        "  train  fresh, 3 tasks",
        "  score  fresh, 3 tasks",
        "  pick   fresh",
        "resume:",
        "  load   would be cloned",
        "  train  would be cloned, 3 tasks",
        "  score  would be cloned, 3 tasks",
        "  pick   would be cloned",
    ]
    assert status.metadata == {"origin": "NotebookFlow/1"}


def test_after_an_edit(make_session: MakeSession) -> None:
    """Reasons say what changed; what depends on a result that is not known yet is left open."""
    run_flow(make_session(*FLOW), INLINE)
    session = make_session(LOAD, TRAIN.replace("* 2", "* 3"), SCORE, PICK)
    assert flow_status(session).lines() == [
        "NotebookFlow: 4 steps · 3 stale · 1 fresh",
        "  load   fresh",
        "  train  stale: `train` changed",
        "  score  stale: made from an older result of `train` (`train` changed)",
        "  pick   stale: made from an older result of `score` (`train` changed)",
        "resume:",
        "  load   would be cloned",
        "  train  would run: `train` changed",
        "  score  depends on what runs above",
        "  pick   depends on what runs above",
    ]


def test_after_an_edit_of_shared_code(make_session: MakeSession) -> None:
    """The reason is said at the first step that would run, also if it is one that the run adds."""
    shared = "%%shared\nfactor = 2"
    add = "%%step add -> n\nn = len(xs)"
    run_flow(make_session(shared, LOAD, add), INLINE)
    assert flow_status(make_session(shared.replace("2", "3"), LOAD, add)).lines()[3:] == [
        "resume:",
        "  start  would run: shared code changed",
        "  load   depends on what runs above",
        "  add    depends on what runs above",
    ]


def test_it_is_what_a_resume_does(make_session: MakeSession) -> None:
    """A failed foreach: what would be cloned and what would run are distinguished, and nothing is recorded."""
    broken = TRAIN + "\nassert self.input != 2 or xs is None"
    session = make_session(LOAD, broken, SCORE, PICK)
    with pytest.raises(StepFailed):
        run_flow(session, INLINE)
    status = flow_status(session)
    assert (
        status.lines()[7].partition("  train  ")[2],
        find_origin(session.datastore, "NotebookFlow", None).run,
    ) == ("2 of 3 tasks would run: failed before, had not run", "1")
    assert session.datastore.runs.run_ids("NotebookFlow") == ["1"]
    origin = find_origin(session.datastore, "NotebookFlow", "1")
    reuse = Clones(session.program(True), session.datastore, offered_tasks(session.datastore, origin))
    planned = rehearse(session, reuse, origin)
    assert {name: (one.cloned, one.ran) for name, one in planned.items()} == {
        "start": (1, 0),
        "load": (1, 0),
        "train": (1, 2),
        "score": (0, 1),
    }


def test_a_flow_with_errors(make_session: MakeSession) -> None:
    """What cannot run is judged all the same."""
    lines = flow_status(make_session(LOAD, "%%step train\ny = nothing")).lines()
    assert lines[-1] == "resume: the flow has errors; `%flow check` lists them"


def test_a_step_without_code_that_is_no_longer_the_last(make_session: MakeSession) -> None:
    """Its result is the same when a step is written below it."""
    session = make_session("%%step load")
    run_step(session, "load")
    session.define(read_cell("%%step train -> x\nx = 1", cell_id="below"))
    assert flow_status(session).lines()[1] == "  load   fresh"


def test_a_run_with_two_parameters_of_its_own(make_session: MakeSession) -> None:
    """What the run was given is named in one phrase."""
    header = "%%flow F\na = Parameter('a', default=1)\nb = Parameter('b', default=2)"
    session = make_session(header, "%%step load\na, b")
    run_flow(session, parse_run(["--a", "3", "--b", "4", "--executor", "inline"]))
    assert "resume, of a run made with a = 3 (default: 1) and b = 4 (default: 2):" in flow_status(session).lines()
