"""A flow's source, compiled with every line at its place in the cells.

What is compiled is the text that the exporter writes. It depends on the cells alone, so that programs which differ in
their configs, or in what starts them, share one `FlowCode`.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Sequence
from functools import cached_property, lru_cache
from types import CodeType
from typing import Any

from flownb.cells.body import Decorator
from flownb.cells.cell import Cell
from flownb.flow.artifacts import ArtifactTrace, trace_artifacts
from flownb.flow.base_classes import own_package
from flownb.flow.definition import FlowDefinition
from flownb.flow.graph import FlowGraph
from flownb.flow.method import MethodSource, SourceLine, method_source
from flownb.flow.module import (
    class_source,
    future_features,
    hoisted_source,
    metaflow_imports,
    shared_hash,
    shared_source,
    shared_tree_hash,
)
from flownb.metaflow_decorators import STEP_DECORATORS
from flownb.runtime.flowspec import FlowSpec
from flownb.runtime.parameters.config import Config

__all__ = ["FlowCode", "keep_body", "remember_cell"]

# Name of the metaclass in a flow's module.
BODY_CLASS = "__flownb_class__"
NOT_FROM_THE_BODY = frozenset(
    ["__module__", "__qualname__", "__dict__", "__weakref__", "__doc__", "__firstlineno__", "__static_attributes__"]
)


class FlowCode:
    """The code of a flow's module, class and methods, each compiled when it is first needed.

    Parameters
    ----------
    flow : FlowDefinition
    graph : FlowGraph
    """

    def __init__(self, flow: FlowDefinition, graph: FlowGraph) -> None:
        self.flow = flow
        self.graph = graph

    @cached_property
    def artifacts(self) -> ArtifactTrace:
        """What each step can read."""
        return trace_artifacts(self.flow, self.graph)

    @cached_property
    def shared_hash(self) -> str:
        """Content hash of the shared code and the class body."""
        return shared_hash(self.flow)

    @cached_property
    def shared_tree_hash(self) -> str:
        """Hash of the same code without comments and the like."""
        return shared_tree_hash(self.flow)

    @cached_property
    def methods(self) -> dict[str, MethodSource]:
        """Each step's source, made when it is first asked for."""
        return _Methods(self)

    @cached_property
    def texts(self) -> list[dict[str, Any]]:
        """The marked cells' texts with what is needed to read them again, in document order."""
        cells = [*([self.flow.header] if self.flow.header else []), *self.flow.shared]
        cells += [step.cell for step in self.flow.steps]
        tags = [{"tags": list(cell.tags)} if cell.tags else {} for cell in cells]
        return [
            {"source": cell.source, "kind": cell.kind, "name": cell.full_name, **marks}
            for cell, marks in zip(cells, tags, strict=True)
        ]

    @cached_property
    def has_custom_decorators(self) -> bool:
        """Whether a step has a decorator line that is not Metaflow's."""
        known = STEP_DECORATORS - self.flow.redefined
        lines = [one.name for step in self.flow.all_steps for one in step.body.decorators]
        return any(name.rpartition(".")[2] not in known for name in lines)

    @cached_property
    def adopted(self) -> frozenset[str]:
        """Packages that base classes come from, and that therefore see our names."""
        return frozenset(name for name in map(own_package, self.flow.bases) if name)

    @cached_property
    def step_names(self) -> dict[str, None]:
        """All steps, and those that a ``self.next`` names before their cell ran."""
        names = dict.fromkeys(self.graph.nodes)
        for node in self.graph.nodes.values():
            names.update(dict.fromkeys(node.targets))
        return names

    def decorators(self, step: str) -> tuple[Decorator, ...]:
        """A step's decorator lines."""
        found = self.graph[step].step
        return found.body.decorators if found else ()

    @cached_property
    def module(self) -> tuple[CodeType, ...]:
        """Imports, shared cells and the class without its steps, compiled."""
        header = self.flow.header
        lines = (*class_source(self.flow), SourceLine("    pass", 1, 4))
        names, hoisted = metaflow_imports(self.flow), tuple(hoisted_source(self.flow))
        place = header.filename if header else "<flow>"
        return (
            *([_imports(names)] if names else []),
            *(_compiled(tuple(shared_source(cell)), cell.filename, self._features) for cell in self.flow.shared),
            *([_compiled(hoisted, place, self._features)] if hoisted else []),
            _compiled(lines, place, self._features),
        )

    def method(self, name: str, *, shows: bool, decorated: bool) -> CodeType:
        """Compile one method as part of a class of the flow's name (which decides ``__x`` names).

        Parameters
        ----------
        name : str
            A step that is not inherited.
        shows : bool
            Whether the value of the body's last expression is displayed.
        decorated : bool
            Whether the step's decorator lines are part of it.
        """
        source = self.methods[name]
        node = self.graph[name]
        lines = source.lines if decorated else source.undecorated
        filename = remember_cell(node.step.cell) if node.step else "<flownb>"
        shown = len(source.loads) + source.statements - 1 if shows and source.statements else -1
        # Decorators can read what the class body defines, as they can in flow.py.
        base = f"(metaclass={BODY_CLASS})" if self.flow.class_names and self.decorators(name) else ""
        lines = (SourceLine(f"class {self.flow.name}{base}:", 1, 0), *lines)
        return _compiled(lines, filename, self._features, shown, is_method=True)

    def compile(self) -> None:
        """Compile all there is, so that processes forked from now on need not."""
        _ = self.module
        for name, node in self.graph.nodes.items():
            if name not in self.flow.inherited:
                self.method(name, shows=node.step is not None, decorated=True)

    @cached_property
    def _features(self) -> int:
        """Compiler flags of the shared cells' ``from __future__`` imports."""
        import __future__

        flags = 0
        for name in future_features(self.flow):
            flags |= getattr(__future__, name).compiler_flag
        return flags


def keep_body(flow_class: type, namespace: dict[str, Any]) -> None:
    """Keep the names of a class body in its module, and set in the class itself what configs declare.

    A step's method is compiled in a class statement of its own. A metaclass lets that class begin with the names of the
    flow's class, so that decorators see what they would see in flow.py.

    Parameters
    ----------
    flow_class : type
        As its class statement made it.
    namespace : dict of str to object
        Its module's names.
    """
    names = {name: value for name, value in vars(flow_class).items() if name not in NOT_FROM_THE_BODY}

    class Body(type):
        @classmethod
        def __prepare__(cls, name: str, bases: tuple[type, ...], /, **options: Any) -> dict[str, object]:
            return dict(names)

    namespace[BODY_CLASS] = Body
    bases = [base for base in flow_class.__mro__ if base not in FlowSpec.__mro__]
    for name in dict.fromkeys(name for base in bases for name in vars(base)):
        value = getattr(flow_class, name, None)
        if isinstance(value, Config):
            setattr(flow_class, name, value._declared)


class _Methods(dict[str, MethodSource]):
    """Sources of a flow's methods by step; a flow of many steps pays for those it runs."""

    def __init__(self, code: FlowCode) -> None:
        super().__init__()
        self._code = code

    def __missing__(self, name: str) -> MethodSource:
        code = self._code
        self[name] = method_source(code.flow, code.graph[name], code.artifacts)
        return self[name]


def remember_cell(cell: Cell) -> str:
    """Let tracebacks find the cell's own lines, and return its file name.

    The header and the decorator lines are shown as comments: tools that show code around an error (IPython's
    stack_data) show nothing of a text that is not Python.
    """
    lines = cell.source.split("\n")
    marked = [*range(1, cell.body_line)]
    for decorator in cell.parsed.decorators:
        first = cell.body_line + decorator.line - 1
        marked += range(first, first + decorator.text.count("\n") + 1)
    for number in marked:
        lines[number - 1] = f"#{lines[number - 1]}"
    shown = [line + "\n" for line in lines]
    linecache.cache[cell.filename] = (len(cell.source), None, shown, cell.filename)
    return cell.filename


@lru_cache(maxsize=64)
def _imports(names: tuple[str, ...]) -> CodeType:
    """The import line that ``flow.py`` begins with."""
    return compile(f"from metaflow import {', '.join(names)}", "<flownb>", "exec", dont_inherit=True)


@lru_cache(maxsize=1024)
def _compiled(
    lines: tuple[SourceLine, ...], filename: str, flags: int, shown: int = -1, *, is_method: bool = False
) -> CodeType:
    """Compile generated source so that each node is where its cell has it.

    `shown` is the position of the method's statement whose value is displayed, -1 for none.
    """
    text = "".join(line.text + "\n" for line in lines)
    tree = ast.parse(text, filename)
    if shown >= 0:
        _show(tree, shown, text)
    tree = _AsMain().visit(tree)
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            _move(node, lines)
    if is_method:
        _begin_at_first_line(tree)
    code: CodeType = compile(tree, filename, "exec", flags=flags, dont_inherit=True)
    return code


class _AsMain(ast.NodeTransformer):
    """Lets code read ``__name__`` as ``"__main__"``, which it is when Metaflow runs flow.py.

    The module's real name differs, so that its classes can be pickled and found again.
    """

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a read of ``__name__``."""
        if node.id == "__name__" and isinstance(node.ctx, ast.Load):
            return ast.copy_location(ast.Constant("__main__"), node)
        return node


def _show(tree: ast.Module, position: int, text: str) -> None:
    """Display the value of a body's last expression, unless a semicolon ends it, as IPython does."""
    flow_class = tree.body[0]
    assert isinstance(flow_class, ast.ClassDef)
    method = flow_class.body[-1]
    assert isinstance(method, ast.FunctionDef)
    body = method.body
    last = body[position]
    if not isinstance(last, ast.Expr) or _stops(last.value):
        return
    end = text.split("\n")[(last.end_lineno or 1) - 1].encode()[last.end_col_offset or 0 :]
    if end.strip().startswith(b";"):
        return
    name = ast.Name("__flownb_display__", ast.Load())
    call = ast.copy_location(ast.Call(ast.copy_location(name, last.value), [last.value], []), last.value)
    body[position] = ast.copy_location(ast.Expr(call), last)


def _begin_at_first_line(tree: ast.Module) -> None:
    """Let the code of a class's last method begin at its cell's first line, because its name is ``<module>``.

    Where code begins is where its first decorator does: a first one is added, which returns its argument.
    """
    method = tree.body[0].body[-1]  # type: ignore[attr-defined]  # a class
    if method.decorator_list[0].lineno > 1:
        same = ast.parse("lambda method: method", mode="eval").body
        method.decorator_list.insert(0, same)


def _stops(value: ast.expr) -> bool:
    """Whether an expression calls a debugger, which would then stop in the function that displays its value."""
    called = value.func if isinstance(value, ast.Call) else None
    name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
    return name in ("breakpoint", "set_trace")


def _move(node: Any, lines: Sequence[SourceLine]) -> None:
    """Put a node at its cell's line and column; ranges that would end before they begin become empty."""
    first = lines[min(node.lineno, len(lines)) - 1]
    last = lines[min(node.end_lineno or node.lineno, len(lines)) - 1]
    node.lineno, node.col_offset = first.origin, max(node.col_offset - first.added, 0)
    node.end_lineno, node.end_col_offset = last.origin, max((node.end_col_offset or 0) - last.added, 0)
    if (node.end_lineno, node.end_col_offset) < (node.lineno, node.col_offset):
        node.end_lineno, node.end_col_offset = node.lineno, node.col_offset
