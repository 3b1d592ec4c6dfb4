"""What a notebook cannot have of a Metaflow file, and which of the file's module code goes into it.

A notebook has one flow, started by no code of its own. Its class comes after all shared code, and its steps come after
the rest of the class body.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flownb.errors import Message
from flownb.flow_file.parts import Block, FlowClass, FlowFile, StepMethod
from flownb.flow_file.source import Function, bound_names, read_at_import
from flownb.metaflow_decorators import STEP_DECORATORS

__all__ = ["Note", "carried_blocks", "notes_of"]


@dataclass(frozen=True)
class Note:
    """Something of a file that its notebook does not have, or has elsewhere.

    Attributes
    ----------
    first, last : int
        Lines of the file.
    message : Message
    text : str
        The code that is left out; empty if nothing is.
    """

    first: int
    last: int
    message: Message
    text: str = ""

    @property
    def place(self) -> str:
        """Its lines, in words."""
        return f"line {self.first}" if self.first == self.last else f"lines {self.first} to {self.last}"

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def carried_blocks(file: FlowFile, flow: FlowClass) -> tuple[list[Block], list[Block]]:
    """The blocks of module code that the notebook of a flow has, and the others; the flow itself is in neither.

    Another flow of the file is module code if the flow inherits from it, or code that the notebook has uses it.
    """
    others = [one for one in file.blocks if not (one.kind == "flow" and one.name == flow.name)]
    absent = {flow.name}
    carried = [one for one in others if one.kind in ("imports", "code")]
    flows = {one.name: one for one in others if one.kind == "flow"}
    used = _names(flow.node) | {name for block in carried for name in _names(*block.nodes)}
    while found := [one for one in flows.values() if one.name in used and one not in carried]:
        carried += found
        used |= {name for block in found for name in _names(*block.nodes)}
    absent |= {name for name in flows if flows[name] not in carried}
    for block in others:
        if block.kind == "late":
            if read_at_import(block.nodes) & absent:
                absent |= bound_names(block.nodes)
            else:
                carried.append(block)
    return [one for one in others if one in carried], [one for one in others if one not in carried]


def notes_of(file: FlowFile, flow: FlowClass, left: Iterable[Block]) -> tuple[Note, ...]:
    """All that is to be said of a flow's notebook, in the order of the file."""
    found = [
        *_opening(file),
        *(note for block in left for note in _block(file, flow, block)),
        *_aliases(file),
        *_class(flow),
        *(note for step in flow.steps for note in _step(file, flow, step)),
    ]
    return tuple(sorted(found, key=lambda note: note.first))


def _names(*nodes: ast.AST) -> set[str]:
    """All plain names in some nodes."""
    return {one.id for node in nodes for one in ast.walk(node) if isinstance(one, ast.Name)}


def _opening(file: FlowFile) -> Iterator[Note]:
    """The lines with which a file names its interpreter and its encoding."""
    lines = file.text.split("\n")
    for line in file.opening:
        number = lines.index(line) + 1
        what = f"`{line.strip()}` is not part of the notebook."
        yield Note(number, number, Message(what, "It means something only at the top of a file."), line)


def _aliases(file: FlowFile) -> Iterator[Note]:
    """Another name that the file has for Metaflow's ``step``."""
    for node in (one for block in file.blocks for one in block.nodes):
        for alias in node.names if isinstance(node, ast.ImportFrom) and node.module == "metaflow" else ():
            if alias.name == "step" and alias.asname not in (None, "step"):
                what = f"`@{alias.asname}` is written as `@step`."
                why = "The header of a cell says what is a step, and an export writes it under its own name."
                yield Note(node.lineno, node.end_lineno or 0, Message(what, why))


def _block(file: FlowFile, flow: FlowClass, block: Block) -> Iterator[Note]:
    """A block of module code that the notebook does not have."""
    if block.kind == "docstring" or (block.kind == "start" and _only_starts(block, flow)):
        return
    first = block.last - block.text.count("\n") + 1
    if block.kind == "flow":
        what = f"`{block.name}` is another flow of this file."
        fix = f"It gets a notebook of its own with --flow {block.name}."
        yield Note(first, block.last, Message(what, "A notebook has one flow.", fix))
    elif block.kind == "start":
        what = f"The code that starts the flow is not `{flow.name}()` alone."
        why = "A notebook has no such code, and the file that is exported from it only starts the flow."
        fix = "Move what is needed into a step or a parameter."
        yield Note(first, block.last, Message(what, why, fix), block.text)
    else:
        what = "This code needs the class of a flow when the file is imported."
        why = "Shared code comes before the class of the flow."
        yield Note(first, block.last, Message(what, why, "Keep it in a module of its own."), block.text)


def _only_starts(block: Block, flow: FlowClass) -> bool:
    """Whether code only calls the class of the flow, as the export writes it."""
    node = block.nodes[0]
    if len(block.nodes) > 1 or "#" in block.text or (isinstance(node, ast.If) and node.orelse):
        return False
    calls = node.body if isinstance(node, ast.If) else [node]
    return len(calls) == 1 and ast.unparse(calls[0]) == f"{flow.name}()"


def _class(flow: FlowClass) -> Iterator[Note]:
    """What of the class has no place in the ``%%flow`` cell, or another one."""
    line = flow.node.lineno
    for base in flow.bases:
        if not all(part.isidentifier() for part in base.split(".")):
            what = f"The base class `{base}` of `{flow.name}` gets a name in a %%shared cell."
            yield Note(line, line, Message(what, "A %%flow cell names its base classes."))
    for keyword in flow.keywords:
        what = f"The class `{flow.name}` is given `{keyword}`."
        why = "A %%flow cell names base classes only."
        yield Note(line, line, Message(what, why, "Give it to a base class in a %%shared cell."), keyword)
    steps = {step.node.lineno: step.name for step in flow.steps}
    for node in flow.node.body:
        above = {name for number, name in steps.items() if number < node.lineno}
        used = sorted(above & read_at_import([node])) if node.lineno not in steps else []
        if used:
            what = f"This code of the class body uses the step `{used[0]}`."
            why = "It is in the %%flow cell, and the methods of steps come after that."
            fix = "Write it into a decorator of the step, or into a base class."
            yield Note(node.lineno, node.end_lineno or node.lineno, Message(what, why, fix))
        if isinstance(node, ast.Import | ast.ImportFrom):
            what = f"`{ast.unparse(node)}` is in the class body."
            why = "An export writes it at module level, as Metaflow cannot store a module."
            yield Note(node.lineno, node.end_lineno or 0, Message(what, why))
        for inner in ast.walk(node) if not isinstance(node, Function | ast.ClassDef) else ():
            if isinstance(inner, Function) and any("step" in ast.unparse(one) for one in inner.decorator_list):
                what = f"The step `{inner.name}` is defined inside other code of the class body."
                why = "It stays in the %%flow cell, where flownb does not see it as a step."
                yield Note(inner.lineno, inner.end_lineno or 0, Message(what, why, "Define it in a %%step cell."))


def _step(file: FlowFile, flow: FlowClass, step: StepMethod) -> Iterator[Note]:
    """What of a step is not in its cell."""
    line = step.node.lineno
    if flow.step(step.name) is not step:
        what = f"`{step.name}` is defined again below, so that this definition is never used."
        text = "\n".join(file.text.split("\n")[step.first - 1 : step.last])
        yield Note(step.first, step.last, Message(what, "A step has one cell."), textwrap.dedent(text).strip("\n"))
    elif step.is_async:
        what = f"Step `{step.name}` is an `async def`."
        why = "Metaflow calls the method of a step and does not await what it returns; the method of a cell is a `def`."
        fix = "Call `asyncio.run(…)` in its body."
        yield Note(line, line, Message(what, why, fix))
    elif step.parameters[:1] != ("self",):
        named = f"`{step.parameters[0]}`" if step.parameters else "nothing"
        what = f"Step `{step.name}` calls its flow {named}."
        yield Note(line, line, Message(what, "In a cell the flow is `self`.", "Use `self` in its body."))
    else:
        first = step.node.body[0]
        for decorator in first.decorator_list if isinstance(first, Function | ast.ClassDef) else ():
            name = ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if name in STEP_DECORATORS:
                function = getattr(first, "name", "")
                what = f"`@{name}` of the function `{function}` counts as a decorator of step {step.name}."
                why = "It has the name of one of Metaflow's, at the top of a cell."
                fix = "Write a statement above the function, such as its docstring."
                yield Note(decorator.lineno, decorator.end_lineno or 0, Message(what, why, fix))
