"""What all of the client's objects have in common: a pathspec, times, and how they say that a child is missing.

Takes pathspecs and seconds since the epoch; gives checked names and Metaflow's kind of times.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from flownb.errors import InvalidPathspec, ItemNotFound, NotFound
from flownb.pathspec import safe_name
from flownb.store.datastore import Datastore

__all__ = ["Named", "missing_key", "moment", "path_parts"]


class Named:
    """An object that a pathspec names."""

    pathspec: str
    _datastore: Datastore
    # The class for each number of names in a pathspec.
    _kinds: ClassVar[dict[int, type[Any]]] = {}

    def __init_subclass__(cls, *, names: int) -> None:
        """Note how many names the pathspecs of a class have."""
        Named._kinds[names] = cls

    @property
    def parent(self) -> Any:
        """What it is part of: a task's step, a step's run, a run's flow; None for a flow."""
        *above, _ = self.path_components
        return Named._kinds[len(above)]("/".join(above), datastore=self._datastore) if above else None

    @property
    def path_components(self) -> list[str]:
        """The names of its pathspec."""
        return self.pathspec.split("/")


def path_parts(pathspec: str, count: int, shape: str) -> list[str]:
    """Split a pathspec into exactly `count` checked names."""
    parts = pathspec.split("/")
    if len(parts) != count:
        raise InvalidPathspec(
            f"`{pathspec}` has {len(parts)} parts.", f"This object is named {shape}.", "Check the pathspec."
        )
    return [safe_name(part) for part in parts]


def moment(seconds: float) -> datetime:
    """Seconds since the epoch as the client gives times: local and without a time zone, as Metaflow's does."""
    return datetime.fromtimestamp(seconds)


@contextlib.contextmanager
def missing_key() -> Iterator[None]:
    """Let ``parent[name]`` raise what is a `KeyError`, too."""
    try:
        yield
    except NotFound as error:
        raise ItemNotFound(error.what, error.why, error.fix) from error.__cause__
