"""What the tasks of a run write, line by line with their step before each, as it comes: for terminals.

Reads a run's events; writes labelled lines. Text that a display has instead of a rich form is written as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from flownb.runtime.events import Event, RunEnded, TaskEnded, TaskEvent, TaskOutput, TaskRetried

__all__ = ["TaskLines", "item_of", "told_of"]

# Characters of a task that are passed on; its log keeps more.
SHOWN = 1 << 20

Write = Callable[[str, str], object]


def item_of(event: TaskEvent) -> str:
    """A task's items of the foreachs around it, outermost first, such as ``"3/1"``; empty outside of a foreach."""
    return "/".join(map(str, [] if event.index is None else [*event.outer, event.index]))


def told_of(event: Event) -> str:
    """The line that says of an attempt that it failed; empty for all other events."""
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
        Given ``"stdout"`` or ``"stderr"`` and labelled lines.
    logs : str
        The command that shows all that a step wrote, up to the step's name.
    """

    def __init__(self, write: Write, *, logs: str = "%flow logs ") -> None:
        self._write = write
        self._logs = logs
        self._open: dict[tuple[str, str, str], _Open] = {}

    def __call__(self, event: Event) -> None:
        """Take an event of the run."""
        match event:
            case TaskOutput():
                if event.kind in ("stdout", "stderr"):
                    self._take(event, event.kind, event.text)
                elif event.kind == "display" and not event.update and event.text:
                    self._take(event, "stdout", f"{event.text}\n")
            case TaskRetried():
                self._take(event, "stdout", f"{told_of(event)}\n")
            case TaskEnded():
                if said := told_of(event):
                    self._take(event, "stdout", f"{said}\n")
                shown = self._open.pop(_key(event), None)
                if shown is not None:
                    self._finish(_key(event), shown)
            case RunEnded():
                for key, shown in self._open.items():
                    self._finish(key, shown)
                self._open.clear()

    def _take(self, event: TaskEvent, stream: str, text: str) -> None:
        """Take text of a task."""
        key = _key(event)
        shown = self._open.setdefault(key, _Open())
        shown.size += len(text)
        if shown.size > SHOWN:
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
