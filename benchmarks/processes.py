"""The memory of processes, as Linux counts it.

Takes process ids; gives bytes. Pages that processes share are counted once in their sum.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from pathlib import Path

from jupyter_client.blocking.client import BlockingKernelClient

from benchmarks.kernel import round_trip

__all__ = ["forget_peak", "held", "peak", "process_id", "resident"]


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
    children: dict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                children[int(fields[1])].append(int(folder.name))
    ahead, total = [pid], 0
    while ahead:
        one = ahead.pop()
        ahead += children[one]
        with contextlib.suppress(OSError):
            total += _sum(one, "Pss:")
    return total


def _sum(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
