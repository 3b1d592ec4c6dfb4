"""The channel between a worker and its driver: what a step may do to it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from flownb.client import Run
from flownb.errors import StepFailed
from flownb.runtime.workers.server import ServerPool
from flownb.session.options import RunOptions
from flownb.session.run import begin_run
from tests.conftest import MakeSession
from tests.runtime.workers.runs import ran, text_of, values


def test_a_step_that_writes_into_the_channel_harms_itself_alone(make_session: MakeSession) -> None:
    """What cannot be understood ends the attempt's connection, and neither the driver nor the run hangs."""
    session = make_session(
        "%%step a -> v\nimport os, stat\nfor fd in range(3, 60):\n    try:\n"
        "        if stat.S_ISSOCK(os.fstat(fd).st_mode):\n"
        "            os.write(fd, (20).to_bytes(8, 'big') + b'x' * 20)\n    except OSError:\n        pass\n"
        "for _ in range(3000):\n    print('y' * 1000)\nv = 1"
    )
    run = begin_run(session, RunOptions(executor="process"))
    run.start()
    run.join(60)
    assert not run.running
    # It is recorded all the same: what a worker wrote down counts more than what it said.
    recorded = Run(run.pathspec, datastore=session.datastore)
    assert run.error is None or isinstance(run.error, StepFailed)
    assert "a" in recorded


def test_a_forked_helper_displays_as_text(make_session: MakeSession) -> None:
    """A process that the step forks does not speak on the channel; what it displays is printed."""
    body = (
        "import os\nfrom IPython.display import display\nchild = os.fork()\nif not child:\n"
        "    for number in range(200):\n        display(f'from the child {number}')\n    os._exit(0)\n"
        "for number in range(200):\n    display(number)\nos.waitpid(child, 0)\nx = 1"
    )
    found = ran(make_session(f"%%step a -> x\n{body}"))
    task = found["a"].task
    assert values(task)["x"] == 1
    assert "from the child 199" in text_of(task)


def test_two_runs_never_share_a_server() -> None:
    """Runs that begin at the same time have servers of their own; one of these is kept for the next run."""
    pool, together = ServerPool(), threading.Barrier(4)

    def use(_: int) -> int:
        with pool.server() as server:
            together.wait(30)
            return id(server)

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(use, range(4)))) == 4
    pool.close()
