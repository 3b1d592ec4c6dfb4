"""What is shown under a cell after a step ran or was spun, and what this kernel keeps of it in memory.

A report is one line, with details on demand. Its text is the same in every run of the same code: durations, ids and
times are in the output's metadata, which nbval and a reader of diffs ignore. The last report of each step is kept for
``%flow report``, and so are cards that no datastore has.
"""

from __future__ import annotations

import html
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flownb.cards.content import CardContent
from flownb.cells.assignment import analyse_names
from flownb.cells.header import header_tags
from flownb.errors import NotFound, nearest
from flownb.flow.definition import Step
from flownb.flow.names import RESERVED
from flownb.runtime.cards import CardUpdate
from flownb.runtime.events import Event, TaskEnded
from flownb.runtime.task import TaskResult
from flownb.settings import shows_report_details
from flownb.store.records import ForeachFrame, TaskRecord

__all__ = [
    "RUNNING",
    "CardShelf",
    "KeptCards",
    "Reports",
    "StepReport",
    "as_bundle",
    "capture_header",
    "keepable",
    "step_report",
    "uncaptured",
    "value_kind",
]


STYLE = "margin:0;font-family:var(--jp-code-font-family,monospace);font-size:12px;line-height:1.5;opacity:.85"
# Names that the line lists; the details list all.
NAMED = 8


def uncaptured(step: Step) -> tuple[str, ...]:
    """Names a body assigns and does not capture, in order: no imports, definitions, loop variables or `_` names."""
    names = step.names
    return tuple(
        name
        for name in sorted(names.variables, key=lambda name: (names.variables[name], name))
        if not name.startswith("_") and name not in step.captures and name not in names.local_functions
    )


@dataclass(frozen=True)
class StepReport:
    """The report under a step cell: a line, notes that qualify the result, and details.

    Attributes
    ----------
    step : str
    verb : {"ran", "spun", "persisted"}
    tasks : int
    artifacts : tuple of (str, str)
        Names and types of what the step set.
    local : tuple of str
        Names it kept to itself.
    header : str
        The header that would capture those of them that an artifact can be made of; empty if there is none.
    notes : tuple of str
        What qualifies the result, each a line that is always shown.
    asides : tuple of str
        What is true each time; shown with the details.
    hint : bool
        Whether the local names are mentioned: once for each text of a cell, and where details are asked for.
    inputs : tuple of str
        How its inputs differ from those of a run now: an older result of a parent, a branch that was not taken, a
        parameter that is not the default. Always shown too.
    metadata : dict
        Durations in seconds, pathspecs and sizes in bytes.
    """

    step: str
    verb: str
    tasks: int
    artifacts: tuple[tuple[str, str], ...] = ()
    local: tuple[str, ...] = ()
    header: str = ""
    notes: tuple[str, ...] = ()
    asides: tuple[str, ...] = ()
    hint: bool = True
    inputs: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """The report in one line."""
        count = f" · {self.tasks} tasks" if self.tasks != 1 else ""
        ending = {"spun": " (spin, nothing recorded)", "persisted": " (spin, kept in the spin datastore)"}
        parts = [f"✓ {self.step}{ending.get(self.verb, count)}"]
        if self.artifacts:
            parts.append("set " + _listed([f"{name}: {kind}" for name, kind in self.artifacts]))
        if self.local and self.hint:
            parts.append("local: " + _listed(self.local))
        return " · ".join(parts)

    def lines(self) -> list[str]:
        """What is always shown: the line, and a line for each note."""
        return [self.line, *(f"  note: {note}" for note in (*self.inputs, *self.notes))]

    def details(self) -> list[str]:
        """What is shown on demand, as plain lines; empty if the line says everything."""
        found = []
        if len(self.artifacts) > NAMED:
            found.append("set: " + ", ".join(f"{name}: {kind}" for name, kind in self.artifacts))
        if self.local and self.hint:
            keep = f" (to keep: {self.header})" if self.header else ""
            found.append(f"local: {', '.join(self.local)}{keep}")
        return [*found, *self.asides]

    def whole(self) -> WholeReport:
        """The report with its details shown, also those that were shown before."""
        return WholeReport(replace(self, hint=True))

    def bundle(self) -> dict[str, str]:
        """``text/plain``, which is the lines, and ``text/html``, where the first line opens to the details."""
        details = self.details()
        if not details:
            return as_bundle(self.lines())
        if shows_report_details():
            return as_bundle(WholeReport(self).lines())
        first, *notes = self.lines()
        shown = (
            f'<details style="{STYLE}"><summary>{html.escape(first)}</summary>{_pre(["  " + one for one in details])}'
            "</details>"
        )
        return {"text/plain": "\n".join([first, *notes]), "text/html": shown + (_pre(notes) if notes else "")}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        return self.bundle(), {"flownb": self.metadata}


@dataclass(frozen=True)
class WholeReport:
    """A report whose details were asked for."""

    report: StepReport

    def lines(self) -> list[str]:
        """The report's lines and its details."""
        first, *notes = self.report.lines()
        return [first, *(f"  {one}" for one in self.report.details()), *notes]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        return as_bundle(self.lines()), {"flownb": self.report.metadata}


def as_bundle(lines: Sequence[str]) -> dict[str, str]:
    """Lines as ``text/plain`` and ``text/html``."""
    return {"text/plain": "\n".join(lines), "text/html": _pre(lines)}


def _pre(lines: Sequence[str]) -> str:
    """Lines as HTML."""
    body = "\n".join(html.escape(line) for line in lines)
    return f'<pre style="{STYLE}">{body}</pre>'


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def keepable(step: Step, local: Sequence[str], taken: Container[str] = ()) -> tuple[str, ...]:
    """The local names that a step can capture: they may have a value at its end, and nothing else has the name.

    `taken` are names of steps and of the flow's class.
    """
    if not local:
        return ()
    captures = (*step.captures, *local)
    gone = analyse_names(step.body.tree, captures=captures, methods=step.methods).unbound.keys()
    hidden = {*RESERVED, *(gone - step.body.names.unbound.keys()), "self", "start", "end", step.header.inputs}
    return tuple(name for name in local if name not in hidden and name not in taken)


def capture_header(step: Step, local: Sequence[str]) -> str:
    """The step's header with its local names captured as well: a line, or tags where these mark the cell."""
    header = replace(step.header, captures=(*step.captures, *local))
    return " ".join(header_tags(header)) if step.cell.tags else f"%%step {header.line}"


def value_types(
    step: Step, results: Sequence[TaskResult], parents: Iterable[TaskRecord] = ()
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """What a step's first task set, and what it changed without that, both in the order it did.

    Returns
    -------
    tuple of (str, str)
        Names and types of what the body assigned, and of captures that it changed in place.
    tuple of str
        Names of other values that are not as they were: a method of theirs may count its calls.
    """
    inherited = {(name, ref.key) for parent in parents for name, ref in parent.artifacts.items()}
    known = {name for name, _ in inherited}
    refs, bound = results[0].record.artifacts, {*step.names.assigned, *step.names.self_writes}
    found, changed = [], []
    for name, value in results[0].values.items():
        is_other = name not in known or (name in refs and (name, refs[name].key) not in inherited)
        if name in bound or name not in known or step.names.self_escapes or (is_other and name in step.captures):
            found.append((name, value_kind(value)))
        elif is_other:
            changed.append(name)
    return tuple(found), tuple(changed)


def value_kind(value: Any) -> str:
    """A value's type, with its shape if it has one."""
    kind = type(value)
    shape = getattr(value, "shape", None)
    name = kind.__qualname__
    if isinstance(shape, tuple) and shape and all(isinstance(n, int) for n in shape):
        return f"{name} {'×'.join(map(str, shape))}"
    return name


def step_report(
    step: Step,
    verb: str,
    results: list[TaskResult],
    notes: Iterable[str] = (),
    *,
    asides: Iterable[str] = (),
    parents: Iterable[TaskRecord] = (),
    inputs: Iterable[str] = (),
    hint: bool = True,
    taken: Container[str] = (),
) -> StepReport:
    """The report of a step's tasks.

    Parameters
    ----------
    step : Step
    verb : {"ran", "spun", "persisted"}
    results : list of TaskResult
        In foreach order.
    notes, asides, inputs, hint
        See `StepReport`.
    parents : iterable of TaskRecord
        The tasks that the first one inherited from.
    taken
        See `keepable`.
    """
    local = uncaptured(step) if verb == "ran" else ()
    kept = keepable(step, local, taken)
    first, last = results[0].record, results[-1].record
    refs = {name: first.artifacts[name] for name in results[0].values if name in first.artifacts}
    metadata = {
        "seconds": round(last.finished - first.started, 4),
        "tasks": [result.record.pathspec for result in results[:20] if result.record.task],
        "sizes": {name: ref.size for name, ref in refs.items()},
    }
    found, changed = value_types(step, results, parents)
    return StepReport(
        step.name,
        verb,
        len(results),
        found,
        local,
        capture_header(step, kept) if kept else "",
        tuple(notes),
        (*([f"changed in place: {', '.join(changed)}"] if changed else []), *asides),
        hint,
        tuple(inputs),
        metadata,
    )


class Reports:
    """The last report of each step, and which texts of cells were executed before."""

    def __init__(self) -> None:
        self._reports: dict[str, StepReport] = {}
        self._texts: set[str] = set()

    def keep(self, report: StepReport) -> None:
        """Keep a report in place of the one before it."""
        self._reports.pop(report.step, None)
        self._reports[report.step] = report

    def is_new_text(self, source: str) -> bool:
        """Whether a cell's text is executed for the first time; asked once for each execution."""
        is_new = source not in self._texts
        self._texts.add(source)
        return is_new

    def find(self, step: str | None = None) -> StepReport:
        """The report of a step, or the newest.

        Raises
        ------
        NotFound
            If the step was not executed or spun in this kernel.
        """
        if step is None and self._reports:
            return next(reversed(self._reports.values()))
        if step not in self._reports:
            known = ", ".join(self._reports) or "none yet"
            raise NotFound(
                f"There is no report of `{step}`.{nearest(step, self._reports)}" if step else "There is no report yet.",
                f"The steps that were executed or spun in this kernel: {known}.",
                "Execute the step's cell, or spin it.",
            )
        return self._reports[step]


# When the card of a task that runs was made: later than all others.
RUNNING = float("inf")


@dataclass(frozen=True)
class KeptCards:
    """Cards that are in no datastore, or not yet; `at` is when they were made, in seconds."""

    cards: tuple[CardContent, ...]
    frames: tuple[ForeachFrame, ...]
    note: str
    at: float


class CardShelf:
    """The cards of spins, and of tasks that run."""

    def __init__(self) -> None:
        self._spun: dict[str, KeptCards] = {}
        self._running: dict[str, KeptCards] = {}

    def keep_spun(self, result: TaskResult) -> None:
        """Keep the cards of a spin until the step is run or spun again."""
        record = result.record
        if result.cards:
            note = "spin" if record.run else "spin, not recorded"
            if record.status != "done":
                note += f", {record.status}"
            self._spun[record.step] = KeptCards(result.cards, record.foreach, note, record.finished)

    def keep_running(self, update: CardUpdate, frames: tuple[ForeachFrame, ...]) -> None:
        """Keep the cards of a task that runs, until it has ended."""
        self._running[update.step] = KeptCards(update.contents, frames, "running", RUNNING)

    def watch(self, event: Event) -> None:
        """Forget the cards of a task that has ended."""
        if isinstance(event, TaskEnded):
            self._running.pop(event.step, None)

    def kept(self, step: str, index: int | None) -> KeptCards | None:
        """The running, or else the spun cards of a step and of an item of its foreach; None if there are none."""
        for shelf in (self._running, self._spun):
            found = shelf.get(step)
            if found is not None and index in (None, *(frame.index for frame in found.frames[-1:])):
                return found
        return None
