"""What processes use, and the commands that are measured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.notebook import write_notebook
from benchmarks.one import BenchmarkError, call
from benchmarks.processes import Used, below, run_process, used, watch_peaks
from flownb.cells.notebook import read_notebook

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

WAITING = "print(flush=True); input()"
# A child that has ended, and was waited for.
WITH_CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'sum(range(3_000_000))'])\n{WAITING}"
WITH_LIVING_CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {WAITING!r}])"


class Awaited(subprocess.Popen[bytes]):
    """A process that gets its line when it is first waited for: after the first look at it, however late that is."""

    def wait(self, timeout: float | None = None) -> int:
        """Send the line, and wait."""
        if self.stdin is not None and not self.stdin.closed:
            self.stdin.write(b"\n")
            self.stdin.close()
        return super().wait(timeout)


def _started(code: str, kind: type[subprocess.Popen[bytes]] = subprocess.Popen) -> subprocess.Popen[bytes]:
    """A process that has executed some code and waits for a line."""
    process = kind([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_what_a_command_uses(tmp_path: Path) -> None:
    """Time, the processor's time and page faults of a command and its children are counted."""
    found = run_process([sys.executable, "-c", "pass"], tmp_path, os.environ)
    more = run_process([sys.executable, "-c", "import subprocess; subprocess.run(['true'])"], tmp_path, os.environ)
    assert min(found.seconds, found.cpu, found.faults) > 0
    assert more.faults > found.faults


def test_a_command_that_fails(tmp_path: Path) -> None:
    """The error has the status and what was printed."""
    command = [sys.executable, "-c", "print('why'); raise SystemExit(3)"]
    with pytest.raises(RuntimeError) as caught:
        run_process(command, tmp_path, os.environ)
    assert str(caught.value) == f"{' '.join(command)} ended with status 3:\nwhy\n"


def test_used_in_parts() -> None:
    """Differences and shares are taken of each number."""
    assert (Used(3.0, 2.0, 900) - Used(1.0, 1.0, 100)) / 2 == Used(1.0, 0.5, 400)


@on_linux
def test_children_that_ended_count() -> None:
    """A tree's sum has what a child used that its parent waited for."""
    with _started(WAITING) as alone, _started(WITH_CHILD) as parent:
        without, with_child = used(alone.pid), used(parent.pid)
        for process in (alone, parent):
            process.communicate(b"\n")
    assert with_child.faults > without.faults + 300
    assert with_child.cpu > without.cpu


@on_linux
def test_generations() -> None:
    """A process is the first generation, its child the next."""
    with _started(WITH_LIVING_CHILD) as process:
        found = below(process.pid)
        process.communicate(b"\n")
    assert list(found.values()) == [0, 1]


@on_linux
def test_peaks() -> None:
    """What a child held for a moment is in its generation's peak, and in that of all together."""
    child = f"held = bytes(range(256)) * 400_000\n{WAITING}"
    with _started(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])", Awaited) as process:
        found = watch_peaks(process)
    assert found.of(0) < 100_000_000 < found.of(1)
    assert found.of(2) == 0


def test_a_notebook_can_be_read(tmp_path: Path) -> None:
    """A file of cell texts is a notebook."""
    cells = ("%%flow Line", "%%step start -> k\nk = 1")
    write_notebook(tmp_path / "line.ipynb", cells)
    assert [cell.source for cell in read_notebook(tmp_path / "line.ipynb").cells] == list(cells)


def test_a_benchmark_that_fails() -> None:
    """What a benchmark's process printed last is the error's text."""
    with pytest.raises(BenchmarkError) as caught:
        call("nowhere", "measure")
    assert str(caught.value).splitlines()[-1] == "ModuleNotFoundError: No module named 'benchmarks.nowhere'"
