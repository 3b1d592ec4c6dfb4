"""obstore's extension module, usable also in a process forked from one that used it.

obstore runs on one tokio runtime a process. A fork copies the runtime but none of its threads, so a call in the child
would wait for ever (https://github.com/developmentseed/obstore/pull/441, https://github.com/tokio-rs/tokio/issues/4301).
A second copy of the library brings a runtime of its own; the child loads one, 30 ms at its first call.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["abandon", "load"]

_NAME = "obstore._obstore"


class _State:
    """What this process has loaded."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.module: ModuleType | None = None
        self.forked = False


_state = _State()


def load() -> Any:
    """Functions and stores of obstore stores, safe to call in this process."""
    with _state.lock:
        if _state.module is None:
            if _state.forked:
                _state.module = _load_copy()
            else:
                import obstore._obstore

                _state.module = obstore._obstore
        return _state.module


def abandon(thing: object) -> None:
    """Keep an object of the parent's runtime for ever.

    Closing its connections here would take them out of the parent's epoll set, which a fork shares.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _after_fork() -> None:
    """Forget the module if the parent may have used it."""
    used = _state.module is not None or _state.forked
    _state.__init__()  # type: ignore[misc]  # the lock may be held by a thread that does not exist here
    _state.forked = used


os.register_at_fork(after_in_child=_after_fork)


def _load_copy() -> ModuleType:
    """Load the library from a copy: the loader knows a library by its inode."""
    spec = importlib.util.find_spec(_NAME)
    assert spec is not None
    assert spec.origin is not None
    with _copy(Path(spec.origin)) as path, _names_kept():
        loader = importlib.machinery.ExtensionFileLoader(_NAME, str(path))
        copied = importlib.util.spec_from_file_location(_NAME, path, loader=loader)
        assert copied is not None
        module = importlib.util.module_from_spec(copied)
        loader.exec_module(module)
    return module


@contextlib.contextmanager
def _copy(library: Path) -> Iterator[Path]:
    """A copy in memory, or where there is no such thing in the folder for temporary files."""
    content = library.read_bytes()
    if hasattr(os, "memfd_create"):
        file = os.memfd_create(library.name)
        try:
            with open(file, "wb", closefd=False) as target:
                target.write(content)
            yield Path(f"/proc/self/fd/{file}")
        finally:
            os.close(file)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / library.name
        path.write_bytes(content)
        yield path


@contextlib.contextmanager
def _names_kept() -> Iterator[None]:
    """Leave obstore in `sys.modules` as it was: a copy registers its submodules under the same names."""
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "obstore"}
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "obstore"]:
            del sys.modules[name]
        sys.modules.update(before)
