"""FN027: A join of a static split that depends on the order of its inputs.

Never an error: it does run, and gives another result now and then.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.join_without_merge import split_branches

CODE = "FN027"
# Whatever order these get their items in, their result is the same.
ORDERLESS = frozenset({"all", "any", "frozenset", "len", "max", "min", "set", "sorted", "sum"})


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report ``inputs[0]`` and loops over `inputs` where the inputs come from different steps."""
    for step in context.steps:
        branches = split_branches(context, step.name) if context.graph[step.name].is_join else ()
        tree = step.body.tree
        if len(branches) < 2 or tree is None or step.header.inputs in step.names.assigned:
            continue
        same = _same_in_all(context, step)
        inputs = step.header.inputs
        seen = [node for node in _ordered(tree, inputs) if not _reads_only(node, same)]
        if seen:
            named = " and ".join(f"{inputs}.{branch}" for branch in branches[:2])
            what = f"The join {step.name} depends on the order of its inputs."
            why = "Its inputs are different steps, and Metaflow gives them in another order from run to run."
            yield context.at(CODE, step, seen[0].lineno, what, why, f"Name them: {named}.", proven=False)


def _ordered(node: ast.AST, inputs: str) -> Iterator[ast.expr | ast.stmt]:
    """What takes inputs by their position: a subscript, or a loop or comprehension over them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id in ORDERLESS:
            if len(child.args) == 1 and isinstance(child.args[0], ast.GeneratorExp | ast.ListComp | ast.Name):
                continue
        elif isinstance(child, ast.SetComp | ast.DictComp):
            continue
        elif isinstance(child, ast.Attribute) and _is_inputs(getattr(child.value, "value", None), inputs):
            if isinstance(child.value, ast.Subscript):
                yield child
                continue
        elif (
            (isinstance(child, ast.Subscript) and _is_inputs(child.value, inputs))
            or (isinstance(child, ast.For) and _goes_through(child.iter, inputs))
            or (
                isinstance(child, ast.ListComp | ast.GeneratorExp)
                and any(_goes_through(one.iter, inputs) for one in child.generators)
            )
            or (isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and _goes_through(child, inputs))
        ):
            yield child
        yield from _ordered(child, inputs)


def _is_inputs(node: ast.AST | None, inputs: str) -> bool:
    """Whether an expression is ``inputs``, whatever the join calls them."""
    return isinstance(node, ast.Name) and node.id == inputs


def _goes_through(node: ast.expr, inputs: str) -> bool:
    """Whether an iterable is ``inputs``, or takes its order from them."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("enumerate", "list", "reversed", "tuple", "zip") and any(
            _is_inputs(one, inputs) for one in node.args
        )
    return _is_inputs(node, inputs)


def _same_in_all(context: LintContext, join: Step) -> frozenset[str]:
    """Artifacts from above the split that no branch sets, so that all inputs have the same."""
    graph = context.graph
    split = next(iter(graph.arriving(join.name).values()))[-1].split
    steps = context.flow.steps_named(graph.between(split, join.name))
    written = {name for step in steps for name in (*step.names.self_writes, *step.captures)}
    return context.artifacts.leaving.get(split, frozenset()) - written


def _reads_only(node: ast.AST, names: frozenset[str]) -> bool:
    """Whether all that is read of an input, by its position or as a loop's variable, is one of `names`."""
    if isinstance(node, ast.Attribute):
        return node.attr in names
    target = node.target if isinstance(node, ast.For) else None
    if isinstance(node, ast.ListComp | ast.GeneratorExp):
        target = node.generators[0].target
    if not isinstance(target, ast.Name):
        return False
    whole = [one for one in ast.walk(node) if isinstance(one, ast.Name) and one.id == target.id and one is not target]
    parts = [one for one in ast.walk(node) if isinstance(one, ast.Attribute) and one.value in whole]
    return len(parts) == len(whole) and all(one.attr in names for one in parts)
