"""What tasks wrote and displayed, as a notebook would show it in the end: updates applied, cleared outputs removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from flownb.errors import ParameterError
from flownb.store.datastore import Datastore
from flownb.store.logs import LogPiece, LogPlace
from flownb.store.records import TaskRecord

__all__ = ["failure_piece", "log_lines", "log_text", "settled", "source_of", "task_attempts", "task_log"]


def source_of(datastore: Datastore, record: TaskRecord) -> TaskRecord:
    """The task that really ran: the one a task was cloned from, as long as that is there; else itself."""
    seen = {record.pathspec}
    while record.origin:
        run, step, task = record.origin.split("/")
        found = datastore.tasks.last_attempt(record.flow, run, step, task)
        if found is None or found.pathspec in seen:
            return record
        record = found
        seen.add(record.pathspec)
    return record


def task_attempts(datastore: Datastore, record: TaskRecord) -> list[int]:
    """Attempts of a task that were recorded or left a log."""
    found = {place.attempt for place in datastore.logs.attempts(record.flow, record.run, record.step, record.task)}
    return sorted(found | set(range(record.attempt + 1)))


def task_log(datastore: Datastore, record: TaskRecord, attempt: int | None = None) -> list[LogPiece]:
    """All output of an attempt, and the traceback of the error that ended it.

    Parameters
    ----------
    datastore : Datastore
    record : TaskRecord
        The task's last attempt; for a cloned task, the task it was cloned from is used.
    attempt : int, optional
        None means the last one.
    """
    record = source_of(datastore, record)
    place = LogPlace(record.step, record.task, record.attempt if attempt is None else attempt)
    pieces = datastore.logs.read(record.flow, record.run, place)
    if place.attempt == record.attempt:
        ended: TaskRecord | None = record
    else:
        (ended,) = datastore.tasks.task_records(record.flow, record.run, [place])
    return [*pieces, *failure_piece(ended, pieces)] if ended is not None else pieces


def failure_piece(record: TaskRecord, before: Sequence[LogPiece]) -> list[LogPiece]:
    """The traceback of a failed attempt, as its last output; empty if it did not fail."""
    if record.exception is None or record.status == "done":
        return []
    text = record.exception.get("traceback") or f"{record.exception.get('type')}: {record.exception.get('message')}"
    # Pieces have the time at which they arrived, which may be later than the end.
    at = max([record.finished, *(piece.at for piece in before[-1:])])
    return [LogPiece(at, "stderr", text.rstrip("\n") + "\n")]


def settled(pieces: Iterable[LogPiece], *, joined: bool = True) -> list[LogPiece]:
    """The pieces that are visible in the end: updates in their places, nothing that was cleared.

    Parameters
    ----------
    pieces : iterable of LogPiece
        Of one attempt, in order.
    joined : bool, default True
        Whether neighbouring text becomes one piece, with the time of the first.
    """
    shown: list[LogPiece] = []
    texts: list[list[str]] = []  # of each piece, joined in the end
    named: dict[str, list[int]] = {}
    clearing = False
    for piece in pieces:
        if piece.kind == "clear":
            clearing = True
            if piece.update:
                continue
        elif piece.update and piece.display_id in named:
            for position in named[piece.display_id]:
                shown[position] = replace(piece, at=shown[position].at, update=False)
                texts[position] = [piece.text]
            continue
        if clearing:
            shown, texts, named, clearing = [], [], {}, False
        if piece.kind == "clear":
            continue
        if joined and piece.kind != "display" and shown and shown[-1].kind == piece.kind:
            texts[-1].append(piece.text)
            continue
        if piece.display_id:
            named.setdefault(piece.display_id, []).append(len(shown))
        shown.append(replace(piece, update=False))
        texts.append([piece.text])
    return [replace(piece, text="".join(parts)) for piece, parts in zip(shown, texts, strict=True)]


def log_lines(pieces: Iterable[LogPiece], stream: str) -> Iterator[tuple[datetime, str]]:
    """The lines of a stream, each with the time, UTC, at which it began; without their ends.

    Raises
    ------
    ParameterError
        If there is no such stream.
    """
    if stream not in ("stdout", "stderr"):
        raise ParameterError(
            f"There is no stream `{stream}`.", "A task writes to stdout and stderr.", "Name one of these."
        )
    return _lines(pieces, stream)


def _lines(pieces: Iterable[LogPiece], stream: str) -> Iterator[tuple[datetime, str]]:
    started, open_line = 0.0, list[str]()
    for piece in pieces:
        if piece.kind != stream or not piece.text:
            continue
        first, *rest = piece.text.split("\n")
        if not open_line:
            started = piece.at
        open_line.append(first)
        for text in rest:
            yield datetime.fromtimestamp(started, UTC), "".join(open_line)
            started, open_line = piece.at, [text] if text else []
    if open_line:
        yield datetime.fromtimestamp(started, UTC), "".join(open_line)


def log_text(pieces: Iterable[LogPiece], stream: str) -> str:
    """All that was written to a stream; as in Metaflow the last line is always ended."""
    return "".join(f"{line}\n" for _, line in log_lines(pieces, stream))
