"""FN004: Top-level return, yield and await in a step."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN004"
REASONS = {
    "return": (
        "It would leave the method before its artifacts are captured and before self.next.",
        "Use if/else, or a function in a %%shared cell.",
    ),
    "yield": ("It would make the method a generator, which never runs.", "Collect the values in a list."),
    "await": (
        "A step is a plain method; nothing awaits it.",
        "Write asyncio.run(main()) with an async function of its own.",
    ),
}


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report return, yield and await outside of any function in a step's body."""
    for step in context.steps:
        for node, word in misplaced(step.body.tree):
            why, fix = REASONS[word]
            proven = True
            # The last step has no self.next that would be left out.
            last = step.name == "end"
            if word == "return":
                if last and not step.captures:
                    continue
                proven = not last and context.fails(step) and node in step.names.evaluated
            elif word == "yield":
                proven = not last and context.fails(step)
            what = f"Step {step.name} has `{word}` at the top level of its body."
            yield context.at(CODE, step, node.lineno, what, why, fix, proven=proven)


def misplaced(node: ast.AST | None) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    """Each return, yield and await that belongs to the body itself, with its word."""
    for child in ast.iter_child_nodes(node) if node is not None else ():
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for part in [*getattr(child, "decorator_list", []), child.args]:
                yield from misplaced(part)
            continue
        if isinstance(child, ast.Return):
            yield child, "return"
        elif isinstance(child, ast.Yield | ast.YieldFrom):
            yield child, "yield"
        elif isinstance(child, ast.Await | ast.AsyncFor | ast.AsyncWith) or (
            isinstance(child, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp)
            and any(g.is_async for g in child.generators)
        ):
            yield child, "await"
        yield from misplaced(child)
