"""FN026: A foreach over what has no order, or can be gone through only once."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Fix, replaced

CODE = "FN026"
# Each child makes its own copy of what the foreach runs over and takes the item at its position from it
# (`metaflow/flowspec.py`, _get_foreach_item_value, 2.19.39).
SET = "Each task goes through the set again, in an order of its own, so items are repeated and lost."
ONCE = "It can be gone through once, and its items are counted before the first task takes one."
KEYS = "A task asks for the item at its position, and a dict has none there."
UNSTORED = "It cannot be pickled, so the step cannot pass it on."
CALLS = {
    **dict.fromkeys(("set", "frozenset"), ("a set", SET)),
    **{name: (f"{name}(…)", ONCE) for name in ("enumerate", "filter", "iter", "map", "reversed", "zip")},
    "dict": ("a dict", KEYS),
}
VIEWS = frozenset({"items", "keys", "values"})


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report foreachs over a value that is visibly a set, a dict, a generator or another iterator."""
    for step in context.steps:
        transition = context.graph[step.name].transition
        if transition is None or transition.kind != "foreach" or transition.foreach is None:
            continue
        name = transition.foreach
        for spelled, value in _assigned(step, name):
            found = _kind(value)
            called = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
            if found is None or called in context.flow.shared_names or called in step.names.assigned:
                continue
            kind, why = found
            # An item that no task asks for does no harm.
            child = context.flow.step(transition.targets[0])
            asked = child is not None and "self.input" in child.names.definite and context.fails(child)
            certain = why == UNSTORED or (asked and (why == ONCE or (why == KEYS and _has_texts_as_keys(value))))
            proven = certain and spelled in step.names.definite_writes and step.names.ends and context.fails(step)
            what = f"The foreach of step {step.name} runs over `{name}`, which is {kind}."
            text = f"{'sorted' if why == SET else 'list'}({ast.unparse(value)})"
            if isinstance(value, ast.GeneratorExp):
                text = f"list{ast.unparse(value)}"
            said = f"Write {spelled} = {text}."
            if why == KEYS:
                said = f"Write {spelled} = {text}, whose items are the keys, or make a list of its items()."
            fix = Fix(said, replaced(step.cell, [value], [text]))
            yield context.at(CODE, step, value.lineno, what, why, fix, proven=proven)


def _assigned(step: Step, name: str) -> Iterator[tuple[str, ast.expr]]:
    """What the body assigns to an artifact, if it does so once and at its top level; as the name is written there."""
    tree = step.body.tree
    spellings = [f"self.{name}", *([name] if name in step.captures else [])]
    stores = [
        ast.unparse(node)
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Load)
    ]
    if tree is None or sum(stores.count(one) for one in spellings) != 1:
        return
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if ast.unparse(target) in spellings:
                    yield ast.unparse(target), statement.value


def _kind(value: ast.expr) -> tuple[str, str] | None:
    """What an expression visibly is, and why a foreach does not go well over it; None if it may be all right."""
    if isinstance(value, ast.Set | ast.SetComp):
        return "a set", SET
    if isinstance(value, ast.Dict | ast.DictComp):
        keys = value.keys if isinstance(value, ast.Dict) else [value.key]
        numbered = isinstance(value, ast.Dict) and all(isinstance(getattr(key, "value", None), int) for key in keys)
        return None if numbered else ("a dict", KEYS)
    if isinstance(value, ast.GeneratorExp):
        return "a generator", UNSTORED
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return CALLS.get(value.func.id)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and isinstance(value.func.value, ast.Dict):
        return (f"a dict's {value.func.attr}()", UNSTORED) if value.func.attr in VIEWS else None
    return None


def _has_texts_as_keys(value: ast.expr) -> bool:
    """Whether a dict's keys are all texts, so that none is a position."""
    keys = value.keys if isinstance(value, ast.Dict) else []
    return bool(keys) and all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in keys)
