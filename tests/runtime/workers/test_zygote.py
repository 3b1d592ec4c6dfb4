"""The zygote: what it imports, and the worker that it forks before it is needed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from flownb.runtime.task import TaskSpec
from flownb.runtime.workers.pool import ProcessExecutor
from flownb.runtime.workers.server import WorkerServer
from flownb.session.session import Session
from tests.conftest import MakeSession
from tests.runtime.workers.runs import SHARED, ran


def parent(pid: int) -> int | None:
    """The process that a process was forked from; None if it has ended, even if nobody has asked yet."""
    try:
        state, found = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return int(found) if state != "Z" else None


def children(pid: int) -> set[int]:
    """Process ids of a process's children that have not ended."""
    found = (int(folder.name) for folder in Path("/proc").glob("[0-9]*"))
    return {one for one in found if parent(one) == pid}


def cells(make_session: MakeSession, x: int = 1) -> Session:
    """A flow of two steps that say which process they run in."""
    return make_session(
        SHARED, f"%%step start -> x, first\nx, first = {x}, os.getpid()", "%%step end -> last\nlast = os.getpid()"
    )


def processes(session: Session) -> tuple[int, int]:
    """Run the flow; give the process ids of its workers."""
    run = ran(session)
    return run["start"].task["first"].data, run["end"].task["last"].data


def waiting(session: Session, *, without: tuple[int, ...]) -> int:
    """Process id of the worker that waits, once others have ended."""
    with session.servers.server() as server:
        assert server._process is not None
        zygote = server._process.pid
    until(lambda: len(children(zygote)) == 1 and not children(zygote) & {*without})
    (found,) = children(zygote)
    return found


def until(happened: Callable[[], bool]) -> None:
    """Wait for something to happen."""
    end = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < end, "it does not happen"


def test_one_worker_waits(make_session: MakeSession) -> None:
    """After a run one worker waits for the next one, whose first task it runs."""
    session = cells(make_session)
    found = waiting(session, without=processes(session))
    assert processes(session)[0] == found


def test_a_worker_that_was_killed_while_it_waited_is_replaced(make_session: MakeSession) -> None:
    """The next attempt gets another worker, and none is lost."""
    session = cells(make_session)
    found = waiting(session, without=processes(session))
    os.kill(found, signal.SIGKILL)
    assert found not in processes(session)


def test_a_zygote_that_does_not_react_leaves_no_worker(make_session: MakeSession) -> None:
    """When its server is closed, it is killed, and so are workers that it could not end itself."""
    session = make_session("%%shared\nimport time", "%%step start\ntime.sleep(1000)")
    program, server = session.program(False), WorkerServer()
    executor = ProcessExecutor(program, session.datastore.location, slots=1, server=server)
    executor.submit(TaskSpec("start", "1", "1"))
    until(lambda: not executor.wait(0.1) and bool(server._workers))
    assert server._process is not None
    zygote, (worker,) = server._process.pid, server._workers.values()
    os.kill(zygote, signal.SIGSTOP)
    executor.close()
    assert parent(worker) == zygote
    server.close()
    until(lambda: parent(worker) is None)
    assert parent(zygote) is None


def test_a_worker_that_waits_for_another_program_ends(make_session: MakeSession) -> None:
    """When cells changed, what waited with the old ones is not used and ends."""
    session = cells(make_session)
    old = waiting(session, without=processes(session))
    for cell in cells(make_session, 2).cells.cells():
        session.cells.put(cell)
    run = ran(session)
    assert run["start"].task["x"].data == 2
    assert run["start"].task["first"].data != old
    waiting(session, without=(old,))


def test_a_worker_that_waits_ends_with_the_zygote(make_session: MakeSession) -> None:
    """Nothing is left when a session's servers are closed."""
    session = cells(make_session)
    found = waiting(session, without=processes(session))
    session.servers.close()
    until(lambda: parent(found) is None)


def test_what_imports_keep_of_the_streams_still_works() -> None:
    """A module may make a logging handler when it is imported; nothing is heard of the import, and all of it later."""
    code = (
        "import logging, os\nfrom flownb.runtime.workers.zygote import silence\n"
        "def say(text): handler.emit(logging.makeLogRecord({'msg': text}))\n"
        "with silence():\n    handler = logging.StreamHandler()\n"
        "    os.write(2, b'of the import')\n    say('of it, too')\n"
        "say('later')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "later\n"


MISSED = """
import pkgutil, sys
from flownb.runtime.workers.worker import prepare
from flownb.store import encodings, local
prepare()
for package in (encodings, local):
    for one in pkgutil.iter_modules(package.__path__):
        if f"{package.__name__}.{one.name}" not in sys.modules:
            print(one.name)
"""


def test_every_encoding_is_imported_before_there_are_workers() -> None:
    """Each module that reads and writes values is imported once, in the process that workers are forked from."""
    done = subprocess.run([sys.executable, "-c", MISSED], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_no_worker_looks_for_installed_modules_again(make_session: MakeSession) -> None:
    """Where the modules are that the cells import is known to a worker from the process that it was forked from."""
    session = make_session(
        "%%shared\nimport math\nfrom flownb.provenance import module_hashes as known",
        "%%step start -> found\nfound = 'math' in known._installed and known._installed_at[0] == known._search_state()",
    )
    assert ran(session).data.found is True
