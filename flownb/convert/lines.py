"""Lines of plain cells that a step cannot execute, and that certainly mean the same as some Python.

`%time model.fit(X, y)` is `model.fit(X, y)`, and `results = await fetch(1)` is `results = asyncio.run(fetch(1))`. Lines
whose meaning depends on more than their text stay as they are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from flownb.cells.body import unindentable_lines
from flownb.flow.method import literal_source

__all__ = ["Notebook", "Rewritten", "awaits_rewritten", "line_rewritten", "read_notebook"]

TIME = re.compile(r"(?P<target>[\w.,\s\[\]'\"]+=\s*)?%time\s+(?P<rest>[^\s-].*)")
ENVIRONMENT = re.compile(r"%(?:set_)?env\s+(?P<name>[A-Za-z_]\w*)(?:\s*=(?P<value>[^${}]*)|\s+(?P<word>[^$={}]+))")
MAKE_FOLDER = re.compile(r"[!%]mkdir(?P<parents>\s+-p)?(?P<names>(?:\s+\S+)+)\s*")
CHANGE_FOLDER = re.compile(r"%cd\s+(?:-q\s+)?(?P<name>[\w./][\w./-]*)\s*")
# A name that means the same to a shell, however it is quoted.
SAFE = re.compile(r"[\w./][\w./-]*")
# A part of a path: text, or a name whose value IPython writes there.
PATH_PART = re.compile(r"(?P<text>[\w./-]+)|\{(?P<braced>[A-Za-z_]\w*)\}|\$(?P<bare>[A-Za-z_]\w*)(?=/|$)")
# Functions of asyncio that are coroutines, and whose arguments need no event loop.
COROUTINES = frozenset({"asyncio.sleep", "asyncio.to_thread"})
# What belongs to the event loop of the notebook, so that other loops cannot use it.
OF_A_LOOP = frozenset({"create_task", "ensure_future", "get_event_loop", "get_running_loop", "new_event_loop"})


@dataclass(frozen=True)
class Rewritten:
    """A part of a cell with what replaces it.

    Attributes
    ----------
    line, end_line : int
        1-based lines of the cell.
    before, after : str
        The lines, and those that replace them.
    module : str
        What `after` has to have imported.
    prints : str
        A regular expression for what IPython prints for the line and Python does not.
    """

    line: int
    end_line: int
    before: str
    after: str
    module: str = ""
    prints: str = ""


@dataclass
class Notebook:
    """What the meaning of a line depends on in the rest of its notebook.

    Attributes
    ----------
    literals : dict of str to str
        Names whose only value is a text that is a safe file name.
    coroutines : set of str
        The notebook's own ``async def`` functions, without decorators and ``yield``.
    taken : set of str
        All names.
    modules : dict of str to (int, int)
        Imported modules, by the name that they have without ``as``, each with the first cell and line.
    stored : set of str
        Names that something else than an import of the module of this name binds.
    has_loop_objects : bool
        Whether code outside of functions makes tasks, or takes the event loop.
    """

    literals: dict[str, str] = field(default_factory=dict)
    coroutines: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    modules: dict[str, tuple[int, int]] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    has_loop_objects: bool = False

    def can_import(self, module: str) -> bool:
        """Whether the name of a module means this module, if it means anything."""
        return module not in self.stored


def read_notebook(trees: Mapping[int, ast.Module], magics: Iterable[str]) -> Notebook:
    """Read what lines may depend on.

    Parameters
    ----------
    trees : mapping of int to ast.Module
        Of all cells, by their number.
    magics : iterable of str
        Lines that only IPython understands.
    """
    found = Notebook()
    bound: dict[str, int] = {}
    for text in magics:
        for name in re.findall(r"(\w+)\s*=", text):
            bound[name] = bound.get(name, 0) + 1
    for number, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                found.taken.add(node.id)
                if not isinstance(node.ctx, ast.Load):
                    bound[node.id] = bound.get(node.id, 0) + 1
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                bound[node.name] = bound.get(node.name, 0) + 1
            elif isinstance(node, ast.arg):
                found.taken.add(node.arg)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    found.taken.add(name)
                    if isinstance(node, ast.ImportFrom) or (alias.asname and alias.asname != alias.name):
                        bound[name] = bound.get(name, 0) + 1
        for node in tree.body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.asname in (None, alias.name):
                        found.modules.setdefault(alias.name.partition(".")[0], (number, node.lineno))
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                value = node.value.value
                if isinstance(value, str) and SAFE.fullmatch(value) and isinstance(node.targets[0], ast.Name):
                    found.literals[node.targets[0].id] = value
            elif isinstance(node, ast.AsyncFunctionDef) and not node.decorator_list:
                is_generator = any(isinstance(one, ast.Yield) for one in ast.walk(node))
                found.coroutines |= set() if is_generator else {node.name}
        found.has_loop_objects |= any(
            isinstance(node, ast.Attribute) and node.attr in OF_A_LOOP
            for part in tree.body
            if not isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            for node in ast.walk(part)
        )
    found.stored = set(bound)
    found.taken |= bound.keys()
    found.literals = {name: value for name, value in found.literals.items() if bound[name] == 1}
    found.coroutines = {name for name in found.coroutines if bound[name] == 1}
    return found


def line_rewritten(text: str, line: int, notebook: Notebook, *, in_function: bool) -> Rewritten | None:
    """Write a line of IPython's in Python, if its meaning is certain.

    Parameters
    ----------
    text : str
        The line, without the blanks that it begins with.
    line : int
        1-based, in its cell.
    notebook : Notebook
    in_function : bool
        Whether the line is inside of a function, where what a magic binds is lost.
    """
    if "\n" in text:
        return None
    if (found := TIME.fullmatch(text)) is not None:
        after = _timed(found["target"] or "", found["rest"].rstrip(), in_function)
        return Rewritten(line, line, text, after) if after else None
    if not notebook.can_import("os"):
        return None
    if (found := ENVIRONMENT.fullmatch(text)) is not None:
        name, value = found["name"], (found["word"] or found["value"] or "").strip()
        prints = rf"^env: {name}={re.escape(value)}\n"
        return Rewritten(line, line, text, f'os.environ["{name}"] = {literal_source(value)}', "os", prints)
    if (found := CHANGE_FOLDER.fullmatch(text)) is not None:
        return Rewritten(line, line, text, f"os.chdir({literal_source(found['name'])})", "os", r"^/[^\n]*\n")
    if (found := MAKE_FOLDER.fullmatch(text)) is not None:
        paths = [_path(word, notebook, bool(found["parents"])) for word in found["names"].split()]
        if all(paths):
            after = "\n".join(f"os.makedirs({path}, exist_ok=True)" for path in paths)
            return Rewritten(line, line, text, after, "os")
    return None


def _timed(target: str, rest: str, in_function: bool) -> str:
    """The statement that ``%time`` measures; empty if it is not certain."""
    try:
        tree = ast.parse(rest)
        # IPython splits the line into words, and joins them with one blank each, also in texts.
        joined = ast.parse(" ".join(rest.split()))
    except (SyntaxError, ValueError):
        return ""
    if not tree.body or ast.dump(tree) != ast.dump(joined):
        return ""
    if target:
        is_value = len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr) and not rest.endswith(";")
        return f"{target}{rest}" if is_value else ""
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Import | ast.ImportFrom)]
    binds = any(not isinstance(getattr(node, "ctx", None), ast.Load) for node in named)
    return "" if in_function and binds else rest


def _path(word: str, notebook: Notebook, parents: bool) -> str:
    """Python code for a word of a shell line that is a path; empty if it may be something else."""
    at = 0
    parts: list[tuple[str, str]] = []
    for found in PATH_PART.finditer(word):
        if found.start() != at:
            return ""
        at = found.end()
        name = found["braced"] or found["bare"] or ""
        if name and name not in notebook.literals:
            return ""
        parts.append((found["text"] or "", name))
    value = "".join(text or notebook.literals[name] for text, name in parts)
    # Without -p, the shell makes no folder whose parent is missing.
    if at != len(word) or not SAFE.fullmatch(value) or (not parents and "/" in value.strip("/")):
        return ""
    if len(parts) == 1:
        return parts[0][1] or literal_source(word)
    if not any(name for _, name in parts):
        return literal_source(word)
    return f'f"{"".join(text or f"{{{name}}}" for text, name in parts)}"'


def awaits_rewritten(
    code: str, tree: ast.Module, notebook: Notebook, magics: Iterable[int] = ()
) -> Iterator[Rewritten]:
    """Write what a cell awaits outside of functions so that a plain function can do it.

    Parameters
    ----------
    code : str
        Of the cell.
    tree : ast.Module
    notebook : Notebook
        Gets the names of the functions that are written.
    magics : iterable of int
        Lines of magics; a statement with such a line stays as it is.
    """
    if "await" not in code or notebook.has_loop_objects or not notebook.can_import("asyncio"):
        return
    lines = code.split("\n")
    ends: set[int] = set()
    for node in tree.body:
        found = [one for one in _outside_functions(node) if isinstance(one, ast.Await)]
        shares_line = node.lineno in ends or any(
            other is not node and other.lineno == node.end_lineno for other in tree.body
        )
        ends.add(node.end_lineno or node.lineno)
        lazy = any(isinstance(one, ast.GeneratorExp) and _awaits(one) for one in ast.walk(node))
        first, last = node.lineno, node.end_lineno or node.lineno
        if not found or shares_line or lazy or any(first <= line <= last for line in magics):
            continue
        before = lines[first - 1 : last]
        if all(_is_coroutine(one, notebook) for one in found):
            after = _each_run(before, first, found)
        else:
            after = _in_main(before, first, node, notebook)
        if after:
            yield Rewritten(first, last, "\n".join(before), after, "asyncio")


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement, without bodies of functions and without what makes a generator asynchronous."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _outside_functions(child)


def _awaits(node: ast.AST) -> bool:
    """Whether there is an ``await`` in an expression."""
    return any(isinstance(one, ast.Await) for one in ast.walk(node))


def _is_coroutine(node: ast.Await, notebook: Notebook) -> bool:
    """Whether what is awaited is certainly a coroutine, which needs no event loop before it runs."""
    call = node.value
    if not isinstance(call, ast.Call) or _awaits(call):
        return False
    if isinstance(call.func, ast.Name):
        # Arguments may be anything that the notebook's other code has made, which is no task.
        return call.func.id in notebook.coroutines and not any(
            isinstance(one, ast.Call) and ast.unparse(one.func).startswith("asyncio.") for one in ast.walk(call)
        )
    return ast.unparse(call.func) in COROUTINES


def _each_run(lines: list[str], first: int, awaits: Iterable[ast.Await]) -> str:
    """The lines of a statement with ``asyncio.run(…)`` for each ``await …``."""
    text = [line.encode() for line in lines]
    for node in sorted(awaits, key=lambda one: (one.lineno, one.col_offset), reverse=True):
        call = node.value
        begin, end = node.lineno - first, (call.end_lineno or call.lineno) - first
        if call.lineno != node.lineno:
            return ""
        text[end] = text[end][: call.end_col_offset] + b")" + text[end][call.end_col_offset :]
        text[begin] = text[begin][: node.col_offset] + b"asyncio.run(" + text[begin][call.col_offset :]
    after = b"\n".join(text).decode()
    try:
        tree = ast.parse(after)
    except SyntaxError:
        return ""
    asynchronous = ast.AsyncFor | ast.AsyncWith | ast.Await
    left = any(
        isinstance(one, asynchronous) or getattr(one, "is_async", 0)
        for node in tree.body
        for one in _outside_functions(node)
    )
    return "" if left else after


def _in_main(lines: list[str], first: int, node: ast.stmt, notebook: Notebook) -> str:
    """A function that awaits the value of a statement, and the statement with its result."""
    value = getattr(node, "value", None)
    if not isinstance(node, ast.Expr | ast.Assign) or not isinstance(value, ast.Await):
        return ""
    if any(isinstance(one, ast.NamedExpr | ast.Yield | ast.YieldFrom) for one in _outside_functions(value)):
        return ""
    name, number = "main", 1
    while name in notebook.taken:
        number += 1
        name = f"main_{number}"
    raw = "\n".join(lines).encode()
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()) + 1)
    begin = starts[value.lineno - first] + value.col_offset
    end = starts[(value.end_lineno or value.lineno) - first] + (value.end_col_offset or 0)
    awaited = raw[begin:end].decode()
    fixed = unindentable_lines(awaited)
    body = [
        line if not at or at + 1 in fixed or not line else f"    {line}" for at, line in enumerate(awaited.split("\n"))
    ]
    rest = f"{raw[:begin].decode()}asyncio.run({name}()){raw[end:].decode()}"
    after = "\n".join([f"async def {name}():", f"    return {body[0]}", *body[1:], "", rest])
    try:
        ast.parse(after)
    except SyntaxError:
        return ""
    notebook.taken.add(name)
    return after
