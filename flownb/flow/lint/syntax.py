"""Checks of what a cell says as Python and as a cell.

FN003 magics in a step, FN004 ``return``, ``yield`` and ``await`` at the top level of a body, FN011 invalid Python,
FN014 ``global``, FN019 statements that a method cannot have, FN030 cells whose mark cannot be read.
"""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from flownb.cells.body import MagicLine
from flownb.cells.cell import WRAPPERS, Cell, common_margin
from flownb.errors import Message
from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.edits import Edit, Edits, Fix, NewCell, line_replaced, removed, replaced, shared_cell
from flownb.flow.method import SourceLine, method_source
from flownb.flow.module import class_source, shared_source
from flownb.flow.names import step_name_problem

__all__ = []


TOP_LEVEL_FLOW = "FN004"
# Keywords of code that is awaited.
AWAITING = ("await", "async")
REASONS = {
    "return": (
        "It would leave the method before its artifacts are captured and before self.next.",
        "Use if/else, or a function in a %%shared cell.",
    ),
    "yield": ("It would make the method a generator, whose body never runs.", "Collect the values in a list."),
    "await": (
        "A step is a plain method; nothing awaits it.",
        "Move the code to an async function `main`, and call asyncio.run(main()).",
    ),
}


def check_top_level_flow(context: LintContext) -> Iterator[Diagnostic]:
    """Report return, yield and await outside of any function in a step's body."""
    for step in context.steps:
        for node, word in misplaced(step.body.tree) if step.body.mentions("return", "yield", *AWAITING) else ():
            why, fix = REASONS[word]
            proven = True
            # The last step has no self.next that a return would leave out.
            last = context.is_last(step)
            if word == "return":
                if last and not step.captures:
                    continue
                proven = not last and context.fails(step) and node in step.names.evaluated
            elif word == "yield":
                proven = not last and context.fails(step)
            what = f"Step {step.name} has `{word}` at the top level of its body."
            yield context.at(TOP_LEVEL_FLOW, step, node.lineno, Message(what, why, fix), proven=proven)


def misplaced(node: ast.AST | None) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    """Each return, yield and await outside of any function in a body, with its keyword."""
    for child in ast.iter_child_nodes(node) if node is not None else ():
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for part in [*getattr(child, "decorator_list", []), child.args]:
                yield from misplaced(part)
            continue
        if isinstance(child, ast.Return):
            yield child, "return"
        elif isinstance(child, ast.Yield | ast.YieldFrom):
            yield child, "yield"
        elif isinstance(child, ast.Await | ast.AsyncFor | ast.AsyncWith) or (
            isinstance(child, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp)
            and any(g.is_async for g in child.generators)
        ):
            yield child, "await"
        yield from misplaced(child)


NOT_IN_A_METHOD = "FN019"


def check_not_in_a_method(context: LintContext) -> Iterator[Diagnostic]:
    """Report star and ``__future__`` imports in a step, and steps that assign `self`."""
    for step in context.steps:
        for node in ast.walk(step.body.tree) if step.body.tree and step.body.mentions("import") else ():
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                what = f"Step {step.name} imports from __future__."
                why = "Such an import applies to a whole file."
                first = context.flow.shared[0] if context.flow.shared else step.cell
                fix = Fix("Move the line to the top of a %%shared cell.", _moved(step, node, first))
                yield context.at(NOT_IN_A_METHOD, step, node.lineno, Message(what, why, fix))
            elif isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                what = f"Step {step.name} imports * from {node.module}."
                why = "Python allows that only at module level."
                fix = Fix("Name what you need, or import it in a %%shared cell.", _moved(step, node, step.cell))
                yield context.at(NOT_IN_A_METHOD, step, node.lineno, Message(what, why, fix))
        if "self" in step.names.assigned:
            # Captures and self.next come after the body; the last step may have neither.
            used = not context.is_last(step) or bool(step.captures)
            proven = used and "self" in step.names.definite_writes and step.names.ends and context.fails(step)
            line, why = step.names.assigned["self"], "The step needs the `self` that the runtime gives it."
            what = f"Step {step.name} assigns `self`."
            yield context.at(NOT_IN_A_METHOD, step, line, Message(what, why, "Use another name."), proven=proven)


def _moved(step: Step, node: ast.ImportFrom, beside: Cell) -> Edits:
    """The edits that move an import into a new shared cell."""
    edit = removed(step.cell, node)
    return (edit, shared_cell(ast.unparse(node), beside)) if edit is not None else ()


SYNTAX_ERROR = "FN011"
FIX = "Correct the line."


def check_syntax_error(context: LintContext) -> Iterator[Diagnostic]:
    """Report cells that are not valid Python, or not valid at their place in flow.py."""
    flow = context.flow
    for cell in [*([flow.header] if flow.header else []), *flow.shared]:
        problem = cell.parsed.problem
        if problem is None:
            yield from _around_steps(context, cell)
        elif not cell.parsed.magics:
            what, line = "The cell is not valid Python.", cell.body_line + problem.line - 1
            yield Diagnostic(SYNTAX_ERROR, Message(what, _sentence(problem.message), FIX), cell, line)
    refused = {one.step for one in check_not_in_a_method(context)}
    for step in context.steps:
        problem = step.body.problem
        if problem is None:
            yield from _as_method(context, step, refused)
        elif not step.body.magics:
            what = f"Step {step.name} is not valid Python."
            yield context.at(SYNTAX_ERROR, step, problem.line, Message(what, _sentence(problem.message), FIX))


def _around_steps(context: LintContext, cell: Cell) -> Iterator[Diagnostic]:
    """What the compiler says of a shared cell as a module, or of the %%flow cell as a class."""
    lines = shared_source(cell)
    if cell.kind == "flow":
        lines = [*class_source(context.flow), SourceLine("    pass", 1, 4)]
    if found := _compile_problem(lines):
        place = "at module level" if cell.kind == "shared" else "inside a class"
        yield Diagnostic(
            SYNTAX_ERROR, Message(f"The cell is not valid {place}.", _sentence(found[0]), FIX), cell, found[1]
        )


def _as_method(context: LintContext, step: Step, refused: Set[str]) -> Iterator[Diagnostic]:
    """What the compiler says of a body as a method, unless another check explains it."""
    named = [step.name, *context.graph[step.name].targets]
    awaits = step.body.mentions(*AWAITING) and any(word == "await" for _, word in misplaced(step.body.tree))
    if awaits or step.name in refused or not all(name.isidentifier() and not keyword.iskeyword(name) for name in named):
        return
    method = method_source(context.flow, context.graph[step.name], context.artifacts)
    if found := _compile_problem([SourceLine("class Flow:", 1, 0), *method.lines]):
        what = f"Step {step.name} is not valid inside a method."
        yield Diagnostic(SYNTAX_ERROR, Message(what, _sentence(found[0]), FIX), step.cell, found[1], step.name)


def _compile_problem(lines: Sequence[SourceLine]) -> tuple[str, int] | None:
    """The compiler's message and the cell line it is about."""
    text = "".join(line.text + "\n" for line in lines)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<check>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        number = min(getattr(error, "lineno", None) or 1, len(lines))
        return getattr(error, "msg", None) or str(error), lines[number - 1].origin
    return None


def _sentence(message: str) -> str:
    """Python's message as a sentence."""
    return f"Python says: {message}."


GLOBAL_STATEMENT = "FN014"


def check_global_statement(context: LintContext) -> Iterator[Diagnostic]:
    """Report ``global x`` in a step, unless shared code defines `x`."""
    for step in context.steps:
        for name, line in step.names.globals_declared.items():
            if name not in context.flow.shared_names:
                what = f"Step {step.name} declares `global {name}`."
                why = "Each step runs in its own process, so no other step sees its value."
                yield context.at(
                    GLOBAL_STATEMENT, step, line, Message(what, why, _without_global(step, name, line)), proven=False
                )


def _without_global(step: Step, name: str, line: int) -> str:
    """What to write instead: nothing at the top level; in a function ``nonlocal``, if the body has such a variable."""
    tree = step.body.tree
    nodes = [one for one in ast.walk(tree) if isinstance(one, ast.Global) and one.lineno == line] if tree else []
    node = nodes[0] if nodes and nodes[0].names == [name] else None
    if tree is not None and node in tree.body:
        edit = removed(step.cell, node) if node is not None else None
        return Fix(f"Remove the line; `{name}` is then a variable of the body.", (edit,) if edit is not None else ())
    if name in step.names.assigned:
        text = f"nonlocal {name}"
        return Fix(f"Write `{text}`.", replaced(step.cell, [node], [text]) if node is not None else ())
    return f"Return `{name}` from the function, and assign what it returns."


MAGIC_IN_STEP = "FN003"
# Line magics that execute the statement after them.
TIMED = re.compile(r"%(?:time|memit|prun)\s+(?!-)(.+)")


def check_magic_in_step(context: LintContext) -> Iterator[Diagnostic]:
    """Report IPython magics and shell lines in steps and in the flow's header."""
    for step in context.steps:
        for magic in step.body.magics:
            what = f"Step {step.name} has the line `{magic.text}`."
            why = "Only IPython understands it; a step is plain Python."
            yield context.at(MAGIC_IN_STEP, step, magic.line, Message(what, why, _without_magic(step.cell, magic)))
    header = context.flow.header
    if header is not None:
        for magic in header.parsed.magics:
            what = f"The %%flow cell has the line `{magic.text}`."
            why = "Only IPython understands it; a flow's class is plain Python."
            message = Message(what, why, _without_magic(header, magic))
            yield Diagnostic(MAGIC_IN_STEP, message, header, header.body_line + magic.line - 1)


def _without_magic(cell: Cell, magic: MagicLine) -> Fix:
    """What to do about a magic: keep what it times, give a cell magic its own cell, move others to a scratch cell."""
    first = cell.body_line + magic.line - 1
    last = first + magic.text.count("\n")
    lines = cell.source.split("\n")
    blanks = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
    if timed := TIMED.fullmatch(magic.text):
        return Fix(f"Write `{timed[1]}`.", (Edit(cell, first, last, blanks + timed[1]),))
    if magic.text.startswith("%%"):
        if magic.text[2:].partition(" ")[0] in WRAPPERS and not any(
            map(str.strip, lines[cell.body_line - 1 : first - 1])
        ):
            above = Edit(cell, cell.body_line - 1, cell.body_line - 2, cell.margin + magic.text)
            moved = (above, Edit(cell, first, last, None)) if not cell.tags else ()
            return Fix(f"Move `{magic.text}` above the line that marks the cell.", moved)
        below = "\n".join(line.removeprefix(blanks) for line in lines[first - 1 :])
        edits = (Edit(cell, first, len(lines), None), NewCell(below, cell, below=True))
        return Fix("Move it, and all lines below it, to a cell of its own.", edits)
    move = "Move it to a scratch or %%shared cell"
    if cell.kind == "step":
        move += ", or write it in Python (subprocess.run for a shell line)"
    alone = blanks == cell.margin and re.match(r"[%!?]", magic.text)
    return Fix(f"{move}.", (Edit(cell, first, last, None), NewCell(magic.text, cell)) if alone else ())


UNREADABLE_CELL = "FN030"


def check_unreadable_cell(context: LintContext) -> Iterator[Diagnostic]:
    """Report cells with a bad header, bad tags or a misplaced mark; if one step is checked, whether it needs one."""
    for cell in context.flow.refused:
        if cell.refusal is not None and (context.whole or cell.kind != "step"):
            line = max(cell.body_line - 1, 1)
            fix = Fix(cell.refusal.fix, _mark_edits(cell, line, cell.refusal.what))
            yield Diagnostic(UNREADABLE_CELL, replace(cell.refusal, fix=fix), cell, line)
    if context.whole:
        return  # the cell that is not a step is reported itself
    for step in context.steps:
        above = _refused_above(context, step.name)
        if above is not None and not step.header.after:
            assert above.refusal is not None
            what = f"Step {step.name} comes after {above.title}, which is not a step yet: {above.refusal.what}"
            why = "Without --after a step comes after the step cell above."
            advice = f"Correct that cell, or write --after in the header of {step.name}."
            yield context.at(UNREADABLE_CELL, step, 0, Message(what, why, advice))
        for parent in context.graph[step.name].parents:
            if found := step_name_problem(parent, context.flow.class_names):
                what = f"Step {step.name} comes after `{parent}`, which is not a step yet: {found.message.what}"
                yield context.at(UNREADABLE_CELL, step, 0, replace(found.message, what=what))


def _mark_edits(cell: Cell, line: int, what: str) -> Edits:
    """The edits that correct a mark, if it is clear what was meant."""
    lines = cell.source.split("\n")
    if option := re.search(r"has no option `(--[\w-]+)`\. Did you mean `(--[\w-]+)`", what):
        return line_replaced(cell, line, re.escape(option[1]), option[2])
    if what.startswith("`%%shared ") and what.endswith("has arguments."):
        return line_replaced(cell, line, r"%%shared.*", "%%shared")
    mark = lines[line - 1].strip()
    if what.endswith("is below a comment."):
        first = next(number for number, one in enumerate(lines, 1) if one.lstrip().startswith("#"))
        return (Edit(cell, first, first - 1, lines[line - 1].rstrip()), Edit(cell, line, line, None))
    if what.endswith("is below other code."):
        return (NewCell("\n".join(lines[: line - 1]), cell), Edit(cell, 1, line - 1, None))
    if " does not begin with " in what and not re.match(r">>>|In \[", mark):
        margin = common_margin(lines[line:])
        return (Edit(cell, line, line, margin + re.sub(r"^%%\s*", "%%", mark)),)
    return ()


def _refused_above(context: LintContext, name: str) -> Cell | None:
    """The step cell right above a step, if its mark cannot be read."""
    above: Cell | None = None
    for cell in context.flow.marked:
        if cell.kind == "step":
            if cell.name == name and cell.refusal is None:
                return above if above is not None and above.refusal is not None else None
            above = cell
    return None
