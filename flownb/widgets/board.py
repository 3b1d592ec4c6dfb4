"""The states of the notebook's step cells, for badges.

Takes the session and its events; gives `StepsChanged`. While a task runs the events alone say how its step stands;
what that means for the others (who is stale now, and why) is judged when the kernel is idle.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from flownb.errors import FlownbError
from flownb.picture.layout import INTERRUPTED
from flownb.runtime.events import (
    Event,
    RunEnded,
    RunGoesOn,
    StepsChanged,
    StepStatus,
    TaskCloned,
    TaskEnded,
    TaskStarted,
)
from flownb.runtime.freshness import NEVER, Freshness
from flownb.session.judge import step_detail
from flownb.session.progress import StepStates
from flownb.session.state import SessionState

__all__ = ["StatusBoard"]

# Seconds between two times that a step is told of.
INTERVAL = 0.1


class StatusBoard:
    """What every step cell's badge shows.

    Parameters
    ----------
    session : SessionState
    push : callable
        Given each `StepsChanged`.
    shown : mapping of str to StepStatus, optional
        What views were told already, by cell.
    """

    def __init__(
        self,
        session: SessionState,
        push: Callable[[StepsChanged], None],
        *,
        shown: Mapping[str, StepStatus] | None = None,
    ) -> None:
        self._session = session
        self._push = push
        self._judged: dict[str, Freshness] = {}
        self._since = StepStates()
        self._shown = dict(shown or {})
        self._lock = threading.RLock()
        # Steps whose tasks follow each other so fast that they are told of together; when each was told of last.
        self._late: set[str] = set()
        self._told: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Take an event of the stream."""
        with self._lock:
            self._since(event)

    @property
    def states(self) -> dict[str, Freshness]:
        """How each step stands, by name."""
        return {**self._judged, **self._since.states()}

    def tell(self, event: Event) -> None:
        """Push how the step of an event stands now; of a run's step at most some times a second."""
        if isinstance(event, TaskStarted | TaskCloned | TaskEnded):
            now = monotonic()
            if event.mode == "run" and now - self._told.get(event.step, 0.0) < INTERVAL:
                self._late.add(event.step)
                return
            self._told[event.step] = now
            cells = [(cell, step) for cell, step in self._cells() if step == event.step]
        elif isinstance(event, RunGoesOn | RunEnded) and self._late:
            cells = [(cell, step) for cell, step in self._cells() if step in self._late]
            self._late.clear()
        else:
            cells = []
        if isinstance(event, RunEnded):
            cells += [(one.cell, one.step) for one in self._shown.values() if one.state == "running"]
        if cells:
            self._push_changed(self._statuses(cells))

    def tell_new(self) -> None:
        """Push how cells stand that were no steps before, without judging the others."""
        self._push_changed(self._statuses([cell for cell in self._cells() if cell[0] not in self._shown]))

    def refresh(self) -> None:
        """Judge all steps, and push those that stand otherwise than shown; runs no code of the user's."""
        with contextlib.suppress(FlownbError):  # the store cannot be read: running a step will say why
            self._judged = self._session.freshness(run_code=False)
            self._since.settle()
        now = {one.cell: one for one in self._statuses(self._cells())}
        with self._lock:
            gone = [StepStatus(cell, "", "never", "", "") for cell in self._shown if cell not in now]
            self._push_changed([*now.values(), *gone])
            self._shown = now

    def greet(self, session: SessionState, push: Callable[[StepsChanged], None]) -> dict[str, StepStatus]:
        """Push how all steps stand to a view that knows nothing; may be called on any thread, while a cell runs.

        Parameters
        ----------
        session : SessionState
            Of the view's document, for this alone: the board's own belongs to the thread that executes cells.
        push : callable

        Returns
        -------
        dict of str to StepStatus
            What was pushed, by cell.
        """
        aside = StatusBoard(session, lambda changed: None)
        aside.refresh()
        with self._lock:  # what begins or ends from here on is told after this
            aside._since = self._since
            self._shown = {one.cell: one for one in aside._statuses(aside._cells())}
            push(StepsChanged(tuple(self._shown.values()), True))
            return dict(self._shown)

    def _push_changed(self, statuses: Sequence[StepStatus]) -> None:
        """Push those that are not shown like that."""
        with self._lock:
            changed = tuple(one for one in statuses if self._shown.get(one.cell) != one)
            if changed:
                self._shown |= {one.cell: one for one in changed}
                self._push(StepsChanged(changed, False))

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
            detail, title = step_detail(state, graph.in_foreach(step)), _sentence(step, state)
            if count[step] > 1:
                detail = "defined twice"
                title = f"{count[step]} cells define the step {step}: rename or delete all but one."
            found.append(StepStatus(cell, step, state.state, detail, title))
        return found


def _sentence(step: str, state: Freshness) -> str:
    """How a step stands, in a sentence."""
    reasons = ", ".join(state.reasons).replace("`", "")
    notes = "".join(f" It was {note}." for note in state.notes).replace("`", "")
    match state.state:
        case "never":
            return f"Step {step} has never been run."
        case "running":
            return f"Step {step} is running."
        case "fresh":
            return f"Step {step} is fresh: its result belongs to its code and its inputs as they are now.{notes}"
        case "stale":
            return f"Step {step} is stale: {reasons}.{notes}"
        case "failed" if reasons == INTERRUPTED:
            return f"Step {step} was interrupted when it last ran."
        case "untaken":
            return f"Step {step} was not taken by the latest result: {reasons}."
        case "failed":
            return f"Step {step} failed when it last ran: {reasons}."
