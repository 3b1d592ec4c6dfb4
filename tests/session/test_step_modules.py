"""Step cells that import modules of the user's own."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from tests.conftest import MakeSession


def test_a_kernel_says_that_it_has_an_older_module(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step cell runs on the module as the kernel imported it: it says so, and the result is stale until a reload."""
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "beside_cell.py"
    module.write_text("N = 1\n")
    cell = "%%step a -> x\nimport beside_cell\nx = beside_cell.N"
    assert [] == list(make_session(cell).run_step("a").report.notes)
    module.write_text("N = 100\n")
    outcome = make_session(cell).run_step("a")
    assert {"x": 1} == outcome.values
    note = "module beside_cell was edited since this kernel imported it; reload it, or restart the kernel"
    assert (note,) == outcome.report.notes
    assert ("module `beside_cell` changed",) == make_session(cell).freshness()["a"].reasons
    importlib.reload(sys.modules["beside_cell"])
    assert ({"x": 100}, ()) == ((outcome := make_session(cell).run_step("a")).values, outcome.report.notes)
    assert "fresh" == make_session(cell).freshness()["a"].state
