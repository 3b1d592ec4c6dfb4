"""Modules of the user's own: found without being executed, and distinguished by content."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flownb.provenance.imported_text import UNKNOWN, Digests, ImportedText, noted_apart, watch_imports
from flownb.provenance.module_copies import loaded_texts
from flownb.provenance.module_hashes import outdated_modules, own_module_hashes


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
    assert list(own_module_hashes(names)) == found


def test_an_edit_anywhere_below_changes_one_hash(folder: Path) -> None:
    """A hash is that of one file, so that a reason can name it."""
    before = own_module_hashes(["features"])
    (folder / "shop" / "rates.py").write_text("RATE = 30\n")
    after = own_module_hashes(["features"])
    assert [name for name in before if before[name] != after[name]] == ["shop.rates"]


def test_what_was_imported_counts_as_it_was(folder: Path) -> None:
    """A task that ran on an old import is not taken for one that ran on the edited file, until a reload."""
    watch_imports()
    rates = importlib.import_module("shop.rates")
    before = own_module_hashes([], loaded=loaded_texts(0))["shop.rates"]
    assert own_module_hashes(["shop.rates"])["shop.rates"] == before
    (folder / "shop" / "rates.py").write_text("RATE = 30\n")
    assert own_module_hashes([], loaded=loaded_texts(0))["shop.rates"] == before
    assert own_module_hashes(["shop.rates"])["shop.rates"] != before
    assert [name for name in outdated_modules(loaded_texts(0)) if name.startswith("shop")] == ["shop.rates"]
    importlib.invalidate_caches()
    importlib.reload(rates)
    assert (
        own_module_hashes(["shop.rates"])["shop.rates"] == own_module_hashes([], loaded=loaded_texts(0))["shop.rates"]
    )


def test_an_edit_that_leaves_size_and_time(folder: Path) -> None:
    """The content decides, also where a file looks the same."""
    path = folder / "shop" / "rates.py"
    digests = []
    for text in ("RATE = 1\n", "RATE = 2\n", "RATE = 1\n"):
        path.write_text(text)
        os.utime(path, (1_000_000, 1_000_000))
        digests.append(own_module_hashes(["shop.rates"])["shop.rates"])
    assert [digests[0] == digests[2], digests[0] == digests[1]] == [True, False]


def test_a_module_that_was_there_before(folder: Path) -> None:
    """The content of a module that was imported before imports were watched is unknown, if its file may be newer."""
    watch_imports()
    importlib.import_module("shop.rates")
    with noted_apart({}):
        assert loaded_texts(0)["shop.rates"].digests == UNKNOWN


def test_a_file_that_has_no_module_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was loaded from a file under a name of no meaning is known by its path, from the current folder on."""
    monkeypatch.chdir(folder)
    (folder / "a plugin.py").write_text("N = 1\n")
    text = ImportedText(str(folder / "a plugin.py"), Digests("old"))
    assert own_module_hashes([], loaded={"anything": text}) == {"./a%20plugin.py": Digests("old")}
    assert list(own_module_hashes(["./a%20plugin.py"])) == ["./a%20plugin.py"]
    assert own_module_hashes(["./gone.py"]) == {}
