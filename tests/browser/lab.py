"""A notebook in JupyterLab in a browser, as a user has it before them.

Methods do what a user does with cells, and read what the page shows. Cells are named by their ids. Nothing here
sleeps: each method returns when what it did is done, and `wait` waits for what comes by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nbformat

from tests.browser.chromium import Chromium
from tests.browser.server import LabServer

__all__ = ["INIT_SCRIPT", "Badge", "Lab", "code"]

INIT_SCRIPT = Path(__file__).with_name("page.js").read_text(encoding="utf-8")

Mode = Literal["command", "edit"]


@dataclass(frozen=True)
class Badge:
    """What is shown beside a step cell."""

    step: str
    state: str
    text: str
    title: str


def code(source: str, *, id: str, tags: Sequence[str] = ()) -> Any:  # noqa: A002  # as nbformat calls it
    """A code cell."""
    metadata = {"tags": list(tags)} if tags else {}
    return nbformat.v4.new_code_cell(source, id=id, metadata=metadata)


class Lab:
    """JupyterLab with one notebook open at a time.

    Parameters
    ----------
    server : LabServer
    browser : Chromium
        Started with `INIT_SCRIPT`.
    workspace : str
        JupyterLab's name for what is open; each page needs its own.
    """

    def __init__(self, server: LabServer, browser: Chromium, workspace: str = "first") -> None:
        self.server = server
        self.browser = browser
        self.workspace = workspace
        self.path = server.folder

    # Notebooks

    def write(self, name: str, cells: Sequence[Any]) -> Path:
        """Write a notebook file into a folder of its own, where its kernel runs and keeps its results."""
        folder = self.server.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        node = nbformat.v4.new_notebook(cells=list(cells))
        node.metadata["kernelspec"] = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
        path = folder / f"{name}.ipynb"
        nbformat.write(node, path)
        return path

    def open(self, path: Path, *, kernel: bool = True) -> None:
        """Open a notebook, in the page that is loaded if there is one.

        Parameters
        ----------
        path : Path
        kernel : bool
            Start a kernel and wait for it.
        """
        self.path = path
        where = path.relative_to(self.server.folder).as_posix()
        if not self.browser.page.url.startswith(self.server.url):
            # Two pages with one workspace would send the second one on to another while it loads.
            self.browser.goto(f"{self.server.url}/lab/workspaces/{self.workspace}?reset")
            self.browser.wait_for("() => window.jupyterapp")
            self.browser.evaluate("() => window.jupyterapp.restored")
        self.browser.evaluate(
            """async ([path, kernel]) => {
                 const commands = window.jupyterapp.commands;
                 const none = {shouldStart: false, canStart: false, autoStartDefault: false};
                 const kernelPreference = kernel ? {name: 'python3'} : none;
                 await commands.execute('docmanager:open', {path, factory: 'Notebook', kernelPreference});
               }""",
            [where, kernel],
        )
        self._wait_open(kernel)

    def reload(self, *, wait: bool = True) -> None:
        """Reload the page with its notebook; the kernel keeps running. Without `wait` it may be busy."""
        where = self.path.relative_to(self.server.folder).as_posix()
        self.browser.goto(f"{self.server.url}/lab/workspaces/{self.workspace}/tree/{where}?reset")
        self._wait_open(kernel=wait)

    def close(self) -> None:
        """Close what is open without saving, and end its kernel."""
        if self.browser.page.url.startswith(self.server.url):
            self.browser.evaluate(
                """() => {
                     for (const widget of [...window.jupyterapp.shell.widgets('main')]) {
                       if (widget.context) {
                         widget.context.model.dirty = false;
                         widget.dispose();
                       } else if (widget.id.startsWith('flownb-report')) {
                         widget.dispose();
                       }
                     }
                   }"""
            )
        self.server.end_sessions()

    def restart(self) -> None:
        """Restart the kernel, whatever it does."""
        self.browser.evaluate("() => window.lab.kernel.restart()")
        self.wait_idle()

    def save(self) -> None:
        """Save the notebook."""
        self.browser.evaluate("() => window.lab.panel.context.save()")

    def saved(self) -> Any:
        """The notebook's file."""
        return nbformat.read(self.path, as_version=4)

    # Cells

    def start(self, cell: str) -> None:
        """Begin to run a cell."""
        self.browser.evaluate("id => { void window.lab.run(id); }", cell)

    def run(self, *cells: str) -> None:
        """Run cells one after the other, and wait for each."""
        for cell in cells:
            self.browser.evaluate("id => window.lab.run(id)", cell)

    def run_all(self) -> None:
        """Run all cells, and wait."""
        self.browser.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def wait_idle(self) -> None:
        """Wait until the kernel has nothing to do."""
        self.browser.wait_for("() => window.lab.ready()")

    def ids(self) -> list[str]:
        """Ids of all cells in order."""
        found: list[str] = self.browser.evaluate("() => window.lab.ids()")
        return found

    def source(self, cell: str) -> str:
        """A cell's text."""
        found: str = self.browser.evaluate("id => window.lab.cell(id).model.sharedModel.getSource()", cell)
        return found

    def select(self, cell: str, mode: Mode = "command") -> None:
        """Make a cell the active one."""
        self.browser.evaluate("([id, mode]) => window.lab.select(id, mode)", [cell, mode])

    def edit(self, cell: str, source: str) -> None:
        """Give a cell a new text, as typing it does."""
        self.browser.evaluate("([id, text]) => window.lab.cell(id).model.sharedModel.setSource(text)", [cell, source])

    def insert_below(self, cell: str, source: str) -> str:
        """Insert a cell; gives its id."""
        self.select(cell)
        self.browser.evaluate("() => window.jupyterapp.commands.execute('notebook:insert-cell-below')")
        found: str = self.browser.evaluate("() => window.lab.panel.content.activeCell.model.id")
        self.edit(found, source)
        return found

    def delete(self, cell: str) -> None:
        """Delete a cell."""
        self.select(cell)
        self.browser.evaluate("() => window.jupyterapp.commands.execute('notebook:delete-cell')")

    def move(self, cell: str, direction: Literal["up", "down"]) -> None:
        """Move a cell over its neighbour."""
        self.select(cell)
        self.browser.evaluate(
            "direction => window.jupyterapp.commands.execute(`notebook:move-cell-${direction}`)", direction
        )

    def press(self, keys: str) -> None:
        """Press keys where the focus is."""
        self.browser.press(keys)

    # What is shown

    def badge(self, cell: str) -> Badge | None:
        """The badge of a cell."""
        found = self.browser.evaluate("id => window.lab.badge(id)", cell)
        return Badge(**found) if found else None

    def badges(self) -> dict[str, Badge]:
        """Badges by cell, in document order."""
        found = self.browser.evaluate("() => window.lab.badges()")
        return {cell: Badge(**badge) for cell, badge in found.items()}

    def states(self) -> dict[str, str]:
        """States by step, in document order, as the badges show them."""
        return {badge.step: badge.state for badge in self.badges().values()}

    def wait_states(self, states: Mapping[str, str]) -> None:
        """Wait until the badges, in document order, show just these steps and states.

        Raises
        ------
        AssertionError
            If they do not come to show them.
        """
        script = """wanted => {
          const shown = Object.values(window.lab.badges()).map(badge => [badge.step, badge.state]);
          return JSON.stringify(shown) === JSON.stringify(wanted);
        }"""
        self._wait(script, [list(pair) for pair in states.items()], lambda: (dict(states), self.states()))

    def dag(self, cell: str) -> dict[str, str] | None:
        """States of the steps in the DAG under a cell, as the extension draws it; None where it draws none."""
        found: dict[str, str] | None = self.browser.evaluate("id => window.lab.dag(id)", cell)
        return found

    def wait_dag(self, cell: str, states: Mapping[str, str]) -> None:
        """Wait until the DAG under a cell shows just these steps (in any order) and states.

        Raises
        ------
        AssertionError
            If it does not come to show them.
        """
        script = """([id, wanted]) => {
          const shown = window.lab.dag(id);
          const sorted = states => JSON.stringify(Object.entries(states).sort());
          return shown && sorted(shown) === sorted(wanted);
        }"""
        self._wait(script, [cell, dict(states)], lambda: (dict(states), self.dag(cell)))

    def output(self, cell: str) -> str:
        """The text of a cell's outputs, as it is seen."""
        found: str = self.browser.evaluate("id => window.lab.output(id)", cell)
        return found

    def outputs(self, cell: str) -> list[Any]:
        """A cell's outputs as the notebook holds them."""
        found: list[Any] = self.browser.evaluate("id => window.lab.outputs(id)", cell)
        return found

    def result(self, cell: str) -> str | None:
        """The text of what a shortcut showed under a cell, or None."""
        found: str | None = self.browser.evaluate("id => window.lab.result(id)", cell)
        return found

    def wait_result(self, cell: str, text: str) -> str:
        """Wait until what a shortcut shows under a cell contains `text`; gives all of it.

        Raises
        ------
        AssertionError
            If it does not come to contain it.
        """
        script = "([id, text]) => { const shown = window.lab.result(id); return shown && shown.includes(text); }"
        self._wait(script, [cell, text], lambda: (text, self.result(cell)))
        return self.result(cell) or ""

    def wait_output(self, cell: str, text: str) -> None:
        """Wait until a cell's outputs contain `text`.

        Raises
        ------
        AssertionError
            If they do not come to contain it.
        """
        script = "([id, text]) => window.lab.output(id).includes(text)"
        self._wait(script, [cell, text], lambda: (text, self.output(cell)))

    def wait(self, script: str, argument: Any = None) -> Any:
        """Wait until a JavaScript function gives something true, and give that."""
        return self.browser.wait_for(script, argument)

    def failed(self) -> dict[str, str]:
        """Errors that cells' outputs hold, by cell."""
        found: dict[str, str] = self.browser.evaluate(
            """() => Object.fromEntries(window.lab.panel.content.widgets
                 .filter(cell => cell.model.type === 'code')
                 .map(cell => [cell.model.id, cell.model.outputs.toJSON().find(one => one.output_type === 'error')])
                 .filter(([_, error]) => error)
                 .map(([id, error]) => [id, `${error.ename}: ${error.evalue}`]))"""
        )
        return found

    def _wait(self, script: str, argument: Any, compare: Any) -> None:
        """Wait; what is expected and what is there instead make the error."""
        from playwright.async_api import TimeoutError as NotInTime

        try:
            self.browser.wait_for(script, argument)
        except NotInTime:
            expected, actual = compare()
            raise AssertionError(f"expected {expected!r}, seen {actual!r}") from None

    def _wait_open(self, kernel: bool) -> None:
        """Wait until the notebook is there, with its kernel connected and idle."""
        where = self.path.relative_to(self.server.folder).as_posix()
        self.browser.wait_for("path => window.lab.open(path)", where)
        if kernel:
            self.wait_idle()
