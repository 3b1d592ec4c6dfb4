"""Where classes and functions are now that stored values know by an earlier name.

A pickle names a class by the module it was in when the value was written. Whoever moves or renames something that a
value may refer to adds a row here, and values of every earlier build stay loadable. docs/compatibility.md says which
names that concerns. A row is never removed, and an earlier name is never given to something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["MOVED", "Gone", "place_now"]

# Earlier place: present place, each a whole module or "module:qualified name". A row for one name counts more than the
# row of its module. A class inside of a class needs its own row. What a row leads to may have moved again.
MOVED: dict[str, str] = {
    # A datastore of the first build was pickled with all its parts; it is opened again by its location.
    "flownb.store.artifacts:Artifacts": "flownb.store.encodings.moved:Gone",
    "flownb.store.log_reader": "flownb.store.logs",
    "flownb.client.cards": "flownb.client.task",
    "flownb.client.metadata": "flownb.client.base",
    "flownb.runtime.parameters.include_file": "flownb.runtime.parameters.parameter",
    "flownb.runtime.internals": "flownb.runtime.metaflow_attributes",
}


class Gone:
    """What is left of an object whose class no longer exists: its attributes.

    A row that leads here lets a value be loaded that only contains such an object among others.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, Mapping):
            vars(self).update(state)


def place_now(module: str, name: str, moved: Mapping[str, str] = MOVED) -> tuple[str, str]:
    """Where something is now.

    Parameters
    ----------
    module, name : str
        The module and the qualified name that a pickle has.
    moved : mapping of str to str, optional
        Rows as in `MOVED`.

    Returns
    -------
    tuple of (str, str)
        The present module and qualified name; the given ones if nothing has moved.
    """
    while (now := moved.get(f"{module}:{name}") or moved.get(module)) is not None:
        module, _, renamed = now.partition(":")
        name = renamed or name
    return module, name
