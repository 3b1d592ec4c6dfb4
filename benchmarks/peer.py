"""Metaflow on the flow that a notebook exported, in a folder and with settings of its own.

Takes command lines of ``flow.py``; gives the seconds they took.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

__all__ = ["run_metaflow", "start_metaflow"]


def run_metaflow(folder: Path, *words: str) -> float:
    """Seconds of ``python flow.py …``, the whole process.

    Raises
    ------
    RuntimeError
        If it failed.
    """
    started = perf_counter()
    process = start_metaflow(folder, *words)
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"flow.py {' '.join(words)} failed:\n{said}")
    return perf_counter() - started


def start_metaflow(folder: Path, *words: str) -> subprocess.Popen[str]:
    """The same, not waited for; what it prints can be read from it."""
    keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {
        **keep,
        "HOME": str(folder),
        "METAFLOW_USER": "bench",
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
    }
    command = [sys.executable, "flow.py", "--no-pylint", *words]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
