"""Writing logs: what attempts wrote and displayed, kept as files that grow while an attempt runs.

Below a run's folder::

    logs/STEP/TASK/ATTEMPT.jsonl            the first part
    logs/STEP/TASK/ATTEMPT.N.jsonl          the last parts of an attempt that wrote very much; older ones are removed

One line is one piece of output, as JSON that any tool can read: ``t`` is the time in seconds since the epoch, ``k`` the
kind. No task waits for a log or fails because of one: what cannot be written is reported once and left out.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from flownb.errors import FlownbError
from flownb.pathspec import safe_name
from flownb.store.manifests import run_folder
from flownb.store.storage import Appender, Storage
from flownb.store.validation import is_moment

__all__ = ["LogBook", "Output", "from_line", "log_folder", "to_line"]

# Characters of text in the first part, and in each of the two last parts that are kept.
PART = 1 << 20
# Bytes of what is displayed, as JSON, and of these the share that updates in place may take.
RICH = 64 << 20
UPDATES = RICH // 2
# Text that waits for the next flush at most, in characters.
WAITING = 1 << 18
# Characters of a display's text that are kept when the rest of it is not.
PLAIN = 10_000


class Output(Protocol):
    """A piece of what an attempt wrote or displayed; see `flownb.runtime.task.Output`."""

    @property
    def kind(self) -> str:
        """``stdout``, ``stderr``, ``display`` or ``clear``."""
        ...

    @property
    def text(self) -> str:
        """Of a stream: what was written."""
        ...

    @property
    def data(self) -> Mapping[str, Any]:
        """Of a display: its MIME bundle."""
        ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Of a display: that of its bundle."""
        ...

    @property
    def display_id(self) -> str:
        """Of a display: its name, else empty."""
        ...

    @property
    def update(self) -> bool:
        """Of a display: whether it replaces an earlier one; of a clear: whether it waits."""
        ...


def log_folder(flow: str, run: str, step: str | None = None, task: str | None = None) -> str:
    """Where the logs of a run, a step or a task are, below the datastore's root.

    Raises
    ------
    NotFound
        If a name could lead elsewhere.
    """
    parts = [safe_name(part) for part in (step, task) if part is not None]
    return "/".join([run_folder(flow, run), "logs", *parts])


class LogBook:
    """The logs of one run's attempts.

    Parameters
    ----------
    storage : Storage
        The files of the datastore.
    flow, run : str

    Notes
    -----
    An attempt's file is made with its first output. Of very much text the first and the last part are kept, and of
    displays their text alone once they take too much room; what is left out is counted. Any thread may call.
    """

    def __init__(self, storage: Storage, flow: str, run: str) -> None:
        self._storage = storage
        self._folder = log_folder(flow, run)
        self._run = f"{flow}/{run}"
        self._lock = threading.RLock()
        self._open: dict[tuple[str, str, int], _Log] = {}
        self._ended: list[_Log] = []
        # The last parts of attempts that have ended, in case more comes from them.
        self._last: dict[tuple[str, str, int], _Part] = {}
        self._complained = False

    def add(self, step: str, task: str, attempt: int, output: Output) -> None:
        """Add one piece of an attempt's output; it is written with the next flush."""
        with self._lock, self._best_effort():
            key = (step, task, attempt)
            log = self._open.get(key)
            if log is None:
                place = f"{self._folder}/{safe_name(step)}/{safe_name(task)}/{attempt}"
                log = self._open[key] = _Log(self._storage, place, self._last.get(key))
            log.add(output)

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            for log in self._open.values():
                with self._best_effort():
                    log.flush()
            self._forget_written()

    def end(self, step: str, task: str, attempt: int) -> None:
        """Write what is left of an attempt that has ended; in a bucket this continues in the background."""
        with self._lock:
            log = self._open.pop((step, task, attempt), None)
            if log is not None:
                with self._best_effort():
                    last = log.end()
                    if last is not None:
                        self._last[step, task, attempt] = last
                        self._ended.append(log)
            if len(self._ended) >= 100:
                self._forget_written()

    def close(self) -> None:
        """Write what all attempts left, and wait until it is kept."""
        with self._lock:
            for key in list(self._open):
                self.end(*key)
            while self._ended:
                with self._best_effort():
                    self._ended.pop().settle()

    def _forget_written(self) -> None:
        """Settle what has been written since."""
        waiting = []
        for log in self._ended:
            if log.is_written():
                with self._best_effort():
                    log.settle()
            else:
                waiting.append(log)
        self._ended = waiting

    @contextlib.contextmanager
    def _best_effort(self) -> Iterator[None]:
        """Report an error once, and continue."""
        try:
            yield
        except Exception as error:
            if not self._complained:
                self._complained = True
                why = str(error) if isinstance(error, FlownbError) else f"{type(error).__name__}: {error}"
                with contextlib.suppress(Exception):
                    print(f"note: not all logs of run {self._run} are kept. {why}", file=sys.stderr)


class _Log:
    """One attempt's log; `before` is the last part of what it wrote before it was ended too early."""

    def __init__(self, storage: Storage, place: str, before: _Part | None) -> None:
        self._storage = storage
        self._place = place
        self._before = before
        self._parts: list[_Part] = []
        self._waiting: list[tuple[float, str, list[str]]] = []
        self._waits = 0
        self._rich = 0
        # Displays of which only the text is kept, and their size.
        self._reduced = self._reduced_bytes = 0
        # The last state of displays that are updated too often to keep each.
        self._held: dict[str, bytes] = {}
        self._last = 0.0
        self._broken = False

    def add(self, output: Output) -> None:
        """Take a piece."""
        if self._broken:
            return
        now = self._last = max(time.time(), self._last)
        if output.kind in ("stdout", "stderr"):
            if not output.text:
                return
            if self._waiting and self._waiting[-1][1] == output.kind:
                self._waiting[-1][2].append(output.text)
            else:
                self._waiting.append((now, output.kind, [output.text]))
            self._waits += len(output.text)
            if self._waits > WAITING:
                self.flush()
            return
        self._write_waiting()
        if output.kind == "clear":
            self._put({"t": now, "k": "clear", "wait": output.update})
        else:
            self._display(now, output)

    def flush(self) -> None:
        """Write what waits."""
        if not self._broken:
            self._write_waiting()
            with self._breaking():
                for part in self._parts[-1:]:  # those before are closed
                    part.write()

    def end(self) -> _Part | None:
        """Write what is left and close the file; the last part, or None if nothing was or can be written."""
        if not self._broken:
            self._write_waiting()
            self._part(self._last).lines += self._held.values()
            if self._reduced:
                self._put({"t": self._last, "k": "out", "reduced": self._reduced, "bytes": self._reduced_bytes})
            with self._breaking():
                for part in self._parts[-1:]:
                    part.write()
                    part.appender.close()
        return None if self._broken or not self._parts else self._parts[-1]

    def is_written(self) -> bool:
        """Whether `settle` need not wait."""
        return self._broken or all(part.appender.is_settled() for part in self._parts)

    def settle(self) -> None:
        """Wait until all is kept."""
        if not self._broken:
            for part in self._parts:
                part.appender.settle()

    @contextlib.contextmanager
    def _breaking(self) -> Iterator[None]:
        """Write nothing more after an error: what follows would be appended to an unfinished line."""
        try:
            yield
        except Exception:
            self._broken = True
            raise

    def _write_waiting(self) -> None:
        """Turn the text that waits into lines."""
        waiting, self._waiting, self._waits = self._waiting, [], 0
        for at, kind, texts in waiting:
            self._text(at, kind, "".join(texts))

    def _text(self, at: float, kind: str, text: str) -> None:
        """Add text, over as many parts as it needs."""
        while text:
            part = self._part(at)
            room = PART - part.chars
            if len(self._parts) > 1 and len(text) > room + 2 * PART:
                skipped = len(text) - 2 * PART  # it would be removed again
                part.left_out[kind] = part.left_out.get(kind, 0) + skipped
                part.lines.append(to_line({"t": at, "k": "out", kind: skipped}))
                text = text[skipped:]
                continue
            piece, text = text[:room], text[room:]
            part.chars += len(piece)
            part.streams[kind] = part.streams.get(kind, 0) + len(piece)
            part.lines.append(to_line({"t": at, "k": kind, "s": piece}))

    def _display(self, at: float, output: Output) -> None:
        """Add a display, or what there is room for."""
        fields: dict[str, Any] = {"t": at, "k": "display"}
        if output.display_id:
            fields["id"] = output.display_id
        if output.update:
            fields["update"] = True
        try:
            line = to_line({**fields, "data": dict(output.data), "metadata": dict(output.metadata)})
        except (ValueError, TypeError, RecursionError):  # such as a circle
            line = to_line({**fields, "data": {"text/plain": output.text[:PLAIN]}})
        self._held.pop(output.display_id, None)
        part = self._part(at)
        if self._rich + len(line) > RICH:
            self._reduced += 1
            self._reduced_bytes += len(line)
            text = str(output.data.get("text/plain", output.text))[:PLAIN]
            line = to_line({**fields, "data": {"text/plain": text}})
            part.chars += len(line)
        elif output.update and self._rich + len(line) > UPDATES:
            self._held[output.display_id] = line
            return
        else:
            self._rich += len(line)
        part.displays += 1
        part.lines.append(line)

    def _put(self, fields: dict[str, Any]) -> None:
        self._part(fields["t"]).lines.append(to_line(fields))

    def _part(self, at: float) -> _Part:
        """The part that is being written; a new one when it is full."""
        if self._parts and self._parts[-1].chars < PART:
            return self._parts[-1]
        before = self._parts[-1] if self._parts else self._before
        number = before.number + 1 if before is not None else 0
        name = f"{self._place}.{number}.jsonl" if number else f"{self._place}.jsonl"
        part = _Part(number, name, self._storage.appender(name))
        if self._parts:
            with self._breaking():
                self._parts[-1].write()
                self._parts[-1].appender.close()
        if before is not None:
            if number > 1:
                part.before = before.all_before()
            part.lines.append(to_line({"t": at, "k": "before", **part.before}))
        self._parts.append(part)
        first = int(self._parts[0].number == 0)  # it stays, and two of the last
        if len(self._parts) > first + 2:
            gone = self._parts.pop(first)
            with self._breaking():
                gone.appender.settle()
                self._storage.delete([gone.name])
        return part


@dataclass
class _Part:
    """One file of a log.

    Attributes
    ----------
    number : int
    name : str
    appender : Appender
    lines : list of bytes
        What waits to be written.
    chars : int
        Its text's length.
    streams : dict
        The same by stream.
    displays : int
    left_out : dict
        Characters by stream that were never written to it.
    before : dict
        What the parts between the first one and this contain: characters by stream, and displays.
    """

    number: int
    name: str
    appender: Appender
    lines: list[bytes] = field(default_factory=list)
    chars: int = 0
    streams: dict[str, int] = field(default_factory=dict)
    displays: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    torn: bool = False

    def write(self) -> None:
        """Write what waits."""
        if self.lines:
            lines, self.lines = self.lines, []
            content = (b"\n" if self.torn else b"") + b"".join(lines)
            self.torn = True
            self.appender.add(content)
            self.torn = False
        else:
            self.appender.flush()

    def all_before(self) -> dict[str, int]:
        """What the parts between the first one and the next contain."""
        found = dict(self.before)
        for counts in (self.streams, self.left_out, {"displays": self.displays}):
            for name, count in counts.items():
                found[name] = found.get(name, 0) + count
        return {name: count for name, count in found.items() if count}


def to_line(fields: Mapping[str, Any]) -> bytes:
    """A line with its end; half a character that a program wrote is kept as such.

    Raises
    ------
    ValueError, TypeError, RecursionError
        If a value contains itself, or has keys that are not texts.
    """
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def from_line(line: bytes) -> dict[str, Any] | None:
    """A line's fields, None for one that is damaged or empty."""
    try:
        fields = json.loads(line.decode("utf-8", "surrogatepass"))
        return fields if isinstance(fields["k"], str) and is_moment(fields["t"]) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _plain(value: object) -> Any:
    """What JSON cannot hold: bytes of an image in base64, as Jupyter sends them; else a text."""
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    item: Callable[[], Any] | None = getattr(value, "item", None)  # a number of NumPy's
    return item() if item is not None and getattr(value, "shape", None) == () else str(value)
