"""Checks of the graph: which step leads to which, and whether Metaflow accepts that.

FN005 unknown steps, FN006 cycles, FN007 steps that are never reached, FN008 splits and joins that do not balance,
FN010 headers and ``self.next`` that contradict each other, FN018 two cells for one step, FN020 the first and the last
step.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from flownb.cells.body import is_next_call, next_calls
from flownb.errors import Message, closest
from flownb.flow.definition import Step
from flownb.flow.graph import GraphProblem
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.edits import Edit, Edits, Fix, NewCell, header_fix, removed, replaced
from flownb.flow.lint.fixes import renamed_step
from flownb.flow.method import behind_semicolon

__all__ = []


UNKNOWN_PARENT = "FN005"


def check_unknown_parent(context: LintContext) -> Iterator[Diagnostic]:
    """Report --after that does not name a step and, in a whole flow, self.next that does not."""
    for problem in context.graph.problems:
        step = context.flow.step(problem.step)
        if problem.kind == "unknown parent" and step is not None:
            yield context.at(
                UNKNOWN_PARENT,
                step,
                0,
                replace(problem.message, fix=_closest_parents(context, step) or problem.message.fix),
            )
    for step in context.steps if context.whole else ():
        transition = step.body.transition
        for target in transition.targets if transition else ():
            if transition and target not in context.graph:
                near = closest(target, (name for name in context.graph.nodes if name != step.name))
                what = f"Step {step.name} goes to `{target}`, which is not a step."
                fix = f"Correct self.next, or add a cell `%%step {target}`."
                if near is not None:
                    what += f" Did you mean `{near}`?"
                    fix = Fix(f"Write self.{near} instead.", _other_target(step, target, near))
                why = f"The steps are {', '.join(context.graph.nodes)}."
                yield context.at(UNKNOWN_PARENT, step, transition.line, Message(what, why, fix))


def _closest_parents(context: LintContext, step: Step) -> Fix | None:
    """The header with existing parents of nearly the same names; None if there is none for one of them."""
    steps = [name for name in context.graph.nodes if name != step.name]
    after = [name if name in context.graph else closest(name, steps) for name in step.header.after]
    return header_fix(step, after=tuple(dict.fromkeys(map(str, after)))) if None not in after else None


def _other_target(step: Step, target: str, near: str) -> Edits:
    """Edits that name another step in a body's self.next."""
    last = step.body.tree.body[-1] if step.body.tree is not None else ast.Pass()
    nodes = [node for node in ast.walk(last) if isinstance(node, ast.Attribute) and node.attr == target]
    return replaced(step.cell, nodes, [f"self.{near}"] * len(nodes))


DUPLICATE_STEP = "FN018"


def check_duplicate_step(context: LintContext) -> Iterator[Diagnostic]:
    """Report two cells that define one step."""
    seen: dict[str, Step] = {}
    for step in context.flow.steps:
        if step.name in seen:
            what, why = f"Step {step.name} is defined twice.", f"It is also defined in {seen[step.name].cell.title}."
            yield context.at(DUPLICATE_STEP, step, 0, Message(what, why, "Rename one of the two, or remove it."))
        seen.setdefault(step.name, step)


END_STEP = "FN020"


def check_end_step(context: LintContext) -> Iterator[Diagnostic]:
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
            what, why = f"Step {first} is below {', '.join(above)}.", f"A flow begins with {first}."
            fix = ", or move the cell to the top."
        elif step.name == last and node.is_join:
            what, why = f"Step {last} is a join.", f"Metaflow's {last} takes no inputs."
            fix = "; the exporter adds an end."
        elif step.name == last and node.targets and step.body.transition is None:
            what, why = f"Step {last} leads to {', '.join(node.targets)}.", f"A flow ends with {last}."
            fix = ", or move the cell to the bottom."
        if what:
            yield context.at(END_STEP, step, 0, Message(what, why, _other_role(context, step, fix)))


def _other_role(context: LintContext, step: Step, also: str) -> str:
    """Let another step be the first or last: this one gets another name, or another one gets the mark."""
    if step.name not in ("start", "end"):
        return f"Mark another step{also}"
    names = (f"{step.name}_step", *(f"{step.name}_step_{number}" for number in range(2, 99)))
    fix = renamed_step(context, step, next(one for one in names if not context.is_taken(one)))
    return Fix(f"{fix.removesuffix('.')}{also}", fix.edits)


def above_start(context: LintContext) -> list[str]:
    """Steps whose cells are above the cell of start and that nothing leads to, in a whole flow."""
    names = [step.name for step in context.flow.steps]
    first = context.graph.marked_start or "start"
    if not context.whole or first not in names:
        return []
    above = names[: names.index(first)]
    return [name for name in above if name not in context.graph.reachable]


CYCLE = "FN006"


def check_cycle(context: LintContext) -> Iterator[Diagnostic]:
    """Report a cycle of steps; only a switch may lead back, and only to itself."""
    path = context.graph.cycle
    step = context.flow.step(path[0]) if path else None
    if step is not None:
        yield context.at(
            CYCLE,
            step,
            0,
            Message(
                f"The steps {' -> '.join(path)} form a cycle.",
                "A flow runs from its first step to its last.",
                "Correct --after or self.next of one of them.",
            ),
        )


UNREACHABLE_STEP = "FN007"


def check_unreachable_step(context: LintContext) -> Iterator[Diagnostic]:
    """Report steps that no transition leads to, in a whole flow."""
    graph = context.graph
    if not context.whole or graph.cycle:
        return
    # Other checks report these.
    reported = {problem.step for problem in graph.problems} | set(above_start(context))
    for step in context.steps:
        if step.name not in graph.reachable and step.name not in reported:
            why = "No step goes to it."
            if graph[step.name].parents:
                why = f"It comes after {', '.join(graph[step.name].parents)}, which is not reached either."
            fix = f"Write --after in its header, or name self.{step.name} in another step's self.next."
            yield context.at(
                UNREACHABLE_STEP, step, 0, Message(f"Step {step.name} is never reached from {graph.entry}.", why, fix)
            )


UNBALANCED = "FN008"


def check_unbalanced(context: LintContext) -> Iterator[Diagnostic]:
    """Report splits, foreachs and switches that are not joined as Metaflow requires."""
    graph = context.graph
    problems = [problem for problem in graph.problems if problem.kind == "switch"]
    if len(problems) == len(graph.problems):  # if not, steps are missing, or their order is not known yet
        problems += graph.balance_problems
    for problem in problems:
        step = context.flow.step(problem.step)
        if step is not None and (context.whole or not problem.whole):
            yield context.at(UNBALANCED, step, 0, replace(problem.message, fix=_with_join(context, step, problem)))


def _with_join(context: LintContext, step: Step, problem: GraphProblem) -> str:
    """What to do about a missing join: a new cell or another header, if it is certain which."""
    ends = problem.ends
    if ends:
        names = ("collect", *(f"collect_{number}" for number in range(2, 99)))
        name = next(one for one in names if not context.is_taken(one))
        text = f"%%step {name} --after {','.join(ends)} --join"
        last = context.flow.steps[-1].cell
        return Fix(f"Add a cell `{text}` that reads `inputs`.", (NewCell(f"{text}\npass", last, below=True),))
    if problem.joins:
        # The body then reads the artifacts of its parents from inputs, and the user decides from which one.
        reads = context.artifacts.possible.get(step.name, frozenset()) - context.flow.class_artifacts
        free = not reads & {*step.names.reads, *step.names.self_reads}
        fix = header_fix(step, after=problem.joins, join=True)
        return Fix(f"{fix.removesuffix('.')}, and read `inputs` in its body.", fix.edits if free else ())
    return problem.message.fix


HEADER_CONFLICT = "FN010"
FORMS = (
    'Metaflow accepts self.a; self.a, self.b; self.a with foreach="xs"; or a dictionary of two or more literal values '
    'with condition="name".'
)


def check_header_conflict(context: LintContext) -> Iterator[Diagnostic]:
    """Report headers that contradict self.next, and self.next where or how Metaflow does not accept it."""
    for problem in context.graph.problems:
        step = context.flow.step(problem.step)
        if problem.kind == "conflict" and step is not None:
            yield context.at(HEADER_CONFLICT, step, 0, problem.message)
    for step in context.steps:
        yield from _misplaced(context, step)
        if step.body.transition is not None:
            transition = step.body.transition
            for message in _refused(context, step):
                yield context.at(HEADER_CONFLICT, step, transition.line, message, proven=not transition.parallel)
        else:
            yield from _foreach_join(context, step)


def _misplaced(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Calls of self.next that are not the body's last statement."""
    if not step.body.mentions("next"):
        return
    tree = step.body.tree
    last = getattr(tree.body[-1], "value", None) if tree is not None and step.body.transition is not None else None
    # If another call is certain, self.next is called twice: the last statement calls it again.
    twice = context.fails(step) and tree is not None and _certainly_calls_next(tree.body, last)
    for call in next_calls(tree):
        if call is not last:
            yield context.at(
                HEADER_CONFLICT,
                step,
                call.lineno,
                Message(
                    f"Step {step.name} calls self.next, but not as its last statement.",
                    "Metaflow reads the transition from the last statement of a step.",
                    'Make it the last line; to choose among steps, write self.next({"x": self.a, "y": self.b}, '
                    'condition="kind").',
                ),
                proven=twice,
            )


def _certainly_calls_next(body: list[ast.stmt], last: ast.expr | None) -> bool:
    """Whether statements certainly call self.next, apart from the call `last`."""
    for statement in body:
        if is_next_call(statement) and getattr(statement, "value", None) is not last:
            return True
        if isinstance(statement, ast.Return):
            return statement.value is not None and any(next_calls(ast.Expr(statement.value)))
        if isinstance(statement, ast.If) and all(
            _certainly_calls_next(block, last) for block in (statement.body, statement.orelse)
        ):
            return True
        if isinstance(statement, ast.With) and _certainly_calls_next(statement.body, last):
            return True
        if any(isinstance(one, ast.Return) for one in ast.walk(statement)):
            return False
    return False


def _without_next(step: Step) -> Edits:
    """The edit that removes a body's self.next."""
    tree = step.body.tree
    edit = removed(step.cell, tree.body[-1]) if tree is not None else None
    return (edit,) if edit is not None else ()


def _own_line(step: Step) -> Edits:
    """The edit that begins a new line with a body's last statement."""
    tree, cell = step.body.tree, step.cell
    assert tree is not None
    last = tree.body[-1]
    place = cell.body_line + last.lineno - 1
    line = cell.source.split("\n")[place - 1].removeprefix(cell.margin).encode()
    before, after = line[: last.col_offset].decode().rstrip("; \t"), line[last.col_offset :].decode()
    return (Edit(cell, place, place, f"{cell.margin}{before}\n{cell.margin}{after}"),)


def _refused(context: LintContext, step: Step) -> Iterator[Message]:
    """What is wrong with the self.next that ends a body."""
    graph, name, transition = context.graph, step.name, step.body.transition
    assert transition is not None
    if step.captures and behind_semicolon(step.body) and not transition.parallel:
        yield Message(
            f"Step {name} has self.next behind a semicolon.",
            "flow.py has the captures between the two statements.",
            Fix("Give self.next a line of its own.", _own_line(step)),
        )
    if transition.parallel:
        yield Message(
            f"Step {name} starts @parallel tasks.",
            "Only Metaflow runs them; a run here ends at this step.",
            "Export the flow, or write a foreach over range(N) to run it here too.",
        )
    elif transition.kind == "invalid":
        what = f"Step {name} has a self.next that Metaflow does not accept."
        yield Message(what, FORMS, "Write it in one of these forms.")
    elif name == graph.exit:
        yield Message(
            f"Step {name} has a self.next.",
            f"The step {name} is the last step of a flow.",
            Fix("Remove the line, or give the step another name.", _without_next(step)),
        )
    elif graph[name].is_join and transition.kind != "linear":
        yield Message(
            f"Step {name} is a join and a {transition.kind}.",
            "Metaflow does not accept both in one step.",
            "Let self.next name one new step, and split there.",
        )
    elif transition.kind != "linear":
        joins = [target for target in transition.targets if target in graph and graph[target].is_join]
        if joins:
            yield Message(
                f"Step {name} goes straight from a {transition.kind} to the join {joins[0]}.",
                "Metaflow needs at least one step between them.",
                f"Add a step between {name} and {joins[0]}.",
            )


def _foreach_join(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """A step that a foreach header starts and that reads `inputs`."""
    node = context.graph[step.name]
    if step.header.foreach and node.is_join:
        yield context.at(
            HEADER_CONFLICT,
            step,
            0,
            Message(
                f"Step {step.name} is a foreach and reads `inputs`, as a join does.",
                "A join ends parallel tasks and a foreach starts them.",
                "Read self.input for the item of this task, and `inputs` in a join of its own.",
            ),
        )
