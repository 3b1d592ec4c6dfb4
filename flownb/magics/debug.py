"""``%debug`` after a run: a failed task ran in a process of its own, and is run again in the kernel to look into it.

Takes IPython's own ``%debug``, which serves every other error; gives the one that replaces it.
"""

from __future__ import annotations

import functools
from typing import Any

from flownb.magics.frontend import Frontend

__all__ = ["register_debug"]


def register_debug(shell: Any, frontend: Frontend) -> None:
    """Let ``%debug`` offer to run again what failed elsewhere."""
    original = shell.find_line_magic("debug")
    if original is None:
        return

    @functools.wraps(original)
    def debug(line: str = "", cell: str | None = None, **options: Any) -> Any:
        elsewhere = None if line.strip() or cell else frontend.post_mortem.failed_elsewhere()
        if elsewhere is None:
            return original(line, cell, **options)
        words = elsewhere[1]
        what = "The failed task ran in a process of its own, which has ended."
        if not frontend.can_ask:
            print(f"{what} Where a front end takes input, `%spin {words}` runs it again and opens the debugger.")
            return None
        answer = input(f"{what} Run it again here, on the same inputs (`%spin {words}`)? [y/N] ")
        if answer.strip().lower() in ("y", "yes"):
            return shell.run_line_magic("spin", words)
        return None

    shell.register_magic_function(debug, magic_kind="line_cell", magic_name="debug")
