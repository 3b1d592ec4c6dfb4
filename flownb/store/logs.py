"""The logs of a datastore: what attempts wrote and displayed, read again, also while they run.

`flownb.store.log_book` writes the files. A line that a killed process left unfinished is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from flownb.store.log_book import LogBook, from_line, log_folder
from flownb.store.storage import Entry, Storage

__all__ = ["LogPiece", "LogPlace", "LogReader", "LogStore"]

# Files that are read at once.
AT_ONCE = 64
PieceKind = Literal["stdout", "stderr", "display", "clear", "note"]


class LogPlace(NamedTuple):
    """Which attempt a log is of."""

    step: str
    task: str
    attempt: int


@dataclass(frozen=True)
class LogPiece:
    """One piece of an attempt's output.

    Attributes
    ----------
    at : float
        When, in seconds since the epoch, UTC.
    kind : {"stdout", "stderr", "display", "clear", "note"}
        ``clear`` removes everything before it; the text of a ``note`` says what was not kept.
    text : str
        Of a stream: what was written; of a display its ``text/plain``.
    data, metadata : dict
        Of a display: its MIME bundle.
    display_id : str
        Of a display that can be updated: its name.
    update : bool
        Of a display: whether it replaces the earlier one of that name; of a clear: whether it waits until the
        next output.
    """

    at: float
    kind: PieceKind
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    display_id: str = ""
    update: bool = False

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        return (dict(self.data) or {"text/plain": self.text}), dict(self.metadata)


class LogStore:
    """The logs of all runs in one place.

    Parameters
    ----------
    storage : Storage
        The files of the datastore.

    Notes
    -----
    Where a method takes a step and a task, None means all of them.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def book(self, flow: str, run: str) -> LogBook:
        """What writes the logs of a run."""
        return LogBook(self._storage, flow, run)

    def reader(
        self, flow: str, run: str, *, step: str | None = None, task: str | None = None, attempt: int | None = None
    ) -> LogReader:
        """What reads the logs of a run, step, task or attempt, again and again."""
        return LogReader(self._storage, flow, run, step=step, task=task, attempt=attempt)

    def read(self, flow: str, run: str, place: LogPlace) -> list[LogPiece]:
        """All that one attempt wrote and displayed, by time; empty if it has no log."""
        reader = self.reader(flow, run, step=place.step, task=place.task, attempt=place.attempt)
        return [piece for _, piece in reader.read()]

    def attempts(self, flow: str, run: str, step: str | None = None, task: str | None = None) -> list[LogPlace]:
        """The attempts that have logs, sorted by step, task and attempt."""
        above = log_folder(flow, run)
        places = (_place_of(entry.name.removeprefix(f"{above}/")) for entry in self.files(flow, run, step, task))
        return sorted(
            {found[0] for found in places if found}, key=lambda place: (place.step, _number(place.task), place)
        )

    def files(self, flow: str, run: str, step: str | None = None, task: str | None = None) -> list[Entry]:
        """The files of the logs."""
        return list(self._storage.entries(log_folder(flow, run, step, task)))


class LogReader:
    """Reads what attempts of a run wrote and displayed, each piece once.

    Parameters
    ----------
    storage : Storage
        The files of the datastore.
    flow, run : str
    step, task : str, optional
        Only of this step or task.
    attempt : int, optional
        Only of this attempt.
    """

    def __init__(
        self,
        storage: Storage,
        flow: str,
        run: str,
        *,
        step: str | None = None,
        task: str | None = None,
        attempt: int | None = None,
    ) -> None:
        self._storage = storage
        self._run_folder = log_folder(flow, run)
        self._folder = log_folder(flow, run, step, task)
        self._attempt = attempt
        # Of each file: the bytes that were read, and how many of them are whole lines.
        self._seen: dict[str, tuple[int, int]] = {}

    def read(self, only: Iterable[LogPlace] | None = None) -> list[tuple[LogPlace, LogPiece]]:
        """The pieces that were not returned yet, by time.

        Parameters
        ----------
        only : iterable of LogPlace, optional
            Attempts to read; the output of others is returned by a later call.
        """
        wanted = None if only is None else set(only)
        grown: list[tuple[LogPlace, int, Entry]] = []
        for entry in self._storage.entries(self._folder):
            found = _place_of(entry.name.removeprefix(f"{self._run_folder}/"))
            if found is None or (wanted is not None and found[0] not in wanted):
                continue
            if self._attempt in (None, found[0].attempt) and entry.size > self._seen.get(entry.name, (0, 0))[0]:
                grown.append((*found, entry))
        grown.sort(key=lambda one: one[:2])
        pieces = []
        for start in range(0, len(grown), AT_ONCE):
            some = grown[start : start + AT_ONCE]
            contents = self._storage.read_many([entry.name for _, _, entry in some])
            for (place, number, entry), content in zip(some, contents, strict=True):
                if content is not None:
                    pieces += [(place, piece) for piece in self._new(entry.name, content, number)]
        pieces.sort(key=lambda one: one[1].at)
        return pieces

    def _new(self, name: str, content: bytes, number: int) -> list[LogPiece]:
        """The pieces that a file did not have when it was last read."""
        start = self._seen.get(name, (0, 0))[1]
        end = content.rfind(b"\n") + 1
        self._seen[name] = (len(content), max(start, end))
        stem = name.removesuffix(f".{number}.jsonl" if number else ".jsonl")
        has_before = number < 2 or f"{stem}.{number - 1}.jsonl" in self._seen
        found: list[LogPiece] = []
        for line in content[start:end].split(b"\n"):
            fields = from_line(line)
            if fields and not (fields["k"] == "before" and has_before):
                found += _pieces(fields)
        return found


def _number(task: str) -> int:
    return int(task) if task.isdecimal() else 1 << 60


def _place_of(name: str) -> tuple[LogPlace, int] | None:
    """Attempt and part of a file's name; None for files that are not logs."""
    parts = name.split("/")
    if len(parts) != 3:
        return None
    numbers = parts[2].removesuffix(".jsonl").split(".")
    if parts[2].endswith(".jsonl") and len(numbers) <= 2 and all(number.isdecimal() for number in numbers):
        return LogPlace(parts[0], parts[1], int(numbers[0])), int(numbers[1]) if len(numbers) == 2 else 0
    return None


def _pieces(fields: dict[str, Any]) -> list[LogPiece]:
    """What a line says."""
    at, kind = float(fields["t"]), fields["k"]
    if kind in ("stdout", "stderr"):
        text = fields.get("s")
        return [LogPiece(at, kind, text)] if isinstance(text, str) else []
    if kind == "clear":
        return [LogPiece(at, "clear", update=bool(fields.get("wait")))]
    if kind == "display":
        data, metadata = fields.get("data"), fields.get("metadata", {})
        if not isinstance(data, dict) or not isinstance(metadata, dict):
            return []
        name, update = str(fields.get("id", "")), bool(fields.get("update"))
        return [LogPiece(at, "display", str(data.get("text/plain", "")), data, metadata, name, update)]
    return _left_out(at, fields) if kind in ("before", "out") else []


def _left_out(at: float, fields: dict[str, Any]) -> list[LogPiece]:
    """What was not kept, reported where it is missing: of a stream in that stream."""
    counts = {name: count for name, count in fields.items() if name not in ("t", "k") and isinstance(count, int)}
    found = [
        LogPiece(at, stream, f"\n… {counts[stream]:,} characters are left out here …\n")
        for stream in ("stdout", "stderr")
        if counts.get(stream)
    ]
    if counts.get("displays"):
        found.append(LogPiece(at, "note", f"… outputs that are left out here: {counts['displays']:,} …\n"))
    if counts.get("reduced"):
        size = f"{counts.get('bytes', 0) / 1e6:,.1f} MB"
        found.append(LogPiece(at, "note", f"… outputs kept as text only: {counts['reduced']:,} ({size}) …\n"))
    return found
