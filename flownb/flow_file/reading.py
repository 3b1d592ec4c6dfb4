r"""Read a Metaflow file without executing it: its module code, its flows, and the steps of each, with their positions.

Lines are 1-based and inclusive, in the text with ``\n`` line ends. Every line of the file belongs to one block of the
module, and every line of a flow's class to its head, to one of its steps, or to its own body. Texts are as they are in
the file, only moved to the left; a line that begins inside a string is not moved.
"""

from __future__ import annotations

import ast
import re
import tokenize
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from flownb.errors import FlowFileError
from flownb.flow_file.parts import Block, BlockKind, FlowClass, FlowFile, StepMethod
from flownb.flow_file.source import Function, Source, bound_names, cleaned_docstring, first_line, read_at_import

__all__ = ["Block", "FlowClass", "FlowFile", "StepMethod", "read_flow_file", "read_flow_path"]

FIX = "Give the path of a Metaflow file."


def read_flow_path(path: Path) -> FlowFile:
    """Read a Metaflow file from a path, in the encoding that it declares.

    Raises
    ------
    FlowFileError
        If it cannot be read, is not Python, or has no flow.
    """
    try:
        with tokenize.open(path) as file:
            text = file.read()
    except OSError as error:
        raise FlowFileError(f"`{path}` cannot be read.", f"{error.strerror}.", FIX) from error
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        raise FlowFileError(f"`{path}` cannot be read.", f"Its encoding is not known: {error}.", FIX) from error
    return read_flow_file(text, str(path))


def read_flow_file(text: str, filename: str = "flow.py") -> FlowFile:
    """Read the text of a Metaflow file.

    Parameters
    ----------
    text : str
    filename : str
        Named in messages.

    Returns
    -------
    FlowFile

    Raises
    ------
    FlowFileError
        If the text is not Python, or has no flow at module level.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    source = Source(text, _parsed(text, filename))
    classes = _flow_classes(source)
    if not classes:
        raise _without_flow(source, filename)
    flows = tuple(_flow(source, node) for node in classes.values())
    return FlowFile(
        filename,
        text,
        _docstring(source.tree),
        tuple(source.opening.values()),
        tuple(_blocks(source, {one.name: one for one in flows})),
        flows,
        _started(source, classes),
    )


def _parsed(text: str, filename: str) -> ast.Module:
    """The syntax tree of a text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        line = error.lineno or 1
        said = (error.msg or "invalid syntax").rstrip(".")
        shown = text.split("\n")[line - 1 : line] if line <= text.count("\n") + 1 else []
        code = f": `{shown[0].strip()}`" if shown and shown[0].strip() else ""
        raise FlowFileError(
            f"`{filename}` is not valid Python {_python()}.",
            f"Line {line}{code}: {said}.",
            "Correct that line, then try again.",
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nested too deep
        why = str(error) or "the code is nested too deep"
        raise FlowFileError(f"`{filename}` is not valid Python {_python()}.", f"Python says: {why}.", FIX) from error


def _python() -> str:
    """The version whose syntax is read."""
    import platform

    return ".".join(platform.python_version_tuple()[:2])


def _docstring(node: ast.Module | ast.ClassDef | Function) -> str | None:
    """The docstring of a node, as it is shown to users."""
    found = ast.get_docstring(node, clean=False)
    return None if found is None else cleaned_docstring(found)


@dataclass(frozen=True)
class _Unit:
    """Statements with their lines: from what follows the unit before it, so that comments belong to what is below."""

    nodes: tuple[ast.stmt, ...]
    first: int
    last: int


def _units(source: Source, nodes: Sequence[ast.stmt], first: int, last: int) -> list[_Unit]:
    """All lines from `first` to `last`, divided among statements; what follows the last one is a unit without any."""
    found: list[_Unit] = []
    for node in nodes:
        end = node.end_lineno or node.lineno
        if isinstance(node, ast.ClassDef | Function):
            end = source.end(node, source.indent(node))
        if found and first_line(node) <= found[-1].last:
            found[-1] = _Unit((*found[-1].nodes, node), found[-1].first, max(end, found[-1].last))
        else:
            found.append(_Unit((node,), found[-1].last + 1 if found else first, end))
    end = found[-1].last if found else first - 1
    return [*found, _Unit((), end + 1, last)] if end < last else found


def _flow_classes(source: Source) -> dict[str, ast.ClassDef]:
    """The classes of the module that are flows, by name: their bases lead to Metaflow's class, or they are started."""
    classes = {node.name: node for node in source.tree.body if isinstance(node, ast.ClassDef)}
    found: dict[str, ast.ClassDef] = {}
    for name, node in classes.items():
        if any(source.is_metaflow(base, "FlowSpec") or ast.unparse(base) in found for base in node.bases):
            found[name] = node
        elif any(ast.unparse(base) not in classes for base in node.bases) and any(map(source.is_step, node.body)):
            found[name] = node  # a base class that another module defines
    for name in _started_names(source):
        if name in classes and classes[name].bases and not (found.keys() & set(_started_names(source))):
            found[name] = classes[name]
    return {name: node for name, node in classes.items() if name in found}


def _is_start(node: ast.stmt) -> bool:
    """Whether a statement is ``if __name__ == "__main__":``."""
    return isinstance(node, ast.If) and any(
        isinstance(one, ast.Name) and one.id == "__name__" for one in ast.walk(node.test)
    )


def _called(source: Source, nodes: Iterable[ast.stmt]) -> list[str]:
    """Plain names that some statements call, and those that the module's functions call that are called there."""
    functions = {node.name: node for node in source.tree.body if isinstance(node, Function)}
    open_ones: list[ast.AST] = list(nodes)
    found: dict[str, None] = {}
    while open_ones:
        for one in ast.walk(open_ones.pop(0)):
            if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id not in found:
                found[one.func.id] = None
                if one.func.id in functions:
                    open_ones.append(functions[one.func.id])
    return list(found)


def _started_names(source: Source) -> list[str]:
    """Names that are called where the file is started."""
    calls = [node for node in source.tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    return _called(source, [*filter(_is_start, source.tree.body), *calls])


def _started(source: Source, classes: dict[str, ast.ClassDef]) -> str | None:
    """The one flow that the file starts, or its only flow."""
    found = [name for name in _started_names(source) if name in classes] or list(classes)
    return found[0] if len(found) == 1 else None


def _without_flow(source: Source, filename: str) -> FlowFileError:
    """The error for a file without a flow at module level; it names one that is elsewhere."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef) and any(source.is_metaflow(base, "FlowSpec") for base in node.bases):
            return FlowFileError(
                f"The flow `{node.name}` of `{filename}` is inside other code.",
                f"Line {node.lineno} defines it in an `if`, a `try` or a function, and a notebook has a flow as it is.",
                "Move the class to the left margin, then import the file again.",
            )
    if any(line.startswith("# %%") for line in source.lines):
        return FlowFileError(
            f"`{filename}` has no flow.",
            "Its lines `# %%` make it a notebook in the percent format.",
            "Give it to the other commands as it is; `flownb convert` finds the steps of a plain notebook.",
        )
    return FlowFileError(
        f"`{filename}` has no flow.",
        "A flow is a class whose base class is Metaflow's `FlowSpec`, or that has methods with `@step`.",
        "Give the path of a file that defines one.",
    )


def _blocks(source: Source, flows: dict[str, FlowClass]) -> Iterable[Block]:
    """The blocks of a module: consecutive statements of one kind are one block."""
    units = _units(source, source.tree.body, 1, len(source.lines))
    kinds: list[BlockKind] = []
    late = set(flows)
    for unit in units:
        kind = _kind(source, unit, flows, "code" if {*kinds} - {"imports", "docstring"} else "imports")
        if kind == "code" and late & read_at_import(unit.nodes):
            kind = "late"
            late |= bound_names(unit.nodes)
        kinds.append(kind)
    for (_, kind), group in groupby(
        enumerate(zip(kinds, units, strict=True)),
        lambda one: (one[0] if one[1][0] in ("flow", "start", "docstring", "late") else -1, one[1][0]),
    ):
        found = [unit for _, (_, unit) in group]
        nodes = tuple(node for unit in found for node in unit.nodes)
        first, last = found[0].first, found[-1].last
        if kind in ("docstring", "start"):
            # The comments around it are no part of it.
            above = _without_opening(source, first, nodes[0].lineno - 1)
            above += source.comment_lines(last, last) if kind == "docstring" else ""
            if above:
                yield Block("imports" if kind == "docstring" else "code", above, first, nodes[0].lineno - 1, ())
            first = nodes[0].lineno
        text = _without_opening(source, first, last)
        if text:
            name = next(one.name for one in nodes if isinstance(one, ast.ClassDef)) if kind == "flow" else ""
            yield Block(kind, text, first, last, nodes, name)


def _without_opening(source: Source, first: int, last: int) -> str:
    """Lines of module level, without those that mean something only at the top of a file, or that an export added."""
    left_out = {*source.opening, *source.header}
    return source.cut([number for number in range(first, last + 1) if number not in left_out])


def _kind(source: Source, unit: _Unit, flows: dict[str, FlowClass], otherwise: BlockKind) -> BlockKind:
    """What a unit of a module is; imports are of the kind `otherwise`."""
    if not unit.nodes:
        return "code"
    node = unit.nodes[0]
    if all(isinstance(one, ast.Import | ast.ImportFrom) for one in unit.nodes):
        return otherwise
    if len(unit.nodes) == 1 and node is source.tree.body[0] and _docstring(source.tree) is not None:
        return "docstring"
    if isinstance(node, ast.ClassDef) and node.name in flows and flows[node.name].node is node:
        return "flow"
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    return "start" if _is_start(node) or (is_call and flows.keys() & _called(source, [node])) else "code"


def _flow(source: Source, node: ast.ClassDef) -> FlowClass:
    """Read the class of a flow."""
    whole = next(unit for unit in _units(source, source.tree.body, 1, len(source.lines)) if node in unit.nodes)
    head, column = source.colon(node)
    indent = "" if node.body[0].lineno == head else source.indent(node.body[0])
    steps: list[StepMethod] = []
    kept: list[str] = [_behind(source, head, column, node.body[0])]
    own: list[int] = []
    for unit in _units(source, [one for one in node.body if first_line(one) > head], head + 1, whole.last):
        if unit.nodes and source.is_step(unit.nodes[0]):
            steps.append(_step(source, unit, indent))
            kept.append(source.cut(own, indent))
            own = []
        else:
            own += range(unit.first, unit.last + 1)
    kept.append(source.cut(own, indent))
    comments = source.cut(range(whole.first, first_line(node))) + _head_comments(source, node, head, column)
    return FlowClass(
        node.name,
        min(whole.first, first_line(node)),
        whole.last,
        comments,
        source.cut(range(first_line(node), node.lineno)),
        tuple(map(ast.unparse, node.bases)),
        tuple(map(ast.unparse, node.keywords)),
        _docstring(node),
        "\n".join(filter(None, kept)),
        tuple(steps),
        node,
    )


def _behind(source: Source, head: int, column: int, node: ast.stmt) -> str:
    """The body of a definition of one line, which is behind the colon; empty if it begins on the next line."""
    if node.lineno != head:
        return ""
    return source.lines[head - 1][column:].strip() + "\n"


def _head_comments(source: Source, node: ast.ClassDef | Function, head: int, column: int) -> str:
    """Comments on the lines of a definition's head; those behind a body of one line belong to it."""
    return source.comment_lines(node.lineno, head - 1 if node.body[0].lineno == head else head)


def _step(source: Source, unit: _Unit, indent: str) -> StepMethod:
    """Read a step."""
    node = unit.nodes[0]
    assert isinstance(node, Function)
    head, column = source.colon(node)
    last = source.end(node, indent)
    above = source.cut(range(unit.first, first_line(node)), indent) + _head_comments(source, node, head, column)
    first = node.body[0]
    if first.lineno == head:
        body = bare = _behind(source, head, column, first) + source.cut(range(head + 1, last + 1))
        body_line = head
    else:
        inner = source.indent(first)
        body = bare = source.cut(range(head + 1, last + 1), inner)
        body_line = head + 1
        if _docstring(node) is not None and _is_alone(source, first):
            lines = range(first.lineno, (first.end_lineno or 0) + 1)
            bare = source.cut([n for n in range(head + 1, last + 1) if n not in lines], inner)
    arguments = node.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    names += [one.arg for one in (arguments.vararg, arguments.kwarg) if one is not None]
    signature = f"({ast.unparse(arguments)})" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")
    return StepMethod(
        node.name,
        unit.first,
        last,
        above,
        _decorators(source, node, indent),
        signature,
        tuple(names),
        _docstring(node),
        body,
        bare,
        body_line,
        node,
    )


def _is_alone(source: Source, node: ast.stmt) -> bool:
    """Whether a statement shares its lines neither with another one nor with a comment."""
    end = source.lines[(node.end_lineno or node.lineno) - 1].encode()[node.end_col_offset :]
    return not end.strip()


def _decorators(source: Source, node: Function, indent: str) -> str:
    """The lines of a step's decorators; a bare ``@step`` that is the last one goes without saying."""
    text = source.cut(range(first_line(node), node.lineno), indent)
    last = node.decorator_list[-1]
    if isinstance(last, ast.Name) and source.is_step_mark(last):
        left_out = range(last.lineno, (last.end_lineno or last.lineno) + 1)
        above = source.cut(range(first_line(node), left_out[0]), indent)
        below = source.cut(range(left_out[-1] + 1, node.lineno), indent)
        return above + source.comment_lines(left_out[0], left_out[-1]) + below
    for one in node.decorator_list:
        name = one.func if isinstance(one, ast.Call) else one
        if isinstance(name, ast.Name) and name.id != "step" and source.is_step_mark(one):
            return re.sub(rf"(?m)^(@\s*){name.id}\b", r"\1step", text, count=1)
    return text
