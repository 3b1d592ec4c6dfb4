"""Which tasks a single step has: a first step that is a foreach has no parent to take its items from."""

from __future__ import annotations

import pytest

from flownb.errors import MissingResults
from flownb.session.options import parse_spin
from flownb.session.spin import spin_step
from flownb.session.step import run_step
from tests.conftest import MakeSession

HEADER = "%%flow FirstFlow\nITEMS = ('a', 'b')\nsizes = Parameter('sizes', default=[3, 4], type=JSONType)"
WORK = "%%step work --foreach ITEMS -> v\nv = self.input * 2"
GATHER = "%%step gather --join -> vs\nvs = [i.v for i in inputs]"


def test_first_foreach_runs_over_a_constant(make_session: MakeSession) -> None:
    """The cell of a first step runs once for each item of a constant, and a join can follow it."""
    session = make_session(HEADER, WORK, GATHER)
    run_step(session, "work")
    assert run_step(session, "gather").values == {"vs": ["aa", "bb"]}


def test_first_foreach_runs_over_a_parameter(make_session: MakeSession) -> None:
    """A spin of such a step takes the item that --index names, also of a parameter that --set gives."""
    session = make_session(HEADER, WORK.replace("ITEMS", "sizes"), GATHER)
    assert spin_step(session, parse_spin(["work"])).values == {"v": 6}
    assert spin_step(session, parse_spin("work --index 1".split())).values == {"v": 8}
    assert spin_step(session, parse_spin("work --index 2 --set sizes=[7,8,9]".split())).values == {"v": 18}


def test_first_foreach_over_nothing_known(make_session: MakeSession) -> None:
    """A first foreach over what is neither a parameter nor a constant says which step is missing."""
    session = make_session(WORK, GATHER)
    with pytest.raises(MissingResults, match="earlier step that captures `ITEMS`"):
        run_step(session, "work")
