"""Values and lines that agree in all runs although they depend on the time or on chance."""

from __future__ import annotations

import pytest

from flownb.convert.hidden import find_hidden
from flownb.convert.plain import read_plain
from flownb.convert.proposal import Proposal
from flownb.convert.propose import propose
from flownb.convert.verify.comparison import Comparison
from flownb.convert.verify.flow import FlowAnswer
from flownb.convert.verify.plain import PlainRun
from flownb.convert.verify.report import PRINTED
from flownb.convert.verify.taint import RANDOM, TIME, find_taint
from tests.convert.test_propose import notebook

SHARED = "shared code of cell 1 prints in every task; move what it prints to a cell of its own"


@pytest.mark.parametrize(
    ("cells", "after", "printed"),
    [
        (("from datetime import date\nx = date.today()\ny = x.year", "z = [y]\nx = 1"), {"y": TIME, "z": TIME}, {}),
        (("import datetime as dt", "d = {}\nd['at'] = dt.datetime.now()", "n = len(d)"), {"d": TIME, "n": TIME}, {}),
        (("import time\nt = []\nfor i in range(3):\n    k = i\n    t.append(time.time())",), {"t": TIME}, {}),
        (("import time\ndef now():\n    return time.time()", "print(int(now()))"), {"now": TIME}, {2: TIME}),
        (("import random\nx = random.random()", "y = x > 0", "print(x)"), {"x": RANDOM}, {3: RANDOM}),
        (("import random\nrandom.seed(1)\nx = random.random()", "print(x)"), {}, {}),
        (("from datetime import date\nx = date(2024, 1, 1)", "print(x)"), {}, {}),
    ],
)
def test_what_may_agree_by_luck(cells: tuple[str, ...], after: dict[str, str], printed: dict[int, str]) -> None:
    """What reads the clock taints what is made of it; random numbers without a seed taint their own name."""
    plain = read_plain({"cells": [{"cell_type": "code", "source": source} for source in cells]})
    found = find_taint(plain, find_hidden(plain, Proposal("F")))
    assert (dict(found.after.get(len(cells), {})), found.printed) == (after, printed)


@pytest.mark.parametrize(
    ("date", "flow", "row"),
    [
        ("", "3\n", ("equal", "")),
        ("", "A\n3\n", ("differs", SHARED)),
        ("", "B\n3\n", ("differs", "line 1 is `3` in the notebook, `B` in the flow")),
        ("from datetime import date\nday = date.today()\nprint(day)", "3\n", ("unverifiable", TIME)),
    ],
)
def test_printed_lines_of_a_step(date: str, flow: str, row: tuple[str, str]) -> None:
    """What shared code prints in every task is named, and lines with a date are not called equal."""
    document = notebook("class A:\n    print('A')", f"{date}\nprint(1 + 2)")
    proposal = propose(document)
    (step,) = proposal.steps
    answer = FlowAnswer(printed={step.name: flow}, artifacts={step.name: {}})
    plain = PlainRun(printed={1: "A\n", 2: "3\n"})
    rows = Comparison(read_plain(document), [plain], proposal, answer, lambda cell: {}).rows(frozenset())
    assert [(one.verdict, one.detail) for one in rows if one.name == PRINTED] == [row]
