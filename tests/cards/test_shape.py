"""Whether plain data can be stored and drawn, and what a card does with data that cannot."""

from __future__ import annotations

import json
import math
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flownb.cards.bundle import card_bundle
from flownb.cards.components import CardComponent, Table, render
from flownb.cards.content import SHAPES, CardContent, flaw
from flownb.cards.default import default_sections, fact
from flownb.cards.page import card_page


class Text(str):
    """A text whose class only the user's code has."""


def deep(levels: int) -> list[Any]:
    """Lists inside each other."""
    return [deep(levels - 1)] if levels else []


def endless() -> dict[str, Any]:
    """A table in a cell of itself."""
    table: dict[str, Any] = {"type": "table", "rows": [[]]}
    table["rows"][0].append(table)
    return table


BAD = [
    (None, "it is of type NoneType, not a dict"),
    ([], "it is of type list, not a dict"),
    ({}, "its `type` is of type NoneType, not a text"),
    ({"type": "table", "rows": 5}, "its `rows` is not a list of lists of texts, numbers and components"),
    ({"type": "table", "rows": [5]}, "its `rows` is not a list of lists of texts, numbers and components"),
    ({"type": "table", "rows": [[{}]]}, "its `rows` is not a list of lists of texts, numbers and components"),
    ({"type": "table", "rows": [], "left_out": 5}, "its `left_out` is not a text"),
    ({"type": "table"}, "it has no `rows`"),
    ({"type": "markdown", "source": None}, "its `source` is not a text"),
    ({"type": "markdown", "source": Text("x")}, "its `source` holds a value of type tests.cards.test_shape.Text"),
    ({"type": "image", "mime": "image/png", "content": "x"}, "its `content` is not bytes"),
    (
        {"type": "facts", "title": "t", "rows": [{"name": "x"}]},
        "its `rows` is not a list of rows with name, kind, size and preview",
    ),
    ({"type": "note", "text": "x", "more": print}, "its `more` holds a value of type builtin_function_or_method"),
    ({"type": "note", "text": "x", 5: 5}, "one of its keys is not a text"),
    ({"type": "later", "a": {5: 5}}, "its `a` holds a dict with a key that is not a text"),
    ({"type": "later", "a": deep(99)}, "its `a` holds more than 60 levels"),
    ({"type": "table", "rows": [[10**5000]]}, "its `rows` holds a number that is too long to be written"),
    (endless(), "its `rows` holds more than 60 levels"),
]


@pytest.mark.parametrize(("part", "said"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_wrong_is_said(part: Any, said: str) -> None:
    """Data that cannot be stored or drawn is known, and a card that was made of it shows that instead."""
    assert flaw(part) == said
    card = CardContent("default", None, "", (part, {"type": "note", "text": "whole"}))
    assert card.components[0]["detail"] == f"{said[0].upper()}{said[1:]}."
    assert CardContent.from_plain(pickle.loads(pickle.dumps(card.to_plain()))) == card
    shown = card_bundle([card])["text/plain"]
    assert "! A part of this card cannot be drawn." in shown
    assert "whole" in shown


@pytest.mark.parametrize("raw", [None, 5, [], {"components": 5, "sections": None, "title": None, "id": 5, "type": []}])
def test_what_is_stored_is_never_an_error(raw: object) -> None:
    """What a store holds in a card's place is drawn, whatever it is."""
    assert "cannot be drawn" in card_bundle([CardContent.from_plain(raw)])["text/plain"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "later", "a": [1, b"x", (None, 2.5)]},
        {"type": "table", "rows": [("a", True), [math.nan, None, {"type": "note", "text": "x"}]], "headers": ["x", 5]},
        Table([[1, "x", object(), {"k": 1}]], ["a"]).render(),
        *default_sections([fact("x", 1)], [fact("y", "z", 5)], []),
        *default_sections([], [], []),
    ],
)
def test_what_is_well_formed_passes(part: dict[str, Any]) -> None:
    """Data of known shapes passes as it is, and plain data of a type of a later version too."""
    assert flaw(part) == ""
    assert CardContent(components=(part,)).components == (part,)


WORDS = st.sampled_from(["type", "x", *{key for fields in SHAPES.values() for part in fields for key in part}])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*SHAPES, "later"]), st.dictionaries(WORDS, VALUES, max_size=5))
def test_any_data_is_drawn(kind: str, data: dict[str, Any]) -> None:
    """Whatever a component's data is, a card of it is drawn, and the text can be sent."""
    card = CardContent(components=({**data, "type": kind},))
    card_page([card, card])
    json.dumps(card_bundle([card, card]), ensure_ascii=False).encode()


class Odd(CardComponent):
    """Renders what it was given."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain

    def render(self) -> Any:
        """What it was given, or the error it was given."""
        if isinstance(self.plain, BaseException):
            raise self.plain
        return self.plain


def test_a_component_of_the_users_own_that_gives_something_else() -> None:
    """A class whose render() gives what cannot be stored shows an error line, also in a table; it is said once."""
    said: list[str] = []
    odd = Odd({"type": "table", "rows": 5})
    odd._warn = said.append
    why = "What render() gave is no component: its `rows` is not a list of lists of texts, numbers and components."
    expected = {"type": "error", "headline": "Odd: it cannot be drawn.", "detail": why}
    assert [render(odd), render(odd)] == [expected, expected]
    assert said == [f"Odd cannot be drawn, so the card says this in its place: {why}"]
    assert Table([[odd, 1]]).render()["rows"] == [[expected, 1]]
    assert render(Odd(SystemExit(3)))["detail"] == "SystemExit: 3"
    with pytest.raises(KeyboardInterrupt):
        render(Odd(KeyboardInterrupt()))
