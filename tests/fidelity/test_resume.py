"""Resumed here and on Metaflow: the same tasks with the same artifacts, as far as both mean the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from flownb.client import Run
from flownb.errors import StepFailed
from flownb.session.export import export_flow
from flownb.session.options import ResumeOptions, RunOptions
from flownb.session.resume import Resume
from flownb.session.run import run_flow
from tests.conftest import MakeSession
from tests.fidelity.metaflow_peer import resume_in_metaflow
from tests.fidelity.notebook_side import tasks_of

LOAD = "%%step load -> xs, unit\nxs = [1, 2, 3]\nunit = 10"
TRAIN = "%%step train --foreach xs -> m\nm = self.input * unit"
CAUGHT = (
    "%%step train --foreach xs\n@catch(print_exception=False)\nfrom metaflow import current\n"
    "self.m = current.origin_run_id\nassert self.input < 3"
)
PICK = "%%step pick --join -> best\nbest = [i.m for i in inputs]"
REPORT = "%%step report -> text\nfrom metaflow import current\ntext = (best, current.origin_run_id is not None)"
FLOW = (LOAD, TRAIN, PICK, REPORT)
CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...], str | None]] = {
    "a failed step was mended": ((LOAD, TRAIN, PICK + "\n1 / 0", REPORT), FLOW, None),
    "an item failed": ((LOAD, TRAIN + "\nassert self.input < 3", PICK, REPORT), FLOW, None),
    "a failure was caught": ((LOAD, CAUGHT, PICK + "\n1 / 0", REPORT), (LOAD, CAUGHT, PICK, REPORT), None),
    "a step is named": (FLOW, (LOAD, TRAIN, PICK.replace("i.m", "-i.m"), REPORT), "pick"),
    "what is before a named step was edited": (FLOW, (LOAD.replace("10", "99"), TRAIN, PICK, REPORT), "pick"),
    "a step inside the foreach is named": (FLOW, (LOAD, TRAIN.replace("* unit", "+ unit"), PICK, REPORT), "train"),
}


@pytest.mark.parametrize("case", CASES)
def test_resume(make_session: MakeSession, tmp_path: Path, case: str) -> None:
    """A resume of a failed run, and one from a named step, end as Metaflow's own do."""
    before, after, step = CASES[case]
    options = RunOptions(executor="inline")
    session = make_session(*before)
    try:
        run_flow(session, options)
    except StepFailed:
        assert step is None
    exported = export_flow(session), export_flow(make_session(*after))
    session = make_session(*after)
    plan = Resume(session, ResumeOptions(step, None, options))
    plan.begin().drive()
    theirs = resume_in_metaflow(*exported, tmp_path / "metaflow", *([step] if step else []))
    run = Run("NotebookFlow/2", datastore=session.datastore)
    assert tasks_of(run, session.program(True).graph.nodes) == theirs
