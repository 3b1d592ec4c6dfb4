"""What cells share without a name: files, and settings of the process."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from flownb.convert.hidden.notebook import Call, Notebook
from flownb.convert.hidden.statements import path_of
from flownb.convert.hidden.texts import at, finding, numbered, verb
from flownb.convert.proposal import Finding, Place

__all__ = []

# Functions that write a file, with the position of its name; methods of values are `?.name`.
WRITES = {
    "joblib.dump": 1,
    "torch.save": 1,
    "numpy.save": 0,
    "numpy.savez": 0,
    "numpy.savez_compressed": 0,
    "numpy.savetxt": 0,
    "cv2.imwrite": 0,
    "matplotlib.pyplot.savefig": 0,
    "shutil.copy": 1,
    "shutil.move": 1,
    "urllib.request.urlretrieve": 1,
    "wget.download": 1,
    "?.save": 0,
    "?.savefig": 0,
    "?.write_text": -1,
    "?.write_bytes": -1,
    "?.write_csv": 0,
    "?.write_parquet": 0,
    "?.save_model": 0,
    "?.save_weights": 0,
}
READS = {
    "joblib.load": 0,
    "torch.load": 0,
    "numpy.load": 0,
    "numpy.loadtxt": 0,
    "numpy.genfromtxt": 0,
    "cv2.imread": 0,
    "PIL.Image.open": 0,
    "IPython.display.Image": 0,
    "matplotlib.pyplot.imread": 0,
    "matplotlib.image.imread": 0,
    "?.read_text": -1,
    "?.read_bytes": -1,
    "?.load_model": 0,
    "?.load_weights": 0,
    "tensorflow.keras.models.load_model": 0,
    "keras.models.load_model": 0,
}
SETTINGS = {
    "os.chdir": "the current folder",
    "os.putenv": "an environment variable",
    "os.environ.update": "environment variables",
    "os.environ.setdefault": "an environment variable",
    "locale.setlocale": "the locale",
    "torch.set_default_dtype": "torch's default type",
    "torch.set_default_device": "torch's default device",
    "tensorflow.keras.backend.set_floatx": "the default type of Keras",
    "sys.setrecursionlimit": "the recursion limit",
}


SETS_VARIABLE = re.compile(r"%(env|set_env)\s+\w+[=\s]")


class FileUse(NamedTuple):
    """A call that reads or writes a file; `file` is how its name is written."""

    file: str
    writes: bool
    cell: int
    line: int
    shown: str


def check_file_between_cells(notebook: Notebook) -> Iterator[Finding]:
    """Report files that one cell writes and another one reads."""
    written: dict[str, FileUse] = {}
    seen: set[str] = set()
    for use in sorted(_uses(notebook), key=lambda one: (one.cell, one.line, one.writes)):
        if use.writes:
            written[use.file] = use
            continue
        writer = written.get(use.file)
        if writer is None or use.file in seen:
            continue
        if notebook.apart((writer.cell, writer.line), (use.cell, use.line)):
            seen.add(use.file)
            yield finding(
                "hidden",
                "file-between-cells",
                [Place(writer.cell, writer.line, writer.line), Place(use.cell, use.line, use.line)],
                f"{at(writer.cell, writer.line).capitalize()} writes the file {use.shown}, and "
                f"{at(use.cell, use.line)} reads it.",
                "On this machine that works in a flow too. On a cluster, each step has its own files, so it is lost.",
                "Use the value itself instead of the file, or keep the file's content in a variable.",
            )


def _uses(notebook: Notebook) -> Iterator[FileUse]:
    """All reads and writes of files whose name can be compared."""
    for facts in notebook.cells:
        if facts.cell.magic == "writefile":
            name = facts.cell.source.split("\n")[0].split()[-1]
            yield FileUse(repr(name.strip("\"'")), True, facts.number, 1, f"`{name}`")
        for call in notebook.calls(facts):
            found = _file_of(call)
            if found is not None and (name := _text(found[0])):
                yield FileUse(name, found[1], facts.number, call.node.lineno, f"`{ast.unparse(found[0])}`")


def _file_of(call: Call) -> tuple[ast.expr, bool] | None:
    """The expression of the file that a call uses, and whether it writes it."""
    arguments = call.node.args
    method = call.method
    if call.path in ("builtins.open", "io.open", "gzip.open", "?.open"):
        own = call.path == "?.open" and isinstance(call.node.func, ast.Attribute)
        file = (
            call.node.func.value
            if own and isinstance(call.node.func, ast.Attribute)
            else arguments[0]
            if arguments
            else None
        )
        rest = arguments if own else arguments[1:]
        given = [one.value for one in call.node.keywords if one.arg == "mode"]
        mode = next((str(one.value) for one in (*rest[:1], *given) if isinstance(one, ast.Constant)), "r")
        return (file, any(letter in mode for letter in "wax")) if file is not None else None
    for table, writes in ((WRITES, True), (READS, False)):
        position = table.get(call.path, table.get(f"?.{method}") if call.path.startswith("?.") else None)
        if position == -1 and isinstance(call.node.func, ast.Attribute):
            return call.node.func.value, writes
        if position is not None and len(arguments) > position >= 0:
            return arguments[position], writes
    if call.path.startswith("?.to_") and method not in ("to_dict", "to_numpy", "to_list", "to_sql") and arguments:
        return arguments[0], True
    if method.startswith("read_") and not call.path.startswith("?.") and arguments:
        return arguments[0], False
    return None


def _text(node: ast.expr) -> str:
    """How the name of a file is written, if that says which file it is; ``Path("x")`` is ``"x"``."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Path" and node.args:
        node = node.args[0]
    if isinstance(node, ast.Constant):
        return repr(node.value.removeprefix("./")) if isinstance(node.value, str) and "." in node.value else ""
    if isinstance(node, ast.JoinedStr | ast.BinOp | ast.Name | ast.Attribute):
        return ast.unparse(node)
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "join":
        return ast.unparse(node)
    return ""


def check_setting_of_process(notebook: Notebook) -> Iterator[Finding]:
    """Report settings of the process, such as the current folder, that later cells depend on."""
    last = max((facts.number for facts in notebook.cells if facts.tree is not None and facts.tree.body), default=0)
    found: dict[str, list[Place]] = {}
    for facts in notebook.cells:
        for line, what in _settings(notebook, facts.number):
            here = (facts.number, line)
            later = [one.number for one in notebook.cells if one.number > facts.number and not one.only_defines]
            if (
                facts.number < last
                and not notebook.shares(*here)
                and any(notebook.apart(here, (one, 0)) for one in later)
            ):
                found.setdefault(what, []).append(Place(facts.number, line, line))
    for what, places in found.items():
        numbers = sorted({one.cell for one in places})
        where = at(places[0].cell, places[0].line) if len(numbers) == 1 else numbered(numbers)
        yield finding(
            "hidden",
            "setting-of-process",
            places,
            f"{where.capitalize()} {verb(numbers, 'sets', 'set')} {what}.",
            "It holds in one process, and each step of a flow is a process of its own.",
            "Set it in each step that needs it, or in the cell with the imports, which all steps execute.",
        )


def _settings(notebook: Notebook, number: int) -> Iterator[tuple[int, str]]:
    """Lines of a cell that change a setting, and which."""
    facts = notebook.by_number[number]
    for magic in facts.cell.magics:
        if magic.text.startswith("%cd"):
            yield magic.line, "the current folder"
        elif SETS_VARIABLE.match(magic.text):
            yield magic.line, "an environment variable"
    for node in facts.nodes:
        if isinstance(node, ast.Call) and (what := SETTINGS.get(path_of(node.func, notebook.imports))):
            yield node.lineno, what
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            if path_of(node.value, notebook.imports) == "os.environ":
                yield node.lineno, "an environment variable"
        elif isinstance(node, ast.Attribute) and _sets_precision(node, notebook):
            yield node.lineno, "the precision of decimals"


def _sets_precision(node: ast.Attribute, notebook: Notebook) -> bool:
    """Whether a node is the target of ``decimal.getcontext().prec = 50``."""
    if not isinstance(node.ctx, ast.Store) or node.attr != "prec":
        return False
    return isinstance(node.value, ast.Call) and path_of(node.value.func, notebook.imports) == "decimal.getcontext"
