"""FN022: A value of a config that is read by a name which Metaflow has itself.

Never an error: what is read instead may do, as ``cfg.name`` does, which is the config's name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.flow.definition import CONFIG_ATTRIBUTES
from flownb.flow.lint.diagnostic import Diagnostic, LintContext

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
        yield Diagnostic(CODE, *_said("The %%flow cell", node), header, line, severity="warning")
    for step in context.steps:
        for decorator in step.body.decorators:
            try:
                tree = ast.parse(f"{decorator.text}\ndef _(): pass")
            except SyntaxError:
                continue
            for node in _wrong(tree, configs):
                said = _said(f"A decorator of step {step.name}", node)
                yield context.at(CODE, step, decorator.line + node.lineno - 1, *said, proven=False)


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


def _said(place: str, node: ast.Attribute) -> tuple[str, str, str]:
    """What, why and what to do."""
    text = ast.unparse(node)
    return f"{place} reads `{text}`.", WHY, f'Write {ast.unparse(node.value)}["{node.attr}"].'
