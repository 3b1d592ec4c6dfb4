"""The datastore: the artifacts, runs, tasks and logs in one folder or bucket.

Layout below the root::

    flows/… store.json                      manifests and logs, see `flownb.store.manifests`
    blobs/ab/abcd…                          artifacts by content
    spin/flows/…                            what `spin --persist` keeps; its artifacts are among the blobs above
    index/                                  the derived index (of a bucket, beside its local cache)
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flownb.errors import StoreError
from flownb.settings import SCHEME
from flownb.store.artifacts import ArtifactStore
from flownb.store.local import LocalBlobs, LocalStorage
from flownb.store.logs import LogStore
from flownb.store.manifests import Manifests
from flownb.store.runs import RunStore
from flownb.store.storage import Blobs, Storage
from flownb.store.tasks import TaskStore

if TYPE_CHECKING:
    from flownb.store.index import Index

__all__ = ["Datastore"]

# Name of the folder in a datastore that its spins are in.
SPINS = "spin"


class Datastore:
    """Artifacts, runs, tasks and logs in one place.

    Parameters
    ----------
    location : str or Path
        A folder, or ``s3://bucket/prefix``. It need not exist; a folder is made when something is first written.
    around : Datastore, optional
        The datastore whose spins are there, see `spins`; without it, a folder ``spin`` in a datastore is recognised.

    Attributes
    ----------
    artifacts : ArtifactStore
        Values by content.
    runs : RunStore
        Runs, their ends and their tags.
    tasks : TaskStore
        The tasks of those runs.
    logs : LogStore
        What attempts wrote and displayed.
    storage : Storage
        The files below the root.
    blobs : Blobs
        The content that `artifacts` keeps.
    outer : str
        Location of the datastore whose spins these are; empty for a datastore of its own.

    Notes
    -----
    The folder of a datastore's spins can also be opened by its own location. Its artifacts are kept in the datastore
    around it, because a spun step inherits most of its values from there: they are not stored twice.
    """

    artifacts: ArtifactStore
    runs: RunStore
    tasks: TaskStore
    logs: LogStore

    def __init__(self, location: str | Path, *, around: Datastore | None = None) -> None:
        if around is not None:
            self._open(around.storage.below(SPINS), around.blobs, outer=around.location)
            return
        above, _, name = str(location).rstrip("/").rpartition("/")
        if name == SPINS and above:
            storage, blobs = _backend(above)
            if storage.exists("store.json"):
                self._open(storage.below(SPINS), blobs, outer=storage.location)
                return
        self._open(*_backend(location))

    def _open(self, storage: Storage, blobs: Blobs, *, outer: str = "") -> None:
        """Make all parts; they know nothing of what is there yet."""
        manifests = Manifests(storage)
        self.storage = storage
        self.blobs = blobs
        self.outer = outer
        self._manifests = manifests
        self._index: Index | None = None
        self.artifacts = ArtifactStore(blobs, location=storage.location, check=manifests.check)
        self.runs = RunStore(manifests, self.artifacts, lambda: self.index)
        self.tasks = TaskStore(manifests, self.artifacts, self.runs, lambda: self.index)
        self.logs = LogStore(storage)

    def __reduce__(self) -> tuple[object, ...]:
        """Be pickled as a place: objects of the client can be artifacts, and hold their datastore."""
        if self.outer:
            return methodcaller("spins"), (Datastore(self.outer),)
        return Datastore, (self.location,)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Open the place of a datastore that the first build pickled with everything it knew."""
        if state["outer"]:
            around = Datastore(state["outer"])
            self._open(around.storage.below(SPINS), around.blobs, outer=around.location)
        else:
            self._open(*_backend(state["storage"].location))

    @property
    def location(self) -> str:
        """The folder or URL."""
        return self.storage.location

    @property
    def token(self) -> str:
        """The id of this datastore, unlike that of another one at the same place; empty before the first write."""
        return self._manifests.token

    @property
    def index(self) -> Index:
        """The derived index, for lists and timelines."""
        if self._index is None:
            from flownb.store.index import Index

            root = None if self.location.startswith("s3://") else Path(self.outer or self.location)
            self._index = Index(_index_folder(self.location), self.runs, self.tasks, store=self.token, root=root)
        return self._index

    def spins(self) -> Datastore:
        """What ``spin --persist`` keeps, one folder further down; its artifacts are among this one's."""
        return self if self.outer else Datastore(f"{self.location}/{SPINS}", around=self)

    def require_outermost(self, what: str) -> None:
        """Refuse to clear up or measure what is only a part of a datastore.

        Raises
        ------
        StoreError
            If this is the datastore of another one's spins.
        """
        if self.outer:
            raise StoreError(
                f"`{self.location}` cannot be {what} alone.",
                f"It holds the spins of `{self.outer}`, whose artifacts are kept together with its own.",
                f"Use the datastore itself: FLOWNB_DATASTORE={self.outer}.",
            )

    def recording(self) -> AbstractContextManager[None]:
        """Hold off `flownb gc` from the first save to the manifest that refers to what was saved."""
        return self.storage.lock(exclusive=False)

    def look_again(self) -> None:
        """Forget what is known of a place that was emptied since it was last written to."""
        if self._manifests.were_removed():
            self._open(self.storage, self.blobs, outer=self.outer)


def _backend(location: str | Path) -> tuple[Storage, Blobs]:
    """Where files and blobs of a location are."""
    if str(location).startswith("s3://"):
        from flownb.store.s3 import open_s3

        return open_s3(str(location))
    if isinstance(location, str) and SCHEME.match(location):
        raise StoreError(
            f"`{location.partition(':')[0]}:` is not a place for a datastore.",
            "A datastore is a folder, or s3://bucket/prefix.",
            "Correct FLOWNB_DATASTORE.",
        )
    root = Path(location)
    return LocalStorage(root), LocalBlobs(root, "blobs")


def _index_folder(location: str) -> Path:
    """Where a datastore's index is kept: in its folder, or, of a bucket, beside its local cache."""
    if location.startswith("s3://"):
        from flownb.store.s3.cache import cache_folder

        folder = cache_folder(location)
        return folder.with_name(f"{folder.name}-index")
    return Path(location) / "index"
