"""One line at the bottom of a terminal that says what is done now, and is written over."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator

__all__ = ["status_line", "write_status"]


def write_status(text: str) -> None:
    """Write a text over the line that is there, on standard error, which is a terminal; an empty text clears it."""
    sys.stderr.write(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}")
    sys.stderr.flush()


@contextlib.contextmanager
def status_line() -> Iterator[Callable[[str], None]]:
    """Return what shows a text; the line is cleared at the end.

    Nothing is shown if standard error is not a terminal whose lines can be written over: scripts and logs of CI need no
    progress.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield lambda text: None
        return
    try:
        yield write_status
    finally:
        write_status("")
