"""Splits and joins that do not balance, each with its message."""

from __future__ import annotations

import pytest

from tests.flow.flows import built

SPLIT = ("%%step s", "%%step a --after s", "%%step b --after s")
BRANCHES = "Metaflow needs a join for every split and foreach."
ENDS = "A join ends the branches of a split or the tasks of a foreach."

PROBLEMS = {
    (*SPLIT, "%%step c --after a,b"): (
        "c",
        "Step c comes after a, b, but is not a join.",
        "Only the cases of one switch may meet without a join.",
        "Write `%%step c --after a,b --join`, and read `inputs` in its body.",
        False,
    ),
    ("%%step s", "%%step j --join"): (
        "j",
        "Step j is a join, but no split or foreach is open above it.",
        ENDS,
        "Remove --join, or start a split (two steps with the same --after) or a --foreach above it.",
        False,
    ),
    ("%%step s", "%%step j\nx = inputs"): (
        "j",
        "Step j reads `inputs`, as a join does, but no split or foreach is open above it.",
        ENDS,
        "Read the artifacts of the step above by their names, or start a split or a --foreach above it.",
        False,
    ),
    (*SPLIT, "%%step c --after a", "%%step d --after a", "%%step j --after b,c --join"): (
        "j",
        "Step j joins branches of different splits (a, s).",
        "A join ends one split; an inner split has to be joined first.",
        "Join the inner split in a step of its own.",
        False,
    ),
    (*SPLIT, "%%step c --after s", "%%step j --after a,b --join"): (
        "j",
        "Step j joins the split of s without its branch c.",
        "A join waits for all branches of a split.",
        "Add the last step of that branch to --after in the header of j.",
        False,
    ),
    SPLIT: (
        "b",
        "The split of s is never joined; its last steps are a and b.",
        BRANCHES,
        "Add a cell `%%step collect --after a,b --join` that reads `inputs`.",
        True,
    ),
    ("%%step s -> xs", "%%step a --foreach xs", "%%step b"): (
        "b",
        "The foreach of s is never joined; its last step is b.",
        BRANCHES,
        "Add a cell `%%step collect --after b --join` that reads `inputs`.",
        True,
    ),
}


@pytest.mark.parametrize("cells", PROBLEMS)
def test_what_does_not_balance_is_reported_once(cells: tuple[str, ...]) -> None:
    """Each mistake has one report, at the step that has to change; an open end may still be closed by a later cell."""
    found = [(p.step, p.message.what, p.message.why, p.message.fix, p.whole) for p in built(*cells).balance_problems]
    assert found == [PROBLEMS[cells]]


BALANCED = [
    (*SPLIT, "%%step j --after a,b --join"),
    (*SPLIT, "%%step j --after s,a,b --join"),
    ("%%step s", "%%step a --after s", "%%step j --after s,a --join"),
    ("%%step s", "%%step a --when k=1", "%%step b --after s --when k=2", "%%step c --after a,b"),
    (
        *SPLIT,
        "%%step j --after a,b --join -> k",
        "%%step x --after j --when k=1",
        "%%step y --after j --when k=2",
        "%%step z --after x,y",
    ),
    (*SPLIT, "%%step c --after a --when k=1", "%%step d --after a --when k=2", "%%step j --after b,c,d --join"),
    ("%%step s -> xs", "%%step a --foreach xs -> ys", "%%step b --foreach ys", "%%step c --join", "%%step d --join"),
]


@pytest.mark.parametrize("cells", BALANCED)
def test_what_metaflow_accepts_has_no_problem(cells: tuple[str, ...]) -> None:
    """Skip edges, cases of a switch that meet, and joins inside joins are in balance."""
    graph = built(*cells)
    assert (graph.problems, graph.balance_problems) == ((), ())
