"""``current.card`` while a step runs, beside Metaflow's own, and what is stored of it."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import Any

import pytest

from flownb.cards import Markdown
from flownb.cards.content import CardContent
from flownb.errors import CardError, CardNotFound
from flownb.runtime.cards import CardCollector, CardUpdate, collect_cards
from flownb.runtime.current import current
from flownb.session.cards import card_view
from flownb.session.checks import not_applied
from flownb.session.options import CardOptions, parse_card, parse_run, parse_spin
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.states import step_states
from flownb.session.step import run_step
from flownb.store.records import CardRecord, TaskRecord, from_json, to_json
from tests.conftest import MakeSession

Capture = pytest.CaptureFixture[str]
SETTINGS: list[list[dict[str, Any]]] = [
    [{}],
    [{"type": "blank"}],
    [{"id": "a"}],
    [{}, {"id": "a"}],
    [{"id": "a"}, {"id": "b"}],
    [{}, {}],
    [{}, {}, {"id": "a"}],
    [{"id": "a"}, {"id": "a"}],
    [{"id": "a"}, {"id": "a"}, {}],
    [{"id": "a", "customize": True}, {}],
    [{"customize": True}, {"customize": True}],
    [{"id": "a", "customize": "True"}, {"id": "b"}],
    [{"type": "error"}],
    [{"type": "error", "id": "a"}, {"id": "b"}],
    [{"type": "default_json"}, {"type": "blank"}],
]


def theirs(cards: list[dict[str, Any]], said: list[str]) -> Any:
    """Metaflow's collector for the same decorators."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from metaflow.plugins.cards.component_serializer import CardComponentCollector, get_card_class

    collector = CardComponentCollector(lambda message, **_: said.append(message), None)
    for card in cards:
        kind = card.get("type", "default")
        collector._add_card(
            kind,
            card.get("id"),
            {"type": kind},
            {},
            editable=get_card_class(kind).ALLOW_USER_COMPONENTS,
            customize=str(card.get("customize", False)) == "True",
        )
    collector._finalize()
    return collector


@pytest.mark.parametrize("cards", SETTINGS, ids=str)
def test_components_go_where_metaflow_puts_them(cards: list[dict[str, Any]], capsys: Capture) -> None:
    """For every set of ``@card`` lines, each way to add a component reaches the same card, and the same warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from metaflow.cards import Markdown as TheirMarkdown

    said: list[str] = []
    ours, their = CardCollector("s", cards), theirs(cards, said)
    for collector, text in ((ours, Markdown), (their, TheirMarkdown)):
        collector.append(text("1"))
        collector.append(text("2"), id="x")
        collector.extend([text("3"), text("4")])
        for key in ("a", "b", "nobody"):
            for one in (text("5"), text("6")):
                found = collector[key]
                found.append(one)
        collector["b"] = [text("7")]
        collector["a"] = text("8")
        collector["nobody"] = []
        for one in collector.get(type="blank"):
            one.append(text("9"))
        collector.append("no component")
    counts = [
        [[c._text for c in card if hasattr(c, "_text")] for card in found]
        for found in (ours.cards, their._card_component_store.values())
    ]
    assert counts[1] == counts[0]
    # A warning is in the cards of both, too. Replacing a list by hand makes Metaflow forget to warn again.
    shown = [[len(list(card)) for card in found] for found in (ours.cards, their._card_component_store.values())]
    assert shown[1] == shown[0]
    assert len(capsys.readouterr().err.splitlines()) == len(said)


def test_components_have_ids() -> None:
    """A component is found, updated and taken away by its id; one that is there cannot be replaced in its place."""
    card = CardCollector("s", [{}])
    card.append(Markdown("a"), id="one")
    assert card.components is not None
    components = card.components
    components["one"].update("b")
    components["two"] = Markdown("c")
    assert components.keys() == ["one", "two"]
    assert [one.render()["source"] for one in components] == ["b", "c"]
    assert ("one" in components, "three" in components, len(components)) == (True, False, 2)
    with pytest.raises(CardError, match="The card of step s has a component `one` already"):
        components["one"] = Markdown("d")
    with pytest.raises(KeyError, match="has no component 'three'"):
        del components["three"]
    with pytest.raises(TypeError):
        card.append(Markdown("e"), id=5)  # type: ignore[arg-type]  # the mistake
    del components["one"]
    card.clear()
    assert len(components) == 0


def test_one_that_is_not_there_warns_and_shows_nothing(capsys: Capture) -> None:
    """Updating a component that does not exist is a warning, said once; it may be appended later."""
    card = CardCollector("s", [{}])
    assert card.components is not None
    card.components["late"].update("x")
    card.components["late"].update("y")
    assert (capsys.readouterr().err.count("no component `late`"), card.contents()[0].components) == (1, ())
    card.append(Markdown("now"), id="late")
    assert [part["source"] for part in card.contents()[0].components] == ["now"]


def test_a_refresh_is_not_sent_too_often() -> None:
    """A refresh gives all cards as they are, at most every fifth of a second, unless it is forced."""
    seen: list[CardUpdate] = []
    card = CardCollector("s", [{}, {"id": "a"}], seen.append)
    card.append(Markdown("x"))
    card.refresh()
    card.refresh({"data": 1})
    card.refresh(force=True)
    card["a"].refresh()  # type: ignore[union-attr]  # it is there
    assert [one.card for one in seen] == ["", "", "a"]
    assert (seen[0].step, seen[0].contents[0].components[0]["source"]) == ("s", "x")


def test_a_view_that_fails_does_not_fail_the_task(capsys: Capture) -> None:
    """What goes wrong while a refresh is shown is said once."""

    def fail(update: CardUpdate) -> None:
        raise OSError("gone")

    card = CardCollector("s", [{}], fail)
    card.refresh(force=True)
    card.refresh(force=True)
    assert capsys.readouterr().err.splitlines() == ["warning: card of s: It could not be refreshed: OSError: gone"]


def test_a_bad_id_is_a_warning(capsys: Capture) -> None:
    """An id that Metaflow does not take is said and not used."""
    assert [card.id for card in CardCollector("s", [{"id": "a b"}]).cards] == [None]
    assert "The id 'a b' is not made of letters, digits and _" in capsys.readouterr().err


def test_without_a_card_there_is_no_current_card() -> None:
    """``current.card`` is missing like any attribute that is not there, and says what to write."""
    with pytest.raises(CardNotFound, match="It exists while a step runs"):
        current.card  # noqa: B018
    assert not hasattr(current, "card")
    assert collect_cards("s", [("retry", {})], None) is None


CELLS = (
    '%%flow F\nalpha = Parameter("alpha", default=2)\nlimit = 9',
    "%%shared\nfrom flownb import current\nfrom flownb.cards import Markdown, Table",
    "%%step load -> xs, big\nxs = [1, 2]\nbig = 'x' * 5000",
    "%%step train -> m\n@card\nm = len(xs)\ncurrent.card.append(Markdown('# hi'))",
)


def cards(session: Session, step: str) -> list[CardContent]:
    """The stored cards of a step's latest task."""
    task = session.results().attempted(step)[0]
    return [CardContent.from_plain(session.datastore.artifacts.load(card.content)) for card in task.cards]


def test_the_default_card_lists_what_the_task_has(make_session: MakeSession) -> None:
    """Below what was appended are the step's artifacts, inherited ones, parameters and constants."""
    session = make_session(*CELLS)
    run_step(session, "load")
    run_step(session, "train")
    (card,) = cards(session, "train")
    assert [part["title"] for part in card.sections] == ["Artifacts", "Inherited", "Parameters"]
    found = {
        row["name"]: (row["kind"], row["preview"], row["size"] > 0) for part in card.sections for row in part["rows"]
    }
    assert found == {
        "m": ("int", "2", True),
        "big": ("str", "", True),
        "xs": ("list of 2", "[1, 2]", True),
        "alpha": ("int", "2", True),
        "limit": ("int", "9", True),
    }


def test_cards_are_the_same_in_every_run(make_session: MakeSession) -> None:
    """Running the same code again stores the same content, which is then in the store once."""
    session = make_session(*CELLS)
    keys = []
    for _ in range(2):
        run_step(session, "load")
        run_step(session, "train")
        keys.append([card.content.key for card in session.results().latest("train")[0].cards])
    assert keys[0] == keys[1]


def test_several_cards_of_a_step(make_session: MakeSession) -> None:
    """Each ``@card`` line is stored with its type and id, from top to bottom; a blank one has its title alone."""
    session = make_session(
        CELLS[1],
        '%%step a\n@card(type="blank", id="x", options={"title": "T"})\n@card\n@card(type="html", id="own")\n'
        'current.card["x"].append(Table([[1]]))\ncurrent.card["x"].append(Table([[2]]))\n'
        'current.card.append(Markdown("d"))',
    )
    run_step(session, "a")
    found = cards(session, "a")
    assert [(c.type, c.id, c.title) for c in found] == [("blank", "x", "T"), ("default", None, ""), ("html", "own", "")]
    assert [part["rows"] for part in found[0].components] == [[[1]], [[2]]]
    assert found[0].sections == ()
    assert found[2].components[0] == {"type": "note", "text": "A card of type html is drawn by Metaflow only."}


def test_a_failed_attempt_keeps_its_card(make_session: MakeSession) -> None:
    """What was appended before the error is stored with the failed task."""
    session = make_session(CELLS[1], "%%step a\n@card\ncurrent.card.append(Markdown('so far'))\n1 / 0")
    with pytest.raises(ZeroDivisionError):
        run_step(session, "a")
    assert session.results().attempted("a")[0].status == "failed"
    assert [part["source"] for part in cards(session, "a")[0].components] == ["so far"]


def test_a_bad_card_never_fails_the_task(make_session: MakeSession) -> None:
    """A component that cannot be drawn and an artifact that cannot be shown leave the task done."""
    session = make_session(
        CELLS[1] + "\nclass Bad:\n    def __repr__(self):\n        raise SystemError",
        "%%step a -> x\n@card\nx = Bad()\ncurrent.card.append(Table([[1], 2]))",
    )
    run_step(session, "a")
    (card,) = cards(session, "a")
    assert [part["type"] for part in card.components] == ["error"]
    assert (card.sections[0]["rows"][0]["kind"], card.sections[0]["rows"][0]["preview"]) == ("Bad", "")


ODD = """
class Odd(CardComponent):
    def __init__(self, plain):
        self.plain = plain

    def render(self):
        return self.plain
"""
MUTE = """
class Mute:
    def __repr__(self):
        raise ValueError

    __str__ = __repr__"""


@pytest.mark.parametrize(
    ("component", "shown"),
    [
        ("Odd({'type': 'note', 'text': lambda: 1})", "its `text` holds a value of type function"),
        ("Odd({'type': 'table', 'rows': 5})", "its `rows` is not a list of lists of texts, numbers and components"),
        ("Odd(None)", "it is of type NoneType, not a dict"),
        ("Odd({'type': 'later', 'of': Mute()})", "its `of` holds a value of type"),
        ("Mute()", ""),
    ],
)
def test_no_component_fails_its_task(component: str, shown: str, make_session: MakeSession, capsys: Capture) -> None:
    """A component that gives what cannot be stored or drawn is said once; the task is done and the card says it too."""
    session = make_session(
        CELLS[1] + "\nfrom flownb.cards.components import CardComponent" + ODD + MUTE,
        f"%%step a -> x\n@card\nx = 1\ncurrent.card.append({component})",
    )
    run_step(session, "a")
    assert (session.results().attempted("a")[0].status, capsys.readouterr().err.count("warning: ")) == ("done", 1)
    text = card_view(session, CardOptions("a")).bundle()["text/plain"]
    assert f"! Odd: it cannot be drawn. What render() gave is no component: {shown}" in text or not shown
    assert "x  int" in text


def test_a_setting_of_any_kind_is_stored(make_session: MakeSession) -> None:
    """An id that is a member of an enum is stored as its text; an option without a text does not fail the task."""
    session = make_session(
        CELLS[1] + "\nfrom enum import StrEnum\nclass Id(StrEnum):\n    A = 'a'" + MUTE,
        "%%step a\n@card(id=Id.A)\n@card(type='blank', options={'title': Mute()})\n"
        "current.card['a'].append(Markdown('x'))",
    )
    run_step(session, "a")
    first, second = cards(session, "a")
    assert (type(first.id), first.id, first.components[0]["source"]) == (str, "a", "x")
    assert second.title == "<Mute>"


def test_a_stored_card_that_is_damaged_is_drawn(make_session: MakeSession) -> None:
    """A card that an older version or something else left in the store is shown as far as it can be."""
    session = make_session(*CELLS)
    run_step(session, "load")
    run_step(session, "train")
    task = session.results().attempted("train")[0]
    for number, raw in enumerate([5, {"components": [{"type": "table", "rows": 5}, {"type": "note", "text": "n"}]}]):
        content = session.datastore.artifacts.save_plain(raw, name="card")
        record = replace(task, task=f"9{number}", cards=(CardRecord("default", None, content),))
        session.datastore.tasks.write_task(record)
        found = card_view(session, parse_card(["train", "--from", f"{task.run}/train/9{number}"]))
        assert "cannot be drawn" in found.bundle()["text/plain"]
        assert "cannot be drawn" in found.page()


def test_an_artifact_that_cannot_be_read_leaves_the_others(make_session: MakeSession) -> None:
    """An inherited value that does not load is listed without a preview; all others have theirs."""
    session = make_session(
        "%%shared\ndef fail():\n    1 / 0\nclass Broken:\n    def __reduce__(self):\n        return fail, ()",
        "%%step load -> b, xs\nb = Broken()\nxs = [1]",
        "%%step train -> m\n@card\nm = 2",
    )
    run_step(session, "load")
    run_step(session, "train")
    (card,) = cards(session, "train")
    rows = {row["name"]: (row["kind"], row["preview"]) for part in card.sections for row in part["rows"]}
    assert rows == {"m": ("int", "2"), "b": ("Broken", ""), "xs": ("list of 1", "[1]")}


def test_a_step_without_card_says_what_to_write(make_session: MakeSession) -> None:
    """``current.card`` in a step without ``@card`` is an AttributeError, as in Metaflow."""
    session = make_session(
        CELLS[1], "%%step a -> x\nx = hasattr(current, 'card'), current.get('card'), 'card' in current"
    )
    assert run_step(session, "a").values["x"] == (False, None, False)
    session = make_session(CELLS[1], "%%step b\ncurrent.card.append(Markdown('x'))")
    with pytest.raises(CardNotFound) as caught:
        run_step(session, "b")
    assert isinstance(caught.value, AttributeError)
    assert "Write @card on the line below `%%step b`" in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "from flownb.cards import Markdown",
        "from metaflow.cards import Markdown",
        "from flownb import cards\nMarkdown = cards.Markdown",
        "import flownb.cards\nMarkdown = flownb.cards.Markdown",
        "import flownb.cards as c\nMarkdown = c.Markdown",
        "import metaflow.cards\nMarkdown = metaflow.cards.Markdown",
        "from flownb.cards import *",
    ],
)
def test_every_way_to_import_components(line: str, make_session: MakeSession) -> None:
    """Components are found however they are imported, also in a run of the exported text."""
    session = make_session(
        f"%%shared\nfrom flownb import current\n{line}", "%%step a\n@card\ncurrent.card.append(Markdown('x'))"
    )
    run_flow(session, parse_run([]))
    assert [part["source"] for part in cards(session, "a")[0].components] == ["x"]


def test_a_card_is_applied_here_and_leaves_a_step_fresh(make_session: MakeSession) -> None:
    """No note says that @card is not applied, and writing @card above a step that ran does not make it stale."""
    session = make_session("%%step a\npass")
    run_step(session, "a")
    again = make_session("%%step a\n@card\npass")
    assert (step_states(again)["a"].state, not_applied(again.program(False))) == ("fresh", [])


def test_a_spin_collects_its_card_and_records_nothing(make_session: MakeSession) -> None:
    """A spin's card is in its result alone; with --skip-decorators there is none."""
    session = make_session(CELLS[1], "%%step a\n@card\ncurrent.card.append(Markdown('x'))")
    spin_step(session, parse_spin(["a"]))
    assert session.results().attempted("a") == ()
    with pytest.raises(CardNotFound):
        spin_step(session, parse_spin(["a", "--skip-decorators"]))


def test_old_manifests_are_read(make_session: MakeSession) -> None:
    """A task that was recorded before there were cards has none; one with cards comes back equal."""
    session = make_session(*CELLS)
    run_step(session, "load")
    run_step(session, "train")
    record = session.results().latest("train")[0]
    assert from_json(TaskRecord, to_json(record)) == record
    raw = json.loads(to_json(record))
    del raw["cards"]
    assert from_json(TaskRecord, json.dumps(raw)) == replace(record, cards=())
