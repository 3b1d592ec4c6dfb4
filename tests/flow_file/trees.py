"""Metaflow files compared by their syntax trees, apart from what an export arranges in its own way.

The export writes imports first, those of the class body included, then module code, then the flow's class: the rest of
its body, and its steps. Docstrings have no indentation. Nothing else may differ.
"""

from __future__ import annotations

import ast
import json
from typing import Any

from flownb.cells.cell import read_any_cell
from flownb.cells.notebook import document_text
from flownb.flow.build_graph import build_graph, complete_graph
from flownb.flow.definition import define_flow
from flownb.flow_file.documentation import read_documentation
from flownb.flow_file.notebook import chosen_flow, notebook_of
from flownb.flow_file.reading import read_flow_file
from flownb.flow_file.source import cleaned_docstring
from flownb.flow_file.writing import flow_file
from flownb.runtime.program import Program

__all__ = ["arranged", "exported", "imported", "sources"]


def imported(text: str, flow: str | None = None) -> dict[str, Any]:
    """The notebook that a file is imported as, written and read again."""
    document, _ = notebook_of(read_flow_file(text), flow=flow)
    found: dict[str, Any] = json.loads(document_text(document))
    return {**found, "cells": [{**cell, "source": "".join(cell["source"])} for cell in found["cells"]]}


def sources(document: dict[str, Any]) -> tuple[str, ...]:
    """The sources of the code cells of a notebook."""
    return tuple(cell["source"] for cell in document["cells"] if cell["cell_type"] == "code")


def exported(document: dict[str, Any]) -> str:
    """What a notebook is exported as."""
    code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    flow = define_flow(
        read_any_cell(cell["source"], number=number, cell_id=cell.get("id")) for number, cell in enumerate(code, 1)
    )
    graph = complete_graph(build_graph(flow))
    return flow_file(Program(flow, graph), documentation=read_documentation(document, flow))


def arranged(text: str, flow: str | None = None) -> dict[str, Any]:
    """What a file says: docstring, imports, other module code, the flow's class and its steps, as texts of trees."""
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
        "docstring": file.docstring,
        "imports": imports,
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
                first.value = ast.Constant(cleaned_docstring(ast.get_docstring(one, clean=False) or ""))
    return node
