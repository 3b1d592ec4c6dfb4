"""What every test may use: notebooks made of cell texts, in a folder of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from hypothesis import settings

from flownb.cells.cell import read_cell
from flownb.session.session import Session

MakeSession = Callable[..., Session]

# A test passes on a machine that is ten times slower.
settings.register_profile("flownb", deadline=None)
settings.load_profile("flownb")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the datastore or user of the shell it is started from."""
    names = ("DATASTORE", "MAX_WORKERS", "REPORT_DETAILS", "IGNORED_VARIABLES", "CACHE", "CACHE_SIZE", "S3_COMPRESSION")
    for name in (*names, "S3_TIMEOUT", "PAGE_MAP", "INDEX_BITMAPS"):
        monkeypatch.delenv(f"FLOWNB_{name}", raising=False)
    monkeypatch.setenv("METAFLOW_USER", "tester")


@pytest.fixture
def make_session(tmp_path: Path) -> MakeSession:
    """Give a session on cells, with its datastore in the test's folder."""

    def make(*cells: str) -> Session:
        session = Session(folder=tmp_path)
        session.open(read_cell(source, number=number) for number, source in enumerate(cells, 1))
        return session

    return make


@pytest.fixture
def write_notebook(tmp_path: Path) -> Callable[..., Path]:
    """Write a notebook file made of code cells."""

    def write(*cells: str, name: str = "nb.ipynb") -> Path:
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source, id=f"c{number}") for number, source in enumerate(cells)]
        )
        path = tmp_path / name
        nbformat.write(notebook, path)
        return path

    return write
