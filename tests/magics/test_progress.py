"""The progress of `%flow run` in front ends that have no extension, in real kernels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from tests.held_flow import CELLS

CELL = {"cellId": "run"}


class Front:
    """A front end: sends cells, and keeps the messages about the last one."""

    def __init__(self, client: BlockingKernelClient, interrupt: Callable[[], None]) -> None:
        self.client, self.interrupt = client, interrupt
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def run(
        self,
        code: str,
        metadata: dict[str, Any] | None = None,
        *,
        stdin: bool = True,
        then: Callable[[str, dict[str, Any]], object] = lambda kind, content: None,
    ) -> None:
        """Execute a cell, and hand on each output that comes."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": stdin, "stop_on_error": True}
        message = self.client.session.msg("execute_request", content, metadata=metadata or {})
        self.client.shell_channel.send(message)
        self.seen = []
        while True:
            received = self.client.get_iopub_msg(timeout=240)
            kind, body = received["msg_type"], received["content"]
            if received["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if kind == "status" and body["execution_state"] == "idle":
                return
            self.seen.append((kind, body))
            then(kind, body)

    def text(self) -> str:
        """What was written."""
        return "".join(body["text"] for kind, body in self.seen if kind == "stream")

    def displays(self) -> list[tuple[str, dict[str, Any]]]:
        """What was displayed, and updated."""
        return [(kind, body) for kind, body in self.seen if kind in ("display_data", "update_display_data")]


def name_of(displays: list[tuple[str, dict[str, Any]]], start: str) -> str:
    """The id of the output whose text begins with a text."""
    found = (body for _, body in displays if body["data"]["text/plain"].startswith(start))
    return str(next(found)["transient"]["display_id"])


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Front]:
    """A front end on a fresh kernel in the test's folder, with the extension loaded."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        made = Front(client, manager.interrupt_kernel)
        made.run("%load_ext flownb")
        yield made
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture
def front(bare: Front, tmp_path: Path) -> Front:
    """A front end whose notebook has a flow whose last item waits."""
    (tmp_path / "go").touch()
    for cell in CELLS:
        bare.run(cell)
    return bare


def test_one_output_is_updated_while_a_front_end_looks(front: Front, tmp_path: Path) -> None:
    """A line a step, and text as it comes; at the end what everybody else has."""
    (tmp_path / "go").unlink()

    def go_on(kind: str, content: dict[str, Any]) -> None:
        if "2/3  1 running" in content.get("data", {}).get("text/plain", ""):
            (tmp_path / "go").touch()

    front.run("%flow run", CELL, then=go_on)
    displays = front.displays()
    dag = displays[0][1]["transient"]["display_id"]
    of_dag = [(kind, body) for kind, body in displays if body["transient"]["display_id"] == dag]
    assert [kind for kind, _ in of_dag[:1]] == ["display_data"]
    assert {kind for kind, _ in of_dag[1:]} == {"update_display_data"}
    going = next(body["data"] for _, body in displays if "2/3  1 running" in body["data"]["text/plain"])
    lines = going["text/plain"].split("\n")
    assert re.fullmatch(r"run F/2  \d tasks done  \d+(\.\d)? s", lines[0])
    assert [line.split("  done")[0] for line in lines[1:]] == ["✓ load   1/1", "◐ train  2/3  1 running", "○ pick"]
    assert going["text/html"].startswith("<pre>")
    final = of_dag[-1][1]
    assert final["data"]["text/plain"].split("\n")[0] == "F · 3 steps · 3 fresh"
    assert {name: final["metadata"]["flownb"][name] for name in ("run", "tasks")} == {"run": "F/2", "tasks": 7}
    # What the tasks wrote has an output for each step, and came before the run had ended.
    load, train = (name_of(displays, text) for text in ("load:\n  loading", "train:\n  [0] got 0"))
    assert [
        kind for kind, body in displays if body["transient"]["display_id"] in (load, train) and kind == "display_data"
    ] == ["display_data", "display_data"]
    texts = [body["data"]["text/plain"] for _, body in displays if body["transient"]["display_id"] == train]
    assert texts[-1] == "train:\n  [0] got 0\n  [1] got 1\n  [2] got 2"
    assert front.text().startswith("run F/2: 7 tasks in ")
    assert front.seen[-1][0] == "stream"
    front.run("%flow run", stdin=False)
    assert [kind for kind, _ in front.displays()] == ["display_data"]
    assert front.displays()[0][1]["data"] == final["data"]


def test_who_cannot_look_has_the_end_alone(front: Front) -> None:
    """A console sends no cell, and headless executions allow no input: both get one display, and text in order."""
    for metadata, stdin in (({}, True), (CELL, False)):
        front.run("%flow run --max-workers 2", metadata, stdin=stdin)
        assert [kind for kind, _ in front.displays()] == ["display_data"]
        text = "".join(body["text"] for kind, body in front.seen if kind == "stream")
        head, _, summary = text.rstrip("\n").rpartition("\n")
        assert head == "load:\n  loading\ntrain:\n  [0] got 0\n  [1] got 1\n  [2] got 2"
        expected = r"run F/2: 7 tasks in \d+(\.\d)? s" if stdin else "run of F: 7 tasks"
        assert re.fullmatch(rf"{expected} \(--max-workers 2\)", summary)


def test_a_run_that_is_interrupted_says_so(front: Front, tmp_path: Path) -> None:
    """The lines make way for the DAG, in which the step was interrupted and nothing runs."""
    (tmp_path / "go").unlink()

    def stop(kind: str, content: dict[str, Any]) -> None:
        if "2/3  1 running" in content.get("data", {}).get("text/plain", "") and not stopped:
            stopped.append(kind)
            front.interrupt()

    stopped: list[str] = []
    front.run("%flow run", CELL, then=stop)
    final = next(body["data"] for _, body in reversed(front.displays()) if "image/svg+xml" in body["data"])
    assert final["text/plain"].split("\n")[0] == "F · 3 steps · 1 interrupted · 1 fresh · 1 never run"
    assert "interrupted" in final["image/svg+xml"]
    assert "failed" not in final["text/plain"]


def test_headless_executions_always_say_the_same(write_notebook: Callable[..., Path], tmp_path: Path) -> None:
    """nbclient, and who builds on it, gets outputs without times, ids and updates: twice the same."""
    (tmp_path / "go").touch()
    path = write_notebook("%load_ext flownb", *CELLS, "%flow run")
    outputs = []
    for _ in range(2):
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
        outputs.append([dict(one, metadata={}) for one in notebook.cells[-1].outputs])
    assert outputs[0] == outputs[1]
    assert {one["output_type"] for one in outputs[0]} == {"stream", "display_data"}


BRANCHES = (
    "%%flow Wide",
    "%%shared\nfrom IPython.display import HTML, display",
    "%%step load -> x\nx = 1",
    "%%step late --after load -> y\ny = 1\nprint('of late')\ndisplay(HTML('<b>late</b>'))\nprint('more of late')",
    "%%step soon --after load -> z\nz = 1\nprint('of soon')\ndisplay(HTML('<b>soon</b>'))",
    "%%step both --after late,soon --join\npass",
)


def test_outputs_are_in_the_flows_order_at_the_end(bare: Front) -> None:
    """What branches show beside each other is sorted by step when the run has ended, as it is then saved."""
    for cell in BRANCHES:
        bare.run(cell)
        assert [body for kind, body in bare.seen if kind == "error"] == []
    bare.run("%flow run", CELL)
    assert [body for kind, body in bare.seen if kind == "error"] == []
    held: dict[str, str] = {}
    for _, body in bare.displays():
        held[body["transient"]["display_id"]] = body["data"].get("text/html") or body["data"]["text/plain"]
    expected = ["late:\n  of late", "<b>late</b>", "  more of late", "soon:\n  of soon", "<b>soon</b>"]
    assert [text for text in held.values() if not text.startswith("Wide")] == expected
    bare.run("%flow run", CELL, stdin=False)
    shown = [
        body["text"].rstrip() if kind == "stream" else body["data"].get("text/html", "dag")
        for kind, body in bare.seen
        if kind in ("stream", "display_data")
    ]
    assert [text for text in shown if text] == [*expected, "dag", "run of Wide: 6 tasks"]
