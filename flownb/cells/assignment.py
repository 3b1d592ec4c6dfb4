"""Which names a body reads before it surely assigned them, and which it binds.

Takes the syntax tree of a cell's body; gives `BodyNames`. The body is judged as the body of a function, because that
is what it becomes (Python reference, "Naming and binding"; CPython's `LOAD_FAST_CHECK` decides the same question). The
analysis errs on one side only: a name may be reported as "perhaps read before assigned" when it never is (the step then
loads an artifact that it overwrites), never the other way round. What is called definite is the opposite: a read is
definite only if the body cannot be executed without it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flownb.cells.hints import OPEN_ENDED, constant_truth, hands_out_self, lets_exceptions_pass, query_names
from flownb.cells.names import BodyNames
from flownb.cells.scopes import Comprehension, Scope, ScopeNode, evaluated_outside, import_names, is_self_attribute

__all__ = ["analyse_names"]


def analyse_names(
    tree: ast.Module | None, *, captures: Iterable[str] = (), methods: Mapping[str, BodyNames] | None = None
) -> BodyNames:
    """Analyse a body.

    Parameters
    ----------
    tree : ast.Module or None
        The parsed body; None (a syntax error) gives an empty result.
    captures : iterable of str
        Names that are read after the body's last line.
    methods : mapping of str to BodyNames, optional
        Methods of ``self``: what they do to its attributes is done where they are called.

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
        walk = _Walk(names, methods or {})
        walk.block(tree.body)
        names.ends = walk.state is not None and walk.state.certain
        if not walk.returns and walk.state is not None:
            names.bound_at_end = frozenset(walk.state.sure)
        last = max((node.end_lineno or 1 for node in tree.body), default=1)
        for name in captures:
            walk.read(name, last)
    return names


@dataclass
class _State:
    """Names surely assigned, and names that may be, at one point of a body, and whether it is certainly reached."""

    sure: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    certain: bool = True

    def copy(self) -> _State:
        """A state that changes on its own."""
        return _State(set(self.sure), set(self.maybe), self.certain)


def _copy(state: _State | None) -> _State | None:
    """A copy; None stays None."""
    return None if state is None else state.copy()


def _either(one: _State | None, other: _State | None) -> _State | None:
    """The state whichever of two ways was taken; None is a way that is never left."""
    if one is None or other is None:
        return one if other is None else other
    return _State(one.sure & other.sure, one.maybe | other.maybe, one.certain and other.certain)


class _Walk:
    """Walks statements in the order they run.

    Parameters
    ----------
    names : BodyNames
        Filled on the way.
    methods : mapping of str to BodyNames
        Methods of ``self`` whose code is known.
    """

    def __init__(self, names: BodyNames, methods: Mapping[str, BodyNames]) -> None:
        self.names = names
        self.methods = methods
        # How many returns, and how many breaks and continues, were met so far.
        self.returns = self.jumps = 0
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
        if self.state.certain and name not in self.state.maybe and name != "self":
            self.names.definite.setdefault(name, line)
        if name.startswith("self."):
            self.names.self_reads.setdefault(name[5:], line)
        elif name != "self":
            self.names.reads.setdefault(name, line)
            if name not in self.state.maybe and not self.open_loops:
                self.names.unbound.setdefault(name, line)

    def bind(self, name: str, line: int, *, variable: bool = True) -> None:
        """Note that `name` is assigned now."""
        self.names.definitions.pop(name, None)
        if self.state is not None and self.state.certain:
            self.names.definite_writes.setdefault(name, line)
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

    def executed(self, node: ast.AST) -> None:
        """Note that a node is certainly executed, if it is."""
        if self.state is not None and self.state.certain:
            self.names.evaluated.add(node)

    def uncertain(self) -> bool:
        """Note that what comes now may not be executed; give whether this point is certainly reached."""
        certain = self.state is not None and self.state.certain
        if self.state is not None:
            self.state.certain = False
        return certain

    def certain_again(self, certain: bool, returns: int, jumps: int | None = None) -> None:
        """Come out of what may not be executed: this point is as certain as before unless something left the body."""
        if self.state is not None:
            self.state.certain = certain and returns == self.returns and jumps in (None, self.jumps)

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
        self.executed(node)
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
        before, truth = _copy(self.state), constant_truth(node.test)
        certain, returns, jumps = self.uncertain(), self.returns, self.jumps
        perhaps, ends = self.state, []
        for case, block in ((True, node.body), (False, node.orelse)):
            ends.append(self.branch(before if truth is case else perhaps, block))
        self.state = _either(*ends)
        self.certain_again(certain, returns, jumps)

    def on_While(self, node: ast.While) -> None:
        self.expression(node.test)
        self.loop(node.body, node.orelse, begins=constant_truth(node.test) is True)

    def on_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.expression(node.iter)
        self.loop(node.body, node.orelse, target=node.target)

    on_AsyncFor = on_For

    def loop(
        self, body: list[ast.stmt], orelse: list[ast.stmt], *, target: ast.expr | None = None, begins: bool = False
    ) -> None:
        """Walk a loop's body, which may run not at all (unless it `begins`), once or often, and its else."""
        before = _copy(self.state)
        certain, returns, jumps = self.uncertain(), self.returns, self.jumps
        if self.state is not None:
            self.state.certain = certain and begins
        if before is not None:
            before.certain = False
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
        self.jumps = jumps  # these led out of this loop, or to its top
        self.certain_again(certain, returns)

    def on_With(self, node: ast.With | ast.AsyncWith) -> None:
        transparent = True
        for item in node.items:
            self.expression(item.context_expr)
            transparent &= lets_exceptions_pass(item.context_expr)
            if item.optional_vars is not None:
                self.target(item.optional_vars)
        if transparent:
            self.interrupted(node.body)
            return
        certain, returns, jumps = self.uncertain(), self.returns, self.jumps
        left = self.interrupted(node.body)
        self.state = _either(self.state, left)
        self.certain_again(certain, returns, jumps)

    on_AsyncWith = on_With

    def on_Try(self, node: ast.Try) -> None:
        self.bound_inside.append(set())
        certain, returns, jumps = self.state is not None and self.state.certain, self.returns, self.jumps
        if node.handlers:  # any line of the body may be the last one that is executed
            self.uncertain()
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
        self.certain_again(certain, returns, jumps)
        if not node.finalbody:
            return
        # `finally` may run with no more than what was assigned before the try, and then leaves the rest as it was.
        self.state = left
        if left is not None:
            left.maybe |= inside
            left.certain = certain
        start = _copy(left)
        self.block(node.finalbody)
        if self.state is None or after is None or start is None:
            self.state = None
        else:
            gone = (start.sure - self.state.sure) | (start.maybe - self.state.maybe)
            self.state = _State((after.sure | self.state.sure) - gone, (after.maybe | self.state.maybe) - gone)
            self.certain_again(certain, returns, jumps)

    on_TryStar = on_Try

    def on_Match(self, node: ast.Match) -> None:
        self.expression(node.subject)
        certain, returns, jumps = self.uncertain(), self.returns, self.jumps
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
        self.certain_again(certain, returns, jumps)

    def on_Return(self, node: ast.Return | ast.Raise) -> None:
        for child in ast.iter_child_nodes(node):
            self.expression(child)
        self.executed(node)
        if self.state is not None:
            self.returns += isinstance(node, ast.Return)
        self.state = None

    on_Raise = on_Return

    def on_Break(self, node: ast.Break | ast.Continue) -> None:
        if self.state is not None:
            self.jumps += 1
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
        certain = self.uncertain()
        for name, line in scope.free.items():
            if name != itself:
                self.read(name, line)
                self.method(name.removeprefix("self."), line, called=False)
        self.certain_again(certain, self.returns)
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
        certain = self.uncertain()
        for node in nodes:
            self.expression(node)
        self.state = _either(before, self.state)
        self.certain_again(certain, self.returns)

    def method(self, name: str, line: int, *, called: bool) -> None:
        """Do what a method of ``self`` does to its attributes; one that is not called here may be called later."""
        done = self.methods.get(name)
        if done is None:
            return
        certain = self.state is not None and self.state.certain and called
        for read in done.self_reads:
            if self.state is not None:
                outside = self.state.certain
                self.state.certain = certain and f"self.{read}" in done.definite
                self.read(f"self.{read}", line)
                self.state.certain = outside
        for written in done.self_writes:
            if called and f"self.{written}" in done.bound_at_end:
                self.bind(f"self.{written}", line)
            else:
                self.names.self_writes.setdefault(written, line)
                self.may_bind([f"self.{written}"])
        self.names.self_escapes |= done.self_escapes
        self.names.merges |= done.merges

    def call(self, node: ast.Call) -> None:
        """Note what a call reads, and what it may do to ``self``."""
        open_ended, read = hands_out_self(node)
        if isinstance(node.func, ast.Name) and node.func.id in OPEN_ENDED:
            self.names.self_escapes = True
        for name, line in query_names(node):
            if self.state is not None and name not in self.state.sure:
                self.names.mentions.setdefault(name, line)
        own = isinstance(node.func, ast.Attribute) and is_self_attribute(node.func)
        for child in ast.iter_child_nodes(node):
            if (open_ended or child is not node.args[0]) and not (own and child is node.func):
                self.expression(child)
        if own:
            assert isinstance(node.func, ast.Attribute)
            self.executed(node.func)
            self.attribute(node.func, called=True)
        if read and len(node.args) == 2:
            self.read(f"self.{read}", node.lineno)
        if read:
            self.method(read, node.lineno, called=False)

    def attribute(self, node: ast.Attribute, *, called: bool) -> None:
        """Note that ``self.name`` is read, or called."""
        self.read(f"self.{node.attr}", node.lineno)
        self.names.merges |= node.attr == "merge_artifacts"
        # What is in self.__dict__ and the like may be changed there; the class is the same object for all.
        self.names.self_escapes |= node.attr.startswith("__") and node.attr.endswith("__") and node.attr != "__class__"
        if called or node.attr in self.methods:
            self.method(node.attr, node.lineno, called=called or self.methods[node.attr].is_property)

    def expression(self, node: ast.AST) -> None:
        """Note what an expression reads and, with ``:=``, binds."""
        if isinstance(node, ast.Attribute | ast.Call):
            self.executed(node)
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                self.read(node.id, node.lineno)
                self.names.self_escapes |= node.id == "self"
        elif isinstance(node, ast.Attribute) and is_self_attribute(node):
            self.attribute(node, called=False)
        elif isinstance(node, ast.Call):
            self.call(node)
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
            for child in ast.iter_child_nodes(node):
                self.expression(child)
