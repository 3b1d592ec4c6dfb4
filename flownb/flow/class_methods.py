"""What the methods of the ``%%flow`` cell do to ``self``: a step that calls one does the same.

`class_methods` reads the class body; the analysis of a step's body takes what it gives.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from flownb.cells.assignment import analyse_names
from flownb.cells.cell import Cell
from flownb.cells.names import BodyNames
from flownb.flow.bases import BaseClass, base_classes, is_step_mark

__all__ = ["ClassMethods", "class_methods", "methods_of"]

# Decorators that leave a method's body as it is, and those that make reading the attribute a call of it.
HARMLESS = frozenset({"cache", "contextmanager", "lru_cache", "override", "wraps"})
PROPERTIES = frozenset({"cached_property", "property"})
WITHOUT_SELF = frozenset({"classmethod", "staticmethod"})


class ClassMethods(Mapping[str, BodyNames]):
    """What each method does to ``self``, calls of other methods included; each is read when it is first asked for.

    Parameters
    ----------
    definitions : mapping of str to ast.FunctionDef, ast.AsyncFunctionDef or ast.expr
        Methods by name; an expression is a class attribute that may be called.
    made_of : (Cell, tuple of Cell), optional
        The flow's cell and the shared cells, of which another process makes the same; syntax trees are large.
    """

    def __init__(
        self, definitions: Mapping[str, ast.stmt | ast.expr], *, made_of: tuple[Cell, tuple[Cell, ...]] | None = None
    ) -> None:
        self._definitions, self._made_of = definitions, made_of
        self._known: dict[str, BodyNames] = {}

    def __reduce__(self) -> Any:
        return (class_methods, self._made_of) if self._made_of is not None else super().__reduce__()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __getitem__(self, name: str) -> BodyNames:
        if name not in self._known:
            definition = self._definitions[name]
            self._known[name] = BodyNames()  # what a method that calls itself adds to what it does
            self._known[name] = self._read(definition)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._definitions)

    def __len__(self) -> int:
        return len(self._definitions)

    def _read(self, definition: ast.stmt | ast.expr) -> BodyNames:
        """Analyse one method's body."""
        if isinstance(definition, ast.Lambda):
            returned = ast.copy_location(ast.Expr(definition.body), definition.body)
            return self._analyse(definition.args, [returned])
        if not isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
            return BodyNames(self_escapes=True, is_value=True)  # if a function from elsewhere, it gets `self`
        names = {_decorator(one) for one in definition.decorator_list}
        if names & WITHOUT_SELF:
            return BodyNames()
        found = self._analyse(definition.args, definition.body)
        found.is_property = bool(names & PROPERTIES)
        found.self_escapes |= bool(names - HARMLESS - PROPERTIES - {"setter", "deleter", "getter"})
        return found

    def _analyse(self, arguments: ast.arguments, body: list[ast.stmt]) -> BodyNames:
        """Analyse a function's body, whatever it calls its first parameter."""
        first = next((one.arg for one in (*arguments.posonlyargs, *arguments.args)), "")
        if not first:
            return BodyNames(self_escapes=arguments.vararg is not None)
        tree = ast.Module(body, [])
        if first != "self":
            tree = _Renamed(first).visit(ast.parse(ast.unparse(tree)))
        return analyse_names(tree, methods=self)


class _Renamed(ast.NodeTransformer):
    """Calls one name ``self``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Rename a read or a write."""
        return ast.copy_location(ast.Name("self", node.ctx), node) if node.id == self.name else node


def methods_of(body: list[ast.stmt]) -> dict[str, ast.stmt | ast.expr]:
    """Methods of a class body by name, and class attributes that may be called."""
    found: dict[str, ast.stmt | ast.expr] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not any(map(is_step_mark, node.decorator_list)):
                found[node.name] = node
        elif isinstance(node, ast.Assign) and not isinstance(node.value, ast.Constant):
            found.update({one.id: node.value for one in node.targets if isinstance(one, ast.Name)})
        elif isinstance(node, ast.If | ast.With | ast.Try):
            found.update(methods_of([*node.body, *getattr(node, "orelse", [])]))
    return found


def class_methods(cell: Cell, shared: tuple[Cell, ...] = ()) -> ClassMethods:
    """The methods of a ``%%flow`` cell, and those of the flow's base classes that it does not replace.

    Parameters
    ----------
    cell : Cell
    shared : tuple of Cell
        The shared cells, which define or import the base classes.
    """
    bases = base_classes(cell.bases, shared)[0] if cell.bases else ()
    return _methods(cell, shared, bases)


@lru_cache(maxsize=256)
def _methods(cell: Cell, shared: tuple[Cell, ...], bases: tuple[BaseClass, ...]) -> ClassMethods:
    """The same, read again when a base class is another one."""
    found: dict[str, ast.stmt | ast.expr] = {}
    for base in reversed(bases):
        found.update(methods_of(base.node.body))
    tree = cell.parsed.tree
    definitions = {**found, **(methods_of(tree.body) if tree is not None else {})}
    return ClassMethods(definitions, made_of=(cell, shared))


def _decorator(node: ast.expr) -> str:
    """The last part of a decorator's name."""
    called = node.func if isinstance(node, ast.Call) else node
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "?")
