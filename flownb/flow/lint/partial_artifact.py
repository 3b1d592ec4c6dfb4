"""FN013: An artifact that only some branches have.

Never an error: the same case of a switch that leaves an artifact unset may leave the read out.
"""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN013"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report reads of artifacts that only some of the ways to a step set."""
    for step in context.steps:
        certain = context.artifacts.certain.get(step.name, frozenset())
        possible = context.artifacts.possible.get(step.name, frozenset())
        loads = {name: step.names.reads[name] for name in context.artifacts.loads(step, context.flow)}
        for name, line in {**step.names.self_reads, **loads}.items():
            if name in possible and name not in certain and name not in step.names.self_writes:
                parents = context.graph[step.name].parents
                lacking = [one for one in parents if name not in context.artifacts.leaving.get(one, ())]
                yield context.at(
                    CODE,
                    step,
                    line,
                    f"Step {step.name} reads `{name}`, which only some of the ways to it set.",
                    f"On the way through {' and '.join(lacking or parents)} it may not be set.",
                    f"Set `{name}` on every way, or before the switch.",
                    proven=False,
                )
