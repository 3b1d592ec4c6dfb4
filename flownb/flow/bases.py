"""Base classes of a flow's class, as far as their source can be read.

Reads the classes that a ``%%flow Train(BaseFlow, Mixin)`` line names in the shared cells, or in the modules that these
import; nothing is executed. Steps, parameters and methods of a base are part of the flow, as they are on Metaflow.
"""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path

from flownb.cells.cell import Cell, read_cell
from flownb.cells.header import INPUTS, StepHeader

__all__ = ["ROOT", "BaseClass", "base_classes", "inherited_steps", "is_step_mark", "own_package"]

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
    """A text that classes are looked up in, and where what it imports is found."""

    tree: ast.Module
    place: str
    module: str = ""
    is_package: bool = False


@dataclass
class _Found:
    """Classes in the order in which Python asks them for a name, and whether all of them are known."""

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
        The classes in the order in which Python asks them for a name; whether the source of every one was found; and
        whether one of them is Metaflow's ``FlowSpec``, as far as that is known.
    """
    sources = [_Source(cell.parsed.tree, cell.filename) for cell in shared if cell.parsed.tree is not None]
    found = _Found()
    for name in names:
        _follow(name, sources, found, frozenset())
    return tuple(found.classes.values()), found.complete, found.is_flow or not found.complete


def _follow(name: str, sources: Sequence[_Source], found: _Found, above: frozenset[str]) -> None:
    """Add a class and its bases; a base that several classes share comes behind the last of them, as in Python."""
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
    """The class statement that a name stands for, `ROOT` for Metaflow's class, None if it is not found."""
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
    """Statements of a module, those in its ``if`` and ``try`` blocks too."""
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
    """Steps that base classes define, each as the cell that would define it; the first class that has a name counts."""
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
