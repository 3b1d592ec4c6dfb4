"""Values and lines that agree in all runs although they depend on the time or on chance."""

from __future__ import annotations

import pytest

from flownb.convert.hidden import find_hidden
from flownb.convert.plain import read_plain
from flownb.convert.proposal import Proposal
from flownb.convert.verify.taint import RANDOM, TIME, find_taint


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
