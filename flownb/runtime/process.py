"""What a task may change in the process it runs in, and gets back when it ends.

Takes nothing; gives the number of processors, the machine's memory, and a context in which a step sees the process as
Metaflow would start it: without an event loop (see `flownb.runtime.event_loop`), and whose working folder, environment
variables, signal handlers and recursion limit are put back afterwards.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from flownb.runtime.event_loop import own_event_loops

__all__ = ["cores", "machine_memory", "process_state"]


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_memory() -> float:
    """The machine's memory in MB; infinity where it cannot be told."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    except (ValueError, OSError, AttributeError):
        return float("inf")


@contextlib.contextmanager
def process_state() -> Iterator[None]:
    """Run a task as if the process were its own."""
    folder = os.getcwd()  # noqa: PTH109  # a text is what chdir takes back
    variables = dict(os.environ)
    limit = sys.getrecursionlimit()
    handlers = _signal_handlers()
    try:
        with own_event_loops():
            yield
    finally:
        for number, handler in _signal_handlers().items():
            if handler != handlers[number] and handlers[number] is not None:  # None was not set by Python
                signal.signal(number, handlers[number])
        if sys.getrecursionlimit() != limit:
            sys.setrecursionlimit(limit)
        if variables != os.environ:
            os.environ.clear()
            os.environ.update(variables)
        with contextlib.suppress(OSError):  # the folder itself may be gone
            os.chdir(folder)


def _signal_handlers() -> dict[int, Any]:
    """What is called for each signal; empty outside of the main thread, where nothing can be set."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in range(1, signal.NSIG)}
