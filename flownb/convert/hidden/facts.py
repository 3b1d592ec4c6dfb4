"""What one cell of a plain notebook does with names and objects, as the checks of hidden state need it.

`flownb.cells.names` says what a cell reads and binds. This module adds which reads happen only when a function is
called, and which statements certainly change a value in place. It errs on the side of silence: a change that is not
certain is left out, because a finding that is wrong costs its reader more than one that is missing. (What a step has to
capture is decided elsewhere, and there a change that is only possible counts.)
"""

from __future__ import annotations

import ast
import builtins
import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from flownb.cells.assignment import analyse_names
from flownb.cells.names import BodyNames, Scope, import_names
from flownb.convert.plain import PlainCell

__all__ = [
    "GROWING",
    "HISTORY",
    "KNOWN_NAMES",
    "SETTLING",
    "CellFacts",
    "Change",
    "Function",
    "Imports",
    "outline",
    "path_of",
    "read_cell",
    "root_of",
]

# For each imported name, the full names of what it is imported as, each with the first cell.
Imports = Mapping[str, Mapping[str, int]]

# Names that IPython puts into every notebook's namespace.
IPYTHON_NAMES = frozenset({"In", "Out", "display", "exit", "get_ipython", "quit"})
HISTORY = re.compile(r"(_{1,3}|_i{1,3}|_\d+|_i\d+|_ih|_oh|_dh|In|Out)")
KNOWN_NAMES = frozenset(dir(builtins)) | IPYTHON_NAMES | {"__file__", "__name__", "__doc__", "__builtins__"}

# Methods that change their object, and do something else when they are called again.
GROWING = frozenset(
    {
        "append",
        "appendleft",
        "extend",
        "extendleft",
        "insert",
        "pop",
        "popleft",
        "popitem",
        "remove",
        "reverse",
        "rotate",
    }
)
# Methods that change their object, and leave it as it is when they are called again.
SETTLING = frozenset({"add", "clear", "discard", "fit", "setdefault", "sort", "update"})
# Functions that change their first argument.
CHANGERS = frozenset({"random.shuffle", "numpy.random.shuffle", "heapq.heappush", "heapq.heappop", "heapq.heapify"})
# Calls that give their argument back if it is already what they make.
CONVERSIONS = frozenset(
    {"DataFrame", "Path", "Series", "abs", "array", "asarray", "bool", "copy", "dict", "float", "frozenset", "int"}
    | {"list", "set", "sorted", "str", "to_datetime", "to_numeric", "tuple"}
)
# Magics that execute the rest of their line as Python.
EXECUTING = re.compile(r"%(time|timeit|prun|memit)\s+((?:-\w+(?:\s*\d+)?\s+)*)(.*)", re.DOTALL)
ASSIGNING = re.compile(r"([\w\s,]+?)\s*=\s*[%!]")
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Change:
    """A statement that certainly changes a value which the cell did not make itself.

    Attributes
    ----------
    name : str
    line, end_line : int
        1-based lines of the cell.
    how : {"replaced", "grown", "set"}
        ``df = df.dropna()``; ``xs.append(1)``; ``df["a"] = 1``, which gives the same when it is executed again.
    text : str
        The statement, cut to one short line.
    """

    name: str
    line: int
    end_line: int
    how: str
    text: str

    @property
    def in_place(self) -> bool:
        """Whether other names of the same object see the change."""
        return self.how != "replaced"


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
        return list(ast.walk(self.tree)) if self.tree is not None else []

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
        calls = (node for node in ast.walk(outline(self.tree) or ast.Module([], [])) if isinstance(node, ast.Call))
        return frozenset(node.func.id for node in calls if isinstance(node.func, ast.Name))

    @property
    def only_defines(self) -> bool:
        """Whether the cell has nothing but imports and definitions, or no code at all."""
        kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        return all(isinstance(node, kinds) or _is_text(node) for node in (self.tree.body if self.tree else ()))


def _is_text(node: ast.stmt) -> bool:
    """Whether a statement is only a string."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def read_cell(cell: PlainCell, imports: Imports) -> CellFacts:
    """Read one cell; `imports` are those of all cells."""
    tree = cell.tree
    facts = CellFacts(cell, tree, analyse_names(outline(tree)) if cell.magics or _has_functions(tree) else cell.names)
    if tree is not None:
        facts.functions = [_function(cell.number, node, imports) for node in _definitions(tree.body)]
        facts.changes = [one for one in _changes(tree.body, imports, set()) if one.name in facts.names.reads]
    _read_magics(facts)
    return facts


def _function(number: int, node: Definition, imports: Imports) -> Function:
    """Read one function."""
    scope = Scope(node)
    reads = {name: line for name, line in scope.free.items() if "." not in name and name != node.name}
    outside = set(scope.free) | set(scope.declared)
    bodies = [node.body] if not isinstance(node, ast.ClassDef) else [one.body for one in _definitions(node.body)]
    changes = [one for body in bodies for one in _changes(body, imports, set()) if one.name in outside]
    return Function(node.name, number, node, reads, dict(scope.declared), tuple(changes))


def _changes(body: Iterable[ast.stmt], imports: Imports, fresh: set[str]) -> Iterator[Change]:
    """Certain changes of values that `body` does not make itself; `fresh` gets the names that it has made."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            fresh.add(node.name)
            continue
        yield from (one for one in _change(node, imports) if one.name not in fresh and one.name not in imports)
        fresh.update(_made(node))
        for part in ("body", "orelse", "finalbody"):
            yield from _changes(getattr(node, part, ()), imports, fresh)
        for handler in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _changes(handler.body, imports, fresh)


def _change(node: ast.stmt, imports: Imports) -> Iterator[Change]:
    """What one statement changes, without the statements inside of it."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = [one for target in node.targets for one in _flat(target)]
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    elif isinstance(node, ast.Delete):
        targets = node.targets
    for target in targets:
        name = root_of(target)
        if isinstance(target, ast.Subscript | ast.Attribute) and name:
            value = getattr(node, "value", None)
            again = isinstance(node, ast.AugAssign | ast.Delete) or _mentions(value, ast.unparse(target))
            yield _changed(name, node, "grown" if again else "set")
        elif isinstance(target, ast.Name) and (
            isinstance(node, ast.AugAssign)
            or (isinstance(node, ast.Assign) and _reads(node.value, name) and not _converts(node.value, name))
        ):
            yield _changed(name, node, "replaced")
    value = getattr(node, "value", None)
    call = value.value if isinstance(value, ast.Await) else value
    if isinstance(call, ast.Call) and isinstance(node, ast.Expr | ast.Assign):
        yield from _changing_call(node, call, imports)


def _changing_call(node: ast.stmt, call: ast.Call, imports: Imports) -> Iterator[Change]:
    """What the call of a statement changes."""
    function = call.func
    if isinstance(function, ast.Attribute) and (name := root_of(function.value)):
        plain = isinstance(node, ast.Expr)
        inplace = any(
            one.arg == "inplace" and isinstance(one.value, ast.Constant) and one.value.value is True
            for one in call.keywords
        )
        if inplace or function.attr in GROWING:
            # `df = df.append(…)` of old pandas is a replacement, which is reported as such.
            if plain or inplace or function.attr.startswith("pop"):
                yield _changed(name, node, "grown")
        elif plain and function.attr in SETTLING:
            yield _changed(name, node, "set")
    if call.args and path_of(function, imports) in CHANGERS and (name := root_of(call.args[0])):
        yield _changed(name, node, "grown")


def path_of(node: ast.expr, imports: Imports) -> str:
    """The full name of what an expression names: ``numpy.random.rand`` for ``np.random.rand``.

    A builtin is ``builtins.open``; a method of anything else is ``?.sample``; a variable is ``?``.
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        if node.id in imports:
            return ".".join([next(iter(imports[node.id])), *reversed(parts)])
        if not parts and node.id in KNOWN_NAMES:
            return f"builtins.{node.id}"
        if not parts:
            return f"?{node.id}"
    return f"?.{parts[0]}" if parts else "?"


def root_of(node: ast.expr) -> str:
    """The variable that an expression is a part of: ``df`` for ``df.loc[0]["a"]``; empty if there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _has_functions(tree: ast.Module | None) -> bool:
    """Whether a cell defines functions or classes."""
    return tree is not None and next(iter(_definitions(tree.body)), None) is not None


def _definitions(body: Iterable[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Functions and classes that statements define in their own scope."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from _definitions(getattr(node, part, ()))
        for handler in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _definitions(handler.body)


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


def _flat(target: ast.expr) -> Iterator[ast.expr]:
    """The single targets of an assignment."""
    if isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _flat(element)
    else:
        yield target.value if isinstance(target, ast.Starred) else target


def _made(node: ast.stmt) -> Iterator[str]:
    """Names that one statement gives a new value, without the statements inside of it."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = list(node.targets)
    elif isinstance(node, ast.AnnAssign | ast.For | ast.AsyncFor):
        targets = [node.target]
    elif isinstance(node, ast.With | ast.AsyncWith):
        targets = [item.optional_vars for item in node.items if item.optional_vars is not None]
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from import_names(node)
    for target in targets:
        yield from (one.id for one in _flat(target) if isinstance(one, ast.Name))


def _reads(node: ast.AST, name: str) -> bool:
    """Whether an expression reads a name."""
    return any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(node))


def _mentions(node: ast.AST | None, text: str) -> bool:
    """Whether an expression has a part that is written like `text`."""
    kinds = (ast.Subscript, ast.Attribute)
    return node is not None and any(isinstance(one, kinds) and ast.unparse(one) == text for one in ast.walk(node))


def _converts(node: ast.expr, name: str) -> bool:
    """Whether an expression gives the value of `name` back if it is already of the right type: ``list(x)``."""
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Name)
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    first = node.args[0] if node.args else node.func.value if isinstance(node.func, ast.Attribute) else None
    return called in CONVERSIONS and isinstance(first, ast.Name) and first.id == name


def _changed(name: str, node: ast.stmt, how: str) -> Change:
    """A change by a statement."""
    text = ast.unparse(node).split("\n")[0]
    return Change(name, node.lineno, node.end_lineno or node.lineno, how, text if len(text) <= 60 else f"{text[:57]}…")


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
