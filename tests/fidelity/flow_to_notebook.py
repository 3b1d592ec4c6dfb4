"""A flow.py of Metaflow's, cut mechanically into the cells of a notebook.

No statement is rewritten: module code becomes `%%shared` cells, the class body becomes the `%%flow` cell, and the body
of each step with its decorators becomes a `%%step` cell. Only the block that starts the flow is left out.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator
from itertools import groupby

__all__ = ["flow_name", "notebook_cells"]

Function = ast.FunctionDef | ast.AsyncFunctionDef


def notebook_cells(source: str) -> tuple[str, ...]:
    """Cut the text of a flow.py into cells.

    Parameters
    ----------
    source
        A module that ends in `if __name__ == "__main__": TheFlow()`.

    Returns
    -------
    tuple of str
        Complete sources of the cells with their magic lines, in the order of the file: module code, the flow, its own
        steps, module code that follows the class.
    """
    file = _File(source)
    flow, start_block = _flow_and_start(file.tree)
    before = [node for node in file.tree.body if node.lineno < flow.lineno]
    after = [node for node in file.tree.body if node.lineno > flow.lineno and node is not start_block]
    head = _first(flow) - 1
    imports = max((node.end_lineno or 0 for node in before if _is_leading(node, before)), default=0)
    cells = [
        file.cell("%%shared", range(1, imports + 1)),
        file.cell("%%shared", range(imports + 1, head + 1)),
        _flow_cell(file, flow),
        *(_step_cell(file, step) for step in _steps(flow)),
    ]
    if after:
        end = max([flow.end_lineno or 0, *(_last(file, step) for step in _steps(flow))])
        last = max(node.end_lineno or 0 for node in after)
        cut = set(_lines(start_block)) if start_block is not None else set()
        cells.append(file.cell("%%shared", [n for n in range(end + 1, last + 1) if n not in cut]))
    return tuple(cell for cell in cells if cell != "%%shared\n")


def flow_name(source: str) -> str:
    """Give the name of the class that a flow.py starts."""
    return _flow_and_start(ast.parse(source))[0].name


class _File:
    """A module's tree and lines, from which pieces are cut at less indentation."""

    def __init__(self, source: str) -> None:
        self.tree = ast.parse(source)
        self.lines = source.splitlines()
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
        self.tokens = tokens
        # The text of a string is its own: lines within are not indentation.
        self.inside = {line for token in _strings(tokens) for line in range(token[0] + 1, token[1] + 1)}

    def cell(self, magic: str, lines: Iterable[int], indent: int = 0) -> str:
        """Write a cell of these lines, each `indent` columns further left."""
        return f"{magic}\n{self.text(lines, indent)}"

    def text(self, lines: Iterable[int], indent: int = 0) -> str:
        """Give these lines, each `indent` columns further left, without blank ones around them."""
        cut = [self._dedented(number, indent) for number in lines]
        while cut and not cut[0].strip():
            del cut[0]
        while cut and not cut[-1].strip():
            del cut[-1]
        return "".join(f"{line}\n" for line in cut)

    def _dedented(self, number: int, indent: int) -> str:
        """Give a line without `indent` blanks before it; a comment may have fewer."""
        line = self.lines[number - 1]
        if number in self.inside:
            return line
        blanks = len(line) - len(line.lstrip(" "))
        return line[min(blanks, indent) :]

    def header_end(self, function: Function) -> tuple[int, int]:
        """Give line and column right behind the colon of a function's `def`."""
        depth = 0
        for token in self.tokens:
            if token.start < (function.lineno, function.col_offset):
                continue
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.string, 0)
            if token.type == tokenize.OP and token.string == ":" and depth == 0:
                return token.end
        raise AssertionError(f"`def {function.name}` has no colon")


def _strings(tokens: list[tokenize.TokenInfo]) -> Iterator[tuple[int, int]]:
    """Give first and last line of each string; an f-string is several tokens since Python 3.12."""
    start = getattr(tokenize, "FSTRING_START", None)
    end = getattr(tokenize, "FSTRING_END", None)
    open_ones = []
    for token in tokens:
        if token.type == tokenize.STRING:
            yield token.start[0], token.end[0]
        elif start is not None and token.type == start:
            open_ones.append(token.start[0])
        elif end is not None and token.type == end:
            yield open_ones.pop(), token.end[0]


def _flow_and_start(tree: ast.Module) -> tuple[ast.ClassDef, ast.If | None]:
    """Give the class that the module's last block starts, and that block."""
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in reversed(tree.body):
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            called = [one.func.id for one in ast.walk(node) if isinstance(one, ast.Call) and hasattr(one.func, "id")]
            return next(classes[name] for name in called if name in classes), node
    raise AssertionError("The flow is not started in a block `if __name__ == '__main__':`.")


def _is_leading(node: ast.stmt, before: list[ast.stmt]) -> bool:
    """Whether a statement belongs to the imports that a module begins with."""
    kinds = (ast.Import, ast.ImportFrom)
    for is_import, nodes in groupby(before, lambda one: isinstance(one, kinds) or _is_docstring(one)):
        return is_import and node in list(nodes)
    return False


def _is_docstring(node: ast.stmt) -> bool:
    """Whether a statement is a text alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _steps(flow: ast.ClassDef) -> list[Function]:
    """Give the methods of a class that are steps."""
    return [
        node
        for node in flow.body
        if isinstance(node, Function) and any(_is_step(decorator) for decorator in node.decorator_list)
    ]


def _is_step(decorator: ast.expr) -> bool:
    """Whether a decorator is `@step`, `@step(...)` or one of a module, such as `@mf.step`."""
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(name).rpartition(".")[2] == "step"


def _first(node: ast.ClassDef | Function) -> int:
    """Give the first line of a definition, decorators included."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _lines(node: ast.stmt) -> range:
    """Give the lines of a statement."""
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _flow_cell(file: _File, flow: ast.ClassDef) -> str:
    """Write the `%%flow` cell: the class's decorators, then its body without steps."""
    bases = [ast.unparse(base) for base in flow.bases]
    parents = "" if bases in (["FlowSpec"],) else f"({', '.join(bases)})"
    steps = {line for step in _steps(flow) for line in range(_first(step), _last(file, step) + 1)}
    own = (number for number in range(flow.body[0].lineno, (flow.end_lineno or 0) + 1) if number not in steps)
    if isinstance(flow.body[0], Function | ast.ClassDef):
        own = (n for n in range(_first(flow.body[0]), (flow.end_lineno or 0) + 1) if n not in steps)
    decorators = file.text(range(_first(flow), flow.lineno))
    body = file.text(own, flow.body[0].col_offset)
    return f"%%flow {flow.name}{parents}\n{decorators}{body}"


def _step_cell(file: _File, step: Function) -> str:
    """Write a `%%step` cell: decorators but the bare `@step`, then the body as it is."""
    parameters = [argument.arg for argument in step.args.args[1:]]
    join = "" if not parameters else " --join" if parameters == ["inputs"] else f" --join {parameters[0]}"
    decorators = "".join(
        file.text(_decorator_lines(decorator), step.col_offset)
        for decorator in step.decorator_list
        if not (_is_step(decorator) and not isinstance(decorator, ast.Call))
    )
    row, column = file.header_end(step)
    rest = file.lines[row - 1][column:].strip()
    if rest and not rest.startswith("#"):
        body = f"{rest}\n"
    else:
        body = file.text(range(row + 1, _last(file, step) + 1), step.body[0].col_offset)
    return f"%%step {step.name}{join}\n{decorators}{body}"


def _decorator_lines(decorator: ast.expr) -> range:
    """Give the lines of a decorator."""
    return range(decorator.lineno, (decorator.end_lineno or decorator.lineno) + 1)


def _last(file: _File, step: Function) -> int:
    """Give the last line of a step, comments at the body's indentation included."""
    last = step.end_lineno or step.lineno
    for number in range(last + 1, len(file.lines) + 1):
        line = file.lines[number - 1]
        if line.strip() and not (line.lstrip().startswith("#") and len(line) - len(line.lstrip()) > step.col_offset):
            break
        last = number if line.strip() else last
    return last
