"""``breakpoint()`` and ``pdb.set_trace()`` in steps that run in the kernel.

Takes IPython's debugger; gives a block in which these calls of a step open it at the step's line. A kernel's own
``breakpoint()`` does nothing unless JupyterLab's debugger is switched on (``debugpy.breakpoint``, 1.8).
"""

from __future__ import annotations

import contextlib
import linecache
import os
import pdb
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from IPython.core import debugger

__all__ = ["breakpoints"]


@contextlib.contextmanager
def breakpoints(shell: Any, can_ask: Callable[[], bool]) -> Iterator[None]:
    """Let steps stop in IPython's debugger while the block runs.

    What the user chose is kept: a hook of their own, ``PYTHONBREAKPOINT``, and JupyterLab's debugger while it is
    switched on.

    Parameters
    ----------
    shell : InteractiveShell
    can_ask : callable
        Whether somebody can answer. If not, the calls raise an `EOFError` that says so.
    """
    before = sys.breakpointhook, pdb.set_trace, debugger.set_trace

    def stop(name: str, frame: FrameType) -> None:
        if not can_ask():
            raise EOFError(
                f"{name}() cannot stop here: this front end takes no input, so nobody could answer the debugger. "
                "Remove the call, or execute the cell in JupyterLab or a console."
            )
        _open(shell, frame)

    def hook(*arguments: Any, **options: Any) -> None:
        stop("breakpoint", sys._getframe(1))

    def set_trace(frame: FrameType | None = None, header: str | None = None, **options: Any) -> None:
        if header is not None:
            print(header)
        stop("set_trace", frame or sys._getframe(1))

    if _is_idle(before[0]):
        # With PYTHONBREAKPOINT, Python's own hook calls what the user wants, or nothing.
        sys.breakpointhook = sys.__breakpointhook__ if os.environ.get("PYTHONBREAKPOINT") else hook
    pdb.set_trace = debugger.set_trace = set_trace
    try:
        yield
    finally:
        sys.breakpointhook, pdb.set_trace, debugger.set_trace = before


def _is_idle(hook: Any) -> bool:
    """Whether a hook is Python's own, or that of a kernel whose debugger is not switched on."""
    if hook is sys.__breakpointhook__:
        return True
    debugpy = sys.modules.get("debugpy")
    is_kernels = str(getattr(hook, "__module__", "")).startswith(("debugpy", "pydevd", "_pydev"))
    return is_kernels and not (debugpy is not None and debugpy.is_client_connected())


def _open(shell: Any, frame: FrameType) -> None:
    """Stop at the line of a frame that is executed next."""
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)  # a @timeout does not count the time that a user thinks

    class StepDebugger(shell.debugger_cls):  # type: ignore[misc]  # which one depends on the shell
        """IPython's debugger, which shows the user's frames alone."""

        def get_stack(self, f: Any, t: Any) -> Any:
            """The frames from the flow's own code on."""
            stack, position = super().get_stack(f, t)
            kept = _users([one for one, _ in stack])
            if position not in kept:
                return stack, position
            return [stack[place] for place in kept], kept.index(position)

        def getsourcelines(self, obj: Any) -> Any:
            """All of a step's cell for ``ll``; its code has the name of a module's."""
            if isinstance(obj, FrameType) and obj.f_code.co_name == "<module>":
                return linecache.getlines(obj.f_code.co_filename), 1
            return super().getsourcelines(obj)

        def user_return(self, frame: FrameType, value: Any) -> None:
            """Stop at a return; the step's own is the last place, since nothing of the user's follows."""
            super().user_return(frame, value)
            if frame.f_back is None or _is_ours(frame.f_back):
                self.set_continue()

    StepDebugger(skip=["flownb.*"]).set_trace(frame)


def _users(frames: list[FrameType]) -> list[int]:
    """Places of the frames that run the flow's code or were called by it."""
    from flownb.runtime.failure import CALLS_STEPS

    names = [str(frame.f_globals.get("__name__", "")) for frame in frames]
    start = next((place for place, name in enumerate(names) if name.startswith("flownb_flow_")), None)
    if start is None:  # a step of a base class from a module
        start = next((place for place, name in enumerate(names) if name == CALLS_STEPS), len(names))
    return [place for place in range(start, len(names)) if not _is_ours(frames[place])]


def _is_ours(frame: FrameType) -> bool:
    """Whether a frame runs code of flownb itself."""
    return str(frame.f_globals.get("__name__", "")).split(".")[0] == "flownb"
