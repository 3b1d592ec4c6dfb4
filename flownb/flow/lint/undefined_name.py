"""FN001: A name that nothing defines."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

from flownb.cells.assignment import analyse_names
from flownb.cells.cell import Cell
from flownb.cells.header import INPUTS
from flownb.errors import closest
from flownb.flow.decorator_rules import NUMBERS
from flownb.flow.definition import PYTHON_BUILTINS, Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext, Severity
from flownb.flow.lint.fix import Edit, Fix, NewCell, replaced, shared_cell
from flownb.flow.lint.keep import keep, merge_edit
from flownb.flow.module import CARD_NAMES, METAFLOW_NAMES, decorator_names, future_features

CODE = "FN001"
# Metaflow's names that are not decorators.
WORDS = frozenset({"Config", "IncludeFile", "JSONType", "Parameter", "config_expr", "current"})
NOWHERE = "No shared cell and no Python builtin has that name."


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report names that neither the body, nor shared code, nor an earlier step, nor Python defines."""
    flow = context.flow
    if flow.has_star_import:
        return
    for step in context.steps:
        yield from _in_step(context, step)
    known = flow.shared_names | PYTHON_BUILTINS
    for cell in flow.shared:
        yield from _in_cell(context, cell, known, "Shared code")
    if flow.header is not None:
        yield from _in_cell(context, flow.header, known | METAFLOW_NAMES, "The %%flow cell")


def _in_step(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Names a step's body and decorators read."""
    joined = context.artifacts.joined.get(step.name, frozenset())
    for name, line in undefined_reads(context, step).items():
        if name in step.names.assigned or name in step.names.annotated:
            what = f"Step {step.name} reads `{name}` before it assigns it."
            if step.body.names.assigned.get(name, line) < line:
                what = f"Step {step.name} reads `{name}` after it deleted it."
            proven = context.fails(step) and name in step.names.definite
            yield context.at(CODE, step, line, what, *_too_early(context, step, name), proven=proven)
        elif name not in joined and name != INPUTS and not holders(context, step, name):  # FN002, FN015 say more
            what = f"Step {step.name} reads `{name}`, which nothing defines."
            proven = never_defined(context, step, name)
            yield context.at(CODE, step, line, what, *_advice(context, step, name), proven=proven)
    # A decorator stands in the class body; of that, a Parameter is of no use to it, for it has no value there.
    body = context.flow.class_names.keys() - (context.flow.parameters - context.flow.configs)
    known = context.flow.shared_names | PYTHON_BUILTINS | METAFLOW_NAMES | body
    for decorator in step.body.decorators:
        for name in sorted(decorator_names(decorator.text) - known):
            proven = not (context.flow.is_open or context.flow.has_hidden_names)
            what = f"A decorator of step {step.name} reads `{name}`, which nothing defines."
            why, fix = "Decorators see shared code and the flow's configs.", f"Define `{name}` in a %%shared cell."
            if name in context.flow.parameters:
                # It is an object there, which other decorators may have a use for.
                proven = proven and decorator.name in NUMBERS
                what = f"A decorator of step {step.name} reads the parameter `{name}`."
                why = "Parameters have no value before steps run, but configs have."
                fix = f"Make `{name}` a Config of the %%flow cell instead of a Parameter."
            yield context.at(CODE, step, decorator.line, what, why, fix, proven=proven)


def _in_cell(context: LintContext, cell: Cell, known: frozenset[str], place: str) -> Iterator[Diagnostic]:
    """Names that code at module or class level reads."""
    tree = cell.parsed.tree
    if tree is None:
        return
    names = analyse_names(tree)
    reads = {name: line for name, line in names.reads.items() if name not in known and name not in names.assigned}
    if reads and "annotations" in future_features(context.flow):
        evaluated = analyse_names(_without_annotations(tree)).reads
        reads = {name: line for name, line in reads.items() if name in evaluated}
    for name, line in reads.items():
        fix: str | Fix
        if name in METAFLOW_NAMES | CARD_NAMES:
            why, fix = _import_of(name, cell)
        elif name in context.kernel_names:
            why = f"`{name}` exists only in the notebook's namespace, which flows never see."
            fix = f"Define `{name}` in a %%shared cell, or pass it as an argument."
        else:
            near = _near(name, context.flow.shared_names)
            why = NOWHERE + (f" Did you mean `{near}`?" if near is not None else "")
            fix = f"Define `{name}` in a %%shared cell, or pass it as an argument."
            fix = _or_near(context, cell, name, near, fix)
        what = f"{place} reads `{name}`, which nothing defines."
        # What a function reads is an error only once it is called.
        severity: Severity = "error" if name in names.definite and not context.flow.has_hidden_names else "warning"
        yield context.of(CODE, cell, cell.body_line + line - 1, what, why, fix, severity=severity)


def _without_annotations(tree: ast.Module) -> ast.Module:
    """The same code without annotations of functions, which ``from __future__ import annotations`` never evaluates."""
    tree = copy.deepcopy(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    return tree


def never_defined(context: LintContext, step: Step, name: str) -> bool:
    """Whether the flow certainly fails because `step` reads a plain name that it does not have."""
    hidden = context.flow.has_star_import or context.flow.has_hidden_names
    return context.fails(step) and name in step.names.definite and not hidden


def undefined_reads(context: LintContext, step: Step) -> dict[str, int]:
    """Plain names of a step that have no source, with the body line of their first read."""
    names = step.names
    inherited = context.artifacts.possible.get(step.name, frozenset())
    given = {*names.globals_declared, "self"}
    node = context.graph.nodes.get(step.name)
    if node is not None and node.is_join:
        given.add(step.header.inputs)
    # A name that the body binds anywhere is local everywhere, even if shared code or Python has it too.
    local = {*names.assigned, *names.annotated} - set(names.globals_declared)
    shared = context.flow.shared_names
    captured = {name for name in step.captures if name not in step.body.names.reads}  # FN017 says more
    found = {
        name: line
        for name, line in names.reads.items()
        if (name in names.unbound if name in local else name not in shared and name not in PYTHON_BUILTINS)
        and name not in captured
        and (not (name in given or name in inherited) or (name in local and name in shared))
    }
    return {name: names.definite.get(name, names.unbound.get(name, line)) for name, line in found.items()}


def holders(context: LintContext, step: Step, name: str) -> list[Step]:
    """Earlier steps that bind `name` but keep it to themselves, the nearest last."""
    return [
        other
        for other in context.assigning.get(name, ())
        if name not in other.captures and context.graph.is_above(other.name, step.name)
    ]


def _too_early(context: LintContext, step: Step, name: str) -> tuple[str, str | Fix]:
    """Why and what to do for a name that is read where it cannot have a value yet."""
    hidden = "shared code" if name in context.flow.shared_names else "Python" if name in PYTHON_BUILTINS else ""
    if hidden:
        why = (
            f"A name that a step assigns anywhere is the step's own everywhere, so the `{name}` of {hidden} is hidden."
        )
        return why, "Give the step's own value another name."
    keepers = holders(context, step, name)
    if keepers:
        return keep(context, keepers[-1], name, step, spelled="it")
    return (
        "At that line it has no value, and no earlier step captures it.",
        f"Assign `{name}` above that line, or capture it in an earlier step (`-> {name}`).",
    )


def _import_of(name: str, beside: Cell) -> tuple[str, Fix]:
    """Why a name of Metaflow's is undefined, and the import that it lacks."""
    line = f"from {'flownb.cards' if name in CARD_NAMES else 'flownb'} import {name}"
    return "It is Metaflow's.", Fix(f"Write `{line}` in a %%shared cell.", (shared_cell(line, beside),))


def _advice(context: LintContext, step: Step, name: str) -> tuple[str, str | Fix]:
    """Why and what to do for one undefined name of a step."""
    if name in METAFLOW_NAMES | CARD_NAMES:
        return _import_of(name, step.cell)
    if name in ("display", "get_ipython"):
        line = f"from {'IPython.display' if name == 'display' else 'IPython'} import {name}"
        return (
            "IPython adds it to notebooks; flow.py does not have it.",
            Fix(
                f"Write `{line}` in a %%shared cell, or end the body with the value to show.",
                (shared_cell(line, step.cell),),
            ),
        )
    fix = f"Define `{name}` in a %%shared cell, or assign and capture it in an earlier step (`-> {name}`)."
    if name in step.names.self_writes:
        why = f"The step sets `self.{name}`, but artifacts are plain names only for the steps that come after it."
        return why, Fix(f"Read self.{name}.", name_edits(step.cell, name, f"self.{name}"))
    if step.name in context.artifacts.unknown:
        why = "Only artifacts that the source shows are plain names; one that other code sets is read by self."
        edits = name_edits(step.cell, name, f"self.{name}")
        return why, Fix(f"Read self.{name}, or define `{name}` in a %%shared cell.", edits)
    setters = [other.name for other in context.setting.get(name, ()) if other.name != step.name]
    for setter in reversed(setters):
        if context.graph.is_above(setter, step.name):
            above = context.graph.ancestors(step.name)
            lost = next((one for one in context.artifacts.joined if one in above and setter != one), setter)
            why = f"`{setter}` sets it, but the join `{lost}` did not carry it on."
            join = context.flow.step(lost)
            edit = merge_edit(join, name) if join is not None and lost in context.artifacts.joined else None
            sentence = f'Write `self.merge_artifacts(inputs, include=["{name}"])` in {lost}, or capture `{name}` there.'
            return why, Fix(sentence, (edit,) if edit is not None else ())
    if setters:
        return f"`{setters[0]}` sets it, but does not come before {step.name}.", fix
    if name in context.kernel_names:
        return f"`{name}` exists only in the notebook's namespace, which steps never see.", fix
    inherited = context.artifacts.possible.get(step.name, frozenset())
    earlier = {one for one, line in step.names.assigned.items() if line < step.names.reads.get(name, 0)}
    near = _near(name, inherited | context.flow.shared_names | earlier)
    why = "No shared cell, no earlier step and no Python builtin has that name."
    why += f" Did you mean `{near}`?" if near is not None else ""
    return why, _or_near(context, step.cell, name, near, fix)


def _near(name: str, own: frozenset[str]) -> str | None:
    """The closest of the flow's own names, else one of Metaflow's or Python's that is hardly different."""
    return closest(name, own) or closest(name, {*WORDS, *PYTHON_BUILTINS}, cutoff=0.8)


def _or_near(context: LintContext, cell: Cell, name: str, near: str | None, fix: str) -> str | Fix:
    """The fix that reads another name where one is nearly the same, else what else can be done."""
    if near is None:
        return fix
    edits: tuple[Edit | NewCell, ...] = name_edits(cell, name, near)
    if near in METAFLOW_NAMES and cell.kind != "flow" and near not in context.flow.shared_names:
        edits = (*edits, shared_cell(f"from flownb import {near}", cell)) if edits else ()
        return Fix(f"Write `{near}`, with `from flownb import {near}` in a %%shared cell.", edits)
    return Fix(f"Write `{near}`, or {fix[0].lower()}{fix[1:]}", edits)


def name_edits(cell: Cell, name: str, text: str) -> tuple[Edit, ...]:
    """Edits that write something else for each read of a plain name in a cell's body."""
    nodes = [
        node
        for node in (ast.walk(cell.parsed.tree) if cell.parsed.tree is not None else ())
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
    ]
    return replaced(cell, nodes, [text] * len(nodes))
