"""Where the client reads from: the datastore of runs, or that of spins, and its place in Metaflow's words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from flownb.errors import InvalidPathspec, ItemNotFound, NotFound
from flownb.pathspec import safe_name
from flownb.runtime.current import current
from flownb.settings import datastore_root as datastore_root_of
from flownb.store.datastore import Datastore

__all__ = [
    "Named",
    "default_datastore",
    "default_metadata",
    "get_metadata",
    "inspect_spin",
    "missing_key",
    "moment",
    "path_parts",
]


# What `inspect_spin` chose.
_chosen: list[Datastore] = []


def default_datastore() -> Datastore:
    """The datastore that the client reads unless it is given one.

    It is what `inspect_spin` chose, if it was called. Else, inside a task, it is the one its parents are in, whatever
    folder the task works in. Elsewhere it is ``$FLOWNB_DATASTORE`` or ``.flownb`` in the current folder.
    """
    return _chosen[-1] if _chosen else current._reads or Datastore(datastore_root_of())


def inspect_spin(datastore_root: str | Path = ".") -> None:
    """Let `Flow`, `Run`, `Step` and `Task` read what ``spin --persist`` kept, until `default_metadata` is called.

    Parameters
    ----------
    datastore_root : str or Path, default "."
        The notebook's folder, its datastore (``.flownb``, ``s3://bucket/prefix``), or the folder of its spins. The
        current folder is looked up as for runs: ``$FLOWNB_DATASTORE`` counts first.

    Raises
    ------
    NotFound
        If there is no datastore.

    Examples
    --------
    ``inspect_spin(); Task("TrainingFlow/1/train/1")["model"].data``
    """
    root = str(datastore_root)
    places = [root, f"{root}/.flownb"]
    if not root.startswith("s3://"):
        here = Path(root).expanduser().absolute()
        places = [str(datastore_root_of(here)) if here == Path.cwd() else f"{here}/.flownb", str(here)]
    for place in places:
        found = Datastore(place)
        if found.outer or found.storage.exists("store.json"):
            _chosen[:] = [found.spins()]
            return
    raise NotFound(
        f"There is no datastore in `{root}`.",
        "`inspect_spin` reads what `spin --persist` kept in one.",
        "Give the notebook's folder, or the place that `spin --persist` printed.",
    )


def default_metadata() -> str:
    """Let the client read runs again, after `inspect_spin`; what `get_metadata` then gives."""
    _chosen.clear()
    return get_metadata()


def get_metadata() -> str:
    """The place that `Flow`, `Run`, `Step` and `Task` read from, as ``flownb@PLACE``.

    Returns
    -------
    str
        Metaflow writes ``local@FOLDER`` or ``service@URL``; PLACE is a folder or ``s3://bucket/prefix``.
    """
    return f"flownb@{default_datastore().location}"


# MERGED-DOC client.names: What all of the client's objects have in common: a pathspec, times, and how they say that
# a child is missing. Takes pathspecs and seconds since the epoch; gives checked names and Metaflow's kind of times.


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
