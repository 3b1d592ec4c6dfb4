"""What a run says while it runs: which tasks ended, and their output with the step's name in front.

Takes the stream of events; gives states to draw and prefixed lines.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TextIO

from flownb.runtime.events import Event, RunEnded, TaskEnded, TaskRetried, TaskStarted
from flownb.runtime.freshness import Freshness

__all__ = ["Progress"]


class Progress:
    """States of the steps of one run, and the prefix of what they print."""

    def __init__(self) -> None:
        self.states: dict[str, Freshness] = {}
        self._failed: dict[str, str] = {}
        self._label = ""

    def __call__(self, event: Event) -> None:
        """Take an event of the run."""
        match event:
            case TaskEnded():
                tasks = self.states.get(event.step, Freshness("never")).tasks + 1
                state = Freshness("fresh", (), tasks)
                if event.status != "done":
                    self._failed.setdefault(event.step, event.error.partition(":")[0])
                if event.step in self._failed:
                    state = Freshness("failed", (self._failed[event.step],), tasks)
                self.states[event.step] = state
            case RunEnded():
                for step, state in self.states.items():  # what was running when the run broke off
                    if state.state == "running":
                        self.states[step] = Freshness("failed", ("interrupted",), state.tasks)
            case TaskRetried():
                wait = f" in {event.seconds:g} s" if event.seconds else ""
                print(f"attempt {event.attempt + 1} failed ({event.error}); trying again{wait}")
            case TaskStarted():
                known = self.states.get(event.step, Freshness("never"))
                self.states[event.step] = Freshness("running", (), known.tasks)
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
