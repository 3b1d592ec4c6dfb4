"""Checks of joins.

FN015 artifacts that only the inputs have, or that an input does not have, FN021 merges of different values, FN027 joins
of a split that depend on the order of their inputs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from flownb.errors import Message, closest, nearest
from flownb.flow.definition import Step
from flownb.flow.lint.captures import attribute_edits
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.edits import Edit, Edits, Fix, replaced
from flownb.flow.lint.fixes import why_local
from flownb.flow.lint.names import name_edits, undefined_reads
from flownb.flow.names import SELF_ATTRIBUTES

__all__ = []


JOIN_WITHOUT_MERGE = "FN015"


def check_join_without_merge(context: LintContext) -> Iterator[Diagnostic]:
    """Report joins that read an artifact of their inputs as their own, and `inputs.step.name` that does not exist."""
    for step in context.steps:
        if step.name in context.artifacts.joined:
            yield from _inherited(context, step)
            yield from _by_branch(context, step)


def _inherited(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Reads of `x` or `self.x` where only the inputs have `x`."""
    reads = {name: (line, name) for name, line in undefined_reads(context, step).items()}
    branches = split_branches(context, step.name)
    if not step.names.merges:
        inherited = context.artifacts.certain.get(step.name, frozenset())
        hidden = set(inherited) | set(step.names.self_writes) | SELF_ATTRIBUTES | set(context.graph.nodes)
        reads.update(
            {name: (line, f"self.{name}") for name, line in step.names.self_reads.items() if name not in hidden}
        )
    for name, (line, spelled) in reads.items():
        if name in context.artifacts.joined[step.name]:
            why = "A join inherits no artifacts, because the tasks that it joins may have different values."
            inputs = step.header.inputs
            read = f"{inputs}[0].{name}"
            advice = f"Read {read} or each task's own (`for task in {inputs}: task.{name}`)"
            if branches:
                having = [one for one in branches if name in context.artifacts.leaving.get(one, ())]
                read = f"{inputs}.{(having or branches)[0]}.{name}"
                advice = f"Read {read}"
            advice += f', or call self.merge_artifacts({inputs}, include=["{name}"]) first and read self.{name}.'
            own = spelled != name
            edits = attribute_edits(step, name, read) if own else name_edits(step.cell, name, read)
            # A name that the body assigns is local there, and a name that it captures has to be assigned.
            taken = name in step.names.assigned or name in step.captures or inputs in step.names.assigned
            fix = Fix(advice, edits if own or not taken else ())
            what = f"The join {step.name} reads `{spelled}`, which only its inputs have."
            # A plain name that is not loaded has no value, whatever other code sets on self.
            sure = spelled in step.names.definite and (spelled == name or step.name not in context.artifacts.unknown)
            line = step.names.definite.get(spelled, line)
            yield context.at(
                JOIN_WITHOUT_MERGE, step, line, Message(what, why, fix), proven=sure and context.fails(step)
            )


def _by_branch(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """``inputs.branch`` that is not a parent, and ``inputs.branch.name`` that the branch does not pass on."""
    graph, leaving = context.graph, context.artifacts.leaving
    parents = graph[step.name].parents
    inputs = step.header.inputs
    if step.body.tree is None or inputs in step.names.assigned:
        return
    for node in ast.walk(step.body.tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        proven = node in step.names.evaluated and context.fails(step)
        if isinstance(node.value, ast.Name) and node.value.id == inputs:
            branch = node.attr
            # Metaflow's Inputs keeps its list as `flows` (`metaflow/datastore/inputs.py`, 2.19.39).
            if branch.startswith("__") or branch == "flows":
                continue
            if branch not in parents:
                what = f"The join {step.name} reads `{inputs}.{branch}`, but no step of that name leads to it."
                why = f"Its inputs are {', '.join(parents)}.{nearest(branch, parents)}"
                named = split_branches(context, step.name)
                read = f"{inputs}.{closest(branch, named) or named[0]}" if named else f"{inputs}[0]"
                edits = replaced(step.cell, [node], [read])
                fix = Fix(f"Read {read}." if named else f"Read {read}, or each of them in a loop.", edits)
                yield context.at(JOIN_WITHOUT_MERGE, step, node.lineno, Message(what, why, fix), proven=proven)
            elif len(graph[branch].targets) > 1:
                what = f"The join {step.name} reads `{inputs}.{branch}`, which splits straight into it."
                why = "flow.py has a step between a split and its join, and `inputs` has that step under its name."
                advice = f"Add a step between {branch} and {step.name}, and read inputs by its name."
                yield context.at(JOIN_WITHOUT_MERGE, step, node.lineno, Message(what, why, advice), proven=proven)
        elif isinstance(node.value, ast.Attribute) and isinstance(node.value.value, ast.Name):
            branch = node.value.attr
            if node.value.value.id != inputs or branch not in parents:
                continue
            proven = proven and branch not in context.artifacts.unknown
            known = leaving.get(branch, frozenset())
            if node.attr not in known | SELF_ATTRIBUTES and not node.attr.startswith("__"):
                what = f"The join {step.name} reads `{inputs}.{branch}.{node.attr}`, which {branch} does not have."
                why = f"It has {', '.join(f'`{name}`' for name in sorted(known))}." if known else "It has no artifacts."
                why += nearest(node.attr, known)
                yield context.at(
                    JOIN_WITHOUT_MERGE,
                    step,
                    node.lineno,
                    Message(what, why, _other_artifact(context, step, node, known)),
                    proven=proven,
                )


def _other_artifact(context: LintContext, step: Step, node: ast.Attribute, known: frozenset[str]) -> str:
    """What to do about an ``inputs.branch.name`` that does not exist."""
    assert isinstance(node.value, ast.Attribute)
    branch = context.flow.step(node.value.attr)
    if branch is not None and node.attr in branch.names.assigned:
        return why_local(context, branch, node.attr, None)[1]
    if near := closest(node.attr, known):
        read = f"{ast.unparse(node.value)}.{near}"
        return Fix(f"Read {read}.", replaced(step.cell, [node], [read]))
    return f"Assign `{node.attr}` in {node.value.attr} and capture it, or correct the name."


def split_branches(context: LintContext, join: str) -> tuple[str, ...]:
    """The steps that come into a join of a static split; empty for the join of a foreach."""
    arriving = context.graph.arriving(join)
    static = bool(arriving) and all(splits and splits[-1].kind == "split" for splits in arriving.values())
    return tuple(arriving) if static else ()


MERGE_CONFLICT = "FN021"


def check_merge_conflict(context: LintContext) -> Iterator[Diagnostic]:
    """Report `self.merge_artifacts(inputs)` of a name to which two branches certainly assign different values."""
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
            advice = f"Choose one first, for example `{choice}`, or merge with exclude=['{name}']."
            fix = Fix(advice, _above(step, call, choice))
            if len(found) > 1 and any(_is_set(one.value) for _, one in found):
                what = f"Step {step.name} merges `{name}`, a set that several branches assign."
                why = (
                    "Metaflow compares values as they are stored, and equal sets of strings may be stored differently."
                )
                yield context.at(MERGE_CONFLICT, step, call.lineno, Message(what, why, fix), proven=False)
            elif len(given) > 1:
                shown = " and ".join(f"{value} in {branch}" for value, branch in list(given.items())[:2])
                what = f"Step {step.name} merges `{name}`, which has two values."
                proven = call in step.names.evaluated and all(
                    one.step in certain and one.is_definite for _, one in found
                )
                yield context.at(
                    MERGE_CONFLICT,
                    step,
                    call.lineno,
                    Message(what, f"It is {shown}.", fix),
                    proven=proven and step.name in certain,
                )


def _above(step: Step, call: ast.Call, text: str) -> Edits:
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
    is_definite: bool


def _is_set(value: ast.expr) -> bool:
    """Whether an expression is visibly a set."""
    called = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
    return isinstance(value, ast.Set | ast.SetComp) or called in ("frozenset", "set")


def _branch_values(context: LintContext, join: str, parent: str) -> dict[str, _Value]:
    """Artifacts that exactly one step between the split and the join sets, and sets to a literal value or a set."""
    graph = context.graph
    splits = graph.arriving(join).get(parent, ())
    if not splits or splits[-1].kind != "split":
        return {}
    split = splits[-1].split
    branch = ({parent} - {split}) | graph.between(split, parent)
    steps = context.flow.steps_named(branch)
    found: dict[str, _Value] = {}
    for step in steps:
        for name, (spelled, value) in _literals(step).items():
            others = [one for one in steps if one is not step]
            if not any(name in one.captures or name in one.names.self_writes for one in others):
                definite = spelled in step.names.definite_writes and step.names.ends and not step.names.self_escapes
                found[name] = _Value(step.name, value, definite)
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


# A warning always: the join does run, and its result may change from run to run.
ORDER_OF_INPUTS = "FN027"
# Functions whose result does not depend on the order of their items.
ORDERLESS = frozenset({"all", "any", "frozenset", "len", "max", "min", "set", "sorted", "sum"})


def check_order_of_inputs(context: LintContext) -> Iterator[Diagnostic]:
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
            why = "Its inputs are different steps, whose order may change from run to run on Metaflow."
            yield context.at(
                ORDER_OF_INPUTS, step, seen[0].lineno, Message(what, why, f"Name them: {named}."), proven=False
            )


def _ordered(node: ast.AST, inputs: str) -> Iterator[ast.expr | ast.stmt]:
    """Code that depends on the order of the inputs: a subscript, or a loop or comprehension over them."""
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
            or (isinstance(child, ast.For) and _iterates_over(child.iter, inputs))
            or (
                isinstance(child, ast.ListComp | ast.GeneratorExp)
                and any(_iterates_over(one.iter, inputs) for one in child.generators)
            )
            or (isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and _iterates_over(child, inputs))
        ):
            yield child
        yield from _ordered(child, inputs)


def _is_inputs(node: ast.AST | None, inputs: str) -> bool:
    """Whether an expression is ``inputs``, whatever the join calls them."""
    return isinstance(node, ast.Name) and node.id == inputs


def _iterates_over(node: ast.expr, inputs: str) -> bool:
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
    """Whether code reads only attributes in `names` of an input, by its position or as a loop's variable."""
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
