"""The datastore: artifacts, runs and tasks in one folder or bucket.

Takes values and records; gives references and records again. Below the root are::

    flows/… store.json                      manifests, see `flownb.store.manifests`
    blobs/ab/abcd…                          artifacts by content
    spin/flows/…                            what `spin --persist` keeps; its blobs are among the others
    index/                                  the derived index (of a bucket, in the local cache)
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from operator import methodcaller
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from flownb.errors import StoreError
from flownb.settings import SCHEME
from flownb.store.artifacts import Artifacts, Loaded, Saved
from flownb.store.encodings.plain import Plain, PlainData
from flownb.store.local import LocalBlobs, LocalStorage
from flownb.store.manifests import ManifestStore
from flownb.store.records import ArtifactRef, RunEnd, RunRecord, TaskRecord
from flownb.store.storage import Blobs, Storage

if TYPE_CHECKING:
    from flownb.store.index import Index

__all__ = ["Datastore"]

# Name of the folder in a datastore that its spins are in.
SPINS = "spin"
# Larger values are read only when a step asks for them.
FETCHED_BYTES = 1 << 20


class Datastore(ManifestStore):
    """Artifacts, runs and tasks in one place.

    Parameters
    ----------
    location : str or Path
        A folder, or ``s3://bucket/prefix``. It need not exist; a folder is made when something is first written.

    Attributes
    ----------
    outer : str
        Where the datastore is that holds its artifacts among its own; empty unless this is one of spins.

    Notes
    -----
    The folder of a datastore's spins can be opened by its own location too. Its artifacts are those of the datastore
    around it, and so are most of the values that a spun step inherits: they are not stored twice.
    """

    def __init__(self, location: str | Path) -> None:
        around, _, name = str(location).rstrip("/").rpartition("/")
        if name == SPINS and around:
            storage, blobs = _backend(around)
            if storage.exists("store.json"):
                self._open(storage.below(SPINS), blobs, outer=storage.location)
                return
        self._open(*_backend(location))

    def _open(self, storage: Storage, blobs: Blobs, *, outer: str = "") -> None:
        super().__init__(storage)
        self.blobs = blobs
        self.artifacts = Artifacts(blobs)
        self.outer = outer

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

    def spins(self) -> Datastore:
        """What ``spin --persist`` keeps, one folder further down; its artifacts are among this one's."""
        if self.outer:
            return self
        other = Datastore.__new__(Datastore)
        other._open(self.storage.below(SPINS), self.blobs, outer=self.location)
        return other

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

    @cached_property
    def index(self) -> Index:
        """The derived index, for lists and timelines."""
        from flownb.store.index import Index

        root = None if self.location.startswith("s3://") else Path(self.outer or self.location)
        return Index(_index_folder(self.location), self, store=self.token, root=root)

    # -- artifacts

    def save(self, value: Any, *, name: str, before: Loaded | None = None) -> ArtifactRef:
        """Persist one value.

        Parameters
        ----------
        value : object
        name : str
            The artifact's name, for messages.
        before : Loaded, optional
            What was loaded as `value`, perhaps to be changed in place since.

        Returns
        -------
        ArtifactRef
            That of `before` if the value's content is still the same.

        Raises
        ------
        UnpicklableArtifact
            If the value cannot be pickled.
        StoreError
            If the store cannot be written.
        """
        return self.save_given({name: value}, before={name: before} if before else {})[name]

    def save_plain(self, value: Any, *, name: str) -> ArtifactRef:
        """Persist texts, numbers, lists, dicts and bytes so that a view can read them without running code.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        return self.save(PlainData(value), name=name)

    def load_plain(self, ref: ArtifactRef, *, name: str = "", where: str = "", fix: str = "") -> Any:
        """Load what `save_plain` saved, and nothing else: looking at a datastore never runs what is in it.

        Parameters
        ----------
        ref : ArtifactRef
        name, where : str
            What it is and the pathspec of its task, for messages.
        fix : str
            How to get it again if it is not plain data.

        Raises
        ------
        CorruptBlob
            If it is missing or damaged.
        StoreError
            If it is not plain data.
        """
        if ref.encoding != Plain.name:
            raise StoreError(
                f"The {name} of {where} cannot be shown." if where else f"The {name} cannot be shown.",
                f"It was not stored as plain data, but as `{ref.encoding}` (as older versions of flownb did), "
                "and to read that can run code.",
                fix or "Run it again.",
            )
        return self.load(ref, name=name, where=where)

    def save_all(self, values: Mapping[str, Any], *, before: Mapping[str, Loaded]) -> Saved:
        """Persist values together, which is cheaper than one by one; see `Artifacts.save`."""
        self._check()
        return self.artifacts.save(values, before)

    def save_given(
        self, values: Mapping[str, Any], *, before: Mapping[str, Loaded] = MappingProxyType({})
    ) -> dict[str, ArtifactRef]:
        """Persist values all of which have to be kept, such as those every task of a flow starts with; see `save`."""
        saved = self.save_all(values, before=before)
        for failure in saved.failures.values():
            raise failure
        return saved.refs

    def load(self, ref: ArtifactRef, *, name: str = "", where: str = "") -> Any:
        """Load and verify a value; each call gives an independent object.

        Parameters
        ----------
        ref : ArtifactRef
        name, where : str
            The artifact's name and the pathspec of its task, for messages.

        Raises
        ------
        CorruptBlob
            If the value is missing or damaged.
        StoreError
            If it cannot be rebuilt.
        """
        loaded = self.artifacts.load(ref, name=name, where=where)
        self.artifacts.verify([loaded])
        return loaded.value

    def read(self, ref: ArtifactRef, *, name: str = "", where: str = "") -> Loaded:
        """Like `load`, but a large value may still be verified: call `verify` before anything lasting is made of it."""
        return self.artifacts.load(ref, name=name, where=where)

    def fetch(self, refs: Iterable[ArtifactRef]) -> None:
        """Bring small values near before they are read one by one: in a bucket each read is a round trip."""
        self.blobs.fetch(ref.blob for ref in refs if ref.blob is not None and ref.blob[1] <= FETCHED_BYTES)

    def verify(self, values: Iterable[Loaded]) -> None:
        """Wait until values that were read are verified.

        Raises
        ------
        CorruptBlob
            If one is damaged.
        """
        self.artifacts.verify(values)

    def settle(self) -> None:
        """Wait until what was saved is kept.

        Raises
        ------
        StoreError
            If a value could not be kept.
        """
        self.blobs.settle()

    def holds(self, ref: ArtifactRef) -> bool:
        """Whether what a reference needs is there; `flownb gc` may have removed what no run refers to."""
        return ref.blob is None or not self.blobs.missing([ref.blob])

    def recording(self) -> AbstractContextManager[None]:
        """Hold off `flownb gc` from the first save to the manifest that refers to what was saved."""
        return self.storage.lock(exclusive=False)

    # -- what is recorded, and told to the index

    def look_again(self) -> None:
        """Forget what is known of a place that was emptied since."""
        before = self._own
        super().look_again()
        if self._own is not before:
            self.__dict__.pop("index", None)

    def new_run(self, record: RunRecord) -> RunRecord:
        """Take the next free run id of a flow and record the run, once what it refers to is kept.

        Parameters
        ----------
        record : RunRecord
            Its id and nonce are not looked at.

        Returns
        -------
        RunRecord
            The same with the id it was given.
        """
        self.settle()
        self._require([ref for _, ref in record.refs()], f"A run of {record.flow} cannot begin")
        record = super().new_run(record)
        self.index.run_begun(record)
        return record

    def end_run(self, flow: str, run: str, end: RunEnd) -> None:
        """Record how a run ended, once everything it left survives a power failure."""
        self.settle()
        super().end_run(flow, run, end)
        self.index.run_ended(flow, run, end, tasks=self._own.get((flow, run)))

    def remove_run(self, record: RunRecord, now: float) -> RunRecord:
        """Remove a run, see `ManifestStore.remove_run`."""
        mark = super().remove_run(record, now)
        self.index.run_removed(record.flow, record.run, now)
        return mark

    def change_tags(self, flow: str, run: str, *, remove: Iterable[str] = (), add: Iterable[str] = ()) -> None:
        """Change a run's tags, see `ManifestStore.change_tags`."""
        super().change_tags(flow, run, remove=remove, add=add)
        self.index.run_changed(self.tagged(self.run(flow, run)))

    def restore_run(self, record: RunRecord) -> None:
        """Take back a removal whose files were not cleared yet."""
        super().restore_run(record)
        self.index.run_restored(self.tagged(record), self.run_end(record.flow, record.run))

    def write_task(self, record: TaskRecord, *, made: Container[str] | None = None, tell: bool = True) -> None:
        """Record an attempt that has ended, once all its artifacts are kept.

        Parameters
        ----------
        record : TaskRecord
        made : container of str, optional
            Names of artifacts that the task made or read, which have to be there; None means all. What it only passes
            on is its parents' matter.
        tell : bool, default True
            Whether the index is told; a worker leaves that to the process that drives the run, see `adopt_task`.

        Raises
        ------
        StoreError
            If an artifact is gone, the run was removed, or the store cannot be written.
        """
        self.settle()
        wanted = [ref for name, ref in record.artifacts.items() if made is None or name in made]
        self._require(wanted, f"Task {record.pathspec} cannot be recorded")
        super().write_task(record)
        if tell:
            self.index.task_ended(record)

    def adopt_task(self, record: TaskRecord) -> None:
        """Take note of an attempt that a worker recorded in a run that this process began."""
        place = (record.flow, record.run)
        if place in self._own:
            self._own[place] += 1
        self.index.task_ended(record)

    def _require(self, refs: Sequence[ArtifactRef], what: str) -> None:
        """Raise if something that is about to be referred to is gone."""
        gone = self.blobs.missing([ref.blob for ref in refs if ref.blob is not None])
        if gone:
            raise StoreError(
                f"{what}: an artifact that it needs is gone.",
                f"Blob {gone[0]} is not in `{self.location}` any more: it was removed by hand, or with `flownb rm`.",
                "Run the steps above again, then this one.",
            )


def _backend(location: str | Path) -> tuple[Storage, Blobs]:
    """Where files and blobs of a location are."""
    if str(location).startswith("s3://"):
        from flownb.store.s3 import open_s3

        return open_s3(str(location))
    if isinstance(location, str) and SCHEME.match(location):
        raise StoreError(
            f"`{location.partition(':')[0]}:` is no place for a datastore.",
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
