"""FN016: An import of something this Python lacks."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.cells.cell import Cell
from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN016"
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
    """Report imports, not inside a try, of modules that cannot be found here."""
    if any("sys.path" in cell.source for cell in context.flow.shared):
        return  # where modules are is known when that ran
    header = [context.flow.header] if context.flow.header is not None else []
    for cell in [*header, *context.flow.shared, *(step.cell for step in context.steps)]:
        if "sys.path" in cell.source:
            continue
        for module, line in _imports(cell.parsed.tree):
            if module not in ("metaflow", "flownb") and not context.importable(module):
                yield _missing(cell, module, line)


def _missing(cell: Cell, module: str, line: int) -> Diagnostic:
    owners = {"step": f"Step {cell.name}", "flow": "The %%flow cell"}
    owner = owners.get(cell.kind, "Shared code")
    why, fix = (
        "This Python has no such module.",
        f"Install it (`%pip install {PACKAGES.get(module, module)}` in a scratch cell), or correct the name.",
    )
    step = cell.name if cell.kind == "step" else ""
    return Diagnostic(CODE, f"{owner} imports `{module}`.", why, fix, cell, cell.body_line + line - 1, step)


def _imports(node: ast.AST | None) -> Iterator[tuple[str, int]]:
    """Top-level names of imported modules; a try may mean that one is optional, TYPE_CHECKING that it is not run."""
    for child in ast.iter_child_nodes(node) if node is not None else ():
        if isinstance(child, ast.Try) or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            continue
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield alias.name.split(".")[0], child.lineno
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            yield child.module.split(".")[0], child.lineno
        else:
            yield from _imports(child)
