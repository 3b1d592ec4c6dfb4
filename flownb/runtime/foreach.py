"""The items of a foreach: how many there are, each of them, and keys that distinguish them by content.

A value that has no items, or in which a task would not find its own item again, is refused with the reason. Keys are
computed only when two lists differ and an item is asked for.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from typing import Any, NamedTuple

from flownb.errors import ForeachError
from flownb.store.datastore import Datastore
from flownb.store.encoding import encode
from flownb.store.hashing import hash_parts, part_size
from flownb.store.records import ArtifactRef, ForeachFrame

__all__ = ["UNORDERED", "ItemKeys", "count_items", "item_at", "item_keys"]


# Types, by name, whose order differs from process to process.
UNORDERED = frozenset({"set", "frozenset"})
_NOTHING = object()
Refs = Mapping[str, ArtifactRef]


def count_items(items: Any, *, var: str, step: str) -> int:
    """Count the items of a foreach artifact.

    Parameters
    ----------
    items : object
        The artifact's value: a list, or anything that can be iterated more than once with the same items by
        position.
    var, step : str
        The artifact's name and the step that starts the foreach, for messages.

    Raises
    ------
    ForeachError
        If it cannot be iterated, has no items, or its tasks could not find their items: on Metaflow each task looks its
        own up as ``items[position]``, or, where that raises a TypeError, iterates up to it
        (``FlowSpec._find_input``, 2.19.39).
    """
    refusal = _without_positions(items, var)
    count = 0
    if refusal is None:
        try:
            count = sum(1 for _ in items)
        except TypeError:
            refusal = _Refusal(_kind(items), "It cannot be iterated.", "Make it a list.")
        else:
            refusal = _lost_item(items, count, var) if count else _EMPTY
    if refusal is None:
        return count
    raise ForeachError(f"Step {step} starts a foreach over `{var}`, {refusal.what}.", refusal.why, refusal.fix)


class _Refusal(NamedTuple):
    """The error of a value that no foreach can run over: what it is, why, and what to do."""

    what: str
    why: str
    fix: str


_EMPTY = _Refusal(
    "which is empty",
    "Metaflow needs at least one item.",
    "Give it an item, or use a switch (`--when`) to go round the foreach.",
)


def _without_positions(items: Any, var: str) -> _Refusal | None:
    """Why the items of a value cannot be found by position, where its type shows that."""
    kind = type(items).__name__
    if isinstance(items, set | frozenset):
        return _Refusal(
            _kind(items),
            "Each task would iterate it in an order of its own, so items would be repeated and lost.",
            f"Make it a list: sorted({var}).",
        )
    if isinstance(items, KeysView | ValuesView | ItemsView) or type(items) is memoryview:
        return _Refusal(_kind(items), "It cannot be pickled, so no task would get it.", f"Make it a list: list({var}).")
    if isinstance(items, Iterator) and type(items).__module__ in ("builtins", "itertools"):  # it may have no end
        return _used_up(items, var)
    library = type(items).__module__.partition(".")[0]
    if library == "polars" and hasattr(items, "to_dicts"):
        return _Refusal(
            f"a polars {kind}",
            "Iterating it gives columns, and its positions are rows.",
            f"Make it a list: {var}.to_dicts() for rows, {var}.get_columns() for columns.",
        )
    if library in ("pandas", "polars") and kind.endswith("GroupBy"):
        return _Refusal(
            _kind(items),
            "Its positions name columns, not groups.",
            f"Make it a list: list({var}) has the key and the rows of each group.",
        )
    return None


def _kind(items: Any) -> str:
    """A value's type, with its article."""
    name = type(items).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _used_up(items: Any, var: str) -> _Refusal:
    """Say that a value can be iterated only once."""
    return _Refusal(
        _kind(items),
        "It can be iterated only once, so the tasks would find it empty.",
        f"Make it a list: {var} = list({var}).",
    )


def _lost_item(items: Any, count: int, var: str) -> _Refusal | None:
    """Why a task would not find its item; None if all would."""
    if isinstance(items, Mapping):
        if all(position in items for position in range(count)):  # looking one up may add it to a defaultdict
            return None
        return _Refusal(
            "a dictionary",
            "Its items have no positions.",
            f"Make it a list: list({var}) for its keys, list({var}.items()) for keys and values.",
        )
    if isinstance(items, Iterator) and next(iter(items), _NOTHING) is _NOTHING:  # some start from the beginning
        return _used_up(items, var)
    if isinstance(items, Sequence) or not hasattr(type(items), "__iter__"):
        return None  # what has no `__iter__` was iterated by position
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for position in range(count):
            try:
                items[position]
            except TypeError:
                return None
            except Exception as error:
                return _unknown_position(items, var, position, error)
    return None


def _unknown_position(items: Any, var: str, position: int, error: Exception) -> _Refusal:
    """Say that a position was not found, and what to do of a kind of value."""
    kind = type(items).__name__
    why = f"A task gets its item as `{var}[position]`, and `{var}[{position}]` raises {type(error).__name__}."
    if type(items).__module__.partition(".")[0] == "pandas" and kind == "DataFrame":
        return _Refusal(
            _kind(items), why, f'Make it a list: {var}.to_dict("records") for rows, list({var}) for columns.'
        )
    if type(items).__module__.partition(".")[0] == "pandas" and kind == "Series":
        return _Refusal(f"{_kind(items)} whose index is not 0, 1, …", why, f"Make it a list: list({var}).")
    return _Refusal(_kind(items), why, f"Make it a list: list({var}).")


def item_at(items: Any, index: int) -> Any:
    """The item of a foreach's task; of a value without positions, the item at which iteration arrives."""
    try:
        return items[index]
    except TypeError:
        return next(itertools.islice(items, index, index + 1))


def item_keys(items: Any) -> list[str]:
    """Content keys of the items that the tasks of a foreach see, by position.

    Raises
    ------
    Exception
        If an item has no position or cannot be encoded.
    """
    keys = []
    for index in range(sum(1 for _ in items)):
        _, parts = encode(items[index])
        keys.append(hash_parts(parts, part_size(parts)))
    return keys


class ItemKeys:
    """Content keys of items; a list that cannot be loaded, or has no positions, has none.

    Parameters
    ----------
    datastore : Datastore or None
        None loads no list, for that may run code of the user's: then items are equal only if their lists are.
    """

    def __init__(self, datastore: Datastore | None) -> None:
        self._datastore = datastore
        self._known: dict[str, list[str] | None] = {}

    def key(self, ref: ArtifactRef, index: int) -> str | None:
        """The key of one item of a list; None if it is not known."""
        if self._datastore is None:
            return None
        if ref.key not in self._known:
            try:
                self._known[ref.key] = item_keys(self._datastore.artifacts.load(ref))
            except Exception:  # its classes may raise anything here; its tasks then run
                self._known[ref.key] = None
        found = self._known[ref.key]
        return found[index] if found is not None and index < len(found) else None

    def equal(self, one: ForeachFrame, old: Refs, other: ForeachFrame, new: Refs) -> bool:
        """Whether two tasks have equal items at one level of foreach, given what each inherits."""
        before, now = old.get(one.var), new.get(other.var)
        if before is None or now is None:
            return before is now
        if before.key == now.key and one.index == other.index:
            return True
        key = self.key(before, one.index)
        return key is not None and key == self.key(now, other.index)
