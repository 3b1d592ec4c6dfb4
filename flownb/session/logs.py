"""The output of a step's tasks, shown again: ``%flow logs``.

It is the same in every run of a notebook: no ids, no times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flownb.client.logs import settled, source_of, task_attempts, task_log
from flownb.errors import MissingResults, NotFound
from flownb.pathspec import Origin, parse_origin
from flownb.session.commands import read
from flownb.session.latest import LatestResults, no_task
from flownb.session.session import Session
from flownb.session.step_output import SHOWN
from flownb.store.logs import LogPiece, LogPlace
from flownb.store.records import TaskRecord

__all__ = ["LogOptions", "StepLog", "TaskLog", "parse_logs", "step_log"]


@dataclass(frozen=True)
class LogOptions:
    """What ``logs`` was asked for.

    Attributes
    ----------
    step : str
    index : int or None
        Which item of the innermost foreach; None means all.
    origin : str or None
        ``RUN``, ``RUN/STEP`` or ``RUN/STEP/TASK``; None means a run that is active in the background, else the newest
        results.
    attempt : int or None
        From 0; None means the last one.
    all : bool
        Whether to show what all tasks wrote, however many there are.
    """

    step: str
    index: int | None = None
    origin: str | None = None
    attempt: int | None = None
    all: bool = False


@dataclass(frozen=True)
class TaskLog:
    """The output of one task.

    Attributes
    ----------
    heading : str
        Which task it is, empty where there is only one.
    pieces : tuple of LogPiece
        Settled: updates applied, text in as few pieces as can be.
    """

    heading: str
    pieces: tuple[LogPiece, ...]


@dataclass(frozen=True)
class StepLog:
    """The output of a step's tasks, and a note on it; both may be empty."""

    tasks: tuple[TaskLog, ...]
    note: str = ""


def parse_logs(given: Sequence[str]) -> LogOptions:
    """Read ``train --from 7 --index 2 --attempt 0``.

    Raises
    ------
    ParameterError
        If an option is unknown or has no value, or no step is named.

    Examples
    --------
    >>> parse_logs(["train", "--index", "2"])
    LogOptions(step='train', index=2, origin=None, attempt=None, all=False)
    """
    return LogOptions(**read("logs", given))


def step_log(session: Session, options: LogOptions) -> StepLog:
    """The output of the newest tasks of a step, or of those of a run.

    Raises
    ------
    NotFound
        If there is no such step, run, task, item or attempt.
    MissingResults
        If the step never ran.
    """
    step = session.step(options.step).name
    flow = session.flow.name
    origin = _origin(session, options)
    records, running = _tasks(session, options, origin)
    if not records and not running:
        where = "" if origin is None else f" in run {flow}/{origin.run}"
        raise MissingResults(
            f"Step {step} has written nothing{where}.",
            "None of its tasks has begun.",
            f"Run its cell, `%flow run`, or look into another run: `%flow logs {step} --from RUN`.",
        )
    if options.index is not None:
        records, running = _at_index(records, options), []
    logs = [TaskLog(heading, pieces) for heading, pieces in (_recorded(session, one, options) for one in records)]
    for number, place in enumerate(running, 1):
        pieces = settled(session.datastore.logs.read(flow, origin.run if origin else "", place))
        logs.append(TaskLog(f"running task {number} of {len(running)}", tuple(pieces)))
    gone = _cleared_with(session, [one for one, log in zip(records, logs, strict=False) if not log.pieces])
    silent = sum(not log.pieces for log in logs)
    heard = [log for log in logs if log.pieces]
    notes = []
    if not heard:
        tasks = f"its {len(logs)} tasks" if len(logs) > 1 else "it"
        notes.append(f"{step}: {tasks} wrote nothing")
    elif silent:
        notes.append(f"{silent} more task{'s' if silent > 1 else ''} wrote nothing")
    if gone:
        notes = [f"what {step} wrote was removed with run {', '.join(gone)}, where it ran"]
    if len(heard) > SHOWN and not options.all:
        notes.append(f"{len(heard) - SHOWN} more tasks wrote something; --all shows them, --index picks one")
        heard = heard[:SHOWN]
    return StepLog(tuple(heard), "; ".join(notes))


def _cleared_with(session: Session, clones: Sequence[TaskRecord]) -> list[str]:
    """Removed runs in which cloned tasks ran; their logs were removed with them."""
    runs = dict.fromkeys(one.origin.partition("/")[0] for one in clones if one.origin)
    found = session.datastore.runs.run_records(session.flow.name, list(runs))
    return [run for run, record in zip(runs, found, strict=True) if record is None or record.removed]


def _origin(session: Session, options: LogOptions) -> Origin | None:
    """The run or task that is asked for; a run of this kernel that is active counts as asked for."""
    flow = session.flow.name
    if options.origin is None:
        going = [run for run in session.runs if run.running and run.pathspec.split("/")[0] == flow]
        return Origin(going[-1].pathspec.split("/")[1]) if going else None
    origin = parse_origin(options.origin, flow)
    session.datastore.runs.run(flow, origin.run)  # says so if there is no such run
    if origin.step not in (None, options.step):
        raise NotFound(
            f"`--from {options.origin}` names step {origin.step}, not {options.step}.",
            "A step's own tasks are shown.",
            f"Write --from {origin.run}, or logs {origin.step}.",
        )
    return origin


def _tasks(session: Session, options: LogOptions, origin: Origin | None) -> tuple[Sequence[TaskRecord], list[LogPlace]]:
    """The step's tasks that are asked for, in foreach order, and logs of those that have not ended."""
    flow, store = session.flow.name, session.datastore
    if origin is None:
        return session.results().attempted(options.step), []
    if origin.task is not None:
        record = store.tasks.last_attempt(flow, origin.run, options.step, origin.task)
        places = store.logs.attempts(flow, origin.run, options.step, origin.task)
        if record is None and not places:
            raise no_task(store, flow, origin.run, options.step, origin.task)
        return ([record], []) if record is not None else ([], places[-1:])
    if store.runs.run(flow, origin.run).kind == "work":
        return LatestResults(store, flow, only=origin.run).attempted(options.step), []
    records = sorted(
        store.tasks.last_attempts(flow, origin.run, options.step),
        key=lambda one: tuple(frame.index for frame in one.foreach),
    )
    ended = {record.task for record in records}
    last = {place.task: place for place in store.logs.attempts(flow, origin.run, options.step)}
    return records, [place for task, place in last.items() if task not in ended]


def _at_index(records: Sequence[TaskRecord], options: LogOptions) -> list[TaskRecord]:
    """The tasks of the wanted item; several where foreachs are nested."""
    found = [one for one in records if one.foreach and one.foreach[-1].index == options.index]
    if not found:
        indexes = [one.foreach[-1].index for one in records if one.foreach]
        why = f"Its foreach has items 0 to {max(indexes)}." if indexes else "It is not inside a foreach."
        fix = "Give another --index." if indexes else "Leave --index out."
        raise NotFound(f"Step {options.step} has no item {options.index}.", why, fix)
    return found


def _recorded(session: Session, record: TaskRecord, options: LogOptions) -> tuple[str, tuple[LogPiece, ...]]:
    """Heading and pieces of a task that has ended."""
    attempts = task_attempts(session.datastore, source_of(session.datastore, record))
    attempt = attempts[-1] if options.attempt is None else options.attempt
    if attempt not in attempts:
        raise NotFound(
            f"Step {options.step} has no attempt {attempt}.",
            f"Its attempts are 0 to {attempts[-1]}." if len(attempts) > 1 else "It has attempt 0 only.",
            "Give another --attempt." if len(attempts) > 1 else "Leave --attempt out.",
        )
    parts = [f"item {'/'.join(str(frame.index) for frame in record.foreach)}"] if record.foreach else []
    if len(attempts) > 1:
        parts.append(f"attempt {attempt} (there are 0 to {attempts[-1]})")
    return ", ".join(parts), tuple(settled(task_log(session.datastore, record, attempt)))
