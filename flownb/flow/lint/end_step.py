"""FN020: The first and the last step."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Fix
from flownb.flow.lint.rename import renamed_step

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
            fix = ", or remove --after and move the cell to the top."
        elif step.name == first and (above := above_start(context)):
            what, why = f"Step {first} stands below {', '.join(above)}.", f"A flow begins with {first}."
            fix = ", or move the cell to the top."
        elif step.name == last and node.is_join:
            what, why = f"Step {last} is a join.", f"Metaflow's {last} takes no inputs."
            fix = "; the exporter adds an end."
        elif step.name == last and node.targets and step.body.transition is None:
            what, why = f"Step {last} goes on to {', '.join(node.targets)}.", f"A flow ends with {last}."
            fix = ", or move the cell to the bottom."
        if what:
            yield context.at(CODE, step, 0, what, why, _fix(context, step, fix))


def _fix(context: LintContext, step: Step, also: str) -> str | Fix:
    """Another name for the step, which is the first or last by its name alone."""
    if step.name not in ("start", "end"):
        return f"Mark another step{also}"
    taken = {*context.graph.nodes, *context.flow.class_names}
    names = (f"{step.name}_step", *(f"{step.name}_step_{number}" for number in range(2, 99)))
    fix = renamed_step(context, step, next(one for one in names if one not in taken))
    return Fix(f"{fix.sentence.removesuffix('.')}{also}", fix.edits)


def above_start(context: LintContext) -> list[str]:
    """Steps whose cells stand above start's and that nothing leads to, in a whole flow."""
    names = [step.name for step in context.flow.steps]
    first = context.graph.marked_start or "start"
    if not context.whole or first not in names:
        return []
    above = names[: names.index(first)]
    return [name for name in above if name not in context.graph.reachable]
