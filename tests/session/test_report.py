"""What is shown under a step's cell."""

from __future__ import annotations

import pytest

from flownb.errors import NotFound
from flownb.session.options import parse_spin
from flownb.session.report import StepReport
from flownb.session.spin import spin_step
from flownb.session.step import run_step
from tests.conftest import MakeSession

LOAD = "%%step load -> xs\nimport math\nxs = [1, 2]\ntotal = sum(xs)"


def test_a_report_is_one_line_that_opens_to_details(make_session: MakeSession) -> None:
    """By default there is one line; in HTML it opens to the header that keeps what is local."""
    report = run_step(make_session(LOAD), "load").report
    assert report.lines() == ["✓ load · set xs: list · local: total"]
    assert report.details() == ["local: total (to keep: %%step load -> xs, total)"]
    bundle = report.bundle()
    assert bundle["text/plain"] == "✓ load · set xs: list · local: total"
    assert bundle["text/html"].startswith("<details ")
    assert "<summary>✓ load · set xs: list · local: total</summary>" in bundle["text/html"]
    assert "(to keep: %%step load -&gt; xs, total)" in bundle["text/html"]


def test_local_names_are_mentioned_once_for_a_text(make_session: MakeSession) -> None:
    """A cell that is executed again as it is says nothing of its local names; who asks for the report sees them."""
    session = make_session(LOAD)
    run_step(session, "load")
    again = run_step(session, "load").report
    assert (again.lines(), again.details()) == (["✓ load · set xs: list"], [])
    assert "details" not in again.bundle()["text/html"]
    assert session.reports.find("load").whole().lines() == [
        "✓ load · set xs: list · local: total",
        "  local: total (to keep: %%step load -> xs, total)",
    ]


def test_what_qualifies_a_result_is_always_shown() -> None:
    """A note has a line of its own below the first; what is true each time is among the details."""
    report = StepReport("train", "ran", 3, (("m", "int"),), notes=("a failed",), asides=("m is of the first task",))
    assert report.lines() == ["✓ train · 3 tasks · set m: int", "  note: a failed"]
    assert report.details() == ["m is of the first task"]
    assert report.bundle()["text/plain"] == "✓ train · 3 tasks · set m: int\n  note: a failed"
    whole = report.whole().lines()
    assert whole == ["✓ train · 3 tasks · set m: int", "  m is of the first task", "  note: a failed"]


def test_many_artifacts_are_listed_in_the_details() -> None:
    """The line names eight artifacts and counts the others."""
    report = StepReport("load", "ran", 1, tuple((f"x{i}", "int") for i in range(10)))
    assert report.line.endswith("x7: int and 2 more")
    assert report.details()[0].endswith("x8: int, x9: int")


def test_a_captured_value_that_was_only_read_was_not_set(make_session: MakeSession) -> None:
    """A report names what the step assigned or changed in place, not a capture that it only looked at."""
    session = make_session(
        "%%step load -> model, xs\nmodel = {'k': 1}\nxs = [1]",
        "%%step use -> y, model\ny = model['k']",
        "%%step grow -> xs\nxs.append(2)",
        "%%step same -> xs\nxs = [1, 2]",
    )
    reports = [run_step(session, name) for name in ("load", "use", "grow", "same")]
    assert [tuple(name for name, _ in one.report.artifacts) for one in reports] == [
        ("model", "xs"),
        ("y",),
        ("xs",),
        ("xs",),
    ]
    assert reports[1].values == {"y": 1, "model": {"k": 1}}
    assert [one.report.asides for one in reports] == [()] * 4
    assert spin_step(session, parse_spin(["use"])).report.artifacts == (("y", "int"),)


def test_a_report_that_was_never_made_cannot_be_shown(make_session: MakeSession) -> None:
    """Asked for a report, a session gives the newest or that of a step, or says which there are."""
    session = make_session(LOAD, "%%step use -> y\ny = xs[0]")
    with pytest.raises(NotFound, match=r"There is no report yet\. .*: none yet"):
        session.reports.find()
    run_step(session, "load")
    run_step(session, "use")
    assert session.reports.find().step == "use"
    assert session.reports.find("load").step == "load"
    with pytest.raises(NotFound, match=r"no report of `laod`\. Did you mean `load`\? .*: load, use\."):
        session.reports.find("laod")


COUNTER = """%%shared
class Model:
    calls = 0
    def predict(self):
        self.calls += 1
        return 7"""


def test_a_value_that_changed_while_it_was_used_was_not_set(make_session: MakeSession) -> None:
    """A model that counts its calls is another one after it was used; the details say so, and the line does not."""
    session = make_session(COUNTER, "%%step load -> model\nmodel = Model()", "%%step use -> y\ny = model.predict()")
    run_step(session, "load")
    report = run_step(session, "use").report
    assert (report.lines(), report.details()) == (["✓ use · set y: int"], ["changed in place: model"])
