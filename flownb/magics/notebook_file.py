"""Which notebook a kernel executes, as far as anybody says.

Takes the shell and the kernel's folder; gives the notebook's path, and what distinguishes the kernel from others.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any

from blake3 import blake3

__all__ = ["kernel_name", "notebook_path"]

NAMED = "JPY_SESSION_NAME"


def notebook_path(shell: Any, folder: Path, cells: frozenset[str] = frozenset()) -> Path | None:
    """The notebook's file, where the front end names it (JupyterLab: JPY_SESSION_NAME; VS Code: a variable).

    Parameters
    ----------
    shell : InteractiveShell
    folder : Path
        The kernel's folder.
    cells : frozenset of str
        Ids of cells that were executed, the first one of the kernel among them; none if that is not known.
    """
    told = shell.user_ns.get("__vsc_ipynb_file__")
    if told:
        return _found(str(told), folder)
    named = os.environ.get(NAMED)
    if not named or getattr(shell, "kernel", None) is None or _is_inherited(named):
        return None
    path = _found(named, folder)
    return None if cells and _is_another(path, cells) else path


def _found(named: str, folder: Path) -> Path:
    """A path as it was named: absolute, or relative to the server's root, in whose terms the folder is not known."""
    path = Path(named)
    return path if path.is_absolute() and path.exists() else folder / path.name


def _is_inherited(named: str) -> bool:
    """Whether the variable was set for another kernel, below which this one was started.

    A server sets it for each kernel that it starts, and does not have it itself. nbconvert or papermill that a notebook
    starts have it, and pass it on to the kernel of the notebook that they execute.
    """
    starter = os.environ.get("JPY_PARENT_PID", "") if sys.platform != "win32" else ""  # there it is a handle
    number = int(starter) if starter.isdecimal() else os.getppid()
    try:
        import psutil  # type: ignore[import-untyped]  # ipykernel needs it, so it is there

        return bool(psutil.Process(number).environ().get(NAMED) == named)
    except Exception:  # it is on another machine or another user's: then it is no tool that a notebook started
        return False


def _is_another(path: Path, cells: frozenset[str]) -> bool:
    """Whether a file has cells, and none of those that were executed.

    A kernel that is restarted is named as it was at first: the file of that name may be another one by now.
    """
    try:
        saved = {cell.get("id") for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    return bool(saved) and None not in saved and not cells & saved


def kernel_name(shell: Any) -> str:
    """What distinguishes a kernel from all others; a restart keeps it, for the front end's connection stays."""
    session = getattr(getattr(shell, "kernel", None), "session", None)
    key = getattr(session, "key", b"")
    return blake3(key).hexdigest(10) if key else secrets.token_hex(10)
