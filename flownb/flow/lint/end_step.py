"""FN020: The steps called start and end."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN020"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report steps called start that have parents, and end that is a join or goes on."""
    graph = context.graph
    for step in context.flow.steps:
        if step.name not in graph:
            continue
        node = graph[step.name]
        if step.name == "start" and node.parents:
            yield context.at(
                CODE,
                step,
                0,
                f"Step start comes after {', '.join(node.parents)}.",
                "A flow begins with start.",
                "Move the cell to the top, or call the step otherwise.",
            )
        if step.name == "end" and node.is_join:
            yield context.at(
                CODE,
                step,
                0,
                "Step end is a join.",
                "Metaflow's end takes no inputs.",
                "Call the join otherwise; the exporter adds an end.",
            )
        if step.name == "end" and node.targets and step.body.transition is None:
            yield context.at(
                CODE,
                step,
                0,
                f"Step end goes on to {', '.join(node.targets)}.",
                "A flow ends with end.",
                "Move the cell to the bottom, or call the step otherwise.",
            )
        if step.header.foreach and not node.parents and context.whole and graph.entry != step.name:
            yield context.at(
                CODE,
                step,
                0,
                f"Step {step.name} is a foreach without a parent.",
                "It runs over an artifact of its parent.",
                "Write --after in its header.",
            )
