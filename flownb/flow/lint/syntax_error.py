"""FN011: Cells that are not valid Python."""

from __future__ import annotations

import keyword
import warnings
from collections.abc import Iterator, Sequence, Set

from flownb.cells.cell import Cell
from flownb.flow.definition import Step
from flownb.flow.lint import not_in_a_method
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.top_level_flow import misplaced
from flownb.flow.method import SourceLine, method_source
from flownb.flow.module import class_source, shared_source

CODE = "FN011"
FIX = "Correct the line."


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report cells that are not valid Python, or not valid where they stand in flow.py."""
    flow = context.flow
    for cell in [*([flow.header] if flow.header else []), *flow.shared]:
        problem = cell.parsed.problem
        if problem is None:
            yield from _around_steps(context, cell)
        elif not cell.parsed.magics:
            what, line = "The cell is not valid Python.", cell.body_line + problem.line - 1
            yield Diagnostic(CODE, what, _sentence(problem.message), FIX, cell, line)
    refused = {one.step for one in not_in_a_method.check(context)}
    for step in context.steps:
        problem = step.body.problem
        if problem is None:
            yield from _as_method(context, step, refused)
        elif not step.body.magics:
            what = f"Step {step.name} is not valid Python."
            yield context.at(CODE, step, problem.line, what, _sentence(problem.message), FIX)


def _around_steps(context: LintContext, cell: Cell) -> Iterator[Diagnostic]:
    """What the compiler says of a shared cell as a module, or of the %%flow cell as a class."""
    lines = shared_source(cell)
    if cell.kind == "flow":
        lines = [*class_source(context.flow), SourceLine("    pass", 1, 4)]
    if found := _compile_problem(lines):
        place = "at module level" if cell.kind == "shared" else "inside a class"
        yield Diagnostic(CODE, f"The cell is not valid {place}.", _sentence(found[0]), FIX, cell, found[1])


def _as_method(context: LintContext, step: Step, refused: Set[str]) -> Iterator[Diagnostic]:
    """What the compiler says of a body as a method, unless a check of its own says it better."""
    named = [step.name, *context.graph[step.name].targets]
    said = step.name in refused or any(word == "await" for _, word in misplaced(step.body.tree))
    if said or not all(name.isidentifier() and not keyword.iskeyword(name) for name in named):
        return
    method = method_source(context.flow, context.graph[step.name], context.artifacts)
    if found := _compile_problem([SourceLine("class Flow:", 1, 0), *method.lines]):
        what = f"Step {step.name} is not valid inside a method."
        yield Diagnostic(CODE, what, _sentence(found[0]), FIX, step.cell, found[1], step.name)


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
