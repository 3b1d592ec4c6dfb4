"""What a body does with names: the facts, and what single pieces of syntax say about names.

`flownb.cells.assignment` fills a `BodyNames`; the checks and the source of methods read it. The functions here say
which names an import binds, whether a context manager lets exceptions pass, and what a nested scope takes from around
it. Where the source only hints at something, the answer is the one that causes no wrong error.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "BodyNames",
    "Comprehension",
    "Definition",
    "Scope",
    "ScopeNode",
    "constant_truth",
    "evaluated_outside",
    "hands_out_self",
    "import_names",
    "is_self_attribute",
    "lets_exceptions_pass",
    "query_names",
]


Definition = Literal["function", "class", "module"]


@dataclass
class BodyNames:
    """What a body does with names; values are 1-based lines in the body.

    Attributes
    ----------
    reads : dict of str to int
        Plain names that may be read before the body assigned them, with the first such line.
    unbound : dict of str to int
        The names in `reads` that no path through the body has assigned at that line.
    mentions : dict of str to int
        Names that occur only in a string, as in ``df.query("a > @limit")``.
    assigned : dict of str to int
        Plain names the body binds in its own scope, with the first such line.
    variables : dict of str to int
        The names in `assigned` that hold values: no imports, definitions, loop targets or ``except … as`` names.
    annotated : dict of str to int
        Names with an annotation and no value, which makes them local too.
    self_reads, self_writes : dict of str to int
        Attributes of ``self`` that may be read before they are written, and attributes that are written.
    self_deletes : dict of str to int
        Attributes of ``self`` deleted with ``del``.
    self_escapes : bool
        Whether ``self`` is used in another form than ``self.name``, so that it may gain or lose any attribute.
    merges : bool
        Whether ``self.merge_artifacts`` is called.
    globals_declared : dict of str to int
        Names in ``global`` statements, at any depth.
    definitions : dict of str to {"function", "class", "module"}
        Names that hold something that cannot be persisted at the body's end; attributes as ``"self.x"``.
    definite : dict of str to int
        Names (attributes as ``"self.x"``) that are certainly read, with the first such line, where the body cannot have
        assigned them: whenever the body is executed, that line is reached or an exception ends it before.
    definite_writes : dict of str to int
        Names (attributes as ``"self.x"``) that are certainly assigned, with the first such line.
    bound_at_end : frozenset of str
        Names (attributes as ``"self.x"``) that have a value on every path to the body's end.
    evaluated : set of ast.AST
        Attributes, calls, imports and returns that are certainly executed.
    is_property, is_value : bool
        Of a method: whether reading the attribute calls it; whether it may be a value instead of a method.
    ends : bool
        Whether the end of the body is certainly reached, unless an exception is raised.
    """

    reads: dict[str, int] = field(default_factory=dict)
    unbound: dict[str, int] = field(default_factory=dict)
    mentions: dict[str, int] = field(default_factory=dict)
    assigned: dict[str, int] = field(default_factory=dict)
    variables: dict[str, int] = field(default_factory=dict)
    annotated: dict[str, int] = field(default_factory=dict)
    self_reads: dict[str, int] = field(default_factory=dict)
    self_writes: dict[str, int] = field(default_factory=dict)
    self_deletes: dict[str, int] = field(default_factory=dict)
    self_escapes: bool = False
    merges: bool = False
    globals_declared: dict[str, int] = field(default_factory=dict)
    definitions: dict[str, Definition] = field(default_factory=dict)
    definite: dict[str, int] = field(default_factory=dict)
    definite_writes: dict[str, int] = field(default_factory=dict)
    bound_at_end: frozenset[str] = frozenset()
    evaluated: set[ast.AST] = field(default_factory=set)
    is_property: bool = False
    is_value: bool = False
    ends: bool = True

    @property
    def local_functions(self) -> frozenset[str]:
        """Names bound by ``def`` or to a bare ``lambda``."""
        return frozenset(name for name, kind in self.definitions.items() if kind == "function")


# Context managers that let every exception pass; any other may swallow one, and execution continues after its block.
TRANSPARENT = frozenset(
    {
        "Client",
        "Lock",
        "NamedTemporaryFile",
        "Pool",
        "ProcessPoolExecutor",
        "RLock",
        "Session",
        "TemporaryDirectory",
        "TemporaryFile",
        "ThreadPoolExecutor",
        "ZipFile",
        "catch_warnings",
        "closing",
        "connect",
        "errstate",
        "inference_mode",
        "localcontext",
        "no_grad",
        "nullcontext",
        "open",
        "option_context",
        "rc_context",
        "redirect_stderr",
        "redirect_stdout",
        "urlopen",
    }
)
# Builtins that set nothing on the object they get.
LOOKS_ONLY = frozenset({"bool", "callable", "getattr", "hasattr", "id", "isinstance", "print", "repr", "str", "type"})
# Builtins that can use `self` without naming it.
OPEN_ENDED = frozenset({"eval", "exec", "super"})
# Methods with strings that name variables of the caller (pandas' ``DataFrame.query``).
QUERIES = frozenset({"query", "eval"})
QUERIED = re.compile(r"@([^\W\d]\w*)")


def lets_exceptions_pass(manager: ast.expr) -> bool:
    """Whether a ``with`` on this expression is known to swallow no exception."""
    called = manager.func if isinstance(manager, ast.Call) else manager
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in TRANSPARENT


def constant_truth(test: ast.expr) -> bool | None:
    """Whether a condition is written out as true or false; None if it has to be evaluated."""
    return bool(test.value) if isinstance(test, ast.Constant) else None


def hands_out_self(node: ast.Call) -> tuple[bool, str]:
    """Whether a call may set attributes of a `self` that it names, and the attribute that ``getattr`` reads of it.

    ``hasattr(self, "x")`` and ``print(self)`` set nothing; ``exec`` and ``super()`` may, without naming it.
    """
    called = node.func.id if isinstance(node.func, ast.Name) else ""
    if called in OPEN_ENDED:
        return True, ""
    mine = bool(node.args) and isinstance(node.args[0], ast.Name) and node.args[0].id == "self"
    if not mine or called not in LOOKS_ONLY:
        return True, ""
    if called != "getattr":
        return False, ""
    name = node.args[1].value if len(node.args) > 1 and isinstance(node.args[1], ast.Constant) else None
    return (False, name) if isinstance(name, str) else (True, "")


def query_names(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Names, each with its line, that occur in the strings of a call like ``df.query("a > @limit")``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in QUERIES:
        for child in (part for argument in node.args for part in ast.walk(argument)):
            if isinstance(child, ast.Constant) and isinstance(child.value, str):
                for name in QUERIED.findall(child.value):
                    yield name, child.lineno


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
    """Parts of a nested scope that are evaluated in the enclosing one: decorators, defaults, bases, annotations."""
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
    """A function, lambda, class or comprehension inside a body: what it binds, and what it takes from around it.

    Python's own rules decide: the names of a class body are visible in the body itself, never in its methods; ``:=`` in
    a comprehension binds outside of it.

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
        Whether ``self`` is used in another form than ``self.name``.
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
        """Note what a node and all nodes below it do, as far as they belong to this scope."""
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
