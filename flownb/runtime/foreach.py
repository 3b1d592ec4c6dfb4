"""The items of a foreach.

Takes the value of a foreach artifact; gives the number of its items, with the reasons why there may be none,
each of them, and what tells them apart by content.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from flownb.errors import ForeachError
from flownb.store.encoding import encode
from flownb.store.hashing import hash_parts, part_size

__all__ = ["count_items", "item_at", "item_keys"]


def count_items(items: Any, *, var: str, step: str) -> int:
    """Count the items of a foreach artifact.

    Parameters
    ----------
    items : object
        The artifact's value: a list, or anything that can be iterated more than once.
    var, step : str
        The artifact's name and the step that starts the foreach, for messages.

    Raises
    ------
    ForeachError
        If it cannot be iterated, has no items, or its items have no positions (a dictionary whose keys are not
        0, 1, …; Metaflow fails on it in the first task).
    """
    what = f"Step {step} starts a foreach over `{var}`, "
    try:
        count = sum(1 for _ in items)
    except TypeError as error:
        kind = type(items).__name__
        raise ForeachError(f"{what}a {kind}.", "It cannot be iterated.", "Make it a list.") from error
    if isinstance(items, Mapping) and any(position not in items for position in range(count)):
        raise ForeachError(
            f"{what}a dictionary.", "Its items have no positions.", f"Make it a list, for example list({var}.items())."
        )
    if not count:
        raise ForeachError(
            f"{what}which is empty.",
            "Metaflow needs at least one item.",
            "Give it an item, or use a switch (`--when`) to go round the foreach.",
        )
    return count


def item_at(items: Any, index: int) -> Any:
    """The item of a foreach's task; of what has no positions (a set), the one that iteration comes to."""
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
