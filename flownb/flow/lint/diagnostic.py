"""What a check found, and what checks look at.

Errors are proven, the rest are warnings: a check reports an error only for what certainly fails on Metaflow, and only
errors keep a flow from being run and exported (docs/checks.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from flownb.cells.cell import Cell
from flownb.errors import Message
from flownb.flow.artifacts import ArtifactTrace
from flownb.flow.decorators import catches, written_names
from flownb.flow.definition import FlowDefinition, Step
from flownb.flow.graph import FlowGraph
from flownb.flow.lint.edits import Edits, Fix

__all__ = ["Diagnostic", "LintContext", "Severity", "counted", "errors_of", "warnings_of"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Diagnostic:
    """One finding.

    Attributes
    ----------
    code : str
        ``FN001`` and so on; stable.
    message : Message
        What is wrong, why, and what to do; its `fix` may be a `Fix`, which has edits.
    cell : Cell
        Where it is.
    line : int
        1-based line in the cell.
    step : str
        The step's name, empty for other cells.
    severity : {"error", "warning"}
        An error certainly fails on Metaflow, so nothing is run or exported; a warning blocks nothing.
    here : bool
        Whether only this Python lacks something, so that the flow may be exported.
    """

    code: str
    message: Message
    cell: Cell
    line: int = 1
    step: str = ""
    severity: Severity = "error"
    here: bool = False

    @property
    def what(self) -> str:
        """What is wrong."""
        return self.message.what

    @property
    def why(self) -> str:
        """Why that is wrong."""
        return self.message.why

    @property
    def fix(self) -> str:
        """What to do."""
        return self.message.fix

    @property
    def edits(self) -> Edits:
        """What `fix` says, as edits that a program can make; empty if the user has to decide."""
        return self.fix.edits if isinstance(self.fix, Fix) else ()

    def __str__(self) -> str:
        lines = self.cell.source.split("\n")
        shown = lines[self.line - 1].rstrip() if 0 < self.line <= len(lines) else ""
        code = f"warning {self.code}" if self.severity == "warning" else self.code
        first = f"{code} {self.cell.title}, line {self.line}: {self.what}\n    {self.line} | {shown}"
        return "\n    ".join(part for part in (first, self.why, self.fix) if part)


@dataclass(frozen=True)
class LintContext:
    """The flow as checks see it.

    Attributes
    ----------
    flow : FlowDefinition
    graph : FlowGraph
        The user's own steps.
    artifacts : ArtifactTrace
    kernel_names : frozenset of str
        Names that exist in the notebook's namespace, where steps do not see them.
    importable : callable
        Whether a top-level module can be imported here.
    only : str or None
        The one step that is checked; None means all, of a flow that is meant to be complete.
    """

    flow: FlowDefinition
    graph: FlowGraph
    artifacts: ArtifactTrace
    kernel_names: frozenset[str]
    importable: Callable[[str], bool]
    only: str | None

    @property
    def whole(self) -> bool:
        """Whether the flow is meant to be complete."""
        return self.only is None

    def fails(self, step: Step) -> bool:
        """Whether the flow fails if the body of `step` does: it certainly runs, and nothing takes the exception."""
        return catches(step) is None and (self.only == step.name or step.name in self.graph.unavoidable)

    def next_of(self, step: Step) -> frozenset[str]:
        """The steps that the self.next of `step` names in flow.py, ``end`` included where nothing follows."""
        targets = self.graph[step.name].targets if step.name in self.graph else ()
        return frozenset(targets or (() if self.is_last(step) or not self.whole else (self.graph.exit or "end",)))

    def is_last(self, step: Step) -> bool:
        """Whether nothing follows on a step: it is marked as the last, or called ``end``, or the flow's only one."""
        node = self.graph[step.name]
        alone = len(self.graph.nodes) == 1 and not (node.targets or node.is_join or step.header.foreach)
        return alone or self.graph.exit == step.name

    @cached_property
    def added_steps(self) -> frozenset[str]:
        """Steps that flow.py has although no cell defines them, bridges left out."""
        if len(self.graph.nodes) == 1 and self.is_last(next(iter(self.flow.all_steps))):
            return frozenset()
        missing = {"start": self.graph.marked_start, "end": self.graph.exit}
        return frozenset(name for name, own in missing.items() if own is None and name not in self.graph.nodes)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps that are checked."""
        return tuple(step for step in self.flow.steps if self.only in (None, step.name))

    @cached_property
    def joins(self) -> dict[str, Step]:
        """The step cells that are joins, by name, parents first."""
        nodes = [self.graph[name] for name in self.graph.order]
        return {node.name: node.step for node in nodes if node.is_join and node.step is not None}

    def joins_between(self, upper: str, lower: str) -> list[Step]:
        """The step cells that are joins on a path from one step to another, parents first."""
        bits, above = self.graph.reach.bits, self.graph.reach.above
        first, last = bits.get(upper, 0), above.get(lower, 0)
        return [join for name, join in self.joins.items() if last & bits[name] and above[name] & first]

    @cached_property
    def keeping(self) -> dict[str, list[Step]]:
        """The step cells that bind a plain name and do not capture it, by the name, in document order."""
        found: dict[str, list[Step]] = {}
        for step in self.flow.steps:
            for name in step.names.assigned.keys() - set(step.captures):
                found.setdefault(name, []).append(step)
        return found

    @cached_property
    def read_names(self) -> frozenset[str]:
        """Names that a step cell reads, plain or as attributes of ``self``."""
        return frozenset(name for step in self.flow.steps for name in (*step.names.reads, *step.names.self_reads))

    @cached_property
    def naming(self) -> dict[str, list[Step]]:
        """The step cells that are a step, or whose ``--after`` or ``self.next`` names it, in document order."""
        found: dict[str, list[Step]] = {}
        for step in self.flow.steps:
            targets = step.body.transition.targets if step.body.transition is not None else ()
            for name in dict.fromkeys((step.name, *step.header.after, *targets)):
                found.setdefault(name, []).append(step)
        return found

    def is_taken(self, name: str) -> bool:
        """Whether a step, or the class body, has a name."""
        return name in self.graph.nodes or name in self.flow.class_names

    @cached_property
    def setting(self) -> dict[str, list[str]]:
        """The step cells that set an artifact, by its name, in document order."""
        found: dict[str, list[str]] = {}
        for step in self.flow.steps:
            for name in written_names(step):
                found.setdefault(name, []).append(step.name)
        return found

    def at(self, code: str, step: Step, body_line: int, message: Message, *, proven: bool = True) -> Diagnostic:
        """A diagnostic at a line of a step's body (0 is the header line): an error if it is proven."""
        line = max(step.cell.body_line + body_line - 1, 1)
        return Diagnostic(code, message, step.cell, line, step.name, "error" if proven else "warning")


def errors_of(found: Iterable[Diagnostic], *, elsewhere: bool = False) -> tuple[Diagnostic, ...]:
    """The findings that keep a flow from being run; `elsewhere` leaves out what only this Python does not have."""
    return tuple(one for one in found if one.severity == "error" and not (elsewhere and one.here))


def counted(found: Iterable[Diagnostic]) -> str:
    """How many findings there are, as ``2 errors, 1 warning``; ``no problems`` if there are none."""
    numbers = Counter(one.severity for one in found)
    said = [f"{numbers[one]} {one}{'s' if numbers[one] > 1 else ''}" for one in ("error", "warning") if numbers[one]]
    return ", ".join(said) or "no problems"


def warnings_of(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The findings that are shown and block nothing."""
    return tuple(one for one in found if one.severity == "warning")
