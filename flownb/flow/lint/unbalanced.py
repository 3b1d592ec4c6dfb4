"""FN008: Splits, foreachs and switches without their join."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Fix, NewCell, header_fix
from flownb.flow.node import GraphProblem

CODE = "FN008"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report splits, foreachs and switches that are not joined as Metaflow requires."""
    graph = context.graph
    problems = [problem for problem in graph.problems if problem.kind == "switch"]
    if len(problems) == len(graph.problems):  # else steps are missing, or their order is not known yet
        problems += graph.balance_problems
    for problem in problems:
        step = context.flow.step(problem.step)
        if step is not None and (context.whole or not problem.whole):
            yield context.at(CODE, step, 0, problem.what, problem.why, _fix(context, step, problem))


def _fix(context: LintContext, step: Step, problem: GraphProblem) -> str | Fix:
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
