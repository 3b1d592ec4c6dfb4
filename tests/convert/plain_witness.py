"""An independent witness of what a plain notebook does: values and printed lines after each of its cells.

`flownb convert` has its own way to execute a plain notebook. What it claims is compared with what is recorded here, by
nbclient alone, without any code of flownb's.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from jupyter_core.utils import run_sync
from nbclient import NotebookClient

__all__ = ["PlainCellRun", "PlainRun", "execute_plain"]

# Executed in the kernel after a cell, in a namespace of its own. Each value is pickled by itself, as Metaflow does it.
SNAPSHOT = """
import hashlib, json, pathlib, pickle, re
found = {}
for name, value in list(shell.user_ns.items()):
    if name in shell.user_ns_hidden or re.fullmatch(r"_+|_i*\\d*|_exit_code", name):
        continue
    try:
        content = pickle.dumps(value, protocol=4)
    except Exception as error:
        found[name] = "!" + type(error).__name__
        continue
    key = hashlib.sha256(content).hexdigest()[:24]
    pathlib.Path(blobs, key).write_bytes(content)
    found[name] = key
pathlib.Path(place).write_text(json.dumps(found), encoding="utf-8")
"""


@dataclass(frozen=True)
class PlainCellRun:
    """What a cell left behind.

    Attributes
    ----------
    source : str
    printed : str
        Written to stdout.
    displayed : bool
        Whether it called ``display``, which prints a text where there is no notebook.
    error : str
        Name and text of the exception that it raised.
    keys : dict of str to str
        For each name that the notebook had afterwards the key of its pickled value; ``!`` and a reason if it cannot be
        pickled.
    """

    source: str
    printed: str = ""
    displayed: bool = False
    error: str = ""
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PlainRun:
    """A plain notebook, executed from its first cell to its last, or to the first error.

    Attributes
    ----------
    folder : Path
        Where the values are.
    cells : list of PlainCellRun
        Code cells in document order, those that were executed.
    error : str
        Empty if it ran from top to bottom. A cell with the tag ``raises-exception`` may raise.
    """

    folder: Path
    cells: list[PlainCellRun]
    error: str

    def value(self, cell: int, name: str, find_class: Callable[[str, str], Any]) -> object:
        """Load the value of a name after a cell, counted from 0.

        Raises
        ------
        LookupError
            If the notebook did not have the name, or its value cannot be pickled.
        """
        key = self.cells[cell].keys[name]
        if key.startswith("!"):
            raise LookupError(f"`{name}` cannot be pickled: {key[1:]}")

        class Unpickler(pickle.Unpickler):
            def find_class(self, module: str, attribute: str) -> Any:
                if module == "__main__":
                    return find_class(module, attribute)
                return super().find_class(module, attribute)

        with Path(self.folder, "values", key).open("rb") as file:
            return Unpickler(file).load()


def execute_plain(notebook: Path, beside: Path, home: Path) -> PlainRun:
    """Execute a notebook from top to bottom in a kernel of its own, in a new folder.

    Parameters
    ----------
    notebook : Path
    beside : Path
        A folder with the files that the notebook needs; they are copied.
    home : Path
        Keeps what was recorded, by content: nothing is executed twice.
    """
    versions = sorted(
        f"{one.name}=={one.version}" for one in importlib.metadata.distributions() if one.name != "flownb"
    )
    files = [path for path in sorted(beside.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    content = [notebook.read_bytes().hex(), Path(__file__).read_bytes().hex(), sys.version, *versions]
    content += [path.read_bytes().hex() for path in files]
    folder = home / hashlib.sha256(json.dumps(content).encode()).hexdigest()[:20]
    record = folder / "plain.json"
    if not record.exists():
        (folder / "values").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as work:
            shutil.copytree(beside, work, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            cells, error = _execute(nbformat.read(notebook, as_version=4), Path(work), folder)
        record.write_text(json.dumps({"cells": [asdict(cell) for cell in cells], "error": error}), encoding="utf-8")
    found = json.loads(record.read_text(encoding="utf-8"))
    return PlainRun(folder, [PlainCellRun(**cell) for cell in found["cells"]], found["error"])


def _execute(notebook: Any, work: Path, folder: Path) -> tuple[list[PlainCellRun], str]:
    """The cells up to the first error, and that error."""
    language = notebook.metadata.get("kernelspec", {}).get("language", "python")
    if language != "python":
        return [], f"The notebook is written in {language}."
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(work)}}, allow_errors=True)
    found: list[PlainCellRun] = []
    with client.setup_kernel():
        for position, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            client.execute_cell(cell, position)
            streams = [one.text for one in cell.outputs if one.output_type == "stream" and one.name == "stdout"]
            displayed = any(one.output_type == "display_data" for one in cell.outputs)
            errors = [f"{one.ename}: {one.evalue}" for one in cell.outputs if one.output_type == "error"]
            keys = _snapshot(client, folder, len(found))
            found.append(PlainCellRun(cell.source, "".join(streams), displayed, "".join(errors), keys))
            if errors and "raises-exception" not in cell.metadata.get("tags", ()):
                return found, f"Cell {len(found)} raised {errors[0]}"
    return found, ""


def _snapshot(client: NotebookClient, folder: Path, number: int) -> dict[str, str]:
    """The names of the notebook and the keys of their values."""
    place = folder / f"{number}.json"
    names = {"shell": "get_ipython()", "blobs": repr(str(folder / "values")), "place": repr(str(place))}
    given = ", ".join(f"{name!r}: {value}" for name, value in names.items())
    code = f"exec({SNAPSHOT!r}, {{{given}}})"
    assert client.kc is not None
    run_sync(_ask)(client.kc, code)
    found: dict[str, str] = json.loads(place.read_text(encoding="utf-8"))
    place.unlink()
    return found


async def _ask(kernel: Any, code: str) -> None:
    """Let the kernel execute code that is not a cell: without a count, a place in the history, or an output."""
    await kernel.execute(code, silent=True, store_history=False, reply=True, timeout=60)
