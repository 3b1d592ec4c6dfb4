"""Modules of the user's own see flownb's names for Metaflow's; installed packages keep the real ones."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flownb.runtime import metaflow_names as tested
from flownb.runtime.current import current
from flownb.runtime.metaflow_names import own_imports
from flownb.runtime.parameters.parameter import Parameter

HELPER = "from metaflow import current, Parameter\nfrom metaflow.metaflow_current import current as inner\n"
FILES = {
    "own_helper.py": HELPER + "def late():\n    from metaflow import current\n    return current\n",
    "own_package/__init__.py": "from .part import current\n",
    "own_package/part.py": HELPER,
    "own_plain.py": "COUNT = []\n",
    "own_user.py": "import own_helper\nimport own_plain\nown_plain.COUNT.append(1)\n",
    "own_broken.py": "raise ValueError('on import')\n",
    "site-packages/bought/__init__.py": HELPER,
    "site-packages/bought/part.py": HELPER,
}


# Metaflow's own imports warn.
pytestmark = pytest.mark.filterwarnings("ignore:The _yaml extension module:DeprecationWarning")


@pytest.fixture(autouse=True)
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Folders of modules on the import path, and a finder as it is in a process that has run no flow."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(tested._finder, "always", False)
    adopted, before = set(tested._adopted), set(sys.modules)
    yield
    tested._adopted.clear()
    tested._adopted.update(adopted)
    for name in set(sys.modules) - before:
        if name.startswith(("own_", "bought")):  # Metaflow cannot be imported twice
            del sys.modules[name]


def seen_by(name: str) -> list[bool]:
    """Which of a module's names for Metaflow's objects are flownb's."""
    module = importlib.import_module(name)
    ours = [(module.current, current), (module.Parameter, Parameter), (module.inner, current)]
    return [value is own for value, own in ours]


@pytest.mark.parametrize("name", ["own_helper", "own_package.part"])
def test_own_modules_get_our_names_in_the_block(name: str) -> None:
    """A module beside the notebook, or a part of a package there, gets what a cell gets."""
    with own_imports():
        assert seen_by(name) == [True, True, True]


def test_a_function_keeps_the_names_of_its_module() -> None:
    """An import inside a function of such a module gives our names also when it is called after the block."""
    with own_imports():
        module = importlib.import_module("own_helper")
    assert module.late() is current


def test_own_modules_get_the_real_names_outside() -> None:
    """Without the block an import is Python's own."""
    module = importlib.import_module("own_helper")
    real = importlib.import_module("metaflow")
    assert seen_by("own_helper") == [False, False, False]
    assert (module.Parameter, module.inner, module.late()) == (real.Parameter, real.current, real.current)


def test_modules_with_the_real_names_are_imported_again() -> None:
    """The block forgets what took names of the real Metaflow, and keeps all other modules."""
    importlib.import_module("own_user")
    plain = sys.modules["own_plain"]
    with own_imports():
        assert seen_by("own_helper") == [True, True, True]
    assert sys.modules["own_plain"] is plain


def test_installed_packages_keep_the_real_metaflow() -> None:
    """A package of site-packages gets our names only where a base class of the flow comes from it."""
    with own_imports():
        assert seen_by("bought") == [False, False, False]
    with own_imports(["bought"]):
        assert seen_by("bought") == [True, True, True]
        assert seen_by("bought.part") == [True, True, True]


def test_blocks_can_be_nested() -> None:
    """The end of the inner block does not end the outer one."""
    with own_imports():
        with own_imports():
            pass
        assert seen_by("own_helper") == [True, True, True]
    assert tested._finder.open == 0


def test_an_error_while_importing_ends_the_block() -> None:
    """A module that raises does so as ever, and imports behind the block are Python's own again."""
    with pytest.raises(ValueError, match="on import"), own_imports():
        importlib.import_module("own_broken")
    assert seen_by("own_helper") == [False, False, False]


def test_always_is_for_every_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is a flow's gives all modules of the user's own our names, those imported before as well."""
    importlib.import_module("own_helper")
    tested.always_own_imports()
    assert seen_by("own_helper") == [True, True, True]
