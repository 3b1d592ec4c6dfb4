"""The output of a run's tasks below the cell that runs it: one group for each step.

A front end without updates gets everything at the end, in the flow's order, so that two executions of a notebook show
the same. Elsewhere each step has an output of its own, which is updated while it runs; at the end the outputs are put
into the flow's order, as they are then saved.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

from IPython.display import display, update_display

from flownb.runtime.events import Event, RunEnded, RunGoesOn
from flownb.session.step_output import DISPLAYS, Block, Item, RunOutput, StepOutput, TaskLines

__all__ = ["HeldOutput", "UpdatedOutput", "terminal_output"]

# Seconds between two updates of a step's output, each of which the front end keeps.
INTERVAL = 0.5


def terminal_output() -> TaskLines:
    """Writes labelled lines to this process's streams as they come."""
    return TaskLines(_write)


class HeldOutput:
    """Shows everything when the run has ended.

    Parameters
    ----------
    order : sequence of str
        The names of the steps, parents first.
    """

    def __init__(self, order: Sequence[str]) -> None:
        self._output = RunOutput(order)

    def __call__(self, event: Event) -> None:
        """Handle an event of the run."""
        self._output.take(event)
        if isinstance(event, RunEnded):
            for step in self._output.steps():
                _show(step.blocks())


class UpdatedOutput:
    """Shows output as it comes, in outputs that are updated.

    Parameters
    ----------
    order : sequence of str
        The names of the steps, parents first.
    """

    def __init__(self, order: Sequence[str]) -> None:
        self._output = RunOutput(order)
        # The content of each output, by its id, in the order they are below the cell.
        self._held: dict[str, Mapping[str, Any]] = {}
        self._texts: dict[str, str] = {}
        self._displays: dict[str, dict[str, Item]] = {}
        self._when: dict[str, float] = {}
        self._late: dict[str, StepOutput] = {}

    def __call__(self, event: Event) -> None:
        """Handle an event of the run."""
        taken = self._output.take(event)
        if isinstance(event, RunEnded):
            self._arrange()
        elif isinstance(event, RunGoesOn):
            for step in [one for one in self._late.values() if monotonic() - self._when[one.step] >= INTERVAL]:
                self._write(step)
        elif taken is not None:
            step, item = taken
            if monotonic() - self._when.get(step.step, 0.0) >= INTERVAL:
                self._write(step)
            else:
                self._late[step.step] = step
            if item is not None:
                self._display(step, item)

    def _write(self, step: StepOutput) -> None:
        """Show a step's text as it now is."""
        self._late.pop(step.step, None)
        self._when[step.step] = monotonic()
        name = self._texts.setdefault(step.step, _new_name())
        self._put(name, {"text/plain": step.text([*self._displays.get(step.step, {}).values()])}, {})

    def _display(self, step: StepOutput, item: Item) -> None:
        """Show what a task displayed, or displayed in place of something."""
        shown = self._displays.setdefault(step.step, {})
        name = next((name for name, one in shown.items() if one is item), None)
        if name is None:
            if len(shown) >= DISPLAYS:
                return
            shown[name := _new_name()] = item
        self._put(name, item.data, item.metadata)

    def _arrange(self) -> None:
        """Put the outputs into the flow's order, those of each step together."""
        shown = {step: [*items.values()] for step, items in self._displays.items()}
        steps = self._output.steps()
        blocks = _joined(block for step in steps for block in step.blocks(shown.get(step.step, [])))
        names = [*self._held]
        for position, block in enumerate(blocks):
            name = names[position] if position < len(names) else _new_name()
            self._put(name, block.data or {"text/plain": block.text.rstrip("\n")}, block.metadata)
        for name in names[len(blocks) :]:  # what was there was cleared by its task
            self._put(name, {"text/plain": ""}, {})

    def _put(self, name: str, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Display the content of an output, if it changed."""
        if self._held.get(name) == data:
            return
        if name in self._held:
            update_display(dict(data), display_id=name, raw=True, metadata=dict(metadata))  # type: ignore[no-untyped-call]  # IPython leaves it untyped
        else:
            display(dict(data), display_id=name, raw=True, metadata=dict(metadata))  # type: ignore[no-untyped-call]  # as above
        self._held[name] = data


def _joined(blocks: Iterable[Block]) -> list[Block]:
    """Blocks of which neighbouring texts of one step are one, whatever their streams."""
    found: list[Block] = []
    for block in blocks:
        if found and not block.data and not found[-1].data and block.text.startswith("  "):
            found[-1] = Block("stdout", found[-1].text + block.text)
        else:
            found.append(block)
    return found


def _show(blocks: Iterable[Block]) -> None:
    """Print and display blocks."""
    for block in blocks:
        if block.data:
            display(dict(block.data), raw=True, metadata=dict(block.metadata))  # type: ignore[no-untyped-call]  # IPython leaves it untyped
        else:
            _write(block.stream, block.text)


def _new_name() -> str:
    """An id of an output; its beginning says that it is not a step's own."""
    return f"flownb-{secrets.token_hex(8)}"


def _write(stream: str, text: str) -> None:
    """Write text at once."""
    file = sys.stderr if stream == "stderr" else sys.stdout
    file.write(text)
    file.flush()
