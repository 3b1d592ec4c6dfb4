"""The cards of recorded tasks.

Takes a task or its pathspec; gives its cards, drawn as HTML when they are asked for. Names and meaning are those of
Metaflow's card client (``metaflow/plugins/cards/card_client.py``, 2.19.39).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flownb.cards.content import CardContent
from flownb.errors import CardNotFound
from flownb.store.datastore import Datastore
from flownb.store.records import CardRecord, TaskRecord

if TYPE_CHECKING:
    from flownb.client.task import Task

__all__ = ["Card", "CardContainer", "get_cards"]


class Card:
    """One card of a task.

    Attributes
    ----------
    type : str
        As in ``@card(type=…)``.
    id : str or None
        As in ``@card(id=…)``.
    hash : str
        Key of its content; equal cards have equal keys.
    """

    def __init__(self, record: CardRecord, task: TaskRecord, datastore: Datastore) -> None:
        self.type = record.type
        self.id = record.id
        self.hash = record.content.key
        self._record, self._task, self._datastore = record, task, datastore

    def __repr__(self) -> str:
        return f"<Card of {self._task.pathspec}: {self.id or self.type}>"

    @property
    def content(self) -> CardContent:
        """What it shows, as plain data."""
        ref = self._record.content
        fix = f"Run step {self._task.step} again: its new card can be shown."
        plain = self._datastore.load_plain(ref, name="card", where=self._task.pathspec, fix=fix)
        return CardContent.from_plain(plain)

    def get(self) -> str:
        """The card as one self-contained HTML page.

        Raises
        ------
        CorruptBlob
            If its content is missing or damaged.
        """
        from flownb.cards.page import card_page

        return card_page([self.content], heading=self._task.step)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from flownb.cards.frame import card_bundle

        return card_bundle([self.content], heading=self._task.step)

    def _repr_html_(self) -> str:
        return self._repr_mimebundle_()["text/html"]


class CardContainer(Sequence[Card]):
    """A task's cards, from the top ``@card`` line to the bottom one; a notebook shows them all."""

    def __init__(self, cards: Sequence[Card]) -> None:
        self._cards = list(cards)

    def __len__(self) -> int:
        return len(self._cards)

    def __iter__(self) -> Iterator[Card]:
        return iter(self._cards)

    def __getitem__(self, index: int) -> Card:  # type: ignore[override]  # as in Metaflow, slices are not taken
        return self._cards[index]

    def __repr__(self) -> str:
        return f"<{len(self)} cards: {', '.join(card.id or card.type for card in self)}>"

    def _repr_html_(self) -> str:
        return "".join(card._repr_html_() for card in self)


def get_cards(
    task: str | Task,
    id: str | None = None,  # noqa: A002  # Metaflow's name
    type: str | None = None,  # noqa: A002  # Metaflow's name
    follow_resumed: bool = True,
) -> CardContainer:
    """The cards of a task.

    Parameters
    ----------
    task : str or Task
        ``Flow/run/step/task``, or the task itself.
    id, type : str, optional
        Only cards of this id, of this type.
    follow_resumed : bool, default True
        Kept for Metaflow.

    Raises
    ------
    NotFound
        If there is no such task.
    CardNotFound
        If it has no card, or none of that id or type.
    """
    from flownb.client.task import Task

    if isinstance(task, str):
        task = Task(task)
    elif not isinstance(task, Task):
        raise TypeError(f"get_cards takes a task or its pathspec, not {task!r}")
    every = list(task.cards)
    found = [card for card in every if id in (None, card.id) and type in (None, card.type)]
    if not found:
        asked = [f"the id `{id}`"] if id is not None else []
        asked += [f"the type `{type}`"] if type is not None else []
        listed = ", ".join(f"`{card.id or card.type}`" for card in every)
        raise CardNotFound(
            f"Task {task.pathspec} has no card" + (f" with {' and '.join(asked)}." if asked else "."),
            f"Its cards are {listed}." if every else "No @card stood above its step when it ran.",
            "Correct it, or leave it out." if every else "Write @card above the step's body and run it again.",
        )
    return CardContainer(found)
