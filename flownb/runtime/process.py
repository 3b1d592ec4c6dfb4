"""What a task may change in the process it runs in, and gets back when it ends.

Takes nothing; gives the number of processors, the machine's memory, and a context in which a step sees the process as
Metaflow would start it: no running event loop, and whose working folder, environment variables and recursion limit are
put back afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator

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
    # A kernel runs cells inside its event loop; a step's own `asyncio.run` must not see that one.
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
        if sys.getrecursionlimit() != limit:
            sys.setrecursionlimit(limit)
        if variables != os.environ:
            os.environ.clear()
            os.environ.update(variables)
        with contextlib.suppress(OSError):  # the folder itself may be gone
            os.chdir(folder)
