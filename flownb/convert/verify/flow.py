"""Starts the process that runs the proposed flow and compares values, and reads its answer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flownb.cells.notebook import document_text
from flownb.convert.verify.plain import HASH_SEEDS
from flownb.convert.verify.snapshots import ref_from_data
from flownb.errors import ExecutorError
from flownb.store.records import ArtifactRef

__all__ = ["FlowAnswer", "FlowFailure", "judge"]

# Seconds that the process has to end after it was asked to.
END = 2.0

Pair = tuple[ArtifactRef | None, ArtifactRef | None]


@dataclass(frozen=True)
class FlowFailure:
    """What ended a run of the flow: the step, the error, and the name that the step did not find."""

    step: str
    error: str
    name: str = ""


@dataclass(frozen=True)
class FlowAnswer:
    """What one run of the flow did, and what was compared.

    Attributes
    ----------
    printed : dict of str to str
        What each step wrote to stdout.
    artifacts : dict of str to dict of str to ArtifactRef
        By step that ended well.
    failure : FlowFailure or None
    verdicts : dict of str to dict of str to str
        By step and name: how the artifact differs from the plain value; an empty text if it does not.
    pairs : list of str
        The same for the pairs of plain values that were asked for.
    seconds : float
    files : dict of str to str
        Hashes of the files that it wrote to the folder, by path.
    """

    printed: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, dict[str, ArtifactRef]] = field(default_factory=dict)
    failure: FlowFailure | None = None
    verdicts: dict[str, dict[str, str]] = field(default_factory=dict)
    pairs: list[str] = field(default_factory=list)
    seconds: float = 0.0
    files: Mapping[str, str] = field(default_factory=dict)


def judge(
    document: Mapping[str, Any],
    folder: Path,
    place: Path,
    *,
    store: Path,
    runs: bool = True,
    expected: Mapping[str, Mapping[str, ArtifactRef | None]],
    pairs: Sequence[Pair] = (),
    timeout: float | None = None,
) -> FlowAnswer:
    """Run a flow, and compare its artifacts with plain values.

    Parameters
    ----------
    document : dict
        The converted notebook.
    folder : Path
        Where the flow works.
    place : Path
        A folder for the process's own files, which exists.
    store : Path
        The datastore, which has the plain values already.
    runs : bool, default True
        Whether the flow is run; if not, only `pairs` are compared.
    expected : mapping of str to mapping of str to ArtifactRef or None
        By step and name.
    pairs : sequence of (ArtifactRef or None, ArtifactRef or None)
        Plain values to compare with each other.
    timeout : float, optional
        Seconds after which the run is ended.

    Raises
    ------
    ExecutorError
        If the process dies without an answer.
    """
    own = Path(tempfile.mkdtemp(dir=place, prefix="flow-"))
    notebook = own / "notebook.ipynb"
    notebook.write_text(document_text(dict(document)), encoding="utf-8")
    request = {
        "notebook": str(notebook),
        "store": str(store),
        "answer": str(own / "answer.json"),
        "runs": runs,
        "expected": {step: {name: _data(ref) for name, ref in names.items()} for step, names in expected.items()},
        "pairs": [[_data(one), _data(other)] for one, other in pairs],
    }
    (own / "request.json").write_text(json.dumps(request), encoding="utf-8")
    user_path = sys.path if "" in sys.path else ["", *sys.path]
    code = (
        f"import sys; sys.path[:] = {[entry for entry in sys.path if entry]!r}; "
        f"from flownb.convert.verify.judge import main; main({str(own / 'request.json')!r}, {user_path!r})"
    )
    started = time.monotonic()
    with (own / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            cwd=folder,
            env={"PYTHONHASHSEED": HASH_SEEDS[0], **os.environ, "FLOWNB_DATASTORE": str(store)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        return FlowAnswer(failure=FlowFailure("", f"The flow did not end within {timeout:.0f} seconds."))
    finally:
        _end(process)
    if not (own / "answer.json").exists():
        said = (own / "log").read_text(encoding="utf-8", errors="replace").strip().split("\n")[-1]
        raise ExecutorError(
            "The process that runs the proposed flow ended without a result.",
            said or f"Its exit code is {process.returncode}.",
            "Convert with --no-verify, and run the flow yourself.",
        )
    return _read(json.loads((own / "answer.json").read_text(encoding="utf-8")), time.monotonic() - started)


def _data(ref: ArtifactRef | None) -> dict[str, Any] | None:
    return None if ref is None else asdict(ref)


def _read(data: dict[str, Any], seconds: float) -> FlowAnswer:
    """An answer from its JSON."""
    artifacts = {
        step: {name: ref for name, one in refs.items() if (ref := ref_from_data(one)) is not None}
        for step, refs in data["artifacts"].items()
    }
    failure = None if data["failure"] is None else FlowFailure(**data["failure"])
    return FlowAnswer(data["printed"], artifacts, failure, data["verdicts"], data["pairs"], seconds)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process; the workers of its run end with it."""
    if process.poll() is None:
        with contextlib.suppress(OSError):
            process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END)
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
