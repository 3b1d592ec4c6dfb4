"""What a task may change in the process it runs in, and what the process gets back when it ends.

A step sees the process as Metaflow would start it: working folder, environment variables, signal handlers and recursion
limit are put back afterwards (`process_state`). A kernel executes cells inside its running event loop, whereas on
Metaflow no loop is running, none is set, and the first `asyncio.get_event_loop` of the main thread makes one.
`own_event_loops` gives code that state, and afterwards gives the thread back its loop, its current task and its policy.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import asyncio.tasks
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


@contextlib.contextmanager
def own_event_loops() -> Iterator[None]:
    """Run code as if no event loop had ever been running or set in this process.

    Blocks may be nested: the inner one shares what the outer one set. A loop that the code leaves as the current one is
    closed at the end, as the end of a process does: what is still pending there never continues.

    Notes
    -----
    The policy is replaced rather than its current loop, for a policy also remembers whether a loop was ever set: in
    Python 3.11 to 3.13 `asyncio.get_event_loop` makes a loop only if none was.
    """
    if threading.get_ident() in _inside:
        yield
        return
    back = contextlib.ExitStack()
    try:
        with uninterrupted():
            _put_aside(back)
        yield
    finally:
        with uninterrupted():
            back.close()


def _put_aside(back: contextlib.ExitStack) -> None:
    """Put a thread's event loops aside; `back` restores them."""
    thread = threading.get_ident()
    _inside.add(thread)
    back.callback(_inside.discard, thread)
    back.callback(_enter, *_leave())
    back.callback(sys.set_asyncgen_hooks, *sys.get_asyncgen_hooks())
    sys.set_asyncgen_hooks(None, None)
    is_main = threading.current_thread() is threading.main_thread()
    back.enter_context(_own_policy() if is_main else _own_loop())


@contextlib.contextmanager
def _own_policy() -> Iterator[None]:
    """Give the main thread a new policy, and its descriptor for signals back."""
    policy, wakeup = _policy(), _wakeup_fd(-1)
    _set_policy(None)
    try:
        yield
    finally:
        _close(_current(_policy()))
        _set_policy(policy)
        if wakeup is not None:
            _wakeup_fd(wakeup)


@contextlib.contextmanager
def _own_loop() -> Iterator[None]:
    """Give another thread a loop, which the main one gets from its policy; that belongs to all threads, and stays."""
    before, loop = _current(_policy()), asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        _close(loop)
        asyncio.set_event_loop(before)


def _leave() -> tuple[Any, Any]:
    """Hide the running loop and its current task, and return both."""
    running: Any = asyncio._get_running_loop()
    task = asyncio.current_task(running) if running is not None else None
    if task is not None:
        # From Python 3.14 on a thread has one current task, whichever loop it belongs to.
        asyncio.tasks._leave_task(running, task)
    asyncio._set_running_loop(None)
    return running, task


def _enter(running: Any, task: Any) -> None:
    """Give the thread its running loop and current task back."""
    asyncio._set_running_loop(running)
    if task is not None:
        asyncio.tasks._enter_task(running, task)


def _policy() -> Any:
    """The policy; None before there is one, which the public function would make."""
    return asyncio.events._event_loop_policy  # type: ignore[attr-defined]


def _set_policy(policy: Any) -> None:
    """Set a policy; None lets one be made when it is needed. From Python 3.14 on the public function warns."""
    put = getattr(asyncio.events, "_set_event_loop_policy", None) or asyncio.set_event_loop_policy
    put(policy)


def _current(policy: Any) -> Any:
    """The current loop of a policy in this thread, without making one; None if there is none, or if it is not known."""
    return getattr(getattr(policy, "_local", None), "_loop", None)


def _close(loop: Any) -> None:
    """Close a loop that code left behind; one that another thread runs stays open."""
    if loop is not None and not loop.is_running():
        with contextlib.suppress(Exception):
            loop.close()


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
        for number, handler in _signal_handlers().items():
            if handler != handlers[number] and handlers[number] is not None:  # None was not set by Python
                set_handler(number, handlers[number])
        with uninterrupted():
            if sys.getrecursionlimit() != limit:
                sys.setrecursionlimit(limit)
            if variables != _variables():
                decode = getattr(os.environ, "decodekey", str)
                os.environ.clear()
                os.environ.update({decode(name): decode(value) for name, value in variables.items()})
            with contextlib.suppress(OSError):  # the folder itself may be gone
                os.chdir(folder)


def _variables() -> dict[Any, Any]:
    """The environment variables as they are kept: to decode all of them takes longer than a small step may."""
    return dict(getattr(os.environ, "_data", os.environ))


def _signal_handlers() -> dict[int, Any]:
    """What is called for each signal; empty outside of the main thread, where nothing can be set."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: handler_of(number) for number in range(1, signal.NSIG)}
