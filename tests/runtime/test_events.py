"""The stream of events."""

from __future__ import annotations

import logging

import pytest

from flownb.runtime.events import Event, EventStream, RunStarted
from flownb.session.options import parse_run, parse_spin
from flownb.session.run import run_flow
from flownb.session.spin import spin_step
from flownb.session.step import run_step
from tests.conftest import MakeSession


def test_a_view_that_fails_does_not_stop_what_it_watches(caplog: pytest.LogCaptureFixture) -> None:
    """A subscriber's error is logged; the others still get the event."""
    stream, seen = EventStream(), list[Event]()

    def broken(event: Event) -> None:
        raise ValueError("broken")

    stream.subscribe(broken)
    stream.subscribe(seen.append)
    with caplog.at_level(logging.ERROR):
        stream.emit(RunStarted("F", "1"))
    assert seen == [RunStarted("F", "1")]
    assert "A view could not take RunStarted." in caplog.text


def brief(events: list[Event]) -> list[str]:
    """Types, steps, places and ends of events, in order."""
    found = []
    for event in events:
        parts = [type(event).__name__]
        for name in ("mode", "step", "index", "attempt", "status", "error", "tasks"):
            value = getattr(event, name, None)
            parts += [str(value)] if value not in (None, "") else []
        found.append(" ".join(parts))
    return found


def test_a_run_is_reported_from_its_start_to_its_end(make_session: MakeSession) -> None:
    """Every task of a run starts and ends on the stream, between the run's own start and end."""
    cells = ["%%step a -> xs\nxs = [1, 2]", "%%step b --foreach xs\nself.input", "%%step c --join\npass"]
    session, seen = make_session(*cells), list[Event]()
    session.events.subscribe(seen.append)
    run_flow(session, parse_run(["--max-workers", "1"]))
    sent = brief(seen)
    assert [sent[0], " ".join(sent[-1].split()[:2])] == ["RunStarted", "RunEnded done"]
    assert [one for one in sent if " b " in one] == [
        "TaskStarted run b 0 0",
        "TaskOutput run b 0 0",
        "TaskEnded run b 0 0 done",
        "TaskStarted run b 1 0",
        "TaskOutput run b 1 0",
        "TaskEnded run b 1 0 done",
    ]
    assert int(sent[-1].split()[-1]) == sum(one.startswith("TaskEnded") for one in sent)


def test_attempts_and_failures_are_reported(make_session: MakeSession) -> None:
    """A retried attempt and the failure in the end name the error; the run ends as failed."""
    cell = "%%step a\n@retry(times=1, minutes_between_retries=0)\nraise ValueError('no')"
    session, seen = make_session(cell), list[Event]()
    session.events.subscribe(seen.append)
    with pytest.raises(Exception, match="failed"):
        run_flow(session, parse_run([]))
    assert [one for one in brief(seen) if " a " in one] == [
        "TaskStarted run a 0",
        "TaskRetried run a 0 ValueError: no",
        "TaskEnded run a 1 failed ValueError: no",
    ]
    assert getattr(seen[-1], "status", None) == "failed"


def test_step_cells_and_spins_are_reported(make_session: MakeSession) -> None:
    """A step cell's task and a spin's say which of the two they are; a spin has no run."""
    session, seen = make_session("%%step a -> x\nx = 1", "%%step b\nx + 1"), list[Event]()
    run_step(session, "a")
    session.events.subscribe(seen.append)
    run_step(session, "b")
    spin_step(session, parse_spin(["b"]))
    assert brief(seen) == [
        "TaskStarted work b 0",
        "TaskEnded work b 0 done",
        "TaskStarted spin b 0",
        "TaskEnded spin b 0 done",
    ]
    assert [getattr(event, "run", None) for event in seen[2:]] == ["", ""]
