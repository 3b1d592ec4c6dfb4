"""What processes use, as Linux counts it: memory, the processor's time and page faults.

Pages that processes share are counted once in the sum of what they hold. Time and page faults of processes that ended
are those of the process that waited for them, so a tree's sum loses nothing while its root lives.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from jupyter_client.blocking.client import BlockingKernelClient

from benchmarks.kernel import round_trip

__all__ = [
    "Peaks",
    "Used",
    "below",
    "forget_peak",
    "held",
    "peak",
    "process_id",
    "resident",
    "run_process",
    "used",
    "watch_peaks",
]


@dataclass(frozen=True)
class Used:
    """What some work used.

    Attributes
    ----------
    seconds, cpu : float
        By the clock; of all processors, in user and system mode.
    faults : float
        Page faults that needed no disk.
    """

    seconds: float
    cpu: float
    faults: float

    def __sub__(self, other: Used) -> Used:
        return Used(self.seconds - other.seconds, self.cpu - other.cpu, self.faults - other.faults)

    def __truediv__(self, count: float) -> Used:
        return Used(self.seconds / count, self.cpu / count, self.faults / count)


@dataclass(frozen=True)
class Peaks:
    """The most that processes held at any moment.

    Attributes
    ----------
    generations : tuple of int
        Bytes of the first process, of the largest of those that it started, of the largest that these started, and so
        on, as if nobody shared them.
    together : int
        Bytes of all at the same time, shared ones once.
    """

    generations: tuple[int, ...]
    together: int

    def of(self, generation: int) -> int:
        """Bytes of the largest process of a generation; 0 if there was none."""
        return self.generations[generation] if generation < len(self.generations) else 0


def watch_peaks(process: subprocess.Popen[bytes], pause: float = 0.05) -> Peaks:
    """Look at a process and all below it until it ends.

    Notes
    -----
    Linux remembers the peak of each process, so that one look before it ends is enough. A process that starts and ends
    between two looks is not seen, so the third generation's figure is that of those that were.
    """
    generations: dict[int, int] = defaultdict(int)
    together = 0
    while process.poll() is None:
        for pid, generation in below(process.pid).items():
            with contextlib.suppress(OSError, StopIteration):
                generations[generation] = max(generations[generation], peak(pid))
        together = max(together, held(process.pid))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(pause)
    return Peaks(tuple(generations[generation] for generation in sorted(generations)), together)


def run_process(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Used:
    """Run a command to its end; what it and all that it waited for used.

    Raises
    ------
    RuntimeError
        If it failed; with what it printed.
    """
    with tempfile.TemporaryFile() as output:
        started = perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace")
            raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}:\n{said}")
    return Used(seconds, usage.ru_utime + usage.ru_stime, usage.ru_minflt)


def used(pid: int) -> Used:
    """What a process and all below it have used so far; the time by the clock is now."""
    ticks = faults = 0
    for one in below(pid):
        with contextlib.suppress(OSError):
            fields = _stat(one)
            faults += int(fields[7]) + int(fields[8])
            ticks += sum(int(field) for field in fields[11:15])
    return Used(perf_counter(), ticks / os.sysconf("SC_CLK_TCK"), faults)


def below(pid: int) -> dict[int, int]:
    """A process and all below it: how many generations below, by process id."""
    children: dict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                children[int(_stat(int(folder.name))[1])].append(int(folder.name))
    found, ahead = {pid: 0}, [pid]
    for one in ahead:
        found.update(dict.fromkeys(children[one], found[one] + 1))
        ahead += children[one]
    return found


def process_id(client: BlockingKernelClient, file: Path) -> int:
    """The id of a kernel's process, which writes it to a file."""
    round_trip(client, f"import os\nwith open({str(file)!r}, 'w') as file: file.write(str(os.getpid()))")
    return int(file.read_text())


def forget_peak(pid: int) -> None:
    """Let `peak` start from what a process holds now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """The most that a process has held, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def resident(pid: int) -> int:
    """Bytes that a process holds, as if nobody shared them."""
    return _sum(pid, "Rss:")


def held(pid: int) -> int:
    """Bytes that a process and all below it hold, shared ones once."""
    total = 0
    for one in below(pid):
        with contextlib.suppress(OSError):
            total += _sum(one, "Pss:")
    return total


def _stat(pid: int) -> list[str]:
    """The fields of a process behind its name: its state is the first, its parent the second."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _sum(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
