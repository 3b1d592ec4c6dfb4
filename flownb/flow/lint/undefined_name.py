"""FN001: A name that nothing defines."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.cells.names import analyse_names, free_names
from flownb.errors import nearest
from flownb.flow.definition import PYTHON_BUILTINS, Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.module import METAFLOW_NAMES, decorator_names

CODE = "FN001"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report names that neither the body, nor shared code, nor an earlier step, nor Python defines."""
    flow = context.flow
    if flow.has_star_import:
        return
    known = flow.shared_names | PYTHON_BUILTINS
    for step in flow.steps:
        for name, line in undefined_reads(context, step).items():
            if name == "inputs" or holders(context, step, name) or name in context.artifacts.joined.get(step.name, ()):
                continue  # FN002 and FN015 say more
            yield context.at(
                CODE,
                step,
                line,
                f"Step {step.name} reads `{name}`, which nothing defines.",
                *advice(context, step, name),
            )
        for decorator in step.body.decorators:
            for name in sorted(decorator_names(decorator.text) - known - METAFLOW_NAMES):
                what = f"A decorator of step {step.name} reads `{name}`, which nothing defines."
                yield context.at(
                    CODE,
                    step,
                    decorator.line,
                    what,
                    "Decorators see shared code only.",
                    f"Define `{name}` in a %%shared cell.",
                )
    cells = [(cell, known) for cell in flow.shared]
    if flow.header is not None:
        cells.append((flow.header, known | METAFLOW_NAMES | flow.parameters))
    for cell, names in cells:
        tree = cell.parsed.tree
        reads = dict(analyse_names(tree).reads)
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                for name, line in free_names(node).items():
                    if "." not in name:
                        reads.setdefault(name, line)
        local = (
            {
                child.id
                for child in ast.walk(tree)
                if isinstance(child, ast.Name) and not isinstance(child.ctx, ast.Load)
            }
            if tree
            else set()
        )
        arguments = {child.arg for child in ast.walk(tree) if isinstance(child, ast.arg)} if tree else set()
        for name, line in reads.items():
            if name in names or name in local or name in arguments:
                continue
            place = "Shared code" if cell.kind == "shared" else "The %%flow cell"
            what = f"{place} reads `{name}`, which nothing defines."
            yield Diagnostic(
                CODE,
                what,
                _why(context, name),
                f"Define `{name}` in a %%shared cell, or pass it as an argument.",
                cell,
                cell.body_line + line - 1,
            )


def undefined_reads(context: LintContext, step: Step) -> dict[str, int]:
    """Plain names of a step that have no source, with the body line of their first read."""
    names = step.names
    known = (
        context.flow.shared_names | PYTHON_BUILTINS | context.artifacts.possible.get(step.name, frozenset()) | {"self"}
    )
    node = context.graph.nodes.get(step.name)
    if node is not None and node.is_join:
        known |= {"inputs"}
    if step.name in context.artifacts.unknown:
        return {}
    reads = {name: line for name, line in names.reads.items() if name not in names.assigned}
    reads.update({name: line for name, line in names.unbound.items() if name not in step.captures or name in reads})
    for name, line in names.unbound.items():
        if names.assigned.get(name) is not None:
            reads[name] = line
    return {
        name: line
        for name, line in reads.items()
        if name not in known
        and name not in names.globals_declared
        and not (name in step.captures and _only_captured(step, name))
    }


def _only_captured(step: Step, name: str) -> bool:
    """Whether the header's capture is all that reads the name (FN017 says more)."""
    return name not in step.body.names.reads


def holders(context: LintContext, step: Step, name: str) -> list[str]:
    """Earlier steps that bind `name` but keep it to themselves, the nearest last."""
    above = context.graph.ancestors(step.name)
    return [
        other.name
        for other in context.flow.steps
        if other.name in above and name in other.names.assigned and name not in other.captures
    ]


def _why(context: LintContext, name: str) -> str:
    """Say where the name does exist, if anywhere."""
    if name in context.kernel_names:
        return f"`{name}` exists only in the notebook's namespace, which steps never see."
    return "No shared cell and no Python builtin has that name."


def advice(context: LintContext, step: Step, name: str) -> tuple[str, str]:
    """Why and what to do for one undefined name."""
    if name in METAFLOW_NAMES:
        return "It is Metaflow's.", f"Write `from flownb import {name}` in a %%shared cell."
    if name in ("display", "get_ipython"):
        return (
            "IPython adds it to notebooks; flow.py does not have it.",
            f"Write `from IPython import {name}` in a %%shared cell, or end the body with the value to show."
            if name == "get_ipython"
            else "Write `from IPython.display import display` in a %%shared cell, or end the body with the value to show.",
        )
    why = _why(context, name)
    if name not in context.kernel_names:
        why = "No shared cell, no earlier step and no Python builtin has that name."
    seen = context.artifacts.possible.get(step.name, frozenset()) | context.flow.shared_names | set(step.names.assigned)
    return why + nearest(
        name, seen
    ), f"Define `{name}` in a %%shared cell, or assign and capture it in an earlier step (`-> {name}`)."
