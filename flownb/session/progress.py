"""What a run says while it runs: how its steps stand, and their output with the step's name in front.

Takes the stream of events; gives states to draw and prefixed lines.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TextIO

from flownb.runtime.events import Event, RunEnded, RunStarted, TaskEnded, TaskRetried, TaskStarted
from flownb.runtime.freshness import Freshness

__all__ = ["Progress", "StepStates"]


class StepStates:
    """How steps stand by the events alone.

    A step with a task that runs is running; else it failed if one of its tasks did, for whatever the others became.
    Each run counts anew, and so does each execution of a step cell. A spin leaves a step as it was.
    """

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._failed: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        """Take an event of the stream."""
        match event:
            case RunStarted():
                self._done.clear()
                self._failed.clear()
            case TaskStarted():
                if event.mode == "work" and not event.index:
                    self.forget(event.step)
                self._running[event.step] += 1
            case TaskEnded():
                self._running[event.step] -= 1
                if event.mode != "spin":
                    self._done[event.step] += 1
                    if event.status != "done":
                        self._failed.setdefault(event.step, event.error.partition(":")[0])
            case RunEnded():
                for step in self.running:  # of a run that broke off
                    self._failed.setdefault(step, "interrupted")
                self._running.clear()

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the steps that run now."""
        return tuple(step for step, tasks in self._running.items() if tasks > 0)

    def forget(self, step: str) -> None:
        """Count a step's tasks anew."""
        self._done.pop(step, None)
        self._failed.pop(step, None)

    def settle(self) -> None:
        """Count all steps anew, for their results were judged; those that run go on."""
        self._done.clear()
        self._failed.clear()

    def state(self, step: str) -> Freshness | None:
        """How a step stands; None if no event told of it."""
        tasks = self._done[step]
        if self._running[step] > 0:
            return Freshness("running", (), tasks)
        if step in self._failed:
            return Freshness("failed", (self._failed[step],), tasks)
        return Freshness("fresh", (), tasks) if tasks else None

    def states(self) -> dict[str, Freshness]:
        """How all steps stand that an event told of."""
        found = {step: self.state(step) for step in (*self._done, *self._running, *self._failed)}
        return {step: state for step, state in found.items() if state is not None}


class Progress:
    """One run on a terminal or below a cell: the states of its steps, and the prefix of what they print."""

    def __init__(self) -> None:
        self.steps = StepStates()
        self._label = ""

    @property
    def states(self) -> dict[str, Freshness]:
        """How the run's steps stand; empty before its first task."""
        return self.steps.states()

    def __call__(self, event: Event) -> None:
        """Take an event of the run."""
        self.steps(event)
        match event:
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
