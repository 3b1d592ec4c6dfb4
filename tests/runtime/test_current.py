"""``current``: what a step learns about itself, where real Metaflow is not needed as the judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from flownb.cells.cell import read_cell
from flownb.client import Run
from flownb.errors import ParameterError
from flownb.flow.build_graph import build_graph
from flownb.flow.definition import define_flow
from flownb.runtime.current import Current, current
from flownb.runtime.description import graph_info
from flownb.runtime.launch import project_facts
from flownb.runtime.program import Program
from flownb.session.options import SpinOptions, parse_run
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from tests.conftest import MakeSession

FLOW = "%%flow F\nalpha = Parameter('alpha', default=2)"
SHARED = "%%shared\nfrom flownb import current"


def test_outside_of_a_task_nothing_runs() -> None:
    """Names are None, there is no project and no card, and nothing raises an error."""
    assert not current.is_running_flow
    assert (
        current.flow_name,
        current.pathspec,
        current.run,
        current.task,
        current.retry_count,
    ) == (None, None, None, None, 0)
    assert (current.get("project_name", "default"), current.tags) == ("default", set())
    assert not any(hasattr(current, name) for name in ("card", "graph", "project_name", "nope"))
    assert not any(name in current for name in ("card", "graph", "flow_name"))


def test_what_costs_something_is_worked_out_once() -> None:
    """A fact that is asked for later is made when it is asked for, and kept until the task has ended."""
    made = []
    one = Current()
    one._set({"flow_name": "F"}, {"graph": lambda: made.append(1) or {"steps": {}}})
    assert made == []
    assert one.graph is one.graph
    assert made == [1]
    one._clear()
    assert not hasattr(one, "graph")


def test_an_error_of_a_fact_is_not_taken_for_a_missing_one() -> None:
    """A parameter that cannot be loaded says why."""
    one = Current()
    one._set({"parameters": _Broken()}, {})
    with pytest.raises(AttributeError, match="it is damaged"):
        _ = one.parameters


class _Broken:
    def items(self) -> list[str]:
        """Fail as a value that cannot be read does."""
        raise AttributeError("it is damaged")


def test_the_task_and_its_run(make_session: MakeSession) -> None:
    """Both are client objects: what earlier steps left can be read, the task itself has not ended."""
    session = make_session(
        FLOW,
        SHARED,
        "%%step a -> x\nx = 5",
        "%%step b -> seen\ntask, run = current.task, current.run\n"
        "seen = [run.id, run.status, run['a'].task.data.x, task.pathspec, task.finished, [*task.artifacts], "
        "task.index]",
    )
    run = Run(run_flow(session, parse_run([])).pathspec, datastore=session.datastore)
    assert run.data is not None
    assert run.data.seen == ["1", "running", 5, "F/1/b/3", False, [], None]


def test_a_spin_is_not_recorded(make_session: MakeSession) -> None:
    """There is neither run nor task to ask for, and all else is there."""
    session = make_session(
        FLOW, SHARED, "%%step a -> seen\nseen = [current.run, current.task, current.graph['start_step']]"
    )
    assert spin_step(session, SpinOptions("a")).values["seen"] == [None, None, "a"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"name": "p"}, ("p", "user.tester", True, False, "p.user.tester.F")),
        ({"name": "p", "branch": "b"}, ("p", "test.b", False, False, "p.test.b.F")),
        ({"name": "p", "production": True}, ("p", "prod", False, True, "p.prod.F")),
        ({"name": "p", "branch": "b", "production": True}, ("p", "prod.b", False, True, "p.prod.b.F")),
    ],
)
def test_a_project(settings: dict[str, object], expected: tuple[object, ...]) -> None:
    """The branch is the user's unless one is given or it is production's."""
    assert tuple(project_facts("F", settings).values()) == expected


@pytest.mark.parametrize(
    "settings", [{}, {"name": ""}, {"name": "P"}, {"name": "p-q"}, {"name": "p", "branch": "B"}, {"name": "p" * 129}]
)
def test_a_project_that_metaflow_refuses(settings: dict[str, object]) -> None:
    """Names are refused that a deployment could not have."""
    with pytest.raises(ParameterError, match=r"cannot be the name of a (project|branch)\."):
        project_facts("F", settings)


@pytest.mark.parametrize(
    ("cells", "structure"),
    [
        (["%%step a\n1"], ["a"]),
        (["%%step a\n1", "%%step b\n1"], ["a", "b"]),
        (["%%step a -> xs\nxs = [1]", "%%step b --foreach xs\n1"], ["a", [["b"]], "b"]),
        (["%%step a\nself.next(self.b, self.c)"], ["a"]),
        (
            ["%%step a\nk = 1\nself.next({1: self.a, 2: self.b}, condition='k')", "%%step b --after a\n1"],
            ["a", [[]], "b"],
        ),
        (["%%step a\nself.next(self.b)", "%%step b\nself.next(self.a)"], ["a"]),
    ],
    ids=["one", "two", "open foreach", "unknown targets", "loop", "cycle"],
)
def test_the_graph_of_an_unfinished_notebook(cells: list[str], structure: list[object]) -> None:
    """A single step can ask for the graph before the flow is whole, and even before it is right."""
    flow = define_flow([read_cell(FLOW), *(read_cell(cell) for cell in cells)])
    program = Program(flow, build_graph(flow))
    info = graph_info(program, program.flow_class())
    assert info["start_step"] == "a"
    assert set(info["steps"]) == set(program.graph.nodes)
    assert info["graph_structure"] == structure


def test_literal_settings_of_decorators_are_reported(tmp_path: Path) -> None:
    """The one nearest to the function comes first; what is not a literal is given as it is written."""
    session = Session(folder=tmp_path)
    cell = "%%step a -> seen\n@card\n@retry(times=2)\n@resources(memory=size(1))\nseen = current.graph['steps']['a']"
    session.open(read_cell(text) for text in (FLOW, SHARED + "\ndef size(n): return n", cell))
    found = spin_step(session, SpinOptions("a")).values["seen"]["decorators"]
    assert [(one["name"], one["attributes"]) for one in found] == [
        ("resources", {"memory": "size(1)"}),
        ("retry", {"times": 2}),
        ("card", {}),
    ]
