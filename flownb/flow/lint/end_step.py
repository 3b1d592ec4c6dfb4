"""FN020: The first and the last step."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN020"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report a start that is not first, and an end that is a join or not last."""
    graph = context.graph
    first, last = graph.marked_start or "start", graph.exit
    for step in context.steps:
        node = graph[step.name]
        what = ""
        if step.name == first and node.parents:
            what, why = f"Step {first} comes after {', '.join(node.parents)}.", f"A flow begins with {first}."
            fix = "Remove --after, or call the step otherwise."
        elif step.name == first and (above := above_start(context)):
            what, why = f"Step {first} stands below {', '.join(above)}.", f"A flow begins with {first}."
            fix = "Move the cell to the top, or call the step otherwise."
        elif step.name == last and node.is_join:
            what, why = f"Step {last} is a join.", f"Metaflow's {last} takes no inputs."
            fix = "Call the join otherwise; the exporter adds an end."
        elif step.name == last and node.targets and step.body.transition is None:
            what, why = f"Step {last} goes on to {', '.join(node.targets)}.", f"A flow ends with {last}."
            fix = "Move the cell to the bottom, or call the step otherwise."
        if what:
            yield context.at(CODE, step, 0, what, why, fix)


def above_start(context: LintContext) -> list[str]:
    """Steps whose cells stand above start's and that nothing leads to, in a whole flow."""
    names = [step.name for step in context.flow.steps]
    first = context.graph.marked_start or "start"
    if not context.whole or first not in names:
        return []
    above = names[: names.index(first)]
    return [name for name in above if name not in context.graph.reachable]
