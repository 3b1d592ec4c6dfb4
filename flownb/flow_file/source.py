"""The text of a Python module: its tree, lines and comments, and the names under which it has Metaflow's.

Pieces are cut out of it as they are, only moved to the left.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property

from flownb.cells.assignment import analyse_names
from flownb.cells.body import unindentable_lines
from flownb.flow_file.header import read_header

__all__ = ["Function", "Source", "bound_names", "cleaned_docstring", "first_line", "read_at_import"]

Function = ast.FunctionDef | ast.AsyncFunctionDef
METAFLOW = ("metaflow", "flownb")
ENCODING = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")


class Source:
    """A module's tree, lines and tokens, and the names under which it has Metaflow's."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.tree = tree
        self.lines = text.split("\n")
        self.inside = unindentable_lines(text)
        self.tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        self.comments = {token.start[0]: token for token in self.tokens if token.type == tokenize.COMMENT}
        self.modules: set[str] = {"metaflow"}
        self.names: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self.modules.update(one.asname for one in node.names if one.asname and one.name in METAFLOW)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in METAFLOW:
                self.names.update({one.asname or one.name: one.name for one in node.names})
            elif isinstance(node, ast.ClassDef | Function):
                self.names.setdefault(node.name, "")

    @cached_property
    def opening(self) -> dict[int, str]:
        """The lines that mean something only at the very beginning of a file, by their numbers."""
        return {
            number: line
            for number, line in enumerate(self.lines[:2], 1)
            if (number == 1 and line.startswith("#!")) or ENCODING.match(line)
        }

    @cached_property
    def header(self) -> range:
        """The lines of the comment with which an export begins, which the next export writes again."""
        first = next((n for n, line in enumerate(self.lines, 1) if n not in self.opening), 1)
        if read_header("\n".join(self.lines)) is None:
            return range(0)
        return range(first, next(n for n, line in enumerate(self.lines, 1) if n > first and line[:1] != "#"))

    def is_metaflow(self, node: ast.expr, name: str) -> bool:
        """Whether an expression is a name of Metaflow's, however it was imported."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id) == name
        return isinstance(node, ast.Attribute) and node.attr == name and ast.unparse(node.value) in self.modules

    def is_step_mark(self, node: ast.expr) -> bool:
        """Whether a decorator is ``@step`` or ``@step(…)``."""
        return self.is_metaflow(node.func if isinstance(node, ast.Call) else node, "step")

    def is_step(self, node: ast.stmt) -> bool:
        """Whether a statement of a class body is a step."""
        return isinstance(node, Function) and any(map(self.is_step_mark, node.decorator_list))

    def cut(self, numbers: Iterable[int], indent: str = "") -> str:
        r"""Lines moved to the left by `indent`, without blank lines around them; empty, or ending in ``\n``."""
        cut = [(number, self._moved(number, indent)) for number in numbers]
        while cut and not cut[0][1].strip() and cut[0][0] not in self.inside:
            del cut[0]
        while cut and not cut[-1][1].strip() and cut[-1][0] not in self.inside:
            del cut[-1]
        return "".join(f"{line}\n" for _, line in cut)

    def _moved(self, number: int, indent: str) -> str:
        """A line without the indentation; a comment or a continued line may have less."""
        line = self.lines[number - 1]
        if number in self.inside or not indent:
            return line
        if not line.strip():
            return ""
        # A form feed sets Python's count of columns back to zero.
        blanks = line[: len(line) - len(line.lstrip(" \t\f"))]
        rest, blanks = line[len(blanks) :], blanks.rpartition("\f")[2]
        same = next((at for at, pair in enumerate(zip(blanks, indent, strict=False)) if pair[0] != pair[1]), None)
        return blanks[min(len(blanks), len(indent)) if same is None else same :] + rest

    def indent(self, node: ast.stmt) -> str:
        """The blanks before a statement that is the first one on its line."""
        line = self.lines[first_line(node) - 1]
        return line[: len(line) - len(line.lstrip(" \t\f"))].rpartition("\f")[2]

    def colon(self, node: ast.ClassDef | Function) -> tuple[int, int]:
        """Line and column right behind the colon that ends the line of a definition."""
        depth, start = 0, (node.lineno, len(self.lines[node.lineno - 1].encode()[: node.col_offset].decode()))
        for place in range(bisect_left(self.tokens, start, key=lambda token: token.start), len(self.tokens)):
            token = self.tokens[place]
            if token.type != tokenize.OP:
                continue
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.string, 0)
            if token.string == ":" and depth == 0:
                return token.end
        raise AssertionError(f"the definition of `{node.name}` has no colon")

    def comment_lines(self, first: int, last: int) -> str:
        """The comments in some lines that have code, too, each as a line."""
        return "".join(f"{self.comments[line].string}\n" for line in range(first, last + 1) if line in self.comments)

    def end(self, node: ast.stmt, indent: str) -> int:
        """The last line of a definition, comments included that are further right than it."""
        last = node.end_lineno or node.lineno
        for number in range(last + 1, len(self.lines) + 1):
            line = self.lines[number - 1]
            blanks = line[: len(line) - len(line.lstrip(" \t\f"))].rpartition("\f")[2]
            if line.strip() and not (number in self.comments and len(blanks) > len(indent)):
                break
            last = number if line.strip() else last
        return last


def first_line(node: ast.stmt) -> int:
    """The first line of a statement, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def read_at_import(nodes: Iterable[ast.AST]) -> set[str]:
    """Plain names that are read when statements are executed, and not only when a function of theirs is called."""
    found: set[str] = set()
    open_ones = list(nodes)
    while open_ones:
        node = open_ones.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        if isinstance(node, Function):
            open_ones += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif not isinstance(node, ast.Lambda):
            open_ones += ast.iter_child_nodes(node)
    return found


def bound_names(nodes: Iterable[ast.stmt]) -> set[str]:
    """Names that statements bind where they are executed."""
    return set(analyse_names(ast.Module(list(nodes), [])).assigned)


def cleaned_docstring(text: str) -> str:
    """A docstring without the indentation that its lines have, and without blanks at its end.

    `inspect.cleandoc` leaves a last line of blanks if it is the only one behind the first.
    """
    return inspect.cleandoc(text).rstrip()
