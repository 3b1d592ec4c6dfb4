"""Short blocks that Ctrl-C does not break into: what puts the state of a process aside, and what puts it back.

An interrupt that arrives in such a block counts at its end. Without that, the second of two that arrive one after the
other could leave a kernel without its modules, its environment variables or its event loop.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # no stub; `signal` makes an enum of all arguments and results
import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["uninterrupted"]


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let an interrupt wait until the block has ended, which is to take milliseconds; may be nested."""
    handler = _signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield  # interrupts arrive elsewhere, or never
        return
    arrived: list[FrameType | None] = []
    _signal.signal(signal.SIGINT, lambda number, frame: arrived.append(frame))
    try:
        yield
    finally:
        _signal.signal(signal.SIGINT, handler)
        if arrived:
            handler(signal.SIGINT, arrived[0])
