"""``current.card``: what a step's ``@card`` lines collect while it runs.

It has the meaning of Metaflow's (``metaflow/plugins/cards/component_serializer.py``, 2.19.39: which card is the one to
append to, what is a warning), and at the end gives the cards as plain data. A card never fails its task: a mistake is
reported once and shown in the card.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flownb.cards.component_store import ComponentStore, Missing
from flownb.cards.components import CardComponent, render
from flownb.cards.content import CardContent, Plain, clean, failure
from flownb.cards.default import Fact, default_sections, describe, fact
from flownb.errors import CardNotFound, StoreError
from flownb.runtime.decorators import Recorded
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, CardRecord

__all__ = [
    "CardCollector",
    "CardManager",
    "CardUpdate",
    "OnCard",
    "card_contents",
    "collect_cards",
    "no_card",
    "store_cards",
]

# Metaflow's own types that take no components (`metaflow/plugins/cards/card_modules/basic.py`, 2.19.39).
NOT_EDITABLE = frozenset({"default_json", "error", "taskspec_card"})
ID = re.compile(r"[a-zA-Z0-9_]+\Z")
# A card that is refreshed more often than this many seconds apart is not drawn again.
INTERVAL = 0.2
# Inherited values of up to this many bytes are loaded to be previewed in the default card.
PREVIEWED_BYTES = 1024


@dataclass(frozen=True)
class CardUpdate:
    """The cards of a task that asked for a refresh.

    Attributes
    ----------
    step : str
    card : str
        Id of the card that asked, empty for one without.
    contents : tuple of CardContent
        All cards of the task as they are now.
    """

    step: str
    card: str
    contents: tuple[CardContent, ...]


OnCard = Callable[[CardUpdate], None]


class CardManager:
    """One card of a running task."""

    def __init__(self, type: str, id: str | None, settings: Mapping[str, Any], owner: CardCollector) -> None:  # noqa: A002
        self.type = type
        self.id = id
        self.editable = type not in NOT_EDITABLE
        self.customize = clean(settings.get("customize", False)) == "True"
        options = settings.get("options")
        self.title = clean(options.get("title", "")) if type == "blank" and isinstance(options, Mapping) else ""
        self._owner = owner
        self._refreshed = float("-inf")
        self.set(())

    def set(self, components: Iterable[Any]) -> None:
        """Replace all components."""
        name = f"card `{self.id}`" if self.id else "card"
        self.components = ComponentStore(f"{name} of step {self._owner.step}", self._owner.warn, components)

    def append(self, component: Any, id: str | None = None) -> None:  # noqa: A002  # Metaflow's name
        """Add a component, which `id` names in `components`."""
        self.components.append(component, id=id)

    def extend(self, components: Iterable[Any]) -> None:
        """Add several components."""
        self.components.extend(components)

    def clear(self) -> None:
        """Remove all components."""
        self.components.clear()

    def refresh(self, data: Any = None, force: bool = False) -> None:
        """Show the card as it is now, where it is displayed.

        Parameters
        ----------
        data : object, optional
            Kept for Metaflow, whose own card types may use it.
        force : bool, default False
            Draw it even if it was drawn a moment ago.
        """
        now = time.monotonic()
        if force or now - self._refreshed >= INTERVAL:
            self._refreshed = now
            self._owner.refreshed(self)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.components)

    def content(self, sections: tuple[Plain, ...] = ()) -> CardContent:
        """The card as plain data."""
        parts = tuple(render(component) for component in self.components if not isinstance(component, Missing))
        if self.type == "default":
            return CardContent(self.type, self.id, self.title, parts, sections)
        if self.type == "blank":
            return CardContent(self.type, self.id, self.title, parts)
        note = {"type": "note", "text": f"A card of type {self.type} is drawn by Metaflow only."}
        return CardContent(self.type, self.id, self.title, (note, *parts))


class CardCollector:
    """``current.card``: all cards of a running task.

    `append`, `extend`, `clear`, `refresh` and `components` mean the one card that is default editable: the only one; of
    several the only one without an id, or the only one with ``customize=True``. If there is no such card, they warn
    and do nothing, as in Metaflow. ``current.card[id]`` is the card of that id.

    Parameters
    ----------
    step : str
        For messages.
    cards : sequence of dict
        The settings of the step's ``@card`` lines, from top to bottom.
    on_card : callable, optional
        Called at each refresh.
    """

    def __init__(self, step: str, cards: Sequence[Mapping[str, Any]], on_card: OnCard | None = None) -> None:
        self.step = step
        self._on_card = on_card
        self._said: set[str] = set()
        self.cards = [self._card(settings) for settings in cards]
        self._by_id: dict[str, CardManager] = {}
        self._default: CardManager | None = None
        self._choose()

    def _card(self, settings: Mapping[str, Any]) -> CardManager:
        """One ``@card`` line."""
        name = settings.get("id")
        if name is not None and not (isinstance(name, str) and ID.match(name)):
            shown = describe(name)[1]
            self.warn(f"The id {shown} is not made of letters, digits and _, so current.card cannot find it.")
            name = None
        return CardManager(clean(settings.get("type", "default")), name, settings, self)

    def _choose(self) -> None:
        """Find the default editable card, and the ids that only one card has."""
        editable = [card for card in self.cards if card.editable]
        if not editable:
            return
        self._by_id = {card.id: card for card in self.cards if card.id is not None}
        if len(editable) == 1:
            self._default = editable[0]
            return
        unnamed = [card for card in editable if card.id is None]
        if len(unnamed) == 1:
            self._default = unnamed[0]
        ids = [card.id for card in editable if card.id is not None]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        for name in twice:
            del self._by_id[name]
        if twice:
            self.warn(f"Several @card lines have the id {', '.join(twice)}, so current.card[{twice[0]!r}] finds none.")
        customized = [card for card in editable if card.customize]
        if len(customized) > 1:
            self.warn("Several @card lines say customize=True, so none of them is preferred.")
        elif customized:
            self._default = customized[0]

    # -- the default editable card

    def append(self, component: Any, id: str | None = None) -> None:  # noqa: A002  # Metaflow's name
        """Add a component, which `id` names in `components`."""
        card = self._meant("append", shown=True)
        if card is not None:
            card.append(component, id=id)

    def extend(self, components: Iterable[Any]) -> None:
        """Add several components."""
        card = self._meant("extend", shown=True)
        if card is not None:
            card.extend(components)

    def clear(self) -> None:
        """Remove all components."""
        if self._default is not None:
            self._default.clear()

    def refresh(self, data: Any = None, force: bool = False) -> None:
        """Show the card as it is now, where it is displayed."""
        if self._default is not None:
            self._default.refresh(data, force)

    @property
    def components(self) -> ComponentStore | None:
        """The card's components; None if it is not clear which card is meant."""
        card = self._meant("components", shown=False)
        return card.components if card is not None else None

    # -- a card by its id or type

    def __getitem__(self, key: str) -> CardManager | list[Any]:
        if key in self._by_id:
            return self._by_id[key]
        message = (
            f"There is no card with the id {key!r}, so current.card[{key!r}] is an empty list that is shown nowhere. "
            f"Write @card(id={key!r})."
        )
        self._once(f"[{key}]", message, shown=True)
        return []

    def __setitem__(self, key: str, value: object) -> None:
        if key not in self._by_id:
            self.warn(f"There is no card with the id {key!r}, so nothing is set. Write @card(id={key!r}).")
        elif not isinstance(value, list):
            self.warn(f"current.card[{key!r}] takes a list of components, so nothing is set.")
        else:
            self._by_id[key].set(value)

    def get(self, type: str | None = None) -> list[CardManager]:  # noqa: A002  # Metaflow's name
        """All cards of a type."""
        return [card for card in self.cards if card.type == type]

    # -- what the runtime uses

    def contents(self, sections: tuple[Plain, ...] = ()) -> tuple[CardContent, ...]:
        """All cards as plain data; `sections` come below the components of default ones."""
        return tuple(card.content(sections) for card in self.cards)

    def refreshed(self, card: CardManager) -> None:
        """Report a refresh; an error while it is shown must not fail the task."""
        if self._on_card is None:
            return
        try:
            self._on_card(CardUpdate(self.step, card.id or "", self.contents()))
        except Exception as error:
            self._once("refresh", f"It could not be refreshed: {type(error).__name__}: {clean(error)}", shown=False)

    def warn(self, message: str) -> None:
        """Warn of a mistake in a card; the task continues."""
        print(f"warning: card of {self.step}: {message}", file=sys.stderr)

    def _once(self, key: str, message: str, *, shown: bool) -> None:
        """Warn once for each key, and show it in the cards too."""
        if key in self._said:
            return
        self._said.add(key)
        self.warn(message)
        for card in self.cards if shown else ():
            card.append(_Warning(message))

    def _meant(self, verb: str, *, shown: bool) -> CardManager | None:
        """The default editable card; if there is none, a warning says so."""
        if self._default is None:
            if len(self.cards) == 1:
                what = f"A card of type {self.cards[0].type} takes no components, so current.card.{verb} does nothing."
                what += ' Write @card or @card(type="blank").'
            else:
                what = f"Several cards could be meant, so current.card.{verb} does nothing. "
                what += f"Give each @card an id and write current.card[id].{verb}."
            self._once(verb, what, shown=shown)
        return self._default


class _Warning(CardComponent):
    """A warning, shown in the card as Metaflow does."""

    def __init__(self, message: str) -> None:
        self._message = message

    def render(self) -> Plain:
        """Its plain data."""
        return failure("Warning:", clean(self._message))


def collect_cards(step: str, decorators: Sequence[Recorded], on_card: OnCard | None) -> CardCollector | None:
    """What ``current.card`` is in a step; None if there is no ``@card`` above it."""
    settings = [settings for name, settings in decorators if name == "card"]
    # Decorators are recorded from the def upwards.
    return CardCollector(step, settings[::-1], on_card) if settings else None


def no_card(step: str | None) -> CardNotFound:
    """That ``current.card`` was read where there is none; Metaflow raises an AttributeError too."""
    if step is None:
        return CardNotFound(
            "There is no `current.card` here.", "It exists while a step runs.", "Use it in a step's body, below @card."
        )
    return CardNotFound(
        f"Step {step} has no card to write to.",
        "`current.card` exists only in a step with a @card line.",
        f"Write @card on the line below `%%step {step}` (and leave --skip-decorators out).",
    )


def card_contents(
    collector: CardCollector | None,
    *,
    given: Mapping[str, ArtifactRef],
    here: Sequence[str],
    values: Mapping[str, Any],
    artifacts: Mapping[str, ArtifactRef],
    datastore: Datastore,
) -> tuple[CardContent, ...]:
    """The cards of a task that has ended, with what the default card lists.

    Parameters
    ----------
    collector : CardCollector or None
    given : mapping of str to ArtifactRef
        Parameters and constants.
    here : sequence of str
        Names the step set or changed.
    values : mapping of str to object
        What it held, as live objects.
    artifacts : mapping of str to ArtifactRef
        All it has; a spin that records nothing lacks its own.
    datastore : Datastore
        To look at small inherited values; of large ones, which would have to be loaded, type and size
        are enough.
    """
    if collector is None:
        return ()
    sections: tuple[Plain, ...] = ()
    if any(card.type == "default" for card in collector.cards):

        def rows(names: Iterable[str]) -> list[Fact]:
            return [_row(name, values, artifacts, datastore) for name in names if not name.startswith("_")]

        own = [name for name in here if name not in given]
        rest = sorted(artifacts.keys() - given.keys() - set(own))
        try:
            sections = default_sections(rows(sorted(given)), rows(own), rows(rest))
        except Exception as error:
            collector.warn(f"The artifacts could not be listed: {type(error).__name__}: {clean(error)}")
            sections = (failure("The artifacts could not be listed.", type(error).__name__),)
    return collector.contents(sections)


def _row(name: str, values: Mapping[str, Any], artifacts: Mapping[str, ArtifactRef], datastore: Datastore) -> Fact:
    """What the default card says of one artifact."""
    ref = artifacts.get(name)
    if name in values or ref is None:
        return fact(name, values[name], ref.size if ref else None)
    if ref.size <= PREVIEWED_BYTES:
        with contextlib.suppress(StoreError):  # if one value cannot be read, the others still have their previews
            return fact(name, datastore.artifacts.load(ref, name=name), ref.size)
    return {"name": name, "kind": ref.type.rpartition(".")[2], "size": ref.size, "preview": ""}


def store_cards(contents: Sequence[CardContent], keep: Datastore) -> tuple[CardRecord, ...]:
    """Persist cards and return what a task's record says of them.

    Raises
    ------
    StoreError
        If the store cannot be written; a card's content is never the cause.
    """
    return tuple(
        CardRecord(card.type, card.id, keep.artifacts.save_plain(card.to_plain(), name="card")) for card in contents
    )
