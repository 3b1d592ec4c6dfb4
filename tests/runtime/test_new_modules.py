"""Which modules were imported since the last look."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from flownb.provenance.record import NewModules


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some modules that are imported already."""
    for name in ("first", "second", "third"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))


def test_all_are_new_at_first(names: None) -> None:
    """The first look tells of every module."""
    assert set(sys.modules) == set(NewModules().take())


def test_each_is_told_of_once(names: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later looks tell of what came since, the newest first."""
    modules = NewModules()
    modules.take()
    assert [] == modules.take()
    for name in ("fourth", "fifth"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert ["fifth", "fourth"] == modules.take()
    assert [] == modules.take()


@pytest.mark.parametrize("gone", ["first", "third"])
def test_a_module_that_was_removed_hides_no_other(gone: str, names: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules are found also when those before them went, or were imported anew behind them."""
    modules = NewModules()
    modules.take()
    again = sys.modules[gone]
    monkeypatch.delitem(sys.modules, gone)
    monkeypatch.setitem(sys.modules, "fourth", ModuleType("fourth"))
    assert ["fourth"] == modules.take()
    monkeypatch.setitem(sys.modules, "fifth", ModuleType("fifth"))
    monkeypatch.setitem(sys.modules, gone, again)
    assert ["fifth"] == modules.take()


def test_many_modules_that_were_put_back(names: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new module is found before and behind many that were taken out of the list and put back."""
    many = [f"many{number}" for number in range(200)]
    for name in many:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    modules = NewModules()
    modules.take()
    for name in many:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "before", ModuleType("before"))
    for name in many:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "behind", ModuleType("behind"))
    assert ["behind", "before"] == modules.take()
    assert [] == modules.take()
