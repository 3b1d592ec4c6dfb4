"""The messages between kernel and extension: their TypeScript mirror, the wire, what is left out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flownb.runtime.events import EVENTS, CardRefreshed, RunStarted, TaskStarted
from flownb.widgets.messages import (
    MESSAGES,
    DagChanged,
    Message,
    NodeStatus,
    StepsChanged,
    StepStatus,
    coalesced,
    to_wire,
)

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


def test_a_card_that_changes_is_an_event() -> None:
    """A refreshed card names its task and its id."""
    assert to_wire(CardRefreshed("F", "1", "a", "2", ""))["type"] == "CardRefreshed"


def test_what_views_show_is_not_an_event() -> None:
    """The session's stream has facts of runs and tasks alone; states of badges and DAGs are messages of the views."""
    assert [kind.__name__ for kind in MESSAGES if kind not in EVENTS] == [
        "StepsChanged",
        "DagChanged",
        "DagDrawn",
        "NotebookNamed",
    ]
    assert {kind.__module__ for kind in EVENTS} == {"flownb.runtime.events"}


def status(cell: str, state: str) -> StepStatus:
    """A step cell's status."""
    return StepStatus(cell, f"s{cell}", state, "", "")  # type: ignore[arg-type]  # one of the states


def test_outdated_states_are_left_out() -> None:
    """Of several states of one step or node the last one travels; all other messages do, in order."""
    run, task = RunStarted("F", "1"), TaskStarted("F", "1", "a", "1", "run", 0, None, None, ())
    node = NodeStatus("a", "running", (), "")
    messages: list[Message] = [
        run,
        StepsChanged((status("1", "running"), status("2", "never")), True),
        DagChanged("d", (node,)),
        task,
        StepsChanged((status("1", "fresh"),), False),
        DagChanged("d", (NodeStatus("a", "fresh", (), ""), NodeStatus("b", "never", (), ""))),
        DagChanged("other", (node,)),
    ]
    assert coalesced(messages) == [
        run,
        task,
        StepsChanged((status("1", "fresh"), status("2", "never")), True),
        DagChanged("d", (NodeStatus("a", "fresh", (), ""), NodeStatus("b", "never", (), ""))),
        DagChanged("other", (node,)),
    ]
