"""FN015: A join that reads what it, or what one of its inputs, does not have."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.errors import closest, nearest
from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Fix, replaced
from flownb.flow.lint.keep import keep
from flownb.flow.lint.uncaptured_artifact import attribute_edits
from flownb.flow.lint.undefined_name import name_edits, undefined_reads
from flownb.flow.self_attributes import SELF_ATTRIBUTES

CODE = "FN015"


def check(context: LintContext) -> Iterator[Diagnostic]:
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
            why = "A join inherits nothing, for its tasks may have different values."
            inputs = step.header.inputs
            read = f"{inputs}[0].{name}"
            said = f"Read {read} or each task's own (`for task in {inputs}: task.{name}`)"
            if branches:
                having = [one for one in branches if name in context.artifacts.leaving.get(one, ())]
                read = f"{inputs}.{(having or branches)[0]}.{name}"
                said = f"Read {read}"
            said += f', or call self.merge_artifacts({inputs}, include=["{name}"]) first and read self.{name}.'
            own = spelled != name
            edits = attribute_edits(step, name, read) if own else name_edits(step.cell, name, read)
            # A name that the body assigns as well is its own, and captured it is one that it has to assign.
            taken = name in step.names.assigned or name in step.captures or inputs in step.names.assigned
            fix = Fix(said, edits if own or not taken else ())
            what = f"The join {step.name} reads `{spelled}`, which only its inputs have."
            # A plain name that is not loaded is missing whatever other code sets on self.
            sure = spelled in step.names.definite and (spelled == name or step.name not in context.artifacts.unknown)
            line = step.names.definite.get(spelled, line)
            yield context.at(CODE, step, line, what, why, fix, proven=sure and context.fails(step))


def _by_branch(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """``inputs.branch`` that does not come in, and ``inputs.branch.name`` that the branch does not pass on."""
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
                what = f"The join {step.name} reads `{inputs}.{branch}`, but no such step comes into it."
                why = f"Its inputs are {', '.join(parents)}.{nearest(branch, parents)}"
                named = split_branches(context, step.name)
                read = f"{inputs}.{closest(branch, named) or named[0]}" if named else f"{inputs}[0]"
                edits = replaced(step.cell, [node], [read])
                fix = Fix(f"Read {read}." if named else f"Read {read}, or each of them in a loop.", edits)
                yield context.at(CODE, step, node.lineno, what, why, fix, proven=proven)
            elif len(graph[branch].targets) > 1:
                what = f"The join {step.name} reads `{inputs}.{branch}`, which splits straight into it."
                why = "flow.py needs a step between a split and its join, and gives `inputs` that step's name."
                said = f"Add a step between {branch} and {step.name}, and read inputs by its name."
                yield context.at(CODE, step, node.lineno, what, why, said, proven=proven)
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
                    CODE, step, node.lineno, what, why, _artifact(context, step, node, known), proven=proven
                )


def _artifact(context: LintContext, step: Step, node: ast.Attribute, known: frozenset[str]) -> str | Fix:
    """What to do where ``inputs.branch.name`` does not exist."""
    assert isinstance(node.value, ast.Attribute)
    branch = context.flow.step(node.value.attr)
    if branch is not None and node.attr in branch.names.assigned:
        return keep(context, branch, node.attr, None)[1]
    if near := closest(node.attr, known):
        read = f"{ast.unparse(node.value)}.{near}"
        return Fix(f"Read {read}.", replaced(step.cell, [node], [read]))
    return f"Assign `{node.attr}` in {node.value.attr} and capture it, or correct the name."


def split_branches(context: LintContext, join: str) -> tuple[str, ...]:
    """The steps that come into a join of a static split; empty for the join of a foreach."""
    arriving = context.graph.arriving(join)
    static = bool(arriving) and all(frames and frames[-1].kind == "split" for frames in arriving.values())
    return tuple(arriving) if static else ()
