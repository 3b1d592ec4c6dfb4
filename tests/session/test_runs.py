"""The list of a flow's runs."""

from __future__ import annotations

from flownb.session.options import parse_resume, parse_run
from flownb.session.resume import Resume
from flownb.session.run import run_flow
from flownb.session.runs import list_runs, parse_runs
from tests.conftest import MakeSession


def test_runs_have_what_is_not_the_default(make_session: MakeSession) -> None:
    """Newest first; of each its parameters that differ from the notebook's defaults, its tags and what it resumed."""
    session = make_session(
        "%%flow F\na = Parameter('a', default=1)\nb = Parameter('b', default='x')", "%%step load -> c\nc = a"
    )
    assert list_runs(session, parse_runs([])).lines() == ["F has no such runs"]
    run_flow(session, parse_run([]))
    run_flow(session, parse_run("--a 2 --b x --tag big --tag night".split()))
    Resume(session, parse_resume([])).begin().drive()
    found = list_runs(session, parse_runs([]))
    assert [(row[0], row[4], row[5].strip()) for row in found.rows] == [
        ("3", "a=2", "(resumed 2)"),
        ("2", "a=2", "big night"),
        ("1", "", ""),
    ]
    assert {row[2] for row in found.rows} == {"done"}
    few = list_runs(session, parse_runs("--limit 1".split()))
    assert ([row[0] for row in few.rows], few.more) == (["3"], True)
    assert few.lines()[-1] == "… older ones: a larger --limit"
    assert [row[0] for row in list_runs(session, parse_runs("--tag big --tag night".split())).rows] == ["2"]


def test_runs_are_listed_whatever_the_notebook_is_now(make_session: MakeSession) -> None:
    """If the defaults cannot be worked out, all parameters are shown."""
    header = "%%flow F\na = Parameter('a', default=1)"
    run_flow(make_session(header, "%%step load -> c\nc = a"), parse_run([]))
    session = make_session(f"{header}\n1 / 0", "%%step load -> c\nc = a")
    assert [(row[0], row[4]) for row in list_runs(session, parse_runs([])).rows] == [("1", "a=1")]
