"""Executes the plain notebook from its first cell to its last in one Jupyter kernel, and records what each cell does.

`run_plain` gives the values that names hold after the cells it was asked for, and what each cell printed. The kernel is
a process of its own, in a group of its own, and is killed with all it started whatever ends the run. Cells get no
keyboard: one that calls `input()` fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flownb.convert.plain import PlainCell
from flownb.convert.verify.kernel import cell_name
from flownb.convert.verify.lines import without_times
from flownb.convert.verify.snapshots import Held, from_data
from flownb.errors import ExecutorError

__all__ = ["PlainFailure", "PlainRun", "run_plain"]

# Seconds to wait for a kernel to start, and between two looks whether it lives.
START = 60.0
LOOK = 1.0
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# The seeds of texts' hashes: the flow runs with the first one too, so that sets have one order in both.
HASH_SEEDS = ("1", "20", "303")


@dataclass(frozen=True)
class PlainFailure:
    """What ended a run of the plain notebook.

    Attributes
    ----------
    cell : int
        Number of the code cell.
    line : int
        1-based line in the cell; 0 if it is not known.
    error : str
        The type of the error and its text.
    kind : {"error", "input", "timeout", "died"}
    """

    cell: int
    line: int
    error: str
    kind: str = "error"


@dataclass(frozen=True)
class PlainRun:
    """What one run of the plain notebook did.

    Attributes
    ----------
    snapshots : dict of int to dict of str to Held
        What names hold after a cell, by the cell's number.
    printed : dict of int to str
        What each cell wrote to stdout.
    failure : PlainFailure or None
        What ended it early.
    seconds : float
    files : dict of str to str
        Hashes of the files that it wrote to the folder, by path.
    """

    snapshots: dict[int, dict[str, Held]] = field(default_factory=dict)
    printed: dict[int, str] = field(default_factory=dict)
    failure: PlainFailure | None = None
    seconds: float = 0.0
    files: Mapping[str, str] = field(default_factory=dict)


def run_plain(
    cells: Sequence[PlainCell],
    folder: Path,
    place: Path,
    *,
    store: Path,
    names: Mapping[int, Sequence[str]],
    needed: Collection[int] = (),
    attempt: int = 0,
    timeout: float | None = None,
    on_cell: Callable[[int], None] = lambda number: None,
) -> PlainRun:
    """Execute the cells of a plain notebook.

    Parameters
    ----------
    cells : sequence of PlainCell
    folder : Path
        Where the kernel works.
    place : Path
        A folder for the run's own files, which exists.
    store : Path
        The datastore that keeps the values.
    names : mapping of int to sequence of str
        What is stored after each cell.
    needed : collection of int
        The cells after which it must be stored; after others it is stored as long as that takes little time.
    attempt : int
        0 for the first run, then 1 and 2: each hashes texts with another seed.
    timeout : float, optional
        Seconds that one cell may take; None means no limit.
    on_cell : callable
        Called with the number of each cell that starts.

    Returns
    -------
    PlainRun

    Raises
    ------
    ExecutorError
        If the kernel does not start.
    """
    waiting = [cell for cell in cells if cell.source.strip()]
    records = Path(tempfile.mkdtemp(dir=place, prefix="plain-"))
    plan = {
        "store": str(store),
        "records": str(records),
        "names": {str(number): list(one) for number, one in names.items()},
        "needed": sorted(needed),
    }
    started = time.monotonic()
    found = PlainRun()
    failure: PlainFailure | None = None
    # A cell without code has no snapshot of its own: what holds after it is what held before.
    with _Kernel(folder, records, plan, HASH_SEEDS[attempt]) as kernel:
        for cell in waiting:
            on_cell(cell.number)
            failure = kernel.execute(cell, timeout)
            lines = [*(magic.text for magic in cell.magics), *(one.before for one in cell.rewritten)]
            timed = "%%time" in cell.wrappers or any("%time " in line for line in lines)
            printed = without_times(kernel.printed) if timed else kernel.printed
            for one in cell.rewritten:
                printed = re.sub(one.prints, "", printed, count=1, flags=re.MULTILINE) if one.prints else printed
            found.printed[cell.number] = printed
            if failure is not None and "raises-exception" not in cell.tags:
                break
            failure = None
    latest: dict[str, Held] = {}
    for cell in cells:
        file = records / f"{cell.number}.json"
        if file.exists():
            latest = from_data(json.loads(file.read_text(encoding="utf-8")))
            found.snapshots[cell.number] = latest
        elif cell not in waiting:
            found.snapshots[cell.number] = latest
    return PlainRun(found.snapshots, found.printed, failure, time.monotonic() - started)


class _Kernel:
    """A kernel process and the client that talks to it."""

    def __init__(self, folder: Path, place: Path, plan: dict[str, Any], hash_seed: str) -> None:
        self._folder, self._place, self._plan, self._hash_seed = folder, place, plan, hash_seed
        self.printed = ""

    def __enter__(self) -> _Kernel:
        from jupyter_client.blocking.client import BlockingKernelClient
        from jupyter_client.connect import write_connection_file

        connection, _ = write_connection_file(str(self._place / "kernel.json"))
        plan = self._place / "plan.json"
        plan.write_text(json.dumps(self._plan), encoding="utf-8")
        user_path = sys.path if "" in sys.path else ["", *sys.path]
        # What flownb imports must not come from the notebook's folder, where a file may have any name.
        own = [entry for entry in sys.path if entry]
        code = (
            f"import sys; sys.path[:] = {own!r}; from flownb.convert.verify.kernel import main; "
            f"main({connection!r}, {str(plan)!r}, {user_path!r})"
        )
        variables = {"PYTHONHASHSEED": self._hash_seed, **os.environ, "JPY_PARENT_PID": str(os.getpid())}
        with (self._place / "kernel.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                cwd=self._folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._client: Any = BlockingKernelClient(connection_file=connection)
            self._client.load_connection_file()
            self._client.start_channels()
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def _wait_until_ready(self) -> None:
        """Wait until the kernel answers."""
        until = time.monotonic() + START
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(RuntimeError):
                self._client.wait_for_ready(timeout=LOOK * 5)
                return
        said = (self._place / "kernel.log").read_text(encoding="utf-8", errors="replace").strip().split("\n")[-1]
        raise ExecutorError(
            "The kernel that executes the plain notebook did not start.",
            said or f"It did not answer within {START:.0f} seconds.",
            "Check that `python -m ipykernel --version` works in this environment.",
        )

    def _end(self) -> None:
        """Kill the kernel and what it started."""
        client = getattr(self, "_client", None)
        if client is not None:
            client.stop_channels()
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def execute(self, cell: PlainCell, timeout: float | None) -> PlainFailure | None:
        """Execute one cell and wait until it has ended; `printed` is then what it wrote."""
        from queue import Empty

        pieces: list[str] = []
        failure: PlainFailure | None = None
        until = None if timeout is None else time.monotonic() + timeout
        content = {"code": cell.source, "silent": False, "store_history": True, "user_expressions": {}}
        content |= {"allow_stdin": False, "stop_on_error": True}
        # JupyterLab sends the id of the cell in the same place.
        request = self._client.session.msg("execute_request", content, metadata={"cellId": cell_name(cell.number)})
        self._client.shell_channel.send(request)
        wanted = request["header"]["msg_id"]
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=LOOK)
            except Empty:
                if self._process.poll() is not None:
                    failure = PlainFailure(cell.number, 0, self._last_words(), "died")
                    break
                if until is not None and time.monotonic() > until:
                    failure = PlainFailure(cell.number, 0, f"It ran longer than {timeout:g} seconds.", "timeout")
                    break
                continue
            if message["parent_header"].get("msg_id") != wanted:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream" and content["name"] == "stdout":
                pieces.append(content["text"])
            elif kind == "error":
                failure = _failure(cell, content)
            elif kind == "status" and content["execution_state"] == "idle":
                break
            if until is not None and time.monotonic() > until:
                failure = PlainFailure(cell.number, 0, f"It ran longer than {timeout:g} seconds.", "timeout")
                break
        self.printed = "".join(pieces)
        if failure is None:
            failure = self._reply(cell, wanted)
        return failure

    def _reply(self, cell: PlainCell, wanted: str) -> PlainFailure | None:
        """What the reply says beside the outputs: an `exit()` is an error that no output shows."""
        from queue import Empty

        with contextlib.suppress(Empty):
            while True:
                reply = self._client.get_shell_msg(timeout=LOOK * 5)
                if reply["parent_header"].get("msg_id") == wanted:
                    content = reply["content"]
                    return _failure(cell, content) if content["status"] == "error" else None
        return None

    def _last_words(self) -> str:
        """How the process ended."""
        code = self._process.poll()
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return f"The kernel's process died ({how})."


def _failure(cell: PlainCell, content: Mapping[str, Any]) -> PlainFailure:
    """The error of a cell, from what the kernel says of it."""
    name, text = str(content.get("ename", "Error")), str(content.get("evalue", ""))
    traceback = COLOURS.sub("", "\n".join(content.get("traceback", ())))
    lines = re.findall(r"^-+> ?(\d+) ", traceback, re.MULTILINE)
    line = int(lines[0]) if lines and int(lines[0]) <= cell.source.count("\n") + 1 else 0
    if name == "StdinNotImplementedError":
        return PlainFailure(cell.number, line, "it asks for input, and nobody is there to answer", "input")
    first = text.strip().split("\n")[0]
    return PlainFailure(cell.number, line, f"{name}: {first}" if first else name)
