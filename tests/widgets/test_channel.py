"""The kernel's end of the wire, in a real kernel that is sent what the JupyterLab extension sends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from flownb.widgets.channel import DOCUMENT_TARGET, EVENTS_TARGET

Cells = dict[str, str]


class View:
    """A client that talks to the kernel as the extension does, and keeps what it receives."""

    def __init__(self, client: BlockingKernelClient, comm: str = "document-1", page: str = "") -> None:
        self.client = client
        self.comm = comm
        self.page = page
        self.targets: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.outputs: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self.text = ""
        self.badges: dict[str, str] = {}
        self.titles: dict[str, str] = {}
        self.known: Cells = {}
        self.notebook: dict[str, str] | None = None

    def show(self, cells: Cells) -> None:
        """Send the whole document, as a view does when it connects."""
        self.known = dict(cells)
        data = self._document(cells, cells)
        self._send("comm_open", {"comm_id": self.comm, "target_name": DOCUMENT_TARGET, "data": data})

    def change(self, cells: Cells) -> None:
        """Send what changed in the document."""
        changed = {one: text for one, text in cells.items() if self.known.get(one) != text}
        self.known = dict(cells)
        data = self._document(cells, changed)
        self._send("comm_msg", {"comm_id": self.comm, "data": data})

    def run(self, cell: str) -> None:
        """Execute a cell of the document."""
        self.execute(self.known[cell], {"cellId": cell})

    def execute(self, code: str, metadata: dict[str, Any] | None = None) -> None:
        """Execute code and take in all that is said meanwhile."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        self._send("execute_request", content, metadata or {})

    def until(self, cell: str, state: str, title: str = "") -> None:
        """Take in messages until a cell's badge shows a state, and says why."""
        while self.badges.get(cell, "") != state or title not in self.titles.get(cell, ""):
            self._take(self.client.get_iopub_msg(timeout=120))

    def name(self, name: str, notebook_id: str = "") -> None:
        """Say which notebook it is, as a view does in each message."""
        self.notebook = {"name": name, "id": notebook_id}
        self.change(self.known)

    @property
    def named(self) -> list[str]:
        """The ids that the view was asked to write into the notebook's metadata."""
        return [event["id"] for event in self.events if event["type"] == "NotebookNamed"]

    def _document(self, cells: Cells, changed: Cells) -> dict[str, Any]:
        data = {"type": "DocumentChanged", "order": list(cells), "cells": self._cells(changed)}
        return data if self.notebook is None else {**data, "notebook": self.notebook}

    def _cells(self, cells: Cells) -> list[dict[str, Any]]:
        return [{"id": one, "source": text, "tags": []} for one, text in cells.items()]

    def _send(self, kind: str, content: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        message = self.client.session.msg(kind, content, metadata=metadata)
        message["header"]["session"] = self.page or message["header"]["session"]
        self.client.shell_channel.send(message)
        while True:
            seen = self.client.get_iopub_msg(timeout=120)
            self._take(seen)
            mine = seen["parent_header"].get("msg_id") == message["header"]["msg_id"]
            if mine and seen["msg_type"] == "status" and seen["content"]["execution_state"] == "idle":
                return

    def _take(self, seen: dict[str, Any]) -> None:
        kind, content = seen["msg_type"], seen["content"]
        if kind == "comm_open":
            self.targets.append(content["target_name"])
        elif kind == "comm_msg" and "events" in content["data"]:
            for event in content["data"]["events"]:
                self.events.append(event)
                if event["type"] == "StepsChanged":
                    self.badges = {} if event["whole"] else self.badges
                    self.badges |= {step["cell"]: step["state"] if step["step"] else "" for step in event["steps"]}
                    self.titles |= {step["cell"]: step["title"] for step in event["steps"]}
        elif kind == "stream":
            self.text += content["text"]
        elif kind == "error":
            self.text += "\n".join(content["traceback"])
        elif kind in ("display_data", "update_display_data", "execute_result"):
            self.outputs.append((kind, content["data"], content["metadata"]))


@pytest.fixture
def view(tmp_path: Path) -> Iterator[View]:
    """A view of a fresh kernel in the test's folder, with flownb loaded."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        made = View(client)
        made.execute("%load_ext flownb")
        yield made
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


A, B, C = "%%step a -> x\nx = 1", "%%step b -> y\ny = x + 1", "%%step c -> z\nz = x + 10"


def order(view: View) -> list[str]:
    """The steps of the DAG that %flow shows, in order."""
    view.execute("%flow")
    payload = view.outputs[-1][1]["application/vnd.flownb.dag+json"]
    return [node["name"] for node in payload["nodes"]]


def test_loading_the_extension_opens_the_events(view: View) -> None:
    """A view learns of the kernel by the comm that opens; nothing is sent before it has said what it shows."""
    assert view.targets == [EVENTS_TARGET]
    view.execute(A)
    assert view.events == []


def test_a_view_is_answered_with_the_states_of_its_cells(view: View) -> None:
    """A view that connects is notified of all step cells, scratch cells left out."""
    view.show({"1": A, "s": "1 + 1", "2": B})
    assert view.badges == {"1": "never", "2": "never"}
    assert view.events[0]["whole"]


def test_badges_follow_what_is_executed(view: View) -> None:
    """A step is running, then fresh; one below a changed step is stale, and says why; a failure shows."""
    view.show({"1": A, "2": B})
    view.run("1")
    view.run("2")
    view.until("2", "fresh")
    sent = [(step["step"], step["state"]) for e in view.events if e["type"] == "StepsChanged" for step in e["steps"]]
    assert ("a", "fresh") in sent
    view.change({"1": A.replace("1", "2"), "2": B})
    view.until("2", "stale", "Step b is stale: made from an older result of a (a changed).")
    view.run("1")
    view.until("2", "stale", "Step b is stale: x differs.")
    view.change({"1": A, "2": "%%step b\n1 / 0"})
    view.run("2")
    view.until("2", "failed")


def test_a_step_that_two_cells_define_says_so(view: View) -> None:
    """Both cells of a step that is defined twice say what to do."""
    view.show({"1": A, "2": A})
    assert {cell for cell, title in view.titles.items() if title.startswith("2 cells define the step a")} == {"1", "2"}


def test_a_cell_that_is_not_a_step_any_more_loses_its_badge(view: View) -> None:
    """A view is notified of cells that were steps and no longer are."""
    view.show({"1": A, "2": B})
    view.until("2", "never")
    view.change({"1": A, "2": "y = 2"})
    view.until("2", "")


def test_the_document_is_the_flow(view: View) -> None:
    """Cells inserted, renamed, moved and deleted in the view are so in the flow, executed or not."""
    view.show({"1": A, "2": B})
    view.run("1")
    view.run("2")
    view.change({"1": A, "3": C, "2": B})
    assert order(view) == ["a", "c", "b"]
    view.change({"3": C.replace("step c", "step cc"), "2": B})
    assert order(view) == ["cc", "b"]
    view.change({"2": B, "3": C})
    assert order(view) == ["b", "c"]


def test_an_edited_cell_is_spun_as_edited(view: View) -> None:
    """%spin takes the text that the view shows, not the one that was executed last."""
    view.show({"1": A, "2": B})
    view.run("1")
    view.run("2")
    view.change({"1": A, "2": B.replace("+ 1", "+ 41")})
    view.execute('from flownb.magics.shortcuts import spin_cell\nspin_cell("2")["y"]')
    assert view.outputs[-1][1]["text/plain"] == "42"
    view.execute('spin_cell("9")')
    assert "This cell is not a step." in view.text


def test_the_dag_of_a_run_is_shown_from_its_start(view: View) -> None:
    """With a view the DAG is displayed before the first task, updated by each, and replaced by its final state."""
    view.show({"1": A, "2": B})
    view.execute("%flow run")
    (first, begun, facts), (last, done, _) = view.outputs
    assert [first, last] == ["display_data", "update_display_data"]
    states = [{node["state"] for node in data["application/vnd.flownb.dag+json"]["nodes"]} for data in (begun, done)]
    assert states == [{"never"}, {"fresh"}]
    assert "image/svg+xml" in done
    changed = [e for e in view.events if e["type"] == "DagChanged"]
    assert {event["dag"] for event in changed} == {facts["flownb"]["dag"]}
    assert "RunEnded" in [event["type"] for event in view.events]


def test_what_tasks_show_is_below_the_dag_by_step(view: View) -> None:
    """With a view, each step has an output that is updated, tables among its lines, and the run is named last."""
    show = "from IPython.display import HTML, display\nprint('before')\ndisplay(HTML('<b>bold</b>'))\nprint('after')"
    view.show({"1": A, "2": f"%%step b -> y\ny = x\n{show}"})
    view.execute("%flow run")
    shown = [data.get("text/html") or data["text/plain"] for _, data, _ in view.outputs if "image/svg+xml" not in data]
    # As it is in the end: what comes behind a display has an output of its own.
    assert shown[-3:] == ["b:\n  before", "<b>bold</b>", "  after"]
    assert re.fullmatch(r"run NotebookFlow/1: 4 tasks in \d+(\.\d)? s", view.text.splitlines()[-1])


def test_without_a_view_there_is_one_display(view: View) -> None:
    """Nbclient and nbval see one display with the final state, and no update."""
    view.execute(A)
    view.execute("%flow run")
    assert [kind for kind, _, _ in view.outputs] == ["display_data", "display_data"]


def test_the_widget_is_drawn_with_pictures_for_where_there_is_none(view: View) -> None:
    """flownb.dag() is a widget view, values for the extension, SVG and text in one."""
    view.execute(A)
    view.execute("import flownb\nflownb.dag()")
    kinds = set(view.outputs[-1][1])
    view_mime = "application/vnd.jupyter.widget-view+json"
    assert kinds == {view_mime, "application/vnd.flownb.dag+json", "image/svg+xml", "text/plain"}


def test_there_is_no_widget_without_a_flow(view: View) -> None:
    """flownb.dag() before the first step says what to do."""
    view.execute("import flownb\nflownb.dag()")
    assert "There is no flow here yet." in view.text


def test_a_widget_that_is_made_again_takes_the_place_of_the_old_one(view: View) -> None:
    """A cell that makes a widget has one, however often it is executed."""
    view.show({"1": A, "w": "import flownb\nflownb.dag()"})
    for _ in range(3):
        view.run("w")
    view.events.clear()
    view.run("1")
    assert len({event["dag"] for event in view.events if event["type"] == "DagChanged"}) == 1


def test_a_widget_shows_what_turns_stale(view: View) -> None:
    """The states that are judged when the kernel is idle reach a displayed widget too."""
    view.show({"1": A, "2": B, "w": "import flownb\nflownb.dag()"})
    for cell in ("1", "2", "w"):
        view.run(cell)
    view.until("2", "fresh")
    view.change({"1": A.replace("1", "2"), "2": B, "w": view.known["w"]})
    view.until("2", "stale")
    view.execute("pass")
    changed = [node for event in view.events if event["type"] == "DagChanged" for node in event["nodes"]]
    assert ("b", "stale") in [(node["name"], node["state"]) for node in changed]


def test_displayed_pictures_follow_the_badges(view: View) -> None:
    """What ``%flow`` displayed, and the picture of a run, are drawn as the badges are when a cell is edited."""
    view.show({"1": A, "2": B, "run": "%flow run", "flow": "%flow"})
    view.run("run")
    view.run("flow")
    view.until("2", "fresh")
    shown = {metadata["flownb"]["follows"] for _, _, metadata in view.outputs[1:]}
    view.change({**view.known, "1": A.replace("1", "2")})
    view.until("2", "stale", "older result of a (a changed)")
    view.execute("pass")
    drawn = {event["dag"]: event for event in view.events if event["type"] == "DagDrawn" and event["dag"] in shown}
    assert drawn.keys() == shown
    for event in drawn.values():
        nodes = event["bundle"]["application/vnd.flownb.dag+json"]["nodes"]
        assert [node["state"] for node in nodes] == ["stale", "stale"]
        assert "2 stale" in event["bundle"]["text/plain"]
        assert event["metadata"]["flownb"]["follows"] == event["dag"]


def test_a_reloaded_page_catches_up(view: View) -> None:
    """A new view is notified of DAGs whose runs ended while no page knew them."""
    view.show({"1": A, "2": B})
    view.execute("%flow run")
    dag = view.outputs[0][2]["flownb"]["dag"]
    later = View(view.client, "document-2", "page-2")
    later.show(view.known)
    drawn = [event for event in later.events if event["type"] == "DagDrawn"]
    assert [event["dag"] for event in drawn] == [dag]
    assert set(drawn[0]["bundle"]) == {"application/vnd.flownb.dag+json", "image/svg+xml", "text/plain"}


def test_the_view_that_spoke_last_counts(view: View) -> None:
    """With two pages on one notebook, the page that a cell is executed from says what the flow is."""
    view.show({"1": A, "2": B})
    other = View(view.client, "document-2", "page-2")
    other.show({"1": A, "2": B.replace("step b", "step bb")})
    assert order(other) == ["a", "bb"]
    view.change(view.known)
    assert order(view) == ["a", "b"]


def test_a_step_whose_error_cannot_be_sent_does_no_harm(view: View) -> None:
    """An error message that is not a text leaves the step failed, and later states are sent."""
    view.show({"1": "%%step a\nraise ValueError('\\ud83d')", "2": "%%step b --after a\npass"})
    view.run("1")
    view.until("1", "failed")
    assert "A view could not take" not in view.text


def test_flownb_that_ipython_loads_judges_the_steps(tmp_path: Path) -> None:
    """An extension that IPython's configuration loads, before there is a cell, works like one that a cell loads."""
    argument = "--InteractiveShellApp.extensions=flownb"
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path), extra_arguments=[argument])
    try:
        view = View(client)
        view.show({"1": A, "2": B})
        view.run("1")
        view.run("2")
        view.change({"1": A.replace("1", "2"), "2": B})
        view.until("2", "stale")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_notebook_is_named_when_its_first_step_runs(view: View) -> None:
    """The view is asked once to write an id; scratch and flow cells need none, nor a notebook that has one."""
    view.notebook = {"name": "Untitled.ipynb", "id": ""}
    view.show({"f": "%%flow F\nc = 1", "s": "1 + 1", "1": A, "2": B})
    view.run("f")
    view.run("s")
    assert view.named == []
    view.run("1")
    assert len(view.named) == 1
    view.name("Untitled.ipynb", view.named[0])
    view.run("2")
    assert len(view.named) == 1


def test_an_untitled_notebook_that_is_renamed_keeps_its_steps(view: View) -> None:
    """While the kernel runs, and for a page that is loaded again: the id counts, not the name."""
    view.notebook = {"name": "Untitled.ipynb", "id": ""}
    view.show({"1": A, "2": B})
    view.run("1")
    (named,) = view.named
    view.name("train.ipynb", named)
    view.run("2")
    view.until("2", "fresh")
    assert "UntitledFlow: 2 steps, no problems" in (view.execute("%flow check"), view.text)[1]
    other = View(view.client, "document-2", "page-2")
    other.notebook = view.notebook
    other.show(view.known)
    assert other.badges == {"1": "fresh", "2": "fresh"}


def test_a_copy_of_a_notebook_gets_an_id_of_its_own(view: View, tmp_path: Path) -> None:
    """The id of a file that is still there is not that of another one, whose view is asked to write a new one."""
    import nbformat

    for name in ("n.ipynb", "n-Copy1.ipynb"):
        nbformat.write(nbformat.v4.new_notebook(metadata={"flownb": {"id": "4a1f"}}), tmp_path / name)
    view.notebook = {"name": "n.ipynb", "id": "4a1f"}
    view.show({"f": "%%flow F\nc = 1", "1": A, "2": B})
    view.run("1")
    assert view.named == []
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        copy = View(client)
        copy.execute("%load_ext flownb")
        copy.notebook = {"name": "n-Copy1.ipynb", "id": "4a1f"}
        copy.show(view.known)
        assert copy.badges == {"1": "never", "2": "never"}
        copy.run("1")
        assert len(set(copy.named) - {"4a1f"}) == 1
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
