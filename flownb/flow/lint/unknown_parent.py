"""FN005: A parent or a next step that does not exist."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.errors import closest
from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Edit, Fix, header_fix, replaced

CODE = "FN005"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report --after that names no step and, in a whole flow, self.next that names none."""
    for problem in context.graph.problems:
        step = context.flow.step(problem.step)
        if problem.kind == "unknown parent" and step is not None:
            yield context.at(CODE, step, 0, problem.what, problem.why, _after(context, step) or problem.fix)
    for step in context.steps if context.whole else ():
        transition = step.body.transition
        for target in transition.targets if transition else ():
            if transition and target not in context.graph:
                near = closest(target, (name for name in context.graph.nodes if name != step.name))
                what = f"Step {step.name} goes to `{target}`, which is not a step."
                fix: str | Fix = f"Correct self.next, or add a cell `%%step {target}`."
                if near is not None:
                    what += f" Did you mean `{near}`?"
                    fix = Fix(f"Write self.{near} there.", _renamed(step, target, near))
                why = f"The steps are {', '.join(context.graph.nodes)}."
                yield context.at(CODE, step, transition.line, what, why, fix)


def _after(context: LintContext, step: Step) -> Fix | None:
    """The header with parents that exist, where one is nearly called the same."""
    steps = [name for name in context.graph.nodes if name != step.name]
    after = [name if name in context.graph else closest(name, steps) for name in step.header.after]
    return header_fix(step, after=tuple(dict.fromkeys(map(str, after)))) if None not in after else None


def _renamed(step: Step, target: str, near: str) -> tuple[Edit, ...]:
    """Edits that name another step in a body's self.next."""
    last = step.body.tree.body[-1] if step.body.tree is not None else ast.Pass()
    nodes = [node for node in ast.walk(last) if isinstance(node, ast.Attribute) and node.attr == target]
    return replaced(step.cell, nodes, [f"self.{near}"] * len(nodes))
