"""The law, shown on the real notebook: what you run is what you ship.

Executes ``flight_delays.ipynb`` in a kernel, runs and spins it from the command line, exports it, runs the file on
Metaflow, and compares the two runs value by value. Then the same analysis as a plain notebook,
``flight_delays_plain.ipynb``: converts it to a flow, which proves that the flow gives the notebook's values, and
compares that flow's runs in flownb and in Metaflow. The exit status is 0 if every artifact of every task is the same.
Everything is left in ``build/demo`` to look at.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from execute_notebooks import NOTEBOOKS, ROOT, execute, kernel_environment

sys.path.insert(0, str(ROOT))  # the tests are not installed; what "the same value" means is written once, there

from flownb.equality import same_value

__all__ = ["main"]

FLOW = "FlightDelays"
HOME = ROOT / "build" / "demo"
NOTEBOOK = HOME / "flight_delays.ipynb"
PLAIN_FLOW = "FlightDelaysPlain"
PLAIN = HOME / "flight_delays_plain.ipynb"
CONVERTED = HOME / "converted.ipynb"
PARAMETERS = ["--max_iter", "80"]
STAGES = 9


@dataclass(frozen=True)
class Row:
    """One artifact of one step, compared in all of its tasks."""

    step: str
    tasks: int
    artifact: str
    kind: str
    verdict: str


@contextmanager
def _stage(number: int, text: str) -> Iterator[None]:
    """Announce a stage, and say how long it took."""
    print(f"\n[{number}/{STAGES}] {text}", flush=True)
    started = perf_counter()
    yield
    print(f"      {perf_counter() - started:.1f} s", flush=True)


def _call(command: Sequence[str | Path], *, shown: str, log: str = "") -> None:
    """Run a command in the demo's folder, showing its output indented, or keeping it in a file of that name.

    Raises
    ------
    SystemExit
        If it fails, after the end of its output was shown.
    """
    print(f"      $ {shown}", flush=True)
    done = subprocess.run(command, cwd=HOME, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    output = done.stdout + done.stderr
    if log:
        (HOME / log).write_text(output, encoding="utf-8")
    lines = output.splitlines()
    if done.returncode:
        lines = [*lines[-40:], f"failed with exit status {done.returncode}"]
    elif log:
        lines = [f"{len(lines)} lines of its log are in {(HOME / log).relative_to(ROOT)}"]
    print("\n".join(f"      {line}".rstrip() for line in lines), flush=True)
    if done.returncode:
        raise SystemExit(1)


def _environment() -> dict[str, str]:
    """The demo's own Metaflow and Jupyter, whatever this machine is configured for."""
    kept = {name: value for name, value in kernel_environment(HOME / "jupyter").items() if name[:9] != "METAFLOW_"}
    return {
        **kept,
        "METAFLOW_HOME": str(HOME / "metaflow-home"),
        "METAFLOW_USER": "demo",
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(HOME),
    }


def _lend_classes(flow_py: Path) -> None:
    """Let artifacts unpickle here: they were pickled while flow.py was ``__main__``."""
    spec = importlib.util.spec_from_file_location("flow", flow_py)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["flow"] = module
    spec.loader.exec_module(module)
    for name, value in vars(module).items():
        if isinstance(value, type) and value.__module__ == "flow":
            vars(sys.modules["__main__"]).setdefault(name, value)


Tasks = dict[str, dict[int | None, dict[str, Any]]]
"""Artifacts, loaded when they are asked for, by name; by foreach index; by step."""


def _flownb_tasks(flow: str) -> Tasks:
    """The tasks of a flow's latest run."""
    from flownb import Flow
    from flownb.store.datastore import Datastore

    run = Flow(flow, datastore=Datastore(HOME / ".flownb")).latest_successful_run
    assert run is not None
    return {step.id: {task.index: {a.id: a for a in task} for task in step} for step in run}


def _metaflow_tasks(flow: str) -> Tasks:
    """The tasks of the latest run in Metaflow, through Metaflow's own client."""
    import metaflow

    metaflow.namespace(None)
    run = metaflow.Flow(flow).latest_successful_run
    tasks: Tasks = {}
    for step in run:
        for task in step:
            stack = task["_foreach_stack"].data if "_foreach_stack" in task else []
            mine = {one.id: one for one in task if not one.id.startswith("_") and one.id != "name"}
            tasks.setdefault(step.id, {})[stack[-1].index if stack else None] = mine
    return tasks


class _Comparison:
    """Compares artifacts, each pair of contents once: most are inherited from step to step."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[bool, str]] = {}

    def __call__(self, ours: Any, theirs: Any) -> tuple[bool, str]:
        """Whether the values are the same, and what they are."""
        pair = (ours.sha, theirs.sha)
        if pair not in self._known:
            value = ours.data
            self._known[pair] = (same_value(value, theirs.data), _kind(value))
        return self._known[pair]


def _kind(value: Any) -> str:
    """A value's type, with its shape."""
    shape = getattr(value, "shape", ())
    size = "×".join(map(str, shape)) if isinstance(shape, tuple) else ""
    return f"{type(value).__qualname__} {size}".strip()


def _rows(ours: Tasks, theirs: Tasks) -> Iterator[Row]:
    """Compare two runs, step by step in the order they ran."""
    compare = _Comparison()
    for step in [*reversed([*ours]), *(name for name in theirs if name not in ours)]:
        here, there = ours.get(step, {}), theirs.get(step, {})
        if here.keys() != there.keys():
            yield Row(step, len(here), "(tasks)", "", f"NO: {len(here)} tasks here, {len(there)} in Metaflow")
        names = sorted({name for task in (*here.values(), *there.values()) for name in task})
        common = [index for index in here if index in there]
        for name in names:
            yield _row(step, name, [(here[index], there[index]) for index in common], compare)


def _row(step: str, name: str, tasks: list[tuple[dict[str, Any], dict[str, Any]]], compare: _Comparison) -> Row:
    """Compare one artifact in all tasks of a step."""
    kind, verdict = "", "yes" if tasks else "NO: no task to compare"
    for mine, other in tasks:
        if name not in mine or name not in other:
            return Row(step, len(tasks), name, kind, f"NO: {'Metaflow' if name in mine else 'flownb'} lacks it")
        same, kind = compare(mine[name], other[name])
        if not same:
            verdict = f"NO: {kind} differs"
    return Row(step, len(tasks), name, kind, verdict)


def _print_table(rows: list[Row]) -> None:
    """Print the comparison; a step's name stands on its first line."""
    head = Row("step", 0, "artifact", "type", "equal")
    wide = [max(len(getattr(row, name)) for row in (head, *rows)) for name in ("step", "artifact", "kind")]
    print(f"\n      {'step':<{wide[0]}}  tasks  {'artifact':<{wide[1]}}  {'type':<{wide[2]}}  equal")
    last = ""
    for row in rows:
        new = row.step != last
        left = f"{row.step if new else '':<{wide[0]}}  {row.tasks if new else '':>5}"
        print(f"      {left}  {row.artifact:<{wide[1]}}  {row.kind:<{wide[2]}}  {row.verdict}")
        last = row.step
    print()


def main() -> int:
    """Run the demo.

    Returns
    -------
    int
        1 if anything failed or differs.
    """
    started = perf_counter()
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    shutil.copy(NOTEBOOKS / NOTEBOOK.name, NOTEBOOK)
    environment = _environment()
    print(f"flownb demo, in {HOME.relative_to(ROOT)}")
    with _stage(1, "Execute the notebook, cell by cell, in a real kernel"):
        cells = [cell for cell in execute(NOTEBOOK, environment).cells if cell.cell_type == "code"]
        print(f"      {len(cells)} code cells of {NOTEBOOK.name} ran without an error")
    given = " ".join(PARAMETERS)
    with _stage(2, "Run it from the command line: a recorded run"):
        _flownb("run", NOTEBOOK.name, *PARAMETERS)
    with _stage(3, "Spin one of its tasks with another learning rate: nothing is recorded"):
        _flownb("spin", NOTEBOOK.name, "train", "--index", "1", "--set", "learning_rate=0.05")
    with _stage(4, "Export it"):
        _flownb("export", NOTEBOOK.name, "-o", "flow.py")
    with _stage(5, "Run the exported file on Metaflow"):
        _call([sys.executable, "flow.py", "run", *PARAMETERS], shown=f"python flow.py run {given}", log="metaflow.log")
    with _stage(6, "Compare every artifact of every task, by value"):
        rows = _compared(FLOW, HOME / "flow.py")
    with _stage(7, "Convert the plain notebook to a flow, and prove that it gives the same values"):
        shutil.copy(NOTEBOOKS / PLAIN.name, PLAIN)
        _flownb("convert", PLAIN.name, "-o", CONVERTED.name, "--name", PLAIN_FLOW)
    with _stage(8, "Run that flow in flownb, and its export on Metaflow"):
        _flownb("run", CONVERTED.name)
        _flownb("export", CONVERTED.name, "-o", "converted.py")
        _call([sys.executable, "converted.py", "run"], shown="python converted.py run", log="metaflow_converted.log")
    with _stage(9, "Compare these, too"):
        rows += _compared(PLAIN_FLOW, HOME / "converted.py")
    return _verdict(rows, perf_counter() - started)


def _flownb(*words: str) -> None:
    """Call the command of this environment."""
    _call([Path(sys.executable).with_name("flownb"), *words], shown=f"flownb {' '.join(words)}")


def _compared(flow: str, flow_py: Path) -> list[Row]:
    """Compare and print the latest runs of a flow in flownb and in Metaflow."""
    _lend_classes(flow_py)
    rows = [*_rows(_flownb_tasks(flow), _metaflow_tasks(flow))]
    _print_table(rows)
    if not rows:
        return [Row("(flow)", 0, flow, "", "NO: nothing to compare")]
    return rows


def _verdict(rows: list[Row], seconds: float) -> int:
    """Say whether all is the same; the exit status."""
    wrong = [row for row in rows if row.verdict != "yes"]
    count = sum(row.tasks for row in rows)
    if wrong:
        print(f"\n{len(wrong)} of {len(rows)} rows differ ({seconds:.0f} s)")
        return 1
    print(f"\nAll {count} artifacts of both flows are the same in flownb and in Metaflow ({seconds:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
