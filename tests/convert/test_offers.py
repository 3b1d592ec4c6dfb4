"""Loops that are offered as a foreach with a join: which ones, and that the offered cells give the same values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flownb.client import Run
from flownb.convert.offers import find_offers
from flownb.convert.plain import read_plain
from flownb.convert.proposal import Offer, Place, Proposal
from flownb.convert.propose import propose
from flownb.session.export import export_flow
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from tests.fidelity.metaflow_peer import run_in_metaflow
from tests.fidelity.notebook_side import notebook_session, tasks_of

TRAIN = "def train(n):\n    total = 0\n    for i in range(n):\n        total += i\n    return total\n"
FITS = "class Model:\n    def fit(self, k):\n        self.k = k\n        return self\n"


def offers_of(*cells: str) -> tuple[Proposal, tuple[Offer, ...]]:
    """What is proposed and offered for a plain notebook."""
    document: dict[str, Any] = {
        "cells": [{"cell_type": "code", "source": one, "metadata": {}, "id": f"c{at}"} for at, one in enumerate(cells)],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    proposal = propose(document)
    return proposal, find_offers(proposal, read_plain(document))


OFFERED = [
    (TRAIN, "out = []\nfor n in [3, 1]:\n    out.append(train(n))", "print(out)"),
    (TRAIN, "out = {}\nfor n in [3, 1]:\n    out[n] = train(n)", "print(out)"),
    (TRAIN, "out = [train(n) for n in (1, 2)]", "print(out)"),
    (TRAIN, "out = []\nfor n in [1, 2]:\n    out.append(train(n))\n    print(out[-1])", "print(out)"),
    (TRAIN, "out = {}\nfor n in [1, 2]:\n    out[n] = train(n)\n    print(f'{out[n]}')", "print(out)"),
    (TRAIN, "out = {n: train(n) for n in range(3) if n}", "print(out)"),
    (
        TRAIN,
        "a, b = [], {}\nfor n in [1, 2]:\n    if n == 2:\n        continue\n    a.append(train(n))\n    b[n] = n",
        "print(a, b)",
    ),
    (
        "import pandas as pd",
        "frames = []\nfor f in ['a.csv', 'b.csv']:\n    frames.append(pd.read_csv(f))",
        "df = pd.concat(frames)",
    ),
    (
        "import requests",
        "pages = []\nfor u in ['http://a', 'http://b']:\n    pages.append(requests.get(u).text)",
        "print(pages)",
    ),
    (FITS, "out = {}\nfor k in [1, 2]:\n    model = Model()\n    model.fit(k)\n    out[k] = model", "print(out[1].k)"),
    (
        FITS,
        "ms = {'a': Model(), 'b': Model()}\nout = {}\nfor name, m in ms.items():\n    m.fit(1)\n    out[name] = m",
        "print(out)",
    ),
    (
        TRAIN,
        "from tqdm import tqdm\nout = []\nfor n in tqdm([1, 2], desc='x'):\n    out.append(train(n))",
        "print(out)",
    ),
    (
        TRAIN,
        "out = []\nfor n in [1, 2]:\n    try:\n        out.append(train(n))\n    except ValueError:\n        pass",
        "print(out)",
    ),
]

NOT_OFFERED = [
    # not heavy
    ("out = []\nfor n in [3, 1]:\n    out.append(n * 2)", "print(out)"),
    ("def double(n):\n    return n * 2", "out = [double(n) for n in [1, 2]]", "print(out)"),
    # one iteration reads what another one wrote
    (TRAIN, "best = 0\nout = []\nfor n in [1, 2]:\n    best = max(best, train(n))\n    out.append(best)", "print(out)"),
    (TRAIN, "out = [0]\nfor n in [1, 2]:\n    out.append(train(n) + out[-1])", "print(out)"),
    (TRAIN, "out = []\nfor n in [1, 2]:\n    out.append(train(n))\n    print(len(out))", "print(out)"),
    (TRAIN, "out = {}\nfor n in [1, 2]:\n    out[n] = train(n)\n    print(out[1])", "print(out)"),
    (TRAIN, "out = []\nfor n in [1, 2]:\n    print(out[-1:])\n    out.append(train(n))", "print(out)"),
    (TRAIN, "total = 0\nfor n in [1, 2]:\n    total += train(n)", "print(total)"),
    (FITS, "model = Model()\nout = []\nfor k in [1, 2]:\n    model.fit(k)\n    out.append(model.k)", "print(out)"),
    (TRAIN, "seen = set()\nout = []\nfor n in [1, 2]:\n    seen.add(n)\n    out.append(train(n))", "print(out, seen)"),
    (
        "cache = {}\ndef train(n):\n    for i in range(n):\n        cache[i] = len(cache)\n    return len(cache)",
        "out = [train(n) for n in [1, 2]]",
        "print(out)",
    ),
    # what a loop leaves is used after it
    (TRAIN, "out = []\nfor n in [1, 2]:\n    last = train(n)\n    out.append(last)", "print(out, last)"),
    (TRAIN, "out = []\nfor n in [1, 2]:\n    out.append(train(n))", "print(out, n)"),
    (
        FITS,
        "ms = {'a': Model()}\nout = {}\nfor name, m in ms.items():\n    m.fit(1)\n    out[name] = 1",
        "print(out, ms['a'].k)",
    ),
    # ends early
    (TRAIN, "out = []\nfor n in [1, 2]:\n    out.append(train(n))\n    if n > 1:\n        break", "print(out)"),
    (TRAIN, "out = []\nfor n in [1, 2]:\n    out.append(train(n))\nelse:\n    print('done')", "print(out)"),
    # the results do not begin empty, or cannot be stored
    (TRAIN, "out = [5]\nfor n in [1, 2]:\n    out.append(train(n))", "print(out)"),
    (TRAIN, "out = []\nfor n in [1, 2]:\n    train(n)\n    out.append(lambda: n)", "print(out[0]())"),
    # random numbers that depend on the order
    (
        "import random\ndef draw(n):\n    for i in range(n):\n        x = random.random()\n    return x",
        "random.seed(1)\nout = [draw(n) for n in [1, 2]]",
        "print(out)",
    ),
    # nothing is collected
    (TRAIN, "for n in [1, 2]:\n    print(train(n))", "x = 1\nprint(x)"),
]


@pytest.mark.parametrize("cells", OFFERED)
def test_heavy_independent_loops_are_offered(cells: tuple[str, ...]) -> None:
    """A loop whose iterations need nothing of each other is offered, as three cells."""
    _, offers = offers_of(*cells)
    assert [len(offer.cells) for offer in offers] == [3]


@pytest.mark.parametrize("cells", NOT_OFFERED)
def test_other_loops_are_not_offered(cells: tuple[str, ...]) -> None:
    """A loop that is quick, whose order matters, or that leaves more than results is not offered."""
    assert offers_of(*cells)[1] == ()


def test_the_offer_has_the_whole_step() -> None:
    """The offered cells keep the text of the loop and everything around it."""
    _, offers = offers_of(
        TRAIN,
        "# the sizes\nsizes = [3, 1, 2]\nfactor = 2\nout = []\n# one for each size\nfor at, n in enumerate(sizes):\n"
        "    if n == 1:\n        continue  # too small\n    out.append(train(n) * factor)\nbest = max(out) + factor",
        "print(best, sizes)",
    )
    assert [offer.cells for offer in offers] == [
        (
            "%%step fit_best_items -> items, sizes, factor\n# the sizes\nsizes = [3, 1, 2]\nfactor = 2\n"
            "items = list(enumerate(sizes))",
            "%%step fit_best_one --foreach items -> out\nout = []\n# one for each size\nfor at, n in [self.input]:\n"
            "    if n == 1:\n        continue  # too small\n    out.append(train(n) * factor)",
            "%%step fit_best --join -> best\nout = []\nfor one in sorted(inputs, key=lambda one: one.index):\n"
            '    out.extend(one.out)\nself.merge_artifacts(inputs, exclude=["items", "out"])\n'
            "factor = inputs[0].factor\nsizes = inputs[0].sizes\nbest = max(out) + factor\n\nprint(best, sizes)",
        )
    ]
    assert offers[0].place == Place(2, 6, 9)
    assert offers[0].text == (
        "This loop could run as parallel tasks, one for each item of `enumerate(sizes)`, because no iteration needs "
        "another one. Replace the step by these 3 cells to get the same values. The list must not be empty, and "
        "Metaflow starts at most 100 tasks unless --max-num-splits allows more."
    )


SAME_VALUES = [
    (
        TRAIN,
        "base = 10\nnames = ['b', 'a', 'c']",
        "sizes = [3, 1, 2]\nout, by_size = [], {}\nfor at, n in enumerate(sizes):\n    if n == 1:\n        continue\n"
        "    out.append((at, train(n) + base))\n    by_size[n] = names[at]\nfirst = out[0]\nbase = base + 1",
        "final = (out, by_size, first, base, names, sizes)\nprint(final)",
    ),
    (
        FITS,
        "ms = {'b': Model(), 'a': Model()}",
        "out = {name: m.fit(len(name)).k for name, m in ms.items()}",
        "final = list(out.items())",
    ),
    (
        "import math\nlimit = 4",
        "def cost(n):\n    return sum(math.sqrt(i) for i in range(n + limit))",
        "costs = [cost(n) for n in range(5)]\ntotal = sum(costs)",
        "final = (costs, total)",
    ),
]


def replaced(proposal: Proposal, offer: Offer) -> list[str]:
    """The code cells of the converted notebook with those of an offer in place of its step."""
    found: list[str] = []
    for cell in proposal.document["cells"]:
        if cell["cell_type"] != "code":
            continue
        words = cell["source"].split()
        mine = words[:2] == ["%%step", offer.step]
        found += offer.cells if mine else [cell["source"]]
    return found


def last_values(cells: list[str], folder: Path) -> dict[str, object]:
    """The artifacts of the last step cell in a run here."""
    session = notebook_session(cells, folder)
    run = Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore)
    last = [cell.split()[1] for cell in cells if cell.startswith("%%step")][-1]
    return tasks_of(run, [last])[last][0]


@pytest.mark.parametrize("cells", SAME_VALUES)
def test_offered_cells_give_the_same_values(cells: tuple[str, ...], tmp_path: Path) -> None:
    """A run with the offered cells ends with the values of a run without them."""
    proposal, offers = offers_of(*cells)
    assert len(offers) == 1
    plain = [cell["source"] for cell in proposal.document["cells"]]
    before, after = last_values(plain, tmp_path / "a"), last_values(replaced(proposal, offers[0]), tmp_path / "b")
    assert {name: after[name] for name in before} == before
    assert "final" in before


def test_offered_cells_give_the_same_values_on_metaflow(tmp_path: Path) -> None:
    """Exported with the offered cells, the flow ends with the same values on Metaflow."""
    proposal, offers = offers_of(*SAME_VALUES[0])
    here = last_values([cell["source"] for cell in proposal.document["cells"]], tmp_path / "here")
    text = export_flow(notebook_session(replaced(proposal, offers[0]), tmp_path / "export"))
    there = run_in_metaflow(text, tmp_path / "there")["end"][0]
    assert {name: there[name] for name in here} == here
