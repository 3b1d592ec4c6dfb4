"""Checks of names.

FN001 names that nothing defines, FN009 names that Metaflow or Python reserves, FN016 modules that this Python does not
have.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import replace

from flownb.cells.assignment import analyse_names
from flownb.cells.body import Decorator
from flownb.cells.cell import Cell
from flownb.cells.header import INPUTS
from flownb.errors import Message, closest
from flownb.flow.decorators import written_names
from flownb.flow.definition import PYTHON_BUILTINS, Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext, Severity
from flownb.flow.lint.edits import Edit, Fix, NewCell, replaced, shared_cell
from flownb.flow.lint.fixes import merge_edit, renamed_step, why_local
from flownb.flow.module import CARD_NAMES, METAFLOW_NAMES, decorator_names, future_features
from flownb.flow.names import LONGEST_NAME, RESERVED, step_name_problem
from flownb.metaflow_decorators import needs_numbers

__all__ = []


UNDEFINED_NAME = "FN001"
# Metaflow's names that are not decorators.
WORDS = frozenset({"Config", "IncludeFile", "JSONType", "Parameter", "config_expr", "current"})
NOWHERE = "No shared cell and no Python builtin has that name."


def check_undefined_name(context: LintContext) -> Iterator[Diagnostic]:
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
    """Undefined names that a step's body and decorators read."""
    joined = context.artifacts.joined.get(step.name, frozenset())
    for name, line in undefined_reads(context, step).items():
        if name in step.names.assigned or name in step.names.annotated:
            what = f"Step {step.name} reads `{name}` before it assigns it."
            if step.body.names.assigned.get(name, line) < line:
                what = f"Step {step.name} reads `{name}` after it deletes it."
            proven = context.fails(step) and name in step.names.definite
            yield context.at(UNDEFINED_NAME, step, line, Message(what, *_too_early(context, step, name)), proven=proven)
        elif name not in joined and name != INPUTS and holder(context, step, name) is None:  # FN002 or FN015 says more
            what = f"Step {step.name} reads `{name}`, which nothing defines."
            proven = never_defined(context, step, name)
            yield context.at(UNDEFINED_NAME, step, line, Message(what, *_advice(context, step, name)), proven=proven)
    # A decorator is part of the class body, where a Parameter is an object without a value.
    body = context.flow.class_names.keys() - (context.flow.parameters - context.flow.configs)
    known = context.flow.shared_names | PYTHON_BUILTINS | METAFLOW_NAMES | body
    for decorator in step.body.decorators:
        for name in sorted(decorator_names(decorator.text) - known):
            proven = not (context.flow.is_open or context.flow.has_hidden_names)
            what = f"A decorator of step {step.name} reads `{name}`, which nothing defines."
            why, fix = "Decorators see shared code and the flow's configs.", f"Define `{name}` in a %%shared cell."
            if name in context.flow.parameters:
                # A decorator that does not need a number may accept the object.
                proven = proven and needs_numbers(decorator.name)
                what = f"A decorator of step {step.name} reads the parameter `{name}`."
                why = "A parameter has no value before the steps run; a config has one."
                fix = f"Make `{name}` a Config of the %%flow cell instead of a Parameter."
            yield context.at(UNDEFINED_NAME, step, decorator.line, Message(what, why, fix), proven=proven)


def _in_cell(context: LintContext, cell: Cell, known: frozenset[str], place: str) -> Iterator[Diagnostic]:
    """Undefined names that code at module or class level reads."""
    tree = cell.parsed.tree
    if tree is None:
        return
    names = analyse_names(tree)
    reads = {name: line for name, line in names.reads.items() if name not in known and name not in names.assigned}
    if reads and "annotations" in future_features(context.flow):
        evaluated = analyse_names(_without_annotations(tree)).reads
        reads = {name: line for name, line in reads.items() if name in evaluated}
    for name, line in reads.items():
        fix: str
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
        # A function fails only when it is called.
        severity: Severity = "error" if name in names.definite and not context.flow.has_hidden_names else "warning"
        yield Diagnostic(UNDEFINED_NAME, Message(what, why, fix), cell, cell.body_line + line - 1, severity=severity)


def _without_annotations(tree: ast.Module) -> ast.Module:
    """The code without annotations of functions, which ``from __future__ import annotations`` keeps from evaluation."""
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
    """Plain names of a step that nothing gives a value, with the body line of their first read."""
    names = step.names
    inherited = context.artifacts.possible.get(step.name, frozenset())
    given = {*names.globals_declared, "self"}
    node = context.graph.nodes.get(step.name)
    if node is not None and node.is_join:
        given.add(step.header.inputs)
    # A name that the body binds anywhere is local everywhere, even if shared code or Python has it too.
    local = {*names.assigned, *names.annotated} - set(names.globals_declared)
    shared = context.flow.shared_names
    found = {
        name: line
        for name, line in names.reads.items()
        if (name in names.unbound if name in local else name not in shared and name not in PYTHON_BUILTINS)
        and (not (name in given or name in inherited) or (name in local and name in shared))
        and not (name in step.captures and name not in step.body.names.reads)  # FN017; last: the body is read again
    }
    return {name: names.definite.get(name, names.unbound.get(name, line)) for name, line in found.items()}


def holder(context: LintContext, step: Step, name: str) -> Step | None:
    """The nearest earlier step that binds `name` but does not capture it."""
    others = reversed(context.keeping.get(name, ()))
    return next((other for other in others if context.graph.is_above(other.name, step.name)), None)


def _too_early(context: LintContext, step: Step, name: str) -> tuple[str, str]:
    """Why a name cannot have a value yet where it is read, and what to do."""
    hidden = "shared code" if name in context.flow.shared_names else "Python" if name in PYTHON_BUILTINS else ""
    if hidden:
        why = f"The step assigns `{name}`, which makes it a local variable and hides the `{name}` of {hidden}."
        return why, "Give the step's own value another name."
    if (keeper := holder(context, step, name)) is not None:
        return why_local(context, keeper, name, step, spelled="it")
    return (
        "At that line it has no value, and no earlier step captures it.",
        f"Assign `{name}` above that line, or capture it in an earlier step (`-> {name}`).",
    )


def _import_of(name: str, beside: Cell) -> tuple[str, Fix]:
    """Why a name of Metaflow's is undefined, and the import that defines it."""
    line = f"from {'flownb.cards' if name in CARD_NAMES else 'flownb'} import {name}"
    return "It is a name of Metaflow's that nothing imports.", Fix(
        f"Write `{line}` in a %%shared cell.", (shared_cell(line, beside),)
    )


def _advice(context: LintContext, step: Step, name: str) -> tuple[str, str]:
    """Why a name of a step is undefined, and what to do."""
    if name in METAFLOW_NAMES | CARD_NAMES:
        return _import_of(name, step.cell)
    if name in ("display", "get_ipython"):
        line = f"from {'IPython.display' if name == 'display' else 'IPython'} import {name}"
        advice = f"Write `{line}` in a %%shared cell, or end the body with the value to show."
        return "IPython adds it to notebooks; flow.py does not have it.", Fix(advice, (shared_cell(line, step.cell),))
    fix = f"Define `{name}` in a %%shared cell, or assign and capture it in an earlier step (`-> {name}`)."
    if name in step.names.self_writes:
        why = f"The step sets `self.{name}`, but only later steps can read an artifact as a plain name."
        return why, Fix(f"Read self.{name}.", name_edits(step.cell, name, f"self.{name}"))
    if step.name in context.artifacts.unknown:
        why = "Only artifacts that the source shows can be read as plain names."
        edits = name_edits(step.cell, name, f"self.{name}")
        return why, Fix(f"Read self.{name}, or define `{name}` in a %%shared cell.", edits)
    setters = [other for other in context.setting.get(name, ()) if other != step.name]
    for setter in reversed(setters):
        if context.graph.is_above(setter, step.name):
            ancestry = context.graph.ancestry
            above = ancestry.above[step.name]
            joins = (one for one in context.artifacts.joined if setter != one and ancestry.bits[one] & above)
            lost = next(joins, setter)
            why = f"`{setter}` sets it, but the join `{lost}` does not pass it on."
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
    """The closest of the flow's own names, or a name of Metaflow's or Python's that is almost the same."""
    return closest(name, own) or closest(name, {*WORDS, *PYTHON_BUILTINS}, cutoff=0.8)


def _or_near(context: LintContext, cell: Cell, name: str, near: str | None, fix: str) -> str:
    """The fix that reads another name if one is nearly the same; `fix` if there is none."""
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


MISSING_MODULE = "FN016"
# Decorators with which a step runs in another Python than the one that checks it.
PACKAGING = frozenset({"batch", "conda", "kubernetes", "pypi", "slurm"})
BASES = frozenset({"conda_base", "pypi_base"})
# Modules whose package has another name.
PACKAGES = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def check_missing_module(context: LintContext) -> Iterator[Diagnostic]:
    """Report imports, not inside a try, of modules that cannot be found here.

    An error says that the flow fails in this Python; it may be exported to another one.
    """
    elsewhere = any(one.name.rpartition(".")[2] in BASES for one in _flow_decorators(context))
    if any("sys.path" in cell.source for cell in context.flow.shared):
        return  # that code decides where modules are found
    header = [context.flow.header] if context.flow.header is not None else []
    for cell in [*header, *context.flow.shared, *(step.cell for step in context.steps)]:
        if "sys.path" in cell.source or not cell.parsed.mentions("import"):
            continue
        step = context.flow.step(cell.name) if cell.kind == "step" else None
        names = step.names if step is not None else analyse_names(cell.parsed.tree)
        own = {one.name.rpartition(".")[2] for one in (step.body.decorators if step is not None else ())}
        packaged = step is not None and (elsewhere or bool(own & PACKAGING))
        for module, node in _imports(cell.parsed.tree):
            if module not in ("metaflow", "flownb") and not context.importable(module):
                proven = node in names.evaluated and (step is None or context.fails(step)) and not packaged
                yield _missing(cell, module, node.lineno, "error" if proven else "warning", packaged=packaged)


def _flow_decorators(context: LintContext) -> tuple[Decorator, ...]:
    """The decorators of the flow's class."""
    return context.flow.header.parsed.decorators if context.flow.header is not None else ()


def _missing(cell: Cell, module: str, line: int, severity: Severity, *, packaged: bool) -> Diagnostic:
    """The finding for one module; `packaged` says that decorators of the step ask for packages."""
    owners = {"step": f"Step {cell.name}", "flow": "The %%flow cell"}
    owner = owners.get(cell.kind, "Shared code")
    why = "This Python does not have that module."
    if packaged:
        why = (
            "This Python does not have that module, and a run here does not install what the step's decorators ask for."
        )
    fix = f"Install it (`%pip install {PACKAGES.get(module, module)}` in a scratch cell), or correct the name."
    step, line = cell.name if cell.kind == "step" else "", cell.body_line + line - 1
    return Diagnostic(
        MISSING_MODULE, Message(f"{owner} imports `{module}`.", why, fix), cell, line, step, severity, here=True
    )


def _imports(node: ast.AST | None) -> Iterator[tuple[str, ast.Import | ast.ImportFrom]]:
    """Top-level names of imported modules, each with its statement.

    An import in a ``try`` may be optional, and one below ``TYPE_CHECKING`` is not executed: both are left out.
    """
    for child in ast.iter_child_nodes(node) if node is not None else ():
        if isinstance(child, ast.Try) or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            continue
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield alias.name.split(".")[0], child
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            yield child.module.split(".")[0], child
        else:
            yield from _imports(child)


RESERVED_NAME = "FN009"
# Properties, which cannot be assigned; and attributes without which a flow does not start.
READ_ONLY = frozenset({"index", "input", "script_name"})
NEEDED = frozenset({"cmd", "foreach_stack", "next", "script_name"})


def check_reserved_name(context: LintContext) -> Iterator[Diagnostic]:
    """Report names that cannot be a step's, an artifact's or a shared function's."""
    for step in context.steps:
        yield from _step_name(context, step)
        yield from _artifacts(context, step)
        yield from _private_shared(context, step)
    yield from _class_names(context)


def _step_name(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """A step's own name."""
    if found := step_name_problem(step.name, context.flow.class_names):
        candidates = (found.better, f"{found.better}_step") if found.better else ()
        better = next((one for one in candidates if not context.is_taken(one)), "")
        fix = renamed_step(context, step, better) if better else "Choose another name."
        yield context.at(RESERVED_NAME, step, 0, replace(found.message, fix=fix))


def _artifacts(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Names that a step captures or assigns to self."""
    for name, line in written_names(step).items():
        why, fails = "", False
        written = f"self.{name}" in step.names.definite_writes or (name in step.captures and step.names.ends)
        if name in RESERVED:
            why = f"`self.{name}` is Metaflow's own."
            fails = name in READ_ONLY or (name == "next" and not context.is_last(step))
        elif name in context.graph.nodes or name in context.added_steps:
            # It is stored, but no later step can read it; it fails only if the step's own self.next names that step.
            why, fails = f"`self.{name}` is the step of that name.", name in context.next_of(step)
        elif context.flow.class_names.get(name) == "method":
            why = f"`self.{name}` is a method of the %%flow cell."
        elif name.startswith("__"):
            why = "Inside a class, Python changes names that begin with two underscores."
        elif name in ("self", step.header.inputs):
            why = f"The runtime sets `{name}` in the step."
        if why:
            fix = f"Give it another name, for example `{name.strip('_')}_value`."
            what = f"Step {step.name} sets the artifact `{name}`."
            yield context.at(
                RESERVED_NAME, step, line, Message(what, why, fix), proven=fails and written and context.fails(step)
            )


def _private_shared(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Shared names that Python changes inside the flow's class."""
    for name, line in step.names.reads.items():
        if name in context.flow.shared_names and name.startswith("__") and not name.endswith("__"):
            what = f"Step {step.name} reads `{name}` of the shared code."
            why = "Inside a class, Python changes names that begin with two underscores."
            proven = context.fails(step) and name in step.names.definite
            yield context.at(RESERVED_NAME, step, line, Message(what, why, f"Call it `{name[1:]}`."), proven=proven)


def _class_names(context: LintContext) -> Iterator[Diagnostic]:
    """Names in the class body of the flow."""
    header = context.flow.header
    if header is not None and len(header.name.encode()) > LONGEST_NAME:
        what = f"`{header.name[:20]}…` cannot be a flow's name."
        why = (
            f"It has {len(header.name)} characters, and it names a folder, whose name has at most {LONGEST_NAME} bytes."
        )
        yield Diagnostic(RESERVED_NAME, Message(what, why, "Choose a shorter name."), header)
    # The only step of a flow does not call self.next.
    alone = len(context.graph.nodes) == 1 and all(map(context.is_last, context.flow.all_steps))
    for name in context.flow.class_names if header is not None else ():
        why = ""
        severity: Severity = "error"
        if name in RESERVED:
            why = f"`self.{name}` is Metaflow's own."
            severity = "error" if name in NEEDED and not alone else "warning"
        elif name in context.added_steps:
            why = f"Every flow has a step `{name}`."
        if why and header is not None:
            what = f"The %%flow cell defines `{name}`."
            fix = f"Give it another name, for example `{name}_value`."
            yield Diagnostic(RESERVED_NAME, Message(what, why, fix), header, header.body_line, severity=severity)
