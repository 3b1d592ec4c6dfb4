"""FN002: An artifact that no earlier step captures."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.errors import nearest
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.self_attributes import SELF_ATTRIBUTES
from flownb.flow.lint.undefined_name import holders, undefined_reads

CODE = "FN002"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report reads of `x` that an earlier step assigns but keeps local, and of `self.x` that no earlier step sets."""
    for step in context.flow.steps:
        if step.name in context.artifacts.unknown:
            continue
        for name, line in undefined_reads(context, step).items():
            keepers = holders(context, step, name)
            if not keepers or name in context.artifacts.joined.get(step.name, ()):
                continue
            keeper = keepers[-1]
            yield context.at(
                CODE,
                step,
                line,
                f"Step {step.name} reads `{name}`, which no earlier step captures.",
                f"`{keeper}` assigns it but keeps it local.",
                f"Write `%%step {keeper} -> {_with(context, keeper, name)}`.",
            )
        names = step.names
        known = context.artifacts.possible.get(step.name, frozenset()) | context.artifacts.joined.get(
            step.name, frozenset()
        )
        known |= set(context.graph.nodes) | set(context.flow.class_names) | SELF_ATTRIBUTES
        targets = {target for node in context.graph.nodes.values() for target in node.targets}
        for name, line in names.self_reads.items():
            if (
                name in known
                or name in names.self_writes
                or name in targets
                or name in step.captures
                or name.startswith("__")
            ):
                continue
            keepers = holders(context, step, name)
            if keepers:
                why = f"`{keepers[-1]}` assigns `{name}` but keeps it local."
                fix = f"Write `%%step {keepers[-1]} -> {_with(context, keepers[-1], name)}`."
            else:
                artifacts = context.artifacts.possible.get(step.name, frozenset())
                why = (
                    f"It inherits {', '.join(f'`{n}`' for n in sorted(artifacts))}."
                    if artifacts
                    else "It inherits no artifacts."
                )
                why += nearest(name, artifacts)
                fix = f"Assign self.{name} in an earlier step, or correct the name."
            yield context.at(
                CODE, step, line, f"Step {step.name} reads `self.{name}`, which no earlier step sets.", why, fix
            )


def _with(context: LintContext, step: str, name: str) -> str:
    """The captures of a step with one more."""
    found = context.flow.step(step)
    return ", ".join([*(found.captures if found else ()), name])
