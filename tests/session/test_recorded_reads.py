"""What a task's record says that it read."""

from __future__ import annotations

import pytest

from flownb.session.options import RunOptions, SpinOptions
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.step import run_step
from flownb.store.records import TaskRecord
from tests.conftest import MakeSession

CELLS = (
    "%%flow NotebookFlow\nk = Parameter('k', default=2)\nunused = Parameter('unused', default=1)\n"
    "cfg = Config('cfg', default_value='{\"a\": 1}')\nBASE = 10\n"
    "def times(self, n):\n    return n * self.k",
    "%%step load -> xs, other\nxs = [1, 2]\nother = 0",
    "%%step train --foreach xs -> m\nm = self.times(self.input)",
    "%%step pick --join -> best\nbest = max(i.m for i in inputs)",
    "%%step report -> text\ntext = str(best)\nself.cfg.a",
)
STEPS = ("load", "train", "pick", "report")


def recorded(session: Session, how: str) -> dict[str, TaskRecord]:
    """Run the flow in one way; give a task of each step."""
    if how == "steps":
        for step in STEPS:
            run_step(session, step)
    else:
        run_flow(session, RunOptions(executor=how))
    return {step: session.results().latest(step)[0] for step in STEPS}


@pytest.mark.parametrize("how", ["steps", "inline", "process"])
def test_what_a_task_read(how: str, make_session: MakeSession) -> None:
    """Parameters, configs and artifacts are recorded where the body, or a method it calls, read them; no others."""
    found = recorded(make_session(*CELLS), how)
    names = {step: {*(task.read or ())} for step, task in found.items()}
    assert {step: names[step] for step in ("load", "pick", "report")} == {
        "load": set(),
        "pick": {"m"},
        "report": {"best", "cfg"},
    }
    assert "k" in names["train"]
    assert not {"unused", "other", "xs", "cfg"} & names["train"]


def test_what_a_spin_read(make_session: MakeSession) -> None:
    """A spin that is kept records the same, also of values that its command replaced."""
    session = make_session(*CELLS)
    recorded(session, "steps")
    kept = spin_step(session, SpinOptions("report", persist=True, overrides={"best": "3"})).task
    assert kept is not None
    assert {*(kept._record.read or ())} == {"best", "cfg"}
    kept = spin_step(session, SpinOptions("train", persist=True, overrides={"k": "3"})).task
    assert kept is not None
    assert "k" in {*(kept._record.read or ())}
