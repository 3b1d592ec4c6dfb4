"""FN002: An artifact that no earlier step captures."""

from __future__ import annotations

from collections.abc import Iterator, Set

from flownb.errors import nearest
from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.undefined_name import holders, never_defined, undefined_reads
from flownb.flow.self_attributes import INTERNALS, SELF_ATTRIBUTES

CODE = "FN002"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report plain names, `self.x`, foreachs and switches whose artifact an earlier step keeps local, or none sets."""
    for step in context.steps:
        yield from _plain(context, step)
        yield from _attributes(context, step)
        yield from _transition(context, step)


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
            yield context.at(CODE, step, line, what, *_kept(context, keepers[-1], name, spelled="it"), proven=proven)


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
        if keepers:
            why, fix = _kept(context, keepers[-1], name)
        else:
            shown = ", ".join(f"`{one}`" for one in sorted(artifacts))
            why = (f"It inherits {shown}." if artifacts else "It inherits no artifacts.") + nearest(name, artifacts)
            fix = f"Assign self.{name} in an earlier step, or correct the name."
            if step.name in context.artifacts.unknown:
                what = f"Step {step.name} reads `self.{name}`, which no earlier step visibly sets."
                why = "Code that is not in the steps may set it: what `self` is passed to, a decorator, a base class."
        yield context.at(CODE, step, step.names.definite.get(f"self.{name}", line), what, why, fix, proven=proven)


def _transition(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """The artifact that a foreach runs over or a switch looks at."""
    transition = context.graph[step.name].transition
    name = transition.foreach or transition.condition if transition is not None else None
    known = context.artifacts.leaving.get(step.name, frozenset())
    if transition is None or name is None or name in known:
        return
    proven = context.fails(step) and step.names.ends and step.name not in context.artifacts.unknown
    use = "runs over" if transition.foreach else "looks at"
    if transition.line:
        at, line, who = step, transition.line, f"The self.next of step {step.name} {use}"
    else:
        at = next(iter(context.flow.steps_named(transition.targets)), step)
        line, who = 0, f"Step {at.name} {use}" if transition.foreach else f"The --when of step {at.name} {use}"
    what = f"{who} `{name}`, which {step.name} does not pass on."
    if name in step.names.assigned:
        yield context.at(CODE, at, line, what, *_kept(context, step.name, name), proven=proven)
    else:
        shown = ", ".join(f"`{one}`" for one in sorted(known))
        why = (f"It has {shown}." if known else "It has no artifacts.") + nearest(name, known)
        fix = f"Capture `{name}` in {step.name}, or correct the name."
        yield context.at(CODE, at, line, what, why, fix, proven=proven)


def _kept(context: LintContext, keeper: str, name: str, *, spelled: str = "") -> tuple[str, str]:
    """Why and what to do about a name that `keeper` keeps local."""
    found = context.flow.step(keeper)
    captures = ", ".join([*(found.captures if found else ()), name])
    return f"`{keeper}` assigns {spelled or f'`{name}`'} but keeps it local.", f"Write `%%step {keeper} -> {captures}`."
