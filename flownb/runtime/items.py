"""The items of foreachs, told apart by content.

Takes references to lists; gives keys of their items, computed when two lists differ and an item is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

from flownb.runtime.foreach import item_keys
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, ForeachFrame

__all__ = ["ItemKeys"]

Refs = Mapping[str, ArtifactRef]


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
        """The key of one item of a list; None if it cannot be told."""
        if self._datastore is None:
            return None
        if ref.key not in self._known:
            try:
                self._known[ref.key] = item_keys(self._datastore.load(ref))
            except Exception:  # whatever its classes raise here, its tasks then run
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
