"""Which notebook records belong to: the id in its metadata, else one that is derived from where its file is.

Takes a datastore and what is known of the notebook's file; gives an `Identity`, and the working runs that it goes on
from. A rename keeps the id, and a copy of a file gets another one: the record of a working run says where the file was,
so a second file with the same id is a copy as long as the first one is still there. See
`docs/adr/0011-notebook-identity.md`.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from flownb.cells.notebook import saved_id
from flownb.errors import FlownbError
from flownb.settings import user_name
from flownb.store.datastore import Datastore
from flownb.store.records import RunRecord

__all__ = ["Identity", "NotebookFile", "identify", "old_name", "working_runs"]


@dataclass(frozen=True)
class NotebookFile:
    """What is known of a notebook's file.

    Attributes
    ----------
    path : Path or None
        None where nobody says which file a kernel executes.
    folder : Path
        Where code without a notebook works.
    kernel : str
        Unlike that of any other kernel, the same after a restart; for a kernel whose notebook is not known.
    is_shown : bool
        Whether a view says what the document's metadata holds now, saved or not.
    shown_id : str
        The id in there, empty if there is none.
    """

    path: Path | None
    folder: Path
    kernel: str = ""
    is_shown: bool = False
    shown_id: str = ""

    @property
    def written_id(self) -> str:
        """The id in the notebook's metadata, empty if there is none."""
        if self.is_shown:
            return self.shown_id
        return saved_id(self.path) if self.path is not None else ""

    @property
    def name(self) -> str:
        """The file's name, empty if it is not known."""
        return self.path.name if self.path is not None else ""


@dataclass(frozen=True)
class Identity:
    """Whose results a notebook's are.

    Attributes
    ----------
    id : str
    user : str
    path : str
        Where the file is: relative to the folder that the datastore is in, absolute if it is elsewhere; empty if it is
        not known.
    host : str
        The machine an absolute path is on.
    is_written : bool
        Whether the notebook's metadata holds the id.
    before : tuple of RunRecord
        Working runs of the flow that it goes on from, because they were recorded under another path or id.
    """

    id: str
    user: str
    path: str
    host: str
    is_written: bool
    before: tuple[RunRecord, ...] = ()


def identify(datastore: Datastore, flow: str, file: NotebookFile) -> Identity:
    """Find out which notebook a file is, from its metadata and from what was recorded.

    Parameters
    ----------
    datastore : Datastore
    flow : str
        Of its working runs the newest one says where the file was.
    file : NotebookFile
    """
    user = user_name()
    path, host = _recorded_place(datastore, file.path or file.folder)
    if file.path is None:
        found = _digest("kernel", file.kernel) if file.kernel else _digest("folder", user, host, path)
        return Identity(found, user, "", "", False, _old_runs(datastore, flow, file, user))
    written = file.written_id
    found = written or _digest("file", user, host, path)
    while _belongs_elsewhere(datastore, flow, found, user, path, host):
        found = _digest("copy", found, host, path)
    own = next(working_runs(datastore, flow, found, user), None)
    before: tuple[RunRecord, ...] = ()
    if own is None and not written:
        before = _old_runs(datastore, flow, file, user)
    elif own is not None and (own.path, own.host) != (path, host):
        before = (own,)
    return Identity(found, user, path, host, bool(written) and found == written, before)


def working_runs(datastore: Datastore, flow: str, notebook_id: str, user: str) -> Iterator[RunRecord]:
    """Working runs of a flow that one notebook began, newest first; of the user alone."""
    return _recorded(datastore, flow, notebook_id, user, kind="work")


def _recorded(
    datastore: Datastore, flow: str, notebook_id: str, user: str, *, kind: str | None = None
) -> Iterator[RunRecord]:
    """Runs of a flow of one notebook and user, newest first; None means working runs and runs of the whole flow."""
    before: str | None = None
    if flow not in datastore.runs.flows():
        return
    while rows := datastore.index.runs(flow, kind=kind, user=user, notebook_id=notebook_id, before=before):
        for row in rows:
            try:
                yield datastore.runs.run(flow, row.run)
            except FlownbError:  # removed meanwhile, or damaged
                continue
        before = rows[-1].run


def _belongs_elsewhere(datastore: Datastore, flow: str, found: str, user: str, path: str, host: str) -> bool:
    """Whether an id is that of another file: one that is still there, or that got an id of its own since."""
    newest = next((one for name in _flows(datastore, flow) for one in _recorded(datastore, name, found, user)), None)
    if newest is None:
        return False
    if (newest.path, newest.host) == (path, host):
        last = (next(working_runs(datastore, name, found, user), None) for name in _flows(datastore, flow))
        return any(
            later.notebook_id != found for one in last if one is not None for later in _continued_by(datastore, one)
        )
    if newest.host != host or not newest.path:
        return False  # nobody can look whether the file is still there; by its id it is the same notebook
    return saved_id(_root(datastore) / newest.path) == found


def _flows(datastore: Datastore, first: str) -> Iterator[str]:
    """Names of the recorded flows, one of them first."""
    names = datastore.runs.flows()
    if first in names:
        yield first
    yield from (name for name in names if name != first)


def _old_runs(datastore: Datastore, flow: str, file: NotebookFile, user: str) -> tuple[RunRecord, ...]:
    """The working run of an older version, unless a newer one goes on from it already."""
    name = old_name(datastore, file)
    if name is None:
        return ()
    newest = next((one for one in working_runs(datastore, flow, "", user) if one.notebook == name), None)
    return (newest,) if newest is not None and not any(_continued_by(datastore, newest)) else ()


def old_name(datastore: Datastore, file: NotebookFile) -> str | None:
    """The name by which older versions, which knew no ids, recorded a notebook; None if it does not say which it was.

    In a datastore beside the notebook the name of the file is enough. In one that is shared, two files may have it.
    """
    if file.path is not None:
        return file.name if _root(datastore) == file.path.resolve().parent else None
    return None if file.kernel else ""


def _continued_by(datastore: Datastore, record: RunRecord) -> Iterator[RunRecord]:
    """Working runs that took over the results of one."""
    before: str | None = None
    while rows := datastore.index.runs(record.flow, kind="work", before=before):
        for row in rows:
            if int(row.run) <= int(record.run):
                return
            try:
                other = datastore.runs.run(record.flow, row.run)
            except FlownbError:
                continue
            if record.run in other.continues:
                yield other
        before = rows[-1].run


def _recorded_place(datastore: Datastore, path: Path) -> tuple[str, str]:
    """A path as records have it, and the machine it is on if it is absolute."""
    path, root = path.resolve(), _root(datastore)
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix(), ""
    return str(path), platform.node()


def _root(datastore: Datastore) -> Path:
    """The folder that the datastore is in; of a bucket one that no path is below."""
    return Path(datastore.location).resolve().parent if "://" not in datastore.location else Path()


def _digest(*parts: str) -> str:
    """A short text that stands for others."""
    return blake3("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest(10)
