"""What a card shows, as plain data: what is stored with a task and what every drawing starts from.

Takes and gives dicts of texts, numbers, lists and bytes. No HTML is stored: an old card gains from a better page, and
nothing that a store holds is ever trusted to be markup.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CardContent", "Plain", "clean", "failure", "flaw"]

# MERGED-DOC cards.shape: The shapes of plain data that a card is stored as and drawn from. Takes what a component
# rendered, or what a store holds; gives what is wrong with it, as a sentence. A type that is not known here passes
# if its data is plain: a later version may have written it, and the drawings say that they do not know it.


SCALARS = (str, bool, int, float, type(None))
# Levels of lists and dicts inside each other; no card is meant that deep, and drawing goes down by calls.
DEPTH = 60
# Bits of a whole number; Python refuses to write a longer one in digits.
LONGEST = 14_000

Check = Callable[[Any], bool]


def flaw(part: object) -> str:
    """What keeps a component's plain data from being stored and drawn; empty if nothing does.

    Examples
    --------
    >>> flaw({"type": "table", "rows": 5})
    'its `rows` is not a list of lists of texts, numbers and components'
    >>> flaw({"type": "table", "rows": [["a", 1]]})
    ''
    """
    if type(part) is not dict:
        return f"it is of type {_name(part)}, not a dict"
    kind = part.get("type")
    if type(kind) is not str:
        return f"its `type` is of type {_name(kind)}, not a text"
    for key, value in part.items():
        if type(key) is not str:
            return "one of its keys is not a text"
        bad = _unplain(value, DEPTH)
        if bad:
            return f"its `{key}` holds {bad}"
    needed, more = SHAPES.get(kind, ({}, {}))
    for key in needed:
        if key not in part:
            return f"it has no `{key}`"
    for key, (meant, check) in (needed | more).items():
        if key in part and not check(part[key]):
            return f"its `{key}` is not {meant}"
    return ""


def _unplain(value: Any, depth: int) -> str:
    """What in a value is no plain data; subclasses count, for reading them back may need the user's own code."""
    kind = type(value)
    if kind is int and value.bit_length() > LONGEST:
        return "a number that is too long to be written"
    if kind in SCALARS or kind is bytes:
        return ""
    if kind not in (dict, list, tuple):
        return f"a value of type {_name(value)}"
    if not depth:
        return f"more than {DEPTH} levels"
    if kind is dict and any(type(key) is not str for key in value):
        return "a dict with a key that is not a text"
    inside = value.values() if kind is dict else value
    return next((bad for one in inside if (bad := _unplain(one, depth - 1))), "")


def _name(value: object) -> str:
    """A type's name, with its module unless it is Python's own."""
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def _is(*kinds: type) -> Check:
    return lambda value: type(value) in kinds


def _all(check: Check) -> Check:
    return lambda value: type(value) in (list, tuple) and all(check(one) for one in value)


def _is_cell(value: Any) -> bool:
    return type(value) in SCALARS or (type(value) is dict and not flaw(value))


def _is_fact(row: Any) -> bool:
    texts = ("name", "kind", "preview")
    return (
        type(row) is dict
        and all(type(row.get(key)) is str for key in texts)
        and type(row.get("size", "")) in (int, type(None))
    )


TEXT = ("a text", _is(str))
BYTES = ("bytes", _is(bytes))
HEADERS = ("a list of texts", _all(_is(*SCALARS)))
ROWS = ("a list of lists of texts, numbers and components", _all(_all(_is_cell)))
FACTS = ("a list of rows with name, kind, size and preview", _all(_is_fact))

Fields = dict[str, tuple[str, Check]]
# What each type must have, and what it may have.
SHAPES: dict[str, tuple[Fields, Fields]] = {
    "markdown": ({"source": TEXT}, {}),
    "table": ({"rows": ROWS}, {"headers": HEADERS, "left_out": TEXT}),
    "image": ({"mime": TEXT, "content": BYTES}, {"label": TEXT}),
    "facts": ({"title": TEXT, "rows": FACTS}, {}),
    "error": ({"headline": TEXT}, {"detail": TEXT}),
    "note": ({"text": TEXT}, {}),
}


Plain = dict[str, Any]
"""One component: its ``type`` and what that type needs, all of it texts, numbers, None, lists, dicts and bytes."""

VERSION = 1


@dataclass(frozen=True)
class CardContent:
    """One card, which can be stored and drawn whatever it was made of: a part that cannot is an error line instead.

    Attributes
    ----------
    type : str
        The card's type, as in ``@card(type=…)``.
    id : str or None
        As in ``@card(id=…)``.
    title : str
        A heading above all, empty for none.
    components : tuple of Plain
        What the step appended, in order.
    sections : tuple of Plain
        What the card's type shows below: parameters and artifacts of the default card.
    """

    type: str = "default"
    id: str | None = None
    title: str = ""
    components: tuple[Plain, ...] = ()
    sections: tuple[Plain, ...] = ()

    def __post_init__(self) -> None:
        for name in ("type", "title"):
            object.__setattr__(self, name, clean(getattr(self, name)))
        object.__setattr__(self, "id", None if self.id is None else clean(self.id))
        for name in ("components", "sections"):
            object.__setattr__(self, name, _sound(getattr(self, name)))

    @property
    def parts(self) -> tuple[Plain, ...]:
        """All it shows, from top to bottom."""
        return (*self.components, *self.sections)

    def to_plain(self) -> Plain:
        """The card as it is stored."""
        return {
            "version": VERSION,
            "type": self.type,
            "id": self.id,
            "title": self.title,
            "components": list(self.components),
            "sections": list(self.sections),
        }

    @classmethod
    def from_plain(cls, raw: object) -> CardContent:
        """Rebuild a stored card; what a later version added is passed over, what is no card is shown as an error."""
        if not isinstance(raw, Mapping):
            return cls(components=(failure("The card cannot be drawn.", "What is stored of it is no card."),))
        return cls(
            raw.get("type", "default"),
            raw.get("id"),
            raw.get("title", ""),
            raw.get("components", ()),
            raw.get("sections", ()),
        )


def _sound(parts: object) -> tuple[Plain, ...]:
    """The parts of a card, each that cannot be drawn replaced by a line that says so."""
    if not isinstance(parts, list | tuple):
        parts = (parts,)
    headline = "A part of this card cannot be drawn."
    return tuple(failure(headline, f"{bad[0].upper()}{bad[1:]}.") if (bad := flaw(one)) else one for one in parts)


def failure(headline: str, detail: str = "") -> Plain:
    """A component that stands for one that cannot be drawn."""
    return {"type": "error", "headline": headline, "detail": detail}


def clean(text: object) -> str:
    """A text that can be encoded and put into a page: no lone surrogates, no NUL; of what has no text, its type."""
    try:
        shown = str(text)
    except Exception:  # a class of the user's may fail to give one
        shown = f"<{type(text).__qualname__}>"
    return shown.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
