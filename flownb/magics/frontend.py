"""What the front end says of the cell that is being executed.

Takes the execute request; gives the `Cell` with its id, tags, exact text and the file name that tracebacks and the
debugger know it by. JupyterLab and VS Code send ids and tags with each request; nbclient and nbval send neither.
The session and all below it are imported with the first cell, so that loading the extension stays instant.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from flownb.errors import CellError
from flownb.magics.notebook_file import kernel_name, notebook_path
from flownb.widgets.views import Views

if TYPE_CHECKING:
    from flownb.cells.cell import Cell
    from flownb.session.session import Session

__all__ = ["Frontend", "tags_to_magic"]


class Frontend:
    """The shell that executes cells, and the session they belong to."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        # The kernel's folder; a step that runs may have gone elsewhere.
        self._folder = Path.cwd()
        self._kernel_name = kernel_name(shell)
        self._first_cell = self.cell_id
        self.views = Views(self._open_session)

    def _open_session(self) -> Session:
        from flownb.runtime.own_imports import always
        from flownb.session.session import Session
        from flownb.session.transfers import show_transfers
        from flownb.widgets.transfers import TransferOutput

        executed = [self._first_cell, self.cell_id] if self._first_cell else []
        path = notebook_path(self.shell, self._folder, frozenset(one for one in executed if one))
        session = Session(path, folder=self._folder, kernel=self._kernel_name)
        session.warn = print
        always()
        show_transfers(session.datastore.location, TransferOutput())
        return session

    @property
    def session(self) -> Session:
        """The notebook's session, begun with the first cell."""
        return self.views.session

    @property
    def cell_id(self) -> str | None:
        """Id of the notebook cell that is being executed, where the front end sends it."""
        sent = _request(self.shell).get("metadata", {}).get("cellId")
        return str(sent) if sent else None

    @property
    def is_watched(self) -> bool:
        """Whether somebody looks at a cell's output while it is made, and sees outputs that are updated.

        Who executes a notebook from its file (nbclient, and with it nbconvert and papermill; nbval) allows no input;
        consoles do, but send no cell and show no updates.
        """
        request = _request(self.shell)
        from_a_notebook = "cellId" in request.get("metadata", {}) or "google.colab" in sys.modules
        return bool(request.get("content", {}).get("allow_stdin")) and from_a_notebook

    def define(self, line: str, body: str, magic: str) -> Cell:
        """Read the cell a magic was called on, and take it over into the session."""
        from flownb.cells.cell import read_cell
        from flownb.cells.notebook import DocumentCell

        request = _request(self.shell)
        metadata = request.get("metadata", {})
        raw = str(request.get("content", {}).get("code", ""))
        own = raw.lstrip().startswith(f"%%{magic}") or not raw.lstrip().startswith("%%")
        if not own or body.strip("\n") not in raw:  # below another magic (%%time), or called from other code
            raw = f"%%{magic} {line}\n{body}"
        tags = [str(tag) for tag in metadata.get("tags", ())]
        cell = read_cell(raw, tags=tags, cell_id=self.cell_id, filename=self.filename(raw))
        code = str(request.get("content", {}).get("code", ""))
        sent = DocumentCell(self.cell_id, code, tuple(tags)) if self.cell_id else None
        self.session.define(cell, request=sent)
        return cell

    def before_cell(self, info: Any = None) -> None:
        """Take over what a view shows; forget deleted cells, and the one executed, which its magic then defines anew.

        JupyterLab names deleted cells once, with whatever cell is executed next; and a step cell whose mark was taken
        away is executed as scratch.
        """
        self.views.before_cell()
        request = _request(self.shell)
        if info is not None and info.raw_cell != request.get("content", {}).get("code"):
            return  # code that a cell runs in its turn
        metadata = request.get("metadata", {})
        gone = [*metadata.get("deletedCells", ()), *([metadata["cellId"]] if "cellId" in metadata else [])]
        if gone and self.views.has_session:
            self.session.cells.unmark(gone)

    def after_cell(self, result: Any = None) -> None:
        """Let the views follow."""
        self.views.after_cell()

    def filename(self, raw: str) -> str:
        """The name under which the front end's debugger and tracebacks know this cell."""
        compiler = self.shell.compile
        name = str(compiler.get_code_name(raw, raw, self.shell.execution_count))
        compiler._filename_map[name] = self.shell.execution_count
        return name

    def say_notes(self) -> None:
        """Print what a user should know of where results come from."""
        for note in self.session.notes():
            print(f"note: {note}")

    def kernel_names(self) -> set[str]:
        """Names in the notebook's namespace that the user made."""
        return {name for name in self.shell.user_ns if not name.startswith("_")}

    def show(self, value: Any) -> None:
        """Display the value of a step's last expression."""
        if value is not None:
            from IPython.display import display

            display(value)  # type: ignore[no-untyped-call]  # IPython leaves it untyped

    def raise_for_user(self, error: BaseException) -> NoReturn:
        """Raise an error that shows the user's own frames at the lines of their cells.

        Raises
        ------
        BaseException
            Always: `error`.
        """
        from flownb.runtime.failure import StepError, user_frames

        shown: BaseException | None = error
        while shown is not None:  # also in errors it was raised from, or while handling
            kept = user_frames(shown)
            if kept is not None and shown is not error:
                shown.__traceback__ = kept
            shown = shown.__cause__ or shown.__context__
        if isinstance(error.__cause__, StepError):  # of a worker process, which made its traceback
            shown_there = error.__cause__._render_traceback_()
            lines = [*shown_there, "", *getattr(error, "_render_traceback_", list)()]
            error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]  # IPython looks for it
            raise error
        frames, shown = user_frames(error), error
        cause = error.__cause__
        if frames is None and cause is not None:
            frames, shown = user_frames(cause), cause
        if frames is not None:
            table = self.shell.InteractiveTB
            lines = table.structured_traceback(type(shown), shown, frames, tb_offset=0)
            if shown is not error:
                lines = [*lines, "", *getattr(error, "_render_traceback_", list)()]
            error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]  # IPython looks for it
        raise error


def _request(shell: Any) -> dict[str, Any]:
    """The execute request, empty outside of a kernel."""
    get_parent = getattr(shell, "get_parent", None)
    return (get_parent() or {}) if get_parent is not None else {}


def tags_to_magic(shell: Any) -> Callable[[list[str]], list[str]]:
    """An input transformer that puts the magic before a cell whose tags mean the same."""

    def transform(lines: list[str]) -> list[str]:
        if len(lines) == 1 and lines[0].startswith(("%%step", "%%flow", "%%shared")):
            return [lines[0].rstrip("\n") + "\n", "\n"]  # a cell magic needs a body, a step need not have one
        request = _request(shell)
        tags = request.get("metadata", {}).get("tags")
        code = request.get("content", {}).get("code", "")
        if not tags or "".join(lines).strip() != str(code).strip() or "".join(lines).lstrip().startswith("%%"):
            return lines
        from flownb.cells.cell import read_cell

        try:
            cell = read_cell("", tags=[str(tag) for tag in tags])
        except CellError:
            return ["%%step\n", *lines]  # the magic reads the tags again and says what is wrong
        if cell.kind == "scratch":
            return lines
        name = cell.header.line if cell.header else cell.full_name
        return [f"%%{cell.kind} {name}".rstrip() + "\n", *lines]

    return transform
