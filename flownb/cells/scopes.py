"""Nested scopes: what a function, lambda, class or comprehension takes from around it.

Takes the syntax node of a nested scope; gives a `Scope` with its free names, its bindings and what it does to
``self``. Python's own rules decide: a class body hides its names from itself, never from its methods; ``:=`` in a
comprehension binds outside of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.cells.hints import OPEN_ENDED, hands_out_self

__all__ = [
    "Comprehension",
    "Scope",
    "ScopeNode",
    "evaluated_outside",
    "import_names",
    "is_self_attribute",
]

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
ScopeNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef | Comprehension


def is_self_attribute(node: ast.AST) -> bool:
    """Whether an expression is ``self.name``."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def import_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Names an import statement binds; a star import binds none that can be known."""
    if isinstance(node, ast.Import):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    return [alias.asname or alias.name for alias in node.names if alias.name != "*"]


def _all_arguments(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Iterator[ast.arg]:
    """Every parameter of a function, in no particular order."""
    arguments = node.args
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    yield from (one for one in (arguments.vararg, arguments.kwarg) if one is not None)


def _type_parameters(node: ast.AST) -> frozenset[str]:
    """Names of ``def f[T]`` and ``class A[T]`` (Python 3.12), which annotations and bases see."""
    return frozenset(parameter.name for parameter in getattr(node, "type_params", ()))


def evaluated_outside(node: ast.AST) -> Iterator[ast.AST]:
    """Parts of a nested scope that run in the enclosing one: decorators, defaults, bases, annotations."""
    generic = _type_parameters(node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield from node.decorator_list
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        notes = [one.annotation for one in _all_arguments(node)] + [node.returns]
        yield from (note for note in notes if note is not None and not _mentions(note, generic))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        yield from node.args.defaults
        yield from (default for default in node.args.kw_defaults if default is not None)
    if isinstance(node, ast.ClassDef):
        yield from (base for base in (*node.bases, *node.keywords) if not _mentions(base, generic))
    if isinstance(node, Comprehension):
        yield node.generators[0].iter


def _mentions(node: ast.AST, names: frozenset[str]) -> bool:
    """Whether an expression reads one of `names`."""
    return bool(names) and any(isinstance(child, ast.Name) and child.id in names for child in ast.walk(node))


class Scope:
    """One nested scope.

    Attributes
    ----------
    bound : set of str
        Names bound in the scope itself.
    free : dict of str to int
        Names taken from outside, with the first line; attributes as ``"self.x"``.
    writes : dict of str to int
        Names and attributes (``"self.x"``) written, here or deeper.
    nonlocals, declared : dict of str to int
        Names in ``nonlocal`` and ``global`` statements, here or deeper.
    walrus : set of str
        For comprehensions: names that ``:=`` binds outside.
    escapes : bool
        Whether ``self`` is used other than as ``self.name``.
    merges : bool
        Whether ``self.merge_artifacts`` is called.
    """

    def __init__(self, node: ast.AST) -> None:
        self.bound: set[str] = set()
        self.nonlocals: dict[str, int] = {}
        self.declared: dict[str, int] = {}
        self.writes: dict[str, int] = {}
        self.walrus: set[str] = set()
        self.escapes = False
        self.merges = False
        self._own: dict[str, int] = {}
        self._deeper: dict[str, int] = {}
        self._outer: set[str] = set()
        for child in self._own_children(node):
            self._visit(child)
        if isinstance(node, Comprehension):
            self.bound -= self.walrus
        hidden = self.bound - self._outer
        below = set() if isinstance(node, ast.ClassDef) else hidden
        self.free = {name: line for name, line in self._own.items() if name.split(".")[0] not in hidden}
        for name, line in self._deeper.items():
            if name.split(".")[0] not in below:
                self.free.setdefault(name, line)

    def _own_children(self, node: ast.AST) -> Iterator[ast.AST]:
        """The parts of `node` that are evaluated inside its own scope."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            self.bound.update(argument.arg for argument in _all_arguments(node))
            yield from [node.body] if isinstance(node, ast.Lambda) else node.body
        elif isinstance(node, ast.ClassDef):
            yield from node.body
        elif isinstance(node, Comprehension):
            # The first iterable belongs to the enclosing scope.
            for number, generator in enumerate(node.generators):
                yield from (generator.target, *generator.ifs)
                if number:
                    yield generator.iter
            yield from (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        self.bound.update(_type_parameters(node))

    def _visit(self, node: ast.AST) -> None:
        """Note what one node and all below it do, as far as they belong to this scope."""
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                self._own.setdefault(node.id, node.lineno)
                self.escapes |= node.id == "self"
            else:
                self.bound.add(node.id)
                self.writes.setdefault(node.id, node.lineno)
        elif isinstance(node, ast.Call):
            open_ended, read = hands_out_self(node)
            self.escapes |= open_ended and isinstance(node.func, ast.Name) and node.func.id in OPEN_ENDED
            if read:
                self._own.setdefault(f"self.{read}", node.lineno)
            for child in ast.iter_child_nodes(node):
                if open_ended or child is not node.args[0]:
                    self._visit(child)
        elif isinstance(node, ast.Attribute) and is_self_attribute(node):
            self.escapes |= node.attr.startswith("__") and node.attr.endswith("__") and node.attr != "__class__"
            if isinstance(node.ctx, ast.Load):
                self._own.setdefault(f"self.{node.attr}", node.lineno)
                self.merges |= node.attr == "merge_artifacts"
            else:
                self.writes.setdefault(f"self.{node.attr}", node.lineno)
        elif isinstance(node, ast.Global):
            self._outer.update(node.names)
            self.declared.update(dict.fromkeys(node.names, node.lineno))
        elif isinstance(node, ast.Nonlocal):
            self._outer.update(node.names)
            self.nonlocals.update(dict.fromkeys(node.names, node.lineno))
            for name in node.names:
                self._own.setdefault(name, node.lineno)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self.bound.update(import_names(node))
        elif isinstance(node, ScopeNode):
            self._visit_scope(node)
        else:
            self._bind_other(node)
            for child in ast.iter_child_nodes(node):
                self._visit(child)

    def _bind_other(self, node: ast.AST) -> None:
        """Names bound by syntax that does not hold a `Name` node."""
        if isinstance(node, ast.NamedExpr):
            self.walrus.add(node.target.id)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            self.bound.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            self.bound.add(node.rest)

    def _visit_scope(self, node: ScopeNode) -> None:
        """Note a scope inside this one."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.bound.add(node.name)
        for part in evaluated_outside(node):
            self._visit(part)
        inner = Scope(node)
        own_self = "self" in inner.bound
        self.escapes |= inner.escapes and not own_self
        self.merges |= inner.merges and not own_self
        self.declared.update(inner.declared)
        self.nonlocals.update({n: line for n, line in inner.nonlocals.items() if n not in self.bound})
        for name, line in inner.free.items():
            self._deeper.setdefault(name, line)
        for name, line in inner.writes.items():
            if name.startswith("self.") and not own_self:
                self.writes.setdefault(name, line)
        if isinstance(node, Comprehension):
            self.bound.update(inner.walrus)
            self.walrus.update(inner.walrus)
