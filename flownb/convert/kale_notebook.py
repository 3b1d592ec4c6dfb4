"""Write a notebook with Kale's tags as a notebook of flownb, in which every value that passes is named.

A step captures (``->``) what it sets and a later step needs. A step that joins others gets each value from one of them
with a line of its own. Code, comments, markdown and ids of cells are kept.
"""

from __future__ import annotations

import ast
import copy
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flownb.cells.cell import read_any_cell
from flownb.cells.header import StepHeader
from flownb.convert.kale import KalePipeline, KaleStep, definitions_needed, read_kale
from flownb.errors import FlowFileError, Message
from flownb.flow.definition import define_flow
from flownb.flow.lint import check_flow, errors_of
from flownb.flow.names import default_flow_name, step_name_problem

__all__ = ["kale_notebook"]

LOAD = "%load_ext flownb"
# Problems of a graph that Kale runs and Metaflow does not.
GRAPH_CODES = ("FN006", "FN007", "FN008", "FN010")


def kale_notebook(
    document: Mapping[str, Any], path: Path | None = None, *, flow: str | None = None
) -> tuple[dict[str, Any], tuple[Message, ...]]:
    """Write a notebook with Kale's tags as one of flownb.

    Parameters
    ----------
    document : mapping
        nbformat JSON, each source one text; it is not changed.
    path : Path, optional
        Its file, after which the flow is named if the pipeline has no name.
    flow : str, optional
        The name of the flow.

    Returns
    -------
    (dict, tuple of Message)
        The notebook, and what differs from what Kale would do.

    Raises
    ------
    FlowFileError
        If it has no steps with Kale's tags, or is not a pipeline that a flow can be.
    """
    pipeline = read_kale(document)
    name = flow or default_flow_name(Path(pipeline.name) if pipeline.name else path)
    made, notes = _Writer(pipeline, document, name).write()
    if not _graph_errors(made):
        return made, notes
    line = pipeline.in_a_line()
    if line is None:
        raise FlowFileError(
            "The steps of this notebook form a graph that Metaflow does not run.",
            "Steps that run in parallel must meet again in one step; here they cannot be put in a line either, as they "
            "change the same names.",
            "Let the branches meet in one step, or give their variables different names.",
        )
    what = "Steps that Kale runs in parallel run one after another here."
    why = "Metaflow runs branches only if all of them meet again in one step."
    made, notes = _Writer(line, document, name).write(Message(what, why, "Change --after to run them in parallel."))
    return made, notes


def _graph_errors(document: Mapping[str, Any]) -> bool:
    """Whether the graph of a notebook's steps has an error."""
    cells = [cell["source"] for cell in document["cells"] if cell["cell_type"] == "code"]
    flow = define_flow(read_any_cell(source, number=number) for number, source in enumerate(cells, 1))
    return any(one.code in GRAPH_CODES for one in errors_of(check_flow(flow)))


class _Writer:
    """Writes the cells of one pipeline."""

    def __init__(self, pipeline: KalePipeline, document: Mapping[str, Any], name: str) -> None:
        self.pipeline = pipeline
        self.document = document
        self.name = name
        self.notes: list[Message] = list(pipeline.notes)
        self.before, self.after = pipeline.needed()
        self.names = self._step_names()
        self.added: dict[int, dict[str, Any]] = {}
        self.tail: list[dict[str, Any]] = []

    def write(self, *said: Message) -> tuple[dict[str, Any], tuple[Message, ...]]:
        """The notebook and what is to be said about it."""
        self.notes += said
        texts, copied = self._texts(), self._copied()
        cells: list[dict[str, Any]] = []
        number = 0
        for raw in self.document["cells"]:
            if raw.get("cell_type") != "code":
                cells.append(copy.deepcopy(raw))
                continue
            number += 1
            cells += [self.added[number]] if number in self.added else []
            if number not in texts:
                cells.append(copy.deepcopy(raw))
            elif texts[number] is not None:
                cells.append(_marked(raw, str(texts[number])))
        first = next(place for place, cell in enumerate(cells) if cell.get("cell_type") == "code")
        notes = tuple(dict.fromkeys(self.notes))
        top = [_new("load", "\n".join([LOAD, *(f"# {note}" for note in notes)]))]
        if not self.pipeline.parameters:
            top.append(_new("flow", f"%%flow {self.name}"))
        if copied:
            top.append(_new("shared", f"%%shared\n{copied}"))
        if self.document.get("nbformat_minor", 0) < 5:  # cells have no ids
            for cell in (*top, *self.added.values(), *self.tail):
                cell.pop("id", None)
        made = {**copy.deepcopy(dict(self.document)), "cells": [*cells[:first], *top, *cells[first:], *self.tail]}
        return made, notes

    def _texts(self) -> dict[int, str | None]:
        """The new text of each code cell by its number; None for a cell that is now part of another one."""
        pipeline = self.pipeline
        texts: dict[int, str | None] = {cell.number: f"%%shared\n{cell.source}" for cell in pipeline.shared}
        for cell in pipeline.parameters:
            texts[cell.number] = None
        if pipeline.parameters:
            texts[pipeline.parameters[0].number] = f"%%flow {self.name}\n{self._parameters()}"
        self._note_functions()
        for step, name, other in pipeline.missed():
            what = f"Step {step} reads `{name}`, which {other} sets, and does not follow it."
            self.notes.append(Message(what, "In Kale it does not see the value either.", f"Add the tag prev:{other}."))
        roots = [step for step in pipeline.steps.values() if not step.prev]
        start = self._free("start") if len(roots) > 1 else ""
        last = start
        for one in pipeline.steps.values():
            texts.update(dict.fromkeys((cell.number for cell in one.cells), None))
            texts[one.cells[0].number] = self._step(one, last, start)
            last = self.names[one.name]
        if start:
            self.notes.append(Message(f"The step {start} was added.", "A flow has one first step."))
            self.added[roots[0].cells[0].number] = _new("step-start", f"%%step {start}")
        self._finish()
        return texts

    def _step(self, step: KaleStep, last: str, start: str) -> str:
        """The text of a step's cell; `last` is the step above it in the notebook."""
        prev = tuple(self.names[one] for one in step.prev) or ((start,) if start else ())
        loads = self._loads(step.name, step.prev, self.before[step.name]) if len(step.prev) > 1 else []
        joined = [line.partition(" ")[0] for line in loads]
        places = {**dict.fromkeys(joined), **dict.fromkeys(step.changed)}
        captures = [one for one in places if one in self.after[step.name]]
        header = StepHeader(
            self.names[step.name],
            after=() if prev in ((last,), ()) else prev,
            join=len(prev) > 1,
            captures=tuple(captures),
        )
        body = "\n\n".join(cell.source.strip("\n") for cell in step.cells)
        return "\n".join([f"%%step {header.line}", *loads, *([""] * bool(loads)), body])

    def _loads(self, name: str, prev: tuple[str, ...], needed: Iterable[str]) -> list[str]:
        """The lines with which a join gets its values, each from one of the steps that it joins."""
        lines = []
        for value, source in self.pipeline.sources(name, needed).items():
            line = f"{value} = inputs.{self.names[source.step]}.{value}"
            if source.lost:
                others = ", ".join(self.names[one] for one in source.lost)
                what = f"Step {name} gets `{value}` from {self.names[source.step]}, and {others} sets it, too."
                why = "Kale keeps one of them without saying so."
                fix = f"Correct the line `{line}` if you mean another one."
                self.notes.append(Message(what, why, fix))
                line += f"  # {others} sets it, too"
            lines.append(line)
        return lines

    def _finish(self) -> None:
        """Add a step in which all branches end, if there are several."""
        leaves = [self.names[name] for name in self.pipeline.steps if not self.pipeline.below(name)]
        if len(leaves) > 1:
            name = self._free("finish")
            self.notes.append(Message(f"The step {name} was added.", "A flow has one last step."))
            self.tail.append(_new(f"step-{name}", f"%%step {StepHeader(name, after=tuple(leaves), join=True).line}"))

    def _parameters(self) -> str:
        """The body of the ``%%flow`` cell: an assignment of a literal becomes a parameter."""
        lines = []
        for cell in self.pipeline.parameters:
            for statement in cell.statements:
                text = "\n".join(cell.source.split("\n")[statement.line - 1 : statement.end_line])
                written = _parameter(statement.node)
                if written is None and statement.names.reads.keys() & self.pipeline.parameter_names:
                    raise FlowFileError(
                        f"`{text}` of cell {cell.number} computes a value from a parameter.",
                        "The value of a parameter is known when the flow runs, and not where it is declared.",
                        "Move this line into the first step that needs the value.",
                    )
                if written is None:
                    what = f"`{text}` of cell {cell.number} is a constant of the flow."
                    self.notes.append(Message(what, "A parameter's default is a number, a text, True or False."))
                lines.append(written or text)
        return "\n".join(lines)

    def _copied(self) -> str:
        """Definitions of steps that other steps use, for a shared cell."""
        found = []
        for cell, node in definitions_needed(self.pipeline):
            first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
            found.append("\n".join(cell.source.split("\n")[first - 1 : node.end_lineno]))
            what = f"`{found[-1].split(chr(10))[0]}` of cell {cell.number} is in a %%shared cell, too."
            self.notes.append(Message(what, "Other steps use it, and Metaflow stores no definitions."))
        return "\n\n".join(dict.fromkeys(found))

    def _note_functions(self) -> None:
        """Say which shared functions read what only steps have."""
        known = self.pipeline.values | self.pipeline.parameter_names
        for cell in self.pipeline.shared:
            for function in cell.functions.values():
                if used := sorted(function.reads.keys() & known):
                    what = f"`{function.name}` in cell {cell.number} reads `{used[0]}`, which a step has."
                    why = "Shared code sees neither parameters nor values of steps; in Kale it does."
                    self.notes.append(Message(what, why, f"Give `{used[0]}` to it as an argument."))

    def _step_names(self) -> dict[str, str]:
        """A name that a step can have for each one of Kale's."""
        taken = self.pipeline.values | self.pipeline.parameter_names
        found: dict[str, str] = {}
        for name in self.pipeline.steps:
            problem = step_name_problem(name, taken)
            better = (problem.better or "step") if problem is not None else name
            while better in found.values() or better in taken:
                better += "_step"
            if better != name:
                why = "A step and a value of a flow cannot have one name."
                if problem is not None and name not in taken:
                    why = problem.message.why
                self.notes.append(Message(f"The step `{name}` is called `{better}`.", why))
            found[name] = better
        return found

    def _free(self, name: str) -> str:
        """A name for a step that is added."""
        while name in self.names.values() or name in self.pipeline.values | self.pipeline.parameter_names:
            name += "_step"
        return name


def _parameter(node: ast.stmt) -> str | None:
    """The line of a parameter for an assignment of a literal to a name."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        name, value = node.targets[0].id, node.value
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        name, value = node.target.id, node.value
    else:
        return None
    try:
        literal = ast.literal_eval(value)
        as_json = json.dumps(literal)
    except (ValueError, TypeError, SyntaxError):
        return None
    if isinstance(literal, bool | int | float | str):
        return f'{name} = Parameter("{name}", default={ast.unparse(value)})'
    if isinstance(literal, list | dict) and json.loads(as_json) == literal:
        return f'{name} = Parameter("{name}", type=JSONType, default={as_json!r})'
    return None


def _marked(raw: Mapping[str, Any], source: str) -> dict[str, Any]:
    """A cell with a mark in its text instead of tags, and without outputs."""
    metadata = {key: value for key, value in dict(raw.get("metadata", {})).items() if key != "tags"}
    return {**raw, "metadata": metadata, "source": source.rstrip("\n"), "outputs": [], "execution_count": None}


def _new(cell_id: str, source: str) -> dict[str, Any]:
    """A code cell that is added."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": f"flownb-{cell_id}"[:64],
        "metadata": {},
        "outputs": [],
        "source": source,
    }
