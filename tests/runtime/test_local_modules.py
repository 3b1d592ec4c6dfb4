"""Modules of the user's own: found without being executed, and told apart by content."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flownb.runtime.local_modules import local_modules


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules can be imported, with a module, a package and what they import."""
    monkeypatch.syspath_prepend(str(tmp_path))
    files = {
        "features.py": "import json\nfrom shop import prices\nraise RuntimeError('executed')",
        "shop/__init__.py": "",
        "shop/prices.py": "from .rates import RATE\nfrom . import rates",
        "shop/rates.py": "RATE = 2\n",
        "shop/unused.py": "",
        "loose/part.py": "X = 1\n",
        "broken.py": "def (",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["features"], ["features", "shop", "shop.prices", "shop.rates"]),
        (["shop.prices.thing"], ["shop", "shop.prices", "shop.rates"]),
        (["loose.part"], ["loose.part"]),
        (["broken"], ["broken"]),
        (["json", "pandas", "numpy.linalg", "flownb.store", "metaflow", "sys", "no_such_module"], []),
    ],
)
def test_imports_are_followed_and_not_executed(folder: Path, names: list[str], found: list[str]) -> None:
    """Only modules outside of Python and of installed packages count, with all they import in turn."""
    assert found == list(local_modules(names))


def test_an_edit_anywhere_below_changes_one_hash(folder: Path) -> None:
    """A hash is that of one file, so that a reason can name it."""
    before = local_modules(["features"])
    (folder / "shop" / "rates.py").write_text("RATE = 30\n")
    after = local_modules(["features"])
    assert ["shop.rates"] == [name for name in before if before[name] != after[name]]


def test_what_was_imported_counts_as_it_was(folder: Path) -> None:
    """A task that ran on an old import is not taken for one that ran on the edited file, until a reload."""
    rates = importlib.import_module("shop.rates")
    before = local_modules(["shop.rates"], loaded=True)
    (folder / "shop" / "rates.py").write_text("RATE = 30\n")
    assert before == local_modules(["shop.rates"], loaded=True)
    assert before != local_modules(["shop.rates"])
    importlib.invalidate_caches()
    importlib.reload(rates)
    assert local_modules(["shop.rates"]) == local_modules(["shop.rates"], loaded=True)
