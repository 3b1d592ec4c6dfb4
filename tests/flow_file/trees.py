"""Metaflow files compared by their syntax trees, apart from what an export arranges in its own way.

The export writes imports first, those of the class body included, then module code, then the flow's class: the rest of
its body, and its steps. Docstrings have no indentation. Nothing else may differ.
"""

from __future__ import annotations

import ast
import inspect
from typing import Any

from flownb.cells.notebook import document_text
from flownb.flow_file.notebook import chosen_flow, notebook_of
from flownb.flow_file.reading import read_flow_file
from flownb.flow_file.writing import flow_file
from flownb.runtime.program import Program
from tests.flow.flows import define, shipped

__all__ = ["arranged", "exported", "imported"]


def imported(text: str, flow: str | None = None) -> tuple[str, ...]:
    """The sources of the code cells that a file is imported as, without the first one, which is no part of the flow."""
    document, _ = notebook_of(read_flow_file(text), flow=flow)
    assert document_text(document)
    return tuple(cell["source"] for cell in document["cells"][1:] if cell["cell_type"] == "code")


def exported(*cells: str) -> str:
    """What these cells are exported as."""
    return flow_file(Program(define(*cells), shipped(*cells)))


def arranged(text: str, flow: str | None = None) -> dict[str, Any]:
    """What a file says: imports, other module code, the flow's class and its steps, as texts of trees."""
    file = read_flow_file(text)
    name = chosen_flow(file, flow).name
    imports: set[str] = set()
    code, found = [], None
    for block in file.blocks:
        for node in map(_plain, block.nodes):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports |= _imported(node)
            elif isinstance(node, ast.ClassDef) and node.name == name:
                found = node
            elif block.kind in ("code", "flow"):
                code.append(ast.dump(node))
    assert found is not None
    for node in found.body:  # the export writes them at module level
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= _imported(node)
    others = [one for one in found.body if not isinstance(one, ast.Import | ast.ImportFrom | ast.Pass)]
    steps = {step.node.lineno for step in chosen_flow(file, flow).steps}
    return {
        "imports": imports - {"metaflow.step"},
        "code": code,
        "class": [found.name, *map(ast.dump, (*found.bases, *found.decorator_list))],
        "body": [ast.dump(node) for node in others if node.lineno not in steps],
        "steps": [ast.dump(node) for node in others if node.lineno in steps],
    }


def _imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    """What a statement imports, a text for each name."""
    module = f"{'.' * node.level}{node.module or ''}." if isinstance(node, ast.ImportFrom) else ""
    return {f"{module}{one.name}{f' as {one.asname}' if one.asname else ''}" for one in node.names}


def _plain(node: ast.stmt) -> ast.stmt:
    """A tree whose docstrings have no indentation."""
    for one in ast.walk(node):
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = one.body[0]
            if ast.get_docstring(one) is not None and isinstance(first, ast.Expr):
                first.value = ast.Constant(inspect.cleandoc(ast.get_docstring(one, clean=False) or ""))
    return node
