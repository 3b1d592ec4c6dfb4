"""Sessions in processes of their own, forked from one that has imported flownb: what a new kernel or command does.

Run as a program it reads requests as lines of JSON and answers each with one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flownb.cells.cell import read_cell
from flownb.runtime.metaflow_names import always_own_imports
from flownb.session.options import ResumeOptions, RunOptions
from flownb.session.resume import Resume
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.states import step_states
from flownb.session.step import run_step

__all__ = ["Sessions", "forked_sessions"]

FLOW = "NotebookFlow"
STEPS = ("load", "train", "pick", "report")


class Sessions:
    """What makes sessions."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, what: str, folder: Path, world: dict[str, Any]) -> Any:
        """Let a new process do something with cells in a folder; see `_do`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, str(folder), world]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["found"]


@contextmanager
def forked_sessions() -> Iterator[Sessions]:
    """A process that makes sessions, for as long as the block lasts."""
    process = subprocess.Popen(
        [sys.executable, "-B", "-m", "tests.session.forked_sessions"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Sessions(process)
    finally:
        process.communicate()


def _serve() -> None:
    """Fork a process for each request."""
    with tempfile.TemporaryDirectory() as folder:  # imports what a session needs, once for all
        session = Session(folder=Path(folder))
        session.open([read_cell("%%step a -> x\nx = 1")])
        run_flow(session, RunOptions(executor="inline"))
        step_states(session)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            answers = os.dup(1)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what steps print
            try:
                answer = {"found": _do(*json.loads(line))}
            except BaseException:
                answer = {"error": traceback.format_exc()}
            os.write(answers, (json.dumps(answer) + "\n").encode())
            os._exit(0)
        os.waitpid(pid, 0)


def _do(what: str, folder: str, world: dict[str, Any]) -> Any:
    """Run steps or a flow, or judge.

    Parameters
    ----------
    what : {"steps", "inline", "workers", "resume", "judge", "left"}
        For "left" what the latest results are.
    folder : str
        Where the datastore is.
    world : dict
        ``cells``, ``folder`` with modules and files, ``path`` of distributions, ``environment``.
    """
    os.chdir(world["folder"])
    os.environ.update(world["environment"])
    sys.path[:0] = [world["folder"], world["path"]]
    always_own_imports()
    session = Session(folder=Path(folder))
    session.open(read_cell(source, number=number) for number, source in enumerate(world["cells"], 1))
    match what:
        case "steps":
            for step in STEPS:
                run_step(session, step)
        case "inline" | "workers":
            run_flow(session, RunOptions(executor="inline" if what == "inline" else "process"))
        case "resume":
            Resume(session, ResumeOptions(run=RunOptions(executor="inline"))).begin().drive()
    if what == "judge":
        return {name: [one.state, *one.reasons] for name, one in step_states(session).items()}
    results = session.results()
    found: dict[str, Any] = {}
    for step in STEPS:
        tasks = results.latest(step)
        found[step] = [
            {name: repr(session.datastore.artifacts.load(task.artifacts[name])) for name in sorted(task.captured)}
            for task in tasks
        ]
    return found


if __name__ == "__main__":
    _serve()
