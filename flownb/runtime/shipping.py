"""A program for other processes: as bytes for workers, and as a module for processes that a step starts.

What was worked out from the cells (trees, code) is left out, and cells get names that have a meaning outside of the
kernel. A step may start processes of its own, such as pools of multiprocessing and joblib. They import the flow's
module from a folder, so that shared functions and classes can be sent to them; on Metaflow they are in flow.py, which
such a process runs as well.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from flownb.cells.cell import Cell
from flownb.flow.definition import FlowDefinition, Step
from flownb.flow.graph import FlowGraph
from flownb.runtime.program import Program, ProgramCache, module_name

__all__ = ["dump_program", "importable", "load_program", "module_folder", "readable_name", "rebuild"]


LEAN = (Program, FlowDefinition, FlowGraph, Step)
PROGRAM = "program.pickle"
# By module: the hash of what is in it, the folder, and who made it. What is forked finds those of its parent.
_folders: dict[str, tuple[str, str, int]] = {}


def dump_program(program: Program) -> bytes:
    """Everything that defines a program."""
    file = io.BytesIO()
    _Pickler(file, protocol=5).dump(program)
    return file.getvalue()


def load_program(text: bytes) -> Program:
    """The program that `dump_program` was given."""
    program = pickle.loads(text)
    assert isinstance(program, Program)
    return program


class _Pickler(pickle.Pickler):
    """Leaves out what dataclasses have cached."""

    def reducer_override(self, thing: Any) -> Any:
        """Rebuild a dataclass from its fields."""
        if isinstance(thing, Cell):
            thing = replace(thing, filename=readable_name(thing))
        elif isinstance(thing, ProgramCache):
            return ProgramCache, ()
        elif not isinstance(thing, LEAN):
            return NotImplemented
        return type(thing), tuple(getattr(thing, one.name) for one in fields(thing))


def readable_name(cell: Cell) -> str:
    """The name a traceback of another process shows for a cell: a kernel's is a temporary file there."""
    if cell.filename.startswith("<"):
        return cell.filename
    place = f"cell {cell.number}" if cell.number else "cell"
    return f"<{place}: {cell.kind} {cell.name}>" if cell.name else f"<{place}: {cell.kind}>"


@contextlib.contextmanager
def importable(program: Program) -> Iterator[None]:
    """Let processes that are started in the block import the flow's module."""
    folder = module_folder(program)
    sys.path.append(folder)  # which such a process gets
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)
        _end_pool()


def module_folder(program: Program) -> str:
    """The folder with the flow's module, made again when shared code changed."""
    name = module_name(program.flow.name)
    content, folder, owner = _folders.get(name, ("", "", 0))
    if content != program.shared_hash or not os.path.isdir(folder):  # noqa: PTH112  # a text; each task asks
        _remove(folder, owner)
        folder = tempfile.mkdtemp(prefix="flownb-")
        Path(folder, PROGRAM).write_bytes(dump_program(program))
        text = "from flownb.runtime.shipping import rebuild\n\nrebuild(__file__)\n"
        Path(folder, f"{name}.py").write_text(text, encoding="utf-8")
        _folders[name] = program.shared_hash, folder, os.getpid()
    return folder


def forget_module(program: Program) -> None:
    """Remove the folder with the flow's module, of a program that is not executed again."""
    _, folder, owner = _folders.pop(module_name(program.flow.name), ("", "", 0))
    _remove(folder, owner)


def rebuild(file: str) -> None:
    """Replace the module that is being imported from `file` with the flow's module, made from its cells."""
    load_program(Path(file).with_name(PROGRAM).read_bytes()).flow_class()


@atexit.register
def _remove_all() -> None:
    """Remove the folders of this process when it ends."""
    for _, folder, owner in _folders.values():
        _remove(folder, owner)


def _remove(folder: str, owner: int) -> None:
    """Remove a folder, in the process that made it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _end_pool() -> None:
    """End the processes that joblib keeps for later: they have this task's version of the flow's module."""
    kept = sys.modules.get("joblib.externals.loky.reusable_executor")
    pool = getattr(kept, "_executor", None)
    if pool is not None:
        with contextlib.suppress(Exception):
            pool.shutdown(wait=True, kill_workers=True)
