"""Real Metaflow runs the exported flow: the other side of every fidelity test.

Takes the text of flow.py and command-line arguments; gives the artifacts and foreach stacks of every task of the run.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

__all__ = ["Frame", "MetaflowRun", "Stacks", "Tasks", "resume_in_metaflow", "run_in_metaflow", "run_many_in_metaflow"]

Tasks = dict[str, list[dict[str, object]]]
"""For every step that ran: one dict of artifacts by name for each of its tasks."""

Frame = tuple[str, str, int, int]
"""One open foreach: the step that runs for each item, the artifact, its number of items, the index of the task's."""

Stacks = dict[str, list[tuple[Frame, ...]]]
"""For every step that ran: the open foreachs of each of its tasks, the outermost first."""

_Task = tuple[tuple[Frame, ...], dict[str, object]]

OUTCOME = "outcome.json"


@dataclass(frozen=True)
class MetaflowRun:
    """One finished `python flow.py run`.

    Attributes
    ----------
    folder
        Holds flow.py, the `.metaflow` datastore and the outcome.
    return_code
        Of the run; None if it was killed on time-out.
    output
        Standard output and error, interleaved.
    """

    folder: Path
    return_code: int | None
    output: str

    def tasks(self) -> Tasks:
        """Give the artifacts of every task of the run.

        Returns
        -------
        Tasks
            Steps by name. Tasks by foreach index (the outermost first), then by creation. Inherited
            artifacts are there too; names with a leading `_`, and `name`, are Metaflow's own and
            left out. Instances of classes of flow.py are instances of classes of an imported copy
            of it, whose module name is not `__main__`.

        Raises
        ------
        AssertionError
            If the run failed, with the last 40 lines of its output.
        """
        found = self._read()
        return {step: [artifacts for _, artifacts in tasks] for step, tasks in found.items()}

    def stacks(self) -> Stacks:
        """Give the foreach stack of every task of the run, in the order of `tasks`.

        Raises
        ------
        AssertionError
            If the run failed.
        """
        return {step: [stack for stack, _ in tasks] for step, tasks in self._read().items()}

    def _read(self) -> dict[str, list[_Task]]:
        """Give the tasks of a run that went well."""
        if self.return_code != 0:
            how = "was killed on time-out" if self.return_code is None else "failed"
            tail = "\n".join(self.output.splitlines()[-40:])
            raise AssertionError(f"Metaflow's run of {self.folder / 'flow.py'} {how}:\n{tail}")
        return _read_tasks(self.folder)


def run_in_metaflow(flow_py: str, folder: Path, *arguments: str, timeout_seconds: float = 120.0) -> Tasks:
    """Run one flow in real Metaflow and give its artifacts.

    Parameters
    ----------
    flow_py
        The whole text of flow.py.
    folder
        Where it is written and run; made if missing. Must not hold an earlier run.
    arguments
        For `run`, such as `--alpha`, `0.2`.
    timeout_seconds
        The run and its tasks are killed after so long.

    Returns
    -------
    Tasks
        See `MetaflowRun.tasks`.

    Raises
    ------
    AssertionError
        If the run failed or timed out, with the last lines of its output.
    """
    return _run(flow_py, folder, arguments, timeout_seconds).tasks()


def resume_in_metaflow(
    before: str, flow_py: str, folder: Path, *arguments: str, timeout_seconds: float = 120.0
) -> Tasks:
    """Run one text of a flow in real Metaflow, which may fail, then resume that run with another text.

    Parameters
    ----------
    before, flow_py
        The whole texts of flow.py.
    folder
        Where it is written and run; made if missing. Must not hold an earlier run.
    arguments
        For `resume`, such as a step's name.
    timeout_seconds
        For the run, and for the resume.

    Returns
    -------
    Tasks
        Of the resumed run, see `MetaflowRun.tasks`.

    Raises
    ------
    AssertionError
        If the resume failed or timed out, with the last lines of its output.
    """
    _run(before, folder, (), timeout_seconds)
    resumed = _run(flow_py, folder, arguments, timeout_seconds, command="resume")
    for latest in folder.glob(".metaflow/*/latest_run"):  # a resume leaves it as it was
        latest.write_text(max((path.name for path in latest.parent.iterdir() if path.name.isdigit()), key=int))
    return resumed.tasks()


def run_many_in_metaflow(
    flows: Mapping[str, str],
    folder: Path,
    *arguments: str,
    workers: int = 4,
    timeout_seconds: float = 120.0,
) -> dict[str, MetaflowRun]:
    """Run many flows side by side, each once for each distinct text.

    Parameters
    ----------
    flows
        Texts of flow.py by any name of the caller's.
    folder
        Where all is kept, one folder for each text. A folder that outlives the session (pytest's
        cache) makes the next session run only the flows whose text or arguments changed, or all if
        Python or an installed package did; failed runs are run again.
    arguments
        For every flow's `run`.
    workers
        Flows at a time. Each is at most two busy processes: its scheduler and a task.
    timeout_seconds
        For each flow.

    Returns
    -------
    dict of MetaflowRun
        By the caller's names. A failed run raises only when its tasks are asked for.
    """

    def run(text: str) -> MetaflowRun:
        home = folder / _digest(text, arguments)
        return _recall(home) or _run_aside(text, home, arguments, timeout_seconds)

    with ThreadPoolExecutor(workers) as pool:
        texts = list(dict.fromkeys(flows.values()))
        runs = dict(zip(texts, pool.map(run, texts), strict=True))
    return {name: runs[text] for name, text in flows.items()}


def _digest(flow_py: str, arguments: tuple[str, ...]) -> str:
    """Name all that a run's artifacts depend on."""
    parts = json.dumps([flow_py, arguments, sys.version, _installed()])
    return hashlib.sha256(parts.encode()).hexdigest()[:20]


@cache
def _installed() -> list[str]:
    """Give name and version of every installed package but flownb, which flow.py never imports."""
    found = importlib.metadata.distributions()
    return sorted(f"{package.name}=={package.version}" for package in found if package.name != "flownb")


def _recall(folder: Path) -> MetaflowRun | None:
    """Give the successful run that an earlier session left in the folder."""
    try:
        outcome = json.loads((folder / OUTCOME).read_text("utf-8"))
    except FileNotFoundError:
        return None
    return MetaflowRun(folder, **outcome) if outcome["return_code"] == 0 else None


def _run_aside(flow_py: str, home: Path, arguments: tuple[str, ...], timeout_seconds: float) -> MetaflowRun:
    """Run in a folder of this process's own, then move it into place: pytest-xdist shares `home`."""
    aside = home.with_name(f"{home.name}-{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    run = _run(flow_py, aside, arguments, timeout_seconds)
    if run.return_code != 0:
        return run
    shutil.rmtree(home, ignore_errors=True)
    try:
        aside.rename(home)
    except OSError:
        return run
    return MetaflowRun(home, run.return_code, run.output)


def _run(
    flow_py: str, folder: Path, arguments: tuple[str, ...], timeout_seconds: float, *, command: str = "run"
) -> MetaflowRun:
    """Write flow.py and run or resume it to its end or to the time-out."""
    folder.mkdir(parents=True, exist_ok=True)
    # Bytes, so that no newline of the source is translated.
    (folder / "flow.py").write_bytes(flow_py.encode("utf-8"))
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "flow.py", "--no-pylint", command, *arguments],
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return_code: int | None = process.wait(timeout_seconds)
        except BaseException as error:
            # Its session holds the tasks too; a task in flight must not outlive the test.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return_code = None
    text = (folder / "output.txt").read_text("utf-8", errors="replace")
    outcome = {"return_code": return_code, "output": text}
    (folder / OUTCOME).write_text(json.dumps(outcome), "utf-8")
    return MetaflowRun(folder, return_code, text)


def _environment(folder: Path) -> dict[str, str]:
    """Give a run nothing of the caller's environment but the paths it needs."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(folder.resolve()),
        "METAFLOW_USER": "tester",
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder.resolve()),
    }


def _read_tasks(folder: Path) -> dict[str, list[_Task]]:
    """Read the folder's newest run, of whatever flow, out of Metaflow's local datastore.

    The layout is that of Metaflow 2.19.39 (datastore/task_datastore.py and
    datastore/content_addressed_store.py), written down in METAFLOW.md.
    """
    newest = sorted(folder.glob(".metaflow/*/latest_run"), key=lambda path: path.stat().st_mtime_ns)
    assert newest, f"{folder} ended well and ran no flow: is flow.py's last line missing?"
    latest = newest[-1]
    flow = latest.parent
    run = flow / latest.read_text().strip()
    classes = _FlowFile(folder / "flow.py")
    steps: dict[str, list[_Task]] = {}
    for step in sorted(run.iterdir()):
        if step.name.startswith("_"):
            continue
        tasks = [_read_task(task, flow / "data", classes) for task in _task_folders(step)]
        steps[step.name] = sorted(tasks, key=lambda task: [index for *_, index in task[0]])
    return steps


def _task_folders(step: Path) -> Iterator[Path]:
    """Give the folders of a step's tasks, oldest first."""
    yield from sorted((p for p in step.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))


def _read_task(task: Path, blobs: Path, classes: _FlowFile) -> _Task:
    """Give a task's foreach stack and the artifacts of its last finished attempt."""
    attempt = max(int(path.name.split(".")[0]) for path in task.glob("*.DONE.lock"))
    data = json.loads((task / f"{attempt}.data.json").read_text("utf-8"))
    for name, info in data["info"].items():
        assert "pickle" in info["encoding"], f"{task}: {name} is stored as {info['encoding']}"

    def load(name: str) -> object:
        key = data["objects"][name]
        return _Unpickler(_read_blob(blobs / key[:2] / key), classes).load()

    stack = load("_foreach_stack") if "_foreach_stack" in data["objects"] else []
    assert isinstance(stack, list)
    names = (name for name in data["objects"] if name[0] != "_" and name != "name")
    frames = tuple((frame.step, frame.var, frame.num_splits, frame.index) for frame in stack)
    return frames, {name: load(name) for name in sorted(names)}


def _read_blob(path: Path) -> io.BytesIO:
    """Give a blob's content, which its `_meta` file says is raw or gzipped."""
    meta = json.loads(path.with_name(f"{path.name}_meta").read_text("utf-8"))
    content = path.read_bytes()
    return io.BytesIO(content if meta["cas_raw"] else gzip.decompress(content))


class _FlowFile:
    """flow.py as a module, imported when the first artifact asks for one of its classes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = f"flow_in_metaflow_{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"

    def module(self) -> ModuleType:
        """Give the one module of this text, so that equal texts share their classes."""
        if self._name in sys.modules:
            return sys.modules[self._name]
        spec = importlib.util.spec_from_file_location(self._name, self._path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Dataclasses look their own module up while it is still being executed.
        sys.modules[self._name] = module
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[self._name]
            raise
        return module


class _Unpickler(pickle.Unpickler):
    """Reads what a task pickled while flow.py was `__main__`."""

    def __init__(self, file: io.BytesIO, classes: _FlowFile) -> None:
        super().__init__(file)
        self._classes = classes

    def find_class(self, module: str, name: str) -> object:
        """Look `__main__` up in flow.py, all else where it says."""
        if name == "ForeachFrame":
            # Metaflow says `__main__` of this class of its own (metaflow/tuple_util.py, 2.19.39).
            module = "metaflow.tuple_util"
        if module != "__main__":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return super().find_class(module, name)
        found: object = self._classes.module()
        for part in name.split("."):
            found = getattr(found, part)
        return found
