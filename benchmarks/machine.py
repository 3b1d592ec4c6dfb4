"""What the machine itself needs: the limits that rows are compared with.

Each is measured in a process of its own that has imported what the row's flow imports, and nothing else, so that what
this process has imported makes no limit higher than it is.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.peer import environment
from benchmarks.processes import Used, run_process

__all__ = ["LIMIT_FORK", "LIMIT_START", "fork_and_exit", "interpreter_start", "middle"]

LIMIT_START = "python -c pass"
LIMIT_FORK = "fork + exit"

FORKS = """
import json, os, resource, sys, time

def forks(count):
    for _ in range(count):
        pid = os.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)

def now():
    own, ended = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
    return time.perf_counter(), cpu, own.ru_minflt + ended.ru_minflt

forks(20)
count = int(sys.argv[1])
before = now()
forks(count)
print(json.dumps([(a - b) / count for a, b in zip(now(), before)]))
"""


def fork_and_exit(imports: str = "", count: int = 300) -> Used:
    """What a fork, the exit of the child and waiting for it use, in a process that has imported this and no more."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        command = [sys.executable, "-c", f"{imports}\n{FORKS}", str(count)]
        done = subprocess.run(
            command, cwd=name, env=environment(Path(name)), check=True, capture_output=True, text=True
        )
    return Used(*json.loads(done.stdout))


def interpreter_start(rounds: int = 9) -> Used:
    """What it uses to start Python and end it, the median of each."""
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as name:
        folder = Path(name)
        command = [sys.executable, "-c", "pass"]
        found = [run_process(command, folder, environment(folder)) for _ in range(rounds)]
    return middle(found)


def middle(found: list[Used]) -> Used:
    """The median of each number."""
    return Used(
        statistics.median(one.seconds for one in found),
        statistics.median(one.cpu for one in found),
        statistics.median(one.faults for one in found),
    )
