"""The states of the notebook's step cells, which their badges show.

While a task runs, the events alone decide the state of its step. What that means for the other steps (which are stale
now, and why) is judged when the kernel is idle.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from flownb.errors import FlownbError
from flownb.picture.layout import INTERRUPTED
from flownb.runtime.events import Event, RunEnded, RunGoesOn, TaskCloned, TaskEnded, TaskStarted
from flownb.runtime.freshness import NEVER, Freshness
from flownb.session.drawing import step_detail
from flownb.session.progress import StepStates
from flownb.session.session import Session
from flownb.session.states import step_states
from flownb.widgets.messages import StepsChanged, StepStatus

__all__ = ["Pace", "StatusBoard"]

# Seconds between two messages about one step.
INTERVAL = 0.1


class Pace:
    """Limits how often a step's state is sent, for its tasks may follow each other within milliseconds."""

    def __init__(self) -> None:
        self._sent: dict[str, float] = {}
        self._late: set[str] = set()

    def allows(self, step: str) -> bool:
        """Whether the state of a step may be sent now; if not, the step is kept for `late`."""
        now = monotonic()
        if now - self._sent.get(step, 0.0) < INTERVAL:
            self._late.add(step)
            return False
        self._sent[step] = now
        return True

    def late(self) -> set[str]:
        """The steps whose states were not sent; each is returned once."""
        late, self._late = self._late, set()
        return late


class StatusBoard:
    """What every step cell's badge shows.

    Parameters
    ----------
    session : Session
    push : callable
        Sends a `StepsChanged` to the views.
    shown : mapping of str to StepStatus, optional
        What the badges show already, by cell.
    """

    def __init__(
        self,
        session: Session,
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
        self._pace = Pace()

    def count(self, event: Event) -> None:
        """Count an event of the stream, which may change the state of its step."""
        with self._lock:
            self._since(event)

    @property
    def states(self) -> dict[str, Freshness]:
        """The state of each step, by name."""
        return {**self._judged, **self._since.states()}

    def show(self, event: Event) -> None:
        """Push the state of the step that an event, counted before, is about; of a run's step with `Pace`."""
        steps: set[str] = set()
        if isinstance(event, TaskStarted | TaskCloned | TaskEnded):
            if event.mode != "run" or self._pace.allows(event.step):
                steps = {event.step}
        elif isinstance(event, RunGoesOn | RunEnded):
            steps = self._pace.late()
        cells = [(cell, step) for cell, step in self._cells() if step in steps] if steps else []
        if isinstance(event, RunEnded):
            cells += [(one.cell, one.step) for one in self._shown.values() if one.state == "running"]
        if cells:
            self._push_changed(self._statuses(cells))

    def show_new(self) -> None:
        """Push the states of cells that were not steps before, without judging the others."""
        self._push_changed(self._statuses([cell for cell in self._cells() if cell[0] not in self._shown]))

    def refresh(self) -> None:
        """Judge all steps, and push the states that changed; runs no code of the user's."""
        with contextlib.suppress(FlownbError):  # the store cannot be read: running a step will say why
            self._judged = step_states(self._session, run_code=False)
            self._since.settle()
        now = {one.cell: one for one in self._statuses(self._cells())}
        with self._lock:
            gone = [StepStatus(cell, "", "never", "", "") for cell in self._shown if cell not in now]
            self._push_changed([*now.values(), *gone])
            self._shown = now

    def greet(self, session: Session, push: Callable[[StepsChanged], None]) -> dict[str, StepStatus]:
        """Push the states of all steps to a new view; may be called on any thread, while a cell runs.

        Parameters
        ----------
        session : Session
            Of the view's document, for this alone: the board's own belongs to the thread that executes cells.
        push : callable

        Returns
        -------
        dict of str to StepStatus
            The pushed states, by cell.
        """
        aside = StatusBoard(session, lambda changed: None)
        aside.refresh()
        with self._lock:  # what begins or ends from here on is pushed after this
            aside._since = self._since
            self._shown = {one.cell: one for one in aside._statuses(aside._cells())}
            push(StepsChanged(tuple(self._shown.values()), True))
            return dict(self._shown)

    def _push_changed(self, statuses: Sequence[StepStatus]) -> None:
        """Push the states that differ from what the badges show."""
        with self._lock:
            changed = tuple(one for one in statuses if self._shown.get(one.cell) != one)
            if changed:
                self._shown |= {one.cell: one for one in changed}
                self._push(StepsChanged(changed, False))

    def _cells(self) -> list[tuple[str, str]]:
        """Ids and names of the step cells that a front end knows."""
        return [(step.cell.cell_id, step.name) for step in self._session.flow.steps if step.cell.cell_id]

    def _statuses(self, cells: Sequence[tuple[str, str]]) -> list[StepStatus]:
        """What the badges of some cells are to show."""
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
    """The state of a step, in a sentence."""
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
