"""FN014: A global statement in a step."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Fix, removed, replaced

CODE = "FN014"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report ``global x`` in a step, unless shared code defines `x`."""
    for step in context.steps:
        for name, line in step.names.globals_declared.items():
            if name not in context.flow.shared_names:
                what = f"Step {step.name} declares `global {name}`."
                why = "Steps run in processes of their own: no other step sees what it is set to."
                yield context.at(CODE, step, line, what, why, _fix(step, name, line), proven=False)


def _fix(step: Step, name: str, line: int) -> str | Fix:
    """At the top level the line can go; a function may write to a variable of the body, if the body has it."""
    tree = step.body.tree
    nodes = [one for one in ast.walk(tree) if isinstance(one, ast.Global) and one.lineno == line] if tree else []
    node = nodes[0] if nodes and nodes[0].names == [name] else None
    if tree is not None and node in tree.body:
        edit = removed(step.cell, node) if node is not None else None
        return Fix(f"Remove the line; `{name}` is then a variable of the body.", (edit,) if edit is not None else ())
    if name in step.names.assigned:
        text = f"nonlocal {name}"
        return Fix(f"Write `{text}`.", replaced(step.cell, [node], [text]) if node is not None else ())
    return f"Return `{name}` from the function, and assign what it returns."
