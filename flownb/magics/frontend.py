"""What a notebook's front end and kernel say: which cell is executed, and of which notebook.

From an execute request come the cell's id, its tags, its exact text, and the file name by which tracebacks and the
debugger know it. JupyterLab and VS Code send ids and tags with each request; nbclient and nbval send neither.
The session and all below it are imported with the first cell, so that loading the extension stays instant.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from flownb.configuration import Flownb
from flownb.errors import CellError
from flownb.magics.debugging import PostMortem, name_cells
from flownb.widgets.views import Views

if TYPE_CHECKING:
    from flownb.cells.cell import Cell
    from flownb.session.session import Session

__all__ = ["Frontend", "kernel_name", "notebook_path", "printed_help", "tags_to_magic", "with_help"]

# The variable in which a Jupyter server names the notebook of a kernel.
NAMED = "JPY_SESSION_NAME"


def notebook_path(shell: Any, folder: Path, cells: frozenset[str] = frozenset()) -> Path | None:
    """The notebook's file, where the front end names it (JupyterLab: JPY_SESSION_NAME; VS Code: a variable).

    Parameters
    ----------
    shell : InteractiveShell
    folder : Path
        The kernel's folder.
    cells : frozenset of str
        Ids of cells that were executed, the first one of the kernel among them; none if that is not known.
    """
    given = shell.user_ns.get("__vsc_ipynb_file__")
    if given:
        return _found(str(given), folder)
    named = os.environ.get(NAMED)
    if not named or getattr(shell, "kernel", None) is None or _is_inherited(named):
        return None
    path = _found(named, folder)
    return None if cells and _is_another(path, cells) else path


def _found(named: str, folder: Path) -> Path:
    """A path as it was named: absolute, or relative to the server's root, in whose terms the folder is not known."""
    path = Path(named)
    return path if path.is_absolute() and path.exists() else folder / path.name


def _is_inherited(named: str) -> bool:
    """Whether the variable was set for another kernel, below which this one was started.

    A server sets it for each kernel that it starts, and does not have it itself. nbconvert or papermill that a notebook
    starts have it, and pass it on to the kernel of the notebook that they execute.
    """
    starter = os.environ.get("JPY_PARENT_PID", "") if sys.platform != "win32" else ""  # there it is a handle
    number = int(starter) if starter.isdecimal() else os.getppid()
    try:
        import psutil  # type: ignore[import-untyped]  # ipykernel needs it, so it is there

        return bool(psutil.Process(number).environ().get(NAMED) == named)
    except Exception:  # on another machine, or another user's: not a tool that a notebook started
        return False


def _is_another(path: Path, cells: frozenset[str]) -> bool:
    """Whether a file has cells, but none of the executed ones.

    A kernel that is restarted is named as it was at first: the file of that name may be another one by now.
    """
    try:
        saved = {cell.get("id") for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    return bool(saved) and None not in saved and not cells & saved


def kernel_name(shell: Any) -> str:
    """What distinguishes a kernel from all others; a restart keeps it, for the front end's connection stays."""
    session = getattr(getattr(shell, "kernel", None), "session", None)
    key = getattr(session, "key", b"")
    if not key:
        return os.urandom(10).hex()
    from blake3 import blake3

    return blake3(key).hexdigest(10)


Function = TypeVar("Function", bound=Callable[..., Any])
MARKED = re.compile(r"(%%(?:step|flow|shared|spin))(?=\s|$)(.*)")


class Frontend:
    """The shell that executes cells, and the session they belong to."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        name_cells(shell)
        # The kernel's folder; a step that runs may have gone elsewhere.
        self._folder = Path.cwd()
        self._kernel_name = kernel_name(shell)
        self._first_cell = self.cell_id
        self.views = Views(self._open_session)
        self.post_mortem = PostMortem(shell, lambda: self.session.cells.cells())
        # Shown and changed by ``%config Flownb``.
        self.settings = Flownb.of(parent=shell)
        self._keeps_datastore = False
        self.settings.observe(self._datastore_changed, "datastore")
        # What the notebook's namespace has of flownb, by name.
        self._placed: dict[str, Any] = {}

    def _datastore_changed(self, change: Any) -> None:
        """Keep the datastore that the notebook began with, for views and the client, too, and say so."""
        if self.views.has_session and not self._keeps_datastore:
            self._keeps_datastore = True
            self.settings.datastore = change.old
            self._keeps_datastore = False
            print(f"note: this notebook keeps using {self.session.datastore.location} until its kernel is restarted")

    def _open_session(self) -> Session:
        from flownb.runtime.metaflow_names import always_own_imports
        from flownb.session.session import Session
        from flownb.session.transfers import show_transfers
        from flownb.widgets.progress import UpdatedLine

        executed = [self._first_cell, self.cell_id] if self._first_cell else []
        path = notebook_path(self.shell, self._folder, frozenset(one for one in executed if one))
        session = Session(path, folder=self._folder, kernel=self._kernel_name)
        session.checks.warn = print
        always_own_imports()
        show_transfers(session.datastore.location, UpdatedLine())
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

    @property
    def is_terminal(self) -> bool:
        """Whether cells are typed in a terminal, without a kernel: text scrolls by, and nothing is updated."""
        return getattr(self.shell, "kernel", None) is None

    @property
    def is_headless(self) -> bool:
        """Whether a notebook is executed from its file, whose outputs are then to be the same each time."""
        return not self.can_ask and not self.views.live

    def define(self, line: str, body: str, magic: str) -> Cell:
        """Read the cell a magic was called on, and take it over into the session.

        The cell is read as its file is: what cannot be read there is refused here, too.
        """
        from flownb.cells.notebook import DocumentCell

        request = _request(self.shell)
        tags = tuple(str(tag) for tag in request.get("metadata", {}).get("tags", ()))
        code = str(request.get("content", {}).get("code", ""))
        cell = self._read(code, tags, line, body, magic)
        sent = DocumentCell(self.cell_id, code, tags) if self.cell_id else None
        if cell.refusal is None or cell.cell_id:  # without an id it could not be taken back
            replaced = self.session.define(cell, request=sent)
            if replaced is not None:
                print(f"note: this cell replaces `%%flow {replaced.full_name}`, which was executed before")
        if cell.refusal is not None:
            raise CellError.of(cell.refusal)
        return cell

    def _read(self, code: str, tags: tuple[str, ...], line: str, body: str, magic: str) -> Cell:
        """The cell as it was sent if it is what the magic was called on, else the cell that code made.

        Raises
        ------
        CellError
            If the magic is below another one of which nobody knows, without executing it, that it runs this one.
        """
        from flownb.cells.cell import read_any_cell

        place = self.filename(code) if code else None
        cell = read_any_cell(code, tags=tags, cell_id=self.cell_id, filename=place)
        if cell.refusal is not None:
            return cell
        raw = f"%%{magic} {line}\n{body}"
        made = read_any_cell(raw, tags=tags, cell_id=self.cell_id, filename=self.filename(raw))
        same = (cell.kind, cell.header, cell.full_name) == (made.kind, made.header, made.full_name)
        if same and cell.body.split() == made.body.split():
            return cell
        first = code.strip().partition("\n")[0]
        if first.startswith("%%") and code.rstrip().endswith(body.rstrip()) and f"%%{magic}" in code:
            raise CellError(
                f"`%%{magic} {line}` is below `{first}`.",
                "Whether that magic runs what is below it is not known until it is executed, so a run of the file "
                "would leave the cell out.",
                f"Move `%%{magic}` to the first line.",
            )
        return made

    def before_cell(self, info: Any = None) -> None:
        """Take over what a view shows; forget deleted cells, and the one executed, which its magic then defines again.

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
        """Let the views follow, and debuggers find the user's frames."""
        self.post_mortem.after_cell()
        self.views.after_cell()

    def sent(self, made: str, body: str) -> str:
        """The cell as it was sent, if it ends with `body`; else `made`, of code that another cell runs."""
        code = str(_request(self.shell).get("content", {}).get("code", ""))
        return code if body.strip() and code.rstrip().endswith(body.rstrip()) else made

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

    def kernel_names(self) -> Iterator[str]:
        """Names in the notebook's namespace that the user made; looked for once a check asks for them."""
        for name in self.shell.user_ns:
            if not name.startswith("_"):
                yield name

    def users_names(self) -> set[str]:
        """Names in the notebook's namespace that the user made and flownb did not set, or not to what they are now."""
        names = self.shell.user_ns
        return {
            name for name in self.kernel_names() if name not in self._placed or self._placed[name] is not names[name]
        }

    def place(self, values: Mapping[str, Any]) -> None:
        """Set names in the notebook's namespace, for scratch cells."""
        self.shell.user_ns.update(values)
        self._placed.update(values)

    def show(self, value: Any) -> None:
        """Display the value of a step's last expression."""
        if value is not None:
            from IPython.display import display

            display(value)  # type: ignore[no-untyped-call]  # IPython leaves it untyped

    @property
    def can_ask(self) -> bool:
        """Whether somebody can answer a prompt: who executes a notebook from its file allows no input."""
        return self.is_terminal or bool(_request(self.shell).get("content", {}).get("allow_stdin"))

    @contextlib.contextmanager
    def in_kernel(self, again: str = "", opened: Sequence[BaseException] = ()) -> Iterator[None]:
        """Run code of the user's in the kernel: ``breakpoint()`` stops in it, and its errors show the user's frames.

        `again` has the words of the `%spin` that makes an error of another process again in this one, `opened` errors
        that the debugger was open for.
        """
        from flownb.magics.debugging import breakpoints

        try:
            with breakpoints(self.shell, lambda: self.can_ask):
                yield
        except BaseException as error:  # the user's own, KeyboardInterrupt too
            self.raise_for_user(error, again=again, opened=error in opened)

    def raise_for_user(self, error: BaseException, *, again: str = "", opened: bool = False) -> NoReturn:
        """Raise an error that shows the user's own frames at the lines of their cells; see `PostMortem`.

        Raises
        ------
        BaseException
            Always: `error`.
        """
        self.post_mortem.raise_for_user(error, again=again, opened=opened)


def _request(shell: Any) -> dict[str, Any]:
    """The execute request, empty outside of a kernel."""
    get_parent = getattr(shell, "get_parent", None)
    return (get_parent() or {}) if get_parent is not None else {}


def tags_to_magic(shell: Any) -> Callable[[list[str]], list[str]]:
    """An input transformer that puts the magic before a cell whose tags mean the same.

    It also refuses a mark where IPython would not find it, as reading the file does.
    """

    def transform(lines: list[str]) -> list[str]:
        from flownb.cells.cell import refuse_misplaced

        source = "".join(lines)
        if "%%" in source:
            refuse_misplaced(source)
        if lines and (mark := MARKED.match(lines[0])):
            # IPython ends the magic's name at a space, not at a tab; and it needs a body, which a step need not have.
            first = f"{mark[1]} {mark[2].strip()}".rstrip() + "\n"
            return [first, *(lines[1:] or ["\n"])]
        request = _request(shell)
        tags = [str(tag) for tag in request.get("metadata", {}).get("tags") or ()]
        code = request.get("content", {}).get("code", "")
        if not tags or source.split() != str(code).split():
            return lines
        from flownb.cells.cell import read_any_cell

        cell = read_any_cell(source, tags=tags)
        if cell.refusal is not None:
            return ["%%step\n", *lines]  # the magic reads the tags again and says what is wrong
        if cell.kind == "scratch":
            return lines
        name = cell.header.line if cell.header else cell.full_name
        above = cell.body_line - 1  # other magics, such as %%time
        return [*lines[:above], f"%%{cell.kind} {name}".rstrip() + "\n", *lines[above:]]

    # Else IPython calls it as well to find out whether a cell that is typed in a terminal has ended, and the body that
    # it adds would end it.
    transform.has_side_effects = True  # type: ignore[attr-defined]  # IPython looks for it
    return transform


def with_help(name: str | None = None) -> Callable[[Function], Function]:
    """Let ``?`` show the help of a command below a magic's docstring; it is made only then.

    Parameters
    ----------
    name : str, optional
        None means the list of all commands.
    """

    def decorate(function: Function) -> Function:
        def getdoc() -> str:
            from flownb.session.commands import command_help, overview

            return f"{cleandoc(str(function.__doc__))}\n\n{command_help(name) if name else overview()}\n"

        function.getdoc = getdoc  # type: ignore[attr-defined]  # IPython looks for it
        return function

    return decorate


def printed_help(name: str, given: Sequence[str]) -> bool:
    """Print the help of a command if its words ask for it; whether they do."""
    from flownb.session.commands import asks_for_help, command_help

    if not asks_for_help(given):
        return False
    print(command_help(name))
    return True
