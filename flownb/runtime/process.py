"""What a task may change in the process it runs in, and what the process gets back when it ends.

A step sees the process as Metaflow would start it: working folder, environment variables, signal handlers and recursion
limit are put back afterwards (`process_state`). A kernel executes cells inside its running event loop, whereas on
Metaflow no loop is running, none is set, and the first `asyncio.get_event_loop` of the main thread makes one.
`own_event_loops` gives code that state, and afterwards gives the thread back its loop, its current task and its policy
(`flownb.runtime.event_loops`, which is imported only in a process that has imported asyncio).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from flownb.interrupts import handler_of, set_handler, uninterrupted

__all__ = ["cores", "machine_memory", "own_event_loops", "process_state"]

# Threads in which this is entered already.
_inside: set[int] = set()


class own_event_loops(contextlib.ContextDecorator):  # noqa: N801  # used like a function
    """Run code as if no event loop had ever been running or set in this process.

    Blocks may be nested: the inner one shares what the outer one set. A loop that the code leaves as the current one is
    closed at the end, as the end of a process does: what is still pending there never continues.

    Notes
    -----
    The policy is replaced rather than its current loop, for a policy also remembers whether a loop was ever set: in
    Python 3.11 to 3.13 `asyncio.get_event_loop` makes a loop only if none was.
    """

    def __init__(self) -> None:
        self._back: contextlib.ExitStack | None = None

    def _recreate_cm(self) -> own_event_loops:
        """Another one for each call of a function that this decorates."""
        return own_event_loops()

    def __enter__(self) -> None:
        """Put the thread's loops aside, unless an outer block has done so."""
        if threading.get_ident() in _inside:
            return
        self._back = contextlib.ExitStack()
        try:
            with uninterrupted():
                _put_aside(self._back)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        """Give the thread its loops back."""
        if self._back is not None:
            with uninterrupted():
                self._back.close()


def _put_aside(back: contextlib.ExitStack) -> None:
    """Put a thread's event loops aside; `back` restores them."""
    thread = threading.get_ident()
    _inside.add(thread)
    is_main = threading.current_thread() is threading.main_thread()
    is_first = is_main and "asyncio" not in sys.modules  # nobody has a loop yet
    back.callback(_leave, thread, closes_new=is_first)
    if not is_first:
        from flownb.runtime.event_loops import put_loops_aside

        put_loops_aside(back, is_main=is_main)
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    back.callback(_put_back, hooks, _wakeup_fd(-1) if is_main else None)


def _leave(thread: int, *, closes_new: bool) -> None:
    """End a block; close what code left in it that was the first to import asyncio, and forget the policy it set."""
    _inside.discard(thread)
    if closes_new and "asyncio" in sys.modules:
        from flownb.runtime.event_loops import close_own

        close_own()


def _put_back(hooks: Any, wakeup: int | None) -> None:
    """Set the hooks of asynchronous generators and the descriptor for signals that were there before."""
    if wakeup is not None:
        _wakeup_fd(wakeup)
    sys.set_asyncgen_hooks(*hooks)


def _wakeup_fd(number: int) -> int | None:
    """Set the descriptor for signals, and return the one before; None if it cannot be set."""
    try:
        return signal.set_wakeup_fd(number, warn_on_full_buffer=False)
    except (ValueError, OSError):  # the descriptor was closed meanwhile
        return None


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_memory() -> float:
    """The machine's memory in MB; infinity where it is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    except (ValueError, OSError, AttributeError):
        return float("inf")


@contextlib.contextmanager
def process_state() -> Iterator[None]:
    """Run a task as if the process were its own."""
    folder = os.getcwd()  # noqa: PTH109  # a text is what chdir takes back
    variables = _variables()
    limit = sys.getrecursionlimit()
    handlers = _signal_handlers()
    try:
        with own_event_loops():
            yield
    finally:
        if (left := _signal_handlers()) != handlers:
            for number, (before, after) in enumerate(zip(handlers, left, strict=True), 1):
                if after != before and before is not None:  # None was not set by Python
                    set_handler(number, before)
        with uninterrupted():
            if sys.getrecursionlimit() != limit:
                sys.setrecursionlimit(limit)
            if variables != _variables():
                os.environ.clear()  # perhaps another mapping, which the step put there
                os.environ.update({os.fsdecode(name): os.fsdecode(value) for name, value in variables.items()})
            with contextlib.suppress(OSError):  # the folder itself may be gone
                os.chdir(folder)


def _variables() -> dict[Any, Any]:
    """The environment variables as they are kept: to decode all of them takes longer than a small step may."""
    return dict(getattr(os.environ, "_data", os.environ))


def _signal_handlers() -> list[Any]:
    """What is called for each signal from 1 on; empty outside of the main thread, where nothing can be set."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return list(map(handler_of, range(1, signal.NSIG)))
