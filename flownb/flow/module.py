"""The source of the module around the methods: imports, shared code, the head of the class.

Takes a `FlowDefinition`; gives the texts that the runtime executes and the exporter writes, each line beside the cell
line it came from.
"""

from __future__ import annotations

import ast
import hashlib
import re

from flownb.cells.body import STEP_DECORATORS, StepBody
from flownb.cells.cell import Cell
from flownb.cells.names import analyse_names
from flownb.flow.definition import PARAMETER_CLASSES, FlowDefinition
from flownb.flow.method import SourceLine, indent_code, to_metaflow_imports

__all__ = [
    "FLOW_DECORATORS",
    "METAFLOW_NAMES",
    "class_source",
    "future_features",
    "metaflow_imports",
    "requirements",
    "shared_hash",
    "shared_source",
]

# Metaflow 2.19's flow decorators (`metaflow/plugins/__init__.py`, FLOW_DECORATORS_DESC).
FLOW_DECORATORS = frozenset(["conda_base", "project", "pypi_base", "schedule", "trigger", "trigger_on_finish", "exit_hook"])
# What decorator lines and `%%flow` cells may use without an import of their own.
METAFLOW_NAMES = frozenset(
    {"FlowSpec", "JSONType", "config_expr", "current", "step"} | PARAMETER_CLASSES | STEP_DECORATORS | FLOW_DECORATORS
)
INSTALL = re.compile(r"^[%!]\s*(?:python -m |conda run )?(?:uv )?pip3? install\s+(?P<what>.+)$")


def metaflow_imports(flow: FlowDefinition) -> tuple[str, ...]:
    """Names that ``flow.py`` imports from metaflow for decorators and the class body, sorted."""
    used = {"FlowSpec", "step"}
    bodies: list[StepBody] = [step.body for step in flow.steps]
    if flow.header is not None:
        bodies.append(flow.header.parsed)
        used.update(analyse_names(flow.header.parsed.tree).reads)
    for body in bodies:
        for decorator in body.decorators:
            used.update(decorator_names(decorator.text))
    return tuple(sorted((used & METAFLOW_NAMES) - flow.shared_names, key=lambda name: (name.lower(), name)))


def decorator_names(text: str) -> frozenset[str]:
    """Plain names that a decorator line reads."""
    try:
        tree = ast.parse(f"{text}\ndef _(): pass")
    except SyntaxError:
        return frozenset()
    return frozenset(analyse_names(tree).reads)


def shared_source(cell: Cell) -> list[SourceLine]:
    """The module-level source of a ``%%shared`` cell; one line for each line of its body."""
    return indent_code(to_metaflow_imports(cell.parsed.code), 0, first_line=cell.body_line)


def class_source(flow: FlowDefinition) -> list[SourceLine]:
    """Flow decorators, the class line and the body of the ``%%flow`` cell, without the steps."""
    line = f"class {flow.name}(FlowSpec):"
    if flow.header is None:
        return [SourceLine(line, 1, 0)]
    cell, body = flow.header, flow.header.parsed
    lines: list[SourceLine] = []
    for decorator in body.decorators:
        lines += indent_code(decorator.text, 0, first_line=decorator.line + cell.body_line - 1)
    lines.append(SourceLine(line, max(cell.body_line - 1, 1), 0))
    content = indent_code(to_metaflow_imports(body.code), 4, first_line=cell.body_line)
    while content and not content[0].text:
        content.pop(0)
    while content and not content[-1].text:
        content.pop()
    return lines + content


def future_features(flow: FlowDefinition) -> tuple[str, ...]:
    """Names imported from ``__future__`` by shared cells; they hold for the whole module."""
    found: dict[str, None] = {}
    for cell in flow.shared:
        for node in cell.parsed.tree.body if cell.parsed.tree else []:
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                found.update(dict.fromkeys(alias.name for alias in node.names))
    return tuple(found)


def requirements(cells: tuple[Cell, ...]) -> tuple[str, ...]:
    """What ``%pip install`` and ``!pip install`` lines of scratch and shared cells name, options left out."""
    found: dict[str, None] = {}
    for cell in cells:
        if cell.kind in ("scratch", "shared"):
            for line in cell.source.split("\n"):
                match = INSTALL.match(line.strip())
                for word in match["what"].split() if match else ():
                    if not word.startswith("-"):
                        found[word.strip("'\"")] = None
    return tuple(found)


def shared_hash(flow: FlowDefinition) -> str:
    """Content hash of everything at module and class level that a step's result may depend on."""
    lines = [line.text for cell in flow.shared for line in shared_source(cell)]
    lines += [line.text for line in class_source(flow)]
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()
