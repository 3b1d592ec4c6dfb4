"""The states of the notebook's step cells, for badges.

Takes the session and its events; gives `StepsChanged`. While a task runs the events alone say how its step stands;
what that means for the others (who is stale now, and why) is judged when the kernel is idle.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

from flownb.errors import FlownbError
from flownb.picture.summary import STATE_WORDS
from flownb.runtime.events import Event, RunEnded, RunStarted, StepsChanged, StepStatus, TaskEnded, TaskStarted
from flownb.runtime.freshness import Freshness
from flownb.session.picture import step_detail
from flownb.session.state import SessionState

__all__ = ["StatusBoard"]

NEVER = Freshness("never")


class StatusBoard:
    """What every step cell's badge shows.

    Parameters
    ----------
    session : SessionState
    push : callable
        Given each `StepsChanged`.
    """

    def __init__(self, session: SessionState, push: Callable[[StepsChanged], None]) -> None:
        self._session = session
        self._push = push
        self._states: dict[str, Freshness] = {}
        self._running: dict[str, int] = {}
        self._ended: dict[str, int] = {}
        self._shown: dict[str, StepStatus] = {}

    def __call__(self, event: Event) -> None:
        """Take an event of the stream; tell of the step that it is about."""
        match event:
            case RunStarted():
                self._ended.clear()
            case TaskStarted():
                self._running[event.step] = self._running.get(event.step, 0) + 1
                self._tell(event.step)
            case TaskEnded():
                running = self._running.pop(event.step, 1) - 1
                if running > 0:
                    self._running[event.step] = running
                if event.mode != "spin":
                    self._take_result(event)
                self._tell(event.step)
            case RunEnded():
                broken_off, self._running = list(self._running), {}
                for step in broken_off:
                    self._tell(step)

    def _take_result(self, event: TaskEnded) -> None:
        """Note how a step stands after one of its tasks."""
        if event.status != "done":
            self._states[event.step] = Freshness("failed", (event.error.partition(":")[0],), 1)
            return
        begins = event.mode == "work" and not event.index
        self._ended[event.step] = 1 if begins else self._ended.get(event.step, 0) + 1
        self._states[event.step] = Freshness("fresh", (), self._ended[event.step])

    @property
    def states(self) -> dict[str, Freshness]:
        """How each step stands, by name."""
        running = {step: replace(self._states.get(step, NEVER), state="running", reasons=()) for step in self._running}
        return {**self._states, **running}

    def snapshot(self) -> StepsChanged:
        """All that is shown now."""
        return StepsChanged(tuple(self._shown.values()), True)

    def refresh(self) -> None:
        """Judge all steps, and tell of those that stand otherwise than shown; runs no code of the user's."""
        with contextlib.suppress(FlownbError):  # the store cannot be read: running a step will say why
            self._states = self._session.freshness(run_code=False)
        now = {status.cell: status for cell in self._cells() if (status := self._status(*cell))}
        gone = [StepStatus(cell, "", "never", "", "") for cell in self._shown if cell not in now]
        changed = [status for cell, status in now.items() if self._shown.get(cell) != status]
        self._shown = now
        if gone or changed:
            self._push(StepsChanged((*changed, *gone), False))

    def _cells(self) -> list[tuple[str, str]]:
        """Ids and names of the step cells that a front end knows."""
        return [(step.cell.cell_id, step.name) for step in self._session.flow.steps if step.cell.cell_id]

    def _tell(self, step: str) -> None:
        """Tell how one step stands."""
        for cell, name in self._cells():
            if name == step:
                status = self._status(cell, name)
                if self._shown.get(cell) != status:
                    self._shown[cell] = status
                    self._push(StepsChanged((status,), False))

    def _status(self, cell: str, step: str) -> StepStatus:
        state = self.states.get(step, NEVER)
        graph = self._session.program(False).graph
        in_foreach = any(frame.kind == "foreach" for frame in graph.frames.get(step, ()))
        words = ", ".join((STATE_WORDS[state.state], *state.reasons))
        return StepStatus(cell, step, state.state, step_detail(state, in_foreach), f"{step}: {words}")
