"""Whole flows: the original on Metaflow, its notebook run here and the notebook's export leave the same artifacts.

Each folder of `flows` is a flow.py as one finds them in public, with the modules and the data that it needs. Its
notebook is what `flownb import` makes of it.
"""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flownb.cells.notebook import document_text
from flownb.client import Flow
from flownb.flow_file.notebook import chosen_flow, notebook_of
from flownb.flow_file.reading import read_flow_path
from flownb.store.datastore import Datastore
from tests.fidelity.metaflow_peer import MetaflowRun, Tasks, copy_beside, run_many_in_metaflow
from tests.fidelity.notebook_side import differences, stacks_in, tasks_of
from tests.flow_file.trees import arranged

FLOWS = Path(__file__).parent / "flows"
NAMES = sorted(path.parent.name for path in FLOWS.glob("*/flow.py"))
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "given_parameters": tuple("--alpha 2 --rows [1,2.5] --learning-rate 0.3 --dry true --table table.txt".split()),
}
"""What `run` is given, of the flows that are not run with their defaults."""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.xdist_group("metaflow")
def test_flow_is_the_same_three_times(name: str, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """The flow on Metaflow, its notebook here, and the notebook's export on Metaflow leave equal tasks.

    And the export's syntax tree is the flow's.
    """
    home = Path(pytestconfig.cache.mkdir("metaflow_runs")) if pytestconfig.cache is not None else tmp_path / "metaflow"
    text = (FLOWS / name / "flow.py").read_text("utf-8")
    notebook = write_notebook(FLOWS / name, tmp_path / name)
    arguments = ARGUMENTS.get(name, ())
    with ThreadPoolExecutor(2) as pool:
        exported = pool.submit(flownb, "export", notebook.name, "-o", "-", cwd=notebook.parent)
        ran = pool.submit(flownb, "run", notebook.name, *arguments, cwd=notebook.parent)
        original = on_metaflow(text, name, home)
        with importable(original.folder):
            theirs = comparable(original.tasks(), original.folder)
            ran.result()
            run = Flow(
                chosen_flow(read_flow_path(FLOWS / name / "flow.py")).name,
                datastore=Datastore(notebook.parent / ".flownb"),
            ).latest_run
            assert run is not None
            ours = comparable(tasks_of(run, [step.id for step in run]), notebook.parent)
            assert differences(ours, theirs) == []
            assert stacks_in(run, original.targets()) == original.stacks()
            assert arranged(exported.result()) == arranged(text)
            export = on_metaflow(exported.result(), name, home)
            assert differences(comparable(export.tasks(), export.folder), theirs) == []
            assert (export.targets(), export.stacks()) == (original.targets(), original.stacks())


def write_notebook(flow: Path, folder: Path) -> Path:
    """Make the notebook of a flow in a folder that has the flow's modules and data, and nothing else."""
    copy_beside(flow, folder)
    document, _ = notebook_of(read_flow_path(flow / "flow.py"))
    (folder / "flow.ipynb").write_text(document_text(document), "utf-8")
    return folder / "flow.ipynb"


def flownb(*words: str, cwd: Path) -> str:
    """What a command prints that must go well; a test that fails shows the end of what it said."""
    command = [sys.executable, "-m", "flownb.cli.main", *words]
    done = subprocess.run(command, cwd=cwd, env=environment(cwd), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"flownb {words[0]} failed:\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """The paths, and for the rest what Metaflow's runs have too."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", "HOME": str(folder.resolve()), "METAFLOW_USER": "tester"}


def on_metaflow(text: str, name: str, home: Path) -> MetaflowRun:
    """Real Metaflow's run of a text beside the flow's files; pytest's cache spares those that did not change."""
    return run_many_in_metaflow({name: text}, home, *ARGUMENTS.get(name, ()), beside=FLOWS / name)[name]


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let classes of a flow's own modules be loaded meanwhile, and forget these modules then."""
    before, path = set(sys.modules), list(sys.path)
    sys.path[:0] = [str(folder), str(folder / "src")]
    try:
        yield
    finally:
        sys.path[:] = path
        for module in set(sys.modules) - before:
            if str(getattr(sys.modules[module], "__file__", "")).startswith(str(folder)):
                del sys.modules[module]


def comparable(tasks: Tasks, folder: Path) -> Tasks:
    """Artifacts without those of Metaflow's own, each as the client gives it; of what `@catch` kept, type and text."""

    def plain(value: Any) -> Any:
        kind = type(value).__name__
        if kind == "MetaflowExceptionWrapper":
            # The text of a time-out has the frames of what ran the step.
            return [value.type, None if value.type.endswith("TimeoutException") else value.exception]
        return included(value.descriptor, folder) if kind == "IncludedFile" else value

    return {
        step: [{name: plain(value) for name, value in task.items() if name[0] != "_"} for task in found]
        for step, found in tasks.items()
    }


def included(about: dict[str, Any], folder: Path) -> object:
    """The content of an included file, which Metaflow keeps apart; the run's folder was moved since."""
    blob = Path(*Path(about["url"]).parts[-3:])
    content = gzip.decompress((folder / blob).read_bytes())
    return io.TextIOWrapper(io.BytesIO(content), about["encoding"]).read() if about["is_text"] else content
