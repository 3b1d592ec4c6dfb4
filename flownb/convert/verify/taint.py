"""Which values and printed lines depend on the time or on chance, so that runs one after the other may agree by luck.

Two runs on one day agree about a value that is made from today's date. The text says which values that are: what reads
the clock taints the names it is assigned to, and what reads these names is tainted, too. Random numbers without a seed
taint only what they are assigned to: what is computed from many of them is judged by the runs.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from flownb.convert.effects import root_name
from flownb.convert.plain import PlainCell
from flownb.convert.proposal import Finding
from flownb.convert.trees import walk

__all__ = ["Taint", "find_taint"]

TIME = "it depends on the time, and all runs were close together"
RANDOM = "it depends on random numbers without a seed, although all runs agree"
SOURCES = {"time": TIME, "no-seed": RANDOM}
PRINTING = frozenset({"print", "pprint", "display"})


@dataclass
class Taint:
    """What may agree by luck.

    Attributes
    ----------
    after : dict of int to dict of str to str
        By cell: the names whose values after it depend on the time or on chance, with the reason.
    printed : dict of int to str
        By cell that prints such a value: the reason.
    """

    after: dict[int, Mapping[str, str]] = field(default_factory=dict)
    printed: dict[int, str] = field(default_factory=dict)


def find_taint(cells: Sequence[PlainCell], findings: Collection[Finding]) -> Taint:
    """Follow what reads the clock, or draws random numbers without a seed, through the cells.

    Parameters
    ----------
    cells : sequence of PlainCell
    findings : collection of Finding
        Those on the time and on random numbers say where.
    """
    sources = {
        (place.cell, place.line): SOURCES[one.code] for one in findings if one.code in SOURCES for place in one.places
    }
    found = Taint()
    if not sources:
        return found
    now: dict[str, str] = {}
    for cell in cells:
        for node in _simple(cell.tree.body if cell.tree is not None else ()):
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            reason = next((sources[cell.number, line] for line in lines if (cell.number, line) in sources), "")
            _follow(node, reason, now, found, cell.number)
        found.after[cell.number] = {**now}
    return found


def _simple(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a cell in order, with those inside of loops and conditions one by one."""
    for node in body:
        if isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try):
            if isinstance(node, ast.For):
                yield ast.copy_location(ast.Assign([node.target], node.iter, lineno=node.lineno), node.iter)
            yield from _simple(node.body)
            yield from _simple(getattr(node, "orelse", ()))
            for handler in getattr(node, "handlers", ()):
                yield from _simple(handler.body)
            yield from _simple(getattr(node, "finalbody", ()))
        else:
            yield node


def _follow(node: ast.stmt, reason: str, now: dict[str, str], found: Taint, cell: int) -> None:
    """What one statement does to the names that are tainted now."""
    read = [now[one.id] for one in walk(node) if _is_read(one) and one.id in now]
    reason = reason or next((one for one in read if one == TIME), "")
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        if reason == TIME:
            now[node.name] = reason
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            for one in walk(target):
                if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store) and not reason:
                    now.pop(one.id, None)
            if reason:
                now.update(dict.fromkeys(_names(target), reason))
    elif isinstance(node, ast.AugAssign) and reason:
        now.update(dict.fromkeys(_names(node.target), reason))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        if getattr(function, "id", "") in PRINTING:
            if reason or read:
                found.printed.setdefault(cell, reason or read[0])
        elif reason and isinstance(function, ast.Attribute) and (root := root_name(function)):
            now[root] = reason


def _is_read(node: ast.AST) -> TypeGuard[ast.Name]:
    """Whether a node is a name that is read."""
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _names(target: ast.expr) -> list[str]:
    """Names that an assignment binds, or whose objects it changes."""
    if isinstance(target, ast.Tuple | ast.List):
        return [name for one in target.elts for name in _names(one)]
    return [name] if (name := root_name(target)) else []
