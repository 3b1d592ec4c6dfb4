"""What a notebook shows of an error, and what ``%debug`` and ``%pdb`` then look into: the user's frames.

Takes an error that a magic ends with; raises it so that IPython shows the user's lines, and finds the user's frames
where it looks for them: in the exception and in ``sys.last_traceback``. A task of a run failed in a process of its own,
which has ended; ``%debug`` offers to run it again in the kernel.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial, wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from flownb.errors import FlownbError
from flownb.magics.cell_names import with_cell_names

if TYPE_CHECKING:
    from flownb.cells.cell import Cell

__all__ = ["PostMortem"]


class PostMortem:
    """The errors of one shell.

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
