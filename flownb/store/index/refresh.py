"""Keeping the index true: reading the manifests that no writer notified it of.

Notes
-----
Writers notify the index of each run and task. A notification may be missing: the process died in between, or wrote from
another machine. So each query first looks for what is new in the manifests, in as few reads as the layout allows:

- *New runs.* Run ids are taken without gaps, so there is one above the newest known only if the next id exists: one
  probe when nothing is new, a doubling search when something is. Gaps that lost notifications left are read too. The
  newest known run's record is read to see whether it is still the same: if not, someone removed files by hand, and the
  whole flow is read again. A listing then shows which run is newest, since the first ones may be gone (expired, in a
  bucket).
- *Runs that were removed, restored or tagged again.* The flow's log of them is asked for entries after the last one
  read, and the records of the runs it names are read again, with their tags as they are.
- *Runs that ended, or whose process died.* A crashed run never ends, so looking at all that have no end would cost more
  with every crash. The `NEWEST` youngest that seem to be running are checked each time: whether they have ended, and
  if not, whether their process is alive; if it is dead, the run counts as failed. An older run, and one with a dead
  process (which may only have been cut off), is checked when a 64th of its age has passed since the last check (every
  22 minutes for a run that began a day ago), at most `LATER` each time. Every row without an end that a query is about
  to show is checked too, and the query is repeated if one of them has another status.
- *Tasks*, only when a timeline is asked for: their names are listed until the run has ended and all of them were read.
  While it runs, they are listed again only once 20 times the last listing's duration has passed.

Only this can be missed: a run that has had no end for long, while 64 younger ones have none either, and that ended on
another machine or because its process was killed, still counts as running in queries for other states until its turn
comes; and a run that was judged dead by mistake counts as failed until its turn comes or its end is recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from sqlite3 import Connection
from typing import Protocol

from flownb.store.index.file import IndexFile
from flownb.store.index.tables import (
    CHUNK,
    TaskRow,
    change_run,
    end_run,
    flow_id,
    judge_run,
    of_known_flow,
    put_runs,
    put_tasks,
    remove_tasks,
    run_nonce,
)
from flownb.store.records import RunEnd, RunRecord, TaskRecord

__all__ = ["Refresh", "Runs", "Tasks"]

# Runs without an end that are checked in each query: the youngest, and older ones whose turn it is.
NEWEST, LATER = 64, 256
# Manifests read at once.
BATCH = 1000
# Pauses between listings of a running run's tasks, in durations of the last one.
PAUSE = 20


class Runs(Protocol):
    """What the index reads of a datastore's runs; ids are strings of digits.

    Any method may raise `StoreError`, which a query passes on.
    """

    def flows(self) -> list[str]:
        """Names of all flows."""
        ...

    def has_run(self, flow: str, run: str) -> bool:
        """Whether a run id was ever taken, also by a run that was removed since."""
        ...

    def last_run(self, flow: str) -> int:
        """The highest run id that is there, 0 if none is; lower ones may be missing."""
        ...

    def run_records(self, flow: str, ids: Sequence[str]) -> list[RunRecord | None]:
        """Records, in the order asked for, of removed runs too; None for one that is not there or damaged."""
        ...

    def run_ends(self, flow: str, ids: Sequence[str]) -> list[RunEnd | None]:
        """How runs ended, in the order asked for; None for one that has not, or whose manifest is damaged."""
        ...

    def alive(self, flow: str, runs: Sequence[str]) -> list[bool]:
        """Whether the processes of runs without an end are alive; if one is not, its end is looked for again."""
        ...

    def changes(self, flow: str, after: int) -> tuple[int, Sequence[str]]:
        """What was removed, restored or tagged again: the flow's log of it from entry `after` + 1 on.

        An entry is written after the runs' records. Returns the last entry's number, and the runs that the entries
        name.
        """
        ...

    def tagged(self, record: RunRecord) -> RunRecord:
        """A run's record with the tags it has now."""
        ...


class Tasks(Protocol):
    """What the index reads of a datastore's tasks; errors as in `Runs`."""

    def task_names(self, flow: str, run: str) -> Iterable[tuple[str, str, int]]:
        """Step, task and attempt of each attempt that has ended, in any order."""
        ...

    def task_records(self, flow: str, run: str, names: Sequence[tuple[str, str, int]]) -> list[TaskRecord | None]:
        """Records, in the order asked for; None for one that is not there or damaged."""
        ...


class Refresh:
    """Reads manifests into an index file.

    Parameters
    ----------
    file : IndexFile
    runs : Runs
    tasks : Tasks
    """

    def __init__(self, file: IndexFile, runs: Runs, tasks: Tasks) -> None:
        self._file = file
        self._runs = runs
        self._tasks = tasks
        # When the tasks of a run may be listed again, by `time.monotonic`.
        self._listing: dict[tuple[str, str], float] = {}

    def flow(self, flow: str, *, all_ends: bool = False) -> set[str]:
        """Read what is new of a flow; `all_ends` looks for the end of every run that has none.

        Returns
        -------
        set of str
            The runs whose end was looked for.

        Raises
        ------
        StoreError
            If the manifests cannot be read.
        """
        upto, newest, nonce, entry = self._file.read(lambda db: _known(db, flow))
        if newest and not self._is_same(flow, str(newest), nonce):
            self._write(flow, _forget)
            upto, newest, entry = 0, 0, 0
        top = self._top(flow, newest) if newest else self._runs.last_run(flow)
        for first in range(upto + 1, top + 1, CHUNK):
            self._read_runs(flow, first, min(first + CHUNK - 1, top))
        if top:
            self._changes(flow, entry)
        young, older = self._file.read(lambda db: _without_end(db, flow, all_of_them=all_ends))
        for begin in range(0, len(young), BATCH):
            self.ends(flow, young[begin : begin + BATCH])
        if older:
            self.ends(flow, older, note=True)
        return {*young, *older}

    def ends(self, flow: str, runs: Sequence[str], *, note: bool = False) -> bool:
        """Check whether runs have ended or died; whether one has another status now.

        Parameters
        ----------
        flow : str
        runs : sequence of str
            Without an end, as far as it is known.
        note : bool, default False
            Whether to put those that are running back in the queue.
        """
        ends = dict(zip(runs, self._runs.run_ends(flow, runs), strict=True))
        going = [run for run, end in ends.items() if end is None]
        alive = dict(zip(going, self._runs.alive(flow, going) if going else (), strict=True))
        dead = [run for run in going if not alive[run]]
        if dead:
            ends.update(zip(dead, self._runs.run_ends(flow, dead), strict=True))
        ended = {run: end for run, end in ends.items() if end is not None}
        later = [run for run in going if run not in ended and (note or not alive[run])]
        now = time.time()
        changed = False

        def work(db: Connection, number: int) -> None:
            nonlocal changed
            changed = bool(ended)
            for run, end in ended.items():
                end_run(db, number, int(run), end)
            for run in going:
                if run not in ended:
                    changed |= judge_run(db, number, int(run), dead=not alive[run])
            db.executemany(
                "UPDATE open SET due = ?1 + (?1 - (SELECT started FROM runs WHERE flow = ?2 AND run = ?3)) / 64 "
                "WHERE flow = ?2 AND run = ?3",
                ((now, number, int(run)) for run in later),
            )

        if ended or later or self._were_dead(flow, [run for run in going if alive[run]]):
            self._write(flow, work)
        return changed

    def _were_dead(self, flow: str, runs: Sequence[str]) -> bool:
        """Whether one of some runs was judged dead."""
        if not runs:
            return False
        query = f"SELECT 1 FROM open WHERE flow = ? AND dead = 1 AND run IN ({','.join('?' * len(runs))}) LIMIT 1"
        ids = list(map(int, runs))
        return self._file.read(lambda db: bool(db.execute(query, (flow_id(db, flow), *ids)).fetchone()))

    def may_list(self, flow: str, run: str) -> bool:
        """Whether it is time to list a running run's tasks again."""
        return self._listing.get((flow, run), 0.0) <= time.monotonic()

    def tasks(self, flow: str, run: str, rows: Iterable[TaskRow], *, ended: bool) -> None:
        """Read the attempts of a run that are not among `rows`, and forget those that were removed.

        `ended` says that the run had ended before: then there will be no more.
        """
        began = time.monotonic()
        known = {(row.task, row.attempt) for row in rows}
        there = list(self._tasks.task_names(flow, run))
        names = [name for name in there if name[1:] not in known]
        gone = known - {name[1:] for name in there}
        now = time.monotonic()
        self._listing[flow, run] = now + PAUSE * (now - began)
        for first in range(0, len(names), BATCH):
            read = self._tasks.task_records(flow, run, names[first : first + BATCH])
            self._put_tasks(flow, [record for record in read if record is not None])
        if gone:
            self._write(flow, lambda db, number: remove_tasks(db, number, int(run), gone))
        if ended:
            self._listing.pop((flow, run), None)
            self._write(flow, lambda db, number: _all_tasks_read(db, number, int(run)))

    def _is_same(self, flow: str, run: str, nonce: str) -> bool:
        """Whether a known run is still there, and not another one under its id."""
        record = self._runs.run_records(flow, [run])[0] if nonce else None
        # Of a damaged record, and of one without a nonce, only that it exists is known.
        return self._runs.has_run(flow, run) if record is None else record.nonce == nonce

    def _top(self, flow: str, known: int) -> int:
        """The highest run id: doubling steps upwards from a known one, then halving ones."""
        step = 1
        while self._runs.has_run(flow, str(known + step)):
            known += step
            step *= 2
        while step := step // 2:
            if self._runs.has_run(flow, str(known + step)):
                known += step
        return known

    def _read_runs(self, flow: str, first: int, last: int) -> None:
        """Read runs that are not in the index, both bounds included."""
        query = "SELECT run FROM runs WHERE flow = (SELECT id FROM flows WHERE name = ?) AND run BETWEEN ? AND ?"
        there = self._file.read(lambda db: {run for (run,) in db.execute(query, (flow, first, last))})
        lost = [str(run) for run in range(first, last + 1) if run not in there]
        records = self._runs.run_records(flow, lost)
        runs = [run for run, record in zip(lost, records, strict=True) if record is not None and record.kind == "run"]
        ends = dict(zip(runs, self._runs.run_ends(flow, runs), strict=True))

        def work(db: Connection) -> None:
            number = flow_id(db, flow, make=True)
            assert number is not None
            put_runs(db, number, ((int(run), one, ends.get(run)) for run, one in zip(lost, records, strict=True)))
            db.execute("UPDATE flows SET upto = max(upto, ?) WHERE id = ? AND upto >= ?", (last, number, first - 1))

        self._file.write(work)

    def _changes(self, flow: str, after: int) -> None:
        """Read the records again that the log of changes names."""
        last, changed = self._runs.changes(flow, after)
        if last <= after:
            return
        runs = list(dict.fromkeys(changed))
        records = [record and self._runs.tagged(record) for record in self._runs.run_records(flow, runs)]
        ends = self._runs.run_ends(flow, runs)

        def work(db: Connection, number: int) -> None:
            for record, end in zip(records, ends, strict=True):
                if record is not None:
                    change_run(db, number, int(record.run), record, end)
            db.execute("UPDATE flows SET changes = max(changes, ?) WHERE id = ?", (last, number))

        self._write(flow, work)

    def _put_tasks(self, flow: str, records: Sequence[TaskRecord]) -> None:
        self._write(flow, lambda db, number: put_tasks(db, number, records))

    def _write(self, flow: str, work: Callable[[Connection, int], None]) -> None:
        """Change what is known of a flow, if anything is known."""
        self._file.write(of_known_flow(flow, work))


def _known(db: Connection, flow: str) -> tuple[int, int, str, int]:
    """Up to which run there is no gap, the highest run and its nonce, and the last change that was read."""
    row = db.execute("SELECT id, upto, changes FROM flows WHERE name = ?", (flow,)).fetchone()
    if row is None:
        return 0, 0, "", 0
    number, upto, entry = row
    newest = db.execute("SELECT max(run) FROM runs WHERE flow = ?", (number,)).fetchone()[0] or 0
    return upto, newest, run_nonce(db, number, newest), entry


def _without_end(db: Connection, flow: str, *, all_of_them: bool) -> tuple[list[str], list[str]]:
    """Runs whose end to look for: the youngest that seem to live, and older or dead ones that are due."""
    number = flow_id(db, flow)
    if all_of_them:
        return [str(run) for (run,) in db.execute("SELECT run FROM open WHERE flow = ?", (number,))], []
    query = "SELECT run FROM open WHERE flow = ? AND dead = 0 ORDER BY run DESC LIMIT ?"
    young = [run for (run,) in db.execute(query, (number, NEWEST))]
    oldest = young[-1] if len(young) == NEWEST else 0
    query = "SELECT run FROM open WHERE flow = ? AND due <= ? AND (run < ? OR dead = 1) ORDER BY due LIMIT ?"
    older = [run for (run,) in db.execute(query, (number, time.time(), oldest, LATER))]
    return list(map(str, young)), list(map(str, older))


def _all_tasks_read(db: Connection, flow: int, run: int) -> None:
    """Note that a run has no more tasks than those that are there."""
    count = "SELECT count(*) FROM tasks WHERE flow = ?1 AND run = ?2"
    db.execute(f"UPDATE runs SET tasks = ({count}) WHERE flow = ?1 AND run = ?2", (flow, run))


def _forget(db: Connection, flow: int) -> None:
    """Remove all that is known of a flow."""
    for table in ("runs", "marks", "spans", "open", "tasks"):
        db.execute(f"DELETE FROM {table} WHERE flow = ?", (flow,))
    db.execute("DELETE FROM flows WHERE id = ?", (flow,))
