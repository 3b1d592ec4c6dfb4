"""A flow of many steps, one after the other."""

from __future__ import annotations

from flownb.session.options import RunOptions, parse_spin
from flownb.session.run import run_flow
from flownb.session.spin import spin_step
from flownb.session.step import run_step
from tests.conftest import MakeSession


def test_the_last_step_of_a_long_flow_is_judged(make_session: MakeSession) -> None:
    """A spin and a cell say what they were made from, however many steps are before them."""
    steps = [f"%%step s{number} -> x\nx = x + 1" for number in range(1, 350)]
    session = make_session("%%step s0 -> x\nx = 0", *steps)
    run_flow(session, RunOptions(executor="inline"))
    assert spin_step(session, parse_spin(["s349"])).values == {"x": 349}
    assert run_step(session, "s349").values == {"x": 349}
