"""The datastore: artifacts, runs and tasks in one folder.

Takes values and records; gives references and records again. Layout below the root::

    store.json                              format version
    blobs/ab/abcd…                          artifacts by content
    flows/FLOW/RUN/run.json                 RunRecord, written once
    flows/FLOW/RUN/end.json                 RunEnd, written once
    flows/FLOW/RUN/ids/TASK                 claimed task ids
    flows/FLOW/RUN/steps/STEP/TASK/ATTEMPT.json
                                            TaskRecord, written once when the attempt has ended
    flows/FLOW/RUN/executions/N.json        working runs only: which tasks are a step's latest results

Every file is written under a temporary name and renamed; ids are taken by making a folder. A process that dies at any
point leaves a store in which everything that was recorded can be read.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flownb.errors import CorruptBlob, NotFound, StoreError, UnpicklableArtifact
from flownb.pathspec import safe_name
from flownb.store.blobs import LocalBlobs, hash_parts, store_error
from flownb.store.encoding import decode, encode
from flownb.store.records import ArtifactRef, RunEnd, RunRecord, TaskRecord, from_json, to_json

__all__ = ["Datastore", "Execution"]

FORMAT = 1
# Encoded values up to this many bytes stand in the manifest itself.
INLINE_BYTES = 1024


@dataclass(frozen=True)
class Execution:
    """One execution of a step in a working run: the tasks it left, in foreach order."""

    step: str
    tasks: tuple[str, ...]
    status: str


class Datastore:
    """Artifacts, runs and tasks below one folder.

    Parameters
    ----------
    root : str or Path
        Need not exist; it is made when something is first written.
    blobs : LocalBlobs, optional
        Where artifacts are; None means below `root`.
    """

    def __init__(self, root: str | Path, *, blobs: LocalBlobs | None = None) -> None:
        self.root = Path(root)
        self.blobs = blobs or LocalBlobs(self.root / "blobs")
        self._tasks: dict[tuple[str, ...], TaskRecord] = {}
        self._next_task: dict[tuple[str, str], int] = {}
        self._checked = False

    # -- artifacts

    def save(self, value: Any, *, name: str, before: ArtifactRef | None = None) -> ArtifactRef:
        """Persist a value.

        Parameters
        ----------
        value : object
        name : str
            The artifact's name, for messages.
        before : ArtifactRef, optional
            What `value` was loaded from, perhaps to be changed in place since.

        Returns
        -------
        ArtifactRef
            `before` itself if the value's content is still the same.

        Raises
        ------
        UnpicklableArtifact
            If the value cannot be pickled.
        StoreError
            If the store cannot be written.
        """
        try:
            encoding, parts = encode(value)
        except Exception as error:
            raise UnpicklableArtifact(
                f"Artifact `{name}` of type {_type_name(value)} cannot be persisted.",
                f"{type(error).__name__}: {error}.",
                f"Keep it local to the step, or store what it was made from (a path, a list) as `{name}`.",
                artifact=name,
            ) from error
        size = _size(parts)
        key = hash_parts(parts, size)
        if before is not None and (key == before.key or key == self._key_again(before)):
            return before
        inline = None
        if size <= INLINE_BYTES:
            inline = base64.b64encode(b"".join(parts)).decode()
        else:
            self._prepare()
            self.blobs.put(parts, key)
        return ArtifactRef(key, encoding, size, _type_name(value), inline)

    def _key_again(self, ref: ArtifactRef) -> str:
        """The key of a stored value that is loaded and encoded anew.

        Pickling what was unpickled need not give the same bytes (shared strings are told apart differently), but doing
        it twice does: this tells a value that a step only read from one that it changed.
        """
        try:
            _, parts = encode(self.load(ref))
        except Exception:  # whatever stands in the way, the value then counts as changed
            return ""
        return hash_parts(parts, _size(parts))

    def load(self, ref: ArtifactRef, *, name: str = "", where: str = "") -> Any:
        """Load a value; each call gives an independent object.

        Parameters
        ----------
        ref : ArtifactRef
        name, where : str
            The artifact's name and the pathspec of its task, for messages.

        Raises
        ------
        CorruptBlob
            If the value is missing or damaged.
        """
        label = f"Artifact `{name}` of {where}" if where else f"Artifact `{name}`"
        try:
            if ref.inline is not None:
                content = bytearray(base64.b64decode(ref.inline))
                if hash_parts([bytes(content)], len(content)) != ref.key:
                    raise CorruptBlob(f"Blob {ref.key} does not match its key.")
                blob = memoryview(content)
            else:
                blob = self.blobs.get(ref.key, ref.size)
        except CorruptBlob as error:
            raise CorruptBlob(
                f"{label} cannot be read.", str(error), "Run its step again; all other artifacts stay readable."
            ) from error
        try:
            return decode(ref.encoding, blob)
        except Exception as error:
            raise StoreError(
                f"{label} of type {ref.type} cannot be loaded.",
                f"{type(error).__name__}: {error}.",
                "Make what it needs importable (a %%shared cell or an installed package), then try again.",
            ) from error

    # -- runs

    def flows(self) -> list[str]:
        """Names of all flows, sorted."""
        return sorted(_folders(self.root / "flows"))

    def run_ids(self, flow: str) -> list[str]:
        """Ids of all runs of a flow, newest first."""
        folder = self.root / "flows" / safe_name(flow)
        return [str(number) for number in sorted((int(i) for i in _folders(folder) if i.isdigit()), reverse=True)]

    def new_run(self, record: RunRecord) -> RunRecord:
        """Take the next free run id of a flow and record the run.

        Parameters
        ----------
        record : RunRecord
            Its id is not looked at.

        Returns
        -------
        RunRecord
            The same with the id it was given.
        """
        self._prepare()
        folder = self.root / "flows" / safe_name(record.flow)
        number = max((int(i) for i in self.run_ids(record.flow)), default=0) + 1
        number = self._take(folder, number)
        record = replace(record, run=str(number))
        self._write(folder / str(number) / "run.json", to_json(record))
        return record

    def run(self, flow: str, run: str) -> RunRecord:
        """Read a run's record.

        Raises
        ------
        NotFound
            If there is no such run.
        """
        path = self._run_folder(flow, run) / "run.json"
        record = self._read(RunRecord, path)
        if record is None:
            known = ", ".join(self.run_ids(flow)[:5]) or "none"
            raise NotFound(f"Run {flow}/{run} does not exist.", f"The newest runs are: {known}.", "Name one of these.")
        assert isinstance(record, RunRecord)
        return record

    def end_run(self, flow: str, run: str, end: RunEnd) -> None:
        """Record how a run ended."""
        self._write(self._run_folder(flow, run) / "end.json", to_json(end))

    def run_end(self, flow: str, run: str) -> RunEnd | None:
        """How a run ended, None while it runs (and for working runs)."""
        end = self._read(RunEnd, self._run_folder(flow, run) / "end.json")
        assert end is None or isinstance(end, RunEnd)
        return end

    # -- tasks

    def new_task(self, flow: str, run: str, step: str) -> str:
        """Take the next free task id; ids are unique in a run, and this process need not look for them twice."""
        folder = self._run_folder(flow, run)
        first = self._next_task.get((flow, run))
        if first is None:
            first = max((int(task) for task in _folders(folder / "ids") if task.isdigit()), default=0) + 1
        number = self._take(folder / "ids", first)
        self._next_task[flow, run] = number + 1
        try:
            (folder / "steps" / safe_name(step) / str(number)).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise store_error(error, self.root) from error
        return str(number)

    def steps(self, flow: str, run: str) -> list[str]:
        """Names of the steps that have tasks in a run, sorted."""
        return sorted(_folders(self._run_folder(flow, run) / "steps"))

    def task_ids(self, flow: str, run: str, step: str) -> list[str]:
        """Ids of a step's tasks, oldest first."""
        return sorted(_folders(self._step_folder(flow, run, step)), key=_numeric)

    def write_task(self, record: TaskRecord) -> None:
        """Record an attempt that has ended."""
        folder = self._step_folder(record.flow, record.run, record.step) / safe_name(record.task)
        self._write(folder / f"{record.attempt}.json", to_json(record))

    def task(self, flow: str, run: str, step: str, task: str) -> TaskRecord | None:
        """The last attempt of a task, None while none has ended."""
        cached = self._tasks.get((flow, run, step, task))
        if cached is not None and cached.status == "done":
            return cached
        folder = self._step_folder(flow, run, step) / safe_name(task)
        attempts = sorted((entry.stem for entry in folder.glob("[0-9]*.json")), key=_numeric) if folder.is_dir() else []
        for attempt in reversed(attempts):
            record = self._read(TaskRecord, folder / f"{attempt}.json")
            if record is not None:
                assert isinstance(record, TaskRecord)
                self._tasks[flow, run, step, task] = record
                return record
        return None

    def tasks(self, flow: str, run: str, step: str) -> list[TaskRecord]:
        """The last attempts of a step's tasks, oldest first."""
        found = (self.task(flow, run, step, task) for task in self.task_ids(flow, run, step))
        return [record for record in found if record is not None]

    # -- working runs

    def add_execution(self, flow: str, run: str, execution: Execution) -> None:
        """Record which tasks are now the latest results of a step in a working run."""
        folder = self._run_folder(flow, run) / "executions"
        number = max((int(path.stem) for path in folder.glob("[0-9]*.json")), default=0) + 1 if folder.is_dir() else 1
        text = json.dumps({"step": execution.step, "tasks": execution.tasks, "status": execution.status})
        while True:
            path = folder / f"{number:06d}.json"
            if self._write(path, text, exclusive=True):
                return
            number += 1

    def executions(self, flow: str, run: str) -> Iterator[Execution]:
        """Executions of a working run, oldest first."""
        folder = self._run_folder(flow, run) / "executions"
        for path in sorted(folder.glob("[0-9]*.json")) if folder.is_dir() else []:
            try:
                raw = json.loads(path.read_text())
                yield Execution(raw["step"], tuple(raw["tasks"]), raw["status"])
            except (OSError, ValueError, KeyError):
                continue

    def executions_stamp(self, flow: str, run: str) -> int:
        """A number that changes when an execution is added, 0 when there are none."""
        try:
            return (self._run_folder(flow, run) / "executions").stat().st_mtime_ns
        except OSError:
            return 0

    # -- files

    def _run_folder(self, flow: str, run: str) -> Path:
        return self.root / "flows" / safe_name(flow) / safe_name(run)

    def _step_folder(self, flow: str, run: str, step: str) -> Path:
        return self._run_folder(flow, run) / "steps" / safe_name(step)

    def _prepare(self) -> None:
        """Make the root before the first write, and check its format."""
        if self._checked:
            return
        marker = self.root / "store.json"
        if not marker.exists():
            try:
                # Artifacts can hold private data: the root is the user's alone.
                self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise store_error(error, self.root) from error
            self._checked = True
            self._write(marker, json.dumps({"format": FORMAT}))
        self._check_format()

    def _check_format(self) -> None:
        """Refuse a store of a format that this version does not know."""
        marker = self.root / "store.json"
        try:
            found = json.loads(marker.read_text()).get("format")
        except FileNotFoundError:
            return
        except OSError as error:
            raise store_error(error, self.root) from error
        except ValueError:
            found = "unreadable"
        if found != FORMAT:
            raise StoreError(
                f"The datastore `{self.root}` has format {found}.",
                f"This version of flownb writes format {FORMAT}.",
                "Set FLOWNB_DATASTORE to another folder, or use the flownb version that made it.",
            )
        self._checked = True

    def _take(self, folder: Path, number: int) -> int:
        """Make the first folder from `number` on that does not exist; only one process gets each."""
        self._prepare()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            while True:
                try:
                    (folder / str(number)).mkdir()
                    return number
                except FileExistsError:
                    number += 1
        except OSError as error:
            raise store_error(error, self.root) from error

    def _write(self, path: Path, text: str, *, exclusive: bool = False) -> bool:
        """Write a whole file or nothing; with `exclusive`, give False if the name is taken."""
        self._prepare()
        temporary = path.parent / f".{path.name}-{secrets.token_hex(6)}.tmp"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_text(text, encoding="utf-8")
                if exclusive:
                    try:
                        os.link(temporary, path)
                    except FileExistsError:
                        return False
                else:
                    os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise store_error(error, self.root) from error
        return True

    def _read(self, kind: type, path: Path) -> Any:
        """Read a record, None if there is none.

        Raises
        ------
        StoreError
            If the file is there but cannot be understood.
        """
        if not self._checked:
            self._check_format()
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise store_error(error, self.root) from error
        try:
            return from_json(kind, text)
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"The manifest `{path.relative_to(self.root)}` cannot be read.",
                f"{type(error).__name__}: {error}.",
                "Run the step again; all other runs stay readable.",
            ) from error


def _folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, none if it does not exist."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _size(parts: Sequence[memoryview | bytes]) -> int:
    """Length in bytes of the blob that `parts` make."""
    return sum(part.nbytes if isinstance(part, memoryview) else len(part) for part in parts)


def _numeric(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (1 << 60, name)


def _type_name(value: Any) -> str:
    kind = type(value)
    module = kind.__module__.split(".")[0]
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
