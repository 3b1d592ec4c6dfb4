"""Generated source, executed."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from flownb.errors import TransitionError
from flownb.runtime.failure import user_frames
from flownb.runtime.launch import Launch
from flownb.runtime.shipping import dump_program, load_program
from flownb.session.session import Session
from flownb.session.step import run_step
from tests.conftest import MakeSession


def value_of(session: Session, step: str, name: str) -> Any:
    """Run one step and give what it set."""
    return run_step(session, step).values[name]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("x = 1\nx + 1", [2]),
        ("x = 1\nx + 1;", []),
        ("x = 1\nx + 1  # two; or so", [2]),
        ("x = 1", []),
        ("'text'", ["text"]),
        ("x = 1\nfor i in range(3):\n    i", []),
        ("x = 5\nself.x = x\nx\nself.next(self.other)", [5]),
        ("f'''a\n  b'''", ["a\n  b"]),
        ("(1,\n 2)", [(1, 2)]),
    ],
)
def test_the_last_expression_is_displayed(make_session: MakeSession, body: str, shown: list[Any]) -> None:
    """As in any cell, the value of the last expression is shown, unless a semicolon ends it."""
    seen: list[Any] = []
    run_step(make_session(f"%%step load\n{body}"), "load", display=seen.append)
    assert seen == shown


def test_captures_come_after_the_displayed_expression(make_session: MakeSession) -> None:
    """Showing the last expression does not keep its names from being captured."""
    seen: list[Any] = []
    outcome = run_step(make_session("%%step load -> x\nx = [3]\nx"), "load", display=seen.append)
    assert (seen, outcome.values) == ([[3]], {"x": [3]})


def test_private_names_are_those_of_the_class(make_session: MakeSession) -> None:
    """A name with two underscores is local to the method and consistent in it, as in flow.py."""
    session = make_session("%%step load -> x\n__y = 2\nclass A:\n    __z = 3\nx = [__y, A._A__z, sorted(locals())]")
    assert value_of(session, "load", "x") == [2, 3, ["A", "_NotebookFlow__y", "self"]]


def test_ipythons_builtins_are_not_there(make_session: MakeSession) -> None:
    """`display` and `get_ipython`, which Metaflow does not have, cannot be reached by accident."""
    session = make_session("%%step load -> x\nimport builtins\nx = [n in __builtins__ for n in ('display', 'print')]")
    session_names = [one.code for one in session.checks.find()]
    assert session_names == ["FN001"] or value_of(session, "load", "x") == [False, True]


def test_metaflow_names_are_ours(make_session: MakeSession) -> None:
    """`from metaflow import current` gives the running task's facts, with or without Metaflow installed."""
    session = make_session("%%step load -> x\nfrom metaflow import current\nx = current.step_name")
    assert value_of(session, "load", "x") == "load"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Metaflow's own imports warn
def test_other_metaflow_names_are_metaflows(make_session: MakeSession) -> None:
    """A name that flownb does not bring comes from the installed Metaflow."""
    session = make_session("%%step load -> x\nfrom metaflow import S3\nx = S3.__module__.split('.')[0]")
    assert value_of(session, "load", "x") == "metaflow"


def test_a_pasted_method_body_works(make_session: MakeSession) -> None:
    """Bodies of an existing Metaflow flow run as they are, whatever the order of their cells."""
    session = make_session(
        "%%step start\nself.x = 1\nself.next(self.a, self.b)",
        "%%step a\nself.y = self.x + 1\nself.next(self.both)",
        "%%step b\nself.y = self.x + 2\nself.next(self.both)",
        "%%step both\nself.total = sum(i.y for i in inputs)\nself.merge_artifacts(inputs, include=['x'])\n"
        "self.next(self.end)",
        "%%step end\nprint(self.total, self.x)",
    )
    for step in ("start", "a", "b", "both", "end"):
        run_step(session, step)
    (record,) = session.results().latest("end")
    assert {name: session.datastore.artifacts.load(ref) for name, ref in record.artifacts.items()} == {
        "x": 1,
        "total": 5,
    }


def test_a_step_may_go_to_one_whose_cell_comes_later(make_session: MakeSession) -> None:
    """self.next can name a step whose cell was not run yet."""
    assert run_step(make_session("%%step start\nself.x = 1\nself.next(self.later)"), "start").values == {"x": 1}


def test_a_switch_that_cannot_decide(make_session: MakeSession) -> None:
    """A condition whose value is not a case is an error that names the cases."""
    session = make_session("%%step start\nself.k = 'z'\nself.next({'x': self.a, 'y': self.b}, condition='k')")
    with pytest.raises(TransitionError, match=r"whose value 'z' is not one of its cases\. The cases are 'x', 'y'\."):
        run_step(session, "start")


def test_errors_point_at_the_cells_lines(make_session: MakeSession) -> None:
    """Whatever is put before the body (decorators, loads), a line number is the cell's own."""
    session = make_session(
        "%%step a -> p, q\np = q = 1",
        "\n%%step b\n@retry(times=0)\n@resources(\n    memory=1,\n)\n\nq + p\ntext = '''\n  two\n'''\n(p +\n q / 0)",
    )
    run_step(session, "a")
    with pytest.raises(ZeroDivisionError) as caught:
        run_step(session, "b")
    frames = user_frames(caught.value)
    assert frames is not None
    positions = list(frames.tb_frame.f_code.co_positions())[frames.tb_lasti // 2]
    assert positions == (13, 13, 1, 6)


def test_classes_of_shared_code_are_pickled_by_name(make_session: MakeSession) -> None:
    """An instance of a shared class goes from step to step, and its class is the one of the step that reads it."""
    session = make_session(
        "%%shared\nclass P:\n    def __init__(self, x):\n        self.x = x",
        "%%step a -> p\np = P(3)",
        "%%step b -> same\nsame = isinstance(p, P) and p.x == 3",
    )
    run_step(session, "a")
    assert value_of(session, "b", "same")
    assert "flownb_flow_NotebookFlow" in sys.modules


def test_programs_of_the_same_cells_share_what_was_worked_out(make_session: MakeSession) -> None:
    """Other configs and another command change neither the code nor the class of a flow; other cells share nothing."""
    program = make_session("%%flow F\nN = 1", "%%step start -> x\nx = 1").program(True)
    launched, configured = program.launched(Launch()), program.with_configs({})
    assert launched.constants == {"N": 1}
    for other in (launched, configured, configured.settled()):
        assert other.code is program.code
        assert other.own_modules is program.own_modules
        assert other.constants is program.constants
    fresh = program.of_cells(program.flow, program.graph)
    assert fresh.code is not program.code
    assert fresh.own_modules is not program.own_modules


def test_a_class_that_mutators_change_is_not_shared(make_session: MakeSession) -> None:
    """A decorator of the user's own may make another class of other configs, so each program makes its own."""
    program = make_session("%%step start -> x\n@mine\nx = 1").program(True)
    assert program.has_custom
    configured = program.with_configs({})
    assert configured.code is program.code
    assert configured.cache.declared is not program.cache.declared


def test_a_program_is_shipped_without_its_cache(make_session: MakeSession) -> None:
    """Another process gets what defines a program, and works out the rest itself."""
    program = make_session("%%flow F\nN = 1", "%%step start -> x\nx = 1").program(True)
    before = dump_program(program)
    assert program.constants == {"N": 1}
    assert dump_program(program) == before
    shipped = load_program(before)
    assert shipped.cache.code is None
    assert shipped.constants == {"N": 1}
