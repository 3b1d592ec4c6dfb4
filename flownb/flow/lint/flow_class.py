"""FN029: Base classes that do not make a flow, and names that a flow needs and shared code replaces."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from flownb.cells.cell import Cell
from flownb.errors import closest
from flownb.flow.definition import CONFIG_ATTRIBUTES, PYTHON_BUILTINS, FlowDefinition
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.edits import Edit, Fix, NewCell, line_replaced, removed, replaced, shared_cell

__all__ = []


BASE_CLASS = "FN029"


def _with_bases(header: Cell, bases: tuple[str, ...], rest: str) -> Fix:
    """The fix that gives the flow other base classes."""
    text, line = f"%%flow {header.name}({', '.join(bases)})", header.body_line - 1
    edits = (Edit(header, line, line, header.margin + text),) if not header.tags else ()
    return Fix(f"Write {text}{rest}", edits)


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
                said = f"Define or import `{first}` in a %%shared cell."
                fix: str | Fix = said
                if near := closest(base, (*flow.shared_names, "FlowSpec")):
                    bases = tuple(near if one == base else one for one in header.bases)
                    fix = _with_bases(header, bases, f", or {said[0].lower()}{said[1:]}")
                yield context.of(BASE_CLASS, header, line, what, why, fix)
                return
        if not flow.has_root:
            listed = ", ".join(header.bases)
            what = f"The flow {flow.name} derives from {listed}, and none of these is a flow."
            why = "Steps run only in a class below Metaflow's FlowSpec."
            yield context.of(BASE_CLASS, header, line, what, why, _with_bases(header, (*header.bases, "FlowSpec"), "."))
    for name in sorted({"step", "FlowSpec"} & flow.redefined):
        cell = next((one for one in flow.shared if name in one.source), None)
        if cell is not None and not flow.has_star_import:
            what = f"Shared code defines `{name}`."
            why = f"In flow.py `{name}` is Metaflow's, and every flow needs it."
            yield Diagnostic(BASE_CLASS, what, why, "Give your own another name.", cell, cell.body_line)


# MERGED-DOC flow.lint.class_value: FN028: A value of the flow's class that Metaflow cannot persist.


CLASS_VALUE = "FN028"
# What these make cannot be pickled.
UNPICKLABLE = frozenset(
    {"io.open", "open", "socket.socket", "sqlite3.connect", "subprocess.Popen", "threading.local", "weakref.ref"}
    | {f"{module}.{name}" for module in ("threading", "multiprocessing") for name in ("Lock", "RLock", "Condition")}
    | {f"threading.{name}" for name in ("Barrier", "BoundedSemaphore", "Event", "Semaphore", "Thread")}
    | {f"concurrent.futures.{name}" for name in ("ProcessPoolExecutor", "ThreadPoolExecutor")}
)
WHY = "Metaflow persists each value of the class before the first step runs, and this one cannot be pickled."


def check_class_value(context: LintContext) -> Iterator[Diagnostic]:
    """Report class-level values that are certainly not picklable, and imports inside a block of the class body."""
    header = context.flow.header
    tree = header.parsed.tree if header is not None else None
    if header is None or tree is None:
        return
    imported = _imported(context.flow)
    for node in tree.body:
        for name, value in _constants(node):
            kind = _kind(value, imported)
            if kind and not name.startswith("_"):
                what, line = f"The %%flow cell sets `{name}` to {kind}.", header.body_line + node.lineno - 1
                said = f"Make it in a %%shared cell or in a step, or call it `_{name}`: such names are not persisted."
                read = any(name in {**one.names.reads, **one.names.self_reads} for one in context.flow.all_steps)
                yield context.of(
                    CLASS_VALUE, header, line, what, WHY, Fix(said, () if read else _renamed(header, tree, name))
                )
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for inner in _imports(node):
                what = "The %%flow cell imports inside a block."
                why = "Metaflow persists what the class binds, and a module cannot be persisted."
                line, fix = (
                    header.body_line + inner.lineno - 1,
                    Fix("Move the block to a %%shared cell.", _moved(header, node)),
                )
                # Whether the block runs, and whether a module is what is imported, is not known.
                yield context.of(CLASS_VALUE, header, line, what, why, fix, severity="warning")


def _renamed(header: Cell, tree: ast.Module, name: str) -> tuple[Edit, ...]:
    """Edits that begin a name of the class body with an underscore."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    return replaced(header, nodes, [f"_{name}"] * len(nodes))


def _moved(header: Cell, node: ast.stmt) -> tuple[Edit | NewCell, ...]:
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


def _kind(value: ast.expr, imported: dict[str, str]) -> str:
    """What a value is, if it certainly cannot be pickled; else an empty text."""
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
    """What names of shared code and of the class body's imports stand for; a whole module as ``"module os"``."""
    found: dict[str, str] = {}
    trees: list[ast.AST] = [cell.parsed.tree for cell in flow.shared if cell.parsed.tree is not None]
    for node in (*(part for tree in trees for part in ast.walk(tree)), *flow.hoisted):
        if isinstance(node, ast.Import):
            found.update({one.asname or one.name: f"module {one.name}" for one in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({one.asname or one.name: f"{node.module}.{one.name}" for one in node.names})
    return found


def _imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports in a block, other than in functions and classes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _imports(child)


# MERGED-DOC flow.lint.config_attribute: FN022: A value of a config that is read by a name which Metaflow has
# itself. Never an error: what is read instead may do, as ``cfg.name`` does, which is the config's name.


CONFIG_ATTRIBUTE = "FN022"
CONFIG_ATTRIBUTE_WHY = "There it is Metaflow's own, as it is of every config, and not what the config holds."


def check_config_attribute(context: LintContext) -> Iterator[Diagnostic]:
    """Report ``cfg.name`` and the like in the ``%%flow`` cell and in decorators; in steps it is right."""
    configs = context.flow.configs
    header = context.flow.header
    if header is None or not configs:
        return
    for node in _wrong(header.parsed.tree, configs):
        line = header.body_line + node.lineno - 1
        said = _said("The %%flow cell", node, header, line)
        yield context.of(CONFIG_ATTRIBUTE, header, line, *said, severity="warning")
    for step in context.steps:
        for decorator in step.body.decorators:
            try:
                tree = ast.parse(f"{decorator.text}\ndef _(): pass")
            except SyntaxError:
                continue
            for node in _wrong(tree, configs):
                line = decorator.line + node.lineno - 1
                said = _said(f"A decorator of step {step.name}", node, step.cell, step.cell.body_line + line - 1)
                yield context.at(CONFIG_ATTRIBUTE, step, line, *said, proven=False)


def _wrong(tree: ast.Module | None, configs: frozenset[str]) -> Iterator[ast.Attribute]:
    """Where a config's own attribute is read; ``cfg.get("a")`` does what it says."""
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


def _said(place: str, node: ast.Attribute, cell: Cell, line: int) -> tuple[str, str, Fix]:
    """What, why and what to do."""
    text, right = ast.unparse(node), f'{ast.unparse(node.value)}["{node.attr}"]'
    edits = line_replaced(cell, line, rf"\b{re.escape(text)}\b", right)
    return f"{place} reads `{text}`.", CONFIG_ATTRIBUTE_WHY, Fix(f"Write {right}.", edits)


# MERGED-DOC flow.lint.two_flow_cells: FN031: A second cell that says what the flow is.


TWO_FLOW_CELLS = "FN031"


def check_two_flow_cells(context: LintContext) -> Iterator[Diagnostic]:
    """Report each %%flow cell below the first one: one class has one header, and one of the cells would be left out."""
    cells = [cell for cell in context.flow.marked if cell.kind == "flow" and cell.refusal is None]
    for first, cell in zip(cells[:1] * len(cells), cells[1:], strict=False):
        what = f"The notebook has two %%flow cells, {first.full_name} and {cell.full_name}."
        if first.full_name == cell.full_name:
            what = f"The notebook has two cells `%%flow {cell.full_name}`."
        why = f"A notebook is one flow, and one cell is its header; the other one is {first.title}."
        fix = "Move the lines of this cell to that one, and delete this cell."
        yield context.of(TWO_FLOW_CELLS, cell, max(cell.body_line - 1, 1), what, why, Fix(fix, _merged(first, cell)))


def _merged(first: Cell, second: Cell) -> tuple[Edit, ...]:
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
