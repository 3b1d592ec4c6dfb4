"""A notebook with Kale's tags: its steps, what they depend on, and which values pass between them.

Kale (https://github.com/kubeflow-kale/kale, versions 0.4 to 2.0) reads the tags ``step:NAME`` (or ``block:NAME``),
``prev:NAME``, ``imports``, ``functions``, ``pipeline-parameters``, ``pipeline-metrics`` and ``skip``. A cell without a
tag belongs to the last cell that has one and is not skipped. Cells with the name of an earlier step are part of it.
Values pass along ``prev`` without being named: a step gets each name that it reads from the nearest step before it that
has it. Where two branches set the same name, one of them wins silently.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

from flownb.convert.pieces import exposed_reads
from flownb.convert.plain import PlainCell, Statement, read_plain
from flownb.convert.together import is_illegal
from flownb.errors import FlowFileError, Message

__all__ = ["KalePipeline", "KaleStep", "Source", "definitions_needed", "read_kale"]

Role = Literal["skip", "imports", "functions", "pipeline-parameters", "pipeline-metrics", "step"]
SPECIAL: tuple[Role, ...] = ("skip", "imports", "functions", "pipeline-parameters", "pipeline-metrics")
METADATA = "kubeflow_notebook"
# What only flownb's tags say.
OWN = ("after", "flow", "foreach", "join", "out", "signature", "when")


@dataclass
class KaleStep:
    """A step of a pipeline: its cells, and the names of the steps that it follows."""

    name: str
    cells: list[PlainCell] = field(default_factory=list)
    prev: tuple[str, ...] = ()

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The statements of all cells."""
        return tuple(statement for cell in self.cells for statement in cell.statements)

    @cached_property
    def reads(self) -> frozenset[str]:
        """Names whose values it needs."""
        return frozenset(exposed_reads(self.statements))

    @cached_property
    def definite(self) -> frozenset[str]:
        """Names that it certainly binds."""
        return frozenset(name for one in self.statements for name in one.names.bound_at_end)

    @cached_property
    def bound(self) -> dict[str, int]:
        """Names of values that it binds, in this order."""
        definitions = {name for one in self.statements for name in one.names.definitions}
        found = [name for one in self.statements for name in (*one.names.variables, *one.writes)]
        return {name: place for place, name in enumerate(dict.fromkeys(found)) if name not in definitions}

    @cached_property
    def changed(self) -> dict[str, int]:
        """Names that it binds, or whose object it may change in place."""
        names = dict.fromkeys((*self.bound, *(name for cell in self.cells for name in cell.mutated)))
        return {name: place for place, name in enumerate(names)}


@dataclass(frozen=True)
class Source:
    """Where a step gets a value from: one of the steps before it, and others that set it too, whose value is lost."""

    step: str
    lost: tuple[str, ...] = ()


@dataclass
class KalePipeline:
    """What a notebook with Kale's tags says.

    Attributes
    ----------
    name : str
        The pipeline's name in the notebook's metadata; empty if it has none.
    shared : list of PlainCell
        Cells with imports and functions.
    parameters : list of PlainCell
    steps : dict of str to KaleStep
        In the order of the document, in which each comes after those that it follows. Cells of metrics are the last
        one, which follows all that nothing else follows.
    notes : list of Message
        What cannot be carried over.
    """

    name: str = ""
    shared: list[PlainCell] = field(default_factory=list)
    parameters: list[PlainCell] = field(default_factory=list)
    steps: dict[str, KaleStep] = field(default_factory=dict)
    notes: list[Message] = field(default_factory=list)

    @cached_property
    def parameter_names(self) -> frozenset[str]:
        """Names that the cells of parameters bind."""
        return frozenset(name for cell in self.parameters for name in cell.names.assigned)

    @property
    def values(self) -> frozenset[str]:
        """Names that some step binds, and that can be artifacts."""
        found = {name for step in self.steps.values() for name in step.bound}
        return frozenset(name for name in found - self.parameter_names if not is_illegal(name))

    def above(self, name: str) -> set[str]:
        """All steps before a step."""
        found: set[str] = set()
        open_ones = list(self.steps[name].prev)
        while open_ones:
            one = open_ones.pop()
            if one not in found:
                found.add(one)
                open_ones += self.steps[one].prev
        return found

    def below(self, name: str) -> list[str]:
        """The steps that directly follow a step."""
        return [step.name for step in self.steps.values() if name in step.prev]

    def needed(self) -> tuple[dict[str, frozenset[str]], dict[str, frozenset[str]]]:
        """For each step, the names whose values are needed where it begins, and where it ends."""
        before: dict[str, frozenset[str]] = {}
        after: dict[str, frozenset[str]] = {}
        for step in reversed(self.steps.values()):
            after[step.name] = frozenset(name for one in self.below(step.name) for name in before[one])
            before[step.name] = (step.reads & self.values) | (after[step.name] - step.definite)
        return before, after

    def sources(self, name: str, needed: Iterable[str]) -> dict[str, Source]:
        """For a step that joins others, from which of them it gets each value: the first one that sets it."""
        prev = self.steps[name].prev
        branches = {one: {one, *self.above(one)} for one in prev}
        common = set.intersection(*branches.values())
        found: dict[str, Source] = {}
        for value in sorted(needed):
            setting = [one for one in prev if any(value in self.steps[at].bound for at in branches[one] - common)]
            changing = [one for one in prev if any(value in self.steps[at].changed for at in branches[one] - common)]
            having = [one for one in prev if any(value in self.steps[at].bound for at in branches[one])]
            ordered = list(dict.fromkeys((*setting, *changing, *having)))
            if having:
                found[value] = Source(ordered[0], tuple(one for one in setting if one != ordered[0]))
        return found

    def missed(self) -> Iterable[tuple[str, str, str]]:
        """Steps that read a value of a step that they do not follow: the reader, the name, the step that sets it."""
        for place, step in enumerate(steps := list(self.steps.values())):
            above = self.above(step.name)
            have = {name for one in above for name in self.steps[one].bound}
            for name in sorted((step.reads & self.values) - have):
                yield from ((step.name, name, one.name) for one in steps[:place] if name in one.bound)

    def in_a_line(self) -> KalePipeline | None:
        """The same steps one after another; None if that could change a value."""
        steps = list(self.steps.values())
        for place, step in enumerate(steps):
            above = self.above(step.name)
            for other in steps[:place]:
                if other.name in above:
                    continue
                uses = (step.reads | step.changed.keys()) & other.changed.keys() & self.values
                if uses:
                    return None
        line = {step.name: KaleStep(step.name, step.cells) for step in steps}
        for one, following in pairwise(steps):
            line[following.name].prev = (one.name,)
        return KalePipeline(self.name, self.shared, self.parameters, line, self.notes)


def read_kale(document: Mapping[str, Any]) -> KalePipeline:
    """Read the tags of a notebook.

    Parameters
    ----------
    document : mapping
        nbformat JSON, each source one text.

    Raises
    ------
    FlowFileError
        If it has no step with Kale's tags, or tags that Kale refuses.
    """
    metadata = document.get("metadata", {}).get(METADATA, {})
    found = KalePipeline(str(metadata.get("pipeline_name", "")) if isinstance(metadata, dict) else "")
    metrics: list[PlainCell] = []
    current: Role | str = ""
    for cell in read_plain(dict(document), verbatim=True):
        if own := [tag for tag in cell.tags if tag == "join" or tag.partition(":")[0] in OWN]:
            raise FlowFileError(
                f"Cell {cell.number} has the tag `{own[0]}`, so that the notebook is flownb's already.",
                "Kale has no such tag.",
                "Run it as it is, or remove the tag.",
            )
        role, name, prev = _tags(cell, found)
        if role == "skip" or (not role and not current):
            continue
        if role == "step" and name not in found.steps:
            for one in prev:
                if one not in found.steps:
                    raise FlowFileError(
                        f"Cell {cell.number} follows the step `{one}`, which no cell above it begins.",
                        "In Kale a step comes after those that its tags `prev:` name.",
                        f"Correct the tag prev:{one}, or move the cell.",
                    )
            found.steps[name] = KaleStep(name, [], prev)
        current = name if role == "step" else role or current
        cells: dict[str, list[PlainCell]] = {
            "imports": found.shared,
            "functions": found.shared,
            "pipeline-parameters": found.parameters,
            "pipeline-metrics": metrics,
        }
        (cells[current] if current in cells else found.steps[current].cells).append(cell)
    if not found.steps:
        raise FlowFileError(
            "The notebook has no steps with Kale's tags.",
            "In Kale a cell with the tag `step:NAME` or `block:NAME` begins a step.",
            "Use `flownb convert` for a notebook without tags.",
        )
    if metrics:
        last = KaleStep("metrics", metrics, tuple(name for name in found.steps if not found.below(name)))
        while last.name in found.steps:
            last.name += "_step"
        found.steps[last.name] = last
    return found


def _tags(cell: PlainCell, found: KalePipeline) -> tuple[Role | None, str, tuple[str, ...]]:
    """What the tags of a cell say: its role, the name of its step, and the steps that this follows."""
    names: list[str] = []
    prev: list[str] = []
    for tag in cell.tags:
        if tag in SPECIAL:
            return tag, "", ()
        key, _, value = tag.partition(":")
        values = [one for one in re.split(r"[;,]", value) if one]
        if key in ("step", "block"):
            names += values
        elif key == "prev":
            prev += values
        elif key == "notebook":
            raise FlowFileError(
                f"Cell {cell.number} is another notebook, by its tag `{tag}`.",
                "A flow is one notebook.",
                "Copy the cells of that notebook into this one, with their tags.",
            )
        elif key in ("limit", "label", "annotation", "image", "cache", "report"):
            what = f"The tag `{tag}` of cell {cell.number} is not part of the flow."
            fix = "Write a decorator such as @resources(gpu=1) or @kubernetes(…) into the step's cell."
            found.notes.append(Message(what, "It is for Kubernetes alone.", fix))
    if len(names) > 1:
        raise FlowFileError(
            f"Cell {cell.number} has the tags of several steps: {', '.join(names)}.",
            "A cell is code of one step.",
            "Copy it for each step, each with one tag.",
        )
    if prev and not names:
        raise FlowFileError(
            f"Cell {cell.number} has the tag `prev:{prev[0]}` and does not name a step.",
            "Kale reads `prev:` only beside `step:NAME`.",
            "Add the tag step:NAME.",
        )
    return ("step" if names else None), "".join(names), tuple(dict.fromkeys(prev))


def definitions_needed(pipeline: KalePipeline) -> list[tuple[PlainCell, ast.stmt]]:
    """Functions, classes and imports of steps that other steps use, which Kale passes on and Metaflow cannot store."""
    found = []
    for step in pipeline.steps.values():
        others = {name for one in pipeline.steps.values() if one is not step for name in one.reads}
        for cell in step.cells:
            for statement in cell.statements:
                defines = isinstance(
                    statement.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
                )
                if defines and statement.names.assigned.keys() & others:
                    found.append((cell, statement.node))
    return found
