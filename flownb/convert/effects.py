"""Which objects the code of a plain notebook may change in place, and what its functions do to the notebook's names.

Python's syntax shows what is bound, not what is changed. What a call changes is known for methods and functions of
common libraries, and for the notebook's own functions and classes, whose bodies are read. A call that is not known
changes the object it belongs to if its value is thrown away, as nothing else would be the reason to write it. Where
this is too little, the proof by execution finds the difference.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from flownb.cells.names import Scope, ScopeNode, evaluated_outside
from flownb.convert.known import (
    ARGUMENT_CHANGERS,
    CHANGING,
    CHANGING_PREFIXES,
    COPYING,
    ITERATING,
    LOOKING,
    VIEWS,
)
from flownb.convert.trees import definitions, walk

__all__ = ["Effects", "FunctionKind", "PlainFunction", "effects_of", "find_functions", "resolved", "root_name"]

FunctionKind = Literal["function", "class", "lambda"]


@dataclass(frozen=True)
class PlainFunction:
    """A function, class or ``name = lambda …`` at the top level of a plain notebook.

    Attributes
    ----------
    name : str
    kind : {"function", "class", "lambda"}
    cell : int
        Number of its cell.
    line, end_line : int
        1-based lines of its cell.
    reads : dict of str to int
        Names of the notebook that a call may read, also through other functions, each with the line of this function
        where it is read or where the other function is named. Builtins are left out.
    writes : dict of str to int
        Names that a call may bind, because a ``global`` statement names them.
    mutated : dict of str to int
        Names whose object a call may change in place.
    parameters : tuple of str
        In order; a method's without ``self``.
    changes : frozenset of str
        Parameters whose object a call may change in place.
    methods : frozenset of str
        Of a class: methods that may change their object.
    """

    name: str
    kind: FunctionKind
    cell: int
    line: int
    end_line: int
    reads: dict[str, int] = field(default_factory=dict)
    writes: dict[str, int] = field(default_factory=dict)
    mutated: dict[str, int] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    changes: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()


@dataclass
class Effects:
    """What statements of one scope do to objects.

    Attributes
    ----------
    mutated : dict of str to int
        Names whose object may change in place, with the first such line.
    deleted : set of str
        Names that ``del`` unbinds.
    aliases : list of (str, str, bool)
        A new name, the name that its object may be, or be a part of, or contain, and whether it is a part, so that a
        change of the new one changes the old one, and not the other way round.
    calls : list of (str, list of str, int)
        Calls of plain names: the name, the root of each argument (empty if it has none), the line.
    keywords : list of (str, str, str, int)
        Calls of plain names with keywords: the name, the keyword, the root of its value, the line.
    """

    mutated: dict[str, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    aliases: list[tuple[str, str, bool]] = field(default_factory=list)
    calls: list[tuple[str, list[str], int]] = field(default_factory=list)
    keywords: list[tuple[str, str, str, int]] = field(default_factory=list)


def root_name(node: ast.AST) -> str:
    """The variable that an expression is a part of: ``df`` of ``df.loc[0]`` and ``df["a"].str.strip()``.

    Empty if there is none, as in ``f(x)[0]``.
    """
    while True:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Attribute | ast.Subscript | ast.Starred | ast.Await):
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            node = node.func.value
        else:
            return ""


def effects_of(
    statements: Iterable[ast.stmt],
    *,
    modules: frozenset[str] = frozenset(),
    generators: frozenset[str] = frozenset(),
    methods: frozenset[str] = frozenset(),
) -> Effects:
    """What some statements of one scope change in place; bodies of functions that they define are left out.

    Parameters
    ----------
    statements : iterable of ast.stmt
    modules : frozenset of str
        Names of imported modules: calling their functions changes no module.
    generators : frozenset of str
        Names that hold random generators or iterators, which every use changes.
    methods : frozenset of str
        Methods of the notebook's classes that change their object.
    """
    found = Effects()
    walk = _Walk(found, modules, generators, methods)
    for statement in statements:
        walk.visit(statement)
    return found


class _Walk(ast.NodeVisitor):
    """Visits the statements of one scope."""

    def __init__(
        self, found: Effects, modules: frozenset[str], generators: frozenset[str], methods: frozenset[str]
    ) -> None:
        self.found = found
        self.modules = modules
        self.generators = generators
        self.methods = methods

    def change(self, name: str, line: int) -> None:
        """Note that the object of a name may change."""
        if name and name not in self.modules:
            self.found.mutated.setdefault(name, line)

    def store(self, target: ast.expr) -> None:
        """Note what an assignment to `target`, or its deletion, changes."""
        if isinstance(target, ast.Subscript | ast.Attribute):
            self.change(root_name(target), target.lineno)
            for child in ast.iter_child_nodes(target):
                self.visit(child)
        elif isinstance(target, ast.Tuple | ast.List):
            for element in target.elts:
                self.store(element)
        elif isinstance(target, ast.Starred):
            self.store(target.value)

    def alias(self, target: ast.expr, value: ast.expr) -> None:
        """Note which names `target` may share objects with after it got `value`."""
        several = ast.Tuple | ast.List
        if isinstance(target, several) and isinstance(value, several) and len(target.elts) == len(value.elts):
            for part, its in zip(target.elts, value.elts, strict=True):
                self.alias(part, its)
            return
        names = [node.id for node in walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
        if not names:
            # d["x"] = y: the object of y is now also a part of that of d.
            names = [root] if (root := root_name(target)) else []
        for name in names:
            for other, is_part in _shared_with(value):
                if other != name and other not in self.modules:
                    self.found.aliases.append((name, other, is_part))

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.store(target)
            self.alias(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self.store(node.target)
            self.alias(node.target, node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        self.store(node.target)
        if isinstance(node.target, ast.Name):
            self.change(node.target.id, node.lineno)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self.store(target)
            self.found.deleted.update(one.id for one in walk(target) if isinstance(one, ast.Name) and one is target)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        if (root := root_name(node.iter)) in self.generators:
            self.change(root, node.lineno)
        self.store(node.target)
        self.alias(node.target, node.iter)
        for child in (*node.body, *node.orelse):
            self.visit(child)

    visit_AsyncFor = visit_For

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self.store(item.optional_vars)
                self.alias(item.optional_vars, item.context_expr)
        for child in node.body:
            self.visit(child)

    visit_AsyncWith = visit_With

    def visit_Expr(self, node: ast.Expr) -> None:
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        # Nobody uses the value, so the call is there for what it does.
        if (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Attribute)
            and LOOKING.isdisjoint(_methods(value))
        ):
            self.change(root_name(value.func.value), value.lineno)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        roots = [root_name(argument) for argument in node.args]
        if isinstance(function, ast.Attribute):
            name = function.attr
            root = root_name(function.value)
            if _changes_its_object(node, name) or name in self.methods or root in self.generators:
                self.change(root, node.lineno)
        else:
            name = function.id if isinstance(function, ast.Name) else ""
            if name:
                self.found.calls.append((name, roots, node.lineno))
                for keyword in node.keywords:
                    if keyword.arg and (root := root_name(keyword.value)):
                        self.found.keywords.append((name, keyword.arg, root, node.lineno))
        if name in ARGUMENT_CHANGERS:
            for position in ARGUMENT_CHANGERS[name]:
                if position < len(roots):
                    self.change(roots[position], node.lineno)
        for keyword in node.keywords:
            if keyword.arg == "out":
                self.change(root_name(keyword.value), node.lineno)
        for root in (*roots, *(root_name(keyword.value) for keyword in node.keywords)):
            if root in self.generators:
                self.change(root, node.lineno)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        for part in evaluated_outside(node):
            self.visit(part)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.visit_FunctionDef(node)
        for statement in node.body:
            self.visit(statement)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        # A lambda is usually an argument of a call that calls it.
        bound = {argument.arg for argument in walk(node.args) if isinstance(argument, ast.arg)}
        for name, line in effects_of([ast.Expr(node.body)], modules=self.modules, methods=self.methods).mutated.items():
            if name not in bound:
                self.change(name, line)


def _methods(node: ast.AST) -> Iterator[str]:
    """Names of the methods in a chain of calls, the last one first."""
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            yield node.attr
            node = node.value
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            return


def _changes_its_object(node: ast.Call, method: str) -> bool:
    """Whether a method is known to change the object it is called on."""
    if method in CHANGING or method.startswith(CHANGING_PREFIXES) or (method.endswith("_") and method[:-1].isalpha()):
        return True
    return any(
        keyword.arg == "inplace" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
        for keyword in node.keywords
    )


def _shared_with(value: ast.expr, *, is_part: bool = False) -> Iterator[tuple[str, bool]]:
    """Names whose object a value may be, be a part of, or contain, each with whether it is a part."""
    several: list[ast.expr] = []
    if isinstance(value, ast.Name):
        yield value.id, is_part
    elif isinstance(value, ast.Subscript):
        # A slice of an array is a view of it; an item is an object of its own, as far as the container is concerned.
        yield from _shared_with(value.value, is_part=is_part or not _has_slice(value.slice))
    elif isinstance(value, ast.Attribute):
        yield from _shared_with(value.value, is_part=is_part or value.attr not in VIEWS)
    elif isinstance(value, ast.Starred | ast.Await | ast.NamedExpr):
        several = [value.value]
    elif isinstance(value, ast.Tuple | ast.List | ast.Set):
        several = value.elts
    elif isinstance(value, ast.Dict):
        several = value.values
    elif isinstance(value, ast.IfExp):
        several = [value.body, value.orelse]
    elif isinstance(value, ast.BoolOp):
        several = value.values
    elif isinstance(value, ast.Call):
        function = value.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if isinstance(function, ast.Attribute) and name in VIEWS:
            yield from _shared_with(function.value, is_part=is_part)
        # An object usually keeps what it is made of: Pipeline([("scale", scaler)]), Adam(model.parameters()).
        if (name[:1].isupper() and name not in COPYING) or name in ITERATING:
            several = [*value.args, *(keyword.value for keyword in value.keywords)]
    for one in several:
        yield from _shared_with(one, is_part=is_part)


def _has_slice(index: ast.expr) -> bool:
    """Whether an index takes several rows or columns: ``x[1:]``, ``x[:, 0]``."""
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return any(isinstance(part, ast.Slice) for part in parts)


def find_functions(cell: int, tree: ast.Module, modules: frozenset[str]) -> list[tuple[PlainFunction, Effects]]:
    """The functions of a cell, each with what its own body does; `resolved` adds what others do for it."""
    return [_function(cell, name, node, modules) for name, node in definitions(tree.body)]


def _function(cell: int, name: str, node: ScopeNode, modules: frozenset[str]) -> tuple[PlainFunction, Effects]:
    """One function and what its own body does."""
    scope = Scope(node)
    is_class = isinstance(node, ast.ClassDef)
    kind: FunctionKind = "class" if is_class else "lambda" if isinstance(node, ast.Lambda) else "function"
    free = {one: line for one, line in scope.free.items() if not one.startswith("self.")}
    methods: set[str] = set()
    parameters: tuple[str, ...] = ()
    if isinstance(node, ast.ClassDef):
        done = Effects()
        parts = [part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]
        for part in parts:
            own = effects_of(part.body, modules=modules)
            first = part.args.args[0].arg if part.args.args else ""
            if first in _with_aliases(own):
                methods.add(part.name)
            inner = Scope(part)
            done.mutated.update({one: line for one, line in own.mutated.items() if one not in inner.bound})
            done.calls += [call for call in own.calls if call[0] not in inner.bound]
        _through_self(parts, methods)
        for part in parts:
            if part.name == "__init__":
                parameters = tuple(argument.arg for argument in part.args.args[1:])
    else:
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        body = [ast.Expr(node.body)] if isinstance(node, ast.Lambda) else node.body
        parameters = tuple(one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs))
        done = effects_of(body, modules=modules)
    changed = _with_aliases(done)
    bound = scope.bound - set(scope.declared)
    function = PlainFunction(
        name,
        kind,
        cell,
        node.lineno,
        node.end_lineno or node.lineno,
        reads=free,
        writes=dict(scope.declared),
        mutated={one: line for one, line in changed.items() if one not in bound},
        parameters=parameters,
        changes=frozenset(parameters) & changed.keys() if not is_class else frozenset(),
        methods=frozenset(methods),
    )
    return function, done


def _through_self(parts: list[ast.FunctionDef | ast.AsyncFunctionDef], methods: set[str]) -> None:
    """Add methods that change their object by calling another of its methods."""
    calls = {
        part.name: {
            node.func.attr
            for node in walk(part)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and root_name(node.func) == "self"
        }
        for part in parts
    }
    grown = True
    while grown:
        more = {name for name, called in calls.items() if called & methods} - methods
        methods |= more
        grown = bool(more)


def _with_aliases(done: Effects) -> dict[str, int]:
    """What changes, also under other names of the same object."""
    changed = dict(done.mutated)
    grown = True
    while grown:
        more = {old: changed[new] for new, old, _ in done.aliases if new in changed and old not in changed}
        changed.update(more)
        grown = bool(more)
    return changed


def resolved(found: list[tuple[PlainFunction, Effects]]) -> dict[str, PlainFunction]:
    """Add to each function what the functions that it calls read, bind and change.

    Parameters
    ----------
    found : list of (PlainFunction, Effects)
        In document order.

    Returns
    -------
    dict of str to PlainFunction
        By name. Of functions that are defined several times under one name, what any of them does.
    """
    by_name: dict[str, PlainFunction] = {}
    calls: dict[str, Effects] = {}
    for function, done in found:
        earlier = by_name.get(function.name)
        by_name[function.name] = _either(earlier, function) if earlier is not None else function
        known = calls.setdefault(function.name, Effects())
        known.calls += done.calls
        known.keywords += done.keywords
        known.aliases += done.aliases
    users: dict[str, set[str]] = {}
    for name, function in by_name.items():
        for read in function.reads:
            if read in by_name and read != name:
                users.setdefault(read, set()).add(name)
    waiting = list(by_name)
    while waiting:
        callee = by_name[waiting.pop()]
        for user in users.get(callee.name, ()):
            if (grown := _calling(by_name[user], callee, calls[user])) is not None:
                by_name[user] = grown
                waiting.append(user)
    return by_name


def _either(one: PlainFunction, other: PlainFunction) -> PlainFunction:
    """What one of two functions of the same name does; the place is that of the first."""
    return PlainFunction(
        one.name,
        one.kind if one.kind == other.kind else "function",
        one.cell,
        one.line,
        one.end_line,
        {**other.reads, **one.reads},
        {**other.writes, **one.writes},
        {**other.mutated, **one.mutated},
        other.parameters,
        one.changes | other.changes,
        one.methods | other.methods,
    )


def _calling(user: PlainFunction, callee: PlainFunction, done: Effects) -> PlainFunction | None:
    """`user` with what a call of `callee` does; None if that is nothing new."""
    line = user.reads[callee.name]
    reads = {name: line for name in callee.reads if name not in user.reads}
    writes = {name: line for name in callee.writes if name not in user.writes}
    mutated = {name: line for name in callee.mutated if name not in user.mutated}
    changed = set(changed_arguments(done, callee))
    for new, old, _ in done.aliases:
        if new in changed:
            changed.add(old)
    changes = (frozenset(user.parameters) & changed) - user.changes
    mutated.update({name: line for name in changed if name in user.reads and name not in user.mutated})
    if not (reads or writes or mutated or changes):
        return None
    return PlainFunction(
        user.name,
        user.kind,
        user.cell,
        user.line,
        user.end_line,
        {**user.reads, **reads},
        {**user.writes, **writes},
        {**user.mutated, **mutated},
        user.parameters,
        user.changes | changes,
        user.methods,
    )


def changed_arguments(done: Effects, callee: PlainFunction) -> dict[str, int]:
    """The names that calls of a function hand to parameters which it changes."""
    found: dict[str, int] = {}
    if not callee.changes:
        return found
    for name, roots, line in done.calls:
        if name == callee.name:
            for parameter, root in zip(callee.parameters, roots, strict=False):
                if root and parameter in callee.changes:
                    found.setdefault(root, line)
    for name, keyword, root, line in done.keywords:
        if name == callee.name and keyword in callee.changes:
            found.setdefault(root, line)
    return found
