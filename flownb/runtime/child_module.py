"""The flow's module as a file, for processes that a step starts: pools of multiprocessing and joblib.

Takes a `Program`; gives a folder in which such a process finds the module that shared functions and classes say they
are from, so that they can be sent to it. On Metaflow they are from flow.py, which such a process runs as well.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flownb.runtime.program import Program, module_name
from flownb.runtime.shipping import dump_program, load_program

__all__ = ["importable", "module_folder", "rebuild"]

PROGRAM = "program.pickle"
# By module: the hash of what is in it, the folder, and who made it. What is forked finds those of its parent.
_folders: dict[str, tuple[str, str, int]] = {}


@contextlib.contextmanager
def importable(program: Program) -> Iterator[None]:
    """Let processes that are started in the block import the flow's module."""
    folder = module_folder(program)
    sys.path.append(folder)  # what such a process is told of
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)
        _end_pool()


def module_folder(program: Program) -> str:
    """The folder with the flow's module, made anew when shared code changed."""
    name = module_name(program.flow.name)
    content, folder, owner = _folders.get(name, ("", "", 0))
    if content != program.shared_hash or not Path(folder).is_dir():
        _remove(folder, owner)
        folder = tempfile.mkdtemp(prefix="flownb-")
        atexit.register(_remove, folder, os.getpid())
        Path(folder, PROGRAM).write_bytes(dump_program(program))
        text = "from flownb.runtime.child_module import rebuild\n\nrebuild(__file__)\n"
        Path(folder, f"{name}.py").write_text(text, encoding="utf-8")
        _folders[name] = program.shared_hash, folder, os.getpid()
    return folder


def rebuild(file: str) -> None:
    """Put the flow's module, made from its cells, in the place of the one that is being imported from `file`."""
    load_program(Path(file).with_name(PROGRAM).read_bytes()).flow_class()


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
