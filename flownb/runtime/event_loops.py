"""The event loops of a thread, put aside while code runs that must not find them: see `flownb.runtime.process`."""

from __future__ import annotations

import asyncio
import asyncio.events
import asyncio.tasks
import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["close_own", "put_loops_aside"]


def put_loops_aside(back: contextlib.ExitStack, *, is_main: bool) -> None:
    """Put this thread's event loops aside.

    Parameters
    ----------
    back : contextlib.ExitStack
        Restores them when it is closed.
    is_main : bool
        Whether this is the main thread.
    """
    back.callback(_enter, *_leave())
    back.enter_context(_own_policy() if is_main else _own_loop())


def close_own() -> None:
    """Close the loop that code left as the main thread's current one, and forget its policy."""
    _close(_current(_policy()))
    _set_policy(None)


@contextlib.contextmanager
def _own_policy() -> Iterator[None]:
    """Give the main thread a new policy."""
    policy = _policy()
    _set_policy(None)
    try:
        yield
    finally:
        close_own()
        _set_policy(policy)


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
