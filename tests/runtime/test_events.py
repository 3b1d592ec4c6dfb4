"""The stream of events and its TypeScript mirror."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from flownb.runtime.events import CardRefreshed, DagChanged, Event, EventStream, NodeStatus, RunStarted, to_wire
from flownb.session.options import parse_run, parse_spin
from tests.conftest import MakeSession

ROOT = Path(__file__).parents[2]


def test_the_typescript_names_are_the_python_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the extension knows of events and pictures is what the kernel knows; scripts/mirror_events.py writes it."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
    from mirror_events import SOURCE, mirrors

    expected = mirrors()
    assert {name: (SOURCE / name).read_text(encoding="utf-8") for name in expected} == expected


def test_events_travel_as_plain_values() -> None:
    """On the wire an event is its fields and its type's name."""
    changed = DagChanged("d1", (NodeStatus("a", "fresh", (("fresh", False),), "a: fresh"),))
    node = {"name": "a", "state": "fresh", "detail": (("fresh", False),), "title": "a: fresh"}
    assert to_wire(changed) == {"type": "DagChanged", "dag": "d1", "nodes": ({**node},)}


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
    session.run(parse_run(["--max-workers", "1"]))
    told = brief(seen)
    assert [told[0], " ".join(told[-1].split()[:2])] == ["RunStarted", "RunEnded done"]
    assert [one for one in told if " b " in one] == [
        "TaskStarted run b 0 0",
        "TaskOutput run b 0 0",
        "TaskEnded run b 0 0 done",
        "TaskStarted run b 1 0",
        "TaskOutput run b 1 0",
        "TaskEnded run b 1 0 done",
    ]
    assert int(told[-1].split()[-1]) == sum(one.startswith("TaskEnded") for one in told)


def test_attempts_and_failures_are_reported(make_session: MakeSession) -> None:
    """A retried attempt and the failure in the end name the error; the run ends as failed."""
    cell = "%%step a\n@retry(times=1, minutes_between_retries=0)\nraise ValueError('no')"
    session, seen = make_session(cell), list[Event]()
    session.events.subscribe(seen.append)
    with pytest.raises(Exception, match="failed"):
        session.run(parse_run([]))
    assert [one for one in brief(seen) if " a " in one] == [
        "TaskStarted run a 0",
        "TaskRetried run a 0 ValueError: no",
        "TaskEnded run a 1 failed ValueError: no",
    ]
    assert getattr(seen[-1], "status", None) == "failed"


def test_step_cells_and_spins_are_reported(make_session: MakeSession) -> None:
    """A step cell's task and a spin's say which of the two they are; a spin has no run."""
    session, seen = make_session("%%step a -> x\nx = 1", "%%step b\nx + 1"), list[Event]()
    session.run_step("a")
    session.events.subscribe(seen.append)
    session.run_step("b")
    session.spin(parse_spin(["b"]))
    assert brief(seen) == [
        "TaskStarted work b 0",
        "TaskEnded work b 0 done",
        "TaskStarted spin b 0",
        "TaskEnded spin b 0 done",
    ]
    assert [getattr(event, "run", None) for event in seen[2:]] == ["", ""]


def test_a_card_that_changes_is_an_event() -> None:
    """A refreshed card names its task and its id."""
    assert to_wire(CardRefreshed("F", "1", "a", "2", ""))["type"] == "CardRefreshed"
