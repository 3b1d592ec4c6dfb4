"""Code as a sequence of statements with the comments above them, so that some can be replaced and the others kept.

Two statements are the same if their syntax trees and comments are; layout does not count. A text that is rewritten
keeps each statement that is the same as it was written.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache

from flownb.flow_file.header import content_hash
from flownb.flow_file.source import Function, first_line

__all__ = ["Statement", "decorated", "join", "rewritten", "same_code", "same_tree", "split"]

same_key = lru_cache(maxsize=4096)(content_hash)


@dataclass(frozen=True)
class Statement:
    r"""A statement with what is above it; what is below the last statement of a text has an empty `text`.

    Attributes
    ----------
    leading : str
        Comments and blank lines above it; empty, or lines that each end in ``\n``.
    text : str
        Its lines, and those of other statements on the same lines.
    name : str
        What it defines: the name of a function or class, or of the one variable that it sets; else empty.
    is_import : bool
    """

    leading: str
    text: str
    name: str = ""
    is_import: bool = False

    @property
    def whole(self) -> str:
        """Its text with the comments above it."""
        return self.leading + self.text

    @property
    def is_text(self) -> bool:
        """Whether it is a text alone, as a docstring is."""
        nodes = _parsed(self.text).body if self.text.lstrip("rRuU \t")[:1] in "'\"(" else []
        node = nodes[0] if len(nodes) == 1 else None
        return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)

    @property
    def key(self) -> str:
        """What statements that are the same have in common."""
        return same_key(self.whole)


def same_code(one: str, other: str) -> bool:
    """Whether two texts have the same syntax tree and the same comments."""
    return one == other or same_key(one) == same_key(other)


def decorated(decorators: str) -> str:
    """Lines of decorators as code that can be compared."""
    return f"{decorators}def f(): pass"


def same_tree(one: str, other: str) -> bool:
    """Whether two texts have the same syntax tree, whatever their comments."""
    return same_code(one, other) or same_code(ast.unparse(_parsed(one)), ast.unparse(_parsed(other)))


def split(code: str, shown: str | None = None) -> list[Statement]:
    """The statements of some code.

    Parameters
    ----------
    code : str
        Valid Python.
    shown : str, optional
        The text to cut, with the same lines as `code`; it may have lines that are not Python.

    Raises
    ------
    SyntaxError, ValueError
        If `code` is not valid.
    """
    lines = (code if shown is None else shown).split("\n")
    python = code.split("\n")
    found: list[Statement] = []
    nodes: list[ast.stmt] = []
    begin = end = last = 0  # lines above the statement, and its own
    for node in _parsed(code).body:
        if nodes and first_line(node) <= end:
            nodes.append(node)
        else:
            if nodes:
                found.append(_statement(lines, nodes, last, begin, end))
                last = end
            nodes, begin = [node], first_line(node) - 1
        end = _end(python, node)
    if nodes:
        found.append(_statement(lines, nodes, last, begin, end))
    below = _text(lines[end:]).rstrip("\n")
    return [*found, Statement(below + "\n", "")] if below.strip() else found


def _parsed(code: str) -> ast.Module:
    """The tree of some code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(code)


def _statement(lines: Sequence[str], nodes: Sequence[ast.stmt], last: int, begin: int, end: int) -> Statement:
    """The statements on some lines as one."""
    name = _name(nodes[0]) if len(nodes) == 1 else ""
    is_import = all(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes)
    return Statement(_text(lines[last:begin]), _text(lines[begin:end]), name, is_import)


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _name(node: ast.stmt) -> str:
    """What a statement defines."""
    if isinstance(node, Function | ast.ClassDef):
        return node.name
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""


def _end(lines: Sequence[str], node: ast.stmt) -> int:
    """The last line of a statement, with comments below it that are further right."""
    last = node.end_lineno or node.lineno
    if not isinstance(node, Function | ast.ClassDef | ast.If | ast.For | ast.While | ast.With | ast.Try):
        return last
    for number in range(last + 1, len(lines) + 1):
        line = lines[number - 1]
        if line.strip():
            code = line.lstrip(" \t")
            if not code.startswith("#") or len(line) - len(code) <= node.col_offset:
                break
            last = number
    return last


def join(statements: Iterable[Statement]) -> str:
    """The text of some statements, without blank lines around it and without a line end."""
    return "".join(one.whole for one in statements).strip("\n")


def rewritten(
    old: Sequence[Statement],
    new: Sequence[Statement],
    shown: Sequence[Statement] | None = None,
    *,
    keeps: Callable[[Statement], bool] = lambda one: False,
) -> list[list[Statement]]:
    """Rewrite code so that it is the same as `new`, with the text of `old` for each statement that stays.

    Parameters
    ----------
    old, new : sequence of Statement
    shown : sequence of Statement, optional
        How `old` is written in the text that became `new`; as many as `old`.
    keeps : callable
        Whether a statement of `old` stays although `new` does not have it.

    Returns
    -------
    list of list of Statement
        For each statement of `old`, and at last for what follows them all, what comes in its place.
    """
    shown = old if shown is None or len(shown) != len(old) else shown
    found: list[list[Statement]] = [[] for _ in range(len(old) + 1)]
    matcher = SequenceMatcher(None, [one.key for one in shown], [one.key for one in new], autojunk=False)
    anything = False
    for kind, old_first, old_end, new_first, new_end in matcher.get_opcodes():
        if kind == "equal":
            for place, other in zip(range(old_first, old_end), range(new_first, new_end), strict=True):
                found[place].append(_apart(old[place], new[other]) if anything else old[place])
                anything = True
            continue
        for place in range(old_first, old_end):
            if keeps(old[place]):
                found[place].append(old[place])
                anything = True
        # Beside what they replace; else behind the statement before them.
        place = old_first if old_end > old_first else max(old_first - 1, 0) if old_first else 0
        added = [
            _without_documentation(one, shown[place:old_end], old[place:old_end]) for one in new[new_first:new_end]
        ]
        if old_end == old_first == 0:
            found[0] = [*added, *found[0]]
        else:
            found[place] += added
        anything = anything or bool(added)
    return found


def _apart(old: Statement, new: Statement) -> Statement:
    """A statement that was the first one, with the blank lines that it has below others."""
    if old.leading.startswith("\n") or not new.leading.startswith("\n"):
        return old
    blank = new.leading[: len(new.leading) - len(new.leading.lstrip("\n"))]
    return replace(old, leading=blank + old.leading)


def _without_documentation(new: Statement, shown: Sequence[Statement], old: Sequence[Statement]) -> Statement:
    """A new statement without the comments that the export adds above the one it replaces."""
    for one, other in zip(shown, old, strict=True):
        added = one.leading.removesuffix(other.leading.lstrip("\n")) if other.leading.strip() else one.leading
        if added.strip() and added.strip() != other.leading.strip() and added.strip("\n") in new.leading:
            return replace(new, leading=new.leading.replace(added.strip("\n") + "\n", "", 1))
    return new
