"""Where the client reads from.

Takes nothing; gives the datastore to read, and its place as Metaflow's client names its metadata provider.
"""

from __future__ import annotations

from flownb.runtime.current import current
from flownb.settings import datastore_root
from flownb.store.datastore import Datastore

__all__ = ["default_datastore", "get_metadata"]


def default_datastore() -> Datastore:
    """The datastore that the client reads unless it is given one.

    Inside a task it is the one its parents are in, whatever folder the task works in. Elsewhere it is
    ``$FLOWNB_DATASTORE`` or ``.flownb`` in the current folder.
    """
    return current._reads or Datastore(datastore_root())


def get_metadata() -> str:
    """The place that `Flow`, `Run`, `Step` and `Task` read from, as ``flownb@PLACE``.

    Returns
    -------
    str
        Metaflow writes ``local@FOLDER`` or ``service@URL``; PLACE is a folder or ``s3://bucket/prefix``.
    """
    return f"flownb@{default_datastore().location}"
