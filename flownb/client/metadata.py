"""Where the client reads from.

Takes nothing; gives the datastore's place as Metaflow's client says its metadata provider.
"""

from __future__ import annotations

from flownb.settings import datastore_root
from flownb.store.datastore import Datastore

__all__ = ["get_metadata"]


def get_metadata() -> str:
    """The place that `Flow`, `Run`, `Step` and `Task` read from, as ``flownb@PLACE``.

    Returns
    -------
    str
        Metaflow writes ``local@FOLDER`` or ``service@URL``; PLACE is a folder or ``s3://bucket/prefix``.
    """
    return f"flownb@{Datastore(datastore_root()).location}"
