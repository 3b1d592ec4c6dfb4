"""What a run left in Metaflow's local datastore: artifacts, foreach stacks and the graph.

The layout is that of Metaflow 2.19.39 (datastore/task_datastore.py and datastore/content_addressed_store.py).
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import json
import pickle
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["FlowFile", "Frame", "Stacks", "Task", "Tasks", "read_stdout", "read_targets", "read_tasks"]

Tasks = dict[str, list[dict[str, object]]]
"""For every step that ran: one dict of artifacts by name for each of its tasks."""

Frame = tuple[str, str, int, int]
"""One open foreach: the step that runs for each item, the artifact, its number of items, the index of the task's."""

Stacks = dict[str, list[tuple[Frame, ...]]]
"""For every step that ran: the open foreachs of each of its tasks, the outermost first."""

Task = tuple[tuple[Frame, ...], dict[str, object]]
"""A task's open foreachs and its artifacts."""


def read_targets(folder: Path) -> dict[str, list[str]]:
    """Read of the newest run of a folder the steps that each step's transition names.

    Parameters
    ----------
    folder
        Holds flow.py and `.metaflow`.

    Returns
    -------
    dict of list of str
        By step; empty for the last.
    """
    run = _newest_run(folder)
    (task,) = _task_folders(run / "_parameters")
    graph = _read_artifacts(task, run.parent / "data", FlowFile(folder / "flow.py"))("_graph_info")
    assert isinstance(graph, dict)
    return {name: step["next"] for name, step in graph["steps"].items()}


def read_tasks(folder: Path) -> dict[str, list[Task]]:
    """Read the tasks of the newest run of a folder, of whatever flow: a foreach's by index, then by creation.

    Parameters
    ----------
    folder
        Holds flow.py and `.metaflow`.

    Returns
    -------
    dict of list of Task
        By step.
    """
    run = _newest_run(folder)
    classes = FlowFile(folder / "flow.py")
    steps: dict[str, list[Task]] = {}
    for step in sorted(run.iterdir()):
        if step.name.startswith("_"):
            continue
        tasks = [_read_task(task, run.parent / "data", classes) for task in _task_folders(step)]
        steps[step.name] = sorted(tasks, key=lambda task: [index for *_, index in task[0]])
    return steps


def read_stdout(folder: Path) -> dict[str, str]:
    """Read what the tasks of each step of the newest run of a folder wrote to stdout.

    Parameters
    ----------
    folder
        Holds flow.py and `.metaflow`.
    """
    found: dict[str, str] = {}
    for step in _newest_run(folder).iterdir():
        if not step.name.startswith("_"):
            logs = [max(task.glob("*.runtime_stdout.log")) for task in _task_folders(step)]
            text = "".join(log.read_text("utf-8", errors="replace") for log in logs)
            found[step.name] = re.sub(r"(?m)^\[MFLOG\|[^\]\n]*\]", "", text)
    return found


def _newest_run(folder: Path) -> Path:
    """Give the folder of the newest run, of whatever flow."""
    newest = sorted(folder.glob(".metaflow/*/latest_run"), key=lambda path: path.stat().st_mtime_ns)
    assert newest, f"{folder} ended well and ran no flow: is flow.py's last line missing?"
    return newest[-1].parent / newest[-1].read_text().strip()


def _task_folders(step: Path) -> Iterator[Path]:
    """Give the folders of a step's tasks, oldest first."""
    yield from sorted((p for p in step.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))


def _read_task(task: Path, blobs: Path, classes: FlowFile) -> Task:
    """Give a task's foreach stack and the artifacts of its last finished attempt."""
    data = _task_data(task)
    load = _read_artifacts(task, blobs, classes)
    stack = load("_foreach_stack") if "_foreach_stack" in data["objects"] else []
    assert isinstance(stack, list)
    names = (name for name in data["objects"] if name[0] != "_" and name != "name")
    frames = tuple((frame.step, frame.var, frame.num_splits, frame.index) for frame in stack)
    return frames, {name: load(name) for name in sorted(names)}


def _task_data(task: Path) -> dict[str, Any]:
    """Give what a task's last finished attempt recorded of its artifacts."""
    attempt = max(int(path.name.split(".")[0]) for path in task.glob("*.DONE.lock"))
    data: dict[str, Any] = json.loads((task / f"{attempt}.data.json").read_text("utf-8"))
    for name, info in data["info"].items():
        assert "pickle" in info["encoding"], f"{task}: {name} is stored as {info['encoding']}"
    return data


def _read_artifacts(task: Path, blobs: Path, classes: FlowFile) -> Callable[[str], object]:
    """Give what loads an artifact of a task by its name."""
    keys = _task_data(task)["objects"]

    def load(name: str) -> object:
        return _Unpickler(_read_blob(blobs / keys[name][:2] / keys[name]), classes).load()

    return load


def _read_blob(path: Path) -> io.BytesIO:
    """Give a blob's content, which its `_meta` file says is raw or gzipped."""
    meta = json.loads(path.with_name(f"{path.name}_meta").read_text("utf-8"))
    content = path.read_bytes()
    return io.BytesIO(content if meta["cas_raw"] else gzip.decompress(content))


class FlowFile:
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

    def find(self, name: str) -> object:
        """Give what flow.py calls by a dotted name."""
        found: object = self.module()
        for part in name.split("."):
            found = getattr(found, part)
        return found


class _Unpickler(pickle.Unpickler):
    """Reads what a task pickled while flow.py was `__main__`."""

    def __init__(self, file: io.BytesIO, classes: FlowFile) -> None:
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
        return self._classes.find(name)
