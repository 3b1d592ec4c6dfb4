"""The working runs of a notebook: where executing its step cells records, and whose results it reads.

Takes a datastore and what is known of the notebook's file, which may change while a kernel lives; gives latest results
and the records of new runs. A working run belongs to one identity, see `flownb.session.identity`. When the notebook is
found under another path or id, or uses another run, a new working run begins that goes on from the one before.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import time
from typing import Any

from flownb.errors import NotFound
from flownb.pathspec import parse_origin
from flownb.session.identity import Identity, NotebookFile, identify, old_name, working_runs
from flownb.session.latest import LatestResults
from flownb.settings import user_name
from flownb.store.datastore import Datastore
from flownb.store.records import RunRecord

__all__ = ["WorkingRuns"]


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
        newest = next(working_runs(self.datastore, flow, identity.id, identity.user), None)
        if newest is None or newest.run == known.work:
            return False
        if known.work is None:
            return newest.run not in known.before
        return known.work in LatestResults(self.datastore, flow, work=newest.run).working_runs()

    def _find(self, flow: str) -> LatestResults:
        """Look for the notebook's working run, or for those that a new one will go on from."""
        seen_up_to = self.datastore.runs.last_run(
            flow
        )  # before looking, so that what begins meanwhile is looked for again
        identity = self.identity(flow)
        own = next(working_runs(self.datastore, flow, identity.id, identity.user), None)
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
            **self._old_names(identity),
        )
        found.seen_up_to = seen_up_to
        return found

    def _old_names(self, identity: Identity) -> dict[str, Any]:
        """Which runs count that older versions recorded by the name of the file."""
        name = old_name(self.datastore, self.file)
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
        """Begin a working run that goes on from those before."""
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
            **self._old_names(self.identity(flow)),
        )
        found.seen_up_to = self.datastore.runs.last_run(flow)
        return found

    def _give_id(self, flow: str) -> None:
        """Give a notebook its id when something is recorded, where a view can write it into the metadata."""
        identity = self.identity(flow)
        if not self.file.is_shown or identity.is_written:
            return
        results = self.results(flow)
        if results.work is None and not results.before and results.own_runs():
            self._begin(flow, results)  # what it has so far is found by what goes on from a working run
        own = next(working_runs(self.datastore, flow, identity.id, identity.user), None)
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
            self.run(flow)  # what was recorded before is found by the working run that goes on from it
        self.has_recorded = True
        return self.facts(flow)

    # -- another run's results

    def use(self, flow: str, named: str) -> RunRecord:
        """From now on take what a run has where this notebook has nothing newer.

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

        Nobody can tell which, so its results do not count unless the user says so.
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
                own = next(working_runs(self.datastore, name, identity.id, identity.user), None)
                found += [name] if own is not None or identity.before else []
        return found
