"""Short blocks that Ctrl-C does not break into: what puts the state of a process aside, and what puts it back.

An interrupt that arrives in such a block counts at its end. Without that, the second of two that arrive one after the
other could leave a kernel without its modules, its environment variables or its event loop.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["handler_of", "set_handler", "uninterrupted"]

# What `signal.getsignal` and `signal.signal` call. Those look for the member of an enum that a handler is; for one that
# is a function they raise an error and catch it, which takes longer than all else that a short block does. Here a
# handler is a function or a plain int.
_signals: Any = signal._signal  # type: ignore[attr-defined]  # the module that has both
handler_of: Callable[[int], Any] = _signals.getsignal
set_handler: Callable[[int, Any], Any] = _signals.signal


class uninterrupted:  # noqa: N801  # used like a function
    """Let an interrupt wait until the block has ended, which must take only milliseconds; may be nested."""

    def __init__(self) -> None:
        self._handler: Any = None
        self._arrived: list[FrameType | None] = []

    def __enter__(self) -> None:
        """Begin to wait."""
        handler = handler_of(signal.SIGINT)
        # Elsewhere than in the main thread, or without a function to call, none arrives.
        if callable(handler) and threading.current_thread() is threading.main_thread():
            self._handler = handler
            set_handler(signal.SIGINT, self._note)

    def __exit__(self, *error: object) -> None:
        """Let the first one that arrived count."""
        if self._handler is not None:
            set_handler(signal.SIGINT, self._handler)
            if self._arrived:
                self._handler(signal.SIGINT, self._arrived[0])

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._arrived.append(frame)
