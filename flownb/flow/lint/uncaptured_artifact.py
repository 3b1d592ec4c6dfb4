"""FN002: An artifact that no earlier step captures."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set
from dataclasses import replace

from flownb.errors import closest, nearest
from flownb.flow.decorator_call import catches
from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import (
    Edit,
    Fix,
    header_fix,
    header_text,
    line_replaced,
    replaced,
)
from flownb.flow.lint.keep import can_be_artifact, keep
from flownb.flow.lint.undefined_name import holders, never_defined, undefined_reads
from flownb.flow.self_attributes import INTERNALS, SELF_ATTRIBUTES

CODE = "FN002"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report plain names, `self.x`, foreachs and switches whose artifact an earlier step keeps local, or none sets."""
    for step in context.steps:
        yield from _plain(context, step)
        yield from _attributes(context, step)
        # Of one step alone what its parents pass on to it counts as well: else it fails when its tasks are made.
        for name in dict.fromkeys([step.name, *(context.graph[step.name].parents if not context.whole else ())]):
            if (other := context.flow.step(name)) is not None:
                yield from _transition(context, other)


def _plain(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Reads of a plain name that an earlier step assigns but keeps local."""
    joined = context.artifacts.joined.get(step.name, frozenset())
    for name, line in undefined_reads(context, step).items():
        if name in step.names.assigned or name in step.names.annotated or name in joined:
            continue  # FN001, FN015 say more
        keepers = holders(context, step, name)
        if keepers:
            what = f"Step {step.name} reads `{name}`, which no earlier step captures."
            proven = never_defined(context, step, name)
            yield context.at(
                CODE, step, line, what, *keep(context, keepers[-1], name, step, spelled="it"), proven=proven
            )


def _attributes(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Reads of `self.x` that no earlier step sets."""
    artifacts = context.artifacts.possible.get(step.name, frozenset())
    known: tuple[Set[str], ...] = (
        artifacts,
        context.artifacts.joined.get(step.name, frozenset()),
        context.graph.named,
        SELF_ATTRIBUTES,
        context.flow.class_names.keys(),
        step.names.self_writes.keys(),
        frozenset(step.captures),
    )
    for name, line in step.names.self_reads.items():
        if any(name in some for some in known) or name.startswith("__") or name in INTERNALS:
            continue
        what = f"Step {step.name} reads `self.{name}`, which no earlier step sets."
        seen = f"self.{name}" in step.names.definite and not name.startswith("_")
        proven = seen and context.fails(step) and step.name not in context.artifacts.unknown
        keepers = holders(context, step, name)
        fix: str | Fix
        if keepers:
            why, fix = keep(context, keepers[-1], name, step)
        else:
            shown = ", ".join(f"`{one}`" for one in sorted(artifacts))
            why = (f"It inherits {shown}." if artifacts else "It inherits no artifacts.") + nearest(name, artifacts)
            fix = f"Assign self.{name} in an earlier step, or correct the name."
            if near := closest(name, artifacts):
                fix = Fix(f"Read self.{near}.", attribute_edits(step, name, f"self.{near}"))
            if step.name in context.artifacts.unknown:
                what = f"Step {step.name} reads `self.{name}`, which no earlier step visibly sets."
                why = "Code that is not in the steps may set it: what `self` is passed to, a decorator, a base class."
        yield context.at(CODE, step, step.names.definite.get(f"self.{name}", line), what, why, fix, proven=proven)


def attribute_edits(step: Step, name: str, text: str) -> tuple[Edit, ...]:
    """Edits that write something else for each read of ``self.name`` in a step's body."""
    nodes = [
        node
        for node in (ast.walk(step.body.tree) if step.body.tree is not None else ())
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) == ("self", name)
        and isinstance(node.ctx, ast.Load)
    ]
    return replaced(step.cell, nodes, [text] * len(nodes))


def _transition(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """The artifact that a foreach runs over or a switch looks at."""
    transition = context.graph[step.name].transition
    name = transition.foreach or transition.condition if transition is not None else None
    known = context.artifacts.leaving.get(step.name, frozenset())
    if transition is None or name is None or name in known:
        return
    certain = context.fails(step) or (context.only in transition.targets and catches(step) is None)
    proven = certain and step.names.ends and step.name not in context.artifacts.unknown
    use = "runs over" if transition.foreach else "looks at"
    if transition.line:
        at, line, who = step, transition.line, f"The self.next of step {step.name} {use}"
    else:
        children = list(context.flow.steps_named(transition.targets))
        at = next((one for one in children if context.only == one.name), children[0] if children else step)
        line, who = 0, f"Step {at.name} {use}" if transition.foreach else f"The --when of step {at.name} {use}"
    what = f"{who} `{name}`, which {step.name} does not pass on."
    if name in step.names.assigned:
        yield context.at(CODE, at, line, what, *keep(context, step, name, None), proven=proven)
        return
    shown = ", ".join(f"`{one}`" for one in sorted(known))
    local = [one for one in step.names.variables if can_be_artifact(context, step, one)]
    why = f"It has {shown}." if known else "It has no artifacts."
    fix: str | Fix = f"Assign `{name}` in {step.name} and capture it, or correct the name."
    if near := closest(name, [*known, *local]):
        why += f" Did you mean `{near}`?"
        fix = _renamed(context, step, near, known)
    yield context.at(CODE, at, line, what, why, fix, proven=proven)


def _renamed(context: LintContext, step: Step, near: str, known: frozenset[str]) -> Fix:
    """The fix that lets a transition use an artifact of nearly the same name, captured with it if need be."""
    transition = context.graph[step.name].transition
    assert transition is not None
    old = transition.foreach or transition.condition or ""
    capture = header_fix(step, captures=(*step.captures, near)) if near not in known else Fix("", ())
    also = f", and {capture.sentence[0].lower()}{capture.sentence[1:]}" if capture.edits else "."
    if transition.line:
        place = step.cell.body_line + transition.line - 1
        last = step.cell.body_line + transition.end_line - 1
        written = line_replaced(step.cell, place, rf"(['\"]){old}\1", rf"\1{near}\1", last=last)
        return Fix(f'Write "{near}" there{also}', (*written, *capture.edits) if written else ())
    fixes: list[Fix] = []
    texts: list[str] = []
    for child in context.flow.steps:
        header = child.header
        if child.name in transition.targets and (header.foreach == old or (header.when and header.when[0] == old)):
            when = (near, header.when[1]) if header.when else None
            foreach = near if header.foreach else None
            fixes.append(header_fix(child, foreach=foreach, when=when))
            texts.append(header_text(child, replace(header, foreach=foreach, when=when)))
    said = f"Write {' and '.join(f'`{text}`' for text in texts)}"
    if any(child.cell.tags for child in context.flow.steps if child.name in transition.targets):
        said = " ".join(fix.sentence for fix in fixes).removesuffix(".")
    edits = [edit for fix in (*fixes, capture) for edit in fix.edits]
    return Fix(f"{said}{also}", tuple(edits))
