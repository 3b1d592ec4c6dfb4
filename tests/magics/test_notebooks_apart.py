"""Kernels that could take each other's notebook for theirs, as servers, nbclient and nbconvert start them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

LOAD, OTHER, ADD = "%%step load -> x\nx = 1", "%%step load -> x\nx = 10", "%%step add -> y\ny = x + 1"
Write = Callable[..., Path]


class Kernel:
    """A kernel, and what cells print, display and raise as one text."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def run(self, code: str, cell: str = "") -> str:
        """Execute a cell, with its id where the front end sends one."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        metadata = {"cellId": cell} if cell else {}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        text = ""
        while True:
            seen = self.client.get_iopub_msg(timeout=120)
            if seen["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            kind, body = seen["msg_type"], seen["content"]
            if kind == "stream":
                text += body["text"]
            elif kind in ("display_data", "execute_result"):
                text += body["data"].get("text/plain", "") + "\n"
            elif kind == "error":
                text += "\n".join(body["traceback"])
            elif kind == "status" and body["execution_state"] == "idle":
                return re.sub(r"\x1b\[[0-9;]*m", "", text)

    @property
    def spun(self) -> str:
        """What `add` gives on the latest results, or that it has none."""
        text = self.run("spun = %spin add\nprint(spun['y'])").strip()
        return "none" if "`load` has no results yet" in text else text.split("\n")[-1]


@contextmanager
def kernel(folder: Path, named: str = "", variables: Mapping[str, str] | None = None) -> Iterator[Kernel]:
    """A kernel in a folder, started as a server starts it for a notebook, or as one that names none."""
    environment = {**os.environ, **(variables or {})}
    environment.pop("JPY_SESSION_NAME", None)
    if named:
        environment["JPY_SESSION_NAME"] = named
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(folder), env=environment)
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_two_executions_at_once_are_kept_apart(tmp_path: Path) -> None:
    """Two notebooks executed from their files at the same time, in one folder and with one flow, print their own."""
    with kernel(tmp_path) as one, kernel(tmp_path) as two:
        for each in (one, two):
            each.run("%load_ext flownb")
            each.run("%%flow F\nc = 1")
        one.run(LOAD)
        assert "✓ add" in one.run(ADD)
        two.run(OTHER)
        assert "✓ add" in two.run(ADD)
        one.run(LOAD)
        assert (one.spun, two.spun) == ("2", "11")


def test_a_restart_keeps_the_steps_of_a_notebook_that_nobody_names(tmp_path: Path) -> None:
    """The same kernel continues with what it recorded; another one in the folder does not."""
    count = "import flownb\nprint('working runs', len(list(flownb.Flow('F').working_runs())))"
    with kernel(tmp_path) as each:
        for turn in range(2):
            for code in ("%load_ext flownb", "%%flow F\nc = 1", LOAD):
                each.run(code)
            assert "working runs 1" in each.run(count)
            if turn == 0:
                each.manager.restart_kernel(now=True)
                each.client.wait_for_ready(timeout=60)
    with kernel(tmp_path) as each:
        for code in ("%load_ext flownb", "%%flow F\nc = 1", LOAD):
            each.run(code)
        assert "working runs 2" in each.run(count)


INNER = (
    "%load_ext flownb",
    "%%flow F\nc = 1",
    "%flow check",
    OTHER,
    ADD,
    "spun = %spin add\nprint('inner', spun['y'])",
)
NBCONVERT = f"!{sys.executable} -m nbconvert --to notebook --execute --allow-errors --stdout inner.ipynb 2>/dev/null"
NBCLIENT = """
import nbclient, nbformat
inner = nbformat.read("inner.ipynb", 4)
await nbclient.NotebookClient(inner, allow_errors=True).async_execute()
print(nbformat.writes(inner))
"""


@pytest.mark.parametrize("is_loaded", [True, False], ids=["loaded", "not-loaded"])
@pytest.mark.parametrize("how", [NBCONVERT, NBCLIENT], ids=["nbconvert", "nbclient"])
def test_a_notebook_that_another_one_executes_is_its_own(
    how: str, is_loaded: bool, tmp_path: Path, write_notebook: Write
) -> None:
    """It gets the outer one's environment, but neither its steps nor its place, whoever loaded flownb first."""
    outer = write_notebook("%load_ext flownb", "%%flow F\nc = 1", LOAD, ADD, name="outer.ipynb")
    write_notebook(*INNER, name="inner.ipynb")
    with kernel(tmp_path, str(outer)) as first:
        if is_loaded:
            for number, code in enumerate(("%load_ext flownb", "%%flow F\nc = 1", LOAD, ADD)):
                first.run(code, f"c{number}")
        shown = first.run(how)
        assert ("There is no flow here yet" in shown, "inner 11" in shown) == (True, True)
        first.run("%load_ext flownb")
        assert first.spun == ("2" if is_loaded else "none")


def test_a_server_that_a_notebook_started_names_its_kernels(tmp_path: Path, write_notebook: Write) -> None:
    """The name of a kernel counts if whoever started it has another one: two kernels on one file share its steps."""
    path = write_notebook("%load_ext flownb", "%%flow F\nc = 1", LOAD, ADD)
    for turn in range(2):
        with kernel(tmp_path, str(path)) as each:
            each.run("%load_ext flownb")
            if turn == 0:
                each.run(LOAD, "c2")
            assert each.spun == "2"


def test_vs_code_names_the_notebook_by_a_variable(tmp_path: Path, write_notebook: Write) -> None:
    """Two notebooks in VS Code are distinguished by the variable that it sets."""
    names = [write_notebook("%%flow F\nc = 1", LOAD, ADD, name=name) for name in ("a.ipynb", "b.ipynb")]
    found = []
    for path, code in ((names[0], LOAD), (names[1], ""), (names[0], "")):
        with kernel(tmp_path) as each:
            each.run(f"__vsc_ipynb_file__ = {str(path)!r}")
            each.run("%load_ext flownb")
            if code:
                each.run(code, "c1")
            found.append(each.spun)
    assert found == ["2", "none", "2"]


def test_a_restarted_kernel_of_a_renamed_notebook_is_not_that_of_the_new_file(
    tmp_path: Path, write_notebook: Write
) -> None:
    """A server names a restarted kernel as at first; a file of that name without any of its cells is another one."""
    path = write_notebook("%load_ext flownb", "%%flow F\nc = 1", LOAD, ADD, name="Untitled.ipynb")
    with kernel(tmp_path, str(path)) as new:
        new.run("%load_ext flownb", "c0")
        new.run(LOAD, "c2")
    with kernel(tmp_path, str(path)) as old:
        old.run("%load_ext flownb", "x0")
        old.run("%%flow F\nc = 1", "x1")
        old.run("%%step load -> x\nx = 5", "x3")
        old.run("%%step add -> y\ny = x + 1", "x4")
        assert old.spun == "6"
    with kernel(tmp_path, str(path)) as new:
        new.run("%load_ext flownb", "c0")
        assert new.spun == "2"


def test_the_default_name_comes_from_the_file(tmp_path: Path, write_notebook: Write) -> None:
    """Kernel, export and checks call the flow after the notebook's file; one that is not known is NotebookFlow."""
    path = write_notebook("%load_ext flownb", LOAD, ADD, name="train model-2.ipynb")
    with kernel(tmp_path, str(path)) as each:
        each.run("%load_ext flownb")
        assert "TrainModel2Flow: 2 steps, no problems" in each.run("%flow check")
        each.run("%flow export flow.py")
        assert "class TrainModel2Flow(FlowSpec):" in (tmp_path / "flow.py").read_text(encoding="utf-8")
    with kernel(tmp_path) as each:
        each.run("%load_ext flownb")
        each.run(LOAD)
        assert "NotebookFlow: 1 steps, no problems" in each.run("%flow check")


def test_use_in_a_notebook(tmp_path: Path, write_notebook: Write) -> None:
    """`%flow use` takes another notebook's results, also after a restart; %flow and status say so until it ends."""
    other = write_notebook("%%flow F\nc = 1", OTHER, ADD, name="other.ipynb")
    path = write_notebook("%%flow F\nc = 1", LOAD, ADD)
    with kernel(tmp_path, str(other)) as first:
        first.run("%load_ext flownb")
        first.run("%flow run --executor inline")
    with kernel(tmp_path, str(path)) as each:
        each.run("%load_ext flownb")
        assert each.spun == "none"
        said = "uses run F/1 of other.ipynb where this notebook has nothing newer; `%flow use --none` ends that"
        assert said in each.run("%flow use 1")
        assert each.spun == "11"
        each.manager.restart_kernel(now=True)
        each.client.wait_for_ready(timeout=60)
        each.run("%load_ext flownb")
        assert [said in each.run(code) for code in ("%flow", "%flow", "%flow status", "%flow use")] == [True] * 4
        assert "It used run F/1 before." in each.run("%flow use --none")
        assert each.spun == "none"
