"""Cards read through the client."""

from __future__ import annotations

import pytest

import flownb
from flownb.client import Flow, Task, get_cards
from flownb.errors import CardNotFound, InvalidPathspec
from flownb.session.options import parse_run
from flownb.session.run import run_flow
from tests.conftest import MakeSession


@pytest.fixture
def task(make_session: MakeSession) -> Task:
    """A task with two cards."""
    session = make_session(
        "%%shared\nfrom flownb import current\nfrom flownb.cards import Markdown",
        "%%step a\n@card(id='x')\n@card(type='blank', id='y')\ncurrent.card['x'].append(Markdown('*hello* <b>'))",
        "%%step b\npass",
    )
    run_flow(session, parse_run([]))
    run = Flow("NotebookFlow", datastore=session.datastore).latest_run
    assert run is not None
    found = run["a"].task
    assert found is not None
    return found


def test_a_task_has_cards(task: Task) -> None:
    """Cards come from top to bottom with type, id and a page of HTML; equal cards have equal hashes."""
    cards = get_cards(task)
    assert [(card.type, card.id) for card in cards] == [("default", "x"), ("blank", "y")]
    assert (len(cards), cards[1].id, len(cards[0].hash)) == (2, "y", 64)
    assert "<p><em>hello</em> &lt;b&gt;</p>" in cards[0].get()
    assert cards[0].get().startswith("<!DOCTYPE html>")
    assert cards[0]._repr_html_().startswith("<iframe sandbox=")
    assert cards._repr_html_() == cards[0]._repr_html_() + cards[1]._repr_html_()
    assert "*hello* <b>" in cards[0]._repr_mimebundle_()["text/plain"]
    assert repr(cards) == "<2 cards: x, y>"
    assert flownb.get_cards is get_cards  # type: ignore[attr-defined]  # imported when first used


def test_cards_are_chosen(task: Task) -> None:
    """By id, by type, or by a pathspec's task."""
    assert [card.id for card in get_cards(task, id="y")] == ["y"]
    assert [card.id for card in get_cards(task, type="default")] == ["x"]


def test_cards_that_are_not_there(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for a missing card lists those that exist; a task without any has an empty list."""
    with pytest.raises(CardNotFound, match=r"has no card with the id `z`\. Its cards are `x`, `y`"):
        get_cards(task, id="z")
    monkeypatch.setenv("FLOWNB_DATASTORE", str(task._datastore.location))
    flow = task.pathspec.split("/")[0]
    start = f"{flow}/1/start/1"
    assert list(Task(start).cards) == []
    with pytest.raises(CardNotFound, match="Its step had no @card when it ran"):
        get_cards(start)
    with pytest.raises(InvalidPathspec):
        get_cards("F/1")
    with pytest.raises(TypeError):
        get_cards(5)  # type: ignore[arg-type]  # the mistake


def test_get_cards_is_where_metaflow_has_it(task: Task) -> None:
    """``from metaflow.cards import get_cards`` in flow code is ours."""
    from flownb.cards import get_cards as found

    assert get_cards is found
