"""A notebook of the corpus through all commands: converted, checked, run, exported, and run on Metaflow.

What comes out is compared with the independent witness of the plain notebook, not with what `flownb convert` says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import nbformat
from nbclient import NotebookClient

from flownb.cells.notebook import document_text, read_document, read_notebook
from flownb.client import Flow
from flownb.store.datastore import Datastore
from tests.convert.corpus_cases import CORPUS, EDITS, Case
from tests.convert.flow_witness import (
    ConvertedStep,
    converted_steps,
    lines_that_differ,
    lost_results,
    values_that_differ,
)
from tests.convert.plain_witness import PlainRun, execute_plain
from tests.fidelity.metaflow_peer import run_many_in_metaflow
from tests.fidelity.metaflow_store import FlowFile, Tasks, read_stdout, read_tasks
from tests.fidelity.notebook_side import differences, tasks_of

__all__ = ["Outcome", "prove"]

CONVERTED = "converted.ipynb"


@dataclass
class Outcome:
    """What became of a notebook.

    Attributes
    ----------
    name : str
    case : Case
    refusal : str
        What `flownb convert` said, if it refused the notebook.
    failure : str
        What failed after a conversion that was proved: the command and its last lines.
    differences : list of str
        Values and lines of the flow that are not those of the plain notebook, here or on Metaflow.
    lost : list of str
        Results of the notebook that the flow does not have.
    unusable : list of str
        Cells of the converted notebook that fail when the whole notebook is executed in a kernel.
    steps, captured : int
        Steps, and captured names that were compared.
    edited : Outcome or None
        What became of the notebook after the edit for which it was refused.
    said : str
        All that `flownb convert` printed.
    seconds : dict of str to float
    """

    name: str
    case: Case
    refusal: str = ""
    failure: str = ""
    differences: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    steps: int = 0
    captured: int = 0
    edited: Outcome | None = None
    said: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether there is a flow with the values and lines of the plain notebook."""
        return not (self.refusal or self.failure or self.differences)

    @property
    def right(self) -> bool:
        """Whether that is what should become of the notebook."""
        if self.refusal:
            return bool(self.case.fails) or (self.edited is not None and self.edited.same and not self.edited.unusable)
        return self.same and not self.unusable and not self.case.fails


class _CommandFailed(Exception):
    """A command ended with an error."""


def prove(name: str, case: Case, work: Path, home: Path) -> Outcome:
    """Take one notebook through all commands.

    Parameters
    ----------
    name : str
    case : Case
    work : Path
        A folder for the converted notebook and its run; it is emptied.
    home : Path
        Keeps runs on Metaflow and of the plain notebook, which are not repeated while nothing changes.
    """
    shutil.rmtree(work, ignore_errors=True)
    outcome = _prove(name, case, work / "given", home, read_document(CORPUS / f"{name}.ipynb"))
    if outcome.refusal and name in EDITS:
        document = read_document(CORPUS / f"{name}.ipynb")
        for before, after in EDITS[name]:
            (cell,) = [one for one in document["cells"] if before in one["source"]]
            cell["source"] = cell["source"].replace(before, after)
        outcome.edited = _prove(name, case, work / "edited", home, document)
    return outcome


def _prove(name: str, case: Case, work: Path, home: Path, document: dict[str, Any]) -> Outcome:
    """Take a notebook through all commands, or as far as it comes."""
    outcome = Outcome(name, case)
    beside = work / "beside"
    shutil.copytree(CORPUS / "data", beside / "data", ignore=shutil.ignore_patterns("__pycache__"))
    if (left := CORPUS / "left" / name).is_dir():
        shutil.copytree(left, beside, dirs_exist_ok=True)
    folder = work / "flow"
    shutil.copytree(beside, folder)
    notebook = folder / f"{name}.ipynb"
    notebook.write_text(document_text(document), encoding="utf-8")
    before = notebook.read_bytes()
    try:
        outcome.said = _command(outcome, "convert", notebook.name, "-o", CONVERTED, folder=folder)
    except _CommandFailed as error:
        outcome.refusal = outcome.said = str(error)
        return outcome
    if notebook.read_bytes() != before:
        outcome.differences.append("the input was changed")
    try:
        _follow(outcome, folder, beside, home, notebook)
    except _CommandFailed as error:
        outcome.failure = str(error)
    return outcome


def _follow(outcome: Outcome, folder: Path, beside: Path, home: Path, notebook: Path) -> None:
    """Check, run and export the flow, run it on Metaflow, and compare."""
    converted = folder / CONVERTED
    _command(outcome, "check", CONVERTED, folder=folder)
    text = _command(outcome, "export", CONVERTED, "-o", "-", folder=folder)
    _command(outcome, "run", CONVERTED, folder=folder)
    began = perf_counter()
    (on_metaflow,) = run_many_in_metaflow({"": text}, home / "metaflow", beside=beside).values()
    outcome.seconds["metaflow"] = perf_counter() - began
    if on_metaflow.return_code != 0:
        raise _CommandFailed("metaflow: " + "\n".join(on_metaflow.output.splitlines()[-25:]))
    plain = execute_plain(notebook, beside, home / "plain")
    steps = converted_steps(converted, plain)
    outcome.steps, outcome.captured = len(steps), sum(len(step.captures) for step in steps)
    outcome.unusable = _cells_that_fail(converted, beside)
    with _importable(on_metaflow.folder):
        _compare(outcome, plain, steps, on_metaflow.folder, folder)


def _compare(outcome: Outcome, plain: PlainRun, steps: list[ConvertedStep], metaflow: Path, folder: Path) -> None:
    """Compare the plain notebook, the run on Metaflow and the run here."""
    chance = outcome.case.chance
    classes = FlowFile(metaflow / "flow.py")

    def find_class(module: str, name: str) -> object:
        return classes.find(name)

    theirs = {step: [artifacts for _, artifacts in tasks] for step, tasks in read_tasks(metaflow).items()}
    values = {step: tasks[0] for step, tasks in theirs.items()}
    last = values["end" if "end" in values else steps[-1].name]
    outcome.differences += values_that_differ(steps, plain, values, find_class, chance=chance)
    outcome.differences += lines_that_differ(steps, plain, read_stdout(metaflow), chance=chance, displays=True)
    outcome.lost = lost_results(outcome.case.results, last, plain, find_class, chance=chance)
    flow = next(cell.name for cell in read_notebook(folder / CONVERTED).cells if cell.kind == "flow")
    run = Flow(flow, datastore=Datastore(folder / ".flownb")).latest_run
    assert run is not None
    ours = tasks_of(run, [step.id for step in run])
    found = differences(_certain(ours, chance), _certain(theirs, chance))
    outcome.differences += [f"flownb run: {one}" for one in found]
    printed = {step.id: "".join(task.stdout for task in step) for step in run}
    lines = lines_that_differ(steps, plain, printed, chance=chance)
    outcome.differences += [f"flownb run: {one}" for one in lines]
    for first, last in outcome.case.together:
        apart = [step.name for step in steps if {first - 1, last - 1} & {*step.cells}]
        if len(apart) > 1:
            outcome.differences.append(f"cells {first} and {last} are in different steps: {apart}")


def _cells_that_fail(converted: Path, beside: Path) -> list[str]:
    """Execute the converted notebook as a user does, from top to bottom, and say which cells fail."""
    notebook = nbformat.read(converted, as_version=4)
    found = []
    with TemporaryDirectory() as work:
        shutil.copytree(beside, work, dirs_exist_ok=True)
        client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": work}}, allow_errors=True)
        client.execute()
    for cell in notebook.cells:
        errors = [f"{one.ename}: {one.evalue}" for one in cell.get("outputs", ()) if one.output_type == "error"]
        errors += [one.text for one in cell.get("outputs", ()) if one.get("name") == "stderr" and "failed" in one.text]
        if errors and "raises-exception" not in cell.metadata.get("tags", ()):
            found.append(f"{cell.source.splitlines()[0]!r} fails: {errors[0].splitlines()[0]}")
    return found


def _certain(tasks: Tasks, chance: Collection[str]) -> Tasks:
    """Artifacts whose values are the same in each run."""
    return {
        step: [{name: value for name, value in task.items() if name not in chance} for task in found]
        for step, found in tasks.items()
    }


def _command(outcome: Outcome, *words: str, folder: Path) -> str:
    """What a command of flownb prints."""
    began = perf_counter()
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = {**kept, "LANG": "C.UTF-8", "HOME": str(folder), "METAFLOW_USER": "tester"}
    command = [sys.executable, "-m", "flownb.cli.main", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )
    outcome.seconds[words[0]] = perf_counter() - began
    if done.returncode:
        raise _CommandFailed(f"flownb {words[0]}: {done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let classes of modules beside the notebook be loaded meanwhile."""
    before, path = {*sys.modules}, [*sys.path]
    sys.path[:0] = [str(folder), str(folder / "data")]
    try:
        yield
    finally:
        sys.path[:] = path
        for module in {*sys.modules} - before:
            if str(getattr(sys.modules[module], "__file__", "")).startswith(str(folder)):
                del sys.modules[module]
