"""FN028: A value of the flow's class that Metaflow cannot persist."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.cells.cell import Cell
from flownb.flow.definition import FlowDefinition
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Edit, Fix, NewCell, removed, replaced, shared_cell

CODE = "FN028"
# What these make cannot be pickled.
UNPICKLABLE = frozenset(
    {"io.open", "open", "socket.socket", "sqlite3.connect", "subprocess.Popen", "threading.local", "weakref.ref"}
    | {f"{module}.{name}" for module in ("threading", "multiprocessing") for name in ("Lock", "RLock", "Condition")}
    | {f"threading.{name}" for name in ("Barrier", "BoundedSemaphore", "Event", "Semaphore", "Thread")}
    | {f"concurrent.futures.{name}" for name in ("ProcessPoolExecutor", "ThreadPoolExecutor")}
)
WHY = "Metaflow persists each value of the class before the first step runs, and this one cannot be pickled."


def check(context: LintContext) -> Iterator[Diagnostic]:
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
                yield context.of(CODE, header, line, what, WHY, Fix(said, () if read else _renamed(header, tree, name)))
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for inner in _imports(node):
                what = "The %%flow cell imports inside a block."
                why = "Metaflow persists what the class binds, and a module cannot be persisted."
                line, fix = (
                    header.body_line + inner.lineno - 1,
                    Fix("Move the block to a %%shared cell.", _moved(header, node)),
                )
                # Whether the block runs, and whether a module is what is imported, is not known.
                yield context.of(CODE, header, line, what, why, fix, severity="warning")


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
