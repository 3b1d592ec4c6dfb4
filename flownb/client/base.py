"""What the client's objects have in common: where they read from, their pathspecs, and their times."""

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
    """The datastore that the client reads if none is passed.

    After `inspect_spin` it is the one that was chosen there. Inside a task it is the one that its parents are in,
    whatever folder the task works in. Elsewhere it is ``$FLOWNB_DATASTORE`` or ``.flownb`` in the current folder.
    """
    return _chosen[-1] if _chosen else current._reads or Datastore(datastore_root_of())


def inspect_spin(datastore_root: str | Path = ".") -> None:
    """Let `Flow`, `Run`, `Step` and `Task` read what ``spin --persist`` kept, until `default_metadata` is called.

    Parameters
    ----------
    datastore_root : str or Path, default "."
        The notebook's folder, its datastore (``.flownb``, ``s3://bucket/prefix``), or the folder of its spins. For the
        current folder ``$FLOWNB_DATASTORE`` is used if it is set, as for runs.

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
        "`inspect_spin` reads what `spin --persist` kept in a datastore.",
        "Pass the notebook's folder, or the place that `spin --persist` printed.",
    )


def default_metadata() -> str:
    """Let the client read runs again after `inspect_spin`.

    Returns
    -------
    str
        As `get_metadata` returns it.
    """
    _chosen.clear()
    return get_metadata()


def get_metadata() -> str:
    """The place that `Flow`, `Run`, `Step` and `Task` read from, as ``flownb@PLACE``.

    Returns
    -------
    str
        PLACE is a folder or ``s3://bucket/prefix``. (In Metaflow it is ``local@FOLDER`` or ``service@URL``.)
    """
    return f"flownb@{default_datastore().location}"


class Named:
    """An object with a pathspec."""

    pathspec: str
    _datastore: Datastore
    # The class for each number of names in a pathspec.
    _kinds: ClassVar[dict[int, type[Any]]] = {}

    def __init_subclass__(cls, *, names: int) -> None:
        """Register how many names the pathspecs of a class have."""
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
    """Split a pathspec into exactly `count` checked names.

    Raises
    ------
    InvalidPathspec
        If it has more or fewer parts.
    NotFound
        If a part cannot be such a name.
    """
    parts = pathspec.split("/")
    if len(parts) != count:
        raise InvalidPathspec(
            f"`{pathspec}` has {len(parts)} parts.", f"The pathspec of this object is {shape}.", "Check the pathspec."
        )
    return [safe_name(part) for part in parts]


def moment(seconds: float) -> datetime:
    """A time in seconds since the epoch as the client's objects have it: local, without a time zone, as in Metaflow."""
    return datetime.fromtimestamp(seconds)


@contextlib.contextmanager
def missing_key() -> Iterator[None]:
    """Let ``parent[name]`` raise an error that is also a `KeyError`."""
    try:
        yield
    except NotFound as error:
        raise ItemNotFound(error.what, error.why, error.fix) from error.__cause__
