"""What attempts write and display, by whatever way it leaves their process."""

from __future__ import annotations

import pytest

from flownb.runtime.events import TaskOutput
from flownb.store.logs import LogPlace
from tests.conftest import MakeSession
from tests.runtime.workers.runs import SHARED, ran, text_of

WRITERS = {
    "os.write(1, b'here\\n')": "here\n",
    "os.system('echo here')": "here\n",
    "import subprocess\nsubprocess.run(['sh', '-c', 'echo here; echo there >&2'])": "here\n",
    "import subprocess\nsubprocess.run(['echo', 'here'], stdout=sys.stdout)": "here\n",
    "import ctypes\nctypes.CDLL(None).printf(b'here %d\\n', 5)": "here 5\n",
    "if not os.fork():\n    print('here')\n    sys.stdout.flush()\n    os._exit(0)\nos.wait()": "here\n",
    "sys.stdout.buffer.write('hé'.encode()[:2])\nsys.stdout.flush()\nsys.stdout.buffer.write('hé'.encode()[2:])": "hé",
    "os.write(1, 'hé'.encode()[:2])\ntime.sleep(0.05)\nos.write(1, 'hé'.encode()[2:])": "hé",
    "sys.__stdout__.write('here')": "here",
    "import logging\nlogging.warning('here')": "WARNING:root:here\n",
    "import warnings\nwarnings.warn('here')": "UserWarning: here",
    "threading.Thread(target=print, args=('here',)).start()": "here\n",
    "print('no end', end='')": "no end",
    "print('\\ud800')": "\\ud800\n",
    "sys.stdout.write('a\\x00b\\r\\n')": "a\x00b\r\n",
}


@pytest.mark.parametrize("body", WRITERS)
def test_whatever_way_text_takes_it_is_kept(make_session: MakeSession, body: str) -> None:
    """Python, C, subprocesses, forked processes and threads: their text is in the attempt's output."""
    run = ran(make_session(SHARED, f"%%step a\n{body}"))
    assert WRITERS[body] in text_of(run["a"].task)


def test_streams_are_separate_and_in_order(make_session: MakeSession) -> None:
    """Stdout and stderr of Python code come in the order in which they were written."""
    body = "for n in range(3):\n    print('out', n)\n    print('err', n, file=sys.stderr)"
    task = ran(make_session(SHARED, f"%%step a\n{body}"))["a"].task
    assert (task.stdout, task.stderr) == ("out 0\nout 1\nout 2\n", "err 0\nerr 1\nerr 2\n")
    assert [piece.text for piece in task.outputs][:3] == ["out 0\n", "err 0\n", "out 1\n"]


def test_a_tight_loop_loses_no_line(make_session: MakeSession) -> None:
    """Thousands of prints are complete and in order, and the run's events are not one for each."""
    session = make_session(SHARED, "%%step a\nfor n in range(30_000):\n    print(n)")
    events: list[object] = []
    session.events.subscribe(events.append)
    task = ran(session)["a"].task
    assert task.stdout.split() == [str(n) for n in range(30_000)]
    assert len(events) < 5_000


def test_large_output_is_complete(make_session: MakeSession) -> None:
    """Megabytes in one line, from Python, a subprocess and C, neither block the step nor are cut on their way."""
    size = 3_000_000
    session = make_session(
        SHARED,
        f"%%step a\nprint('p' * {size})\nimport subprocess\n"
        f"subprocess.run([sys.executable, '-c', \"print('s' * {size})\"])\nos.write(1, b'f' * {size})",
    )
    shown: list[str] = []
    session.events.subscribe(lambda event: shown.append(event.text) if isinstance(event, TaskOutput) else None)
    ran(session)
    assert ["".join(shown).count(letter) for letter in "psf"] == [size] * 3


def test_output_of_a_task_that_fails_is_kept(make_session: MakeSession) -> None:
    """What was written before a crash, in Python's and the pipe's way, is there."""
    session = make_session(
        SHARED,
        "%%step a -> n\n@retry(times=1, minutes_between_retries=0)\nn = current.retry_count\nprint('first', n)\n"
        "os.write(1, b'second\\n')\nif not n:\n    os._exit(1)",
    )
    task = ran(session)["a"].task
    assert task.stdout == "first 1\nsecond\n"
    flow, run, step, number = task.pathspec.split("/")
    pieces = session.datastore.logs.read(flow, run, LogPlace(step, number, 0))
    assert "".join(piece.text for piece in pieces) == "first 0\nsecond\n"


def test_rich_outputs_are_kept(make_session: MakeSession) -> None:
    """Values of last expressions, displays, their updates and figures are there as in a notebook."""
    session = make_session(
        "%%shared\nimport pandas as pd\nfrom IPython.display import display, HTML",
        "%%step a\nhandle = display(HTML('<b>old</b>'), display_id=True)\nhandle.update(HTML('<b>new</b>'))\n"
        "pd.DataFrame({'col': [1, 2]})",
        "%%step b\nimport matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 2])\nprint('after')",
    )
    run = ran(session)
    shown = [piece for piece in run["a"].task.outputs if piece.kind == "display"]
    assert [piece.data["text/html"] for piece in shown][:1] == ["<b>new</b>"]
    assert "<table" in shown[-1].data["text/html"]
    figures = [piece for piece in run["b"].task.outputs if piece.kind == "display"]
    assert [kind for piece in figures for kind in piece.data if kind.startswith("image/")] == ["image/png"]
