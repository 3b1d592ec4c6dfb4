"""The runs of a datastore: begun, ended, tagged, removed, and read again."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flownb.errors import NotFound, StoreError
from flownb.store.artifacts import ArtifactStore
from flownb.store.liveness import SILENT_SECONDS, Liveness
from flownb.store.manifests import UNREADABLE, Manifests, file_number, flow_folder, run_folder, seal
from flownb.store.records import RunEnd, RunRecord, RunStatus, TagChange, to_json
from flownb.store.validation import is_id

if TYPE_CHECKING:
    from flownb.store.index import Index

__all__ = ["RunStore"]


class RunStore:
    """Runs in one place.

    Parameters
    ----------
    manifests : Manifests
    artifacts : ArtifactStore
        Where what the runs refer to is kept.
    index : callable
        Gives the index that is notified of every change.
    """

    def __init__(self, manifests: Manifests, artifacts: ArtifactStore, index: Callable[[], Index]) -> None:
        self._manifests = manifests
        self._storage = manifests.storage
        self._artifacts = artifacts
        self._index = index
        self.liveness = Liveness(manifests.storage)
        self._last_run: dict[str, int] = {}
        # Runs this process began and alone adds tasks to, and how many attempts it recorded in each.
        self._own: dict[tuple[str, str], int] = {}
        self._last_change: dict[str, int] = {}

    def flows(self) -> list[str]:
        """Names of all flows, sorted."""
        return self._storage.folders("flows")

    def last_run(self, flow: str) -> int:
        """The highest run id that was taken, 0 if none was; ids are taken without gaps and only once."""
        self._manifests.check()
        last = self._last_run.get(flow)
        if last is None:
            ids = (int(name) for name in self._storage.folders(flow_folder(flow)) if is_id(name))
            last = max(ids, default=0)
            # An empty folder is what a process left that was killed before it took the id.
            while last and not any(self._storage.entries(run_folder(flow, str(last)))):
                last -= 1
        while self.has_run(flow, str(last + 1)):
            last += 1
        self._last_run[flow] = last
        return last

    def has_run(self, flow: str, run: str) -> bool:
        """Whether a run id was taken, also by a run that was removed since."""
        return self._storage.exists(f"{run_folder(flow, run)}/run.json")

    def run_ids(self, flow: str) -> Sequence[str]:
        """Ids of all runs of a flow, newest first, those of removed runs among them."""
        return [str(number) for number in range(self.last_run(flow), 0, -1)]

    def new_run(self, record: RunRecord) -> RunRecord:
        """Take the next free run id of a flow and record the run, once what it refers to is kept.

        Parameters
        ----------
        record : RunRecord
            Its id and nonce are ignored.

        Returns
        -------
        RunRecord
            The same with its id.

        Raises
        ------
        StoreError
            If an artifact it refers to is gone, or the datastore cannot be written.
        """
        self._artifacts.settle()
        self._artifacts.require([ref for _, ref in record.refs()], f"A run of {record.flow} cannot begin")
        self._manifests.prepare()
        number = self.last_run(record.flow)
        record = replace(record, nonce=secrets.token_hex(8))
        while True:
            number += 1
            record = replace(record, run=str(number))
            folder = run_folder(record.flow, record.run)
            if self.liveness.begin(folder, seal(to_json(record), f"{folder}/run.json")):
                break
        self._last_run[record.flow] = number
        if record.kind != "work":
            self._own[record.flow, record.run] = 0
        self._index().run_begun(record)
        return record

    def run(self, flow: str, run: str) -> RunRecord:
        """Read a run's record.

        Raises
        ------
        NotFound
            If there is no such run, or it was removed.
        """
        record = self._manifests.read(RunRecord, f"{run_folder(flow, run)}/run.json")
        if record is None or record.removed:
            what = "does not exist" if record is None else f"was removed on {_day(record.removed)}"
            newest = [
                one for one in self.run_records(flow, self.run_ids(flow)[:20]) if one is not None and not one.removed
            ]
            if not newest:
                raise NotFound(f"Run {flow}/{run} {what}.", f"{flow} has no runs.", "Check the flow's name.")
            known = ", ".join(one.run for one in newest[:5])
            raise NotFound(f"Run {flow}/{run} {what}.", f"The newest runs are: {known}.", "Name one of these.")
        return record

    def run_records(self, flow: str, ids: Sequence[str]) -> list[RunRecord | None]:
        """Records of many runs; None for those that do not exist or are damaged. Removed ones are included."""
        return self._manifests.read_many(RunRecord, [f"{run_folder(flow, run)}/run.json" for run in ids])

    def end_run(self, flow: str, run: str, end: RunEnd) -> None:
        """Record how a run ended, once everything it left survives a power failure.

        Raises
        ------
        StoreError
            If the run was removed meanwhile, or the store cannot be written.
        """
        self._artifacts.settle()
        self.require_run(flow, run)
        self._storage.sync()
        self._manifests.write(f"{run_folder(flow, run)}/end.json", end)
        self.liveness.end(run_folder(flow, run))
        self._index().run_ended(flow, run, end, tasks=self._own.get((flow, run)))

    def beat(self, flow: str, run: str) -> None:
        """Write a run's heartbeat, every `BEAT_SECONDS`; raises nothing, and does not wait for a server."""
        self.liveness.beat(run_folder(flow, run))

    def alive(self, flow: str, runs: Sequence[str], *, silent: float = SILENT_SECONDS) -> list[bool]:
        """Whether processes that began runs of whole flows are alive, as far as is known; see `flownb.store.liveness`.

        If a run is reported as dead, look for its end afterwards: it may have ended right before.
        """
        folders = [run_folder(flow, run) for run in runs]
        ids = dict(zip(folders, runs, strict=True))
        return self.liveness.alive(
            folders, lambda some: self.run_records(flow, [ids[one] for one in some]), silent=silent
        )

    def run_status(self, flow: str, run: str) -> RunStatus:
        """How a run ended, or that it is running: ``"failed"`` also if it has no end and its process died; see `alive`.

        Working runs, and spins that have not ended, are always ``"running"``.

        Raises
        ------
        NotFound
            If there is no such run, or it was removed.
        StoreError
            If its manifests cannot be read.
        """
        record = self.run(flow, run)
        end = self.run_end(flow, run)
        if end is None:
            if record.kind != "run" or self.alive(flow, [run])[0]:
                return "running"
            end = self.run_end(flow, run)
        return "failed" if end is None else end.status

    def require_run(self, flow: str, run: str) -> None:
        """Raise if a run that is about to be written to was removed; a damaged record is not a reason to refuse."""
        name = f"{run_folder(flow, run)}/run.json"
        try:
            text = self._storage.read(name)
            if text is not None and b'"removed"' not in text:  # the usual case, once for each task: nothing to judge
                return
            record = self._manifests.parse_or_none(RunRecord, name, text)
            if record is None or record.removed:
                self.run(flow, run)
        except StoreError:
            return
        except NotFound as error:
            raise StoreError(
                f"Nothing more can be recorded in run {flow}/{run}.",
                f"{error.what}",
                "Run the cell again, or start another run.",
            ) from error

    def run_end(self, flow: str, run: str) -> RunEnd | None:
        """How a run ended, None while it runs (and for working runs)."""
        return self._manifests.read(RunEnd, f"{run_folder(flow, run)}/end.json")

    def run_ends(self, flow: str, ids: Sequence[str]) -> list[RunEnd | None]:
        """How many runs ended; None for those that have not, or whose record is damaged."""
        return self._manifests.read_many(RunEnd, [f"{run_folder(flow, run)}/end.json" for run in ids])

    def remove_run(self, record: RunRecord, now: float) -> RunRecord:
        """Remove a run; only a mark stays, so that its id is not used again.

        Readers no longer find the run once the mark is written; `clear_run` then removes its files, or the next
        `flownb gc` if a process is killed in between.

        Returns
        -------
        RunRecord
            The mark.
        """
        folder = run_folder(record.flow, record.run)
        mark = RunRecord(record.flow, record.run, record.kind, started=record.started, nonce=record.nonce, removed=now)
        self._manifests.write(f"{folder}/run.json", mark)
        self._index().run_removed(record.flow, record.run, now)
        return mark

    def restore_run(self, record: RunRecord) -> None:
        """Undo a removal whose files were not cleared yet."""
        self._manifests.write(f"{run_folder(record.flow, record.run)}/run.json", record)
        self._index().run_restored(self.tagged(record), self.run_end(record.flow, record.run))

    def clear_run(self, mark: RunRecord) -> None:
        """Clear the files of a removed run."""
        flow, run = mark.flow, mark.run
        folder = run_folder(flow, run)
        names = [entry.name for entry in self._storage.entries(folder)]
        self._storage.delete(name for name in names if name != f"{folder}/run.json")
        self._manifests.write(f"{folder}/run.json", replace(mark, cleared=True))

    def change_tags(self, flow: str, run: str, *, remove: Iterable[str] = (), add: Iterable[str] = ()) -> None:
        """Remove tags from a run, then add others; simultaneous changes by other processes are not lost.

        Raises
        ------
        NotFound
            If there is no such run, or it was removed.
        """
        self.run(flow, run)
        folder = f"{run_folder(flow, run)}/tags"
        number = max((file_number(name) for name in self._storage.files(folder)), default=0) + 1
        change = TagChange(tuple(remove), tuple(add), secrets.token_hex(8))
        while not self._manifests.create(f"{folder}/{number}.json", change):
            number += 1
        self.note_changes(flow, [run])
        self._index().run_changed(self.tagged(self.run(flow, run)))

    def tagged(self, record: RunRecord) -> RunRecord:
        """A run's record with the tags it has now, instead of those it began with; a damaged change is ignored."""
        folder = f"{run_folder(record.flow, record.run)}/tags"
        names = [f"{folder}/{name}" for name in sorted(self._storage.files(folder), key=file_number)]
        tags = dict.fromkeys(record.tags)
        for change in self._manifests.read_many(TagChange, names) if names and not record.removed else ():
            if change is not None:
                tags = {tag: None for tag in tags if tag not in change.removed} | dict.fromkeys(change.added)
        return replace(record, tags=tuple(tags))

    def note_changes(self, flow: str, runs: Sequence[str]) -> None:
        """Note that runs were removed, restored or tagged again, once their records say so."""
        folder = f"{flow_folder(flow)}/changes"
        number = self._last_change.get(flow)
        if number is None:
            number = max((file_number(name) for name in self._storage.files(folder)), default=0)
        text = json.dumps({"runs": list(runs), "nonce": secrets.token_hex(8)}).encode()
        number += 1
        while not self._storage.create(f"{folder}/{number}.json", text):
            number += 1
        self._last_change[flow] = number

    def changes(self, flow: str, after: int) -> tuple[int, list[str]]:
        """What was removed, restored or tagged: the last note's number, and the runs that notes after `after` name."""
        found: list[str] = []
        while (text := self._storage.read(f"{flow_folder(flow)}/changes/{after + 1}.json")) is not None:
            after += 1
            try:
                found += [run for run in json.loads(text)["runs"] if is_id(run)]
            except UNREADABLE:
                continue
        return after, found

    def is_own(self, flow: str, run: str) -> bool:
        """Whether this process began a run, and alone adds tasks to it."""
        return (flow, run) in self._own

    def count_attempt(self, flow: str, run: str) -> None:
        """Count an attempt that was recorded in a run, if the run is this process's own."""
        if (flow, run) in self._own:
            self._own[flow, run] += 1


def _day(seconds: float) -> str:
    """A date, UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
