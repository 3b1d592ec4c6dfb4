"""FN020: The first and the last step."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN020"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report a start that is not first, and an end that is a join or not last."""
    graph = context.graph
    for step in context.steps:
        node = graph[step.name]
        what = ""
        if step.name == "start" and node.parents:
            what, why = f"Step start comes after {', '.join(node.parents)}.", "A flow begins with start."
            fix = "Remove --after, or call the step otherwise."
        elif step.name == "start" and (above := above_start(context)):
            what, why = f"Step start stands below {', '.join(above)}.", "A flow begins with start."
            fix = "Move the cell to the top, or call the step otherwise."
        elif step.name == "end" and node.is_join:
            what, why = "Step end is a join.", "Metaflow's end takes no inputs."
            fix = "Call the join otherwise; the exporter adds an end."
        elif step.name == "end" and node.targets and step.body.transition is None:
            what, why = f"Step end goes on to {', '.join(node.targets)}.", "A flow ends with end."
            fix = "Move the cell to the bottom, or call the step otherwise."
        if what:
            yield context.at(CODE, step, 0, what, why, fix)


def above_start(context: LintContext) -> list[str]:
    """Steps whose cells stand above start's and that nothing leads to, in a whole flow."""
    names = [step.name for step in context.flow.steps]
    if not context.whole or "start" not in names:
        return []
    above = names[: names.index("start")]
    return [name for name in above if name not in context.graph.reachable]
