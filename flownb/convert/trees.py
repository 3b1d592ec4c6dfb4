"""Walk syntax trees, which a conversion does so often that the standard library's way takes a fourth of its time."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from flownb.cells.names import ScopeNode

__all__ = ["definitions", "walk"]

# Fields whose values are never nodes, or only say whether a name is read or bound.
NO_NODES = frozenset({"arg", "attr", "conversion", "ctx", "id", "is_async", "kind", "level", "simple", "type_comment"})
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {ast.Constant: ()}


def walk(root: ast.AST) -> Iterable[ast.AST]:
    """A node and all nodes below it, in the order of `ast.walk`, without the contexts of names.

    Examples
    --------
    >>> [type(node).__name__ for node in walk(ast.parse("a = b + 1").body[0])]
    ['Assign', 'Name', 'BinOp', 'Name', 'Add', 'Constant']
    """
    found = [root]
    for node in found:  # it grows
        kind = type(node)
        fields = _FIELDS.get(kind)
        if fields is None:
            fields = _FIELDS[kind] = tuple(name for name in kind._fields if name not in NO_NODES)
        for name in fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                found += [one for one in value if isinstance(one, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    return found


def definitions(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ScopeNode]]:
    """Functions and classes that statements define in their own scope, and the names that are bound to a lambda."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value
        else:
            for part in ("body", "orelse", "finalbody"):
                yield from definitions(getattr(node, part, ()))
            for handler in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
                yield from definitions(handler.body)
