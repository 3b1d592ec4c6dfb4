"""The states of a run's steps while it runs, and who shows what its tasks show.

Reads the stream of events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from flownb.runtime.events import (
    Event,
    RunEnded,
    RunGoesOn,
    RunStarted,
    TaskCloned,
    TaskEnded,
    TaskEvent,
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


class Progress:
    """One run on a terminal or below a cell: the states of its steps, and what its tasks show.

    Parameters
    ----------
    pathspec : str
        The run, ``Flow/run``; events of other runs are not looked at.
    show : callable, optional
        Given each event of the run, shows what tasks show; None shows nothing.
    """

    def __init__(self, pathspec: str, show: Callable[[Event], object] | None = None) -> None:
        self.steps = StepStates()
        self.pathspec = pathspec
        self._show = show

    @property
    def states(self) -> dict[str, Freshness]:
        """How the run's steps stand; empty before its first task."""
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
