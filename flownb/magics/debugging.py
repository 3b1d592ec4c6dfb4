"""Errors and breakpoints of steps in a notebook: named cells, the user's own frames, IPython's debugger.

A traceback calls a cell that was executed in this kernel ``Cell In[5]``, as everywhere in IPython; a cell that was not,
for example after a restart, has the name of its step. Code of a run is executed by other processes, which know neither.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from flownb.errors import FlownbError

if TYPE_CHECKING:
    from flownb.cells.cell import Cell

__all__ = ["PostMortem", "breakpoints", "name_cells", "with_cell_names"]


# The names of cells that were read and not executed, see `flownb.cells.cell.read_cell`.
READ = re.compile(r"<cell ?([^:>]*): (step|shared|flow)(?: ([^>]*))?>")
# A place in a traceback as IPython shows it, perhaps coloured.
PLACE = re.compile(r"File ((?:\x1b\[[\d;]*m)*)(<cell[^>]*>|\S+?):(\d+)(?=\D|$)")


def name_cells(shell: Any) -> None:
    """Let a shell's tracebacks name cells that were not executed; others keep their names."""
    compiler = shell.compile
    known = compiler.format_code_name

    def format_code_name(name: str) -> tuple[str, str] | None:
        found: tuple[str, str] | None = known(name)
        return found or _read_name(name)

    compiler.format_code_name = format_code_name


def with_cell_names(shell: Any, lines: Iterable[str], cells: Iterable[Cell]) -> list[str]:
    """Lines of a traceback that another process made, with this notebook's names of cells.

    Parameters
    ----------
    shell : InteractiveShell
        With `name_cells`.
    lines : iterable of str
    cells : iterable of Cell
        The flow's cells, which the other process knows by other names.
    """
    from flownb.runtime.shipping import readable_name

    here: dict[str, list[str]] = {}
    for cell in cells:
        here.setdefault(readable_name(cell), []).append(cell.filename)

    def named(found: re.Match[str]) -> str:
        own = here.get(found[2], [])
        name = shell.compile.format_code_name(own[0] if len(own) == 1 else found[2])
        return found[0] if name is None else f"{name[0]} {found[1]}{name[1]}, line {found[3]}"

    return [PLACE.sub(named, line) for line in lines]


def _read_name(name: str) -> tuple[str, str] | None:
    """What a cell that was read is called."""
    found = READ.fullmatch(name)
    if found is None:
        return None
    cell, kind, step = found.groups()
    which = f" (code cell {cell})" if kind == "shared" and cell.isdecimal() else ""
    return "Cell", f"%%{kind} {step or ''}".rstrip() + which


class PostMortem:
    """The errors of one shell, shown with the user's frames alone.

    A magic's error is raised so that IPython shows the user's lines, and so that ``%debug`` and ``%pdb`` find the
    user's frames where they look: in the exception and in ``sys.last_traceback``. A task of a run failed in a process
    of its own, which has ended; ``%debug`` offers to run it again in the kernel.

    Parameters
    ----------
    shell : InteractiveShell
    cells : callable
        Gives the flow's cells, whose names other processes do not know.
    """

    def __init__(self, shell: Any, cells: Callable[[], Iterable[Cell]]) -> None:
        self.shell = shell
        self._cells = cells
        # An error whose frames were in another process, and the words of the `%spin` that makes it again here.
        self._elsewhere: tuple[BaseException, str] | None = None
        self._pending: Callable[[], None] | None = None
        self._raised: tuple[BaseException, TracebackType] | None = None
        self._call_pdb: bool | None = None

    def raise_for_user(self, error: BaseException, *, again: str = "", opened: bool = False) -> NoReturn:
        """Raise an error that shows the user's own frames at the lines of their cells.

        Parameters
        ----------
        error : BaseException
        again : str, optional
            Words of the `%spin` that runs the step again here, if it failed in another process.
        opened : bool, default False
            Whether the error was shown, and the debugger was open, already; then its last line is shown alone.

        Raises
        ------
        BaseException
            Always: `error`.
        """
        from flownb.runtime.failure import StepError, type_name, user_frames

        _keep_user_frames(error.__cause__ or error.__context__)
        cause = error.__cause__
        there = next((one for one in (error, cause) if isinstance(one, StepError)), None)
        frames, shown = user_frames(error), error
        if frames is None and cause is not None:
            frames, shown = user_frames(cause), cause
        own = getattr(error, "_render_traceback_", list)
        lines_there = there._render_traceback_ if there is not None else list
        if there is not None:
            self._elsewhere = (error, again) if again else None
        elif frames is None and not isinstance(error, FlownbError):
            raise error  # ours to correct: shows everything
        self._raised = (error, frames) if frames is not None and shown is error else None
        settle = self._pending = partial(self._settle, error, shown, frames)

        def render() -> list[str]:
            """The lines to show; called by IPython right after it noted the error, and before ``%pdb`` opens."""
            settle()
            if opened:
                # Else ``%pdb on`` would open it a second time.
                self._call_pdb, self.shell.call_pdb = bool(self.shell.call_pdb), False
                return [f"{type_name(error)}: {error}"]
            if there is not None:
                named = with_cell_names(self.shell, lines_there(), self._cells())
                return [*named, *(["", *own()] if there is not error else [])]
            if frames is None:
                return own()
            lines = self.shell.InteractiveTB.structured_traceback(type(shown), shown, frames, tb_offset=0)
            return [*lines, "", *own()] if shown is not error else list(lines)

        error._render_traceback_ = render  # type: ignore[attr-defined]  # IPython looks for it
        raise error

    def watch(self) -> None:
        """Let IPython show the user's frames also of what it shows in its own way: SyntaxErrors, exception groups."""
        original = self.shell.showtraceback

        @wraps(original)
        def showtraceback(*arguments: Any, **options: Any) -> Any:
            raised, self._raised = self._raised, None
            if raised is not None and sys.exc_info()[1] is raised[0]:
                raised[0].__traceback__ = raised[1]  # without the frames between here and the magic
            return original(*arguments, **options)

        self.shell.showtraceback = showtraceback

    def after_cell(self) -> None:
        """Settle what is left to be: IPython may have shown an error without asking it for lines."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending()
        self._raised = None
        if self._call_pdb is not None:
            self.shell.call_pdb, self._call_pdb = self._call_pdb, None

    def open(self, error: BaseException) -> None:
        """Show an error and open the debugger where the user's code raised it."""
        from flownb.runtime.failure import user_frames

        frames = user_frames(error)
        if frames is None:
            return
        _keep_user_frames(error.__cause__ or error.__context__)
        lines = self.shell.InteractiveTB.structured_traceback(type(error), error, frames, tb_offset=0)
        self.shell._showtraceback(type(error), error, lines)
        error.__traceback__ = frames
        _remember(error, frames)
        self.shell.debugger(force=True)

    def failed_elsewhere(self) -> tuple[BaseException, str] | None:
        """The last error, if its frames were in another process, and the words of the `%spin` that makes it here."""
        found = self._elsewhere
        return found if found is not None and getattr(sys, "last_value", None) is found[0] else None

    def _settle(self, error: BaseException, shown: BaseException, frames: TracebackType | None) -> None:
        """Let IPython's debugger find the user's frames; without any, that of the cell."""
        if getattr(sys, "last_value", None) is not error:
            return  # it was handled, or another one followed
        if frames is not None:
            shown.__traceback__ = frames
            _remember(shown, frames)
            return
        cell = error.__traceback__
        while cell is not None and cell.tb_frame.f_globals is not self.shell.user_global_ns:
            cell = cell.tb_next
        if cell is not None:
            here = TracebackType(None, cell.tb_frame, cell.tb_lasti, cell.tb_lineno)
            error.__traceback__ = here
            _remember(error, here)


def _keep_user_frames(error: BaseException | None) -> None:
    """Leave the user's frames alone in an error and in those it came of, for they are shown with it."""
    from flownb.runtime.failure import user_frames

    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        kept = user_frames(error)
        if kept is not None:
            error.__traceback__ = kept
        error = error.__cause__ or error.__context__


def _remember(error: BaseException, frames: TracebackType) -> None:
    """Note an error as the last one, as IPython does."""
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, frames
    if sys.version_info >= (3, 12):
        sys.last_exc = error


@contextlib.contextmanager
def breakpoints(shell: Any, can_ask: Callable[[], bool]) -> Iterator[None]:
    """Let ``breakpoint()`` and ``pdb.set_trace()`` in steps open IPython's debugger, at the step's line, in this block.

    A kernel's own ``breakpoint()`` does nothing unless JupyterLab's debugger is switched on (``debugpy.breakpoint``,
    1.8). What the user chose is kept: a hook of their own, ``PYTHONBREAKPOINT``, and JupyterLab's debugger while it is
    switched on.

    Parameters
    ----------
    shell : InteractiveShell
    can_ask : callable
        Whether somebody can answer. If not, the calls raise an `EOFError` that says so.
    """
    import pdb

    from IPython.core import debugger

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
