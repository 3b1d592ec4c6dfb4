"""The code cells of a plain notebook, each with what it does to names and objects.

A plain cell is executed in one namespace with all others, so its names are those of a module: what it binds stays, and
its functions read what the namespace holds when they are called.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from flownb.cells.assignment import analyse_names
from flownb.cells.body import MagicLine, SyntaxProblem, parse_body
from flownb.cells.cell import WRAPPERS, common_margin
from flownb.cells.names import BodyNames, Scope, import_names
from flownb.convert.effects import Effects, PlainFunction, changed_arguments, effects_of, find_functions, resolved
from flownb.convert.known import GENERATORS
from flownb.convert.lines import Rewritten, awaits_rewritten, line_rewritten, read_notebook
from flownb.convert.trees import walk

__all__ = ["PlainCell", "PlainFunction", "Statement", "first_changes", "read_plain"]

# A line whose text is on the line above.
GONE = "\0"
CELL_MAGIC = re.compile(r"%%(\w+)")


@dataclass(frozen=True)
class Statement:
    """A statement at the top level of a plain cell.

    Attributes
    ----------
    cell : int
        Number of its cell.
    node : ast.stmt
    line, end_line : int
        1-based lines of its cell; decorators are part of it.
    names : BodyNames
        What it reads and binds by itself. The body of a function that it defines counts as read.
    mutated : dict of str to int
        Names whose object it may change in place, itself or through functions of the notebook, with the first line.
    reads : dict of str to int
        Names that it reads when it is executed, itself or through functions of the notebook that it names. The bodies
        of functions that it only defines do not count.
    writes : dict of str to int
        Names that it binds through functions with a ``global`` statement.
    aliases : tuple of (str, str, bool)
        A name, another name whose object it may share afterwards, and whether it is only a part of that object.
    deletes : frozenset of str
        Names that it deletes.
    """

    cell: int
    node: ast.stmt
    line: int
    end_line: int
    names: BodyNames
    mutated: dict[str, int] = field(default_factory=dict)
    reads: dict[str, int] = field(default_factory=dict)
    writes: dict[str, int] = field(default_factory=dict)
    aliases: tuple[tuple[str, str, bool], ...] = ()
    deletes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PlainCell:
    r"""A code cell of a plain notebook.

    Attributes
    ----------
    number : int
        1-based, among all code cells.
    position : int
        0-based, among all cells of the document.
    source : str
        The whole text; lines end in ``\n``.
    code : str
        `source` with magics as comments, so that line numbers stay; a magic that Python can say is that Python.
    tree : ast.Module or None
        None after a syntax error.
    problem : SyntaxProblem or None
    magics : tuple of MagicLine
        Those that only IPython understands.
    tags : tuple of str
    cell_id : str or None
    execution_count : int or None
        As saved: in which order the cells were executed.
    wrappers : tuple of str
        Cell magics above the code that execute it as it is, such as ``"%%time"``.
    magic : str
        The cell magic of a cell that is not Python: ``"bash"``.
    margin : str
        The indentation that all lines have.
    statements : tuple of Statement
        Those at the top level; empty after a syntax error.
    functions : dict of str to PlainFunction
        The functions, classes and ``name = lambda …`` that the cell defines. What each does includes what the functions
        do that it calls, in whatever cell they are.
    rewritten : tuple of Rewritten
        Lines that a step has in other words.
    imports : dict of int to str
        Modules that have to be imported before the statement on a line; `statements` has an import for each.
    """

    number: int
    position: int
    source: str
    code: str
    tree: ast.Module | None
    problem: SyntaxProblem | None = None
    magics: tuple[MagicLine, ...] = ()
    tags: tuple[str, ...] = ()
    cell_id: str | None = None
    execution_count: int | None = None
    wrappers: tuple[str, ...] = ()
    magic: str = ""
    margin: str = ""
    statements: tuple[Statement, ...] = ()
    functions: dict[str, PlainFunction] = field(default_factory=dict)
    rewritten: tuple[Rewritten, ...] = ()
    imports: dict[int, str] = field(default_factory=dict)

    @cached_property
    def plain_lines(self) -> list[str]:
        """The lines, without the indentation that all of them have."""
        return [line.removeprefix(self.margin) for line in self.source.split("\n")]

    @cached_property
    def lines(self) -> list[str]:
        """The same, as a step has them: what is rewritten is a text on its first line."""
        lines = list(self.plain_lines)
        for one in self.rewritten:
            first = lines[one.line - 1]
            blanks = first[: len(first) - len(first.lstrip())]
            lines[one.line - 1] = blanks + one.after.replace("\n", f"\n{blanks}")
            for number in range(one.line, one.end_line):
                lines[number] = GONE
        return lines

    def text(self, first: int, last: int) -> str:
        """Some lines, as a step has them."""
        return "\n".join(line for line in self.lines[first - 1 : last] if line != GONE)

    @cached_property
    def names(self) -> BodyNames:
        """What the cell reads and binds in the notebook's namespace."""
        return self.statements[0].names if len(self.statements) == 1 else analyse_names(self.tree)

    @cached_property
    def mutated(self) -> dict[str, int]:
        """Names whose object may change in place here, with the first line where it may."""
        return first_changes(self.statements)


def first_changes(statements: Iterable[Statement]) -> dict[str, int]:
    """Names whose object some statements may change in place, each with the first line where one may."""
    found: dict[str, int] = {}
    for statement in statements:
        for name, line in statement.mutated.items():
            found.setdefault(name, line)
    return found


def read_plain(document: dict[str, Any], *, verbatim: bool = False) -> tuple[PlainCell, ...]:
    """Read the code cells of a notebook.

    Parameters
    ----------
    document : dict
        As `flownb.cells.notebook.read_document` returns it.
    verbatim : bool, default False
        Whether lines that only IPython understands stay as they are.
    """
    found: list[PlainCell] = []
    for position, cell in enumerate(document["cells"]):
        if cell.get("cell_type") == "code":
            found.append(_read_cell(len(found) + 1, position, cell))
    return _with_effects(found if verbatim else _with_python(found))


def _read_cell(number: int, position: int, cell: dict[str, Any]) -> PlainCell:
    """One code cell, alone."""
    source = cell["source"].replace("\r\n", "\n").replace("\r", "\n")
    margin = common_margin(source.split("\n"))
    text = "\n".join(line.removeprefix(margin) for line in source.split("\n")) if margin else source
    wrappers, magic = _cell_magics(text)
    parsed = parse_body(text, "shared") if not magic else None
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    cell_id, count = cell.get("id"), cell.get("execution_count")
    return PlainCell(
        number,
        position,
        source,
        parsed.code if parsed is not None else "",
        parsed.tree if parsed is not None else None,
        parsed.problem if parsed is not None else None,
        parsed.magics if parsed is not None else (),
        tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        cell_id if isinstance(cell_id, str) else None,
        count if isinstance(count, int) else None,
        wrappers,
        magic,
        margin,
    )


def _cell_magics(text: str) -> tuple[tuple[str, ...], str]:
    """The cell magics at the top of a cell that wrap Python code, and the name of one below which there is none."""
    wrappers: list[str] = []
    for line in text.split("\n"):
        found = CELL_MAGIC.match(line.strip())
        if found is not None and found[1] in WRAPPERS - {"timeit"}:
            wrappers.append(line.strip())
        elif found is not None:
            return tuple(wrappers), found[1]
        elif line.strip():
            break
    return tuple(wrappers), ""


def _with_python(cells: list[PlainCell]) -> list[PlainCell]:
    """Write in Python what only IPython understands and Python can say."""
    if not any(cell.magics or "await" in cell.code for cell in cells):
        return cells
    trees = {cell.number: cell.tree for cell in cells if cell.tree is not None}
    notebook = read_notebook(trees, [magic.text for cell in cells for magic in cell.magics])
    found: list[PlainCell] = []
    for cell in cells:
        tree, code, lines = cell.tree, cell.code, cell.code.split("\n")
        done: list[Rewritten] = []
        if tree is None:
            found.append(cell)
            continue
        for magic in cell.magics:
            one = line_rewritten(magic.text, magic.line, notebook, in_function=_is_in_function(tree, magic.line))
            if one is not None:
                blanks = re.match(r"\s*", lines[magic.line - 1])
                lines[magic.line - 1] = (blanks[0] if blanks else "") + "; ".join(one.after.split("\n"))
                done.append(one)
        if done:
            code = "\n".join(lines)
            tree = parse_body(code, "shared").tree
            assert tree is not None, "each line is a statement, as the `pass` or comment was in its place"
        done += awaits_rewritten(code, tree, notebook, [magic.line for magic in cell.magics])
        places = {one.line for one in done}
        imports: dict[int, str] = {}
        for module, line in {one.module: one.line for one in reversed(done) if one.module}.items():
            if (cell.number, line) < notebook.modules.get(module, (len(cells) + 1, 0)):
                notebook.modules[module] = (cell.number, line)
                at = next(at for at, node in enumerate(tree.body) if (node.end_lineno or node.lineno) >= line)
                first = tree.body[at].lineno
                imports[first] = module
                tree.body.insert(at, ast.parse("\n" * (first - 1) + f"import {module}").body[0])
        magics = tuple(magic for magic in cell.magics if magic.line not in places)
        found.append(replace(cell, code=code, tree=tree, magics=magics, rewritten=tuple(done), imports=imports))
    return found


def _is_in_function(tree: ast.Module, line: int) -> bool:
    """Whether a line is inside of a function or class."""
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.lineno <= line <= (node.end_lineno or node.lineno)
        for node in ast.walk(tree)
    )


def _with_effects(cells: list[PlainCell]) -> tuple[PlainCell, ...]:
    """Add statements and functions, which can be known only when all cells have been read."""
    trees = [cell.tree for cell in cells if cell.tree is not None]
    importing = [cell.tree for cell in cells if cell.tree is not None and ("import" in cell.code or cell.imports)]
    modules = frozenset(name for tree in importing for name in _imported(tree))
    own = [pair for cell in cells if cell.tree is not None for pair in find_functions(cell.number, cell.tree, modules)]
    names = [
        [analyse_names(ast.Module([node], [])) for node in (cell.tree.body if cell.tree is not None else ())]
        for cell in cells
    ]
    bound = frozenset(name for some in names for one in some for name in one.assigned)
    functions = {name: _without_builtins(function, bound) for name, function in resolved(own).items()}
    methods = frozenset(name for function in functions.values() for name in function.methods)
    generators = frozenset(name for tree in trees for name in _generators(tree))
    in_cells: dict[int, dict[str, PlainFunction]] = {}
    for function, _ in own:
        full = functions[function.name]
        place = replace(full, cell=function.cell, line=function.line, end_line=function.end_line)
        in_cells.setdefault(function.cell, {})[function.name] = place
    found: list[PlainCell] = []
    for cell, some in zip(cells, names, strict=True):
        statements: list[Statement] = []
        for node, one in zip(cell.tree.body if cell.tree is not None else (), some, strict=True):
            effects = effects_of([node], modules=modules, generators=generators, methods=methods)
            statements.append(_statement(cell.number, node, one, effects, functions))
        found.append(replace(cell, statements=tuple(statements), functions=in_cells.get(cell.number, {})))
    return tuple(found)


def _statement(
    cell: int, node: ast.stmt, names: BodyNames, effects: Effects, functions: Mapping[str, PlainFunction]
) -> Statement:
    """A statement with what it does, also through the functions that it names."""
    decorators = getattr(node, "decorator_list", [])
    line = min((one.lineno for one in (*decorators, node)), default=node.lineno)
    mutated, reads = dict(effects.mutated), {**names.mentions, **names.reads}
    writes: dict[str, int] = {}
    defines = _defines_only(node)
    if defines:
        free = {name for name in Scope(defines).free if not name.startswith("self.")}
        outside = analyse_names(ast.Module([_emptied(node)], []))
        reads = {name: read for name, read in reads.items() if name in outside.reads or name not in free}
    for name, read in list(reads.items()):
        function = functions.get(name)
        if function is None:
            continue
        for other in function.reads:
            reads.setdefault(other, read)
        for other in function.mutated:
            mutated.setdefault(other, read)
        for other in function.writes:
            writes.setdefault(other, read)
        for other, changed in changed_arguments(effects, function).items():
            mutated.setdefault(other, changed)
    end = node.end_lineno or node.lineno
    return Statement(
        cell, node, line, end, names, mutated, reads, writes, tuple(effects.aliases), frozenset(effects.deleted)
    )


def _defines_only(node: ast.stmt) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | None:
    """The function that a statement defines without calling it."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
        return node.value
    return None


def _emptied(node: ast.stmt) -> ast.stmt:
    """A definition without the bodies of its functions, so that what is left is what is executed at once."""
    import copy

    if isinstance(node, ast.ClassDef):
        emptied: ast.stmt = copy.copy(node)
        emptied.body = [_emptied(part) for part in node.body]  # type: ignore[attr-defined]  # it is a ClassDef
        return emptied
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        emptied = copy.copy(node)
        emptied.body = [ast.copy_location(ast.Pass(), node)]
        return emptied
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
        emptied = copy.copy(node)
        value = copy.copy(node.value)
        value.body = ast.copy_location(ast.Constant(None), node)
        emptied.value = value
        return emptied
    return node


def _without_builtins(function: PlainFunction, bound: frozenset[str]) -> PlainFunction:
    """A function that reads only names of the notebook, and names that nothing defines."""
    import builtins

    reads = {name: line for name, line in function.reads.items() if name in bound or not hasattr(builtins, name)}
    return replace(function, reads=reads)


def _imported(tree: ast.Module) -> Iterable[str]:
    """Names that imports bind, at any depth."""
    for node in walk(tree):
        if isinstance(node, ast.Import):
            yield from import_names(node)
        elif isinstance(node, ast.ImportFrom):
            # `from sklearn import datasets` binds a module, `from settings import options` perhaps not.
            yield from (name for name in import_names(node) if name.islower())


def _generators(tree: ast.Module) -> Iterable[str]:
    """Names bound to a random generator or an iterator."""
    for node in walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        value = node.value
        function = value.func if isinstance(value, ast.Call) else None
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in GENERATORS or isinstance(value, ast.GeneratorExp):
            for target in node.targets:
                yield from (one.id for one in walk(target) if isinstance(one, ast.Name))
