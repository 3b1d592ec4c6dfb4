"""Checks of the ``%%flow`` cell.

FN022 values of a config under a name that every config has, FN028 values that Metaflow cannot persist, FN029 base
classes that do not make a flow, FN031 a second ``%%flow`` cell.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from flownb.cells.cell import Cell
from flownb.errors import Message, closest
from flownb.flow.definition import CONFIG_ATTRIBUTES, PYTHON_BUILTINS, FlowDefinition
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.edits import Edit, Edits, Fix, line_replaced, removed, replaced, shared_cell

__all__ = []


BASE_CLASS = "FN029"


def check_base_class(context: LintContext) -> Iterator[Diagnostic]:
    """Report base classes without Metaflow's FlowSpec among them, unknown ones, and a `step` that is not Metaflow's."""
    flow, header = context.flow, context.flow.header
    if header is not None and header.bases:
        line = max(header.body_line - 1, 1)
        for base in header.bases:
            first = base.partition(".")[0]
            if first != "FlowSpec" and first not in flow.shared_names | PYTHON_BUILTINS and not flow.has_star_import:
                what = f"The flow {flow.name} derives from `{base}`, which nothing defines."
                why = "A base class is looked up in shared code."
                fix = f"Define or import `{first}` in a %%shared cell."
                if near := closest(base, (*flow.shared_names, "FlowSpec")):
                    bases = tuple(near if one == base else one for one in header.bases)
                    fix = _with_bases(header, bases, f", or {fix[0].lower()}{fix[1:]}")
                yield Diagnostic(BASE_CLASS, Message(what, why, fix), header, line)
                return
        if not flow.has_root:
            listed = ", ".join(header.bases)
            what = f"The flow {flow.name} derives from {listed}, and none of these is a flow."
            why = "Only subclasses of Metaflow's FlowSpec are flows."
            fix = _with_bases(header, (*header.bases, "FlowSpec"), ".")
            yield Diagnostic(BASE_CLASS, Message(what, why, fix), header, line)
    for name in sorted({"step", "FlowSpec"} & flow.redefined):
        cell = next((one for one in flow.shared if name in one.source), None)
        if cell is not None and not flow.has_star_import:
            what = f"Shared code defines `{name}`."
            why = f"In flow.py `{name}` is Metaflow's, and every flow needs it."
            yield Diagnostic(BASE_CLASS, Message(what, why, "Give yours another name."), cell, cell.body_line)


def _with_bases(header: Cell, bases: tuple[str, ...], rest: str) -> Fix:
    """The fix that gives the flow other base classes."""
    text, line = f"%%flow {header.name}({', '.join(bases)})", header.body_line - 1
    edits = (Edit(header, line, line, header.margin + text),) if not header.tags else ()
    return Fix(f"Write {text}{rest}", edits)


CLASS_VALUE = "FN028"
# Callables whose results cannot be pickled.
UNPICKLABLE = frozenset(
    {"io.open", "open", "socket.socket", "sqlite3.connect", "subprocess.Popen", "threading.local", "weakref.ref"}
    | {f"{module}.{name}" for module in ("threading", "multiprocessing") for name in ("Lock", "RLock", "Condition")}
    | {f"threading.{name}" for name in ("Barrier", "BoundedSemaphore", "Event", "Semaphore", "Thread")}
    | {f"concurrent.futures.{name}" for name in ("ProcessPoolExecutor", "ThreadPoolExecutor")}
)
UNPICKLABLE_WHY = (
    "Metaflow persists each value of the class before the first step runs, and this one cannot be pickled."
)


def check_class_value(context: LintContext) -> Iterator[Diagnostic]:
    """Report class-level values that are certainly not picklable, and imports inside a block of the class body."""
    header = context.flow.header
    tree = header.parsed.tree if header is not None else None
    if header is None or tree is None:
        return
    imported = _imported(context.flow)
    for node in tree.body:
        for name, value in _constants(node):
            kind = _unpicklable_kind(value, imported)
            if kind and not name.startswith("_"):
                what, line = f"The %%flow cell sets `{name}` to {kind}.", header.body_line + node.lineno - 1
                advice = (
                    f"Create it in a %%shared cell or in a step, or call it `_{name}`: such names are not persisted."
                )
                read = any(name in {**one.names.reads, **one.names.self_reads} for one in context.flow.all_steps)
                fix = Fix(advice, () if read else _renamed(header, tree, name))
                yield Diagnostic(CLASS_VALUE, Message(what, UNPICKLABLE_WHY, fix), header, line)
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for inner in _imports(node):
                what = "The %%flow cell imports inside a block."
                why = "Metaflow persists what the class binds, and a module cannot be persisted."
                line = header.body_line + inner.lineno - 1
                fix = Fix("Move the block to a %%shared cell.", _moved(header, node))
                # It is not known whether the block is executed, and whether it imports a module.
                yield Diagnostic(CLASS_VALUE, Message(what, why, fix), header, line, severity="warning")


def _renamed(header: Cell, tree: ast.Module, name: str) -> Edits:
    """Edits that begin a name of the class body with an underscore."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    return replaced(header, nodes, [f"_{name}"] * len(nodes))


def _moved(header: Cell, node: ast.stmt) -> Edits:
    """Edits that move a statement of the class body to a new shared cell."""
    edit = removed(header, node)
    if edit is None:
        return ()
    lines = header.body.split("\n")[node.lineno - 1 : node.end_lineno]
    return (edit, shared_cell("\n".join(lines), header))


def _constants(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """Plain names that a statement binds, with their value."""
    if isinstance(node, ast.Assign):
        yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        yield node.target.id, node.value


def _unpicklable_kind(value: ast.expr, imported: dict[str, str]) -> str:
    """What a value is, if it certainly cannot be pickled; empty if it may be."""
    if isinstance(value, ast.GeneratorExp):
        return "a generator"
    if isinstance(value, ast.Name) and imported.get(value.id) == f"module {value.id}":
        return f"the module `{value.id}`"
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name | ast.Attribute):
        spelled = ast.unparse(value.func)
        first, dot, rest = spelled.partition(".")
        full = imported.get(first, first).removeprefix("module ") + dot + rest
        return f"`{ast.unparse(value)}`" if full in UNPICKLABLE else ""
    return ""


def _imported(flow: FlowDefinition) -> dict[str, str]:
    """What shared code and the class body import under which name; a whole module as ``"module os"``."""
    found: dict[str, str] = {}
    trees: list[ast.AST] = [cell.parsed.tree for cell in flow.shared if cell.parsed.tree is not None]
    for node in (*(part for tree in trees for part in ast.walk(tree)), *flow.hoisted):
        if isinstance(node, ast.Import):
            found.update({one.asname or one.name: f"module {one.name}" for one in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({one.asname or one.name: f"{node.module}.{one.name}" for one in node.names})
    return found


def _imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports in a block, apart from those in functions and classes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _imports(child)


# A warning always: what is read instead may be what is wanted, as ``cfg.name`` is, the config's name.
CONFIG_ATTRIBUTE = "FN022"


def check_config_attribute(context: LintContext) -> Iterator[Diagnostic]:
    """Report ``cfg.name`` and the like in the ``%%flow`` cell and in decorators; steps read the config's values."""
    configs = context.flow.configs
    header = context.flow.header
    if header is None or not configs:
        return
    for node in _own_attributes(header.parsed.tree, configs):
        line = header.body_line + node.lineno - 1
        message = _config_message("The %%flow cell", node, header, line)
        yield Diagnostic(CONFIG_ATTRIBUTE, message, header, line, severity="warning")
    for step in context.steps:
        for decorator in step.body.decorators:
            try:
                tree = ast.parse(f"{decorator.text}\ndef _(): pass")
            except SyntaxError:
                continue
            for node in _own_attributes(tree, configs):
                line = decorator.line + node.lineno - 1
                reader = f"A decorator of step {step.name}"
                message = _config_message(reader, node, step.cell, step.cell.body_line + line - 1)
                yield context.at(CONFIG_ATTRIBUTE, step, line, message, proven=False)


def _own_attributes(tree: ast.Module | None, configs: frozenset[str]) -> Iterator[ast.Attribute]:
    """Where an attribute that every config has is read; a call ``cfg.get("a")`` is not counted."""
    nodes = list(ast.walk(tree)) if tree is not None else []
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in configs
            and node.attr in CONFIG_ATTRIBUTES
            and not (node.attr == "get" and id(node) in called)
        ):
            yield node


def _config_message(reader: str, node: ast.Attribute, cell: Cell, line: int) -> Message:
    """What is read, why that is not the config's value, and what to write instead."""
    why = f"Every config of Metaflow has an attribute `{node.attr}`, which is read instead of the config's value."
    text, right = ast.unparse(node), f'{ast.unparse(node.value)}["{node.attr}"]'
    edits = line_replaced(cell, line, rf"\b{re.escape(text)}\b", right)
    return Message(f"{reader} reads `{text}`.", why, Fix(f"Write {right}.", edits))


TWO_FLOW_CELLS = "FN031"


def check_two_flow_cells(context: LintContext) -> Iterator[Diagnostic]:
    """Report each %%flow cell below the first one: one class has one header, and one of the cells would be left out."""
    cells = [cell for cell in context.flow.marked if cell.kind == "flow" and cell.refusal is None]
    for first, cell in zip(cells[:1] * len(cells), cells[1:], strict=False):
        what = f"The notebook has two %%flow cells, {first.full_name} and {cell.full_name}."
        if first.full_name == cell.full_name:
            what = f"The notebook has two cells `%%flow {cell.full_name}`."
        why = f"A notebook is one flow, and one cell is its header; the first one is {first.title}."
        fix = "Move the lines of this cell to that one, and delete this cell."
        message = Message(what, why, Fix(fix, _merged(first, cell)))
        yield Diagnostic(TWO_FLOW_CELLS, message, cell, max(cell.body_line - 1, 1))


def _merged(first: Cell, second: Cell) -> Edits:
    """Edits that move the lines of a second header to the first, if both say the same of the flow and share no name."""
    bodies = (first.parsed, second.parsed)
    names = [{*body.names.assigned} for body in bodies]
    if first.full_name != second.full_name or names[0] & names[1] or any(body.tree is None for body in bodies):
        return ()
    if second.parsed.decorators:
        return ()
    end = first.source.count("\n") + 1
    text = "\n".join(first.margin + line if line else line for line in second.body.rstrip("\n").split("\n"))
    return (Edit(first, end + 1, end, text), Edit(second, 1, second.source.count("\n") + 1, None))
