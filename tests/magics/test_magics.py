"""The magics in a real kernel, with what JupyterLab sends along."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Reply:
    """What executing one cell gave: stream text, displayed bundles, and the error as it is shown."""

    text: str = ""
    displays: list[dict[str, Any]] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    name: str = ""

    @property
    def plain(self) -> list[str]:
        """text/plain of every display."""
        return [data["text/plain"] for data in self.displays]


class Kernel:
    """A kernel that is sent cells as a front end sends them."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client

    def run(self, code: str, **metadata: Any) -> Reply:
        """Execute a cell; keywords become the request's metadata (cellId, tags, deletedCells)."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        reply = Reply()
        while True:
            seen = self.client.get_iopub_msg(timeout=240)
            if seen["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            kind, body = seen["msg_type"], seen["content"]
            if kind == "stream":
                reply.text += body["text"]
            elif kind in ("display_data", "execute_result"):
                reply.displays.append(body["data"])
                reply.metadata.append(body["metadata"])
            elif kind == "error":
                reply.name, reply.error = body["ename"], ANSI.sub("", "\n".join(body["traceback"]))
            elif kind == "status" and body["execution_state"] == "idle":
                return reply


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A fresh kernel in the test's folder, with the extension loaded."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        made = Kernel(client)
        assert made.run("%load_ext flownb").error == ""
        yield made
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_flow_cell_by_cell(kernel: Kernel, tmp_path: Path) -> None:
    """Header, shared code, steps, spin, run and export work in a notebook, one cell after the other."""
    assert kernel.run('%%flow F\nalpha = Parameter("alpha", default=2)').error == ""
    assert kernel.run("%%shared\n%matplotlib inline\nimport math\ndef twice(x):\n    return 2 * x").error == ""
    reply = kernel.run("%%step load -> xs\nxs = [1, 2]\nlocal = 3\nprint('loading')\ntwice(21)")
    assert (reply.text, reply.error) == ("loading\n", "")
    assert reply.plain == [
        "42",
        "✓ load · set xs: list · local: local",
    ]
    assert reply.metadata[-1]["flownb"]["tasks"] == ["F/1/load/1"]
    assert kernel.run("xs, twice(3)").plain == ["([1, 2], 6)"]
    kernel.run("%%step train --foreach xs -> m\nm = twice(self.input) * alpha")
    kernel.run("%%step pick --join -> best\nbest = max(task.m for task in inputs)")
    assert kernel.run("%spin train --index 1").plain == ["✓ train (spin, nothing recorded) · set m: int"]
    assert kernel.run("t = %spin train --set alpha=10 --index 0\nt['m'] // 2").plain == ["10"]
    assert "FN001 the %%spin cell (step train), line 3: " in kernel.run("\n%%spin train\nm = nowhere").error
    assert "----> 3 1 / 0" in kernel.run("%%spin train --index 1\nprint(self.input)\n1 / 0").error
    assert kernel.run("%%time\n%%spin train --index 1\nprint(xs)").plain == ["✓ train (spin, nothing recorded)"]
    reply = kernel.run("%flow run --alpha 3")
    assert reply.plain[0].split("\n")[0] == "F · 3 steps · 3 fresh"
    assert reply.displays[0]["image/svg+xml"].startswith("<svg")
    assert reply.metadata[0]["flownb"]["run"] == "F/2"
    assert kernel.run("%flow check").text == "F: 3 steps, no problems\n"
    assert "run it with: python flow.py run" in kernel.run("%flow export flow.py").text
    assert "class F(FlowSpec):" in (tmp_path / "flow.py").read_text()
    assert kernel.run("%flow export --check").text == "flow.py is up to date\n"
    (tmp_path / "flow.py").write_text((tmp_path / "flow.py").read_text().replace("local = 3", "local = 4"))
    refused = kernel.run("%flow export --requirements")
    assert "-        local = 3\n+        local = 4\n" in refused.text
    assert "has edits that are not in the notebook" in refused.error
    for options in ("--force --requirements", "--requirements"):  # without a view, the same each time
        written = kernel.run(f"%flow export {options}").text.split("; run it with: python flow.py run\n")
        assert written == [
            "exported to flow.py (55 lines)",
            "exported to requirements.txt\nexported to pyproject.toml\n",
        ]
    assert kernel.run("import flownb\nflownb.Flow('F').latest_run.data.best").plain == ["12"]


def test_steps_never_see_the_notebooks_names(kernel: Kernel) -> None:
    """A name that exists only in the notebook is refused, and the message says where it exists."""
    kernel.run("helper = 3")
    reply = kernel.run("%%step load -> x\nx = helper")
    assert reply.name == "CheckFailed"
    assert "`helper` exists only in the notebook's namespace, which steps never see." in reply.error


def test_an_error_shows_the_users_lines_alone(kernel: Kernel) -> None:
    """A step's own exception keeps its type and shows the cell's lines with an arrow, and no frame of ours."""
    reply = kernel.run("%%step load -> x\nx = 1\n\nx = x / 0")
    assert reply.name == "ZeroDivisionError"
    assert "----> 4 x = x / 0" in reply.error
    assert "flownb/" not in reply.error
    assert "line 4" in reply.error


def test_an_error_in_a_run_shows_the_users_lines(kernel: Kernel) -> None:
    """A failing run shows the DAG with the failed step, the step's lines, and what to do."""
    kernel.run("%%step load -> x\nx = 1")
    kernel.run("%%step divide -> y\ny = x / 0")
    reply = kernel.run("%flow run")
    assert "1 failed" in reply.plain[0]
    assert "----> 2 y = x / 0" in reply.error
    assert "`%spin divide --from" in reply.error
    assert "flownb/" not in reply.error


def test_ids_tell_a_renamed_and_a_deleted_cell(kernel: Kernel) -> None:
    """With cell ids, renaming a step renames it, and deleting a cell takes its step away."""
    kernel.run("%%step load -> x\nx = 1", cellId="a")
    kernel.run("%%step claen -> y\ny = x", cellId="b")
    kernel.run("%%step clean -> y\ny = x", cellId="b")
    assert "2 steps" in kernel.run("%flow").plain[0]
    kernel.run("%%step more -> z\nz = y", cellId="c")
    kernel.run("%%step load -> x\nx = 1", cellId="a", deletedCells=["c"])
    assert "2 steps" in kernel.run("%flow").plain[0]


def test_deleted_and_unmarked_cells_leave_the_flow(kernel: Kernel) -> None:
    """A deletion is sent with the next execution; a cell that lost its mark is not a step any more."""
    for name in "abc":
        kernel.run(f"%%step {name}\npass", cellId=name)
    kernel.run("1 + 1", cellId="x", deletedCells=["b"])
    assert "2 steps" in kernel.run("%flow").plain[0]
    kernel.run("pass", cellId="c")
    assert "1 step" in kernel.run("%flow").plain[0]


def test_scratch_cells_share_the_steps_classes(kernel: Kernel) -> None:
    """An object a step made is an instance of the shared class scratch cells see, and can be pickled after a spin."""
    kernel.run("%%shared\nclass P:\n    pass", cellId="s")
    kernel.run("%%step make -> p\np = P()", cellId="a")
    kernel.run("%spin make", cellId="b")
    assert kernel.run("import pickle\nisinstance(p, P) and len(pickle.dumps([p, P()])) > 0").plain == ["True"]


def test_tags_mean_the_same_as_magics(kernel: Kernel) -> None:
    """Cells that are marked by tags alone run as steps, at their own lines."""
    kernel.run("import math", cellId="s", tags=["imports"])
    kernel.run("x = math.floor(2.5)\nxs = [1, 2]", cellId="a", tags=["step:load", "out:x,xs"])
    reply = kernel.run("y = x + self.input", cellId="b", tags=["step:add", "prev:load", "foreach:xs", "out:y"])
    assert reply.plain == ["✓ add · 2 tasks · set y: int"]
    reply = kernel.run("z = inputs[0].y\n1 / 0", cellId="c", tags=["step:pick", "join", "out:z"])
    assert "----> 2 1 / 0" in reply.error
    assert kernel.run("1 + x", cellId="d", tags=["skip"]).plain == ["3"]
    assert "names no step" not in kernel.run("%flow", tags=["parameters"]).error


def test_bad_headers_say_how_to_write_them(kernel: Kernel) -> None:
    """A header that cannot be read, an unknown command and an unknown option are told with the nearest one."""
    assert "Did you mean `--after`?" in kernel.run("%%step a --aftre b\npass").error
    assert "Did you mean `export`?" in kernel.run("%flow exprot").error
    assert "Did you mean `--from`?" in kernel.run("%spin a --fro 3").error
    assert "Write %%flow TrainingFlow." in kernel.run("%%flow my flow\npass").error


def test_what_the_flow_leaves_out_is_said(kernel: Kernel) -> None:
    """A header that replaces another one, and cells that are not part of the flow, are named where they matter."""
    assert kernel.run("%%flow F\na = 1", cellId="f").text == ""
    assert kernel.run("%%flow F\na = 2", cellId="f").text == ""
    reply = kernel.run("%%flow F\nb = 1", cellId="g")
    assert reply.text == "note: this cell replaces `%%flow F`, which was executed before\n"
    kernel.run("%%step load -> x\nx = self.b", cellId="a")
    assert "has no option `--fter`" in kernel.run("%%step use --fter load\npass", cellId="b").error
    assert "cannot be a step's name" in kernel.run("%%step 2_clean\npass", cellId="c").error
    notes = [
        "note: cell (step) is not part of the flow: `%%step` has no option `--fter`. Did you mean `--after`?",
        "note: cell (step 2_clean) is not part of the flow: `2_clean` cannot be a step's name.",
    ]
    assert kernel.run("%flow").text.splitlines() == notes
    assert kernel.run("%flow status").text.splitlines() == notes
    assert kernel.run("%%step load -> x\nx = self.b", cellId="a").plain == ["✓ load · set x: int"]
    assert "F: 1 steps, 2 errors" in kernel.run("%flow check").text
    assert "FN030" in kernel.run("%flow run").error
    kernel.run("%%step use\npass", cellId="b", deletedCells=["c"])
    assert kernel.run("%flow check").text == "F: 2 steps, no problems\n"


def test_odd_cells(kernel: Kernel) -> None:
    """A step without a body, and a step below another cell magic, work."""
    assert kernel.run("%%step hold", cellId="a").plain == ["✓ hold"]
    reply = kernel.run("%%time\n%%step load -> x\nx = 1", cellId="b")
    assert reply.plain[0] == "✓ load · set x: int"
    assert "Wall time" in reply.text
    assert kernel.run("%%flow Empty", cellId="c").error == ""


def test_a_step_runs_its_own_event_loop(kernel: Kernel) -> None:
    """Steps, shared code and defaults of parameters have their own loops, as on Metaflow; the kernel keeps its own."""
    run = "import asyncio\nasync def main():\n    return 5\n"
    loop = "import asyncio\n[id(asyncio.get_running_loop()), id(asyncio.get_event_loop())]"
    before = kernel.run(loop).plain
    assert kernel.run(f"%%shared\n{run}five = asyncio.new_event_loop().run_until_complete(main())").error == ""
    assert kernel.run('%%flow F\nn = Parameter("n", default=lambda context: asyncio.run(main()), type=int)').error == ""
    assert kernel.run("%%step load -> x\nx = asyncio.run(main()) + n").plain == ["✓ load · set x: int"]
    code = "%%step more -> y\ny = asyncio.get_event_loop().run_until_complete(main()) + five"
    assert kernel.run(code).plain == ["✓ more · set y: int"]
    assert kernel.run("x, y").plain == ["(10, 10)"]
    assert kernel.run(loop).plain == before
    assert kernel.run("await asyncio.sleep(0, 3)").plain == ["3"]


def test_a_restart_forgets_nothing(tmp_path: Path, write_notebook: Callable[..., Path]) -> None:
    """With the notebook saved, a new kernel spins on what the old one persisted, without executing any step cell."""
    cells = ["%%step load -> x\nx = 20", "%%step add -> y\ny = x + 1"]
    path = write_notebook(*cells, name="my notebook.ipynb")
    environment = {**os.environ, "JPY_SESSION_NAME": str(path)}
    for turn in range(2):
        manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path), env=environment)
        try:
            made = Kernel(client)
            made.run("%load_ext flownb")
            if turn == 0:
                made.run(cells[0], cellId="c0")
            assert made.run("%spin add").plain == ["✓ add (spin, nothing recorded) · set y: int"]
            assert "2 steps · 1 never run · 1 fresh" in made.run("%flow").plain[0].replace(
                "1 fresh · 1 never run", "1 never run · 1 fresh"
            )
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def test_loading_twice_keeps_the_flow(kernel: Kernel) -> None:
    """A second %load_ext, as in a notebook that is run again, forgets nothing."""
    kernel.run("%%step load -> x\nx = 1")
    kernel.run("%load_ext flownb")
    assert "1 step" in kernel.run("%flow").plain[0]


def test_a_failing_step_stops_run_all(kernel: Kernel) -> None:
    """The reply to a failing step is an error, which is what makes Run All stop."""
    reply = kernel.client.execute("%%step a\n1 / 0", reply=True, timeout=240)
    assert reply["content"]["status"] == "error"


def test_status_and_resume(kernel: Kernel) -> None:
    """After an edit, status says what is stale, and a resume says for each step why it ran or did not."""
    kernel.run("%%step load -> xs\nxs = [1, 2]")
    kernel.run("%%step train --foreach xs -> m\nm = self.input * 2")
    kernel.run("%%step pick --join -> best\nbest = max(i.m for i in inputs)")
    reply = kernel.run("%flow resume")
    assert "There is no run of NotebookFlow to resume." in reply.error
    assert kernel.run("%flow run").error == ""
    kernel.run("%%step train --foreach xs -> m\nm = self.input * 3")
    reply = kernel.run("%flow status")
    assert "  train  would run: `train` changed" in reply.plain[0].split("\n")
    assert reply.metadata == [{"flownb": {"origin": "NotebookFlow/2"}}]
    reply = kernel.run("%flow resume --tag again")
    assert (reply.error, reply.text.split("\n")[-2]) == ("", "resume of NotebookFlow: 6 tasks (--tag again)")
    lines = ["load: cloned", "train: ran, `train` changed", "pick: ran, `train` changed, `m` differs"]
    assert reply.text.split("\n")[:3] == lines
    assert "6" in kernel.run("from flownb.client import Flow\nFlow('NotebookFlow').latest_run.data.best").plain[0]
    assert "is not an option of resume" in kernel.run("%flow resume --alpha 3").error


def test_what_a_command_of_the_flow_does_not_take(kernel: Kernel) -> None:
    """Words that a command does not take, and a file that cannot be written, are messages that say what to do."""
    kernel.run("%%step a -> x\nx = 1")
    assert "`all` is one word too many. check takes no words. Leave it out." in kernel.run("%flow check all").error
    assert "`none/flow.py` cannot be written. No such file" in kernel.run("%flow export none/flow.py").error
    refused = kernel.run("%flow export --stict").error
    assert "`--stict` is not an option of export. Did you mean `--strict`?" in refused


def test_load_sets_a_tasks_artifacts(kernel: Kernel) -> None:
    """%flow load takes every form of a place, says what it set, and does not replace what the user made."""
    kernel.run('%%flow F\nk = Parameter("k", default=2)')
    kernel.run("%%step load -> xs\nxs = [3, 1]")
    kernel.run("%%step train --foreach xs -> y\nself.half = self.input / 2\ny = 1 / (self.input - k)")
    kernel.run("%%step pick --join -> best\nbest = max(one.y for one in inputs)\nbest / 0")
    kernel.run("%flow run --k 1 --max-workers 1")
    kernel.run("del xs, y, k")
    line = "✓ loaded F/2/train/4 · set half: float, k: int, xs: list, input: int, index: int"
    failed = "it failed (ZeroDivisionError); `%spin train --from 2/train/4 --pdb` shows its local variables, too"
    notes = ["note: this is the first that failed of 2 tasks; --index picks another", f"note: {failed}"]
    for place in ("2/train", "F/2/train", "train"):
        assert _lines(kernel.run(f"%flow load {place}")) == [line, *notes]
    for place in ("2/train/4", "F/2/train/4", "F/2/train --index 1"):
        assert _lines(kernel.run(f"%flow load {place}")) == [line, notes[1]]
    assert kernel.run("k, input, xs, half, index").plain == ["(1, 1, [3, 1], 0.5, 1)"]
    assert _lines(kernel.run("%flow load 2/train/3 y")) == ["✓ loaded F/2/train/3 · set y: float"]
    assert _lines(kernel.run("%flow load F/2/train/3/y")) == ["✓ loaded F/2/train/3 · set y: float"]
    kernel.run("y = 'mine'\nhalf = 7")
    reply = kernel.run("%flow load 2/train/3")
    assert "F/2/train/3 has `half`, `y`, and so has the notebook." in reply.error
    assert kernel.run("y, half, input").plain == ["('mine', 7, 1)"]
    assert kernel.run("%flow load 2/train/3 --overwrite").error == ""
    assert kernel.run("y, half, input").plain == ["(0.5, 1.5, 3)"]
    for place, said in {
        "2": "`2` does not name a task.",
        "2/trian": "Did you mean `train`?",
        "9/train": "Run F/9 does not exist.",
        "2/train/9": "There is no finished task F/2/train/9.",
        "2/train/3 z": "has no artifact `z`",
        "2/train --index 7": "There is no finished task for item 7",
        "--overwrit": "Did you mean `--overwrite`?",
        "": "load is given no task. It sets the artifacts of one task.",
    }.items():
        assert (place, said in kernel.run(f"%flow load {place}").error) == (place, True)


def _lines(reply: Reply) -> list[str]:
    """The lines of a report, without the blanks before them."""
    return [line.strip() for line in reply.text.split("\n") if line]
