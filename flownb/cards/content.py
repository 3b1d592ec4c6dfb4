"""What a card shows, as plain data: what is stored with a task and what every drawing starts from.

Takes and gives dicts of texts, numbers, lists and bytes. No HTML is stored: an old card gains from a better page, and
nothing that a store holds is ever trusted to be markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flownb.cards.shape import flaw

__all__ = ["CardContent", "Plain", "clean", "failure"]

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
