"""Which names a body reads before it surely assigned them, and which it binds.

Takes the syntax tree of a cell's body; gives `BodyNames`. The body is judged as the body of a function, because that
is what it becomes (Python reference, "Naming and binding"; CPython's `LOAD_FAST_CHECK` decides the same question). The
analysis errs on one side only: a name may be reported as "perhaps read before assigned" when it never is (the step then
loads an artifact that it overwrites), never the other way round.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from flownb.cells.hints import lets_exceptions_pass, query_names
from flownb.cells.names import BodyNames
from flownb.cells.scopes import Comprehension, Scope, ScopeNode, evaluated_outside, import_names, is_self_attribute

__all__ = ["analyse_names"]


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
    names = BodyNames()
    if tree is not None:
        walk = _Walk(names)
        walk.block(tree.body)
        last = max((node.end_lineno or 1 for node in tree.body), default=1)
        for name in captures:
            walk.read(name, last)
    return names


@dataclass
class _State:
    """Names surely assigned, and names that may be, at one point of a body."""

    sure: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)

    def copy(self) -> _State:
        """A state that changes on its own."""
        return _State(set(self.sure), set(self.maybe))


def _copy(state: _State | None) -> _State | None:
    """A copy; None stays None."""
    return None if state is None else state.copy()


def _either(one: _State | None, other: _State | None) -> _State | None:
    """The state whichever of two ways was taken; None is a way that is never left."""
    if one is None or other is None:
        return one if other is None else other
    return _State(one.sure & other.sure, one.maybe | other.maybe)


class _Walk:
    """Walks statements in the order they run.

    Parameters
    ----------
    names : BodyNames
        Filled on the way.
    """

    def __init__(self, names: BodyNames) -> None:
        self.names = names
        # None: this point cannot be reached.
        self.state: _State | None = _State()
        # All names bound so far in each statement that may be left at any point; the innermost is last.
        self.bound_inside: list[set[str]] = []
        # How many loops and nested scopes are open: a read there may come after an assignment further down.
        self.open_loops = 0

    def read(self, name: str, line: int) -> None:
        """Note a read unless the name is surely assigned."""
        if self.state is None or name in self.state.sure:
            return
        if name.startswith("self."):
            self.names.self_reads.setdefault(name[5:], line)
        elif name != "self":
            self.names.reads.setdefault(name, line)
            if name not in self.state.maybe and not self.open_loops:
                self.names.unbound.setdefault(name, line)

    def bind(self, name: str, line: int, *, variable: bool = True) -> None:
        """Note that `name` is assigned now."""
        self.names.definitions.pop(name, None)
        if name.startswith("self."):
            self.names.self_writes.setdefault(name[5:], line)
        else:
            self.names.assigned.setdefault(name, line)
            if variable:
                self.names.variables.setdefault(name, line)
        self.may_bind([name])
        if self.state is not None:
            self.state.sure.add(name)

    def may_bind(self, names: Iterable[str]) -> None:
        """Note that names may be assigned from now on."""
        names = set(names)
        for inside in self.bound_inside:
            inside |= names
        if self.state is not None:
            self.state.maybe |= names

    def unbind(self, name: str) -> None:
        """Note that `name` is deleted now."""
        if self.state is not None:
            self.state.sure.discard(name)
            self.state.maybe.discard(name)

    # -- statements

    def block(self, body: Iterable[ast.stmt]) -> None:
        """Walk statements one after the other."""
        for statement in body:
            self.statement(statement)

    def branch(self, state: _State | None, body: Iterable[ast.stmt]) -> _State | None:
        """Walk `body` from a copy of `state`; give the state it ends in."""
        self.state = _copy(state)
        self.block(body)
        return self.state

    def interrupted(self, body: Iterable[ast.stmt]) -> _State | None:
        """Walk `body` from here; give the state in which it may be left at any point."""
        left = _copy(self.state)
        self.bound_inside.append(set())
        self.block(body)
        inside = self.bound_inside.pop()
        if left is not None:
            left.maybe |= inside
        return left

    def statement(self, node: ast.stmt) -> None:
        """Walk one statement."""
        method = getattr(self, f"on_{type(node).__name__}", None)
        if method is not None:
            method(node)
        else:
            for child in ast.iter_child_nodes(node):
                self.expression(child)

    def on_Assign(self, node: ast.Assign) -> None:
        self.expression(node.value)
        value = node.value
        kind = self.names.definitions.get(value.id) if isinstance(value, ast.Name) else None
        if isinstance(value, ast.Lambda):
            kind = "function"
        for target in node.targets:
            self.target(target)
            name = target.id if isinstance(target, ast.Name) else ""
            if isinstance(target, ast.Attribute) and is_self_attribute(target):
                name = f"self.{target.attr}"
            if name and kind is not None:
                self.names.definitions[name] = kind

    def on_AnnAssign(self, node: ast.AnnAssign) -> None:
        # Annotations in a function are not evaluated.
        if node.value is not None:
            self.expression(node.value)
            self.target(node.target)
        elif isinstance(node.target, ast.Name):
            self.names.annotated.setdefault(node.target.id, node.lineno)

    def on_AugAssign(self, node: ast.AugAssign) -> None:
        target = node.target
        if isinstance(target, ast.Name):
            self.read(target.id, target.lineno)
        elif isinstance(target, ast.Attribute) and is_self_attribute(target):
            self.read(f"self.{target.attr}", target.lineno)
        self.expression(node.value)
        self.target(target)

    def on_Assert(self, node: ast.Assert) -> None:
        self.expression(node.test)
        self.perhaps([node.msg] if node.msg is not None else [])

    def on_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self.delete(target)

    def delete(self, target: ast.expr) -> None:
        """Unbind what ``del`` names."""
        if isinstance(target, ast.Name):
            self.read(target.id, target.lineno)
            self.unbind(target.id)
        elif isinstance(target, ast.Attribute) and is_self_attribute(target):
            self.names.self_deletes.setdefault(target.attr, target.lineno)
            self.unbind(f"self.{target.attr}")
        elif isinstance(target, ast.Tuple | ast.List):
            for element in target.elts:
                self.delete(element)
        else:
            self.expression(target)

    def on_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for name in import_names(node):
            self.bind(name, node.lineno, variable=False)
            if isinstance(node, ast.Import):
                self.names.definitions[name] = "module"

    on_ImportFrom = on_Import

    def on_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        is_class = isinstance(node, ast.ClassDef)
        self.nested(node, itself=None if is_class else node.name)
        self.bind(node.name, node.lineno, variable=False)
        self.names.definitions[node.name] = "class" if is_class else "function"

    on_AsyncFunctionDef = on_FunctionDef
    on_ClassDef = on_FunctionDef

    def on_TypeAlias(self, node: ast.stmt) -> None:
        self.bind(node.name.id, node.lineno, variable=False)  # type: ignore[attr-defined]  # Python 3.12's node

    def on_Global(self, node: ast.Global) -> None:
        for name in node.names:
            self.names.globals_declared.setdefault(name, node.lineno)

    def on_If(self, node: ast.If) -> None:
        self.expression(node.test)
        before = self.state
        self.state = _either(self.branch(before, node.body), self.branch(before, node.orelse))

    def on_While(self, node: ast.While) -> None:
        self.expression(node.test)
        self.loop(node.body, node.orelse)

    def on_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.expression(node.iter)
        self.loop(node.body, node.orelse, target=node.target)

    on_AsyncFor = on_For

    def loop(self, body: list[ast.stmt], orelse: list[ast.stmt], *, target: ast.expr | None = None) -> None:
        """Walk a loop's body, which may run not at all, once or often, and its else."""
        before = _copy(self.state)
        self.bound_inside.append(set())
        self.open_loops += 1
        if target is not None:
            self.target(target, variable=False)
        self.block(body)
        self.open_loops -= 1
        inside = self.bound_inside.pop()
        if before is not None:
            before.maybe |= inside
        ended = self.branch(before, orelse)
        # A break leaves the loop without its else.
        self.state = before
        if before is not None and ended is not None:
            before.maybe |= ended.maybe

    def on_With(self, node: ast.With | ast.AsyncWith) -> None:
        transparent = True
        for item in node.items:
            self.expression(item.context_expr)
            transparent &= lets_exceptions_pass(item.context_expr)
            if item.optional_vars is not None:
                self.target(item.optional_vars)
        left = self.interrupted(node.body)
        if not transparent:
            self.state = _either(self.state, left)

    on_AsyncWith = on_With

    def on_Try(self, node: ast.Try) -> None:
        self.bound_inside.append(set())
        left = self.interrupted(node.body)
        self.block(node.orelse)
        after = self.state
        for handler in node.handlers:
            self.state = _copy(left)
            if handler.type is not None:
                self.expression(handler.type)
            if handler.name:
                self.bind(handler.name, handler.lineno, variable=False)
            self.block(handler.body)
            if handler.name:
                self.unbind(handler.name)
            after = _either(after, self.state)
        inside = self.bound_inside.pop()
        self.state = after
        if not node.finalbody:
            return
        # `finally` may run with no more than what was assigned before the try, and then leaves the rest as it was.
        self.state = left
        if left is not None:
            left.maybe |= inside
        start = _copy(left)
        self.block(node.finalbody)
        if self.state is None or after is None or start is None:
            self.state = None
        else:
            gone = (start.sure - self.state.sure) | (start.maybe - self.state.maybe)
            self.state = _State((after.sure | self.state.sure) - gone, (after.maybe | self.state.maybe) - gone)

    on_TryStar = on_Try

    def on_Match(self, node: ast.Match) -> None:
        self.expression(node.subject)
        self.bound_inside.append(set())
        after: _State | None = None
        for case in node.cases:
            start = _copy(self.state)
            self.pattern(case.pattern)
            failed = start
            if case.guard is not None:
                self.expression(case.guard)
            if failed is not None:
                failed.maybe |= self.bound_inside[-1]
            self.block(case.body)
            after = _either(after, self.state)
            self.state = failed
            if case.guard is None and isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None:
                self.state = None
        self.bound_inside.pop()
        self.state = _either(after, self.state)

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
            elif isinstance(child, ast.MatchMapping):
                for key in child.keys:
                    self.expression(key)
                if child.rest:
                    self.bind(child.rest, child.lineno)
            elif isinstance(child, ast.MatchValue):
                self.expression(child.value)
            elif isinstance(child, ast.MatchClass):
                self.expression(child.cls)

    def target(self, node: ast.expr, *, variable: bool = True) -> None:
        """Bind the names of an assignment's left side."""
        if isinstance(node, ast.Name):
            self.bind(node.id, node.lineno, variable=variable)
        elif isinstance(node, ast.Attribute) and is_self_attribute(node):
            self.bind(f"self.{node.attr}", node.lineno)
        elif isinstance(node, ast.Tuple | ast.List):
            for element in node.elts:
                self.target(element, variable=variable)
        elif isinstance(node, ast.Starred):
            self.target(node.value, variable=variable)
        else:
            self.expression(node)

    def nested(self, node: ScopeNode, *, itself: str | None = None) -> None:
        """Note what a nested scope reads, writes and declares."""
        for part in evaluated_outside(node):
            self.expression(part)
        scope = Scope(node)
        self.open_loops += 1
        for name, line in scope.free.items():
            if name != itself:
                self.read(name, line)
        self.open_loops -= 1
        own_self = "self" in scope.bound
        for name, line in scope.writes.items():
            if name.startswith("self.") and not own_self:
                self.names.self_writes.setdefault(name[5:], line)
        for name, line in scope.declared.items():
            self.names.globals_declared.setdefault(name, line)
        if isinstance(node, Comprehension):
            for name in scope.walrus:
                self.names.assigned.setdefault(name, node.lineno)
                self.names.variables.setdefault(name, node.lineno)
            self.may_bind(scope.walrus)
        self.may_bind(scope.nonlocals)
        self.names.self_escapes |= scope.escapes and not own_self
        self.names.merges |= scope.merges and not own_self

    def perhaps(self, nodes: Iterable[ast.AST]) -> None:
        """Visit expressions that may not be evaluated: what they assign is not sure."""
        before = _copy(self.state)
        for node in nodes:
            self.expression(node)
        self.state = _either(before, self.state)

    def expression(self, node: ast.AST) -> None:
        """Note what an expression reads and, with ``:=``, binds."""
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                self.read(node.id, node.lineno)
                self.names.self_escapes |= node.id == "self"
        elif isinstance(node, ast.Attribute) and is_self_attribute(node):
            self.read(f"self.{node.attr}", node.lineno)
            self.names.merges |= node.attr == "merge_artifacts"
        elif isinstance(node, ast.NamedExpr):
            self.expression(node.value)
            self.bind(node.target.id, node.lineno)
        elif isinstance(node, ScopeNode):
            self.nested(node)
        elif isinstance(node, ast.BoolOp):
            self.expression(node.values[0])
            self.perhaps(node.values[1:])
        elif isinstance(node, ast.IfExp):
            self.expression(node.test)
            self.perhaps([node.body])
            self.perhaps([node.orelse])
        elif isinstance(node, ast.Compare):
            self.expression(node.left)
            self.expression(node.comparators[0])
            self.perhaps(node.comparators[1:])
        else:
            for name, line in query_names(node):
                if self.state is not None and name not in self.state.sure:
                    self.names.mentions.setdefault(name, line)
            for child in ast.iter_child_nodes(node):
                self.expression(child)
