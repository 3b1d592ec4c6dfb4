"""What a run says while it runs: which tasks ended, and their output with the step's name in front.

Takes the stream of events; gives states to draw and prefixed lines.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TextIO

from flownb.runtime.events import Event, TaskEnded, TaskRetried, TaskStarted
from flownb.runtime.freshness import Freshness

__all__ = ["Progress"]


class Progress:
    """States of the steps of one run, and the prefix of what they print."""

    def __init__(self) -> None:
        self.states: dict[str, Freshness] = {}
        self._label = ""

    def __call__(self, event: Event) -> None:
        """Take an event of the run."""
        match event:
            case TaskEnded():
                known = self.states.get(event.step, Freshness("fresh"))
                if event.status != "done":
                    self.states[event.step] = Freshness("failed", (event.error.split(":")[0],), known.tasks + 1)
                elif known.state != "failed":
                    self.states[event.step] = Freshness("fresh", (), known.tasks + 1)
            case TaskRetried():
                wait = f" in {event.seconds:g} s" if event.seconds else ""
                print(f"attempt {event.attempt + 1} failed ({event.error}); trying again{wait}")
            case TaskStarted():
                self._label = f"[{event.step}] " if event.index is None else f"[{event.step}/{event.index}] "

    @contextlib.contextmanager
    def prefixed(self) -> Iterator[None]:
        """Put the running task's step before each line it prints."""
        streams = [_Prefixed(sys.stdout, self), _Prefixed(sys.stderr, self)]
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):  # type: ignore[type-var]  # text-like is enough
            try:
                yield
            finally:
                for stream in streams:
                    stream.finish()


class _Prefixed:
    """A text stream that labels lines."""

    def __init__(self, stream: TextIO, progress: Progress) -> None:
        self._stream = stream
        self._progress = progress
        self._at_start = True

    def write(self, text: str) -> int:
        for line in text.splitlines(keepends=True):
            self._stream.write((self._progress._label if self._at_start else "") + line)
            self._at_start = line.endswith(("\n", "\r"))
        return len(text)

    def finish(self) -> None:
        """End a line that a step left open."""
        if not self._at_start:
            self._stream.write("\n")
        self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
