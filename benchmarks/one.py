"""One benchmark in a process of its own, so that what one imports or leaves behind changes no other.

Run as ``python -m benchmarks.one NAME {measure,ours} FILE``: it writes the rows of `measure`, or the figures of one
round of `ours`, to FILE as JSON.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

__all__ = ["BenchmarkError", "call", "has_ours", "react_to_signals"]

Side = Literal["measure", "ours"]
ROOT = Path(__file__).parent.parent
# Seconds that a benchmark has to stop its kernels and servers and to remove its folders when it is interrupted.
PATIENCE = 20


class BenchmarkError(Exception):
    """A benchmark failed; the text is the end of what it printed."""


def call(
    name: str,
    side: Side,
    *,
    folder: Path = ROOT,
    variables: Mapping[str, str] | None = None,
    scratch: Path | None = None,
) -> list[Any]:
    """What a benchmark measured, as dictionaries.

    Parameters
    ----------
    name : str
    side : {"measure", "ours"}
    folder : Path
        Where its process starts; the package `flownb` there is the one that is measured.
    variables : mapping of str to str, optional
        Of the environment, in addition to this process's.
    scratch : Path, optional
        Where it may write; None means where temporary files go. A folder that the caller removes leaves nothing, even
        if Ctrl-C comes while one in it is being made.

    Raises
    ------
    BenchmarkError
        If it failed.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))), **(variables or {})}
    # Otherwise every start would compile the sources again, which no user's does.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="flownb-bench-", dir=scratch) as own:
        output = Path(own) / "result.json"
        with (Path(own) / "printed").open("w+") as printed:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.one", name, side, str(output)],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
            try:
                process.wait()
            except BaseException:
                _stop(process)
                raise
            if process.returncode:
                printed.seek(0)
                raise BenchmarkError("\n".join(printed.read().splitlines()[-30:]) or f"status {process.returncode}")
        found: list[Any] = json.loads(output.read_text())
    return found


def has_ours(name: str) -> bool:
    """Whether a benchmark can compare two builds; its module is not imported, for it may need what is not installed."""
    return "\ndef ours(" in (ROOT / "benchmarks" / f"{name}.py").read_text(encoding="utf-8")


def react_to_signals() -> None:
    """Let Ctrl-C and the signal to terminate raise `KeyboardInterrupt`, also where a shell has switched Ctrl-C off."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Let a benchmark clean up, then end it and what it left."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main(name: str, side: str, file: str) -> None:
    """Measure and write."""
    react_to_signals()
    spec = importlib.util.find_spec("flownb")
    if spec is None or spec.origin is None or Path(spec.origin).parent.parent.resolve() != Path.cwd().resolve():
        raise RuntimeError(f"the package to measure is not the one in {Path.cwd()}: {spec}")
    found = getattr(importlib.import_module(f"benchmarks.{name}"), side)()
    Path(file).write_text(json.dumps([dataclasses.asdict(one) for one in found]))


if __name__ == "__main__":
    main(*sys.argv[1:])
