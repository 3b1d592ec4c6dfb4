"""A step's method as flow.py has it: the source that the runtime executes, with its docstring and a formatter's layout.

The body stays as it is written. What flownb adds around it is broken into lines, and set apart from it, as ruff and
black would do. Neither that nor a docstring changes what the method does.
"""

from __future__ import annotations

import ast
import warnings

from flownb.cells.cell import Cell
from flownb.flow.method import MethodSource
from flownb.flow_file.documentation import Documentation, comment, docstring, plain_text
from flownb.flow_file.imports import LINE_LENGTH

__all__ = ["has_docstring", "written_method"]

DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
WIDTH = 8  # of a body


def written_method(method: MethodSource, cell: Cell | None, text: Documentation, *, hidden: bool) -> list[str]:
    """The lines of a method.

    Parameters
    ----------
    method : MethodSource
    cell : Cell or None
        None for a step that was added.
    text : Documentation
    hidden : bool
        Whether the text has to be a comment above the method, because code of the flow can see docstrings. It is also
        one if the body begins with a docstring of its own.
    """
    source = f"class Flow:\n{method.text}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source).body[0]
    function = tree.body[0] if isinstance(tree, ast.ClassDef) else tree
    assert isinstance(function, ast.FunctionDef)
    lines = source.rstrip("\n").split("\n")  # a statement's `lineno` is the number of lines up to its first
    start = next(place for place, line in enumerate(lines) if line.startswith(f"    def {method.name}(self"))
    _lay_out(lines, function, method, start + 1, is_written=cell is not None and cell.parsed.transition is not None)
    markdown = text.of(cell) if cell is not None else ""
    about = docstring(plain_text(markdown, LINE_LENGTH - WIDTH - 3), WIDTH)
    if about and (hidden or has_docstring(function)):
        return [*comment(plain_text(markdown, LINE_LENGTH - 6), 4), *lines[1:]]
    if about and not method.loads and isinstance(function.body[0], DEFINITIONS):
        about.append("")
    return [*lines[1 : start + 1], *about, *lines[start + 1 :]]


def _lay_out(
    lines: list[str], function: ast.FunctionDef, method: MethodSource, first: int, *, is_written: bool
) -> None:
    """Lay out the lines that flownb adds to a body, from the last one to the first.

    `first` is the number of lines above the body; `is_written` says that the transition is the body's own.
    """
    loads = len(method.loads)
    body, after = function.body[loads : loads + method.statements], function.body[loads + method.statements :]
    if after and not is_written:
        last = after[-1].lineno - 1
        lines[last:] = _broken(lines[last], after[-1])
    if body and after and isinstance(body[-1], DEFINITIONS | ast.Import | ast.ImportFrom):
        place = after[0].lineno - 1
        if after[0].lineno > (body[-1].end_lineno or 0) and lines[place - 1]:
            lines.insert(place, "")
    if loads and body and isinstance(body[0], DEFINITIONS):
        lines.insert(first + loads, "")
    for place in range(first + loads - 1, first - 1, -1):
        condition, found, load = lines[place].partition(": ")
        if found:  # `if hasattr(self, "x"): x = self.x`
            lines[place : place + 1] = [f"{condition}:", " " * (WIDTH + 4) + load]


def _broken(line: str, node: ast.stmt) -> list[str]:
    """A line with ``self.next(…)`` as lines that are not too long."""
    if len(line) <= LINE_LENGTH or not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return [line]
    call = node.value
    blanks, inner = " " * WIDTH, " " * (WIDTH + 4)
    arguments = line.strip().removeprefix("self.next(").removesuffix(")")
    if len(inner + arguments) <= LINE_LENGTH:
        return [f"{blanks}self.next(", inner + arguments, f"{blanks})"]
    encoded = line.encode()  # in which a node's columns count
    found = [f"{blanks}self.next("]
    nodes: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    for one in nodes:
        written = _slice(encoded, one)
        if isinstance(one, ast.Dict) and len(f"{inner}{written},") > LINE_LENGTH:
            cases = [
                f"{_slice(encoded, key)}: {ast.unparse(value)}"
                for key, value in zip(one.keys, one.values, strict=True)
                if key is not None
            ]
            found += [f"{inner}{{", *(f"{inner}    {case}," for case in cases), f"{inner}}},"]
        else:
            found.append(f"{inner}{written},")
    return [*found, f"{blanks})"]


def _slice(line: bytes, node: ast.expr | ast.keyword) -> str:
    """The text of a node of a single line; `ast.get_source_segment` reads all of the line for each node."""
    return line[node.col_offset : node.end_col_offset].decode()


def has_docstring(node: ast.AST | None) -> bool:
    """Whether the body of a module, class or function begins with a text."""
    first = next(iter(getattr(node, "body", ())), None)
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
