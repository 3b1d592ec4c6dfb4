"""Attempts of a flow of ours, run in the zygote so that the workers it forks execute code that Python knows well.

Python specialises code that has run several times, and remembers what it looked up in classes. A worker runs nearly
all of its code for the first and only time, which takes a third longer; but it inherits what its zygote has learned. So
the zygote runs some attempts itself: of these cells, into a datastore that is removed afterwards, and none of the
user's code.
"""

from __future__ import annotations

import linecache
import sys
import tempfile
from dataclasses import replace

from flownb.cells.cell import read_cell
from flownb.flow.build_graph import build_graph, complete_graph
from flownb.flow.definition import define_flow
from flownb.runtime.attempt import AttemptOptions, run_attempt
from flownb.runtime.capture import flush_figures
from flownb.runtime.program import Program, module_name
from flownb.runtime.shipping import forget_module
from flownb.runtime.task import TaskResult, TaskSpec
from flownb.store.datastore import Datastore
from flownb.store.records import ForeachFrame, RunRecord, to_json

__all__ = ["rehearse"]

FLOW, RUN = "FlownbRehearsal", "1"
CELLS = (
    f'%%flow {FLOW}\nn = Parameter("n", default=1)',
    "%%step start -> xs, k\nxs, k = [self.n], 0",
    "%%step each --foreach xs -> y\ny = self.input + k",
    "%%step gather --join -> y\ny = sum(one.y for one in inputs)",
)
# Python specialises a function at its eighth call, and each instruction when it is executed after that.
TIMES = 5


def rehearse() -> list[TaskResult]:
    """Run attempts; returns what they left."""
    lines = dict(linecache.cache)
    flow = define_flow([read_cell(cell) for cell in CELLS])
    program = Program(flow, complete_graph(build_graph(flow)), file="flow.py")
    try:
        return _run_attempts(program)
    finally:
        sys.modules.pop(module_name(FLOW), None)
        forget_module(program)
        linecache.cache.clear()  # the cells of this flow are in it
        linecache.cache.update(lines)


def _run_attempts(program: Program) -> list[TaskResult]:
    """Run a step and an item of its foreach, several times."""
    results = []
    with tempfile.TemporaryDirectory(prefix="flownb-", ignore_cleanup_errors=True) as folder:
        datastore = Datastore(folder)
        datastore.storage.write(f"flows/{FLOW}/{RUN}/run.json", to_json(RunRecord(FLOW, RUN, "run", started=1.0)))
        options = AttemptOptions(datastore, finish=flush_figures, alone=True)
        given = {"n": datastore.artifacts.save(1, name="n")}
        first = TaskSpec("start", RUN, "1", given=given)
        for _ in range(TIMES):
            started = run_attempt(program, first, datastore, options)
            frames = (ForeachFrame("start", "xs", 1, 0),)
            item = replace(first, step="each", task="2", parents=(started.record,), frames=frames)
            results += [started, run_attempt(program, item, datastore, options)]
    return results
