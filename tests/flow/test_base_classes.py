"""Base classes of a flow, found in shared cells and in modules without executing any."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flownb.cells.cell import Cell, read_cell
from flownb.flow.base_classes import base_classes, inherited_steps, own_package
from tests.flow.flows import define

SHOP = {
    "shop/__init__.py": "from .flows import ShopFlow\n",
    "shop/flows.py": "from .parts import load\nfrom .parts.load import Load as Loads\n\n"
    "class ShopFlow(Loads):\n    pass\n\nclass Twice(load.Load):\n    pass\n",
    "shop/parts/__init__.py": "",
    "shop/parts/load.py": "from metaflow import FlowSpec\nfrom ..mixins import Mixin\n\n"
    "class Load(Mixin, FlowSpec):\n    pass\n",
    "shop/mixins.py": "class Mixin:\n    pass\n",
    "beside.py": "import metaflow as mf\nraise RuntimeError('executed')\nclass Base(mf.FlowSpec):\n    pass\n",
    "guarded.py": "try:\n    from beside import Base\nexcept ImportError:\n    Base = None\n"
    "if True:\n    class Inner(Base):\n        pass\n",
    "broken.py": "class Base(:\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules on the import path."""
    for name, text in SHOP.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def shared(*codes: str) -> list[Cell]:
    """Shared cells of these bodies."""
    return [read_cell(f"%%shared\n{code}", number=number) for number, code in enumerate(codes, 1)]


def found(names: list[str], *codes: str) -> tuple[list[str], bool, bool]:
    """Names of the classes found, each below its module; whether all are known; whether one is Metaflow's."""
    classes, complete, is_flow = base_classes(names, shared(*codes))
    return [f"{one.module}:{one.name}" if one.module else one.name for one in classes], complete, is_flow


FLOW = "class Base(FlowSpec):\n    pass\n"
IN_CELLS = {
    "of a shared cell": (["Base"], (FLOW,), (["Base"], True, True)),
    "over several cells": (["Top"], (FLOW, "class Top(Base):\n    pass"), (["Top", "Base"], True, True)),
    "the last of that name": (["Base"], (FLOW, "class Base:\n    pass"), (["Base"], True, False)),
    "imported root": (["B"], ("from flownb import FlowSpec as F\nclass B(F): pass",), (["B"], True, True)),
    "root in a module": (
        ["B"],
        ("from metaflow.flowspec import FlowSpec\nclass B(FlowSpec): pass",),
        (["B"], True, True),
    ),
    "metaflow itself": (["metaflow.FlowSpec"], ("import metaflow",), ([], True, True)),
    "only a mix-in": (["Mixin"], ("class Mixin(object): pass",), (["Mixin"], True, False)),
    "another name": (["Other"], (FLOW, "Other = Base"), (["Base"], True, True)),
    "made by a call": (["Made"], ("Made = make()",), ([], False, True)),
    "unknown": (["Nowhere"], (), ([], False, True)),
    "of an unknown module": (["Base"], ("from no_such_module import Base",), ([], False, True)),
    "above itself": (["A"], ("class A(A): pass",), (["A"], False, True)),
    "diamond": (
        ["Left", "Right"],
        (FLOW, "class Left(Base): pass\nclass Right(Base): pass"),
        (["Left", "Right", "Base"], True, True),
    ),
    "a mix-in before the base": (["Mixin", "Base"], (FLOW, "class Mixin: pass"), (["Mixin", "Base"], True, True)),
}


@pytest.mark.parametrize("case", IN_CELLS)
def test_classes_of_shared_cells(case: str) -> None:
    """Bases are found in the cells, in the order in which Python asks them for a name."""
    names, codes, expected = IN_CELLS[case]
    assert found(names, *codes) == expected


@pytest.mark.parametrize("base", ["ABC", "Generic[T]", "abc.ABC", "object"])
def test_bases_of_python_itself_are_known(base: str) -> None:
    """A class of the standard library below Metaflow's hides nothing, with or without type arguments."""
    imports = "import abc\nfrom abc import ABC\nfrom typing import Generic, TypeVar\nT = TypeVar('T')"
    code = f"{imports}\nclass B({base}, FlowSpec): pass"
    classes, complete, is_flow = base_classes(["B"], shared(code))
    assert (
        [one.name for one in classes if own_package(one) or not one.module],
        complete,
        is_flow,
    ) == (["B"], True, True)


LOAD = ["shop.parts.load:Load", "shop.mixins:Mixin"]
IN_MODULES = {
    "beside the notebook": (["Base"], "from beside import Base", ["beside:Base"]),
    "by another name": (["B"], "from beside import Base as B", ["beside:Base"]),
    "as an attribute": (["beside.Base"], "import beside", ["beside:Base"]),
    "of a module by another name": (["m.Load"], "import shop.parts.load as m", LOAD),
    "of a module in a package": (["shop.parts.load.Load"], "import shop.parts.load", LOAD),
    "module taken of a package": (["load.Load"], "from shop.parts import load", LOAD),
    "relative imports": (["ShopFlow"], "from shop import ShopFlow", ["shop.flows:ShopFlow", *LOAD]),
    "a relative module": (["Twice"], "from shop.flows import Twice", ["shop.flows:Twice", *LOAD]),
    "in try and if": (["Inner"], "from guarded import Inner", ["guarded:Inner", "beside:Base"]),
    "below a class of a cell": (["Top"], "import beside\nclass Top(beside.Base): pass", ["Top", "beside:Base"]),
}


@pytest.mark.parametrize("case", IN_MODULES)
def test_classes_of_modules(case: str, folder: Path) -> None:
    """Imports are followed through packages, other names and relative imports; nothing is executed."""
    names, code, expected = IN_MODULES[case]
    before = set(sys.modules)
    assert found(names, code) == (expected, True, True)
    assert set(sys.modules) == before


def test_a_module_that_cannot_be_read_hides_its_classes(folder: Path) -> None:
    """A syntax error there leaves the class unknown, and a name that a module does not have as well."""
    assert found(["Base"], "from broken import Base") == ([], False, True)
    assert found(["Absent"], "from beside import Absent") == ([], False, True)


def test_an_edited_module_is_read_again(folder: Path) -> None:
    """What counts is the file as it is."""
    assert found(["Base"], "from beside import Base") == (["beside:Base"], True, True)
    (folder / "beside.py").write_text("class Other:\n    pass\nclass Base(Other):\n    pass\n")
    assert found(["Base"], "from beside import Base") == (["beside:Base", "beside:Other"], True, False)


def test_the_package_of_a_base(folder: Path) -> None:
    """The top-level package for a class of a module, nothing for one of a shared cell."""
    classes, _, _ = base_classes(["Top"], shared("from shop.parts.load import Load\nclass Top(Load): pass"))
    assert [own_package(one) for one in classes] == ["", "shop", "shop"]


STEPS = """from metaflow import FlowSpec, retry, step

class Low(FlowSpec):
    @step
    def start(self):
        self.x = "low"  # a comment
        self.next(self.fan)

    @step
    def fan(self):
        self.next(self.join)

    def helper(self):
        return 1

class Top(Low):
    @retry(times=2)
    @step
    def fan(self):
        self.next(self.join)

    @step
    def join(self, tasks):
        self.merge_artifacts(tasks)
        self.next(self.end)

    @step(end=True)
    def end(self): pass

    @staticmethod
    def start(): pass
"""


def test_inherited_steps_are_cells() -> None:
    """Each step is the cell that says the same: its decorators, the parameter of a join, the body."""
    classes, _, _ = base_classes(["Top"], shared(STEPS))
    cells = inherited_steps(classes)
    assert {name: cell.source for name, cell in cells.items()} == {
        "fan": "%%step fan\n@retry(times=2)\n@step\n\nself.next(self.join)",
        "join": "%%step join --join tasks\n@step\n\nself.merge_artifacts(tasks)\nself.next(self.end)",
        "end": "%%step end\n@step(end=True)\n\npass",
    }
    assert [cell.parsed.problem for cell in cells.values()] == [None] * 3


def test_a_cell_replaces_an_inherited_step() -> None:
    """A step cell of the same name counts, the others come before the cells."""
    low = STEPS.partition("class Top")[0]
    flow = define(f"%%shared\n{low}", "%%flow F(Low)", "%%step fan\nself.y = 1", "%%step last")
    assert [one.name for one in flow.all_steps] == ["start", "fan", "last"]
    assert list(flow.inherited) == ["start"]
    assert (flow.has_root, flow.is_open) == (True, False)
