"""What the command adds to a run: decorators, a branch, values of module code; the same here and on real Metaflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from flownb.client import Flow, Run
from flownb.session.export import export_flow
from flownb.session.options import parse_run
from flownb.session.run import run_flow
from flownb.session.session import Session
from tests.fidelity.metaflow_peer import run_in_metaflow
from tests.fidelity.notebook_side import differences, notebook_session, tasks_of

CELLS = (
    """%%shared
import os
from metaflow import current
os.environ["METAFLOW_FLOW_CONFIG_VALUE"] = '{"cfg": {"x": 2}}'
os.environ["METAFLOW_RUN_ALPHA"] = "7"
os.environ["METAFLOW_BRANCH"] = "feature"
FACTS = "project_name branch_name is_production is_user_branch project_flow_name is_running_flow flow_name".split()
def describe(context):
    return repr([getattr(current, name) for name in FACTS])""",
    """%%flow LaunchFlow
@project(name="demo")
cfg = Config("cfg", default_value='{"x": 1}')
alpha = Parameter("alpha", default=1)
beta = Parameter("beta", default=cfg.x)
at_start = Parameter("at_start", default=describe)
executor = Parameter("executor", default="none")
background = Parameter("background", default="none")
branch = Parameter("branch", default="none")
production = Parameter("production", default="none")
config = Parameter("config", default="none")
help_ = Parameter("help", default="none")""",
    """%%step begin -> seen, used
seen = [getattr(current, name) for name in FACTS], self.cfg.x, os.environ.get("ADDED"), current.retry_count
used = self.executor, self.background, self.branch, self.production, self.config, self.help_
assert current.retry_count == 2""",
    """%%step own -> tried
@retry(times=1, minutes_between_retries=0)
tried = current.retry_count
assert tried == 1""",
)
WITH = (
    *("--with", "retry:times=2,minutes_between_retries=0", "--with", "retry:times=4"),
    *("--with", 'environment:vars={"ADDED": "1"}', "--with", "resources:cpu=1, memory=100"),
)
PARAMETERS = (
    "--executor",
    "a",
    "--background",
    "b",
    "--branch",
    "c",
    "--production",
    "d",
    "--config",
    "e",
    "--help",
    "f",
)


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The notebook's session; what its module code sets is unset afterwards."""
    for name in ("METAFLOW_FLOW_CONFIG_VALUE", "METAFLOW_RUN_ALPHA", "METAFLOW_BRANCH"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return notebook_session(CELLS, tmp_path)


def test_a_launched_run_equals_metaflows(session: Session, tmp_path: Path) -> None:
    """Decorators of --with, variables that module code sets, and parameters with the names of options."""
    theirs = run_in_metaflow(export_flow(session), tmp_path / "metaflow", *WITH, *PARAMETERS)
    outcome = run_flow(session, parse_run([*WITH, "--", *PARAMETERS]))
    run = Run(outcome.pathspec, datastore=session.datastore)
    assert differences(tasks_of(run, theirs), theirs) == []
    assert run.system_tags == run.tags == {"project:demo", "project_branch:test.feature"}
    assert [one.id for one in Flow("LaunchFlow", datastore=session.datastore).runs("project:demo")] == [run.id]
