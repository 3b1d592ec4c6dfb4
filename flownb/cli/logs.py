"""``flownb logs``: what tasks wrote, also while they run.

The text of one task is printed as it was written. Where there are several, each line begins with its task, and lines
are in the order of time. What a task displayed is printed as its text.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from flownb.cli.datastore import open_datastore
from flownb.client.logs import failure_piece, settled, task_attempts, task_log
from flownb.errors import NotFound, ParameterError, nearest
from flownb.pathspec import safe_name
from flownb.store.datastore import Datastore
from flownb.store.logs import LogPiece, LogPlace, LogReader
from flownb.store.records import TaskRecord

__all__ = ["logs"]

# Seconds between two looks at a log that is followed, in a folder and in a bucket.
LOOK, LOOK_AFAR = 0.25, 2.0
# A look takes at most this share of the time.
SHARE = 0.2

Shown = tuple[LogPlace, LogPiece]


@dataclass(frozen=True)
class _Place:
    """What is to be printed."""

    datastore: Datastore
    flow: str
    run: str
    step: str | None
    task: str | None
    attempt: int | None

    def records(self) -> list[TaskRecord]:
        """Last attempts of the tasks that have ended."""
        if self.step is not None and self.task is not None:
            found = self.datastore.tasks.last_attempt(self.flow, self.run, self.step, self.task)
            return [] if found is None else [found]
        steps = [self.step] if self.step is not None else self.datastore.tasks.steps(self.flow, self.run)
        return [record for step in steps for record in self.datastore.tasks.last_attempts(self.flow, self.run, step)]

    def logged(self) -> list[LogPlace]:
        """Attempts that have logs."""
        return self.datastore.logs.attempts(self.flow, self.run, self.step, self.task)

    def reader(self) -> LogReader:
        """What reads these logs."""
        return self.datastore.logs.reader(self.flow, self.run, step=self.step, task=self.task, attempt=self.attempt)


def logs(place: str, *, follow: bool, attempt: int | None, stdout: bool, stderr: bool, datastore: str | None) -> int:
    """``flownb logs FLOW/RUN[/STEP[/TASK]] [--follow] [--stdout | --stderr] [--attempt N]``."""
    if stdout and stderr:
        raise ParameterError(
            "`--stdout` and `--stderr` cannot be given together.",
            "Each shows what was written to one of them only.",
            "Leave both out to see everything.",
        )
    store = open_datastore(datastore)
    names = [safe_name(name) for name in place.strip("/").split("/")]
    if not 2 <= len(names) <= 4:
        raise ParameterError(
            f"`{place}` does not name a run.",
            "A place is FLOW/RUN, FLOW/RUN/STEP or FLOW/RUN/STEP/TASK.",
            "Correct it.",
        )
    flow, run, step, task = [*names, None, None][:4]
    assert flow is not None
    assert run is not None
    store.runs.run(flow, run)  # says so if there is no such run
    meant = _Place(store, flow, run, step, task, attempt)
    printer = _Printer("stdout" if stdout else "stderr" if stderr else None, labelled=task is None)
    try:
        if follow:
            _follow(meant, printer)
        else:
            _print(meant, printer)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read along has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _print(place: _Place, printer: _Printer) -> None:
    """Print what there is now."""
    records = place.records()
    ended = {(record.step, record.task): record for record in records}
    last = {(one.step, one.task): one for one in place.logged() if place.attempt in (None, one.attempt)}
    if not records and not last:
        raise _nothing(place)
    own = {one for key, one in last.items() if key not in ended or not ended[key].origin}
    found: dict[LogPlace, list[LogPiece]] = {}
    for one, piece in place.reader().read(own):
        found.setdefault(one, []).append(piece)
    for key, record in ended.items():
        attempt = record.attempt if place.attempt is None else place.attempt
        if record.origin:
            found[LogPlace(*key, attempt)] = task_log(place.datastore, record, place.attempt)
        elif attempt == record.attempt:
            log = found.setdefault(LogPlace(*key, attempt), [])
            log += failure_piece(record, log)
        elif place.task is not None and attempt not in (known := task_attempts(place.datastore, record)):
            raise NotFound(
                f"Task {record.pathspec} has no attempt {attempt}.", f"It has {known[-1] + 1}, from 0.", "Correct it."
            )
    pieces = [(one, piece) for one, log in found.items() for piece in settled(log, joined=False)]
    printer.print(sorted(pieces, key=lambda shown: shown[1].at))
    printer.finish()


def _follow(place: _Place, printer: _Printer) -> None:
    """Print what there is and what comes, until the run has ended or its process died."""
    reader = place.reader()
    least = LOOK_AFAR if place.datastore.location.startswith("s3://") else LOOK
    while True:
        over, began = _is_over(place), time.monotonic()
        printer.print(reader.read())
        sys.stdout.flush()
        if over:
            break
        time.sleep(max(least, (time.monotonic() - began) / SHARE))
    records = place.records()
    for record in sorted(records, key=lambda one: one.finished):
        if place.attempt in (None, record.attempt):
            key = LogPlace(record.step, record.task, record.attempt)
            printer.print([(key, piece) for piece in failure_piece(record, [])])
    printer.finish()
    if not records and not place.logged() and place.step is not None:
        raise _nothing(place)


def _is_over(place: _Place) -> bool:
    """Whether nothing more will come: the run has ended, or the one task has."""
    if place.task is not None:
        record = next(iter(place.records()), None)
        work = place.datastore.runs.run(place.flow, place.run).kind == "work"
        if record is not None and (record.status == "done" or work):
            return True
    return place.datastore.runs.run_status(place.flow, place.run) != "running"


def _nothing(place: _Place) -> NotFound:
    """That nothing was written at a place, and where something was."""
    name = "/".join(part for part in (place.flow, place.run, place.step, place.task) if part is not None)
    if place.step is None:
        return NotFound(f"Run {name} has no tasks yet.", "None of them has begun.", "Add --follow to wait for them.")
    everything = _Place(place.datastore, place.flow, place.run, None, None, None)
    steps = sorted({*place.datastore.tasks.steps(place.flow, place.run), *(one.step for one in everything.logged())})
    if place.task is None or place.step not in steps:
        return NotFound(
            f"Run {place.flow}/{place.run} has no step `{place.step}`.{nearest(place.step, steps)}",
            f"Steps that have begun are {', '.join(steps)}." if steps else "None of its steps has begun.",
            "Correct the name, or add --follow to wait for it.",
        )
    ids = ", ".join(place.datastore.tasks.task_ids(place.flow, place.run, place.step)) or "none"
    return NotFound(f"There is no task {name}.", f"The tasks of that step that ended are: {ids}.", "Name one of these.")


class _Printer:
    """Prints pieces: as they are, or as lines with their task before them.

    Parameters
    ----------
    stream : str or None
        Only what was written to it.
    labelled : bool
    """

    def __init__(self, stream: str | None, *, labelled: bool) -> None:
        self._stream = stream
        self._labelled = labelled
        self._open: dict[tuple[LogPlace, str], str] = {}
        self._at_start = True

    def print(self, pieces: Iterable[Shown]) -> None:
        """Print pieces, by time; half a line waits for its end where lines are labelled."""
        for place, piece in pieces:
            if self._stream not in (None, piece.kind) or piece.kind == "clear":
                continue
            text = piece.text
            if piece.kind == "display":
                text = f"{text or ', '.join(piece.data)}\n"
            if self._labelled:
                self._lines(place, piece.kind, text)
            else:
                fresh = piece.kind in ("display", "note") and not self._at_start
                self._write(f"\n{text}" if fresh else text)

    def _lines(self, place: LogPlace, kind: str, text: str) -> None:
        """Print the lines that are whole."""
        *lines, rest = (self._open.pop((place, kind), "") + text).split("\n")
        for line in lines:
            self._write(f"[{place.step}/{place.task}] {_seen(line)}\n")
        if rest:
            self._open[place, kind] = rest

    def finish(self) -> None:
        """End what was left open."""
        for (place, kind), _ in list(self._open.items()):
            self._lines(place, kind, "\n")
        if not self._at_start:
            self._write("\n")

    def _write(self, text: str) -> None:
        if text:
            self._at_start = text.endswith("\n")
            encoding = sys.stdout.encoding or "utf-8"
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _seen(line: str) -> str:
    """What a terminal shows of a line that was written over and over, as bars are."""
    return line.rstrip("\r").rpartition("\r")[2]
