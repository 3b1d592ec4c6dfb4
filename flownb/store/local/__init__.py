"""A datastore in a folder."""

from __future__ import annotations

from flownb.store.local.blobs import LocalBlobs
from flownb.store.local.storage import LocalStorage

__all__ = ["LocalBlobs", "LocalStorage"]
