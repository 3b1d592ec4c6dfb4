"""The tasks of the index: attempts that have ended, in the table that `flownb.store.index.tables` makes.

Takes records through an open connection, inside the caller's transaction; gives rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from flownb.store.records import TaskRecord

__all__ = ["TaskRow", "put_tasks", "remove_tasks", "task_rows"]


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
    """Show attempts, given by task and number, no longer."""
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
