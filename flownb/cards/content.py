"""What a card shows, as plain data: it is stored with a task, and pages and texts are made of it.

Plain data is dicts of strings, numbers, lists and bytes. No HTML is stored: an old card benefits from a better page,
and nothing from a datastore is ever trusted to be markup. `flaw` says what is wrong with data. A component type that is
not known here passes if its data is plain: a later version may have written it, and pages and texts say that they do
not know it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CardContent", "Plain", "clean", "failure", "flaw"]

SCALARS = (str, bool, int, float, type(None))
# Levels of nested lists and dicts; no real card is that deep, and drawing is recursive.
DEPTH = 60
# Bits of an integer; Python refuses to write a longer one in digits.
LONGEST = 14_000

Check = Callable[[Any], bool]


def flaw(part: object) -> str:
    """Say why a component's data cannot be stored and drawn; empty if it can.

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
    """What in a value is not plain data; an instance of a subclass is not, as reading it may need the user's code."""
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
    """One card. It can always be stored and drawn: an error line replaces a part that cannot.

    Attributes
    ----------
    type : str
        The card's type, as in ``@card(type=…)``.
    id : str or None
        As in ``@card(id=…)``.
    title : str
        A heading above everything; empty if there is none.
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
        """Everything it shows, from top to bottom."""
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
        """Rebuild a stored card; additions of a later version are ignored, data that is not a card is an error line."""
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
    """The parts of a card, with an error line in place of each part that cannot be drawn."""
    if not isinstance(parts, list | tuple):
        parts = (parts,)
    headline = "A part of this card cannot be drawn."
    return tuple(failure(headline, f"{bad[0].upper()}{bad[1:]}.") if (bad := flaw(one)) else one for one in parts)


def failure(headline: str, detail: str = "") -> Plain:
    """The component that is shown in place of one that cannot be drawn."""
    return {"type": "error", "headline": headline, "detail": detail}


def clean(text: object) -> str:
    """A text that can be encoded and put into a page, without lone surrogates and NUL; a type if `str` fails."""
    try:
        shown = str(text)
    except Exception:  # a class of the user's may fail to give one
        shown = f"<{type(text).__qualname__}>"
    return shown.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
