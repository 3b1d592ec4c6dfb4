"""What the front end says of the cell that is being executed.

Takes the execute request; gives the `Cell` with its id, tags, exact text and the file name that tracebacks and the
debugger know it by. JupyterLab and VS Code send ids and tags with each request; nbclient and nbval send neither.
The session and all below it are imported with the first cell, so that loading the extension stays instant.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

from flownb.errors import CellError
from flownb.widgets.channel import Channel

if TYPE_CHECKING:
    from flownb.cells.cell import Cell
    from flownb.cells.notebook import DocumentCell
    from flownb.runtime.events import Event
    from flownb.session.session import Session
    from flownb.widgets.board import StatusBoard
    from flownb.widgets.cards import CardOutputs
    from flownb.widgets.dag import DagWidget

__all__ = ["Frontend", "tags_to_magic"]

# Seconds for which the kernel is left alone before all steps are judged: cells that follow at once go first.
SETTLE = 0.05


class Frontend:
    """The shell that executes cells, the session they belong to, and the views that watch it."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.channel = Channel(self._shown, self._greet)
        self._document: Sequence[DocumentCell] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._board: StatusBoard | None = None
        self._widgets: list[DagWidget] = []
        self._refreshing = self._greeted = False
        self._pause = SETTLE
        # The kernel's folder; a step that runs may have gone elsewhere.
        self._folder = Path.cwd()

    @cached_property
    def session(self) -> Session:
        """The notebook's session, begun with the first cell."""
        from flownb.session.session import Session
        from flownb.widgets.board import StatusBoard

        session = Session(notebook_path(self.shell, self._folder), folder=self._folder)
        self._board = StatusBoard(session, session.events.emit)
        session.events.subscribe(self._watch)
        return session

    @property
    def board(self) -> StatusBoard:
        """The states of step cells."""
        if self._board is None:
            assert self.session
        assert self._board is not None
        return self._board

    @cached_property
    def cards(self) -> CardOutputs:
        """The outputs that show cards."""
        from flownb.widgets.cards import CardOutputs

        return CardOutputs(self.session)

    # -- views

    def connect(self) -> None:
        """Be there for views; nothing in a shell without a kernel."""
        if getattr(self.shell, "kernel", None) is None:
            return
        with contextlib.suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()
        self.channel.open()

    @property
    def live(self) -> bool:
        """Whether the JupyterLab extension is connected."""
        return self.channel.live

    def _watch(self, event: Event) -> None:
        """Hand an event to the views, if there are any."""
        self.board(event)
        if self.watched:
            self.channel.push(event)
            self.board.tell(event)
        if self.live:
            self.cards(event)
        for widget in self._widgets:
            widget(event)

    @property
    def watched(self) -> bool:
        """Whether anything shows the states of steps."""
        return self.live or bool(self._widgets)

    def dag_widget(self) -> DagWidget:
        """A new widget that draws the flow."""
        from flownb.widgets.dag import DagWidget

        self._take_document()
        self.session.check(only="")  # says so when there is no flow to draw
        self.board.refresh()
        widget = DagWidget(self.session, self.board)
        self._widgets.append(widget)
        return widget

    def _greet(self) -> None:
        """Tell a view that has just connected how all steps stand; may be called on any thread, while a cell runs.

        The session belongs to the thread that executes cells. So the steps are judged from what the view shows and
        what is recorded, by a session of their own.
        """
        from flownb.session.session import Session
        from flownb.widgets.board import StatusBoard

        aside = Session(notebook_path(self.shell, self._folder), folder=self._folder)
        aside.cells.show(self.channel.document)
        running = self._board.running if self._board is not None else ()
        StatusBoard(aside, self.channel.push, running=running).refresh(whole=True)
        self._greeted = True
        self._refresh_soon()

    def _shown(self, document: Sequence[DocumentCell]) -> None:
        """Keep what a view shows until the thread that executes cells takes it over."""
        self._document = document
        if "session" in self.__dict__:
            self._refresh_soon()

    def _take_document(self) -> bool:
        """Take over what a view showed last; false if it is what it showed before."""
        document, self._document = self._document, None
        if document is not None:
            self.session.cells.show(document)
        return document is not None

    def after_cell(self, result: Any = None) -> None:
        """Send what still waits, refresh cards; judge all steps anew once the kernel is idle."""
        self.channel.flush()
        if "cards" in self.__dict__:
            self.cards.after_cell()
        if self.watched and "session" in self.__dict__:
            self._refresh_soon()

    def _refresh_soon(self) -> None:
        """Judge all steps when the kernel has nothing else to do; may be called on any thread."""
        if self._loop is not None and not self._refreshing:
            self._refreshing = True
            self._loop.call_soon_threadsafe(self._loop.call_later, self._pause, self._refresh)

    def _refresh(self) -> None:
        """Judge all steps and tell the views."""
        self._refreshing = False
        started = monotonic()
        try:
            self._take_document()
            greeted, self._greeted = self._greeted, False
            self.board.refresh(whole=greeted)
            for widget in self._widgets:
                widget.refresh()
        except Exception:
            logging.getLogger(__name__).exception("The states of the steps could not be worked out.")
        # Long flows are judged less often, so that it never takes more than a tenth of the time.
        self._pause = max(SETTLE, 10 * (monotonic() - started))

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
        cell = read_cell(raw, tags=tags, cell_id=metadata.get("cellId"), filename=self.filename(raw))
        sent = metadata.get("cellId")
        code = str(request.get("content", {}).get("code", ""))
        self.session.define(cell, request=DocumentCell(sent, code, tuple(tags)) if sent else None)
        return cell

    def before_cell(self, info: Any = None) -> None:
        """Take over what a view shows; forget deleted cells, and the one executed, which its magic then defines anew.

        JupyterLab names deleted cells once, with whatever cell is executed next; and a step cell whose mark was taken
        away is executed as scratch.
        """
        if self._take_document() and self.live:
            self.board.refresh()  # a new step has its badge while it waits or runs
        request = _request(self.shell)
        if info is not None and info.raw_cell != request.get("content", {}).get("code"):
            return  # code that a cell runs in its turn
        metadata = request.get("metadata", {})
        gone = [*metadata.get("deletedCells", ()), *([metadata["cellId"]] if "cellId" in metadata else [])]
        if gone and "session" in self.__dict__:
            self.session.cells.unmark(gone)

    def filename(self, raw: str) -> str:
        """The name under which the front end's debugger and tracebacks know this cell."""
        compiler = self.shell.compile
        name = str(compiler.get_code_name(raw, raw, self.shell.execution_count))
        compiler._filename_map[name] = self.shell.execution_count
        return name

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
        from flownb.runtime.task import user_frames

        shown: BaseException | None = error
        while shown is not None:  # also in errors it was raised from, or while handling
            kept = user_frames(shown)
            if kept is not None and shown is not error:
                shown.__traceback__ = kept
            shown = shown.__cause__ or shown.__context__
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


def notebook_path(shell: Any, folder: Path) -> Path | None:
    """The notebook's file, where the front end names it (JupyterLab: JPY_SESSION_NAME; VS Code: a variable)."""
    named = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    if not named:
        return None
    path = Path(named)
    # JupyterLab names it relative to the server's root, and starts the kernel in the notebook's own folder.
    return path if path.is_absolute() and path.exists() else folder / path.name


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
        name = cell.header.line if cell.header else cell.name
        return [f"%%{cell.kind} {name}".rstrip() + "\n", *lines]

    return transform
