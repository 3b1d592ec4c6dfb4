"""FN022: A value of a config that is read by a name which Metaflow has itself.

Never an error: what is read instead may do, as ``cfg.name`` does, which is the config's name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from flownb.cells.cell import Cell
from flownb.flow.definition import CONFIG_ATTRIBUTES
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Fix, line_replaced

CODE = "FN022"
WHY = "There it is Metaflow's own, as it is of every config, and not what the config holds."


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report ``cfg.name`` and the like in the ``%%flow`` cell and in decorators; in steps it is right."""
    configs = context.flow.configs
    header = context.flow.header
    if header is None or not configs:
        return
    for node in _wrong(header.parsed.tree, configs):
        line = header.body_line + node.lineno - 1
        said = _said("The %%flow cell", node, header, line)
        yield context.of(CODE, header, line, *said, severity="warning")
    for step in context.steps:
        for decorator in step.body.decorators:
            try:
                tree = ast.parse(f"{decorator.text}\ndef _(): pass")
            except SyntaxError:
                continue
            for node in _wrong(tree, configs):
                line = decorator.line + node.lineno - 1
                said = _said(f"A decorator of step {step.name}", node, step.cell, step.cell.body_line + line - 1)
                yield context.at(CODE, step, line, *said, proven=False)


def _wrong(tree: ast.Module | None, configs: frozenset[str]) -> Iterator[ast.Attribute]:
    """Where a config's own attribute is read; ``cfg.get("a")`` does what it says."""
    nodes = list(ast.walk(tree)) if tree is not None else []
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in configs
            and node.attr in CONFIG_ATTRIBUTES
            and not (node.attr == "get" and id(node) in called)
        ):
            yield node


def _said(place: str, node: ast.Attribute, cell: Cell, line: int) -> tuple[str, str, Fix]:
    """What, why and what to do."""
    text, right = ast.unparse(node), f'{ast.unparse(node.value)}["{node.attr}"]'
    edits = line_replaced(cell, line, rf"\b{re.escape(text)}\b", right)
    return f"{place} reads `{text}`.", WHY, Fix(f"Write {right}.", edits)
