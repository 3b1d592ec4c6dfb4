"""Recorded artifacts: values, loaded with the classes they were saved with."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from datetime import datetime
from types import ModuleType
from typing import Any

from flownb.cells.cell import read_cell
from flownb.client.base import Named, default_datastore, moment, path_parts
from flownb.errors import ArtifactNotFound, CorruptBlob, NotFound, StoreError, nearest
from flownb.flow.build_graph import build_graph
from flownb.flow.definition import define_flow
from flownb.runtime.program import VERSION, Program, module_name
from flownb.store.datastore import Datastore
from flownb.store.encoding import UnknownEncoding
from flownb.store.records import ArtifactRef, TaskRecord

__all__ = ["DataArtifact", "TaskData", "cell_tags", "load_artifact", "made_artifact"]


class TaskData:
    """The values of a task's artifacts as attributes, each loaded when it is read.

    Raises
    ------
    ArtifactNotFound
        If an attribute is read and the task has no such artifact.
    StoreError
        If the value cannot be loaded.
    """

    def __init__(self, record: TaskRecord, datastore: Datastore) -> None:
        self._record, self._datastore = record, datastore

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return made_artifact(self._record, name, self._datastore).data

    def __contains__(self, name: str) -> bool:
        return name in dir(self)

    def __dir__(self) -> list[str]:
        return sorted(name for name in self._record.artifacts if not name.startswith("_"))

    def __repr__(self) -> str:
        return f"<data of {self._record.pathspec}: {', '.join(dir(self))}>"


class DataArtifact(Named, names=5):
    """One artifact of a task, ``Flow/run/step/task/artifact``.

    Parameters
    ----------
    pathspec : str
    datastore : Datastore, optional
        None means the running task's own, elsewhere ``$FLOWNB_DATASTORE`` or ``.flownb`` in the current folder.

    Raises
    ------
    InvalidPathspec
        If the pathspec has more or fewer parts.
    NotFound
        If there is no such task.
    ArtifactNotFound
        If the task has no such artifact.
    """

    def __init__(self, pathspec: str, *, datastore: Datastore | None = None) -> None:
        flow, run, step, task, name = path_parts(pathspec, 5, "Flow/run/step/task/artifact")
        self._datastore = datastore or default_datastore()
        record = self._datastore.tasks.last_attempt(flow, run, step, task)
        if record is None:
            raise NotFound(
                f"There is no finished task {flow}/{run}/{step}/{task}.",
                "Artifacts are read from finished tasks.",
                "Check the id.",
            )
        self._of(record, name)

    def _of(self, record: TaskRecord, name: str) -> None:
        """Fill in the artifact of a task."""
        ref = record.artifacts.get(name)
        if ref is None:
            raise ArtifactNotFound(
                f"Task {record.pathspec} has no artifact `{name}`.{nearest(name, record.artifacts)}",
                f"It has {', '.join(f'`{n}`' for n in sorted(record.artifacts))}."
                if record.artifacts
                else "It has none.",
                "Correct the name.",
            )
        self.id = name
        self.pathspec = f"{record.pathspec}/{name}"
        self._record, self._ref = record, ref

    @property
    def created_at(self) -> datetime:
        """When its task ended, in local time without a time zone."""
        return moment(self._record.finished)

    @property
    def finished_at(self) -> datetime:
        """The same as `created_at`."""
        return self.created_at

    def __repr__(self) -> str:
        return f"DataArtifact('{self.pathspec}')"

    @property
    def size(self) -> int:
        """Length as stored, in bytes."""
        return self._ref.size

    @property
    def sha(self) -> str:
        """Key of the content; equal values have equal keys."""
        return self._ref.key

    @property
    def data(self) -> Any:
        """The value; each read returns an independent object.

        Raises
        ------
        CorruptBlob
            If it is missing or damaged.
        StoreError
            If it cannot be loaded here.
        """
        return load_artifact(self._datastore, self._record, self._ref, self.id)


def made_artifact(record: TaskRecord, name: str, datastore: Datastore) -> DataArtifact:
    """An artifact of a task whose record is known.

    Raises
    ------
    ArtifactNotFound
        If the task has no such artifact.
    """
    found = DataArtifact.__new__(DataArtifact)
    found._datastore = datastore
    found._of(record, name)
    return found


def load_artifact(datastore: Datastore, record: TaskRecord, ref: ArtifactRef, name: str) -> Any:
    """Load a value with the classes it was saved with.

    Classes of shared cells live in the flow's module. If this process lacks it, or has it from other cells than the
    task ran with, and the value refers to it, the cells that were recorded with the task are run.

    Raises
    ------
    StoreError
        If the value cannot be loaded.
    """
    module = module_name(record.flow)
    here = sys.modules.get(module)
    wanted = record.fingerprint.get("shared")
    if here is not None and record.source is not None and getattr(here, VERSION, wanted) != wanted:
        with contextlib.suppress(CorruptBlob):  # loading it reports that with the artifact's name
            if datastore.artifacts.mentions(ref, module):
                return _load_with(_version(datastore, record, wanted), datastore, record, ref, name)
    try:
        return datastore.artifacts.load(ref, name=name, where=record.pathspec)
    except StoreError as error:
        lacks = isinstance(error.__cause__, ModuleNotFoundError) and error.__cause__.name == module
        needed = (lacks and module not in sys.modules) or isinstance(error.__cause__, UnknownEncoding)
        if not needed or record.source is None:
            raise
    return _load_with(_version(datastore, record, wanted), datastore, record, ref, name)


# Modules of flows as they were, by name and hash of the shared cells.
_versions: dict[tuple[str, str | None], ModuleType] = {}


def _version(datastore: Datastore, record: TaskRecord, wanted: str | None) -> ModuleType:
    """The flow's module made of the cells that a task ran with."""
    name = module_name(record.flow)
    if (name, wanted) not in _versions:
        assert record.source is not None
        cells = [
            read_cell(one["source"], tags=cell_tags(one))
            for one in datastore.artifacts.load(record.source, name="source")
        ]
        flow = define_flow(cells, default_name=record.flow)
        before = sys.modules.get(name)
        try:
            Program(flow, build_graph(flow)).flow_class()
            _versions[name, wanted] = sys.modules[name]
        finally:
            if before is not None:
                sys.modules[name] = before
    return _versions[name, wanted]


def _load_with(module: ModuleType, datastore: Datastore, record: TaskRecord, ref: ArtifactRef, name: str) -> Any:
    """Load a value while `module` is the flow's."""
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module
    try:
        return datastore.artifacts.load(ref, name=name, where=record.pathspec)
    finally:
        if before is not None:
            sys.modules[module.__name__] = before


def cell_tags(cell: Mapping[str, Any]) -> list[str]:
    """Tags that mark a recorded cell as before, for cells without a magic."""
    if "tags" in cell:
        return list(cell["tags"])
    # Older versions recorded only what the tags mean together.
    return {"shared": ["shared"], "flow": [f"flow:{cell['name']}"], "step": [f"step:{cell['name']}"]}[cell["kind"]]
