"""The components of one card, in order, each by its id: what ``current.card.components`` is.

It means the same as Metaflow's ``ComponentStore`` (``metaflow/plugins/cards/component_serializer.py``, 2.19.39).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from flownb.cards.components import CardComponent, is_component
from flownb.cards.default import describe
from flownb.errors import CardError

__all__ = ["ComponentStore", "Missing"]

# For the ids of components that get none from the user; no card shows them.
NUMBERS = itertools.count()


class ComponentStore:
    """The components of one card, in order, each by its id."""

    def __init__(self, card: str, warn: Callable[[str], None], components: Iterable[Any] = ()) -> None:
        self._card = card
        self._warn = warn
        self._found: dict[str, Any] = {}
        self.extend(components)

    def append(self, component: Any, id: str | None = None) -> None:  # noqa: A002  # Metaflow's name
        """Add a component under `id`; a component that has this id is replaced."""
        if not is_component(component):
            kind, preview = describe(component)
            self._warn(
                f"{preview[:80] or f'A value of type {kind}'} is not a card component, so it is left out. "
                "Append Markdown(text), Table(rows) or Image(bytes)."
            )
            return
        if id is not None and not isinstance(id, str):
            raise TypeError("Component ID must be a string")
        name = id or component.component_id
        if name is None:
            name = f"{type(component).__name__.lower()}_{next(NUMBERS)}"
        component.component_id = name
        if isinstance(component, CardComponent):
            component._warn = self._warn
        self._found[name] = component

    def extend(self, components: Iterable[Any]) -> None:
        """Add several components."""
        for component in components:
            self.append(component)

    def clear(self) -> None:
        """Remove all components."""
        self._found.clear()

    def keys(self) -> list[str]:
        """Ids of the components, in order."""
        return list(self._found)

    def values(self) -> Sequence[Any]:
        """The components, in order."""
        return list(self._found.values())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values())

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, key: object) -> bool:
        return key in self._found

    def __getitem__(self, key: str) -> Any:
        if key not in self._found:
            self.append(Missing(key), id=key)
        return self._found[key]

    def __setitem__(self, key: str, component: Any) -> None:
        if key in self._found:
            raise CardError(
                f"The {self._card} has a component `{key}` already.",
                "A component of a card cannot be replaced by another one.",
                f"Change it with components[{key!r}].update(...), or call clear() first.",
            )
        self.append(component, id=key)

    def __delitem__(self, key: str) -> None:
        if key not in self._found:
            raise KeyError(f"The {self._card} has no component {key!r}. It has {', '.join(self.keys()) or 'none'}.")
        del self._found[key]

    def __repr__(self) -> str:
        return f"<components of the {self._card}: {', '.join(self.keys())}>"


class Missing(CardComponent):
    """What an unknown id gives instead of a component; like Metaflow, a card shows nothing of it."""

    def __init__(self, key: str) -> None:
        self._key = key

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Warn that there is nothing to update."""
        self._say(
            f"There is no component `{self._key}`, so nothing is updated. Append one with id={self._key!r} first."
        )
