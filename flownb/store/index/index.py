"""The index: which runs a flow has, found by tag, user, status and time without reading their manifests.

Writers notify it of records, and it reads the manifests that it was not notified of. It is derived: it may be removed
at any time, and no error in it stops a writer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar, get_args

from flownb.errors import ParameterError, StoreError
from flownb.store.index.file import IndexFile
from flownb.store.index.refresh import Refresh, Runs, Tasks
from flownb.store.index.tables import (
    RunRow,
    TaskRow,
    change_run,
    end_run,
    flow_id,
    matches,
    numbers,
    of_known_flow,
    put_runs,
    put_tasks,
    remove_run,
    run_rows,
    task_rows,
)
from flownb.store.records import RunEnd, RunRecord, RunStatus, TaskRecord

__all__ = ["Index", "RunRow", "TaskRow"]

T = TypeVar("T")

# Seconds that a writer waits for an index that another process holds, and that it then does not notify it.
NOTIFY_SECONDS, SILENT_SECONDS = 0.2, 5.0
# How often a query is repeated because the index or a run's status changed meanwhile: other processes may change them
# all the time, and a list must end.
TRIES = 100


class Index:
    """The runs and tasks of a datastore, for lists and timelines.

    Parameters
    ----------
    folder : Path
        Where it is kept, see `flownb.store.index.file`; made when first needed.
    runs : Runs
    tasks : Tasks
        What the index is derived from.
    store : str
        The id of the datastore, unlike that of one that was at the same place before.
    root : Path, optional
        The folder below which the path may not contain a link; None means the one that `folder` is in.
    """

    def __init__(self, folder: Path, runs: Runs, tasks: Tasks, *, store: str = "", root: Path | None = None) -> None:
        self._file = IndexFile(folder, store=store, root=root)
        self._runs = runs
        self._tasks = tasks
        self._refresh = Refresh(self._file, runs, tasks)
        self._silent_until = 0.0

    def close(self) -> None:
        """Close its file; the next call opens it again."""
        self._file.close()

    # -- notified by writers

    def run_begun(self, record: RunRecord) -> None:
        """Add a run whose record was just written. Never raises."""

        def work(db: Connection) -> None:
            run, flow = int(record.run), flow_id(db, record.flow, make=True)
            assert flow is not None
            put_runs(db, flow, [(run, record, None)])
            db.execute("UPDATE flows SET upto = ? WHERE id = ? AND upto = ?", (run, flow, run - 1))

        self._notify(work)

    def run_ended(self, flow: str, run: str, end: RunEnd, *, tasks: int | None = None) -> None:
        """Record how a run ended. Never raises.

        Parameters
        ----------
        flow, run : str
        end : RunEnd
        tasks : int, optional
            How many attempts it recorded in all; if known, the first timeline needs no listing.
        """
        self._notify_flow(flow, lambda db, number: end_run(db, number, int(run), end, tasks=tasks))

    def run_removed(self, flow: str, run: str, removed: float) -> None:
        """Record that a run was removed, at `removed` seconds since the epoch. Never raises."""
        self._notify_flow(flow, lambda db, number: remove_run(db, number, int(run), removed))

    def run_restored(self, record: RunRecord, end: RunEnd | None) -> None:
        """Record that a run's removal was undone. Never raises."""
        self._notify_flow(record.flow, lambda db, number: change_run(db, number, int(record.run), record, end))

    def run_changed(self, record: RunRecord) -> None:
        """Record that a run has other tags. Never raises."""
        self._notify_flow(record.flow, lambda db, number: change_run(db, number, int(record.run), record, None))

    def task_ended(self, record: TaskRecord) -> None:
        """Add an attempt whose record was just written. Never raises."""
        self._notify_flow(record.flow, lambda db, number: put_tasks(db, number, [record]))

    def _notify_flow(self, flow: str, work: Callable[[Connection, int], None]) -> None:
        self._notify(of_known_flow(flow, work))

    def _notify(self, work: Callable[[Connection], None]) -> None:
        # What is lost here, the next query reads from the manifests.
        if time.monotonic() < self._silent_until:
            return
        try:
            self._file.write(work, patience=NOTIFY_SECONDS)
        except StoreError:
            self._silent_until = time.monotonic() + SILENT_SECONDS
        except (ValueError, OverflowError):
            return

    # -- queried by readers

    def flows(self) -> list[str]:
        """Names of all flows, sorted."""
        return sorted(self._runs.flows())

    def runs(
        self,
        flow: str,
        *,
        tags: Iterable[str] = (),
        user: str | None = None,
        status: RunStatus | None = None,
        kind: str | None = "run",
        notebook_id: str | None = None,
        since: float | None = None,
        until: float | None = None,
        before: str | int | None = None,
        limit: int = 50,
    ) -> list[RunRow]:
        """One page of a flow's runs, newest first.

        Parameters
        ----------
        flow : str
        tags : iterable of str
            A run has all of them.
        user : str, optional
        status : {"running", "done", "failed", "interrupted"}, optional
        kind : {"run", "work", "spin"}, optional
            None means all.
        notebook_id : str, optional
            Of one notebook; an empty text finds runs of no notebook.
        since, until : float, optional
            A run began at `since` or later, and before `until`; seconds since the epoch.
        before : str or int, optional
            Only runs with a lower id: for the next page, the last id of this one.
        limit : int
            The most rows to return; fewer mean that there are no more.

        Raises
        ------
        ParameterError
            If `status` is not one of those.
        StoreError
            If the manifests cannot be read.
        """
        terms = _terms(tags, user, status, kind, notebook_id)
        bounds = {"since": since, "until": until}
        below = None if before is None else int(before)

        def work(db: Connection) -> list[RunRow]:
            number = flow_id(db, flow)
            if number is None:
                return []
            found = (
                run
                for start, bits in matches(db, number, terms, before=below, **bounds)
                for run in numbers(start, bits)
            )
            return run_rows(db, number, flow, list(islice(found, limit)))

        for _ in range(TRIES):
            rows, looked = self._ask(flow, work)
            shown = [row.run for row in rows if row.finished is None and row.kind == "run" and row.run not in looked]
            if not shown or not self._refresh.ends(flow, shown):
                break
        return rows

    def count(
        self,
        flow: str,
        *,
        tags: Iterable[str] = (),
        user: str | None = None,
        status: RunStatus | None = None,
        kind: str | None = "run",
        since: float | None = None,
        until: float | None = None,
    ) -> int:
        """How many runs match; parameters as for `runs`."""
        terms = _terms(tags, user, status, kind)

        def work(db: Connection) -> int:
            number = flow_id(db, flow)
            if number is None:
                return 0
            return sum(bits.bit_count() for _, bits in matches(db, number, terms, since=since, until=until))

        return self._ask(flow, work)[0]

    def latest(self, flow: str, *, status: RunStatus | None = None, kind: str | None = "run") -> RunRow | None:
        """The newest run, of a status if one is given; None if there is none."""
        return next(iter(self.runs(flow, status=status, kind=kind, limit=1)), None)

    def timeline(self, flow: str, run: str) -> list[TaskRow]:
        """All attempts of a run that have ended, by their start.

        Raises
        ------
        StoreError
            If the manifests cannot be read.
        """

        def work(db: Connection) -> tuple[list[TaskRow], bool | None, int | None]:
            number = flow_id(db, flow)
            if number is None:
                return [], None, None
            query = (
                "SELECT finished IS NOT NULL, tasks FROM runs WHERE flow = ? AND run = ? AND kind != '' AND removed = 0"
            )
            row = db.execute(query, (number, int(run))).fetchone()
            return (task_rows(db, number, int(run)), bool(row[0]), row[1]) if row else ([], None, None)

        for _ in range(TRIES):
            path = self._file.opened()
            rows, ended, expected = self._file.read(work)
            if ended is None:
                self._refresh.flow(flow)
            elif len(rows) == expected or (not ended and not self._refresh.may_list(flow, run)):
                return rows
            # Looked at before the tasks are listed: of a run that had ended by then, no name is missing.
            self._refresh.ends(flow, [run])
            rows, ended, expected = self._file.read(work)
            if ended is not None and len(rows) != expected:
                self._refresh.tasks(flow, run, rows, ended=ended)
                rows = self._file.read(work)[0]
            if self._file.opened() == path:
                return rows
        return rows

    def _ask(self, flow: str, work: Callable[[Connection], T]) -> tuple[T, set[str]]:
        """The answer of an index that is up to date, and the runs whose end was looked for."""
        for _ in range(TRIES):
            path = self._file.opened()
            looked = self._refresh.flow(flow)
            answer = self._file.read(work)
            # A file that another process switched to in between need not know what was just read into the old one.
            if self._file.opened() == path:
                break
        return answer, looked

    def rebuild(self) -> dict[str, int]:
        """Read all manifests into a new index, which then replaces the old one.

        Readers and writers may continue meanwhile; what they add to the old index is read again at the end.

        Returns
        -------
        dict of str to int
            How many run ids each flow has, those of removed runs included.

        Raises
        ------
        StoreError
            If the manifests cannot be read, or the index cannot be written.
        """
        try:
            with self._file.successor() as file:
                fresh = Refresh(file, self._runs, self._tasks)
                for flow in self.flows():
                    fresh.flow(flow, all_ends=True)
        except OSError as error:
            raise StoreError(
                f"The index `{self._file.folder}` cannot be rebuilt.",
                f"{type(error).__name__}: {error}.",
                "Make that folder writable, then try again.",
            ) from error
        for flow in self.flows():
            self._refresh.flow(flow, all_ends=True)
        query = "SELECT name, upto FROM flows ORDER BY name"
        return self._file.read(lambda db: dict(db.execute(query).fetchall()))


def _terms(
    tags: Iterable[str], user: str | None, status: str | None, kind: str | None, notebook_id: str | None = None
) -> list[list[str]]:
    """The marks that a filter asks for; those that are likely to be rare first."""
    known = get_args(RunStatus)
    if status is not None and status not in known:
        raise ParameterError(
            f"`{status}` is not a status of a run.", f"A run is {', '.join(known)}.", "Ask for one of these."
        )
    terms = [[f"n:{notebook_id}"]] if notebook_id is not None else []
    terms += [[f"t:{tag}"] for tag in dict.fromkeys(tags)]
    terms += [[f"u:{user}"]] if user is not None else []
    terms += [[f"s:{status}"]] if status is not None else []
    return [*terms, [f"k:{one}" for one in ([kind] if kind is not None else ("run", "work", "spin"))]]
