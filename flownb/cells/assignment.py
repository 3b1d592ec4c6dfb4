"""Which names a body reads before they are definitely assigned, and which it binds.

The body is analysed as the body of a function, because that is what it becomes (Python reference, "Naming and
binding"; CPython's `LOAD_FAST_CHECK` decides the same question). The analysis errs on one side only: a name may be
reported as "perhaps read before assigned" when it never is (the step then loads an artifact that it overwrites), never
the other way round. A read is called definite only if the body cannot be executed without it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from flownb.cells.expressions import Expressions, State, copied, either
from flownb.cells.names import BodyNames, constant_truth, import_names, is_self_attribute, lets_exceptions_pass

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
            names.bound_at_end = frozenset(walk.state.definite)
        last = max((node.end_lineno or 1 for node in tree.body), default=1)
        for name in captures:
            walk.read(name, last)
    return names


class _Walk(Expressions):
    """Visits statements in the order in which they are executed."""

    def block(self, body: Iterable[ast.stmt]) -> None:
        """Visit statements one after the other."""
        for statement in body:
            self.statement(statement)

    def branch(self, state: State | None, body: Iterable[ast.stmt]) -> State | None:
        """Visit `body` from a copy of `state`, and return the state at its end."""
        self.state = copied(state)
        self.block(body)
        return self.state

    def interrupted(self, body: Iterable[ast.stmt]) -> State | None:
        """Visit `body` from here, and return the state in which any statement of it may leave it."""
        left = copied(self.state)
        self.bound_inside.append(set())
        self.block(body)
        inside = self.bound_inside.pop()
        if left is not None:
            left.maybe |= inside
        return left

    def statement(self, node: ast.stmt) -> None:
        """Visit one statement."""
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
        before, truth = copied(self.state), constant_truth(node.test)
        certain, returns, jumps = self.uncertain(), self.returns, self.jumps
        perhaps, ends = self.state, []
        for case, block in ((True, node.body), (False, node.orelse)):
            ends.append(self.branch(before if truth is case else perhaps, block))
        self.state = either(*ends)
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
        """Visit a loop's body, which is executed never (unless it `begins`), once or often, and its else."""
        before = copied(self.state)
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
        self.jumps = jumps  # breaks and continues in the loop end there
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
        self.state = either(self.state, left)
        self.certain_again(certain, returns, jumps)

    on_AsyncWith = on_With

    def on_Try(self, node: ast.Try) -> None:
        self.bound_inside.append(set())
        certain, returns, jumps = self.state is not None and self.state.certain, self.returns, self.jumps
        if node.handlers:  # any line of the body may be the last that is executed
            self.uncertain()
        left = self.interrupted(node.body)
        self.block(node.orelse)
        after = self.state
        for handler in node.handlers:
            self.state = copied(left)
            if handler.type is not None:
                self.expression(handler.type)
            if handler.name:
                self.bind(handler.name, handler.lineno, variable=False)
            self.block(handler.body)
            if handler.name:
                self.unbind(handler.name)
            after = either(after, self.state)
        inside = self.bound_inside.pop()
        self.state = after
        self.certain_again(certain, returns, jumps)
        if not node.finalbody:
            return
        # `finally` may be executed with only what was assigned before the try; whatever it deletes is gone in any case.
        self.state = left
        if left is not None:
            left.maybe |= inside
            left.certain = certain
        start = copied(left)
        self.block(node.finalbody)
        if self.state is None or after is None or start is None:
            self.state = None
        else:
            gone = (start.definite - self.state.definite) | (start.maybe - self.state.maybe)
            self.state = State((after.definite | self.state.definite) - gone, (after.maybe | self.state.maybe) - gone)
            self.certain_again(certain, returns, jumps)

    on_TryStar = on_Try

    def on_Match(self, node: ast.Match) -> None:
        self.expression(node.subject)
        certain, returns, jumps = self.uncertain(), self.returns, self.jumps
        self.bound_inside.append(set())
        after: State | None = None
        for case in node.cases:
            start = copied(self.state)
            self.pattern(case.pattern)
            failed = start
            if case.guard is not None:
                self.expression(case.guard)
            if failed is not None:
                failed.maybe |= self.bound_inside[-1]
            self.block(case.body)
            after = either(after, self.state)
            self.state = failed
            if case.guard is None and isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None:
                self.state = None
        self.bound_inside.pop()
        self.state = either(after, self.state)
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
