"""The states of the notebook's step cells, for badges.

Takes the session and its events; gives `StepsChanged`. While a task runs the events alone say how its step stands;
what that means for the others (who is stale now, and why) is judged when the kernel is idle.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from flownb.errors import FlownbError
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
    running : iterable of str
        Steps that run already.
    """

    def __init__(
        self, session: SessionState, push: Callable[[StepsChanged], None], *, running: Iterable[str] = ()
    ) -> None:
        self._session = session
        self._push = push
        self._states: dict[str, Freshness] = {}
        self._running = dict.fromkeys(running, 1)
        self._ended: dict[str, int] = {}
        self._shown: dict[str, StepStatus] = {}

    def __call__(self, event: Event) -> None:
        """Take an event of the stream."""
        match event:
            case RunStarted():
                self._ended.clear()
            case TaskStarted():
                self._running[event.step] = self._running.get(event.step, 0) + 1
            case TaskEnded():
                running = self._running.pop(event.step, 1) - 1
                if running > 0:
                    self._running[event.step] = running
                if event.mode != "spin":
                    self._take_result(event)
            case RunEnded():
                self._running = {}  # of a run that broke off

    def _take_result(self, event: TaskEnded) -> None:
        """Note how a step stands after one of its tasks."""
        if event.status != "done":
            self._states[event.step] = Freshness("failed", (event.error.partition(":")[0],), 1)
            return
        begins = event.mode == "work" and not event.index
        self._ended[event.step] = 1 if begins else self._ended.get(event.step, 0) + 1
        self._states[event.step] = Freshness("fresh", (), self._ended[event.step])

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the steps that run now."""
        return tuple(self._running)

    @property
    def states(self) -> dict[str, Freshness]:
        """How each step stands, by name."""
        running = {step: replace(self._states.get(step, NEVER), state="running", reasons=()) for step in self._running}
        return {**self._states, **running}

    def tell(self, event: Event) -> None:
        """Push how the step of an event stands now."""
        if isinstance(event, TaskStarted | TaskEnded):
            cells = [(cell, step) for cell, step in self._cells() if step == event.step]
        elif isinstance(event, RunEnded):
            cells = [(one.cell, one.step) for one in self._shown.values() if one.state == "running"]
        else:
            return
        changed = tuple(one for one in self._statuses(cells) if self._shown.get(one.cell) != one)
        if changed:
            self._shown |= {one.cell: one for one in changed}
            self._push(StepsChanged(changed, False))

    def refresh(self, *, whole: bool = False) -> None:
        """Judge all steps, and push those that stand otherwise than shown; runs no code of the user's.

        Parameters
        ----------
        whole : bool, default False
            Push all there are, to a view that knows nothing.
        """
        with contextlib.suppress(FlownbError):  # the store cannot be read: running a step will say why
            self._states = self._session.freshness(run_code=False)
        now = {one.cell: one for one in self._statuses(self._cells())}
        if whole:
            self._push(StepsChanged(tuple(now.values()), True))
        else:
            gone = [StepStatus(cell, "", "never", "", "") for cell in self._shown if cell not in now]
            changed = [status for cell, status in now.items() if self._shown.get(cell) != status]
            if gone or changed:
                self._push(StepsChanged((*changed, *gone), False))
        self._shown = now

    def _cells(self) -> list[tuple[str, str]]:
        """Ids and names of the step cells that a front end knows."""
        return [(step.cell.cell_id, step.name) for step in self._session.flow.steps if step.cell.cell_id]

    def _statuses(self, cells: Sequence[tuple[str, str]]) -> list[StepStatus]:
        """What the badges of cells show."""
        states, graph = self.states, self._session.program(False).graph
        count = Counter(step.name for step in self._session.flow.steps)
        found = []
        for cell, step in cells:
            state = states.get(step, NEVER)
            in_foreach = any(frame.kind == "foreach" for frame in graph.frames.get(step, ()))
            detail, title = step_detail(state, in_foreach), _sentence(step, state)
            if count[step] > 1:
                detail = "defined twice"
                title = f"{count[step]} cells define the step {step}: rename or delete all but one."
            found.append(StepStatus(cell, step, state.state, detail, title))
        return found


def _sentence(step: str, state: Freshness) -> str:
    """How a step stands, in a sentence."""
    reasons = ", ".join(state.reasons).replace("`", "")
    match state.state:
        case "never":
            return f"Step {step} has never been run."
        case "running":
            return f"Step {step} is running."
        case "fresh":
            return f"Step {step} is fresh: its result belongs to its code and its inputs as they are now."
        case "stale":
            return f"Step {step} is stale: {reasons}."
        case "failed":
            return f"Step {step} failed when it last ran: {reasons}."
