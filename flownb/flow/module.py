"""The source of the module around the methods: imports, shared code, the class line and body.

The runtime executes these texts and the exporter writes them; each line knows the line of the cell that it comes from.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Sequence

from flownb.cells.assignment import analyse_names
from flownb.cells.body import StepBody
from flownb.cells.cell import Cell
from flownb.cells.digest import code_digest
from flownb.flow.base_classes import ROOT
from flownb.flow.definition import PARAMETER_CLASSES, FlowDefinition
from flownb.flow.method import SourceLine, indent_code, to_metaflow_imports
from flownb.metaflow_decorators import FLOW_DECORATORS, STEP_DECORATORS

__all__ = [
    "CARD_NAMES",
    "METAFLOW_NAMES",
    "class_source",
    "decorator_names",
    "exported_shared",
    "future_features",
    "hoisted_source",
    "metaflow_imports",
    "metaflow_name",
    "module_docstring",
    "requirements",
    "shared_hash",
    "shared_source",
    "shared_text",
    "shared_tree_hash",
]

# Names that decorator lines and `%%flow` cells may use without an import.
METAFLOW_NAMES = frozenset(
    {"FlowSpec", "JSONType", "config_expr", "current", "step"} | PARAMETER_CLASSES | STEP_DECORATORS | FLOW_DECORATORS
)
# The components of `flownb.cards`.
CARD_NAMES = frozenset({"Image", "Markdown", "Table"})
INSTALL = re.compile(
    r"^(?:%|!{1,2})\s*(?:(?:\{sys\.executable\}|python[\d.]*) -m )?(?:uv )?pip[\d.]* install\s+(?P<what>.+)$"
)
# Options of `pip install` that take the next word as their value.
VALUED = frozenset(
    {
        "-c",
        "-e",
        "-f",
        "-i",
        "-r",
        "-t",
        "--constraint",
        "--extra-index-url",
        "--find-links",
        "--index-url",
        "--requirement",
        "--target",
    }
)


def metaflow_imports(flow: FlowDefinition) -> tuple[str, ...]:
    """Names that ``flow.py`` imports from metaflow for decorators and the class body, classes first as isort has it."""
    used = {*(flow.header.bases if flow.header and flow.header.bases else ["FlowSpec"])}
    bodies: list[StepBody] = [step.body for step in flow.steps]
    marks = [body.mark.name.partition(".")[0] if body.mark is not None else "" for body in bodies]
    if not marks or any(mark not in flow.shared_names for mark in marks):
        used.add("step")
    if flow.header is not None:
        bodies.append(flow.header.parsed)
        used.update(analyse_names(flow.header.parsed.tree).reads)
    for body in bodies:
        for decorator in body.decorators:
            used.update(decorator_names(decorator.text))
    return tuple(sorted((used & METAFLOW_NAMES) - flow.shared_names, key=lambda name: (not name[0].isupper(), name)))


def metaflow_name(flow: FlowDefinition, written: str) -> str | None:
    """The name that a decorator has in Metaflow; None if the decorator comes from elsewhere.

    Parameters
    ----------
    flow : FlowDefinition
        Its shared cells may import the decorator under another name.
    written : str
        As after ``@``: ``schedule``, ``metaflow.schedule``, ``mf.schedule``.
    """
    module, _, name = written.rpartition(".")
    for cell in flow.shared:
        for node in ast.walk(cell.parsed.tree) if cell.parsed.tree is not None else ():
            if isinstance(node, ast.ImportFrom) and not module and not node.level:
                alias = next((one for one in node.names if (one.asname or one.name) == written), None)
                if alias is not None:
                    return alias.name if str(node.module).partition(".")[0] in ("metaflow", "flownb") else None
            if isinstance(node, ast.Import) and any((one.asname or one.name) == module for one in node.names):
                alias = next(one for one in node.names if (one.asname or one.name) == module)
                return name if alias.name in ("metaflow", "flownb") else None
    if module or written in flow.shared_names:
        return name if module in ("metaflow", "flownb") else None
    return written if written in METAFLOW_NAMES else None


def decorator_names(text: str) -> frozenset[str]:
    """Plain names that a decorator line reads."""
    try:
        tree = ast.parse(f"{text}\ndef _(): pass")
    except SyntaxError:
        return frozenset()
    return frozenset(analyse_names(tree).reads)


def shared_source(cell: Cell) -> list[SourceLine]:
    """The module-level source of a ``%%shared`` cell, one line for each line of its body."""
    return indent_code(to_metaflow_imports(cell.parsed.code), 0, first_line=cell.body_line)


def exported_shared(cell: Cell, *, without_docstring: bool = False) -> str:
    """The source of a ``%%shared`` cell without its ``from __future__`` statements, which come first in the file.

    The text that the first cell begins with may be left out, too, as the module's docstring comes before these.
    """
    code = "\n".join(line.text for line in shared_source(cell))
    first = [
        node
        for place, node in enumerate(cell.parsed.tree.body if cell.parsed.tree else [])
        if (isinstance(node, ast.ImportFrom) and node.module == "__future__")
        or (without_docstring and place == 0 and _is_text(node))
    ]
    return _without(code, first, blank=False).strip("\n")


def module_docstring(flow: FlowDefinition) -> str:
    """The source of the text that the first ``%%shared`` cell begins with; empty if there is none."""
    for cell in flow.shared[:1]:
        if cell.parsed.tree is not None and cell.parsed.tree.body and _is_text(cell.parsed.tree.body[0]):
            return ast.get_source_segment(cell.parsed.code, cell.parsed.tree.body[0]) or ""
    return ""


def _is_text(node: ast.stmt) -> bool:
    """Whether a statement is a text alone, as a docstring is."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _without(code: str, statements: Sequence[ast.stmt], *, blank: bool) -> str:
    """Code without some of its top-level statements; with `blank`, empty lines replace them."""
    lines = code.encode().split(b"\n")
    for node in reversed(statements):
        first, last = lines[node.lineno - 1], lines[(node.end_lineno or node.lineno) - 1]
        rest = re.sub(rb"^\s*;\s*|^\s+", b"", last[node.end_col_offset :])
        before = first[: node.col_offset]
        if not rest or rest.startswith(b"#"):  # in `x = 1; import os` the semicolon is removed, too
            before = re.sub(rb"\s*;\s*$", b"  " if rest else b"", before)
        kept = before + rest
        empty = [b""] * ((node.end_lineno or node.lineno) - node.lineno)
        lines[node.lineno - 1 : node.end_lineno] = [kept, *empty] if blank else [kept] if kept.strip() else []
    return b"\n".join(lines).decode()


def hoisted_source(flow: FlowDefinition) -> list[SourceLine]:
    """The imports of the ``%%flow`` cell, which are written at module level, above the class."""
    if flow.header is None:
        return []
    above = flow.header.body_line - 1
    return [
        SourceLine(to_metaflow_imports(ast.unparse(node)), node.lineno + above, 0)
        for node in flow.hoisted
        if not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
    ]


def class_source(flow: FlowDefinition) -> list[SourceLine]:
    """Flow decorators, the class line and the body of the ``%%flow`` cell, without the steps."""
    bases = ", ".join(flow.header.bases) if flow.header is not None else ""
    line = f"class {flow.name}({bases or ROOT}):"
    if flow.header is None:
        return [SourceLine(line, 1, 0)]
    cell, body = flow.header, flow.header.parsed
    lines: list[SourceLine] = []
    for decorator in body.decorators:
        lines += indent_code(decorator.text, 0, first_line=decorator.line + cell.body_line - 1)
    lines.append(SourceLine(line, max(cell.body_line - 1, 1), 0))
    code = to_metaflow_imports(_without(body.code, flow.hoisted, blank=True))
    content = indent_code(code, 4, first_line=cell.body_line)
    while content and not content[0].text:
        content.pop(0)
    while content and not content[-1].text:
        content.pop()
    return lines + content


def future_features(flow: FlowDefinition) -> tuple[str, ...]:
    """Names imported from ``__future__`` by shared cells; they hold for the whole module."""
    found: dict[str, None] = {}
    for cell in flow.shared:
        for node in cell.parsed.tree.body if cell.parsed.tree else []:
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                found.update(dict.fromkeys(alias.name for alias in node.names))
    return tuple(found)


def requirements(cells: tuple[Cell, ...]) -> tuple[str, ...]:
    """The packages that ``%pip install`` and ``!pip install`` lines of scratch and shared cells name."""
    found: dict[str, None] = {}
    for cell in cells:
        if cell.kind in ("scratch", "shared"):
            for line in cell.source.split("\n"):
                match = INSTALL.match(line.strip())
                found.update(dict.fromkeys(_packages(match["what"]) if match else ()))
    return tuple(found)


def _packages(arguments: str) -> list[str]:
    """The packages among the arguments of ``pip install``."""
    found: list[str] = []
    before = ""
    for word in re.split(r"[;|#]|&&", arguments)[0].split():
        if not word.startswith("-") and before not in VALUED:
            found.append(word.strip("'\""))
        before = word
    return found


def shared_hash(flow: FlowDefinition) -> str:
    """Content hash of everything at module and class level that a step's result may depend on."""
    return hashlib.blake2b(shared_text(flow).encode(), digest_size=16).hexdigest()


def shared_text(flow: FlowDefinition) -> str:
    """The module around the steps' methods."""
    lines = [line.text for cell in flow.shared for line in shared_source(cell)]
    lines += [line.text for line in (*hoisted_source(flow), *class_source(flow))]
    return "\n".join(lines)


def shared_tree_hash(flow: FlowDefinition) -> str:
    """Hash of the same as code, which comments and line breaks do not change."""
    return code_digest(f"{shared_text(flow)}\n    pass\n")
