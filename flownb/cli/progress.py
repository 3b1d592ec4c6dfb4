"""The progress of a run in a terminal: a line for each step, kept up to date below what tasks print.

rich draws it. Where standard output goes elsewhere (a pipe, a log of CI), a line is written when a step is done, and
now and then while it runs.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TextIO

from flownb.runtime.events import Event, TaskCloned, TaskEnded
from flownb.session.progress import LineState, StepLine, Tally, cut, texts

if TYPE_CHECKING:
    from flownb.cli.live import Line

__all__ = ["LogProgress", "TerminalProgress", "progress_view"]

# Seconds between two pictures, and before the first one: a short run needs none.
INTERVAL = 0.1
FIRST = 0.3
# Seconds after which a step that is still running is reported again where lines stay.
LONG = 10.0
SECOND = 1.0
# The most lines of steps, and how many lines of the terminal stay free for what tasks print.
MOST = 12
FREE = 4
# Characters of text that wait for the next picture.
WAITING = 1 << 16

GLYPHS: Mapping[LineState, str] = {
    "waiting": "○", "running": "◐", "done": "✓", "failed": "✗", "interrupted": "✗", "untaken": "⊘",
}  # fmt: skip
STYLES: Mapping[LineState, str] = {
    "waiting": "dim", "running": "cyan", "done": "green", "failed": "red", "interrupted": "yellow", "untaken": "dim",
}  # fmt: skip


def progress_view(tally: Tally, *, alone: bool = False) -> TerminalProgress | LogProgress:
    """What shows a run's progress here.

    Parameters
    ----------
    tally : Tally
    alone : bool, default False
        Whether tasks run in this process, and have the terminal while they do.
    """
    file = None if alone else _terminal()
    if file is None:
        return LogProgress(tally, alone=alone)
    return TerminalProgress(tally, file, colours=not os.environ.get("NO_COLOR"))


def _terminal() -> TextIO | None:
    """The stream to draw on; None if there is no terminal whose lines can be written over."""
    if os.environ.get("TERM", "dumb") == "dumb":
        return None
    return next((file for file in (sys.stderr, sys.stdout) if file is not None and file.isatty()), None)


class _Repeated:
    """Calls a function again and again on a thread of its own, until it is ended."""

    def __init__(self, look: Callable[[], None], first: float, interval: float) -> None:
        self._look, self._first, self._interval = look, first, interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go, name="flownb-progress", daemon=True)
        self._thread.start()

    def _go(self) -> None:
        pause = self._first
        while not self._ended.wait(pause):
            pause = self._interval
            try:
                self._look()
            except (OSError, ValueError):  # the terminal is gone
                return

    def end(self) -> None:
        """Call it no more."""
        self._ended.set()
        self._thread.join()


class TerminalProgress(AbstractContextManager["TerminalProgress"]):
    """Lines at the bottom of a terminal that are written over, while the text of tasks scrolls above.

    The cursor is always below them and stays visible, so a process that is killed leaves the terminal as usable as it
    was.

    Parameters
    ----------
    tally : Tally
    file : text stream
        Of a terminal.
    colours : bool
    """

    def __init__(self, tally: Tally, file: TextIO, *, colours: bool) -> None:
        from flownb.cli.live import live_lines

        self._tally, self._file = tally, file
        self._live = live_lines(file, colours=colours)
        self._lock = threading.Lock()
        self._texts: list[str] = []
        self._waiting = 0
        self._repeated: _Repeated | None = None

    def __enter__(self) -> TerminalProgress:
        self._repeated = _Repeated(self._paint, FIRST, INTERVAL)
        return self

    def __exit__(self, *error: object) -> None:
        if self._repeated is not None:
            self._repeated.end()
        self._paint(last=True)

    def __call__(self, event: Event) -> None:
        """Take an event: the tally has it, and is looked at soon."""

    def write(self, stream: str, text: str) -> None:
        """Take text for standard output or standard error; on the terminal it appears with the next picture."""
        target = sys.stderr if stream == "stderr" else sys.stdout
        if not target.isatty():
            _write(target, text)
            return
        with self._lock:
            self._texts.append(text)
            self._waiting += len(text)
        if self._waiting > WAITING:
            self._paint()

    def _paint(self, *, last: bool = False) -> None:
        """Write the text that waits, and the lines again below it."""
        with self._lock:
            text = "".join(self._texts)
            self._texts.clear()
            self._waiting = 0
            size = _size(self._file)
            lines = [] if last or not _in_front(self._file) else self._lines(size)
            self._live.paint(_overwriting(text), lines, size, last=last)

    def _lines(self, size: os.terminal_size) -> list[Line]:
        """The lines as they are to be, the last one about the run as a whole."""
        from flownb.cli.live import Line

        lines = self._tally.lines(max(4, min(MOST, size.lines - FREE)))
        shown = [
            Line(GLYPHS[line.state], STYLES[line.state], cut(text, size.columns - 3), line.state == "waiting")
            for line, text in zip(lines, texts(lines), strict=True)
        ]
        return [*shown, Line(" ", "dim", cut(self._tally.head(), size.columns - 3), True)]


class LogProgress(AbstractContextManager["LogProgress"]):
    """Lines that stay: one when a step is done, and now and then one for a step that is still running.

    Parameters
    ----------
    tally : Tally
        It receives each event before this does.
    alone : bool, default False
        Whether to write only when something happens: what another thread writes may be taken for a task's.
    """

    def __init__(self, tally: Tally, *, alone: bool = False) -> None:
        self._tally, self._alone = tally, alone
        self._lock = threading.Lock()
        # What was said last of each step: how many tasks were over, and when.
        self._said: dict[str, tuple[int, float]] = {}
        self._repeated: _Repeated | None = None

    def __enter__(self) -> LogProgress:
        if not self._alone:
            self._repeated = _Repeated(self._look, SECOND, SECOND)
        return self

    def __exit__(self, *error: object) -> None:
        if self._repeated is not None:
            self._repeated.end()
        self._look(last=True)

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, TaskEnded | TaskCloned) and event.step in self._tally.steps:
            with self._lock:
                self._say([event.step])

    def write(self, stream: str, text: str) -> None:
        """Write text to standard output or standard error."""
        target = sys.stderr if stream == "stderr" else sys.stdout
        with self._lock:
            _write(target, text)

    def _look(self, *, last: bool = False) -> None:
        """Say what there is to say of all steps."""
        with self._lock:
            self._say(list(self._tally.steps), last=last)

    def _say(self, names: list[str], *, last: bool = False) -> None:
        """Say what there is to say of some steps."""
        lines = [self._tally.line(name) for name in names if self._is_due(name, last)]
        if lines:
            _write(sys.stdout, "".join(f"{line.name}: {', '.join(_facts(line))}\n" for line in lines))

    def _is_due(self, name: str, last: bool) -> bool:
        """Whether a step is to be reported now."""
        step, now = self._tally.steps[name], self._tally.seconds
        if step.began is None and not step.over:
            return last and self._tally.ended_well
        before, when = self._said.setdefault(name, (0, now))
        is_long = now - when >= LONG
        ended = step.over != before and step.state in ("done", "failed", "interrupted") and (not before or is_long)
        if ended or (last and step.over != before) or (is_long and step.running > 0):
            self._said[name] = (step.over, now)
            return True
        return False


def _write(file: TextIO, text: str) -> None:
    """Write to a pipe or a file; the run continues if nobody reads any more (``flownb run nb.ipynb | head``)."""
    try:
        file.write(text)
        file.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, file.fileno())
        os.close(nowhere)


def _facts(line: StepLine) -> tuple[str, ...]:
    """What a line says; that one task of one is done need not be said."""
    return line.notes if line.count in ("", "1/1") and line.notes else (line.count, *line.notes)


def _overwriting(text: str) -> str:
    """Text whose carriage returns clear the line that they go back on, as what comes after may be shorter."""
    return text.replace("\r\n", "\n").replace("\r", "\r\x1b[K") if "\r" in text else text


def _size(file: TextIO) -> os.terminal_size:
    """The terminal's columns and lines."""
    try:
        size = os.get_terminal_size(file.fileno())
    except OSError:
        size = os.terminal_size((0, 0))
    return os.terminal_size((size.columns or 80, size.lines or 24))


def _in_front(file: TextIO) -> bool:
    """Whether this process has the terminal; one in the background must not draw over what is typed."""
    try:
        return os.tcgetpgrp(file.fileno()) == os.getpgrp()
    except (OSError, AttributeError):
        return True
