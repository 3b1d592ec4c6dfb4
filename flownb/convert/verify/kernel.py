"""The kernel that executes the plain notebook: ipykernel as Jupyter starts it, with a snapshot after some cells.

It is a process of its own, started by `flownb.convert.verify.plain`. A snapshot is taken by IPython's hook for the end
of a cell, which is no cell itself: it has no execution count, no place in the history and no name in the notebook's
namespace.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flownb.convert.verify.snapshots import take_snapshot, to_data
from flownb.store.datastore import Datastore

__all__ = ["cell_name", "main"]

# Seconds that the snapshots which nobody has asked for yet may take, and as a share of the run.
MOST = 1.0
SHARE = 0.2


def main(connection_file: str, plan_file: str, path: Sequence[str]) -> None:
    """Be a kernel until it is shut down.

    Parameters
    ----------
    connection_file : str
        Where the kernel listens, as in Jupyter.
    plan_file : str
        JSON: ``store``, the folder of the values; ``records``, the folder of the snapshots; ``names``, by number, of
        what is stored after a cell; ``needed``, the numbers of the cells after which that must be done. After others it
        is done as long as it costs little.
    path : sequence of str
        Where the notebook imports from.
    """
    from ipykernel import kernelapp

    sys.argv = [os.path.join(os.path.dirname(kernelapp.__file__), "launcher.py"), "-f", connection_file]  # noqa: PTH118, PTH120 # as ipykernel has it
    app: Any = kernelapp.IPKernelApp.instance()
    app.initialize(["-f", connection_file, "--HistoryManager.hist_file=:memory:"])
    watcher = Watcher(app.shell, json.loads(Path(plan_file).read_text(encoding="utf-8")))
    app.shell.events.register("post_run_cell", watcher.cell_ended)
    sys.path[:] = path
    app.start()


def cell_name(number: int) -> str:
    """How a cell is called in the request to execute it."""
    return f"flownb-cell-{number}"


class Watcher:
    """Takes the snapshots of one run.

    Parameters
    ----------
    shell : InteractiveShell
    plan : dict
        As for `main`.
    """

    def __init__(self, shell: Any, plan: dict[str, Any]) -> None:
        self._shell, self._plan = shell, plan
        self._numbers = {cell_name(int(number)): int(number) for number in plan["names"]}
        self._artifacts = Datastore(plan["store"]).artifacts
        self._needed = frozenset(plan["needed"])
        self._started, self._spent = time.monotonic(), 0.0

    def cell_ended(self, result: Any) -> None:
        """Store what the names hold after a cell."""
        number = self._numbers.get(result.info.cell_id)
        if number is None:  # a part of a cell that a magic has executed
            return
        began = time.monotonic()
        if number not in self._needed and self._spent > MOST + SHARE * (began - self._started):
            return
        found = take_snapshot(self._shell.user_ns, self._plan["names"][str(number)], self._artifacts)
        place = Path(self._plan["records"], f"{number}.json")
        place.write_text(json.dumps(to_data(found)), encoding="utf-8")
        if number not in self._needed:
            self._spent += time.monotonic() - began
