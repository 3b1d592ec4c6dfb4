"""Base classes of a flow's class and methods of the flow, read from source without executing anything.

The classes that a ``%%flow Train(BaseFlow, Mixin)`` line names are looked up in the shared cells, and in the modules
that these import. Steps, parameters and methods of a base are part of the flow, as they are on Metaflow. What a method
does to ``self`` counts as done by the step that calls it.
"""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from flownb.cells.assignment import analyse_names
from flownb.cells.cell import Cell, read_cell
from flownb.cells.header import INPUTS, StepHeader
from flownb.cells.names import BodyNames

__all__ = [
    "ROOT",
    "BaseClass",
    "ClassMethods",
    "base_classes",
    "class_methods",
    "inherited_steps",
    "is_step_mark",
    "methods_of",
    "own_package",
]


# Metaflow's own base class.
ROOT = "FlowSpec"
MIRRORED = ("metaflow", "flownb")


@dataclass(frozen=True)
class BaseClass:
    """A base class whose source is known.

    Attributes
    ----------
    name : str
        As its class statement has it.
    node : ast.ClassDef
    place : str
        The shared cell's file name, or the path of the module.
    module : str
        Dotted name of its module; empty for a shared cell.
    """

    name: str
    node: ast.ClassDef
    place: str
    module: str = ""


@dataclass
class _Source:
    """A text in which classes are looked up, and the module that it is, from which relative imports start."""

    tree: ast.Module
    place: str
    module: str = ""
    is_package: bool = False


@dataclass
class _Found:
    """Classes in the order in which Python looks a name up in them, and whether all of them are known."""

    classes: dict[tuple[str, str], BaseClass] = field(default_factory=dict)
    complete: bool = True
    is_flow: bool = False


def base_classes(names: Sequence[str], shared: Iterable[Cell]) -> tuple[tuple[BaseClass, ...], bool, bool]:
    """Find base classes, and the bases of these.

    Parameters
    ----------
    names : sequence of str
        As the flow's header writes them.
    shared : iterable of Cell
        The shared cells, which define or import them.

    Returns
    -------
    (tuple of BaseClass, bool, bool)
        The classes in the order in which Python looks a name up in them; whether the source of all of them was found;
        and whether one of them is Metaflow's ``FlowSpec``, as far as that is known.
    """
    sources = [_Source(cell.parsed.tree, cell.filename) for cell in shared if cell.parsed.tree is not None]
    found = _Found()
    for name in names:
        _follow(name, sources, found, frozenset())
    return tuple(found.classes.values()), found.complete, found.is_flow or not found.complete


def _follow(name: str, sources: Sequence[_Source], found: _Found, above: frozenset[str]) -> None:
    """Add a class and its bases; a base that several classes share comes after the last of them, as in Python."""
    where = _locate(name, sources)
    if where == ROOT:
        found.is_flow = True
        return
    if not isinstance(where, tuple) or f"{where[0].place}:{where[1].name}" in above:
        found.complete = found.complete and name in ("object", "ABC", "abc.ABC", "Generic", "Protocol")
        return
    source, node = where
    key = (source.place, node.name)
    found.classes.pop(key, None)
    found.classes[key] = BaseClass(node.name, node, source.place, source.module)
    inner = sources if not source.module else [source]
    for base in node.bases:
        base = base.value if isinstance(base, ast.Subscript) else base
        spelled = ast.unparse(base)
        _follow(spelled, inner, found, above | {f"{source.place}:{node.name}"})


def _locate(name: str, sources: Sequence[_Source], depth: int = 0) -> tuple[_Source, ast.ClassDef] | str | None:
    """The class statement that a name refers to, `ROOT` for Metaflow's class, None if it is not found."""
    if depth > 20:
        return None
    first, _, rest = name.partition(".")
    if not rest and first == ROOT and not any(_binds(source, first) for source in sources):
        return ROOT  # flow.py imports it by itself
    for source in reversed(sources):
        for node in reversed(list(_statements(source.tree.body))):
            if isinstance(node, ast.ClassDef) and node.name == name:
                return source, node
            if isinstance(node, ast.Import | ast.ImportFrom):
                target = _imported(node, first, source)
                if target is None:
                    continue
                module, attribute = target
                wanted = ".".join(part for part in (attribute, rest) if part)
                if module.partition(".")[0] in MIRRORED:
                    return ROOT if wanted.rpartition(".")[2] == ROOT else None
                return _in_module(module, wanted, depth)
            if isinstance(node, ast.Assign) and not rest and _names(node) == [name]:
                # `Base = make()` is not known, `Base = other.Base` is.
                value = ast.unparse(node.value) if isinstance(node.value, ast.Name | ast.Attribute) else ""
                return _locate(value, sources, depth + 1) if value else None
    return None


def _in_module(module: str, wanted: str, depth: int) -> tuple[_Source, ast.ClassDef] | str | None:
    """Look a dotted name up in a module, whose own parts may be submodules."""
    while wanted:
        source = _module_source(module)
        if source is not None and (found := _locate(wanted, [source], depth + 1)) is not None:
            return found
        part, _, wanted = wanted.partition(".")
        module = f"{module}.{part}"
    return None


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a module, also in its ``if`` and ``try`` blocks."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            for part in (node.body, node.orelse, getattr(node, "finalbody", [])):
                yield from _statements(part)


def _binds(source: _Source, name: str) -> bool:
    """Whether a text defines or imports a name."""
    return any(
        (isinstance(node, ast.ClassDef) and node.name == name)
        or (isinstance(node, ast.Import | ast.ImportFrom) and _imported(node, name, source) is not None)
        for node in _statements(source.tree.body)
    )


def _names(node: ast.Assign) -> list[str]:
    """Plain names that an assignment binds."""
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _imported(node: ast.Import | ast.ImportFrom, name: str, source: _Source) -> tuple[str, str] | None:
    """The module, and the name in it, that an import statement binds to `name`."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname == name:
                return alias.name, ""
            if alias.asname is None and alias.name.partition(".")[0] == name:
                return name, ""
        return None
    base = node.module or ""
    if node.level:
        parts = source.module.split(".")
        kept = parts[: len(parts) - node.level + source.is_package]
        base = ".".join([*kept, *([base] if base else [])])
    return next(((base, alias.name) for alias in node.names if (alias.asname or alias.name) == name), None)


def _module_source(name: str) -> _Source | None:
    """The source of a module, found on the import path without an import."""
    places: list[str] | None = None
    spec = None
    with contextlib.suppress(ImportError, ValueError, AttributeError):
        for part in name.split("."):
            spec = PathFinder.find_spec(part, places)
            if spec is None:
                return None
            places = list(spec.submodule_search_locations or ())
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    try:
        stat = Path(spec.origin).stat()
        return _read(spec.origin, name, spec.submodule_search_locations is not None, stat.st_mtime_ns, stat.st_size)
    except OSError:
        return None


@lru_cache(maxsize=256)
def _read(path: str, module: str, is_package: bool, changed: int, size: int) -> _Source | None:
    """A module's text and tree; read again when the file changed."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        return _Source(ast.parse(text), path, module, is_package)
    except (OSError, SyntaxError, ValueError):
        return None


def own_package(base: BaseClass) -> str:
    """The top-level package that a base class comes from; empty for a shared cell."""
    return base.module.partition(".")[0] if base.module not in sys.stdlib_module_names else ""


def inherited_steps(bases: Iterable[BaseClass]) -> dict[str, Cell]:
    """Steps that base classes define, each as the cell that would define it; the first class with a name counts."""
    found: dict[str, Cell] = {}
    hidden: set[str] = set()
    for base in bases:
        for node in base.node.body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name in hidden:
                continue
            marks = [one for one in node.decorator_list if is_step_mark(one)]
            if marks and node.name not in found:
                found[node.name] = _as_cell(base, node)
        hidden.update(getattr(node, "name", "") for node in base.node.body)
    return found


def is_step_mark(node: ast.expr) -> bool:
    """Whether a decorator is ``@step``, with or without settings."""
    function = node.func if isinstance(node, ast.Call) else node
    return (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")) == "step"


@lru_cache(maxsize=1024)
def _as_cell(base: BaseClass, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Cell:
    """A method of a base class as the step cell that says the same, without comments and layout."""
    arguments = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
    joins = len(arguments) > 1
    header = StepHeader(node.name, join=joins, inputs=arguments[1] if joins else INPUTS)
    decorators = "".join(f"@{ast.unparse(one)}\n" for one in node.decorator_list)
    code = "\n".join(map(ast.unparse, node.body))
    above = f"{decorators}\n" if decorators else ""
    return read_cell(f"%%step {header.line}\n{above}{code}", filename=base.place)


# Decorators that leave a method's body as it is, and decorators with which reading the attribute calls the method.
HARMLESS = frozenset({"cache", "contextmanager", "lru_cache", "override", "wraps"})
PROPERTIES = frozenset({"cached_property", "property"})
WITHOUT_SELF = frozenset({"classmethod", "staticmethod"})


class ClassMethods(Mapping[str, BodyNames]):
    """What each method does to ``self``, calls of other methods included; a method is analysed when it is first needed.

    Parameters
    ----------
    definitions : mapping of str to ast.FunctionDef, ast.AsyncFunctionDef or ast.expr
        Methods by name; an expression is a class attribute that may be called.
    made_of : (Cell, tuple of Cell), optional
        The flow's cell and the shared cells, from which another process makes the same object: a pickle of them is much
        smaller than one of syntax trees.
    """

    def __init__(
        self, definitions: Mapping[str, ast.stmt | ast.expr], *, made_of: tuple[Cell, tuple[Cell, ...]] | None = None
    ) -> None:
        self._definitions, self._made_of = definitions, made_of
        self._known: dict[str, BodyNames] = {}

    def __reduce__(self) -> Any:
        return (class_methods, self._made_of) if self._made_of is not None else super().__reduce__()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __getitem__(self, name: str) -> BodyNames:
        if name not in self._known:
            definition = self._definitions[name]
            self._known[name] = BodyNames()  # for a method that calls itself
            self._known[name] = self._read(definition)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._definitions)

    def __len__(self) -> int:
        return len(self._definitions)

    def _read(self, definition: ast.stmt | ast.expr) -> BodyNames:
        """Analyse one method's body."""
        if isinstance(definition, ast.Lambda):
            returned = ast.copy_location(ast.Expr(definition.body), definition.body)
            return self._analyse(definition.args, [returned])
        if not isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
            return BodyNames(self_escapes=True, is_value=True)  # a function from elsewhere would get `self`
        names = {_decorator(one) for one in definition.decorator_list}
        if names & WITHOUT_SELF:
            return BodyNames()
        found = self._analyse(definition.args, definition.body)
        found.is_property = bool(names & PROPERTIES)
        found.self_escapes |= bool(names - HARMLESS - PROPERTIES - {"setter", "deleter", "getter"})
        return found

    def _analyse(self, arguments: ast.arguments, body: list[ast.stmt]) -> BodyNames:
        """Analyse a function's body, whatever it calls its first parameter."""
        first = next((one.arg for one in (*arguments.posonlyargs, *arguments.args)), "")
        if not first:
            return BodyNames(self_escapes=arguments.vararg is not None)
        tree = ast.Module(body, [])
        if first != "self":
            tree = _Renamed(first).visit(ast.parse(ast.unparse(tree)))
        return analyse_names(tree, methods=self)


class _Renamed(ast.NodeTransformer):
    """Renames one name to ``self``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Rename a read or a write."""
        return ast.copy_location(ast.Name("self", node.ctx), node) if node.id == self.name else node


def methods_of(body: list[ast.stmt]) -> dict[str, ast.stmt | ast.expr]:
    """Methods of a class body by name, and class attributes that may be called."""
    found: dict[str, ast.stmt | ast.expr] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not any(map(is_step_mark, node.decorator_list)):
                found[node.name] = node
        elif isinstance(node, ast.Assign) and not isinstance(node.value, ast.Constant):
            found.update({one.id: node.value for one in node.targets if isinstance(one, ast.Name)})
        elif isinstance(node, ast.If | ast.With | ast.Try):
            found.update(methods_of([*node.body, *getattr(node, "orelse", [])]))
    return found


def class_methods(cell: Cell, shared: tuple[Cell, ...] = ()) -> ClassMethods:
    """The methods of a ``%%flow`` cell, and those of the flow's base classes that it does not replace.

    Parameters
    ----------
    cell : Cell
    shared : tuple of Cell
        The shared cells, which define or import the base classes.
    """
    bases = base_classes(cell.bases, shared)[0] if cell.bases else ()
    return _methods(cell, shared, bases)


@lru_cache(maxsize=256)
def _methods(cell: Cell, shared: tuple[Cell, ...], bases: tuple[BaseClass, ...]) -> ClassMethods:
    """The same for given base classes, so that an edit of one is noticed."""
    found: dict[str, ast.stmt | ast.expr] = {}
    for base in reversed(bases):
        found.update(methods_of(base.node.body))
    tree = cell.parsed.tree
    definitions = {**found, **(methods_of(tree.body) if tree is not None else {})}
    return ClassMethods(definitions, made_of=(cell, shared))


def _decorator(node: ast.expr) -> str:
    """The last part of a decorator's name."""
    called = node.func if isinstance(node, ast.Call) else node
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "?")
