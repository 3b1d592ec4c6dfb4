"""Random numbers: each attempt has its own, of installed packages too, and what is seeded is the same in all."""

from __future__ import annotations

from pathlib import Path

import pytest

from flownb.client import Run
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from tests.conftest import MakeSession

PACKAGE = """
import random
import numpy as np

rng, state, own = np.random.default_rng(), np.random.RandomState(), random.Random()
philox = np.random.Generator(np.random.Philox())
used = random.Random()
used.random()
fixed, fixed_state, fixed_own = np.random.default_rng(42), np.random.RandomState(42), random.Random(42)
# What numpy's documentation recommends: a seed of 128 bits.
fixed_long = np.random.default_rng(0x87351080E25CB0FAD77A44A3BE03B491)
fixed_late = random.Random()
fixed_late.seed("x")
fixed_state_of = random.Random()
fixed_state_of.setstate(fixed_own.getstate())
"""
LOOK = """
import random
import numpy as np
import {name} as p
differ = [p.rng.random(), p.rng.spawn(1)[0].random(), p.state.random(), p.own.random(), p.used.random()]
differ += [p.philox.random(), np.random.random(), random.random(), np.random.default_rng().random()]
same = [p.fixed.random(), p.fixed_state.random(), p.fixed_own.random(), p.fixed_long.random()]
same += [p.fixed_late.random(), p.fixed_state_of.random(), p.fixed.spawn(1)[0].random()]
"""


def install(folder: Path, name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a module be one of an installed package."""
    packages = folder / "lib" / "site-packages"
    packages.mkdir(parents=True, exist_ok=True)
    (packages / f"{name}.py").write_text(source, "utf-8")
    monkeypatch.syspath_prepend(str(packages))


def test_generators_of_installed_packages(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator that a package made without a seed differs in all tasks and runs; a seeded one is the same in all."""
    install(tmp_path, "installed_generators", PACKAGE, monkeypatch)
    session = make_session(
        "%%step s -> xs\nxs = [1, 2]",
        f"%%step f --foreach xs -> differ, same\n{LOOK.format(name='installed_generators')}",
        "%%step j --join",
    )
    runs = [Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore) for _ in range(2)]
    tasks = [task for run in runs for task in run["f"]]
    found = [task["differ"].data for task in tasks]
    assert [len(set(values)) for values in zip(*found, strict=True)] == [4] * 9
    assert [len(set(values)) for values in zip(*(task["same"].data for task in tasks), strict=True)] == [1] * 7


def test_global_generators_that_a_package_seeded(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that seeds the generators of `random` and `numpy.random` at import seeds them in each task."""
    source = "import random\nimport numpy as np\nrandom.seed(1)\nnp.random.seed(1)\n"
    install(tmp_path, "installed_seeds", source, monkeypatch)
    session = make_session(
        "%%step s -> xs\nxs = [1, 2]",
        "%%step f --foreach xs -> same\nimport random\nimport numpy as np\nimport installed_seeds\n"
        "same = [random.random(), np.random.random()]",
        "%%step j --join",
    )
    run = Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore)
    assert [task["same"].data for task in run["f"]] == [[0.13436424411240122, 0.417022004702574]] * 2
