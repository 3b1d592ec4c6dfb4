"""A Metaflow file as the units by which versions of it are compared and merged: imports, definitions, steps and so on.

Units are the same if their syntax trees and comments are. What a header comment says does not count, nor the order of
imports, nor their comments.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, replace

from flownb.flow_file.parts import FlowClass, FlowFile, StepMethod
from flownb.flow_file.reading import read_flow_file
from flownb.flow_file.statements import Statement, decorated, same_code, split

__all__ = ["FlowUnits", "Import", "StepUnit", "import_lines", "imports_of", "read_units"]


@dataclass(frozen=True, order=True)
class Import:
    """One imported name: ``import module as alias``, or ``from module import name as alias``."""

    module: str
    name: str = ""
    alias: str = ""

    @property
    def bound(self) -> str:
        """The name that it sets."""
        return self.alias or self.name or self.module.partition(".")[0]


@dataclass(frozen=True)
class StepUnit:
    """A step: the text of its method in parts. See `flownb.flow_file.parts.StepMethod`."""

    name: str
    comments: str
    decorators: str
    signature: str
    docstring: str
    body: str

    def same_as(self, other: StepUnit) -> bool:
        """Whether both are the same method, comments included."""
        return (
            (self.name, self.signature, self.docstring) == (other.name, other.signature, other.docstring)
            and same_code(self.body, other.body)
            and same_code(*(decorated(one.comments + one.decorators) for one in (self, other)))
        )


@dataclass(frozen=True)
class FlowUnits:
    """A Metaflow file in units.

    Attributes
    ----------
    docstring : str
        Of the module.
    imports : frozenset of Import
        Those that the module begins with.
    code : tuple of Statement
        What follows them up to the class of the flow.
    name : str
        Of the flow.
    bases, keywords : tuple of str
    comments, decorators : str
        Above the class.
    class_docstring : str
    body : tuple of Statement
        The class body without steps and docstring.
    steps : tuple of StepUnit
    rest : str
        The code below the class, which a notebook has no place for.
    """

    docstring: str
    imports: frozenset[Import]
    code: tuple[Statement, ...]
    name: str
    bases: tuple[str, ...]
    keywords: tuple[str, ...]
    comments: str
    decorators: str
    class_docstring: str
    body: tuple[Statement, ...]
    steps: tuple[StepUnit, ...]
    rest: str

    def step(self, name: str) -> StepUnit | None:
        """The step of a name."""
        return next((one for one in self.steps if one.name == name), None)


def read_units(text: str, filename: str = "flow.py", *, flow: str = "") -> FlowUnits:
    """Read the units of a Metaflow file.

    Parameters
    ----------
    text : str
    filename : str
        Named in messages.
    flow : str
        Which of its flows; the one that the file starts, or its last one, if there is none of that name.

    Raises
    ------
    FlowFileError
        If the text is not Python, or has no flow.
    """
    file = read_flow_file(text, filename)
    found = file.flow(flow) or file.flow(file.started or "") or file.flows[-1]
    above = [one for one in file.blocks if one.last < found.first]
    leading = [node for one in above if one.kind == "imports" for node in one.nodes]
    code = "\n".join(one.text for one in above if one.kind not in ("imports", "docstring"))
    below = "\n".join(one.text for one in file.blocks if one.first > found.last)
    return FlowUnits(
        file.docstring or "",
        frozenset(imports_of(leading)),
        tuple(_spaced(file, found)) if code.strip() else (),
        found.name,
        found.bases,
        found.keywords,
        found.comments,
        found.decorators,
        found.docstring or "",
        _class_body(found),
        tuple(
            StepUnit(one.name, one.comments, one.decorators, one.signature, _docstring(one), one.bare_body)
            for one in found.steps
        ),
        below,
    )


def _docstring(step: StepMethod) -> str:
    """The docstring of a step, if its bare body does not have it as well."""
    return (step.docstring or "") if step.bare_body != step.body else ""


def _spaced(file: FlowFile, flow: FlowClass) -> Iterable[Statement]:
    """The statements of the module's code above a flow, with the blank lines between them."""
    blocks = [one for one in file.blocks if one.last < flow.first and one.kind not in ("imports", "docstring")]
    lines = file.text.split("\n")
    for number, block in enumerate(blocks):
        text = "\n".join(lines[block.first - 1 : block.last])
        for place, one in enumerate(split(text)):
            first = number == place == 0
            yield replace(one, leading=one.leading.lstrip("\n")) if first else one


def _class_body(flow: FlowClass) -> tuple[Statement, ...]:
    """The statements of a class body without the docstring; a `pass` that only fills it does not count."""
    found = split(flow.body)
    if flow.docstring and found:
        found = found[1:]
    return tuple(one for one in found if one.text.strip() != "pass" or one.leading.strip())


def imports_of(nodes: Iterable[ast.stmt]) -> list[Import]:
    """What some statements import, as the file has it: from Metaflow, where a cell has flownb."""
    found: list[Import] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [Import(alias.name, "", alias.asname or "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found += [Import(module, alias.name, alias.asname or "") for alias in node.names]
    return found


def import_lines(imports: Iterable[Import]) -> list[str]:
    """Statements that import some names, in a stable order."""
    plain: list[str] = []
    names: dict[str, list[str]] = {}
    for one in sorted(imports):
        alias = f" as {one.alias}" if one.alias else ""
        if one.name:
            names.setdefault(one.module, []).append(one.name + alias)
        else:
            plain.append(f"import {one.module}{alias}")
    return [*plain, *(f"from {module} import {', '.join(listed)}" for module, listed in names.items())]
