"""FN021: A join that merges one artifact of two values."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Edit, Fix

CODE = "FN021"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report `self.merge_artifacts(inputs)` of a name to which two branches surely give different values."""
    certain = {step.name for step in context.flow.steps if context.fails(step)}
    for step in context.steps:
        call = next(_merges(step), None) if step.name in context.artifacts.joined else None
        if call is None:
            continue
        included, excluded = _names(call, "include"), _names(call, "exclude")
        if included is None or excluded is None:
            continue
        values = [(parent, _branch_values(context, step.name, parent)) for parent in context.graph[step.name].parents]
        for name in dict.fromkeys(name for _, known in values for name in known):
            if name in step.names.self_writes or name in excluded or (included and name not in included):
                continue
            found = [(branch, known[name]) for branch, known in values if name in known]
            given = {ast.unparse(one.value): branch for branch, one in found}
            first = found[0][0]
            choice = f"self.{name} = {step.header.inputs}.{first}.{name}"
            said = f"Choose one first, for example `{choice}`, or merge with exclude=['{name}']."
            fix = Fix(said, _above(step, call, choice))
            if len(found) > 1 and any(_is_set(one.value) for _, one in found):
                what = f"Step {step.name} merges `{name}`, a set that several branches assign."
                why = "Metaflow compares how values are stored, and equal sets of texts are stored in different orders."
                yield context.at(CODE, step, call.lineno, what, why, fix, proven=False)
            elif len(given) > 1:
                shown = " and ".join(f"{value} in {branch}" for value, branch in list(given.items())[:2])
                what = f"Step {step.name} merges `{name}`, which has two values."
                proven = call in step.names.evaluated and all(one.step in certain and one.sure for _, one in found)
                yield context.at(
                    CODE, step, call.lineno, what, f"It is {shown}.", fix, proven=proven and step.name in certain
                )


def _above(step: Step, call: ast.Call, text: str) -> tuple[Edit, ...]:
    """The edit that writes a line above the statement that merges."""
    for statement in step.body.tree.body if step.body.tree is not None else ():
        if isinstance(statement, ast.Expr) and statement.value is call:
            place = step.cell.body_line + statement.lineno - 1
            return (Edit(step.cell, place, place - 1, step.cell.margin + text),)
    return ()


def _merges(step: Step) -> Iterator[ast.Call]:
    """Calls of ``self.merge_artifacts(inputs, …)``."""
    for node in ast.walk(step.body.tree) if step.body.tree is not None else ():
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "merge_artifacts"
            and len(node.args) == 1
        ):
            yield node


def _names(call: ast.Call, option: str) -> set[str] | None:
    """The names of ``include=[…]`` or ``exclude=[…]``, empty without the option; None if they are not literal."""
    for keyword in call.keywords:
        if keyword.arg == option:
            try:
                return set(ast.literal_eval(keyword.value))
            except (ValueError, TypeError):
                return None
    return set()


@dataclass(frozen=True)
class _Value:
    """What a step assigns to an artifact, and whether it certainly does."""

    step: str
    value: ast.expr
    sure: bool


def _is_set(value: ast.expr) -> bool:
    """Whether an expression is visibly a set."""
    called = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
    return isinstance(value, ast.Set | ast.SetComp) or called in ("frozenset", "set")


def _branch_values(context: LintContext, join: str, parent: str) -> dict[str, _Value]:
    """Artifacts that exactly one step between the split and the join sets, and sets to a literal value or a set."""
    graph = context.graph
    frames = graph.arriving(join).get(parent, ())
    if not frames or frames[-1].kind != "split":
        return {}
    split = frames[-1].split
    branch = ({parent} - {split}) | graph.between(split, parent)
    steps = context.flow.steps_named(branch)
    found: dict[str, _Value] = {}
    for step in steps:
        for name, (spelled, value) in _literals(step).items():
            others = [one for one in steps if one is not step]
            if not any(name in one.captures or name in one.names.self_writes for one in others):
                sure = spelled in step.names.definite_writes and step.names.ends and not step.names.self_escapes
                found[name] = _Value(step.name, value, sure)
    return found


def _literals(step: Step) -> dict[str, tuple[str, ast.expr]]:
    """Captured or ``self.`` names that the body binds once, at its top level, to a constant or a set, as written."""
    tree = step.body.tree
    if tree is None:
        return {}
    stores: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Load):
            stores[ast.unparse(node)] = stores.get(ast.unparse(node), 0) + 1
    found: dict[str, tuple[str, ast.expr]] = {}
    for statement in tree.body:
        if not isinstance(statement, ast.Assign):
            continue
        if isinstance(statement.value, ast.Constant) or _is_set(statement.value):
            for target in statement.targets:
                spelled = ast.unparse(target)
                name = spelled.removeprefix("self.")
                artifact = spelled.startswith("self.") or spelled in step.captures
                if artifact and stores.get(spelled) == 1 and not (stores.get(name) and spelled != name):
                    found[name] = (spelled, statement.value)
    return found
