"""FN005: A parent or a next step that does not exist."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.cells.body import is_next_call, next_calls
from flownb.errors import closest
from flownb.flow.definition import Step
from flownb.flow.graph import GraphProblem
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.edits import Edit, Fix, NewCell, header_fix, removed, replaced
from flownb.flow.lint.fixes import renamed_step
from flownb.flow.method import behind_semicolon

__all__ = []


UNKNOWN_PARENT = "FN005"


def check_unknown_parent(context: LintContext) -> Iterator[Diagnostic]:
    """Report --after that names no step and, in a whole flow, self.next that names none."""
    for problem in context.graph.problems:
        step = context.flow.step(problem.step)
        if problem.kind == "unknown parent" and step is not None:
            yield context.at(UNKNOWN_PARENT, step, 0, problem.what, problem.why, _after(context, step) or problem.fix)
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
                yield context.at(UNKNOWN_PARENT, step, transition.line, what, why, fix)


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


# MERGED-DOC flow.lint.duplicate_step: FN018: Two cells with one step name.


DUPLICATE_STEP = "FN018"


def check_duplicate_step(context: LintContext) -> Iterator[Diagnostic]:
    """Report two cells that define one step."""
    seen: dict[str, Step] = {}
    for step in context.flow.steps:
        if step.name in seen:
            what, why = f"Step {step.name} is defined twice.", f"It is also in {seen[step.name].cell.title}."
            yield context.at(DUPLICATE_STEP, step, 0, what, why, "Rename one of the two, or remove it.")
        seen.setdefault(step.name, step)


# MERGED-DOC flow.lint.end_step: FN020: The first and the last step.


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
            what, why = f"Step {first} stands below {', '.join(above)}.", f"A flow begins with {first}."
            fix = ", or move the cell to the top."
        elif step.name == last and node.is_join:
            what, why = f"Step {last} is a join.", f"Metaflow's {last} takes no inputs."
            fix = "; the exporter adds an end."
        elif step.name == last and node.targets and step.body.transition is None:
            what, why = f"Step {last} goes on to {', '.join(node.targets)}.", f"A flow ends with {last}."
            fix = ", or move the cell to the bottom."
        if what:
            yield context.at(END_STEP, step, 0, what, why, _fix(context, step, fix))


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


# MERGED-DOC flow.lint.cycle: FN006: Steps that form a cycle.


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
            f"The steps {' -> '.join(path)} form a cycle.",
            "A flow runs from its first step to its last.",
            "Correct --after or self.next of one of them.",
        )


# MERGED-DOC flow.lint.unreachable_step: FN007: A step that is never reached.


UNREACHABLE_STEP = "FN007"


def check_unreachable_step(context: LintContext) -> Iterator[Diagnostic]:
    """Report steps that no transition leads to, in a whole flow."""
    graph = context.graph
    if not context.whole or graph.cycle:
        return
    # Other checks say what is wrong with these.
    said = {problem.step for problem in graph.problems} | set(above_start(context))
    for step in context.steps:
        if step.name not in graph.reachable and step.name not in said:
            why = "No step goes to it."
            if graph[step.name].parents:
                why = f"It comes after {', '.join(graph[step.name].parents)}, which is not reached either."
            fix = f"Write --after in its header, or name self.{step.name} in another step's self.next."
            yield context.at(
                UNREACHABLE_STEP, step, 0, f"Step {step.name} is never reached from {graph.entry}.", why, fix
            )


# MERGED-DOC flow.lint.unbalanced: FN008: Splits, foreachs and switches without their join.


UNBALANCED = "FN008"


def check_unbalanced(context: LintContext) -> Iterator[Diagnostic]:
    """Report splits, foreachs and switches that are not joined as Metaflow requires."""
    graph = context.graph
    problems = [problem for problem in graph.problems if problem.kind == "switch"]
    if len(problems) == len(graph.problems):  # else steps are missing, or their order is not known yet
        problems += graph.balance_problems
    for problem in problems:
        step = context.flow.step(problem.step)
        if step is not None and (context.whole or not problem.whole):
            yield context.at(UNBALANCED, step, 0, problem.what, problem.why, _unbalanced_fix(context, step, problem))


def _unbalanced_fix(context: LintContext, step: Step, problem: GraphProblem) -> str | Fix:
    """The fix that another header or another cell is, where it is certain."""
    ends = problem.ends
    if ends:
        taken = {*context.graph.nodes, *context.flow.class_names}
        name = next(one for one in ("collect", *(f"collect_{n}" for n in range(2, 99))) if one not in taken)
        text = f"%%step {name} --after {','.join(ends)} --join"
        last = context.flow.steps[-1].cell
        return Fix(f"Add a cell `{text}` that reads `inputs`.", (NewCell(f"{text}\npass", last, below=True),))
    if problem.joins:
        # What the body reads of its parents is to be read of inputs then, which needs a decision.
        reads = context.artifacts.possible.get(step.name, frozenset()) - context.flow.class_artifacts
        free = not reads & {*step.names.reads, *step.names.self_reads}
        fix = header_fix(step, after=problem.joins, join=True)
        return Fix(f"{fix.sentence.removesuffix('.')}, and read `inputs` in its body.", fix.edits if free else ())
    return problem.fix


# MERGED-DOC flow.lint.header_conflict: FN010: Headers and self.next that contradict each other.


HEADER_CONFLICT = "FN010"
FORMS = (
    'It takes self.a, or self.a, self.b, or self.a with foreach="xs", or a dictionary of two or more literal values '
    'with condition="name".'
)


def check_header_conflict(context: LintContext) -> Iterator[Diagnostic]:
    """Report headers that contradict self.next, and self.next where or how Metaflow does not accept it."""
    for problem in context.graph.problems:
        step = context.flow.step(problem.step)
        if problem.kind == "conflict" and step is not None:
            yield context.at(HEADER_CONFLICT, step, 0, problem.what, problem.why, problem.fix)
    for step in context.steps:
        yield from _misplaced(context, step)
        if step.body.transition is not None:
            transition = step.body.transition
            for message in _refused(context, step):
                yield context.at(HEADER_CONFLICT, step, transition.line, *message, proven=not transition.parallel)
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
                HEADER_CONFLICT,
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
            HEADER_CONFLICT,
            step,
            0,
            f"Step {step.name} is a foreach and reads `inputs`, as a join does.",
            "A join ends parallel tasks and a foreach starts them.",
            "Read self.input for the item of this task, and `inputs` in a join of its own.",
        )


# MERGED-DOC flow.lint.foreach_items: FN026: A foreach over what has no order, or can be gone through only once.


FOREACH_ITEMS = "FN026"
# Each child makes its own copy of what the foreach runs over and takes the item at its position from it
# (`metaflow/flowspec.py`, _get_foreach_item_value, 2.19.39).
SET = "Each task goes through the set again, in an order of its own, so items are repeated and lost."
ONCE = "It can be gone through once, and its items are counted before the first task takes one."
KEYS = "A task asks for the item at its position, and a dict has none there."
UNSTORED = "It cannot be pickled, so the step cannot pass it on."
CALLS = {
    **dict.fromkeys(("set", "frozenset"), ("a set", SET)),
    **{name: (f"{name}(…)", ONCE) for name in ("enumerate", "filter", "iter", "map", "reversed", "zip")},
    "dict": ("a dict", KEYS),
}
VIEWS = frozenset({"items", "keys", "values"})


def check_foreach_items(context: LintContext) -> Iterator[Diagnostic]:
    """Report foreachs over a value that is visibly a set, a dict, a generator or another iterator."""
    for step in context.steps:
        transition = context.graph[step.name].transition
        if transition is None or transition.kind != "foreach" or transition.foreach is None:
            continue
        name = transition.foreach
        for spelled, value in _assigned(step, name):
            found = _kind(value)
            called = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
            if found is None or called in context.flow.shared_names or called in step.names.assigned:
                continue
            kind, why = found
            # An item that no task asks for does no harm.
            child = context.flow.step(transition.targets[0])
            asked = child is not None and "self.input" in child.names.definite and context.fails(child)
            certain = why == UNSTORED or (asked and (why == ONCE or (why == KEYS and _has_texts_as_keys(value))))
            proven = certain and spelled in step.names.definite_writes and step.names.ends and context.fails(step)
            what = f"The foreach of step {step.name} runs over `{name}`, which is {kind}."
            text = f"{'sorted' if why == SET else 'list'}({ast.unparse(value)})"
            if isinstance(value, ast.GeneratorExp):
                text = f"list{ast.unparse(value)}"
            said = f"Write {spelled} = {text}."
            if why == KEYS:
                said = f"Write {spelled} = {text}, whose items are the keys, or make a list of its items()."
            fix = Fix(said, replaced(step.cell, [value], [text]))
            yield context.at(FOREACH_ITEMS, step, value.lineno, what, why, fix, proven=proven)


def _assigned(step: Step, name: str) -> Iterator[tuple[str, ast.expr]]:
    """What the body assigns to an artifact, if it does so once and at its top level; as the name is written there."""
    tree = step.body.tree
    spellings = [f"self.{name}", *([name] if name in step.captures else [])]
    stores = [
        ast.unparse(node)
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Load)
    ]
    if tree is None or sum(stores.count(one) for one in spellings) != 1:
        return
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if ast.unparse(target) in spellings:
                    yield ast.unparse(target), statement.value


def _kind(value: ast.expr) -> tuple[str, str] | None:
    """What an expression visibly is, and why a foreach does not go well over it; None if it may be all right."""
    if isinstance(value, ast.Set | ast.SetComp):
        return "a set", SET
    if isinstance(value, ast.Dict | ast.DictComp):
        keys = value.keys if isinstance(value, ast.Dict) else [value.key]
        numbered = isinstance(value, ast.Dict) and all(isinstance(getattr(key, "value", None), int) for key in keys)
        return None if numbered else ("a dict", KEYS)
    if isinstance(value, ast.GeneratorExp):
        return "a generator", UNSTORED
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return CALLS.get(value.func.id)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and isinstance(value.func.value, ast.Dict):
        return (f"a dict's {value.func.attr}()", UNSTORED) if value.func.attr in VIEWS else None
    return None


def _has_texts_as_keys(value: ast.expr) -> bool:
    """Whether a dict's keys are all texts, so that none is a position."""
    keys = value.keys if isinstance(value, ast.Dict) else []
    return bool(keys) and all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in keys)
