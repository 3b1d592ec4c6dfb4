"""Which outputs show a card, and how they follow their step: by themselves, and in a real kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flownb.errors import CardNotFound, CorruptBlob
from flownb.runtime.events import CardRefreshed, TaskEnded
from flownb.session.options import parse_card, parse_run, parse_spin
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.widgets import cards
from flownb.widgets.cards import DISPLAYS, CardOutputs
from tests.conftest import MakeSession
from tests.widgets.test_channel import View, view

__all__ = ["view"]  # the fixture

SHARED = "%%shared\nfrom flownb import current\nfrom flownb.cards import Markdown"
TRAIN = "%%step train --foreach xs -> m\n@card\nm = self.input * k\ncurrent.card.append(Markdown(f'm is {m}'))"
FLOW, LOAD = "%%flow F\nk = Parameter('k', default=2)", "%%step load -> xs\nxs = [1, 2, 3]"
CELLS = (FLOW, SHARED, LOAD, TRAIN, "%%step pick --join -> best\nbest = max(one.m for one in inputs)")
CARD = "%%step a -> x\n@card\nx = 1\ncurrent.card.append(Markdown('one'))"
ENDED = TaskEnded("F", "", "train", "", "spin", 0, 0, 1, (), "done", "", 1.0)

Sent = list[tuple[str, str, str]]


class Outputs:
    """The outputs of a session that ran once, and what was sent for them: how, to which one, and its text."""

    def __init__(self, session: Session, sent: Sent) -> None:
        self.session, self.sent = session, sent
        self.cards = CardOutputs(session)

    def show(self, line: str, cell_id: str | None = None) -> None:
        """Execute ``%card`` in a cell."""
        self.cards.show(parse_card(line.split()), cell_id=cell_id)

    def spin(self) -> Sent:
        """What a spin of train with another parameter sends."""
        self.sent.clear()
        spin_step(self.session, parse_spin("train --set k=10".split()))
        self.cards(ENDED)
        assert self.sent == []
        self.cards.after_cell()
        return list(self.sent)


@pytest.fixture
def outputs(make_session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> Outputs:
    """Outputs whose displays are written down."""
    sent: Sent = []

    def record(kind: str) -> Callable[..., None]:
        def take(bundle: dict[str, str], *, display_id: str, raw: bool, metadata: dict[str, Any]) -> None:
            assert (raw, metadata["flownb"]["card"]) == (True, "train")
            sent.append((kind, display_id, bundle["text/plain"].split("\n")[2]))

        return take

    monkeypatch.setattr(cards, "display", record("display"))
    monkeypatch.setattr(cards, "update_display", record("update"))
    session = make_session(*CELLS)
    run_flow(session, parse_run([]))
    return Outputs(session, sent)


def test_outputs_follow_their_step(outputs: Outputs) -> None:
    """Outputs that show the step's newest card get what they should show now; those of a run are left alone."""
    outputs.show("train", "c1")
    outputs.show("train --index 2", "c1")
    outputs.show("train --from 1", "c1")
    expected = [
        ("display", "flownb-card-c1-train", "m is 2"),
        ("display", "flownb-card-c1-train--2", "m is 6"),
        ("display", "flownb-card-c1-train---1", "m is 2"),
    ]
    assert outputs.sent == expected
    updates = [("update", "flownb-card-c1-train", "m is 10"), ("update", "flownb-card-c1-train--2", "m is 6")]
    assert outputs.spin() == updates
    outputs.sent.clear()
    outputs.cards(TaskEnded("F", "", "load", "", "work", 0, 0, 1, (), "done", "", 1.0))
    outputs.cards.after_cell()
    outputs.cards.after_cell()
    assert outputs.sent == []
    outputs.cards(CardRefreshed("F", "", "train", "", ""))
    assert [kind for kind, _, _ in outputs.sent] == ["update", "update"]


def test_a_cell_that_is_executed_again_has_one_output(outputs: Outputs) -> None:
    """Executing a cell again replaces its output; where no cell is known, each output is one of its own."""
    for _ in range(30):
        outputs.show("train", "c1")
    assert len(outputs.spin()) == 1
    outputs.show("train")
    outputs.show("train")
    assert len({output for _, output, _ in outputs.spin()}) == 3


def test_what_was_not_shown_is_not_refreshed(outputs: Outputs) -> None:
    """A card that could not be shown leaves no output."""
    with pytest.raises(CardNotFound):
        outputs.show("train --id c", "c1")
    assert outputs.spin() == []


def test_each_card_is_drawn_once(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many outputs show the same, it is looked up and drawn once."""
    for cell in ("c1", "c2", "c3"):
        outputs.show("train", cell)
        outputs.show("train --index 1", cell)
    drawn: list[object] = []
    real = cards.card_view

    def counted(session: Session, options: Any) -> Any:
        drawn.append(options)
        return real(session, options)

    monkeypatch.setattr(cards, "card_view", counted)
    assert len(outputs.spin()) == 6
    assert drawn == [parse_card(["train"]), parse_card(["train", "--index", "1"])]


def test_what_cannot_be_shown_any_more_is_left(outputs: Outputs) -> None:
    """A card that its store lost stays as it was displayed, and the others are refreshed."""
    outputs.show("train --index 1", "c1")
    outputs.show("train --index 0", "c1")
    task = outputs.session.results().attempted("train")[1]
    damaged = replace(task.cards[0], content=replace(task.cards[0].content, inline="AAAA"))
    outputs.session.datastore.tasks.write_task(replace(task, attempt=1, cards=(damaged, *task.cards[1:])))
    outputs.session.datastore.tasks._tasks.clear()  # as a session that begins now
    with pytest.raises(CorruptBlob):
        outputs.show("train --index 1", "c1")
    assert outputs.spin() == [("update", "flownb-card-c1-train--0", "m is 10")]


def test_only_the_newest_outputs_are_kept(outputs: Outputs) -> None:
    """A notebook that shows ever more cards leaves no endless list of outputs; what was shown again counts as new."""
    for number in range(DISPLAYS):
        outputs.show("train", f"c{number}")
    outputs.show("train", "c0")
    outputs.show("train", "new")
    kept = [f"flownb-card-c{number}-train" for number in range(2, DISPLAYS)]
    assert [output for _, output, _ in outputs.spin()] == [*kept, "flownb-card-c0-train", "flownb-card-new-train"]


def test_one_update_a_cell(view: View) -> None:
    """In a notebook, a card that was shown again and again in a cell, before a view connected too, is updated once."""
    view.execute(SHARED)
    view.execute(CARD)
    for _ in range(5):
        view.execute("%card a", {"cellId": "3"})
    view.show({"1": SHARED, "2": CARD, "3": "%card a", "4": "%card a"})
    view.run("4")
    view.outputs.clear()
    view.run("2")
    updates = [data["text/plain"] for kind, data, _ in view.outputs if kind == "update_display_data"]
    assert len(updates) == 2
    assert updates[0].startswith("a\n\none")


def test_without_a_view_nothing_is_updated(view: View) -> None:
    """A front end that knows no updates, such as nbclient, is sent none."""
    for code in (SHARED, CARD, "%card a", CARD):
        view.execute(code)
    assert "update_display_data" not in [kind for kind, _, _ in view.outputs]
