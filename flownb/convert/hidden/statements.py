"""Which statements certainly change a value in place, or replace it by something made from it.

This errs on the side of silence: a change that is not certain is left out, because a finding that is wrong costs its
reader more than one that is missing. (What a step has to capture is decided in `flownb.convert.effects`, where a change
that is only possible counts.)
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flownb.cells.names import import_names
from flownb.convert.trees import walk

__all__ = ["GROWING", "KNOWN_NAMES", "SETTLING", "Change", "Imports", "changes_in", "path_of", "root_of"]

# For each imported name, the full names of what it is imported as, each with the first cell.
Imports = Mapping[str, Mapping[str, int]]

# Names that IPython puts into every notebook's namespace.
IPYTHON_NAMES = frozenset({"In", "Out", "display", "exit", "get_ipython", "quit"})
KNOWN_NAMES = frozenset(dir(builtins)) | IPYTHON_NAMES | {"__file__", "__name__", "__doc__", "__builtins__"}

# Methods that change their object, and do something else when they are called again.
GROWING = frozenset(
    {"append", "appendleft", "extend", "extendleft", "insert", "pop", "popitem", "popleft", "remove", "reverse"}
)
# Methods that change their object, and leave it as it is when they are called again.
SETTLING = frozenset({"add", "clear", "discard", "fit", "setdefault", "sort", "update"})
# Functions that change their first argument.
CHANGERS = frozenset({"random.shuffle", "numpy.random.shuffle", "heapq.heappush", "heapq.heappop", "heapq.heapify"})
# Calls that give their argument back if it is already what they make.
CONVERSIONS = frozenset(
    {"Categorical", "DataFrame", "Path", "Series", "abs", "array", "asarray", "astype", "bool", "ceil", "copy", "dict"}
    | {"float", "floor", "frozenset", "int", "list", "lower", "set", "sorted", "str", "strip", "to_datetime"}
    | {"to_numeric", "tuple", "upper"}
)


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


def changes_in(body: Iterable[ast.stmt], imports: Imports, fresh: set[str]) -> Iterator[Change]:
    """Certain changes of values that `body` does not make itself; `fresh` gets the names that it has made."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            fresh.add(node.name)
            continue
        yield from (one for one in _change(node, imports) if one.name not in fresh and one.name not in imports)
        fresh.update(_made(node))
        for part in ("body", "orelse", "finalbody"):
            yield from changes_in(getattr(node, part, ()), imports, fresh)
        for handler in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from changes_in(handler.body, imports, fresh)


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
            text = ast.unparse(target)
            again = isinstance(node, ast.AugAssign | ast.Delete) or (
                _mentions(value, text) and not _converts(node.value, text)  # type: ignore[attr-defined]  # an assignment
            )
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
        elif plain and function.attr in SETTLING and not _makes_another(call):
            yield _changed(name, node, "set")
    if call.args and path_of(function, imports) in CHANGERS and (name := root_of(call.args[0])):
        yield _changed(name, node, "grown")


def _makes_another(call: ast.Call) -> bool:
    """Whether an ``add`` rather returns a new object: ``plot.add(Dots(), …)`` instead of ``seen.add(x)``."""
    assert isinstance(call.func, ast.Attribute)
    one = len(call.args) == 1 and not call.keywords and not isinstance(call.args[0], ast.Call)
    return call.func.attr == "add" and not one


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
    return any(isinstance(one, ast.Name) and one.id == name for one in walk(node))


def _mentions(node: ast.AST | None, text: str) -> bool:
    """Whether an expression has a part that is written like `text`."""
    kinds = (ast.Subscript, ast.Attribute)
    return node is not None and any(isinstance(one, kinds) and ast.unparse(one) == text for one in walk(node))


def _converts(node: ast.expr, name: str) -> bool:
    """Whether an expression gives the value of `name` back if it is already of the right type: ``list(x)``."""
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Name)
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    own = node.func.value if isinstance(node.func, ast.Attribute) else None
    first = node.args[0] if node.args and called != "astype" else own
    if called in ("lower", "strip", "upper") and isinstance(first, ast.Attribute) and first.attr == "str":
        first = first.value
    return called in CONVERSIONS and first is not None and ast.unparse(first) == name


def _changed(name: str, node: ast.stmt, how: str) -> Change:
    """A change by a statement."""
    text = ast.unparse(node).split("\n")[0]
    return Change(name, node.lineno, node.end_lineno or node.lineno, how, text if len(text) <= 60 else f"{text[:57]}…")
