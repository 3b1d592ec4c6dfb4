"""What is told of transfers that take long.

A hook is called as ``hook(kind, key, done_bytes, total_bytes)`` with `kind` ``"upload"`` or ``"download"``: first after
a second, then about ten times a second, from any thread, never twice at once for one transfer. A transfer it heard of
ends with ``done_bytes == total_bytes``, or with -1 if it failed. What a hook raises is ignored, and it is not called
again for that transfer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

__all__ = ["Progress", "TransferHook", "set_transfer_hook", "transfer"]

TransferHook = Callable[[Literal["upload", "download"], str, int, int], object]

SILENT = 1.0
INTERVAL = 0.1

_hook: TransferHook | None = None


def set_transfer_hook(hook: TransferHook | None) -> TransferHook | None:
    """Have a function called for all transfers of this process that have no hook of their own; give the one before."""
    global _hook
    before, _hook = _hook, hook
    return before


class Progress:
    """How far one transfer is."""

    def __init__(self, kind: Literal["upload", "download"], key: str, total: int, hook: TransferHook | None) -> None:
        self.kind = kind
        self.key = key
        self.total = total
        self.done = 0
        self._hook = hook
        self._lock = threading.Lock()
        self._next = time.monotonic() + SILENT
        self._shown = False

    def add(self, count: int) -> None:
        """Tell of bytes that went through."""
        self.done += count
        if self._hook is not None and time.monotonic() >= self._next and self._lock.acquire(blocking=False):
            try:
                self._next = time.monotonic() + INTERVAL
                self._shown = True
                self._call(min(self.done, self.total - 1))
            finally:
                self._lock.release()

    def restart(self) -> None:
        """Begin anew: the transfer is tried again."""
        self.done = 0

    def end(self, *, failed: bool) -> None:
        """Tell of the end, if anything was told before."""
        with self._lock:
            if self._shown:
                self._call(-1 if failed else self.total)

    def _call(self, done: int) -> None:
        if self._hook is None:
            return
        try:
            self._hook(self.kind, self.key, done, self.total)
        except Exception:
            # A bar that cannot be drawn is no reason to lose an artifact.
            self._hook = None


@contextmanager
def transfer(
    kind: Literal["upload", "download"], key: str, total: int, hook: TransferHook | None
) -> Iterator[Progress]:
    """The progress of what is done inside."""
    progress = Progress(kind, key, total, hook or _hook)
    try:
        yield progress
    except BaseException:
        progress.end(failed=True)
        raise
    progress.end(failed=False)
