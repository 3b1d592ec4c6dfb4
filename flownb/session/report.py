"""What is shown under a cell after a step ran, was spun, or a flow ran.

Takes task results; gives MIME bundles whose text is the same in every run of the same code. Durations, ids and times
go into the output's metadata, where nbval and a reader of diffs do not stumble over them.
"""

from __future__ import annotations

import html
from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flownb.cells.assignment import analyse_names
from flownb.cells.header import header_tags
from flownb.flow.definition import Step
from flownb.flow.step_name import RESERVED
from flownb.runtime.task import TaskResult

__all__ = ["StepReport", "as_bundle", "capture_header", "keepable", "step_report", "uncaptured"]

STYLE = "font-family:var(--jp-code-font-family,monospace);font-size:12px;line-height:1.5;opacity:.85"


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
    """The lines under a step cell.

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
        What else the user should know.
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
    metadata: dict[str, Any] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The report as plain lines."""
        count = f" · {self.tasks} tasks" if self.tasks != 1 else ""
        first = f"✓ {self.step}{count if self.verb == 'ran' else ' (spin, nothing recorded)'}"
        if self.verb == "persisted":
            first = f"✓ {self.step} (spin, kept in the spin datastore)"
        lines = [first]
        if self.artifacts:
            lines.append("  set    " + ", ".join(f"{name}: {kind}" for name, kind in self.artifacts))
        if self.local:
            lines.append(f"  local  {', '.join(self.local)}" + (f"  (to keep: {self.header})" if self.header else ""))
        lines += [f"  note   {note}" for note in self.notes]
        return lines

    def bundle(self) -> dict[str, str]:
        """``text/plain`` and ``text/html``."""
        return as_bundle(self.lines())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        return self.bundle(), {"flownb": self.metadata}


def as_bundle(lines: Sequence[str]) -> dict[str, str]:
    """Lines as ``text/plain`` and ``text/html``."""
    body = "\n".join(html.escape(line) for line in lines)
    return {"text/plain": "\n".join(lines), "text/html": f'<pre style="{STYLE}">{body}</pre>'}


def keepable(step: Step, local: Sequence[str], taken: Container[str] = ()) -> tuple[str, ...]:
    """Those local names that a step can capture: they may have a value at its end, and nothing else has the name.

    `taken` are names of steps and of the flow's class.
    """
    captures = (*step.captures, *local)
    gone = analyse_names(step.body.tree, captures=captures, methods=step.methods).unbound.keys()
    hidden = {*RESERVED, *(gone - step.body.names.unbound.keys()), "self", "start", "end", step.header.inputs}
    return tuple(name for name in local if name not in hidden and name not in taken)


def capture_header(step: Step, local: Sequence[str]) -> str:
    """The step's header with its local names captured as well: a line, or tags where these mark the cell."""
    header = replace(step.header, captures=(*step.captures, *local))
    return " ".join(header_tags(header)) if step.cell.tags else f"%%step {header.line}"


def value_types(results: Sequence[TaskResult]) -> tuple[tuple[str, str], ...]:
    """Names and types of what a step's first task set, in the order it did."""
    return tuple((name, _kind(value)) for name, value in results[0].values.items())


def _kind(value: Any) -> str:
    kind = type(value)
    shape = getattr(value, "shape", None)
    name = kind.__qualname__
    if isinstance(shape, tuple) and shape and all(isinstance(n, int) for n in shape):
        return f"{name} {'×'.join(map(str, shape))}"
    return name


def step_report(
    step: Step, verb: str, results: list[TaskResult], notes: list[str], *, taken: Container[str] = ()
) -> StepReport:
    """The report of a step's tasks; `taken` as for `keepable`."""
    local = uncaptured(step) if verb == "ran" else ()
    kept = keepable(step, local, taken)
    first, last = results[0].record, results[-1].record
    refs = {name: first.artifacts[name] for name in results[0].values if name in first.artifacts}
    metadata = {
        "seconds": round(last.finished - first.started, 4),
        "tasks": [result.record.pathspec for result in results[:20] if result.record.task],
        "sizes": {name: ref.size for name, ref in refs.items()},
    }
    return StepReport(
        step.name,
        verb,
        len(results),
        value_types(results),
        local,
        capture_header(step, kept) if kept else "",
        tuple(notes),
        metadata,
    )
