"""Steps that the latest result of a switch leads away from: nested switches, switches in foreachs, steps below them."""

from __future__ import annotations

from flownb.picture.layout import flow_summary
from flownb.runtime.freshness import Freshness
from flownb.session.drawing import picture
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.states import states_after_run, step_states
from flownb.session.step import run_step
from tests.conftest import MakeSession

NESTED = (
    "%%step start -> kind, size\nkind = 'a'\nsize = 's'",
    "%%step a --after start --when kind=a -> r\nr = 'a'",
    "%%step b --after start --when kind=b -> size, r\nsize = 'l'\nr = 'b'",
    "%%step b_small --after b --when size=s -> q\nq = 1",
    "%%step b_large --after b --when size=l -> q\nq = 2",
    "%%step b_end --after b_small,b_large -> r\nr = q",
    "%%step last --after a,b_end -> z\nz = r",
)
INSIDE = (
    "%%step start -> xs\nxs = [1, 2, 3, 4]",
    "%%step look --foreach xs -> n, odd\nn = self.input\nodd = n % 2 == 1",
    "%%step yes --after look --when odd=True -> r\nr = n * 10",
    "%%step no --after look --when odd=False -> r\nr = n * 100",
    "%%step merge --after yes,no -> t\nt = r",
    "%%step gather --join -> ts\nts = [i.t for i in inputs]",
)
INLINE = RunOptions(executor="inline")
LED_TO_A = ("`start` led to `a`",)


def states(session: Session) -> dict[str, str]:
    """The state of each step."""
    return {name: one.state for name, one in step_states(session).items()}


def test_nested_switches(make_session: MakeSession) -> None:
    """All below a way that was not taken is not taken, whatever it gave in an earlier run, and names the switch."""
    other = make_session(NESTED[0].replace("kind = 'a'", "kind = 'b'"), *NESTED[1:])
    run_flow(other, INLINE)
    assert {n: one for n, one in states(other).items() if one != "fresh"} == {"a": "untaken", "b_small": "untaken"}
    assert step_states(other)["b_small"].reasons == ("`b` led to `b_large`",)
    session = make_session(*NESTED)
    run_flow(session, INLINE)
    judged = step_states(session)
    assert {name: one.reasons for name, one in judged.items() if one.state == "untaken"} == dict.fromkeys(
        ("b", "b_small", "b_large", "b_end"), LED_TO_A
    )
    assert {name: one.state for name, one in judged.items() if one.state != "untaken"} == {
        "start": "fresh",
        "a": "fresh",
        "last": "fresh",
    }


def test_cells_of_a_way_that_was_not_taken(make_session: MakeSession) -> None:
    """They run, say that a run would not come to them, and stay not taken; what is below takes the other way."""
    session = make_session(*NESTED)
    for step in ("start", "a", "last"):
        assert run_step(session, step).report.inputs == ()
    said = "not taken: `start` led to `a`, so a run would not reach this step; it ran anyway"
    assert [run_step(session, step).report.inputs for step in ("b", "b_large", "b_end")] == [(said,)] * 3
    assert (states(session)["b_end"], states(session)["last"]) == ("untaken", "fresh")
    assert run_step(session, "last").values == {"z": "a"}


def test_a_switch_inside_a_foreach(make_session: MakeSession) -> None:
    """Cells run for the items that lead to them, and give what a run gives; a switch that turns makes them stale."""
    session = make_session(*INSIDE)
    tasks = [run_step(session, step.name).report.tasks for step in session.flow.steps]
    assert tasks == [1, 4, 2, 2, 4, 1]
    results = session.results()
    by_cells = session.datastore.artifacts.load(results.latest("gather")[0].artifacts["ts"])
    run_flow(session, INLINE)
    by_run = session.datastore.artifacts.load(results.latest("gather")[0].artifacts["ts"])
    assert (by_cells, by_run) == ([10, 200, 30, 400], [10, 200, 30, 400])
    assert set(states(session).values()) == {"fresh"}
    turned = make_session(INSIDE[0].replace("3, 4", "3, 5"), *INSIDE[1:])
    run_step(turned, "start")
    run_step(turned, "look")
    judged = step_states(turned)
    assert {n: judged[n].reasons for n in ("yes", "no")} == {"yes": ("new items",), "no": ("fewer items",)}


def test_the_picture_of_a_run(make_session: MakeSession) -> None:
    """What a run did not come to is not taken if a switch led elsewhere, and never ran in it if it broke off before."""
    session = make_session(*NESTED)
    run_flow(session, INLINE)
    events = {name: Freshness("fresh", (), 1) for name in ("start", "a", "last")}
    assert flow_summary(picture(session, states_after_run(session, events))) == "7 steps · 3 fresh · 4 not taken"
    broken = {"start": events["start"], "a": Freshness("failed", ("ValueError",), 1)}
    assert (
        flow_summary(picture(session, states_after_run(session, broken)))
        == "7 steps · 1 failed · 1 fresh · 4 not taken · 1 never run"
    )
