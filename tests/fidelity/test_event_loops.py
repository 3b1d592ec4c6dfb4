"""Event loops of steps: the same in a kernel, whose own loop is running, in a run, and on real Metaflow."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from flownb.client import Run
from flownb.session.export import export_flow
from flownb.session.options import RunOptions
from flownb.session.run import begin_run, run_flow
from flownb.session.session import Session
from tests.fidelity.metaflow_peer import Tasks, run_many_in_metaflow
from tests.fidelity.notebook_side import cell_by_cell, differences, notebook_session, tasks_of

FACTS = """%%shared
import asyncio, signal, threading, warnings
import anyio

def said(call):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", DeprecationWarning)
        try:
            found = call()
        except RuntimeError as error:
            return [type(error).__name__, str(error)]
    return [type(found).__name__, [str(one.message) for one in seen if one.category is DeprecationWarning]]

async def answer(value=42):
    await asyncio.sleep(0)
    return value

async def forever():
    await asyncio.sleep(1000)
"""
BODIES = {
    "running": "seen = said(asyncio.get_running_loop)",
    "current": "seen = said(asyncio.get_event_loop)\n"
    "value = asyncio.get_event_loop().run_until_complete(answer())\n"
    "same = asyncio.get_event_loop() is asyncio.get_event_loop()",
    "after_run": "value = asyncio.run(answer())\nseen = said(asyncio.get_event_loop)",
    "twice": "value = [asyncio.run(answer(one)) for one in range(3)]",
    "new": "loop = asyncio.new_event_loop()\nasyncio.set_event_loop(loop)\n"
    "value = loop.run_until_complete(answer())\nseen = said(asyncio.get_event_loop)",
    "pending": "loop = asyncio.get_event_loop()\ntask = loop.create_task(forever())\n"
    "value = loop.run_until_complete(answer())\nopen = not task.done()\ndel task, loop",
    "policy": "class Own(asyncio.DefaultEventLoopPolicy):\n    pass\nasyncio.set_event_loop_policy(Own())\n"
    "seen = type(asyncio.get_event_loop_policy()).__name__\nvalue = asyncio.run(answer())",
    "default_policy": "seen = type(asyncio.get_event_loop_policy()).__name__",
    "any": "value = anyio.run(answer)",
    "task": "seen = said(asyncio.current_task)\nvalue = said(asyncio.all_tasks)",
    "thread": "value = []\nlook = lambda: value.append(said(asyncio.get_event_loop))\n"
    "thread = threading.Thread(target=look, name='other')\nthread.start()\nthread.join()\ndel thread, look",
    "signals": "loop = asyncio.get_event_loop()\nloop.add_signal_handler(signal.SIGUSR1, loop.stop)\n"
    "loop.call_soon(signal.raise_signal, signal.SIGUSR1)\nloop.run_forever()\nvalue = 'stopped'\ndel loop",
    "program": "async def program():\n    process = await asyncio.create_subprocess_exec('true')\n"
    "    return await process.wait()\nvalue = asyncio.run(program())",
    "iterate": "async def count():\n    for one in range(3):\n        yield one\n"
    "async def total():\n    return [one async for one in count()]\nvalue = asyncio.run(total())",
}
NAMES = "seen, value, same, open"


def steps_of(bodies: dict[str, str]) -> list[str]:
    """Step cells that capture what their bodies set."""
    cells = []
    for name, body in bodies.items():
        captures = ", ".join(one for one in NAMES.split(", ") if f"{one} = " in body)
        cells.append(f"%%step {name} -> {captures}\n{body}\n")
    return cells


NOTEBOOKS = {
    "steps": [FACTS, *steps_of(BODIES)],
    # What shared code does with loops is seen by the step: both belong to one process.
    "shared_run": [
        "%%shared\nimport asyncio\nasync def answer():\n    return 42\nSHARED = asyncio.run(answer())\n",
        "%%step first -> value, seen\nvalue = SHARED\ntry:\n    asyncio.get_event_loop()\n    seen = ''\n"
        "except RuntimeError as error:\n    seen = str(error)\n",
    ],
    "shared_loop": [
        "%%shared\nimport asyncio\nLOOP = asyncio.new_event_loop()\nasyncio.set_event_loop(LOOP)\n",
        "%%step first -> value\nvalue = asyncio.get_event_loop() is LOOP\n",
    ],
}


@pytest.mark.xdist_group("metaflow")
def test_loops_are_those_of_a_process_of_its_own(tmp_path: Path) -> None:
    """Loops, policies, warnings and errors are the same in a kernel, in a run and on Metaflow, step for step."""
    texts = {name: export_flow(notebook_session(cells, tmp_path / name)) for name, cells in NOTEBOOKS.items()}
    theirs = run_many_in_metaflow(texts, tmp_path / "metaflow")
    for name, cells in NOTEBOOKS.items():
        session = notebook_session(cells, tmp_path / name)
        steps = [step.name for step in session.flow.steps]
        on_metaflow = {step: tasks for step, tasks in theirs[name].tasks().items() if step in steps}
        outcome = run_flow(session, RunOptions())
        whole = tasks_of(Run(outcome.pathspec, datastore=session.datastore), steps)
        assert (name, differences(whole, on_metaflow)) == (name, [])
        kernel = notebook_session(cells, tmp_path / name / "kernel")
        assert (name, differences(asyncio.run(_as_in_a_kernel(kernel, steps)), on_metaflow)) == (name, [])


async def _as_in_a_kernel(session: Session, steps: list[str]) -> Tasks:
    """Execute all step cells inside a running loop, and look that it is as it was after each."""
    loop, task, policy = asyncio.get_running_loop(), asyncio.current_task(), asyncio.get_event_loop_policy()
    handler = signal.getsignal(signal.SIGUSR1)
    found = cell_by_cell(session, steps)
    assert asyncio.get_running_loop() is loop is asyncio.get_event_loop()
    assert asyncio.current_task() is task
    assert asyncio.get_event_loop_policy() is policy
    assert signal.getsignal(signal.SIGUSR1) == handler
    # Its own signals and threads still reach it.
    asked = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR2, asked.set)
    signal.raise_signal(signal.SIGUSR2)
    await asked.wait()
    loop.remove_signal_handler(signal.SIGUSR2)
    assert await asyncio.to_thread(lambda: "done") == "done"
    return found


def test_a_step_in_another_thread_has_a_loop_too(tmp_path: Path) -> None:
    """A run that executes its tasks in a thread of the kernel's process gives them a loop; the policy stays."""
    body = "import asyncio\nx = asyncio.get_event_loop().run_until_complete(asyncio.sleep(0, 5))"
    session = notebook_session([f"%%step load -> x\n{body}\n"], tmp_path)
    before = asyncio.get_event_loop_policy()
    run = begin_run(session, RunOptions(executor="inline"))
    run.start()
    run.join()
    assert (run.error, Run(run.pathspec, datastore=session.datastore).data.x) == (None, 5)
    assert asyncio.get_event_loop_policy() is before
