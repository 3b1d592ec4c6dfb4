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
    """The first look finds every module."""
    assert set(NewModules().take()) == set(sys.modules)


def test_each_is_reported_once(names: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later looks find what came since, the newest first."""
    modules = NewModules()
    modules.take()
    assert modules.take() == []
    for name in ("fourth", "fifth"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert modules.take() == ["fifth", "fourth"]
    assert modules.take() == []


@pytest.mark.parametrize("gone", ["first", "third"])
def test_a_module_that_was_removed_hides_no_other(gone: str, names: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules are found also when earlier ones were removed, or were imported again after them."""
    modules = NewModules()
    modules.take()
    again = sys.modules[gone]
    monkeypatch.delitem(sys.modules, gone)
    monkeypatch.setitem(sys.modules, "fourth", ModuleType("fourth"))
    assert modules.take() == ["fourth"]
    monkeypatch.setitem(sys.modules, "fifth", ModuleType("fifth"))
    monkeypatch.setitem(sys.modules, gone, again)
    assert modules.take() == ["fifth"]


def test_a_module_in_the_place_of_one_that_was_removed(names: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found though there are as many modules as before, and the last one is the same."""
    modules = NewModules()
    modules.take()
    last = sys.modules["third"]
    monkeypatch.delitem(sys.modules, "second")
    monkeypatch.delitem(sys.modules, "third")
    monkeypatch.setitem(sys.modules, "fourth", ModuleType("fourth"))
    monkeypatch.setitem(sys.modules, "third", last)
    assert modules.take() == ["fourth"]
    assert modules.take() == []


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
    assert modules.take() == ["behind", "before"]
    assert modules.take() == []
