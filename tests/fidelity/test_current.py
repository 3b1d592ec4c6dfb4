"""`current`: what a step is told of itself here and on real Metaflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from flownb.client import Run
from flownb.session.export import export_flow
from flownb.session.options import parse_run
from flownb.session.run import run_flow
from tests.fidelity.metaflow_peer import run_in_metaflow
from tests.fidelity.notebook_side import differences, notebook_session, tasks_of

SHARED = '''%%shared
from metaflow import current

NAMES = """flow_name step_name origin_run_id username namespace tags tempdir retry_count is_running_flow
    parameter_names project_name branch_name is_user_branch is_production project_flow_name""".split()


def plain(graph):
    """The graph without what differs in any case: files, lines, and settings that are only Metaflow's defaults."""
    left_out = {"line", "source_file", "decorators"}
    steps = {name: {key: value for key, value in info.items() if key not in left_out}
             for name, info in graph["steps"].items()}
    used = {name: [one["name"] for one in info["decorators"]] for name, info in graph["steps"].items()}
    rest = {key: value for key, value in graph.items() if key not in {"steps", "decorators"}}
    return [steps, used, rest, [one["name"] for one in graph["decorators"]]]


def told():
    found = {name: [type(getattr(current, name)).__name__, getattr(current, name)] for name in NAMES}
    found["ids"] = [type(current.run_id).__name__, type(current.task_id).__name__]
    parts = [current.flow_name, current.run_id, current.step_name, current.task_id]
    found["pathspec"] = [current.pathspec == "/".join(parts), current.task.pathspec == current.pathspec]
    run, task = current.run, current.task
    found["run"] = [type(run).__name__, run.id == current.run_id, run.finished, run.successful, run.finished_at]
    found["task"] = [type(task).__name__, task.id == current.task_id, task.finished, task.successful,
                     task.current_attempt, task.runtime_name]
    found["user"] = [task.metadata_dict[name] for name in ("attempt", "user", "python_version", "runtime", "ds-type")]
    found["contains"] = [name in current for name in ("card", "nope", "run_id", "origin_run_id", "graph", "tags")]
    found["get"] = [current.get("nope"), current.get("nope", 3), current.get("origin_run_id", 3)]
    found["has"] = hasattr(current, "nope")
    found["same graph"] = current.graph == current.graph_info
    found["graph"] = plain(current.graph)
    return found
'''
CELLS = (
    '%%flow CurrentFlow\n@project(name="proj_1")\n"""What is told.\n  And more."""\n'
    'zeta = Parameter("zeta", default=1)\nalpha = Parameter("al-pha", default=2)\nbeta = [1]\n_hidden = 3',
    SHARED,
    "%%step first -> xs, facts\n@card\nxs = [1, 2]\nfacts = told()",
    "%%step each --foreach xs -> facts\n@retry(times=1, minutes_between_retries=0)\n@card\n"
    "if current.retry_count == 0 and self.input == 2:\n    raise ValueError('once')\nfacts = told()",
    "%%step joined --join -> facts, way\nfacts = told()\nway = 'left'",
    '%%step choose\nself.next({"left": self.left, "right": self.right}, condition="way")',
    "%%step left --after choose\nself.next(self.p, self.q)",
    "%%step right --after choose\nself.next(self.last)",
    "%%step p --after left -> facts\nfacts = told()",
    "%%step q --after left\npass",
    "%%step both --after p,q --join\nself.merge_artifacts(inputs, exclude=['facts'])\nself.next(self.last)",
    "%%step last -> facts\nfacts = told()",
)
STEPS = ("first", "each", "joined", "p", "last")


PROJECTS = ('name="proj_1"', 'name="p", branch="b_2"', 'name="p", branch="b", production=True')


@pytest.mark.parametrize("project", PROJECTS, ids=["user", "test", "production"])
def test_a_step_learns_the_same(project: str, tmp_path: Path) -> None:
    """Every attribute of `current` has the value and type it has on Metaflow, and so have the names it lacks."""
    cells = (CELLS[0].replace('name="proj_1"', project), *CELLS[1:])
    session = notebook_session(cells, tmp_path / "here")
    arguments = ["--tag", "x", "--tag", "y", "--zeta", "5"]
    outcome = run_flow(session, parse_run(arguments))
    ours = tasks_of(Run(outcome.pathspec, datastore=session.datastore), STEPS)
    theirs = run_in_metaflow(export_flow(session), tmp_path / "there", *arguments)
    assert differences(ours, {name: theirs[name] for name in STEPS}) == []
