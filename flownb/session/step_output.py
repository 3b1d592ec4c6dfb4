"""The output of a run's tasks: labelled lines for terminals, and blocks by step, in the flow's order, for cells.

A terminal gets each whole line as it comes, with its step before it; of a display it gets the text. For cells the first
and the last lines and the first displays of each step are kept, however many tasks it has; `%flow logs` has all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from flownb.runtime.events import (
    Event,
    RunEnded,
    TaskCloned,
    TaskEnded,
    TaskEvent,
    TaskOutput,
    TaskRetried,
    TaskStarted,
)

__all__ = ["Block", "Item", "RunOutput", "StepOutput", "TaskLines", "failure_line", "item_of"]

# Tasks whose outputs are shown at once at most, without `--all`.
SHOWN = 20

# Characters of a task that are passed on; its log keeps more.
PASSED_ON = 1 << 20

Write = Callable[[str, str], object]


def item_of(event: TaskEvent) -> str:
    """A task's items of the foreachs around it, outermost first, such as ``"3/1"``; empty outside of a foreach."""
    return "/".join(map(str, [] if event.index is None else [*event.outer, event.index]))


def failure_line(event: Event) -> str:
    """The line that says that an attempt failed; empty for all other events."""
    if isinstance(event, TaskRetried):
        return f"attempt {event.attempt + 1} failed ({event.error}); trying again"
    if isinstance(event, TaskEnded) and event.mode == "run" and event.status == "failed":
        return f"failed: {event.error}"
    return ""


@dataclass
class _Open:
    """What a task wrote: half a line of each stream, and how much there was."""

    lines: dict[str, str] = field(default_factory=dict)
    size: int = 0
    full: bool = False


class TaskLines:
    """Writes each whole line with its step and its items before it; half a line waits for its end.

    Parameters
    ----------
    write : callable
        Called with ``"stdout"`` or ``"stderr"`` and labelled lines.
    logs : str
        The command that shows all that a step wrote, up to the step's name.
    """

    def __init__(self, write: Write, *, logs: str = "%flow logs ") -> None:
        self._write = write
        self._logs = logs
        self._open: dict[tuple[str, str, str], _Open] = {}

    def __call__(self, event: Event) -> None:
        """Write what an event of the run brings."""
        match event:
            case TaskOutput():
                if event.kind in ("stdout", "stderr"):
                    self._take(event, event.kind, event.text)
                elif event.kind == "display" and not event.update and event.text:
                    self._take(event, "stdout", f"{event.text}\n")
            case TaskRetried():
                self._take(event, "stdout", f"{failure_line(event)}\n")
            case TaskEnded():
                if failure := failure_line(event):
                    self._take(event, "stdout", f"{failure}\n")
                shown = self._open.pop(_key(event), None)
                if shown is not None:
                    self._finish(_key(event), shown)
            case RunEnded():
                for key, shown in self._open.items():
                    self._finish(key, shown)
                self._open.clear()

    def _take(self, event: TaskEvent, stream: str, text: str) -> None:
        """Add text of a task."""
        key = _key(event)
        shown = self._open.setdefault(key, _Open())
        shown.size += len(text)
        if shown.size > PASSED_ON:
            if shown.full:
                return
            shown.full = True
            text = f"\n… it writes more than is shown: `{self._logs}{event.step}`\n"
        *lines, rest = _lines(shown.lines.pop(stream, "") + text)
        self._print(stream, key, lines)
        if rest:
            shown.lines[stream] = rest

    def _finish(self, key: tuple[str, str, str], shown: _Open) -> None:
        """End the lines that a task left open."""
        for stream, text in shown.lines.items():
            self._print(stream, key, [f"{text}\n"])

    def _print(self, stream: str, key: tuple[str, str, str], lines: list[str]) -> None:
        if lines:
            label = "/".join(part for part in key[:2] if part)
            self._write(stream, "".join(f"[{label}] {line}" for line in lines))


def _key(event: TaskEvent) -> tuple[str, str, str]:
    return event.step, item_of(event), event.task


def _lines(text: str) -> list[str]:
    """The whole lines of a text, and what comes after them."""
    lines = text.splitlines(keepends=True)
    return lines if lines and not lines[-1].endswith(("\n", "\r")) else [*lines, ""]


# Lines at the start and at the end of what a step wrote, and displays, that are shown; characters of one line.
FIRST, LAST, DISPLAYS, WIDTH = 10, 10, 4, 2000
# Lines of one step that say that an attempt failed.
FAILURES = 20
# A widget lives in the process that made it; elsewhere its text is what can be shown.
WIDGET = "application/vnd.jupyter.widget-view+json"

Stream = Literal["stdout", "stderr"]
OfTask = TaskStarted | TaskRetried | TaskOutput | TaskCloned | TaskEnded
Key = tuple[tuple[int, ...], int]


@dataclass(eq=False)
class Item:
    """A line, or a display; a display has `data`.

    Attributes
    ----------
    number : int
        Its position in the task's output.
    stream : {"stdout", "stderr"}
    text : str
        Without a line's end.
    data, metadata : mapping
        The MIME bundle of a display.
    name : str
        Under which the display can be updated.
    """

    number: int
    stream: Stream
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class Block:
    """One output: text of a stream, or a display with its MIME bundle."""

    stream: Stream = "stdout"
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


class _Task:
    """What is kept of one task."""

    def __init__(self, label: str) -> None:
        self.label = f"[{label}] " if label else ""
        self.failures: list[Item] = []
        self._count = 0
        self.clear()

    def clear(self) -> None:
        """Forget the output, for the task cleared it."""
        self.first: list[Item] = []
        self.last: deque[Item] = deque(maxlen=LAST)
        self.displays: list[Item] = []
        self.lines = self.displayed = 0
        self.clearing = False
        self._open: dict[Stream, str] = {}

    def write(self, stream: Stream, text: str) -> None:
        """Add text; a line that is overwritten counts once, as it was in the end."""
        *lines, rest = (self._open.pop(stream, "") + text).replace("\r\n", "\n").split("\n")
        for line in lines:
            self._add(stream, line.rstrip("\r").rpartition("\r")[2])
        if rest:
            ending = "\r" if rest.endswith("\r") else ""
            self._open[stream] = rest.rstrip("\r").rpartition("\r")[2][:WIDTH] + ending

    def finish(self) -> None:
        """End lines that were left open."""
        for stream in tuple(self._open):
            self.write(stream, "\n")

    def fail(self, text: str) -> None:
        """Add a line that says that an attempt failed."""
        self.failures.append(self._item("stdout", text))

    def display(self, event: TaskOutput) -> Item | None:
        """Add a display; return the item to show, None if its text was written or nothing is to be shown now."""
        data = {kind: content for kind, content in event.data.items() if kind != WIDGET}
        known = [one for one in self.displays if event.display_id and one.name == event.display_id]
        if event.update and known:
            known[0].data, known[0].metadata = data, event.metadata
            return known[0]
        if not set(data) - {"text/plain"}:
            if not event.update:
                self.write("stdout", f"{event.text}\n")
            return None
        self.displayed += 1
        if len(self.displays) >= DISPLAYS:
            return None
        item = self._item("stdout", event.text)
        item.data, item.metadata, item.name = data, event.metadata, event.display_id
        self.displays.append(item)
        return item

    def _add(self, stream: Stream, line: str) -> None:
        text = line if len(line) <= WIDTH else f"{line[:WIDTH]}…"
        (self.first if self.lines < FIRST else self.last).append(self._item(stream, text))
        self.lines += 1

    def _item(self, stream: Stream, text: str) -> Item:
        self._count += 1
        return Item(self._count, stream, text)


class StepOutput:
    """The output of the tasks of one step."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.tasks: dict[Key, _Task] = {}

    def take(self, event: OfTask) -> Item | None:
        """Add an event of one of its tasks; return the item to display, if it is not text."""
        failure = failure_line(event)
        if not failure and not isinstance(event, TaskOutput):
            if (task := self.tasks.get(_step_output_key(event))) is not None:
                task.finish()
            return None
        task = self.tasks.setdefault(_step_output_key(event), _Task(item_of(event)))
        if failure:
            task.finish()
            task.fail(failure)
            return None
        assert isinstance(event, TaskOutput)
        if event.kind == "clear":
            task.clearing = True
            if event.update:
                return None
        if task.clearing:
            task.clear()
        if event.kind == "display":
            return task.display(event)
        if event.kind in ("stdout", "stderr"):
            task.write(event.kind, event.text)
        return None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not any(task.lines or task.displays or task.failures for task in self.tasks.values())

    def displays(self) -> list[Item]:
        """The displays that are shown, in the order of the tasks."""
        return [item for _, task in sorted(self.tasks.items()) for item in task.displays][:DISPLAYS]

    def blocks(self, displays: Sequence[Item] | None = None) -> Iterator[Block]:
        """A heading and what is below it, as outputs.

        Parameters
        ----------
        displays : sequence of Item, optional
            Those that are shown; None means the first ones.
        """
        shown = self.displays() if displays is None else displays
        stream: Stream = "stdout"
        texts = [f"{self.step}:"]
        for item, label in self._items({id(one) for one in shown}):
            if item.data:
                if label:
                    texts.append(f"  {label}".rstrip())
                if texts:
                    yield Block(stream, "".join(f"{text}\n" for text in texts))
                yield Block("stdout", item.text, item.data, item.metadata)
                stream, texts = "stdout", []
                continue
            if item.stream != stream:
                if texts:
                    yield Block(stream, "".join(f"{text}\n" for text in texts))
                stream, texts = item.stream, []
            texts.append(f"  {label}{item.text}".rstrip())
        if texts:
            yield Block(stream, "".join(f"{text}\n" for text in texts))

    def text(self, displays: Sequence[Item]) -> str:
        """All that is text, with the heading, while some displays are shown elsewhere."""
        items = self._items({id(one) for one in displays})
        return "\n".join([f"{self.step}:", *(f"  {label}{one.text}".rstrip() for one, label in items if not one.data)])

    def _items(self, displays: set[int]) -> Iterator[tuple[Item, str]]:
        """The items that are shown, with the labels of their tasks; where something is left out, a line says so."""
        tasks = [task for _, task in sorted(self.tasks.items())]
        lines = [item for task in tasks for item in (*task.first, *task.last)]
        count = sum(task.lines for task in tasks)
        kept = {id(item) for item in (lines if count <= FIRST + LAST else [*lines[:FIRST], *lines[-LAST:]])}
        kept |= displays | {id(item) for item in [item for task in tasks for item in task.failures][:FAILURES]}
        left_out = self._left_out(count - FIRST - LAST, sum(task.displayed for task in tasks) - len(displays))
        gap = lines[FIRST - 1] if count > FIRST + LAST else None
        for task in tasks:
            items = [*task.first, *task.last, *task.displays, *task.failures]
            for item in sorted(items, key=lambda one: one.number):
                if id(item) in kept:
                    yield item, task.label
                if item is gap and left_out:
                    yield Item(0, "stdout", left_out), ""
        if gap is None and left_out:
            yield Item(0, "stdout", left_out), ""

    def _left_out(self, lines: int, displays: int) -> str:
        """The line that says what is not shown, and how to see it; empty if all is shown."""
        counts = [
            f"{count} more {word}{'' if count == 1 else 's'}"
            for count, word in ((lines, "line"), (displays, "display"))
            if count > 0
        ]
        heard = sum(bool(task.lines or task.displayed) for task in self.tasks.values())
        command = f"%flow logs {self.step}{' --all' if heard > SHOWN else ''}"
        return f"… {' and '.join(counts)}: `{command}` shows all" if counts else ""


class RunOutput:
    """The output of the tasks of a run.

    Parameters
    ----------
    order : sequence of str
        The names of the steps, parents first.
    """

    def __init__(self, order: Sequence[str]) -> None:
        self._order = {step: position for position, step in enumerate(order)}
        self._steps: dict[str, StepOutput] = {}

    def take(self, event: Event) -> tuple[StepOutput, Item | None] | None:
        """Add an event; return its step and the item to display; None if there is nothing to show."""
        if not isinstance(event, OfTask):
            return None
        step = self._steps.setdefault(event.step, StepOutput(event.step))
        item = step.take(event)
        return None if step.is_empty else (step, item)

    def steps(self) -> list[StepOutput]:
        """The steps with something to show, in the flow's order."""
        found = [step for step in self._steps.values() if not step.is_empty]
        return sorted(found, key=lambda one: (self._order.get(one.step, len(self._order)), one.step))


def _step_output_key(event: TaskEvent) -> Key:
    """The place of a task among those of its step."""
    items = () if event.index is None else (*event.outer, event.index)
    return items, int(event.task) if event.task.isdecimal() else 0
