"""FN010: Headers and self.next that contradict each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.cells.body import is_next_call
from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN010"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report headers that contradict self.next, and self.next where or how Metaflow does not accept it."""
    graph = context.graph
    for problem in graph.problems:
        step = context.flow.step(problem.step)
        if problem.kind == "conflict" and step is not None:
            yield context.at(CODE, step, 0, problem.what, problem.why, problem.fix)
    for step in context.flow.steps:
        tree, transition = step.body.tree, step.body.transition
        if tree is None:
            continue
        last = tree.body[-1] if tree.body else None
        for node in ast.walk(tree):
            if isinstance(node, ast.stmt) and is_next_call(node) and node is not last:
                yield context.at(
                    CODE,
                    step,
                    node.lineno,
                    f"Step {step.name} calls self.next before its last line.",
                    "Metaflow reads the transition from the last statement of a step.",
                    'Make it the last line; to choose among steps, use self.next({"x": self.a, "y": self.b}, condition="kind").',
                )
        if transition is None:
            continue
        node = graph.nodes[step.name]
        if last is not None and step.captures and last.col_offset:
            yield context.at(
                CODE,
                step,
                transition.line,
                f"Step {step.name} has self.next behind a semicolon.",
                "Captures are written between the two statements.",
                "Give self.next a line of its own.",
            )
        if transition.kind == "invalid":
            yield context.at(
                CODE,
                step,
                transition.line,
                f"Step {step.name} has a self.next that Metaflow does not accept.",
                'It takes self.a, or self.a, self.b, or self.a with foreach="xs", or a dictionary of literal values with condition="name".',
                "Write it in one of these forms.",
            )
        elif step.name == "end":
            yield context.at(
                CODE,
                step,
                transition.line,
                "Step end has a self.next.",
                "end is a flow's last step.",
                "Remove the line, or call the step otherwise.",
            )
        elif node.is_join and transition.kind != "linear":
            yield context.at(
                CODE,
                step,
                transition.line,
                f"Step {step.name} is a join and a {transition.kind}.",
                "Metaflow does not accept both in one step.",
                "Let self.next name one new step, and split there.",
            )
        elif transition.kind != "linear":
            joins = [target for target in transition.targets if target in graph and graph[target].is_join]
            if joins:
                yield context.at(
                    CODE,
                    step,
                    transition.line,
                    f"Step {step.name} goes straight from a {transition.kind} to the join {joins[0]}.",
                    "Metaflow needs at least one step between them.",
                    f"Add a step between {step.name} and {joins[0]}.",
                )
