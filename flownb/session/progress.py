"""How far a run is, by its events: the states of its steps, the counts of their tasks, and these as lines of text.

The lines are for terminals and for notebooks that show no more than text. Handling an event costs a few microseconds,
for a foreach has thousands; everything else is worked out when it is shown.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

from flownb.runtime.events import (
    Event,
    RunEnded,
    RunGoesOn,
    RunStarted,
    TaskCloned,
    TaskEnded,
    TaskEvent,
    TaskRetried,
    TaskStarted,
)
from flownb.runtime.freshness import Freshness

__all__ = [
    "Progress",
    "StepLine",
    "StepStates",
    "StepTally",
    "Tally",
    "columns",
    "counts",
    "cut",
    "duration",
    "rate_text",
    "texts",
]


class StepStates:
    """The states of steps by the events alone.

    A step with a running task is running; else it failed if one of its tasks did, whatever the others did. Each run
    starts counting from zero, and so does each execution of a step cell. A spin leaves a step as it was.
    """

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._failed: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        """Count an event of the stream."""
        match event:
            case RunStarted():
                self._done.clear()
                self._failed.clear()
            case TaskStarted():
                if event.mode == "work" and not event.index:
                    self.forget(event.step)
                self._running[event.step] += 1
            case TaskCloned():
                self._done[event.step] += 1
            case TaskEnded():
                self._running[event.step] -= 1
                if event.mode != "spin":
                    self._done[event.step] += 1
                    if event.status == "failed" and self._failed.get(event.step, "interrupted") == "interrupted":
                        self._failed[event.step] = event.error.partition(":")[0]
                    elif event.status == "interrupted":
                        self._failed.setdefault(event.step, "interrupted")
            case RunEnded():
                for step in self.running:  # of a run that was stopped
                    self._failed.setdefault(step, "interrupted")
                self._running.clear()

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the steps that run now."""
        return tuple(step for step, tasks in self._running.items() if tasks > 0)

    def forget(self, step: str) -> None:
        """Start counting a step's tasks from zero."""
        self._done.pop(step, None)
        self._failed.pop(step, None)

    def settle(self) -> None:
        """Start counting all steps from zero, for their results were judged; running tasks still count."""
        self._done.clear()
        self._failed.clear()

    def state(self, step: str) -> Freshness | None:
        """The state of a step; None if no event was about it."""
        tasks = self._done[step]
        if self._running[step] > 0:
            return Freshness("running", (), tasks)
        if step in self._failed:
            return Freshness("failed", (self._failed[step],), tasks)
        return Freshness("fresh", (), tasks) if tasks else None

    def states(self) -> dict[str, Freshness]:
        """The states of all steps that an event was about."""
        found = {step: self.state(step) for step in (*self._done, *self._running, *self._failed)}
        return {step: state for step, state in found.items() if state is not None}


class Progress:
    """One run on a terminal or below a cell: the states of its steps, and the output of its tasks.

    Parameters
    ----------
    pathspec : str
        The run, ``Flow/run``; events of other runs are not looked at.
    show : callable, optional
        Called with each event of the run, shows the output of its tasks; None shows nothing.
    """

    def __init__(self, pathspec: str, show: Callable[[Event], object] | None = None) -> None:
        self.steps = StepStates()
        self.pathspec = pathspec
        self._show = show

    @property
    def states(self) -> dict[str, Freshness]:
        """The states of the run's steps; empty before its first task."""
        return self.steps.states()

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if not self.is_about(event):
            return
        self.steps(event)
        if self._show is not None:
            self._show(event)

    def is_about(self, event: Event) -> bool:
        """Whether an event is one of the run's."""
        if not isinstance(event, RunStarted | RunGoesOn | RunEnded | TaskEvent):
            return False
        return f"{event.flow}/{event.run}" == self.pathspec


# Seconds that a rate looks back, and the fewest tasks and seconds that make one.
WINDOW = 5.0
FEWEST, SHORTEST = 3, 1.0

LineState = Literal["waiting", "running", "done", "failed", "interrupted", "untaken"]


@dataclass(slots=True)
class StepTally:
    """The tasks of one step.

    Attributes
    ----------
    running, done, cloned, failed, interrupted : int
        Tasks.
    retried : int
        Attempts that failed and were made again.
    items : int
        Of its foreachs that have begun; `foreachs` names them by the items of the foreachs around them.
    began, ended : float or None
        When its first task began and its latest ended, in seconds of the tally's clock.
    """

    running: int = 0
    done: int = 0
    cloned: int = 0
    failed: int = 0
    interrupted: int = 0
    retried: int = 0
    items: int = 0
    foreachs: set[tuple[int, ...]] = field(default_factory=set)
    began: float | None = None
    ended: float | None = None
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def executed(self) -> int:
        """Tasks that ran and ended."""
        return self.done + self.failed + self.interrupted

    @property
    def over(self) -> int:
        """Tasks that ran and ended."""
        return self.executed + self.cloned

    @property
    def total(self) -> int | None:
        """How many tasks there will be; None where that is not known before."""
        known = self.items if self.foreachs else 1
        return known if self.over + self.running <= known else None

    @property
    def state(self) -> LineState:
        """The state of the step."""
        if self.running > 0:
            return "running"
        if self.failed:
            return "failed"
        if self.interrupted:
            return "interrupted"
        if not self.over:
            return "waiting"
        return "done" if self.over >= (self.total or 0) else "running"

    def sample(self, now: float) -> None:
        """Keep how many tasks have ended by now."""
        samples = self.samples
        samples.append((now, self.executed))
        while len(samples) > 2 and now - samples[1][0] >= WINDOW:
            samples.popleft()

    def rate(self, now: float) -> float | None:
        """Tasks a second in the last seconds, else since it began; None while that says nothing."""
        if self.samples:
            since, before = self.samples[0]
            if now - since >= SHORTEST and self.executed - before >= FEWEST:
                return (self.executed - before) / (now - since)
        if self.began is None or self.executed < FEWEST or now - self.began < SHORTEST:
            return None
        return self.executed / (now - self.began)


@dataclass(frozen=True)
class StepLine:
    """One line of a run's progress: how far a step is, such as ``"37/100"``, and notes beside it."""

    state: LineState
    name: str
    count: str
    notes: tuple[str, ...]


class Tally:
    """The tasks of one run, by step.

    Parameters
    ----------
    pathspec : str
        The run, ``Flow/run``; events of other runs are not looked at.
    steps : sequence of str
        The steps that have a line, in the order of the lines.
    clock : callable, optional
        Gives seconds.
    """

    def __init__(self, pathspec: str, steps: Sequence[str], *, clock: Callable[[], float] = monotonic) -> None:
        self.pathspec = pathspec
        self.steps = {step: StepTally() for step in steps}
        # Tasks of the whole run, also of steps that only a run has: start, end, a bridge.
        self.done = self.cloned = self.failed = self.interrupted = 0
        # Whether the run ended well: then a step that it did not reach is one that a switch led away from.
        self.ended_well = False
        self._flow, _, self._run = pathspec.partition("/")
        self._clock = clock
        self._began = clock()

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, TaskEvent):
            if event.run == self._run and event.flow == self._flow and event.mode == "run":
                self._count(event)
        elif isinstance(event, RunStarted) and f"{event.flow}/{event.run}" == self.pathspec:
            self._began = self._clock()
        elif isinstance(event, RunEnded) and f"{event.flow}/{event.run}" == self.pathspec:
            self.ended_well = event.status == "done"

    def _count(self, event: TaskEvent) -> None:
        """Count a task."""
        ended = isinstance(event, TaskEnded)
        cloned = isinstance(event, TaskCloned)
        self.cloned += cloned
        if ended:
            assert isinstance(event, TaskEnded)
            self.done += event.status == "done"
            self.failed += event.status == "failed"
            self.interrupted += event.status == "interrupted"
        step = self.steps.get(event.step)
        if step is None:
            return  # a step that only a run has: start, end, a bridge
        if ended:
            assert isinstance(event, TaskEnded)
            step.running -= 1
            step.ended = self._clock()
            if event.status == "done":
                step.done += 1
            elif event.status == "failed":
                step.failed += 1
            else:
                step.interrupted += 1
        elif cloned or isinstance(event, TaskStarted):
            if event.num_splits is not None and event.outer not in step.foreachs:
                step.foreachs.add(event.outer)
                step.items += event.num_splits
            if cloned:
                step.cloned += 1
            else:
                step.running += 1
                if step.began is None:
                    step.began = self._clock()
        elif isinstance(event, TaskRetried):
            step.retried += 1

    # -- what is shown

    @property
    def seconds(self) -> float:
        """How long the run has been running."""
        return self._clock() - self._began

    def head(self) -> str:
        """The run, its tasks and its time, such as ``"run F/7  41 tasks done  1 failed  12 s"``."""
        tasks = counts(self.done, self.cloned, self.failed, self.interrupted)
        return "  ".join([f"run {self.pathspec}", *tasks, duration(self.seconds)])

    def line(self, name: str) -> StepLine:
        """The line of one step."""
        step, now = self.steps[name], self._clock()
        state, total = step.state, step.total
        if state == "waiting":
            return StepLine("untaken", name, "", ("not taken",)) if self.ended_well else StepLine(state, name, "", ())
        several = total != 1
        count = f"{step.over}/{total}" if total is not None else str(step.over)
        notes: list[str] = []
        if state == "running":
            step.sample(now)
            if several:
                notes += [f"{step.running} running"] if step.running else []
                rate = step.rate(now)
                notes += [rate_text(rate)] if rate is not None else []
            elif step.began is not None:
                notes.append(duration(now - step.began))
        elif state == "done" and step.executed and step.began is not None and step.ended is not None:
            took = step.ended - step.began
            notes.append(f"done in {duration(took)}")
            notes += [rate_text(step.executed / took)] if step.executed >= FEWEST and took >= SHORTEST else []
        for number, word in ((step.failed, "failed"), (step.interrupted, "interrupted")):
            if number:
                notes.append(f"{number} {word}" if several else word)
        if step.cloned:
            notes.append(f"{step.cloned} cloned" if several else "cloned")
        if step.retried:
            notes.append(f"{step.retried} retried")
        return StepLine(state, name, count, tuple(notes))

    def lines(self, room: int) -> list[StepLine]:
        """The lines of the steps, `room` at most; if there are more, finished steps, then waiting ones, share a line.

        Parameters
        ----------
        room : int
            From 4.
        """
        lines = [self.line(name) for name in self.steps]
        if len(lines) <= room:
            return lines
        kept_lines: list[StepLine] = []
        done = [one for one in lines if one.state == "done"]
        waiting = [one for one in lines if one.state == "waiting"]
        others = [one for one in lines if one.state not in ("done", "waiting")]
        spare = room - len(others) - bool(done) - bool(waiting)
        if spare < 0:
            kept = max(1, len(others) + spare - 1)
            left = len(others) - kept
            others = [*others[:kept], StepLine("running", f"{left} more step{'' if left == 1 else 's'}", "", ())]
            spare = 0
        next_waiting = waiting[: min(spare, len(waiting))] if len(waiting) > 1 else []
        if done:
            kept_lines.append(_many("done", len(done), "done"))
        kept_lines += others
        kept_lines += next_waiting
        if len(waiting) > len(next_waiting):
            kept_lines.append(_many("waiting", len(waiting) - len(next_waiting), "to come"))
        return kept_lines


def _many(state: LineState, number: int, word: str) -> StepLine:
    """One line for many steps."""
    return StepLine(state, f"{number} step{'' if number == 1 else 's'} {word}", "", ())


def texts(lines: Sequence[StepLine]) -> list[str]:
    """Lines as text, their columns below each other."""
    counted = [line for line in lines if line.count]
    names = max((columns(line.name) for line in counted), default=0)
    counts = max((len(line.count) for line in counted), default=0)
    found = []
    for line in lines:
        if not line.count:
            found.append("  ".join([line.name, *line.notes]))
            continue
        name = line.name + " " * (names - columns(line.name))
        found.append("  ".join([name, line.count.rjust(counts), *line.notes]))
    return found


def counts(done: int, cloned: int, failed: int, interrupted: int) -> list[str]:
    """How many tasks of a run have ended in which way: ``["41 tasks done", "1 failed"]``.

    The view counts by the same rule (``labextension/src/models/progress.ts``), and formats times and rates alike.
    """
    others = ((cloned, "cloned"), (failed, "failed"), (interrupted, "interrupted"))
    return [f"{done} task{'' if done == 1 else 's'} done", *(f"{n} {word}" for n, word in others if n)]


def _rounded(number: float, places: int) -> str:
    """A number with `places` decimal places; halves go up, as in JavaScript."""
    scale = 10**places
    return f"{math.floor(number * scale + 0.5) / scale:.{places}f}"


def duration(seconds: float) -> str:
    """Seconds as a person reads them: ``"0.4 s"``, ``"12 s"``, ``"2 min 5 s"``, ``"1 h 4 min"``."""
    if seconds < 9.95:
        return f"{_rounded(max(seconds, 0.0), 1)} s"
    whole = math.floor(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rate_text(rate: float) -> str:
    """Tasks a second, a minute or an hour, whichever is a number of one or more: ``"12/s"``, ``"3.4/min"``."""
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        if rate * seconds >= 1 or unit == "h":
            break
    number = rate * seconds
    return f"{_rounded(number, 0 if number >= 9.95 else 1)}/{unit}"


def cut(text: str, width: int) -> str:
    """A text cut to `width` columns of a terminal."""
    if columns(text) <= width:
        return text
    while text and columns(text) > width - 1:
        text = text[:-1]
    return f"{text}…" if width > 0 else ""


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )
