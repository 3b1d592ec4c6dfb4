"""What a run says while it runs: how its steps stand, and their output with the step's name in front.

Takes the stream of events; gives states to draw and prefixed lines.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace

from flownb.runtime.events import (
    Event,
    RunEnded,
    RunGoesOn,
    RunStarted,
    TaskCloned,
    TaskEnded,
    TaskEvent,
    TaskOutput,
    TaskRetried,
    TaskStarted,
)
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
        self._all_running = 0

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
                self._all_running += 1
            case TaskCloned():
                self._done[event.step] += 1
            case TaskEnded():
                self._running[event.step] -= 1
                self._all_running -= 1
                if event.mode != "spin":
                    self._done[event.step] += 1
                    if event.status == "failed" and self._failed.get(event.step, "interrupted") == "interrupted":
                        self._failed[event.step] = event.error.partition(":")[0]
                    elif event.status == "interrupted":
                        self._failed.setdefault(event.step, "interrupted")
            case RunEnded():
                for step in self.running:  # of a run that broke off
                    self._failed.setdefault(step, "interrupted")
                self._running.clear()
                self._all_running = 0

    @property
    def is_idle(self) -> bool:
        """Whether no task runs now."""
        return self._all_running <= 0

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


# Characters of a task that are passed on; its log keeps more.
SHOWN = 1 << 20


@dataclass
class _Shown:
    """What one task showed, as far as it was not passed on yet."""

    label: str
    pieces: list[TaskOutput] = field(default_factory=list)
    lines: dict[str, str] = field(default_factory=dict)
    size: int = 0
    full: bool = False


class Progress:
    """One run on a terminal or below a cell: the states of its steps, and what its tasks show.

    Each line of text is passed on with its step's name before it; what tasks display is kept with them, and shown by
    ``%flow logs``. Tasks that run at the same time show things in an
    order that is never twice the same; where that matters, what they showed is held back until none runs, and passed
    on in the flow's order.

    Parameters
    ----------
    pathspec : str
        The run, ``Flow/run``; events of other runs are not looked at.
    order : sequence of str
        The names of the steps, parents first.
    held : bool, default False
        Whether to hold back what tasks show.
    silent : bool, default False
        Whether to pass on nothing.
    write : callable, optional
        Given ``"stdout"`` or ``"stderr"`` and labelled lines; None writes them to this process's streams at once.
    """

    def __init__(
        self,
        pathspec: str,
        order: Sequence[str] = (),
        *,
        held: bool = False,
        silent: bool = False,
        write: Callable[[str, str], object] | None = None,
    ) -> None:
        self.steps = StepStates()
        self.pathspec = pathspec
        self._order = {step: position for position, step in enumerate(order)}
        self._held = held
        self._silent = silent
        self._write = write or _write
        self._shown: dict[tuple[int, tuple[int, ...], int], _Shown] = {}

    @property
    def states(self) -> dict[str, Freshness]:
        """How the run's steps stand; empty before its first task."""
        return self.steps.states()

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if not self.is_about(event):
            return
        self.steps(event)
        if self._silent:
            return
        match event:
            case TaskOutput():
                if event.kind in ("stdout", "stderr"):
                    self._take(event)
            case TaskRetried():
                self._say(event, f"attempt {event.attempt + 1} failed ({event.error}); trying again\n")
            case TaskEnded():
                if event.mode == "run" and event.status == "failed":
                    self._say(event, f"failed: {event.error}\n")
                if not self._held:
                    shown = self._shown.pop(self._key(event), None)
                    if shown is not None:
                        self._pass_on(shown, whole=True)
                elif self._shown and self.steps.is_idle:
                    self.flush()
            case RunEnded():
                self.flush()

    def is_about(self, event: Event) -> bool:
        """Whether an event is one of the run's."""
        if not isinstance(event, RunStarted | RunGoesOn | RunEnded | TaskEvent):
            return False
        return f"{event.flow}/{event.run}" == self.pathspec

    def flush(self) -> None:
        """Pass on all that is held back, in the flow's order."""
        for key in sorted(self._shown):
            self._pass_on(self._shown[key], whole=True)
        self._shown.clear()

    def _say(self, event: TaskEvent, text: str) -> None:
        """Take a line of our own among what a task shows."""
        facts = {item.name: getattr(event, item.name) for item in fields(TaskEvent)}
        self._take(TaskOutput(**facts, kind="stdout", text=text, data={}, metadata={}, display_id="", update=False))

    def _key(self, event: TaskEvent) -> tuple[int, tuple[int, ...], int]:
        """The place of an event's task in the flow's order."""
        items = () if event.index is None else (*event.outer, event.index)
        rank = self._order.get(event.step, len(self._order))
        return rank, items, int(event.task) if event.task.isdecimal() else 0

    def _take(self, event: TaskOutput) -> None:
        key = self._key(event)
        if key not in self._shown:
            label = "/".join((event.step, *map(str, key[1])))
            self._shown[key] = _Shown(f"[{label}] ")
        shown = self._shown[key]
        shown.size += len(event.text)
        if shown.size > SHOWN:
            if shown.full:
                return
            shown.full = True
            event = replace(event, text=f"\n… it writes more than is shown: `%flow logs {event.step}`\n")
        shown.pieces.append(event)
        if not self._held:
            self._pass_on(shown, whole=False)

    def _pass_on(self, shown: _Shown, *, whole: bool) -> None:
        """Print a task's lines; half a line waits unless all is to be passed on."""
        pieces, shown.pieces = shown.pieces, []
        for piece in pieces:
            *lines, rest = _lines(shown.lines.pop(piece.kind, "") + piece.text)
            self._print(piece.kind, shown.label, lines)
            if rest:
                shown.lines[piece.kind] = rest
        if whole:
            self._finish(shown)

    def _finish(self, shown: _Shown) -> None:
        """End lines that a task left open."""
        for stream, text in shown.lines.items():
            self._print(stream, shown.label, [f"{text}\n"])
        shown.lines.clear()

    def _print(self, stream: str, label: str, lines: Sequence[str]) -> None:
        """Hand labelled lines on."""
        if lines:
            self._write(stream, "".join(label + line for line in lines))


def _lines(text: str) -> list[str]:
    """The whole lines of a text, and what comes after them."""
    lines = text.splitlines(keepends=True)
    return lines if lines and not lines[-1].endswith(("\n", "\r")) else [*lines, ""]


def _write(stream: str, text: str) -> None:
    """Write text at once."""
    file = sys.stderr if stream == "stderr" else sys.stdout
    file.write(text)
    file.flush()
