"""What the Metaflow side of the fidelity tests promises, on hand-written flows.

Real Metaflow runs the flows that are written here, and their artifacts are read back.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest

from flownb.equality import same_value
from tests.fidelity.metaflow_peer import run_in_metaflow, run_many_in_metaflow

HEADER = """
from dataclasses import dataclass
from metaflow import FlowSpec, Parameter, step

@dataclass
class Point:
    x: int
    note: str
"""

FAN_OUT = (
    HEADER
    + """
class FanOutFlow(FlowSpec):
    factor = Parameter("factor", default=10)

    @step
    def start(self):
        self.items = [3, 1, 2]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.point = Point(self.input * self.factor, f"task {self.index}")
        self.next(self.end_of_foreach)

    @step
    def end_of_foreach(self, inputs):
        self.points = [i.point for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    FanOutFlow()
"""
)

LINEAR = """
from metaflow import FlowSpec, step

class LinearFlow(FlowSpec):
    @step
    def start(self):
        self.x = {value}
        self.next(self.end)

    @step
    def end(self):
        assert self.x < 9, "x is too large"

if __name__ == "__main__":
    LinearFlow()
"""


HANG = """
def hang():
    import fcntl, time
    global alive
    alive = open("alive", "w")
    fcntl.flock(alive, fcntl.LOCK_EX)
    time.sleep(30)
    open("survived", "w")
"""


def test_every_task_of_every_step_is_read_back(tmp_path: Path) -> None:
    """Tasks come in foreach order; inherited artifacts and instances of flow.py's classes too."""
    tasks = run_in_metaflow(FAN_OUT, tmp_path / "run", "--factor", "2")
    first = tasks["work"][0]["point"]
    assert type(first).__module__ != "__main__"
    point: Any = type(first)
    points = [point(6, "task 0"), point(2, "task 1"), point(4, "task 2")]
    common: dict[str, object] = {"factor": 2}
    inherited = {**common, "items": [3, 1, 2]}
    expected = {
        "start": [inherited],
        "work": [{**inherited, "point": p} for p in points],
        "end_of_foreach": [{**common, "points": points}],
        "end": [{**common, "points": points}],
    }
    assert same_value({step: sorted_by_name(tasks[step]) for step in expected}, expected)
    assert tasks.keys() == expected.keys()


def sorted_by_name(tasks: list[dict[str, object]]) -> list[dict[str, object]]:
    """Give every task's artifacts in the order of their names."""
    return [dict(sorted(artifacts.items())) for artifacts in tasks]


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    """The last lines of a failed run's output are the assertion's message."""
    with pytest.raises(AssertionError, match=r"failed:\n(.|\n)*x is too large"):
        run_in_metaflow(LINEAR.format(value=9), tmp_path)


def test_a_run_is_killed_on_time_out(tmp_path: Path) -> None:
    """A run that hangs is ended with all its processes, and says so."""
    with pytest.raises(AssertionError, match="killed on time-out"):
        run_in_metaflow(HANG + LINEAR.format(value="hang()"), tmp_path, timeout_seconds=4)
    with (tmp_path / "alive").open() as file:
        # Held by the task's process; its end, and nothing else, lets go of it.
        fcntl.flock(file, fcntl.LOCK_EX)
    assert not (tmp_path / "survived").exists()


def test_many_flows_run_once_for_each_text(tmp_path: Path) -> None:
    """Equal texts share a run, a failure stays its flow's own, and a second call runs nothing."""
    flows = {
        "one": LINEAR.format(value=1),
        "again": LINEAR.format(value=1),
        "two": LINEAR.format(value=2),
        "bad": LINEAR.format(value=9),
    }
    runs = run_many_in_metaflow(flows, tmp_path)
    assert runs["one"] is runs["again"]
    assert runs["two"].tasks() == {"start": [{"x": 2}], "end": [{"x": 2}]}
    with pytest.raises(AssertionError, match="x is too large"):
        runs["bad"].tasks()
    del flows["bad"]
    assert run_many_in_metaflow(flows, tmp_path) == {name: runs[name] for name in flows}
