"""Which card of a step is newest."""

from __future__ import annotations

import pytest

from flownb.errors import CardNotFound, FlownbError, NotFound, ParameterError
from flownb.runtime.cards import CardUpdate
from flownb.runtime.events import CardRefreshed, TaskEnded
from flownb.runtime.task import TaskSpec
from flownb.session.cards import CardView, card_hook, card_view
from flownb.session.options import parse_card, parse_run, parse_spin
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.step import run_step
from flownb.store.records import ForeachFrame
from tests.conftest import MakeSession

CELLS = (
    '%%flow F\nalpha = Parameter("alpha", default=2)',
    "%%shared\nfrom flownb import current\nfrom flownb.cards import Markdown",
    "%%step load -> xs\nxs = [1, 2, 3]",
    "%%step train --foreach xs -> m\n@card\n@card(type='blank', id='b')\nm = self.input * alpha\n"
    "current.card['b'].append(Markdown(f'm is {m}'))",
    "%%step pick --join -> best\nbest = max(one.m for one in inputs)",
)


def view(session: Session, words: str) -> CardView:
    """What ``card`` shows for an option line."""
    return card_view(session, parse_card(words.split()))


def source(found: CardView) -> str:
    """The text of the blank card."""
    return str(next(card for card in found.cards if card.id == "b").components[0]["source"])


@pytest.fixture
def session(make_session: MakeSession) -> Session:
    """A flow with cards that ran once as a whole."""
    session = make_session(*CELLS)
    run_flow(session, parse_run([]))
    return session


def test_the_newest_card_is_shown(session: Session) -> None:
    """Recorded and spun cards count by when they were made; a spun one is said to be one."""
    assert (
        source(view(session, "train")),
        view(session, "train").note,
    ) == ("m is 2", "item 0 of 3; --index picks another")
    spin_step(session, parse_spin("train --index 1 --set alpha=10".split()))
    found = view(session, "train")
    assert (source(found), found.note) == ("m is 20", "item 1 of 3; --index picks another, spin, not recorded")
    assert found.metadata == {"flownb": {"card": "train"}}
    run_step(session, "load")
    run_step(session, "train")
    assert source(view(session, "train")) == "m is 2"


def test_an_item_an_id_and_a_run(session: Session) -> None:
    """--index, --id and --from choose; a spun card of another item does not hide a recorded one."""
    spin_step(session, parse_spin("train --index 1 --set alpha=10".split()))
    assert source(view(session, "train --index 2")) == "m is 6"
    assert view(session, "train --index 2").note == "item 2 of 3"
    assert source(view(session, "train --index 1")) == "m is 20"
    assert source(view(session, "train --index 1 --from 1")) == "m is 4"
    assert [card.id for card in view(session, "train --id b").cards] == ["b"]
    task = session.results().latest("train")[2]
    assert source(view(session, f"train --from {task.pathspec}")) == "m is 6"
    assert view(session, f"train --from {task.pathspec}").metadata["flownb"]["task"] == task.pathspec


def test_a_spin_that_failed_shows_what_it_had(make_session: MakeSession) -> None:
    """A failed spin's card is the newest too, and says that it failed."""
    session = make_session(CELLS[1], "%%step a\n@card\ncurrent.card.append(Markdown('so far'))\n1 / 0")
    with pytest.raises(ZeroDivisionError):
        spin_step(session, parse_spin(["a"]))
    assert view(session, "a").note == "spin, not recorded, failed"
    with pytest.raises(ZeroDivisionError):
        run_step(session, "a")
    assert view(session, "a").note == "failed"


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        ("trian", NotFound, "There is no step `trian`. Did you mean `train`?"),
        (
            "pick",
            CardNotFound,
            "Step pick has no card. There is no @card above its body. Write @card on the line below",
        ),
        (
            "train --id c",
            CardNotFound,
            "Step train has no card with the id `c`. The ids of its cards are b.",
        ),
        ("train --index 3", CardNotFound, "Step train has no item 3. Its foreach has items 0 to 2."),
        ("pick --index 3", CardNotFound, "Step pick has no item 3. It is not inside a foreach. Leave --index out."),
        ("train --from 9", NotFound, "Run F/9 does not exist."),
        ("train --from 1/load", NotFound, "`--from 1/load` names step load, not train."),
        ("train --from 1/train/99", NotFound, "There is no finished task F/1/train/99."),
        ("", ParameterError, "card is given no step."),
        ("a b", ParameterError, "`b` is one step too many."),
        ("a --idd x", ParameterError, "`--idd` is not an option of card. Did you mean `--id`?"),
        ("a --index x", ParameterError, "`--index x` is not accepted."),
        ("a --id", ParameterError, "`--id` has no value."),
    ],
)
def test_what_cannot_be_shown(session: Session, words: str, kind: type[FlownbError], message: str) -> None:
    """The error for a missing card says which cards exist and what to do."""
    with pytest.raises(kind) as caught:
        view(session, words)
    assert str(caught.value).startswith(message)


def test_a_step_that_never_ran_or_ran_before_its_card(make_session: MakeSession) -> None:
    """A step that never ran says so, and one that ran without @card too."""
    session = make_session("%%step a\npass")
    with pytest.raises(CardNotFound, match=r"Step a has no card yet. It never ran to an end. Run its cell, `%spin a`"):
        view(session, "a")
    run_step(session, "a")
    with pytest.raises(CardNotFound, match="It last ran without @card"):
        view(make_session("%%step a\n@card\npass"), "a")


def test_a_running_card_is_shown_until_its_task_ends(session: Session) -> None:
    """A refresh is an event and is shown at once; when the task has ended, what was recorded counts."""
    seen: list[object] = []
    session.events.subscribe(seen.append)
    card = view(session, "train").cards[0]
    spec = TaskSpec("train", "7", "3", frames=(ForeachFrame("load", "xs", 3, 0),))
    card_hook(session.cards, session.events.emit, "F", spec)(CardUpdate("train", "b", (card,)))
    assert seen == [CardRefreshed("F", "7", "train", "3", "b")]
    assert view(session, "train").note == "item 0 of 3; --index picks another, running"
    assert view(session, "train --index 2").note == "item 2 of 3"
    session.events.emit(TaskEnded("F", "7", "train", "3", "run", 0, 0, 3, (), "done", "", 1.0))
    assert view(session, "train").note == "item 0 of 3; --index picks another"


def test_a_spin_reports_its_refreshes(make_session: MakeSession) -> None:
    """current.card.refresh() in a spun step becomes an event, with the card as it is then on the shelf."""
    session = make_session(
        CELLS[1], "%%step a\n@card\ncurrent.card.append(Markdown('1'))\ncurrent.card.refresh()\ncurrent.card.clear()"
    )
    shown: list[str] = []

    def look(event: object) -> None:
        if isinstance(event, CardRefreshed):
            shown.append(view(session, "a").bundle()["text/plain"])

    session.events.subscribe(look)
    spin_step(session, parse_spin(["a"]))
    assert shown == ["a (running)\n\n1"]
    assert view(session, "a").bundle()["text/plain"].startswith("a (spin, not recorded)\n\nThis step has no artifacts.")
