"""What a run says while it runs: which tasks ended, and their output with the step's name in front.

Takes the scheduler's events; gives states to draw and prefixed lines.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from time import sleep
from typing import TextIO

from flownb.runtime.freshness import Freshness
from flownb.runtime.task import TaskResult, TaskSpec, message

__all__ = ["Progress"]


class Progress:
    """States of the steps of one run, and the prefix of what they print."""

    def __init__(self) -> None:
        self.states: dict[str, Freshness] = {}
        self._label = ""

    def on_start(self, spec: TaskSpec) -> None:
        """Note that a task starts."""
        self._label = f"[{spec.step}/{spec.frames[-1].index}] " if spec.frames else f"[{spec.step}] "

    def on_retry(self, result: TaskResult, seconds: float) -> None:
        """Say that an attempt failed, and wait as long as its step asks."""
        error = f"{type(result.error).__name__}: {message(result.error)}".split("\n")[0] if result.error else ""
        attempt = result.record.attempt + 1
        print(f"attempt {attempt} failed ({error}); trying again" + (f" in {seconds:g} s" if seconds else ""))
        sleep(seconds)

    def on_end(self, result: TaskResult) -> None:
        """Note that a task has ended."""
        step = result.record.step
        known = self.states.get(step, Freshness("fresh"))
        if result.error is not None:
            self.states[step] = Freshness("failed", (type(result.error).__name__,), known.tasks + 1)
        elif known.state != "failed":
            self.states[step] = Freshness("fresh", (), known.tasks + 1)

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
