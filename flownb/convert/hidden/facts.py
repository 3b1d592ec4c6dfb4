"""What one cell of a plain notebook does with names and objects, as the checks of hidden state need it.

`flownb.cells.names` says what a cell reads and binds. This module adds which reads happen only when a function is
called, and which names magics bind.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from flownb.cells.assignment import analyse_names
from flownb.cells.names import BodyNames, Scope
from flownb.convert.hidden.statements import Change, Imports, changes_in
from flownb.convert.plain import PlainCell
from flownb.convert.trees import definitions, walk

__all__ = ["HISTORY", "NAMESPACES", "CellFacts", "Function", "outline", "read_cell"]

HISTORY = re.compile(r"(_{1,3}|_i{1,3}|_\d+|_i\d+|_ih|_oh|_dh|In|Out)")

CATCH_ALL = frozenset({"NameError", "Exception", "BaseException"})
NAMESPACES = frozenset({"globals", "locals", "vars", "dir"})
# Magics that execute the rest of their line as Python.
EXECUTING = re.compile(r"%(time|timeit|prun|memit)\s+((?:-\w+(?:\s*\d+)?\s+)*)(.*)", re.DOTALL)
ASSIGNING = re.compile(r"([\w\s,]+?)\s*=\s*[%!]")
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Function:
    """A function or class that a cell defines, wherever in the cell.

    Attributes
    ----------
    name : str
    cell : int
        Number of its cell.
    node : ast.FunctionDef or ast.AsyncFunctionDef or ast.ClassDef
    reads : dict of str to int
        Names that it takes from the notebook when it is called.
    declared : dict of str to int
        Names in its ``global`` statements.
    changes : tuple of Change
        Certain changes of values that are not its own.
    """

    name: str
    cell: int
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    reads: dict[str, int]
    declared: dict[str, int]
    changes: tuple[Change, ...]

    @property
    def called(self) -> str:
        """``function`` or ``class``."""
        return "class" if isinstance(self.node, ast.ClassDef) else "function"


@dataclass
class CellFacts:
    """One code cell.

    Attributes
    ----------
    cell : PlainCell
    tree : ast.Module or None
        None if the cell is not Python: after a syntax error, and below magics such as ``%%bash``.
    names : BodyNames
        What the cell reads and binds when it is executed, without what its functions read when they are called.
    functions : list of Function
    changes : list of Change
    from_magics : dict of str to int
        Names that magics bind, such as ``files = !ls``.
    """

    cell: PlainCell
    tree: ast.Module | None
    names: BodyNames
    functions: list[Function] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    from_magics: dict[str, int] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """The 1-based number of the cell."""
        return self.cell.number

    def bind_by_magic(self, names: Iterable[str], line: int) -> None:
        """Note names that a magic binds; lines below it that read them read that value."""
        for name in names:
            self.from_magics.setdefault(name, line)
            if self.names.reads.get(name, 0) > line:
                del self.names.reads[name]

    @cached_property
    def bound(self) -> dict[str, int]:
        """Names that have a value after the cell, with the first line."""
        declared = {name: line for function in self.functions for name, line in function.declared.items()}
        return {**declared, **self.from_magics, **self.names.assigned}

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of the tree."""
        return list(walk(self.tree)) if self.tree is not None else []

    @cached_property
    def nodes_outside(self) -> list[ast.AST]:
        """All nodes outside of the bodies of functions."""
        return list(walk(outline(self.tree) or ast.Module([], []))) if self.functions else self.nodes

    @cached_property
    def deleted(self) -> dict[str, int]:
        """Names that the cell certainly deletes, and does not bind again."""
        targets = [
            one
            for node in (self.tree.body if self.tree else ())
            if isinstance(node, ast.Delete)
            for one in node.targets
        ]
        return {
            one.id: one.lineno for one in targets if isinstance(one, ast.Name) and one.id not in self.names.bound_at_end
        }

    @cached_property
    def called(self) -> frozenset[str]:
        """Plain names that the cell calls outside of functions."""
        calls = (node for node in self.nodes_outside if isinstance(node, ast.Call))
        return frozenset(node.func.id for node in calls if isinstance(node.func, ast.Name))

    @cached_property
    def guarded(self) -> set[str]:
        """Names that a cell may read without a value: in a ``try`` that expects it, or after ``"x" in globals()``."""
        found: set[str] = set()
        for node in self.nodes:
            if isinstance(node, ast.Try) and any(_catches(one) for one in node.handlers):
                found |= {one.id for part in node.body for one in walk(part) if isinstance(one, ast.Name)}
            elif isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant):
                after = node.comparators[0]
                if isinstance(after, ast.Call) and getattr(after.func, "id", "") in NAMESPACES:
                    found.add(str(node.left.value))
        return found

    @cached_property
    def defines_unseen(self) -> bool:
        """Whether code defines names that cannot be seen: ``exec``, ``globals()["x"] = …``."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                called = node.func
                if isinstance(called, ast.Name) and called.id == "exec":
                    return True
                owner = called.value if isinstance(called, ast.Attribute) and called.attr == "update" else None
            else:
                owner = node.value if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) else None
            if isinstance(owner, ast.Call) and getattr(owner.func, "id", "") in NAMESPACES:
                return True
        return False

    @property
    def only_defines(self) -> bool:
        """Whether the cell has nothing but imports and definitions, or no code at all."""
        kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        return all(isinstance(node, kinds) or _is_text(node) for node in (self.tree.body if self.tree else ()))


def _catches(handler: ast.ExceptHandler) -> bool:
    """Whether an except clause catches a NameError."""
    return handler.type is None or any(isinstance(one, ast.Name) and one.id in CATCH_ALL for one in walk(handler.type))


def _is_text(node: ast.stmt) -> bool:
    """Whether a statement is only a string."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def read_cell(cell: PlainCell, imports: Imports) -> CellFacts:
    """Read one cell; `imports` are those of all cells."""
    tree = cell.tree
    facts = CellFacts(cell, tree, analyse_names(outline(tree)) if cell.magics or _has_functions(tree) else cell.names)
    if tree is not None:
        facts.functions = [_function(cell.number, node, imports) for node in _definitions(tree.body)]
        facts.changes = [one for one in changes_in(tree.body, imports, set()) if one.name in facts.names.reads]
    _read_magics(facts)
    return facts


def _function(number: int, node: Definition, imports: Imports) -> Function:
    """Read one function."""
    scope = Scope(node)
    reads = {name: line for name, line in scope.free.items() if "." not in name and name != node.name}
    outside = set(scope.free) | set(scope.declared)
    bodies = [node.body] if not isinstance(node, ast.ClassDef) else [one.body for one in _definitions(node.body)]
    changes = [one for body in bodies for one in changes_in(body, imports, set()) if one.name in outside]
    return Function(node.name, number, node, reads, dict(scope.declared), tuple(changes))


def _has_functions(tree: ast.Module | None) -> bool:
    """Whether a cell defines functions or classes."""
    return tree is not None and next(iter(_definitions(tree.body)), None) is not None


def _definitions(body: Iterable[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Functions and classes that statements define in their own scope."""
    for _, node in definitions(body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


def outline(tree: ast.Module | None) -> ast.Module | None:
    """A tree without the bodies of its functions, which are executed only when somebody calls them."""
    return None if tree is None else ast.Module(_outlined(tree.body), [])


def _outlined(body: list[ast.stmt]) -> list[ast.stmt]:
    """Statements without the bodies of functions."""
    found: list[ast.stmt] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node = copy.copy(node)
            node.body = [ast.copy_location(ast.Pass(), node)]
        elif any(hasattr(node, part) for part in ("body", "handlers", "cases")):
            node = copy.copy(node)
            for part in ("body", "orelse", "finalbody"):
                if hasattr(node, part):
                    setattr(node, part, _outlined(getattr(node, part)))
            for part in ("handlers", "cases"):
                if hasattr(node, part):
                    setattr(node, part, [_outlined_part(one) for one in getattr(node, part)])
        found.append(node)
    return found


def _outlined_part(part: ast.ExceptHandler | ast.match_case) -> ast.ExceptHandler | ast.match_case:
    """An except clause or a case without the bodies of functions."""
    part = copy.copy(part)
    part.body = _outlined(part.body)
    return part


def _read_magics(facts: CellFacts) -> None:
    """Add the names that magics read and bind."""
    for magic in facts.cell.magics:
        if found := EXECUTING.match(magic.text):
            try:
                names = analyse_names(ast.parse(found[3]))
            except SyntaxError:
                continue
            for name in names.reads:
                if name not in facts.names.assigned:
                    facts.names.reads.setdefault(name, magic.line)
            if found[1] == "time":
                facts.bind_by_magic(names.assigned, magic.line)
        elif found := ASSIGNING.match(magic.text):
            facts.bind_by_magic([name.strip() for name in found[1].split(",")], magic.line)
        elif magic.text.startswith(("%%capture", "%store -r")):
            facts.bind_by_magic([word for word in magic.text.split()[1:] if word.isidentifier()], magic.line)
