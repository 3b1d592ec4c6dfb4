"""Which notebook a file is, and with that its working runs: where its step cells record, and whose results it reads.

A notebook is known by the id in its metadata, else by an id that is derived from the place of its file. A rename keeps
the id, and a copy of a file gets another one: the record of a working run says where the file was, so a second file
with the same id is a copy as long as the first one is still there. A text file that jupytext reads is known by its
place, unless its header holds an id: jupytext would not save one. When the notebook is found under another path or id,
or uses another run, a new working run begins that continues the one before. See `docs/adr/0011-notebook-identity.md`.
"""

from __future__ import annotations

import platform
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import time
from typing import Any

from blake3 import blake3

from flownb.cells.notebook import saved_id
from flownb.errors import FlownbError, NotFound
from flownb.pathspec import parse_origin
from flownb.session.latest import LatestResults
from flownb.settings import is_text_name, user_name
from flownb.store.datastore import Datastore
from flownb.store.records import RunRecord

__all__ = ["Identity", "NotebookFile", "WorkingRuns", "identify"]


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
    def can_hold_id(self) -> bool:
        """Whether an id that a view writes into the metadata is saved; jupytext leaves it out of text files."""
        return self.is_shown and not is_text_name(self.name)

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
        Working runs of the flow that it continues, because they were recorded under another path or id.
    """

    id: str
    user: str
    path: str
    host: str
    is_written: bool
    before: tuple[RunRecord, ...] = ()


class WorkingRuns:
    """The working runs of one notebook, by flow.

    Parameters
    ----------
    datastore : Datastore
    file : NotebookFile

    Attributes
    ----------
    file : NotebookFile
    on_named : callable
        Called with an id that the notebook's metadata should hold from now on.
    has_recorded : bool
        Whether this session has recorded anything.
    """

    def __init__(self, datastore: Datastore, file: NotebookFile) -> None:
        self.datastore = datastore
        self.file = file
        self.on_named: Callable[[str], None] = lambda notebook_id: None
        self.has_recorded = False
        self._identities: dict[str, Identity] = {}
        self._results: dict[str, LatestResults] = {}
        self._begun: dict[str, RunRecord] = {}  # by this session, of a notebook that had no id
        self._given: dict[str, str] = {}  # ids by the names of files whose view has not said yet that it has them

    def take_ids(self, other: WorkingRuns) -> None:
        """Know the ids that another session of this kernel gave, which no view has said that it has."""
        self._given, self.has_recorded = dict(other._given), other.has_recorded

    def show(self, name: str, written_id: str) -> None:
        """Take over what a view says of the notebook: the name of its file, and the id in its metadata."""
        path = self.file.path
        shown = (path.parent if path is not None else self.file.folder) / name if name else path
        if not written_id and self.has_recorded:
            # An id that was given a moment ago, perhaps to a file that was renamed since.
            gone = [one for one in self._given if not (self.file.folder / one).exists()]
            written_id = self._given.get(name) or (self._given[gone[-1]] if gone else "")
            if written_id:
                self.on_named(written_id)
        after = replace(self.file, path=shown, is_shown=True, shown_id=written_id)
        if after != self.file:  # after a rename too: what is recorded from now on says where the file is
            self.file = after
            self._identities.clear()
            self._results.clear()

    def identity(self, flow: str) -> Identity:
        """Which notebook this is."""
        if flow not in self._identities:
            self._identities[flow] = identify(self.datastore, flow, self.file)
        return self._identities[flow]

    def results(self, flow: str) -> LatestResults:
        """The latest results of a flow's steps."""
        known = self._results.get(flow)
        if known is None or self._is_overtaken(flow, known):
            known = self._results[flow] = self._find(flow)
        return known

    def _is_overtaken(self, flow: str, known: LatestResults) -> bool:
        """Whether another kernel or a command of this notebook has begun a newer working run."""
        last = self.datastore.runs.last_run(flow)
        if last == known.seen_up_to:
            return False
        known.seen_up_to = last
        identity = self.identity(flow)
        newest = next(_working_runs(self.datastore, flow, identity.id, identity.user), None)
        if newest is None or newest.run == known.work:
            return False
        if known.work is None:
            return newest.run not in known.before
        return known.work in LatestResults(self.datastore, flow, work=newest.run).working_runs()

    def _find(self, flow: str) -> LatestResults:
        """Look for the notebook's working run, or for those that a new one will continue."""
        # Before looking, so that a run that begins in the meantime is looked for again.
        seen_up_to = self.datastore.runs.last_run(flow)
        identity = self.identity(flow)
        own = next(_working_runs(self.datastore, flow, identity.id, identity.user), None)
        before, begun = identity.before, self._begun.get(flow)
        if own is not None and (own.path, own.host) != (identity.path, identity.host):
            before, own = before if own in before else (own, *before), None
        if begun is not None and (own is None or begun.run not in (own.run, *own.continues)):
            # What this session recorded before it knew the notebook's id.
            before, own = (*before, *([own] if own is not None else ()), begun), None
        newest = own or next(iter(before), None)
        continued = tuple(dict.fromkeys(one.run for one in before))
        found = LatestResults(
            self.datastore,
            flow,
            work=own.run if own is not None else None,
            before=continued,
            uses=newest.uses if newest is not None else "",
            used_since=newest.used_since if newest is not None else 0.0,
            notebook=(identity.id, identity.user),
            **self._old_facts(identity),
        )
        found.seen_up_to = seen_up_to
        return found

    def _old_facts(self, identity: Identity) -> dict[str, Any]:
        """Which runs count that older versions recorded by the name of the file."""
        name = _old_name(self.datastore, self.file)
        return {"old_name": None if identity.is_written else name, "reads_old": name is not None}

    def run(self, flow: str) -> str:
        """Id of the working run, begun if there is none, or if it was removed."""
        self.datastore.look_again()
        self._give_id(flow)
        results = self.results(flow)
        if results.work is not None:
            try:
                self.datastore.runs.run(flow, results.work)
            except NotFound:
                self._forget(flow)
                results = self.results(flow)
        if results.work is None:
            results = self._begin(flow, results)
        assert results.work is not None
        return results.work

    def _forget(self, flow: str) -> None:
        """Look again for what is there."""
        self._results.pop(flow, None)
        self._identities.pop(flow, None)
        self._begun.pop(flow, None)

    def _begin(self, flow: str, results: LatestResults, **changes: Any) -> LatestResults:
        """Begin a working run that continues those before."""
        before = (results.work,) if results.work is not None else results.before
        there = {
            one.run for one in self.datastore.runs.run_records(flow, before) if one is not None and not one.removed
        }
        record = RunRecord(
            flow,
            "",
            "work",
            started=time(),
            continues=tuple(one for one in before if one in there),
            **{"uses": results.uses, "used_since": results.used_since, **self.facts(flow), **changes},
        )
        record = self.datastore.runs.new_run(record)
        self._begun.pop(flow, None)
        if not self.identity(flow).is_written:
            self._begun[flow] = record
        self.has_recorded = True
        self._identities[flow] = replace(self.identity(flow), before=())
        self._results.pop(flow, None)
        found = self._results[flow] = LatestResults(
            self.datastore,
            flow,
            work=record.run,
            uses=record.uses,
            used_since=record.used_since,
            notebook=(record.notebook_id, record.user),
            **self._old_facts(self.identity(flow)),
        )
        found.seen_up_to = self.datastore.runs.last_run(flow)
        return found

    def _give_id(self, flow: str) -> None:
        """Give a notebook its id when something is recorded, where a view can write it into the metadata."""
        identity = self.identity(flow)
        if not self.file.can_hold_id or identity.is_written:
            return
        results = self.results(flow)
        if results.work is None and not results.before and results.own_runs():
            self._begin(flow, results)  # what it has so far is found by the runs that continue a working run
        own = next(_working_runs(self.datastore, flow, identity.id, identity.user), None)
        before = identity.before if own is None or own in identity.before else (own, *identity.before)
        given = secrets.token_hex(10)
        self._given[self.file.name] = given
        self.file = replace(self.file, shown_id=given)
        self._identities.clear()
        self._results.clear()
        self._identities[flow] = replace(identity, id=given, is_written=True, before=before)
        self.on_named(given)

    def facts(self, flow: str) -> Mapping[str, Any]:
        """What every record of a run says of the notebook."""
        identity = self.identity(flow)
        return {
            "notebook": self.file.name,
            "notebook_id": identity.id,
            "path": identity.path,
            "host": identity.host,
            "user": identity.user,
        }

    def facts_of_run(self, flow: str) -> Mapping[str, Any]:
        """`facts` for a run that begins now, which may give the notebook its id."""
        self._give_id(flow)
        if self.identity(flow).before:
            self.run(flow)  # what was recorded before is found by the working run that continues it
        self.has_recorded = True
        return self.facts(flow)

    # -- another run's results

    def use(self, flow: str, named: str) -> RunRecord:
        """From now on use the results of a run where this notebook has nothing newer.

        Raises
        ------
        NotFound
            If there is no such run.
        """
        origin = parse_origin(named, flow)
        if origin.step is not None:
            raise NotFound(
                f"`{named}` names a step.",
                "A notebook uses the results of a whole run.",
                f"Write `%flow use {origin.run}`.",
            )
        record = self.datastore.runs.run(flow, origin.run)
        self._give_id(flow)
        self._begin(flow, self.results(flow), uses=record.run, used_since=time())
        return record

    def use_none(self, flow: str) -> str:
        """Go back to the notebook's own results; the run that it used, or an empty text."""
        results = self.results(flow)
        if results.uses:
            self._give_id(flow)
            self._begin(flow, self.results(flow), uses="", used_since=0.0)
        return results.uses

    def used(self, flow: str) -> str:
        """What the notebook uses, in words; empty if it uses no other run."""
        uses = self.results(flow).uses
        if not uses:
            return ""
        try:
            record = self.datastore.runs.run(flow, uses)
        except NotFound:
            return f"uses run {flow}/{uses}, which was removed; `%flow use --none` ends that"
        owner = f" of {record.notebook or 'an unknown notebook'}"
        owner += f" by {record.user}" if record.user != user_name() else ""
        return f"uses run {flow}/{uses}{owner} where this notebook has nothing newer; `%flow use --none` ends that"

    def left_here(self, flow: str) -> RunRecord | None:
        """A working run of a file at this path that had another id: of another notebook, or an id that was not saved.

        Which of the two is not known, so its results do not count unless the user says so.
        """
        identity = self.identity(flow)
        if not identity.path or flow not in self.datastore.runs.flows():
            return None
        rows = self.datastore.index.runs(flow, kind="work", user=identity.user)
        records = self.datastore.runs.run_records(flow, [row.run for row in rows])
        place = (identity.path, identity.host)
        return next((one for one in records if one is not None and (one.path, one.host) == place), None)

    def other_flows(self, flow: str) -> list[str]:
        """Other flows that this notebook recorded steps of."""
        found = []
        for name in self.datastore.runs.flows():
            if name != flow:
                identity = identify(self.datastore, name, self.file)
                own = next(_working_runs(self.datastore, name, identity.id, identity.user), None)
                found += [name] if own is not None or identity.before else []
        return found


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
    own = next(_working_runs(datastore, flow, found, user), None)
    before: tuple[RunRecord, ...] = ()
    if own is None and not written:
        before = _old_runs(datastore, flow, file, user)
    elif own is not None and (own.path, own.host) != (path, host):
        before = (own,)
    return Identity(found, user, path, host, bool(written) and found == written, before)


def _working_runs(datastore: Datastore, flow: str, notebook_id: str, user: str) -> Iterator[RunRecord]:
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
    """Whether an id belongs to another file: one that is still there, or that got an id of its own since."""
    newest = next((one for name in _flows(datastore, flow) for one in _recorded(datastore, name, found, user)), None)
    if newest is None:
        return False
    if (newest.path, newest.host) == (path, host):
        last = (next(_working_runs(datastore, name, found, user), None) for name in _flows(datastore, flow))
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
    """The working run of an older version, unless a newer one continues it already."""
    name = _old_name(datastore, file)
    if name is None:
        return ()
    newest = next((one for one in _working_runs(datastore, flow, "", user) if one.notebook == name), None)
    return (newest,) if newest is not None and not any(_continued_by(datastore, newest)) else ()


def _old_name(datastore: Datastore, file: NotebookFile) -> str | None:
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
    """A short hash of texts."""
    return blake3("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest(10)
