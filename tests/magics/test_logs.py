"""What step cells show in a real kernel, kept and shown again."""

from __future__ import annotations

from pathlib import Path

import pytest

from flownb.client import Flow
from flownb.store.datastore import Datastore
from tests.magics.test_magics import Kernel, kernel

__all__ = ["kernel"]

SHOW = """%%step show -> x
import logging, subprocess, sys
import matplotlib.pyplot as plt
from IPython.display import HTML, clear_output, display

print("gone")
clear_output()
x = 1
print("text")
handle = display(HTML("<b>0%</b>"), display_id=True)
handle.update(HTML("<b>100%</b>"))
print("warning", file=sys.stderr)
plt.plot([1, 2])
x + 41
"""


def kinds(displays: list[dict[str, object]]) -> list[str]:
    """The richest representation of each display."""
    return [next(kind for kind in ("image/png", "text/html", "text/plain") if kind in data) for data in displays]


def test_a_step_cells_outputs_are_shown_again(kernel: Kernel, tmp_path: Path) -> None:
    """Text, updated displays, the last value and open figures come again, rich ones as rich."""
    kernel.run("%%flow F")
    kernel.run("%%shared\n%matplotlib inline")
    reply = kernel.run(SHOW)
    assert reply.error == ""
    assert kinds(reply.displays)[:3] == ["text/html", "text/plain", "image/png"]  # then what the step set
    again = kernel.run("%flow logs show")
    assert (again.error, again.text) == ("", "text\nwarning\n")
    assert kinds(again.displays) == ["text/html", "text/plain", "image/png"]
    assert [again.displays[0]["text/html"], again.plain[1]] == ["<b>100%</b>", "42"]
    assert reply.displays[2]["image/png"].strip() == again.displays[2]["image/png"].strip()
    (run,) = Flow("F", datastore=Datastore(tmp_path / ".flownb")).working_runs()
    task = run["show"].task
    assert task is not None
    assert (task.stdout, task.stderr) == ("gone\ntext\n", "warning\n")
    assert [piece.kind for piece in task.outputs] == ["stdout", "display", "stderr", "display", "display"]


def test_a_run_s_outputs_are_shown_again(kernel: Kernel) -> None:
    """What workers displayed comes again like what step cells did; each item of a foreach under its heading."""
    kernel.run("%%flow F")
    kernel.run("%%step load -> xs\nxs = [1, 2]")
    kernel.run("%%step each --foreach xs\nprint('got', self.input)\n{'n': self.input}")
    kernel.run("%%step pick --join\npass")
    assert kernel.run("%flow run").error == ""
    reply = kernel.run("%flow logs each --from 2")
    assert reply.text == "item 0:\ngot 1\nitem 1:\ngot 2\n"
    assert reply.plain == ["{'n': 1}", "{'n': 2}"]
    assert kernel.run("%flow logs load --from 2").text == "note: load: it wrote nothing\n"
    reply = kernel.run("%flow logs eech")
    assert "Did you mean `each`?" in reply.error
    assert "Traceback" not in reply.error


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a kernel that is started next not know of pytest: it would leave the process's own output alone."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")


@pytest.mark.usefixtures("outside")
def test_subprocesses_are_heard(kernel: Kernel) -> None:
    """What reaches the kernel past Python's streams is kept as well, while the step continues."""
    kernel.run("%%flow F")
    reply = kernel.run(
        "%%step load\nimport pathlib, subprocess, sys, time\nsubprocess.run([sys.executable, '-c', 'print(6 * 7)'])\n"
        "log = pathlib.Path('.flownb/flows/F/1/logs/load/1/0.jsonl')\n"
        "while not log.exists():\n    time.sleep(0.01)\nprint('after')"
    )
    assert reply.error == ""
    assert kernel.run("%flow logs load").text.split() == ["42", "after"]
