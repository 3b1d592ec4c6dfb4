"""The tables of the index: how runs and tasks are laid out in SQLite so that every filter finds its page at once.

Every function works through an open connection, inside the caller's transaction.

Notes
-----
Each property of a run (a tag, its user, notebook, status, kind) is a *mark*. For each mark and each 4,096 runs there is
one bit map, so any filter is the AND of a few short integers, however rare or frequent each property is: no combination
needs a compound index of its own, and an empty intersection of three frequent properties costs no more than a full one.
A mark that few of the 4,096 runs have (a tag that is unique to its run) is a list of positions instead.

With ``FLOWNB_INDEX_BITMAPS=off`` filters look at the row of every run instead: slower, with the same result. Both ways
are maintained, so it can be switched at any time (docs/adr/0015-index-bit-maps.md).
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from flownb.settings import is_off
from flownb.store.records import RunEnd, RunRecord, RunStatus, TaskRecord

__all__ = [
    "APPLICATION",
    "SCHEMA",
    "TABLES",
    "RunRow",
    "RunStatus",
    "TaskRow",
    "change_run",
    "end_run",
    "flow_id",
    "judge_run",
    "matches",
    "numbers",
    "of_known_flow",
    "put_runs",
    "put_tasks",
    "remove_run",
    "remove_tasks",
    "run_nonce",
    "run_rows",
    "task_rows",
]


# "fnbi": marks the file as ours, not another program's.
APPLICATION = 0x666E6269
SCHEMA = 4
# Runs for each bit map: 512 bytes stay within a page (SQLite moves more than ~1,000 bytes of a key's row elsewhere).
CHUNK = 4096
# Up to this many positions take less room as 16-bit numbers.
SPARSE = 32
# Bit maps of each mark read at once: few for a first page, more once a filter proves to be rare.
WINDOWS = (2, 64)

TABLES = f"""
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {SCHEMA};
CREATE TABLE meta (store TEXT NOT NULL);
CREATE TABLE flows (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  upto INTEGER NOT NULL DEFAULT 0, changes INTEGER NOT NULL DEFAULT 0);
CREATE TABLE runs (
  flow INTEGER, run INTEGER, kind TEXT NOT NULL, status TEXT NOT NULL, user TEXT NOT NULL, tags TEXT NOT NULL,
  notebook TEXT NOT NULL, started REAL NOT NULL, finished REAL, removed REAL NOT NULL, tasks INTEGER,
  nonce TEXT NOT NULL, notebook_id TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (flow, run)) WITHOUT ROWID;
CREATE TABLE marks (
  flow INTEGER, mark TEXT, chunk INTEGER, bits BLOB NOT NULL, PRIMARY KEY (flow, mark, chunk)) WITHOUT ROWID;
CREATE TABLE spans (
  flow INTEGER, chunk INTEGER, first REAL NOT NULL, last REAL NOT NULL, PRIMARY KEY (flow, chunk)) WITHOUT ROWID;
CREATE TABLE open (
  flow INTEGER, run INTEGER, due REAL NOT NULL, dead INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (flow, run)) WITHOUT ROWID;
CREATE INDEX open_due ON open (flow, due);
CREATE INDEX open_dead ON open (flow, dead, run);
CREATE TABLE tasks (
  flow INTEGER, run INTEGER, started REAL, task INTEGER, attempt INTEGER, step TEXT NOT NULL, status TEXT NOT NULL,
  finished REAL NOT NULL, PRIMARY KEY (flow, run, started, task, attempt)) WITHOUT ROWID;
"""


class RunRow(NamedTuple):
    """A run as a list shows it; times in seconds since the epoch, UTC.

    ``status`` is ``"running"`` until the run has ended, which working runs never do; ``finished`` is None until then.
    A run whose process died has the status ``"failed"`` and no ``finished``.
    """

    flow: str
    run: str
    kind: str
    status: RunStatus
    user: str
    tags: tuple[str, ...]
    notebook: str
    started: float
    finished: float | None


def flow_id(db: sqlite3.Connection, flow: str, *, make: bool = False) -> int | None:
    """The number of a flow in the index; None if it is not known and not to be made."""
    row = db.execute("SELECT id FROM flows WHERE name = ?", (flow,)).fetchone()
    if row is None and make:
        db.execute("INSERT INTO flows (name) VALUES (?)", (flow,))
        return flow_id(db, flow)
    return None if row is None else int(row[0])


def of_known_flow(flow: str, work: Callable[[sqlite3.Connection, int], None]) -> Callable[[sqlite3.Connection], None]:
    """A change of the index that gets the flow's number, and is left out if the flow is not known."""

    def change(db: sqlite3.Connection) -> None:
        number = flow_id(db, flow)
        if number is not None:
            work(db, number)

    return change


def put_runs(db: sqlite3.Connection, flow: int, found: Iterable[tuple[int, RunRecord | None, RunEnd | None]]) -> None:
    """Add runs; for those that are there already only a later end or removal is recorded.

    A run with another nonce is another run: it took the id after the first one had been removed by hand.

    Parameters
    ----------
    db : sqlite3.Connection
    flow : int
    found : iterable of (number, RunRecord or None, RunEnd or None)
        None for the record means that the manifest cannot be read: the run is not shown, and not read again.
    """
    marks: dict[tuple[str, int], int] = defaultdict(int)
    spans: dict[int, tuple[float, float]] = {}
    for run, record, end in found:
        if record is None or record.removed:
            nothing = "INSERT OR IGNORE INTO runs VALUES (?, ?, '', '', '', '[]', '', 0, NULL, 0, NULL, '', '')"
            db.execute(nothing, (flow, run))
            if record is not None:
                remove_run(db, flow, run, record.removed)
                db.execute("UPDATE runs SET nonce = ? WHERE flow = ? AND run = ?", (record.nonce, flow, run))
            continue
        status, finished = ("running", None) if end is None else (end.status, end.finished)
        tags = json.dumps(record.all_tags)
        row = (record.kind, status, record.user, tags, record.notebook, record.started, finished)
        insert = (
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, NULL, ?, ?) ON CONFLICT DO UPDATE SET "
            "(kind, status, user, tags, notebook, started, finished, nonce, notebook_id) = (excluded.kind, "
            "excluded.status, excluded.user, excluded.tags, excluded.notebook, excluded.started, excluded.finished, "
            "excluded.nonce, excluded.notebook_id) "
            "WHERE kind = '' AND removed = 0"
        )
        added = db.execute(insert, (flow, run, *row, record.nonce, record.notebook_id)).rowcount == 1
        if not added and run_nonce(db, flow, run) != record.nonce:
            remove_run(db, flow, run, 0.0)
            # Its row may also have been that of a removed run, which nothing else replaces.
            db.execute("DELETE FROM runs WHERE flow = ? AND run = ?", (flow, run))
            added = db.execute(insert, (flow, run, *row, record.nonce, record.notebook_id)).rowcount == 1
        if not added:
            if end is not None:
                end_run(db, flow, run, end)
            continue
        chunk, bit = run // CHUNK, 1 << run % CHUNK
        for mark in _marks(record.kind, status, record.user, record.all_tags, record.notebook_id):
            marks[mark, chunk] |= bit
        first, last = spans.get(chunk, (record.started, record.started))
        spans[chunk] = min(first, record.started), max(last, record.started)
        if record.kind == "run" and end is None:
            db.execute("INSERT OR REPLACE INTO open VALUES (?, ?, 0, 0)", (flow, run))
    for (mark, chunk), bits in marks.items():
        _change(db, flow, mark, chunk, add=bits)
    db.executemany(
        "INSERT INTO spans VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "first = min(first, excluded.first), last = max(last, excluded.last)",
        ((flow, chunk, *span) for chunk, span in spans.items()),
    )


def run_nonce(db: sqlite3.Connection, flow: int, run: int) -> str:
    """The nonce of a run, unlike that of others that have had its id; empty if it is not known."""
    row = db.execute("SELECT nonce FROM runs WHERE flow = ? AND run = ?", (flow, run)).fetchone()
    return "" if row is None else str(row[0])


def end_run(db: sqlite3.Connection, flow: int, run: int, end: RunEnd, *, tasks: int | None = None) -> None:
    """Record how a run ended; nothing if it is not there or has ended.

    Parameters
    ----------
    db : sqlite3.Connection
    flow, run : int
    end : RunEnd
    tasks : int, optional
        How many attempts it recorded, if that is certain.
    """
    before = _status_without_end(db, flow, run)
    if before is not None:
        change = "UPDATE runs SET status = ?, finished = ?, tasks = ? WHERE flow = ? AND run = ?"
        db.execute(change, (end.status, end.finished, tasks, flow, run))
        _move(db, flow, run, before, end.status)
    elif tasks is not None:
        db.execute("UPDATE runs SET tasks = coalesce(tasks, ?) WHERE flow = ? AND run = ?", (tasks, flow, run))
    db.execute("DELETE FROM open WHERE flow = ? AND run = ?", (flow, run))


def judge_run(db: sqlite3.Connection, flow: int, run: int, *, dead: bool) -> bool:
    """Record whether the process of a run without an end has died: such a run has failed, unless it comes back.

    Returns
    -------
    bool
        Whether that is another status than before.
    """
    if db.execute("UPDATE open SET dead = ? WHERE flow = ? AND run = ?", (dead, flow, run)).rowcount == 0:
        return False  # it has ended, or is not a run of a whole flow
    before, after = _status_without_end(db, flow, run), "failed" if dead else "running"
    if before is None or before == after:
        return False
    db.execute("UPDATE runs SET status = ? WHERE flow = ? AND run = ?", (after, flow, run))
    _move(db, flow, run, before, after)
    return True


def _status_without_end(db: sqlite3.Connection, flow: int, run: int) -> str | None:
    """What a run that has not ended counts as; None if it has ended or is not there."""
    query = "SELECT status FROM runs WHERE flow = ? AND run = ? AND kind != '' AND finished IS NULL"
    row = db.execute(query, (flow, run)).fetchone()
    return None if row is None else str(row[0])


def _move(db: sqlite3.Connection, flow: int, run: int, before: str, after: str) -> None:
    """Move a run from one status to another."""
    chunk, bit = run // CHUNK, 1 << run % CHUNK
    _change(db, flow, f"s:{before}", chunk, drop=bit)
    _change(db, flow, f"s:{after}", chunk, add=bit)


def remove_run(db: sqlite3.Connection, flow: int, run: int, removed: float) -> None:
    """Remove a run from all lists; its number stays known."""
    row = db.execute(
        "SELECT kind, status, user, tags, notebook_id FROM runs WHERE flow = ? AND run = ? AND removed = 0", (flow, run)
    ).fetchone()
    if row is None:
        return
    kind, status, user, tags, notebook_id = row
    if kind:
        for mark in _marks(kind, status, user, json.loads(tags), notebook_id):
            _change(db, flow, mark, run // CHUNK, drop=1 << run % CHUNK)
    empty = "kind = '', status = '', user = '', tags = '[]', notebook = '', started = 0, finished = NULL, tasks = NULL"
    empty += ", notebook_id = ''"
    db.execute(f"UPDATE runs SET {empty}, removed = ? WHERE flow = ? AND run = ?", (removed, flow, run))
    db.execute("DELETE FROM open WHERE flow = ? AND run = ?", (flow, run))
    db.execute("DELETE FROM tasks WHERE flow = ? AND run = ?", (flow, run))


def change_run(db: sqlite3.Connection, flow: int, run: int, record: RunRecord, end: RunEnd | None) -> None:
    """Record that a run was removed, restored or tagged again, as its record says."""
    if not record.removed:
        gone = "DELETE FROM runs WHERE flow = ? AND run = ? AND kind = ''"
        db.execute(gone, (flow, run))
    put_runs(db, flow, [(run, record, end)])
    tags = json.dumps(record.all_tags)
    query = "SELECT tags FROM runs WHERE flow = ? AND run = ? AND kind != ''"
    row = db.execute(query, (flow, run)).fetchone()
    if row is not None and row[0] != tags and not record.removed:
        chunk, bit, before, after = run // CHUNK, 1 << run % CHUNK, set(json.loads(row[0])), set(record.all_tags)
        for tag in before - after:
            _change(db, flow, f"t:{tag}", chunk, drop=bit)
        for tag in after - before:
            _change(db, flow, f"t:{tag}", chunk, add=bit)
        db.execute("UPDATE runs SET tags = ? WHERE flow = ? AND run = ?", (tags, flow, run))


def matches(
    db: sqlite3.Connection,
    flow: int,
    terms: Sequence[Sequence[str]],
    *,
    since: float | None = None,
    until: float | None = None,
    before: int | None = None,
) -> Iterator[tuple[int, int]]:
    """Where runs match, newest first.

    Parameters
    ----------
    db : sqlite3.Connection
    flow : int
    terms : sequence of sequences of str
        Each names marks of which a run has to have one.
    since, until : float, optional
        A run began at `since` or later, and before `until`.
    before : int, optional
        Only runs with a lower number.

    Yields
    ------
    (int, int)
        The number of a bit map's first run, and the bits, none of them empty.
    """
    newest: int | None = db.execute("SELECT max(run) FROM runs WHERE flow = ?", (flow,)).fetchone()[0]
    if newest is None:
        return
    look = _look_at_rows if is_off("FLOWNB_INDEX_BITMAPS") else _look_at_bit_maps
    before = newest + 1 if before is None else min(before, newest + 1)
    high, width = (before - 1) // CHUNK, WINDOWS[0]
    while high >= 0:
        low = max(0, high - width + 1)
        window = look(db, flow, terms, low, high)
        if before // CHUNK in window:
            window[before // CHUNK] &= (1 << before % CHUNK) - 1
        if since is not None or until is not None:
            lowest, highest = float("-inf") if since is None else since, float("inf") if until is None else until
            window = _in_time(db, flow, window, lowest, highest)
        for chunk in sorted(window, reverse=True):
            if window[chunk]:
                yield chunk * CHUNK, window[chunk]
        high, width = low - 1, WINDOWS[1]


def _look_at_bit_maps(
    db: sqlite3.Connection, flow: int, terms: Sequence[Sequence[str]], low: int, high: int
) -> dict[int, int]:
    """The runs that match in the bit maps from `low` to `high`, by the number of the bit map."""
    query = "SELECT chunk, bits FROM marks WHERE flow = ? AND mark = ? AND chunk BETWEEN ? AND ?"
    window: dict[int, int] | None = None
    for term in terms:
        found: dict[int, int] = {}
        for mark in term:
            for chunk, blob in db.execute(query, (flow, mark, low, high)):
                found[chunk] = found.get(chunk, 0) | _decode(blob)
        if window is not None:
            found = {chunk: both for chunk, bits in window.items() if (both := bits & found.get(chunk, 0))}
        window = found
        if not window:
            break
    return window or {}


def _look_at_rows(
    db: sqlite3.Connection, flow: int, terms: Sequence[Sequence[str]], low: int, high: int
) -> dict[int, int]:
    """The same from the rows of the runs."""
    query = "SELECT run, kind, status, user, tags, notebook_id FROM runs WHERE flow = ? AND run BETWEEN ? AND ?"
    found: dict[int, int] = {}
    for run, kind, status, user, tags, notebook_id in db.execute(query, (flow, low * CHUNK, (high + 1) * CHUNK - 1)):
        marks = _marks(kind, status, user, json.loads(tags), notebook_id) if kind else set()
        if all(marks.intersection(term) for term in terms):
            found[run // CHUNK] = found.get(run // CHUNK, 0) | 1 << run % CHUNK
    return found


def _in_time(db: sqlite3.Connection, flow: int, window: dict[int, int], since: float, until: float) -> dict[int, int]:
    """Those that began in ``since <= started < until``; runs are looked at only where a bit map lies across a bound."""
    if not window:
        return window
    query = "SELECT chunk, first, last FROM spans WHERE flow = ? AND chunk BETWEEN ? AND ?"
    found: dict[int, int] = {}
    for chunk, first, last in db.execute(query, (flow, min(window), max(window))).fetchall():
        if chunk not in window or last < since or first >= until:
            continue
        bits = window[chunk]
        if first < since or last >= until:
            query = "SELECT run FROM runs WHERE flow = ? AND run BETWEEN ? AND ? AND started >= ? AND started < ?"
            bounds = (flow, chunk * CHUNK, chunk * CHUNK + CHUNK - 1, since, until)
            positions = array("H", (run % CHUNK for (run,) in db.execute(query, bounds)))
            bits &= _from_positions(positions)
        found[chunk] = bits
    return found


def numbers(start: int, bits: int) -> Iterator[int]:
    """Run numbers of a bit map, highest first."""
    while bits:
        position = bits.bit_length() - 1
        yield start + position
        bits ^= 1 << position


def run_rows(db: sqlite3.Connection, flow: int, name: str, runs: Sequence[int]) -> list[RunRow]:
    """Rows of runs, newest first."""
    rows: list[RunRow] = []
    for begin in range(0, len(runs), 500):
        some = runs[begin : begin + 500]
        found = db.execute(
            "SELECT CAST(run AS TEXT), kind, status, user, tags, notebook, started, finished FROM runs "
            f"WHERE flow = ? AND run IN ({','.join('?' * len(some))}) ORDER BY run DESC",
            (flow, *some),
        )
        for run, kind, status, user, tags, notebook, started, finished in found:
            own = tuple(json.loads(tags)) if tags != "[]" else ()
            rows.append(RunRow(name, run, kind, status, user, own, notebook, started, finished))
    return rows


def _marks(kind: str, status: str, user: str, tags: Iterable[str], notebook_id: str) -> set[str]:
    """All marks of a run."""
    return {f"k:{kind}", f"s:{status}", f"u:{user}", f"n:{notebook_id}", *(f"t:{tag}" for tag in tags)}


def _change(db: sqlite3.Connection, flow: int, mark: str, chunk: int, *, add: int = 0, drop: int = 0) -> None:
    """Set and clear bits of one bit map."""
    key = (flow, mark, chunk)
    row = db.execute("SELECT bits FROM marks WHERE flow = ? AND mark = ? AND chunk = ?", key).fetchone()
    before = 0 if row is None else _decode(row[0])
    after = (before | add) & ~drop
    if after != before:
        db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)", (*key, _encode(after)))


def _encode(bits: int) -> bytes:
    """A bit map as bytes: little-endian, or 16-bit positions when they are few."""
    if bits.bit_count() > SPARSE:
        return bits.to_bytes(CHUNK // 8, "little")
    return array("H", numbers(0, bits)).tobytes()


def _decode(blob: bytes) -> int:
    """What `_encode` wrote."""
    return int.from_bytes(blob, "little") if len(blob) == CHUNK // 8 else _from_positions(array("H", blob))


def _from_positions(positions: Iterable[int]) -> int:
    """A bit map with these bits set."""
    cells = bytearray(CHUNK // 8)
    for position in positions:
        cells[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(cells, "little")


class TaskRow(NamedTuple):
    """An attempt that has ended, as a timeline shows it; times in seconds since the epoch, UTC."""

    step: str
    task: str
    attempt: int
    status: str
    started: float
    finished: float


def put_tasks(db: sqlite3.Connection, flow: int, records: Iterable[TaskRecord]) -> None:
    """Add attempts that have ended."""
    db.executemany(
        "INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (flow, int(one.run), one.started, int(one.task), one.attempt, one.step, one.status, one.finished)
            for one in records
        ),
    )


def remove_tasks(db: sqlite3.Connection, flow: int, run: int, attempts: Iterable[tuple[str, int]]) -> None:
    """Remove attempts, given by task and number."""
    query = "DELETE FROM tasks WHERE flow = ? AND run = ? AND task = ? AND attempt = ?"
    db.executemany(query, ((flow, run, int(task), attempt) for task, attempt in attempts))


def task_rows(db: sqlite3.Connection, flow: int, run: int) -> list[TaskRow]:
    """Attempts of a run by their start, then by number."""
    found = db.execute(
        "SELECT step, CAST(task AS TEXT), attempt, status, started, finished FROM tasks "
        "WHERE flow = ? AND run = ? ORDER BY started, task, attempt",
        (flow, run),
    )
    return list(map(TaskRow._make, found))
