"""Which names a body reads before it surely assigned them, and which it binds.

Takes the syntax tree of a cell's body; gives `BodyNames`. The body is judged as the body of a function, because that
is what it becomes. The analysis errs on one side only: a name may be reported as "perhaps read before assigned" when it
never is (the step then loads an artifact that it overwrites), never the other way round.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

__all__ = ["BodyNames", "analyse_names", "free_names"]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
ScopeNode = (
    ast.FunctionDef
    | ast.AsyncFunctionDef
    | ast.Lambda
    | ast.ClassDef
    | ast.ListComp
    | ast.SetComp
    | ast.DictComp
    | ast.GeneratorExp
)


@dataclass
class BodyNames:
    """What a body does with names; values are 1-based lines in the body.

    Attributes
    ----------
    reads : dict of str to int
        Plain names that may be read before the body assigned them, with the first such line.
    unbound : dict of str to int
        Those of `reads` that no way through the body can have assigned at that line.
    assigned : dict of str to int
        Plain names the body binds in its own scope, with the first such line.
    variables : dict of str to int
        Those of `assigned` that hold values: no imports, definitions, loop targets or ``except … as`` names.
    self_reads, self_writes : dict of str to int
        Attributes of ``self`` that may be read before written, and those written.
    self_deletes : dict of str to int
        Attributes of ``self`` deleted with ``del``.
    self_escapes : bool
        Whether ``self`` is used other than as ``self.name``, so that it may gain or lose any attribute.
    merges : bool
        Whether ``self.merge_artifacts`` is called.
    globals_declared : dict of str to int
        Names in ``global`` statements, at any depth.
    local_functions : frozenset of str
        Names bound by ``def`` or to a bare ``lambda``.
    """

    reads: dict[str, int] = field(default_factory=dict)
    unbound: dict[str, int] = field(default_factory=dict)
    assigned: dict[str, int] = field(default_factory=dict)
    variables: dict[str, int] = field(default_factory=dict)
    self_reads: dict[str, int] = field(default_factory=dict)
    self_writes: dict[str, int] = field(default_factory=dict)
    self_deletes: dict[str, int] = field(default_factory=dict)
    self_escapes: bool = False
    merges: bool = False
    globals_declared: dict[str, int] = field(default_factory=dict)
    local_functions: frozenset[str] = frozenset()


def analyse_names(tree: ast.Module | None, *, captures: Iterable[str] = ()) -> BodyNames:
    """Analyse a body.

    Parameters
    ----------
    tree : ast.Module or None
        The parsed body; None (a syntax error) gives an empty result.
    captures : iterable of str
        Names that are read after the body's last line.

    Returns
    -------
    BodyNames

    Examples
    --------
    >>> sorted(analyse_names(ast.parse("y = x + 1")).reads)
    ['x']
    >>> analyse_names(ast.parse("for i in y: x = i"), captures=["x"]).reads
    {'y': 1, 'x': 1}
    """
    if tree is None:
        return BodyNames()
    walk = _Walk()
    walk.block(tree.body)
    last = max((node.end_lineno or 1 for node in tree.body), default=1)
    for name in captures:
        walk.read(name, last)
    names = walk.names
    names.local_functions = frozenset(walk.functions)
    return names


def free_names(node: ast.AST) -> dict[str, int]:
    """Names that a nested scope takes from outside, with the first line each is read on.

    ``self.x`` inside the scope is reported as ``"self.x"`` as long as ``self`` comes from outside.
    """
    scope = _Scope(node)
    return scope.free


class _Scope:
    """Bindings and free names of one nested scope (function, lambda, class, comprehension)."""

    def __init__(self, node: ast.AST) -> None:
        self.bound: set[str] = set()
        self.declared: dict[str, int] = {}
        self.outer: set[str] = set()
        self.reads: dict[str, int] = {}
        self.writes: dict[str, int] = {}
        self.walrus: set[str] = set()
        self.escapes = False
        self.merges = False
        self.is_class = isinstance(node, ast.ClassDef)
        for child in self._own_children(node):
            self._visit(child)
        hidden = self.bound - self.outer
        self.free = {name: line for name, line in self.reads.items() if name.split(".")[0] not in hidden}

    def _own_children(self, node: ast.AST) -> Iterator[ast.AST]:
        """The parts of `node` that are evaluated inside its own scope."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            arguments = node.args
            for argument in [
                *arguments.posonlyargs,
                *arguments.args,
                *arguments.kwonlyargs,
                arguments.vararg,
                arguments.kwarg,
            ]:
                if argument is not None:
                    self.bound.add(argument.arg)
            if isinstance(node, ast.Lambda):
                yield node.body
            else:
                yield from node.body
        elif isinstance(node, ast.ClassDef):
            yield from node.body
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            # The first iterable belongs to the enclosing scope; reading it here too changes nothing.
            for generator in node.generators:
                yield generator.target
                yield generator.iter
                yield from generator.ifs
            if isinstance(node, ast.DictComp):
                yield node.key
                yield node.value
            else:
                yield node.elt

    def _note(self, name: str, line: int) -> None:
        self.reads.setdefault(name, line)

    def _visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                self._note(node.id, node.lineno)
                self.escapes |= node.id == "self"
            else:
                self.bound.add(node.id)
                self.writes.setdefault(node.id, node.lineno)
            return
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            if isinstance(node.ctx, ast.Load):
                self._note(f"self.{node.attr}", node.lineno)
                self.merges |= node.attr == "merge_artifacts"
            else:
                self.writes.setdefault(f"self.{node.attr}", node.lineno)
            return
        if isinstance(node, ast.Global | ast.Nonlocal):
            self.outer.update(node.names)
            if isinstance(node, ast.Global):
                self.declared.update(dict.fromkeys(node.names, node.lineno))
            else:
                for name in node.names:
                    self._note(name, node.lineno)
            return
        if isinstance(node, ast.NamedExpr):
            self.walrus.add(node.target.id)
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.bound.update(_import_names(node))
            return
        if isinstance(node, ast.ExceptHandler) and node.name:
            self.bound.add(node.name)
        if isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            self.bound.add(node.name)
        if isinstance(node, ast.MatchMapping) and node.rest:
            self.bound.add(node.rest)
        if isinstance(node, ScopeNode):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self.bound.add(node.name)
            for part in _evaluated_outside(node):
                self._visit(part)
            inner = _Scope(node)
            self.escapes |= inner.escapes and "self" not in inner.bound
            self.merges |= inner.merges
            self.declared.update(inner.declared)
            for name, line in inner.free.items():
                self._note(name, line)
            for name, line in inner.writes.items():
                if name.startswith("self.") and "self" not in inner.bound:
                    self.writes.setdefault(name, line)
            if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
                self.bound.update(inner.walrus)
                self.walrus.update(inner.walrus)
            return
        for child in ast.iter_child_nodes(node):
            self._visit(child)


def _import_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Names an import statement binds; a star import binds none that can be known."""
    if isinstance(node, ast.Import):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    return [alias.asname or alias.name for alias in node.names if alias.name != "*"]


def _evaluated_outside(node: ast.AST) -> Iterator[ast.AST]:
    """Parts of a nested scope that run in the enclosing one: decorators, defaults, bases, annotations."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from node.decorator_list
        arguments = node.args
        for argument in [
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ]:
            if argument is not None and argument.annotation is not None:
                yield argument.annotation
        if node.returns is not None:
            yield node.returns
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        yield from node.args.defaults
        yield from (default for default in node.args.kw_defaults if default is not None)
    if isinstance(node, ast.ClassDef):
        yield from node.decorator_list
        yield from node.bases
        yield from node.keywords
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        yield node.generators[0].iter


class _Walk:
    """Walks statements in the order they run, with the names surely assigned so far (None: cannot be reached)."""

    def __init__(self) -> None:
        self.names = BodyNames()
        self.state: set[str] | None = set()
        self.functions: set[str] = set()
        # How many loops and nested scopes are open: a read there may come after an assignment further down.
        self.open_loops = 0

    def read(self, name: str, line: int) -> None:
        """Note a read unless the name is surely assigned."""
        if self.state is None or name in self.state:
            return
        if name.startswith("self."):
            self.names.self_reads.setdefault(name[5:], line)
        elif name != "self":
            self.names.reads.setdefault(name, line)
            if name not in self.names.assigned and not self.open_loops:
                self.names.unbound.setdefault(name, line)

    def bind(self, name: str, line: int, *, variable: bool = True) -> None:
        """Note that `name` is assigned now."""
        if name.startswith("self."):
            self.names.self_writes.setdefault(name[5:], line)
        else:
            self.names.assigned.setdefault(name, line)
            if variable:
                self.names.variables.setdefault(name, line)
        if self.state is not None:
            self.state.add(name)

    def unbind(self, name: str) -> None:
        """Note that `name` is deleted now."""
        if self.state is not None:
            self.state.discard(name)

    # -- statements

    def block(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            self.statement(statement)

    def branch(self, state: set[str] | None, body: Iterable[ast.stmt]) -> set[str] | None:
        """Run `body` from a copy of `state`; give the state it ends in."""
        self.state = None if state is None else set(state)
        self.block(body)
        return self.state

    def statement(self, node: ast.stmt) -> None:
        method = getattr(self, f"on_{type(node).__name__}", None)
        if method is not None:
            method(node)
        else:
            for child in ast.iter_child_nodes(node):
                self.expression(child)

    def on_Assign(self, node: ast.Assign) -> None:
        self.expression(node.value)
        for target in node.targets:
            self.target(target)
            if isinstance(target, ast.Name):
                (self.functions.add if isinstance(node.value, ast.Lambda) else self.functions.discard)(target.id)

    def on_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.expression(node.value)
            self.target(node.target)
        elif not isinstance(node.target, ast.Name):
            self.target(node.target)

    def on_AugAssign(self, node: ast.AugAssign) -> None:
        target = node.target
        if isinstance(target, ast.Name):
            self.read(target.id, target.lineno)
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
            self.read(f"self.{target.attr}", target.lineno)
        self.expression(node.value)
        self.target(target)

    def on_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.read(target.id, target.lineno)
                self.unbind(target.id)
            elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
                self.names.self_deletes.setdefault(target.attr, target.lineno)
                self.unbind(f"self.{target.attr}")
            else:
                self.expression(target)

    def on_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for name in _import_names(node):
            self.bind(name, node.lineno, variable=False)

    on_ImportFrom = on_Import

    def on_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.nested(node, itself=None if isinstance(node, ast.ClassDef) else node.name)
        self.bind(node.name, node.lineno, variable=False)
        if not isinstance(node, ast.ClassDef):
            self.functions.add(node.name)

    on_AsyncFunctionDef = on_FunctionDef
    on_ClassDef = on_FunctionDef

    def on_Global(self, node: ast.Global) -> None:
        for name in node.names:
            self.names.globals_declared.setdefault(name, node.lineno)

    def on_If(self, node: ast.If) -> None:
        self.expression(node.test)
        before = self.state
        self.state = _both(self.branch(before, node.body), self.branch(before, node.orelse))

    def on_While(self, node: ast.While) -> None:
        self.expression(node.test)
        before = None if self.state is None else set(self.state)
        self.open_loops += 1
        self.branch(before, node.body)
        self.open_loops -= 1
        self.branch(before, node.orelse)
        self.state = before

    def on_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.expression(node.iter)
        before = None if self.state is None else set(self.state)
        self.state = None if before is None else set(before)
        self.target(node.target, variable=False)
        self.open_loops += 1
        self.block(node.body)
        self.open_loops -= 1
        self.branch(before, node.orelse)
        self.state = before

    on_AsyncFor = on_For

    def on_With(self, node: ast.With | ast.AsyncWith) -> None:
        swallows = False
        for item in node.items:
            self.expression(item.context_expr)
            swallows |= any(
                "suppress" in part.lower() or "raises" in part.lower() for part in _identifiers(item.context_expr)
            )
            if item.optional_vars is not None:
                self.target(item.optional_vars)
        before = None if self.state is None else set(self.state)
        self.block(node.body)
        if swallows:
            self.state = before

    on_AsyncWith = on_With

    def on_Try(self, node: ast.Try) -> None:
        before = None if self.state is None else set(self.state)
        self.branch(before, node.body)
        self.block(node.orelse)
        after = self.state
        for handler in node.handlers:
            self.state = None if before is None else set(before)
            if handler.type is not None:
                self.expression(handler.type)
            if handler.name:
                self.bind(handler.name, handler.lineno, variable=False)
            self.block(handler.body)
            if handler.name:
                self.unbind(handler.name)
            after = _both(after, self.state)
        # `finally` may run with no more than what was assigned before the try, and then leaves the rest as it was.
        self.state = None if before is None else set(before)
        self.block(node.finalbody)
        added = self.state
        if added is None or after is None:
            self.state = None
        else:
            removed = (before or set()) - added
            self.state = (after | added) - removed

    on_TryStar = on_Try

    def on_Match(self, node: ast.Match) -> None:
        self.expression(node.subject)
        before = None if self.state is None else set(self.state)
        after: set[str] | None = before
        for case in node.cases:
            self.state = None if before is None else set(before)
            self.pattern(case.pattern)
            if case.guard is not None:
                self.expression(case.guard)
            self.block(case.body)
            after = _both(after, self.state)
            irrefutable = isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
            if irrefutable and case.guard is None:
                after = self._all_cases(node, before)
                break
        self.state = after

    def _all_cases(self, node: ast.Match, before: set[str] | None) -> set[str] | None:
        """What every case of an exhaustive match assigns."""
        after: set[str] | None = None
        for case in node.cases:
            self.state = None if before is None else set(before)
            self.pattern(case.pattern)
            self.block(case.body)
            after = _both(after, self.state)
        return after

    def on_Return(self, node: ast.Return | ast.Raise) -> None:
        for child in ast.iter_child_nodes(node):
            self.expression(child)
        self.state = None

    on_Raise = on_Return

    def on_Break(self, node: ast.Break | ast.Continue) -> None:
        self.state = None

    on_Continue = on_Break

    # -- expressions

    def pattern(self, node: ast.pattern) -> None:
        """Bind what a pattern captures, read what it compares with."""
        for child in ast.walk(node):
            if isinstance(child, ast.MatchAs | ast.MatchStar) and child.name:
                self.bind(child.name, child.lineno)
            elif isinstance(child, ast.MatchMapping) and child.rest:
                self.bind(child.rest, child.lineno)
            elif isinstance(child, ast.MatchValue):
                self.expression(child.value)
            elif isinstance(child, ast.MatchClass):
                self.expression(child.cls)

    def target(self, node: ast.expr, *, variable: bool = True) -> None:
        """Bind the names of an assignment's left side."""
        if isinstance(node, ast.Name):
            self.bind(node.id, node.lineno, variable=variable)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            self.bind(f"self.{node.attr}", node.lineno)
        elif isinstance(node, ast.Tuple | ast.List):
            for element in node.elts:
                self.target(element, variable=variable)
        elif isinstance(node, ast.Starred):
            self.target(node.value, variable=variable)
        else:
            self.expression(node)

    def nested(self, node: ast.AST, *, itself: str | None = None) -> None:
        """Note what a nested scope reads, writes and declares."""
        for part in _evaluated_outside(node):
            self.expression(part)
        scope = _Scope(node)
        self.open_loops += 1
        for name, line in scope.free.items():
            if name != itself:
                self.read(name, line)
        self.open_loops -= 1
        for name, line in scope.writes.items():
            if name.startswith("self.") and "self" not in scope.bound:
                self.names.self_writes.setdefault(name[5:], line)
        for name, line in scope.declared.items():
            self.names.globals_declared.setdefault(name, line)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            for name in scope.walrus:
                self.names.assigned.setdefault(name, node.lineno)
                self.names.variables.setdefault(name, node.lineno)
        self.names.self_escapes |= scope.escapes and "self" not in scope.bound
        self.names.merges |= scope.merges

    def maybe(self, nodes: Iterable[ast.AST]) -> None:
        """Visit expressions that may not be evaluated: what they assign is not sure."""
        before = None if self.state is None else set(self.state)
        for node in nodes:
            self.expression(node)
        self.state = before

    def expression(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                self.read(node.id, node.lineno)
                self.names.self_escapes |= node.id == "self"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            self.read(f"self.{node.attr}", node.lineno)
            self.names.merges |= node.attr == "merge_artifacts"
        elif isinstance(node, ast.NamedExpr):
            self.expression(node.value)
            self.bind(node.target.id, node.lineno)
        elif isinstance(node, ScopeNode):
            self.nested(node)
        elif isinstance(node, ast.BoolOp):
            self.expression(node.values[0])
            self.maybe(node.values[1:])
        elif isinstance(node, ast.IfExp):
            self.expression(node.test)
            self.maybe([node.body])
            self.maybe([node.orelse])
        elif isinstance(node, ast.Compare):
            self.expression(node.left)
            self.expression(node.comparators[0])
            self.maybe(node.comparators[1:])
        else:
            for child in ast.iter_child_nodes(node):
                self.expression(child)


def _both(one: set[str] | None, other: set[str] | None) -> set[str] | None:
    """Names assigned whichever of two ways was taken; None is a way that is never left."""
    if one is None or other is None:
        return one if other is None else other
    return one & other


def _identifiers(node: ast.AST) -> Iterator[str]:
    """All identifiers and attribute names in an expression."""
    for child in ast.walk(node):
        if isinstance(child, ast.Name):
            yield child.id
        elif isinstance(child, ast.Attribute):
            yield child.attr
