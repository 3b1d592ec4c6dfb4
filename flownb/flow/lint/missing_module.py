"""FN016: An import of something this Python lacks."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.cells.assignment import analyse_names
from flownb.cells.body import Decorator
from flownb.cells.cell import Cell
from flownb.flow.lint.diagnostic import Diagnostic, LintContext, Severity

CODE = "FN016"
# Decorators with which a step runs in another Python than the one that looks at it.
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


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report imports, not inside a try, of modules that cannot be found here.

    An error says that the flow fails in this Python; it may be exported to another one.
    """
    elsewhere = any(one.name.rpartition(".")[2] in BASES for one in _flow_decorators(context))
    if any("sys.path" in cell.source for cell in context.flow.shared):
        return  # where modules are is known when that ran
    header = [context.flow.header] if context.flow.header is not None else []
    for cell in [*header, *context.flow.shared, *(step.cell for step in context.steps)]:
        if "sys.path" in cell.source:
            continue
        step = context.flow.step(cell.name) if cell.kind == "step" else None
        names = step.names if step is not None else analyse_names(cell.parsed.tree)
        own = {one.name.rpartition(".")[2] for one in (step.body.decorators if step is not None else ())}
        packaged = step is not None and (elsewhere or bool(own & PACKAGING))
        for module, node in _imports(cell.parsed.tree):
            if module not in ("metaflow", "flownb") and not context.importable(module):
                sure = node in names.evaluated and (step is None or context.fails(step)) and not packaged
                yield _missing(cell, module, node.lineno, "error" if sure else "warning", packaged=packaged)


def _flow_decorators(context: LintContext) -> tuple[Decorator, ...]:
    """The decorators of the flow's class."""
    return context.flow.header.parsed.decorators if context.flow.header is not None else ()


def _missing(cell: Cell, module: str, line: int, severity: Severity, *, packaged: bool) -> Diagnostic:
    owners = {"step": f"Step {cell.name}", "flow": "The %%flow cell"}
    owner = owners.get(cell.kind, "Shared code")
    why, fix = (
        "This Python has no such module.",
        f"Install it (`%pip install {PACKAGES.get(module, module)}` in a scratch cell), or correct the name.",
    )
    if packaged:
        why = "This Python has no such module, and a run here does not set up the packages that its decorators ask for."
    step, line = cell.name if cell.kind == "step" else "", cell.body_line + line - 1
    return Diagnostic(CODE, f"{owner} imports `{module}`.", why, fix, cell, line, step, severity, here=True)


def _imports(node: ast.AST | None) -> Iterator[tuple[str, ast.Import | ast.ImportFrom]]:
    """Top-level names of imported modules, each with its statement.

    A try may mean that one is optional, TYPE_CHECKING that it is not run.
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
