"""Both command lines in folders and with settings of their own: `flownb`, and Metaflow on the exported flow.

Metaflow's is never given the folder of our package, so both start with what is installed and nothing else.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import Used, run_process

__all__ = [
    "COMMAND",
    "OUTPUT",
    "environment",
    "our_environment",
    "run_flownb",
    "run_metaflow",
    "start_flownb",
    "start_metaflow",
    "use_flownb",
    "use_metaflow",
]

OUTPUT = "output.txt"
# The command of the build to measure, if it is not the one beside this Python.
COMMAND = "FLOWNB_BENCH_COMMAND"


def environment(folder: Path) -> dict[str, str]:
    """The variables of a command: a home of its own, and no settings of whoever measures."""
    keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {
        **keep,
        "HOME": str(folder),
        "METAFLOW_USER": "bench",
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
    }


def our_environment(folder: Path) -> dict[str, str]:
    """The same, for the package that this process would import."""
    spec = importlib.util.find_spec("flownb")
    if spec is None or spec.origin is None:
        raise RuntimeError("flownb is not installed")
    return {**environment(folder), "PYTHONPATH": str(Path(spec.origin).parent.parent)}


def use_flownb(folder: Path, *words: str, variables: dict[str, str] | None = None) -> Used:
    """What ``flownb …`` uses, the whole process.

    Raises
    ------
    RuntimeError
        If it failed.
    """
    return run_process(_flownb(words), folder, {**our_environment(folder), **(variables or {})})


def run_flownb(folder: Path, *words: str) -> float:
    """Seconds of ``flownb …``."""
    return use_flownb(folder, *words).seconds


def start_flownb(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """The same, not waited for; what it prints goes to `OUTPUT` in its folder."""
    return _start(_flownb(words), folder, our_environment(folder))


def use_metaflow(folder: Path, *words: str) -> Used:
    """What ``python flow.py …`` uses, the whole process.

    Raises
    ------
    RuntimeError
        If it failed.
    """
    return run_process(_metaflow(words), folder, environment(folder))


def run_metaflow(folder: Path, *words: str) -> float:
    """Seconds of ``python flow.py …``."""
    return use_metaflow(folder, *words).seconds


def start_metaflow(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """The same, not waited for; what it prints goes to `OUTPUT` in its folder."""
    return _start(_metaflow(words), folder, environment(folder))


def _flownb(words: tuple[str, ...]) -> list[str]:
    return [os.environ.get(COMMAND, str(Path(sys.executable).with_name("flownb"))), *words]


def _metaflow(words: tuple[str, ...]) -> list[str]:
    return [sys.executable, "flow.py", "--no-pylint", *words]


def _start(command: list[str], folder: Path, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a command; a file takes what it prints, for a pipe that nobody reads would stop it."""
    with (folder / OUTPUT).open("wb") as output:
        return subprocess.Popen(
            command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
