"""A progress bar for transfers to and from S3 that take more than a second.

One line for all active transfers, on a terminal or in a notebook's output, which is empty again when they are over.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Literal

from flownb.cards.default import size_text

__all__ = ["TransferLine", "show_transfers"]

WIDTH = 20


class TransferLine:
    """One line for all transfers under way.

    Parameters
    ----------
    write : callable
        Shows a text in place of the one before; an empty text when nothing is under way any more.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        # By blob: bytes done and in all, and when the transfer was first reported.
        self._going: dict[tuple[str, str], tuple[int, int]] = {}
        self._first = (0.0, 0)
        self._lock = threading.Lock()

    def __call__(self, kind: Literal["upload", "download"], key: str, done: int, total: int) -> None:
        """Handle the report of a transfer: bytes done of all, -1 if it failed. On any thread."""
        with self._lock:
            if not self._going:
                self._first = (time.monotonic(), done)
            if 0 <= done < total:
                self._going[kind, key] = (done, total)
            else:
                self._going.pop((kind, key), None)
            self._write(self._text())

    def _text(self) -> str:
        """A bar, how much, how fast."""
        if not self._going:
            return ""
        done = sum(one for one, _ in self._going.values())
        total = sum(one for _, one in self._going.values())
        started, before = self._first
        seconds = time.monotonic() - started
        speed = f", {size_text(int((done - before) / seconds))}/s" if seconds > 0.5 and done > before else ""
        filled = int(WIDTH * done / total)
        kinds = {kind for kind, _ in self._going}
        verb = "to S3" if kinds == {"upload"} else "from S3" if kinds == {"download"} else "to and from S3"
        return f"{'█' * filled}{'░' * (WIDTH - filled)} {size_text(done)} of {size_text(total)} {verb}{speed}"


def show_transfers(location: str, write: Callable[[str], object] | None = None) -> None:
    """Have transfers of this process shown, if a datastore is in S3.

    Parameters
    ----------
    location : str
        The datastore's.
    write : callable, optional
        None writes to standard error if that is a terminal, and shows nothing if it is not.
    """
    if not location.startswith("s3://"):
        return
    from flownb.session.status_line import write_status
    from flownb.store.s3 import set_transfer_hook

    if write is not None or sys.stderr.isatty():
        set_transfer_hook(TransferLine(write or write_status))
