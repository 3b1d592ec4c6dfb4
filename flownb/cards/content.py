"""What a card shows, as plain data: what is stored with a task and what every drawing starts from.

Takes and gives dicts of texts, numbers, lists and bytes. No HTML is stored: an old card gains from a better page, and
nothing that a store holds is ever trusted to be markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CardContent", "Plain", "clean", "failure"]

Plain = dict[str, Any]
"""One component: its ``type`` and what that type needs, all of it texts, numbers, None, lists, dicts and bytes."""

VERSION = 1


@dataclass(frozen=True)
class CardContent:
    """One card.

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
    def from_plain(cls, raw: Mapping[str, Any]) -> CardContent:
        """Rebuild a stored card; what a later version added is passed over."""
        return cls(
            str(raw.get("type", "default")),
            raw.get("id"),
            str(raw.get("title", "")),
            tuple(raw.get("components", ())),
            tuple(raw.get("sections", ())),
        )


def failure(headline: str, detail: str = "") -> Plain:
    """A component that stands for one that cannot be drawn."""
    return {"type": "error", "headline": headline, "detail": detail}


def clean(text: object) -> str:
    """A text that can be encoded and put into a page: no lone surrogates, no NUL."""
    return str(text).encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
