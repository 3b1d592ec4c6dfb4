"""FN010: Headers and self.next that contradict each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.cells.body import is_next_call, next_calls
from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Edit, Fix, removed
from flownb.flow.method import behind_semicolon

CODE = "FN010"
FORMS = (
    'It takes self.a, or self.a, self.b, or self.a with foreach="xs", or a dictionary of two or more literal values '
    'with condition="name".'
)


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report headers that contradict self.next, and self.next where or how Metaflow does not accept it."""
    for problem in context.graph.problems:
        step = context.flow.step(problem.step)
        if problem.kind == "conflict" and step is not None:
            yield context.at(CODE, step, 0, problem.what, problem.why, problem.fix)
    for step in context.steps:
        yield from _misplaced(context, step)
        if step.body.transition is not None:
            transition = step.body.transition
            for message in _refused(context, step):
                yield context.at(CODE, step, transition.line, *message, proven=not transition.parallel)
        else:
            yield from _foreach_join(context, step)


def _misplaced(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Calls of self.next other than as the body's last statement."""
    tree = step.body.tree
    last = getattr(tree.body[-1], "value", None) if tree is not None and step.body.transition is not None else None
    # Whatever the body does, one self.next more is called at its end.
    twice = context.fails(step) and tree is not None and _goes_on(tree.body, last)
    for call in next_calls(tree):
        if call is not last:
            yield context.at(
                CODE,
                step,
                call.lineno,
                f"Step {step.name} calls self.next other than as its last statement.",
                "Metaflow reads the transition from the last statement of a step.",
                'Make it the last line; to choose among steps, write self.next({"x": self.a, "y": self.b}, '
                'condition="kind").',
                proven=twice,
            )


def _goes_on(body: list[ast.stmt], last: ast.expr | None) -> bool:
    """Whether statements certainly call self.next, other than in the call `last`."""
    for statement in body:
        if is_next_call(statement) and getattr(statement, "value", None) is not last:
            return True
        if isinstance(statement, ast.Return):
            return statement.value is not None and any(next_calls(ast.Expr(statement.value)))
        if isinstance(statement, ast.If) and _goes_on(statement.body, last) and _goes_on(statement.orelse, last):
            return True
        if isinstance(statement, ast.With) and _goes_on(statement.body, last):
            return True
        if any(isinstance(one, ast.Return) for one in ast.walk(statement)):
            return False
    return False


def _without_next(step: Step) -> tuple[Edit, ...]:
    """The edit that removes a body's self.next."""
    tree = step.body.tree
    edit = removed(step.cell, tree.body[-1]) if tree is not None else None
    return (edit,) if edit is not None else ()


def _own_line(step: Step) -> tuple[Edit, ...]:
    """The edit that begins a new line with a body's last statement."""
    tree, cell = step.body.tree, step.cell
    assert tree is not None
    last = tree.body[-1]
    place = cell.body_line + last.lineno - 1
    line = cell.source.split("\n")[place - 1].removeprefix(cell.margin).encode()
    before, after = line[: last.col_offset].decode().rstrip("; \t"), line[last.col_offset :].decode()
    return (Edit(cell, place, place, f"{cell.margin}{before}\n{cell.margin}{after}"),)


def _refused(context: LintContext, step: Step) -> Iterator[tuple[str, str, str | Fix]]:
    """What is wrong with the self.next that ends a body, as what, why and what to do."""
    graph, name, transition = context.graph, step.name, step.body.transition
    assert transition is not None
    if step.captures and behind_semicolon(step.body) and not transition.parallel:
        yield (
            f"Step {name} has self.next behind a semicolon.",
            "Captures are written between the two statements.",
            Fix("Give self.next a line of its own.", _own_line(step)),
        )
    if transition.parallel:
        yield (
            f"Step {name} starts @parallel tasks.",
            "They run on Metaflow alone; a run here ends at this step.",
            "Export the flow, or write a foreach over range(N) to run it here too.",
        )
    elif transition.kind == "invalid":
        yield (f"Step {name} has a self.next that Metaflow does not accept.", FORMS, "Write it in one of these forms.")
    elif name == graph.exit:
        yield (
            f"Step {name} has a self.next.",
            f"The step {name} is a flow's last.",
            Fix("Remove the line, or give the step another name.", _without_next(step)),
        )
    elif graph[name].is_join and transition.kind != "linear":
        yield (
            f"Step {name} is a join and a {transition.kind}.",
            "Metaflow does not accept both in one step.",
            "Let self.next name one new step, and split there.",
        )
    elif transition.kind != "linear":
        joins = [target for target in transition.targets if target in graph and graph[target].is_join]
        if joins:
            yield (
                f"Step {name} goes straight from a {transition.kind} to the join {joins[0]}.",
                "Metaflow needs at least one step between them.",
                f"Add a step between {name} and {joins[0]}.",
            )


def _foreach_join(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """A step that a foreach header starts and that reads `inputs`."""
    node = context.graph[step.name]
    if step.header.foreach and node.is_join:
        yield context.at(
            CODE,
            step,
            0,
            f"Step {step.name} is a foreach and reads `inputs`, as a join does.",
            "A join ends parallel tasks and a foreach starts them.",
            "Read self.input for the item of this task, and `inputs` in a join of its own.",
        )
