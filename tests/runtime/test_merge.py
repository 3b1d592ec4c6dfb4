"""What `merge_artifacts` says of values that Metaflow compares in another way."""

from __future__ import annotations

import warnings

import pytest

from flownb.errors import StepFailed
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from tests.conftest import MakeSession

INLINE = RunOptions(executor="inline")
START = "%%step s -> xs, old\nxs = [1, 2]\nold = {'a', 'b'}"
MERGE = "%%step j --join\nself.merge_artifacts(inputs)"


def test_equal_sets_of_several_tasks_are_warned_of(make_session: MakeSession) -> None:
    """Sets of texts that tasks made alike merge here, and conflict on Metaflow whenever their order differs."""
    session = make_session(START, "%%step f --foreach xs -> names\nnames = {'a', 'b', 'c'}", MERGE)
    with pytest.warns(UserWarning, match=r"Step j merges `names`, a set that several .* Make it a sorted list"):
        run_flow(session, INLINE)


@pytest.mark.parametrize("value", ["{1, 2, None}", "{'a'}", "sorted({'a', 'b'})", "set()"])
def test_sets_that_have_one_order_are_not_warned_of(make_session: MakeSession, value: str) -> None:
    """Numbers have the same order everywhere, and a set that all tasks inherited is one value."""
    session = make_session(START, f"%%step f --foreach xs -> names\nnames = {value}", MERGE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_flow(session, INLINE)


def test_the_conflict_of_what_was_caught_says_what_it_is(make_session: MakeSession) -> None:
    """The message names @catch and how to leave its artifact out."""
    session = make_session(START, "%%step f --foreach xs\n@catch\nraise ValueError(self.input)", MERGE)
    with pytest.raises(StepFailed) as failed:
        run_flow(session, INLINE)
    assert str(failed.value.__cause__) == (
        "Step j cannot merge `_catch_exception`. The joined tasks have different values for it. @catch keeps in "
        "`_catch_exception` what it caught, and they failed differently. Set self._catch_exception before calling "
        "merge_artifacts, or pass exclude=['_catch_exception']."
    )
