"""Short blocks that Ctrl-C does not break into: what puts the state of a process aside, and what puts it back.

An interrupt that arrives in such a block counts at its end. Without that, the second of two that arrive one after the
other could leave a kernel without its modules, its environment variables or its event loop.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

__all__ = ["handler_of", "set_handler", "uninterrupted"]

# What `signal.getsignal` and `signal.signal` call. Those look for the member of an enum that a handler is; for one that
# is a function they raise an error and catch it, which takes longer than all else that a short block does. Here a
# handler is a function or a plain int.
_signals: Any = signal._signal  # type: ignore[attr-defined]  # the module that has both
handler_of: Callable[[int], Any] = _signals.getsignal
set_handler: Callable[[int, Any], Any] = _signals.signal


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let an interrupt wait until the block has ended, which is to take milliseconds; may be nested."""
    handler = handler_of(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield  # interrupts arrive elsewhere, or never
        return
    arrived: list[FrameType | None] = []
    set_handler(signal.SIGINT, lambda number, frame: arrived.append(frame))
    try:
        yield
    finally:
        set_handler(signal.SIGINT, handler)
        if arrived:
            handler(signal.SIGINT, arrived[0])
