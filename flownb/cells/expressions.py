"""What the expressions of a body read and bind.

`Expressions` keeps the state at the current point of the body; `flownb.cells.assignment` visits the statements with it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flownb.cells.names import (
    OPEN_ENDED,
    BodyNames,
    Comprehension,
    Scope,
    ScopeNode,
    evaluated_outside,
    hands_out_self,
    is_self_attribute,
    query_names,
)

__all__ = ["Expressions", "State", "copied", "either"]


@dataclass
class State:
    """The state at one point of a body.

    Attributes
    ----------
    definite, maybe : set of str
        Names that are definitely assigned there, and names that may be.
    certain : bool
        Whether that point is certainly reached.
    """

    definite: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    certain: bool = True

    def copy(self) -> State:
        """A copy that changes independently."""
        return State(set(self.definite), set(self.maybe), self.certain)


def copied(state: State | None) -> State | None:
    """A copy; None stays None."""
    return None if state is None else state.copy()


def either(one: State | None, other: State | None) -> State | None:
    """The state after one of two branches; None is the state of a branch whose end is never reached."""
    if one is None or other is None:
        return one if other is None else other
    return State(one.definite & other.definite, one.maybe | other.maybe, one.certain and other.certain)


class Expressions:
    """Visits expressions in the order they are evaluated.

    Parameters
    ----------
    names : BodyNames
        Filled during the visit.
    methods : mapping of str to BodyNames
        Methods of ``self`` whose code is known.
    """

    def __init__(self, names: BodyNames, methods: Mapping[str, BodyNames]) -> None:
        self.names = names
        self.methods = methods
        # How many returns, and how many breaks and continues, were met so far.
        self.returns = self.jumps = 0
        # None: this point cannot be reached.
        self.state: State | None = State()
        # The names bound so far in each open statement that an exception may leave; the innermost is last.
        self.bound_inside: list[set[str]] = []
        # How many loops and nested scopes are open: a read there may come after an assignment further down.
        self.open_loops = 0

    def read(self, name: str, line: int) -> None:
        """Note a read unless the name is definitely assigned."""
        if self.state is None or name in self.state.definite:
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
            self.state.definite.add(name)

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
            self.state.definite.discard(name)
            self.state.maybe.discard(name)

    def executed(self, node: ast.AST) -> None:
        """Note that a node is certainly executed, if it is."""
        if self.state is not None and self.state.certain:
            self.names.evaluated.add(node)

    def uncertain(self) -> bool:
        """Note that what follows may not be executed; return whether this point is certainly reached."""
        certain = self.state is not None and self.state.certain
        if self.state is not None:
            self.state.certain = False
        return certain

    def certain_again(self, certain: bool, returns: int, jumps: int | None = None) -> None:
        """Leave code that may not be executed: this point is as certain as before unless a jump left the body."""
        if self.state is not None:
            self.state.certain = certain and returns == self.returns and jumps in (None, self.jumps)

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
        """Visit expressions that may not be evaluated: what they assign is not definite."""
        before = copied(self.state)
        certain = self.uncertain()
        for node in nodes:
            self.expression(node)
        self.state = either(before, self.state)
        self.certain_again(certain, self.returns)

    def method(self, name: str, line: int, *, called: bool) -> None:
        """Do what a method of ``self`` does to its attributes; one that is not called here may be called later."""
        done = self.methods.get(name)
        if done is None or (done.is_value and not called):
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
            if self.state is not None and name not in self.state.definite:
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
