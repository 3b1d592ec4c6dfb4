"""The cards of a notebook's steps, to be shown: ``%card`` and ``flownb card``.

The newest one counts: recorded cards are in the datastore, those of spins and of tasks that run in the `CardShelf`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flownb.cards.content import CardContent
from flownb.errors import CardNotFound, NotFound, nearest
from flownb.pathspec import parse_origin
from flownb.runtime.cards import CardUpdate, OnCard
from flownb.runtime.events import CardRefreshed, Event
from flownb.runtime.task import TaskSpec
from flownb.session.latest import LatestResults, no_task
from flownb.session.options import CardOptions
from flownb.session.report import RUNNING, CardShelf
from flownb.session.session import Session
from flownb.store.records import ForeachFrame, TaskRecord

__all__ = ["CardView", "card_hook", "card_view"]


@dataclass(frozen=True)
class CardView:
    """A step's cards, to be shown.

    Attributes
    ----------
    step : str
    cards : tuple of CardContent
    note : str
        What should be known of them, such as ``spin, not recorded``; the same in every run.
    facts : dict
        Pathspec and time, for the output's metadata.
    """

    step: str
    cards: tuple[CardContent, ...]
    note: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def bundle(self) -> dict[str, str]:
        """``text/html`` and ``text/plain``."""
        from flownb.cards.bundle import card_bundle

        return card_bundle(self.cards, heading=self.step, note=self.note)

    def page(self) -> str:
        """A whole HTML page."""
        from flownb.cards.page import card_page

        return card_page(self.cards, heading=self.step, note=self.note)

    @property
    def metadata(self) -> dict[str, Any]:
        """The output's metadata."""
        return {"flownb": {"card": self.step, **self.facts}}


def card_hook(shelf: CardShelf, emit: Callable[[Event], None], flow: str, spec: TaskSpec) -> OnCard:
    """What to pass to `run_task` as ``on_card``: keeps a refreshed card, and notifies the views."""

    def refreshed(update: CardUpdate) -> None:
        shelf.keep_running(update, spec.frames)
        emit(CardRefreshed(flow, spec.run, spec.step, spec.task, update.card))

    return refreshed


def card_view(session: Session, options: CardOptions) -> CardView:
    """The cards of a step: the newest, of recorded and spun ones, or those of a run.

    Raises
    ------
    NotFound
        If there is no such step, or no such run or task.
    CardNotFound
        If it never ran, has no card, or none of that id or index.
    """
    step = session.step(options.step)
    kept = session.cards.kept(options.step, options.index) if options.origin is None else None
    running = kept is not None and kept.at == RUNNING  # refreshed often, so the datastore is left alone
    tasks = () if running else _recorded(session, options)
    if kept is not None and kept.at > max((task.finished for task in tasks), default=0.0):
        notes = [*_item(kept.frames, options), kept.note]
        return CardView(step.name, _by_id(kept.cards, options), ", ".join(notes))
    if not tasks:
        raise CardNotFound(
            f"Step {step.name} has no card yet.",
            "It never ran to an end." if options.origin is None else f"It has no results in {options.origin}.",
            f"Run its cell, `%spin {step.name}` or `%flow run`.",
        )
    task = _at_index(tasks, options)
    if not task.cards:
        raise _no_card(session, options.step)
    from flownb.client import Card

    contents = tuple(Card(one, task, session.datastore).content for one in task.cards)
    notes = _item(task.foreach, options) + ([task.status] if task.status != "done" else [])
    facts = {"task": task.pathspec, "finished": datetime.fromtimestamp(task.finished, UTC).isoformat()}
    return CardView(step.name, _by_id(contents, options), ", ".join(notes), facts)


def _recorded(session: Session, options: CardOptions) -> tuple[TaskRecord, ...]:
    """The step's tasks that are asked for, in foreach order."""
    if options.origin is None:
        return session.results().attempted(options.step)
    flow = session.flow.name
    origin = parse_origin(options.origin, flow)
    session.datastore.runs.run(flow, origin.run)  # says so if there is no such run
    if origin.step is not None and origin.step != options.step:
        raise NotFound(
            f"`--from {options.origin}` names step {origin.step}, not {options.step}.",
            "A card is shown from the step's own task.",
            f"Write --from {origin.run}, or --from {origin.run}/{options.step}.",
        )
    if origin.task is None:
        return LatestResults(session.datastore, flow, only=origin.run).attempted(options.step)
    record = session.datastore.tasks.last_attempt(flow, origin.run, options.step, origin.task)
    if record is None:
        raise no_task(session.datastore, flow, origin.run, options.step, origin.task)
    return (record,)


def _at_index(tasks: Sequence[TaskRecord], options: CardOptions) -> TaskRecord:
    """The task of the item that is asked for; else the first."""
    if options.index is None:
        return tasks[0]
    indexes = [task.foreach[-1].index for task in tasks if task.foreach]
    if options.index not in indexes:
        why = f"Its foreach has items 0 to {max(indexes)}." if indexes else "It is not inside a foreach."
        fix = "Give another --index." if indexes else "Leave --index out."
        raise CardNotFound(f"Step {options.step} has no item {options.index}.", why, fix)
    return next(task for task in tasks if task.foreach and task.foreach[-1].index == options.index)


def _item(frames: Sequence[ForeachFrame], options: CardOptions) -> list[str]:
    """Which item of a foreach a card is of."""
    if not frames:
        return []
    more = "" if options.index is not None or frames[-1].num_splits == 1 else "; --index picks another"
    return [f"item {frames[-1].index} of {frames[-1].num_splits}{more}"]


def _by_id(cards: tuple[CardContent, ...], options: CardOptions) -> tuple[CardContent, ...]:
    """The cards of the id that is asked for; else all."""
    if options.id is None:
        return cards
    found = tuple(card for card in cards if card.id == options.id)
    if not found:
        ids = [card.id for card in cards if card.id is not None]
        raise CardNotFound(
            f"Step {options.step} has no card with the id `{options.id}`.{nearest(options.id, ids)}",
            f"The ids of its cards are {', '.join(ids)}." if ids else "None of its cards has an id.",
            "Correct it." if ids else "Leave --id out, or write @card(id=…).",
        )
    return found


def _no_card(session: Session, name: str) -> CardNotFound:
    """The error that a step ran without a card."""
    if any(decorator.name == "card" for decorator in session.program(False).decorators(name)):
        return CardNotFound(
            f"Step {name} has no card yet.", "It last ran without @card.", f"Run its cell again, or `%spin {name}`."
        )
    return CardNotFound(
        f"Step {name} has no card.",
        "There is no @card above its body.",
        f"Write @card on the line below `%%step {name}`, and run the cell again.",
    )
