"""Real Metaflow runs the exported flow: the other side of every fidelity test.

It runs the text of a flow.py with command-line arguments, and reads the artifacts and foreach stacks of every task.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.fidelity.metaflow_store import Frame, Stacks, Task, Tasks, read_targets, read_tasks

__all__ = [
    "Frame",
    "MetaflowRun",
    "Stacks",
    "Tasks",
    "copy_beside",
    "resume_in_metaflow",
    "run_in_metaflow",
    "run_many_in_metaflow",
]

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

    def targets(self) -> dict[str, list[str]]:
        """Give for each step of the flow the steps that its transition names, as Metaflow recorded its graph."""
        return read_targets(self.folder)

    def stacks(self) -> Stacks:
        """Give the foreach stack of every task of the run, in the order of `tasks`.

        Raises
        ------
        AssertionError
            If the run failed.
        """
        return {step: [stack for stack, _ in tasks] for step, tasks in self._read().items()}

    def _read(self) -> dict[str, list[Task]]:
        """Give the tasks of a run that went well."""
        if self.return_code != 0:
            how = "was killed on time-out" if self.return_code is None else "failed"
            tail = "\n".join(self.output.splitlines()[-40:])
            raise AssertionError(f"Metaflow's run of {self.folder / 'flow.py'} {how}:\n{tail}")
        return read_tasks(self.folder)


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
    beside: Path | None = None,
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
    beside
        A folder whose files, its flow.py excepted, are copied beside each flow: modules it imports, data it reads.
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
        home = folder / _digest(text, arguments, beside)
        with _alone(home):
            return _recall(home) or _run_aside(text, home, arguments, timeout_seconds, beside)

    with ThreadPoolExecutor(workers) as pool:
        texts = list(dict.fromkeys(flows.values()))
        runs = dict(zip(texts, pool.map(run, texts), strict=True))
    return {name: runs[text] for name, text in flows.items()}


def _digest(flow_py: str, arguments: tuple[str, ...], beside: Path | None) -> str:
    """Name all that a run's artifacts depend on."""
    parts = [flow_py, arguments, sys.version, _installed()]
    if beside is not None:
        files = (path for path in sorted(beside.rglob("*")) if path.is_file() and not _is_left_out(path, beside))
        parts.append([(str(path.relative_to(beside)), path.read_bytes().hex()) for path in files])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


def copy_beside(beside: Path, folder: Path) -> None:
    """Copy what is beside a flow.py, and in folders beside it, into a new place of the flow.

    Parameters
    ----------
    beside
        The folder of the flow. Its flow.py and what Python compiled are not copied.
    folder
        Made if missing.
    """
    shutil.copytree(
        beside,
        folder,
        ignore=lambda where, names: [name for name in names if _is_left_out(Path(where, name), beside)],
        dirs_exist_ok=True,
    )


def _is_left_out(path: Path, beside: Path) -> bool:
    """Tell whether a file beside a flow is the flow itself, or made by Python."""
    return path == beside / "flow.py" or "__pycache__" in path.parts


@cache
def _installed() -> list[str]:
    """Give name and version of every installed package but flownb, which flow.py never imports."""
    found = importlib.metadata.distributions()
    return sorted(f"{package.name}=={package.version}" for package in found if package.name != "flownb")


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Let other processes of pytest-xdist, which share `home`, wait for a run instead of repeating it."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _recall(folder: Path) -> MetaflowRun | None:
    """Give the successful run that an earlier session left in the folder."""
    try:
        outcome = json.loads((folder / OUTCOME).read_text("utf-8"))
    except FileNotFoundError:
        return None
    return MetaflowRun(folder, **outcome) if outcome["return_code"] == 0 else None


def _run_aside(
    flow_py: str, home: Path, arguments: tuple[str, ...], timeout_seconds: float, beside: Path | None
) -> MetaflowRun:
    """Run in a folder of this process's own, then move it into place: pytest-xdist shares `home`."""
    aside = home.with_name(f"{home.name}-{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    if beside is not None:
        copy_beside(beside, aside)
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
