"""Where the client reads from: the datastore of runs, or that of spins, and its place in Metaflow's words."""

from __future__ import annotations

from pathlib import Path

from flownb.errors import NotFound
from flownb.runtime.current import current
from flownb.settings import datastore_root as datastore_root_of
from flownb.store.datastore import Datastore

__all__ = ["default_datastore", "default_metadata", "get_metadata", "inspect_spin"]

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
