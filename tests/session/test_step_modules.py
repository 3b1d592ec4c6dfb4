"""Step cells and the user's own modules: each step has them as a run has, and what they were decides its freshness."""

from __future__ import annotations

import importlib
import os
import py_compile
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flownb.provenance.imported_text import watch_imports
from flownb.session.options import RunOptions, SpinOptions
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.states import step_states
from flownb.session.step import run_step
from flownb.store.datastore import Datastore
from tests.conftest import MakeSession

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module beside the notebook; what was imported of such is forgotten at the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    watch_imports()
    before = dict(sys.modules)

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    yield write
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


def state(session: Session, step: str) -> tuple[str, tuple[str, ...]]:
    """Whether a step's result is fresh, and why not."""
    found = step_states(session)[step]
    return found.state, found.reasons


def in_a_run(session: Session, step: str, name: str) -> object:
    """What a run makes of an artifact."""
    outcome = run_flow(session, RunOptions())
    flow, run = outcome.pathspec.split("/")
    (task,) = session.datastore.tasks.last_attempts(flow, run, step)
    return Datastore(session.datastore.location).artifacts.load(task.artifacts[name])


# -- edits


def test_a_step_runs_on_the_files_as_they_are(make_session: MakeSession, write: Write) -> None:
    """An edited module needs no reload: the result is stale after the edit, and fresh once the cell ran again."""
    write("beside_cell.py", "N = 1\n")
    session = make_session("%%step a -> x\nimport beside_cell\nx = beside_cell.N")
    assert run_step(session, "a").values == {"x": 1}
    write("beside_cell.py", "N = 100\n")
    assert state(session, "a") == ("stale", ("module `beside_cell` changed",))
    outcome = run_step(session, "a")
    assert (outcome.values, outcome.report.notes) == ({"x": 100}, ())
    assert state(session, "a") == ("fresh", ())


def test_the_notebook_keeps_its_own_copy(make_session: MakeSession, write: Write) -> None:
    """What scratch cells have imported stays what it is, which is said once for each edit."""
    write("beside_kept.py", "N = 1\n")
    mine = importlib.import_module("beside_kept")
    write("beside_kept.py", "N = 100\n")
    session = make_session("%%step a -> x\nimport beside_kept\nx = beside_kept.N")
    outcome = run_step(session, "a")
    note = (
        "module beside_kept was edited since the notebook imported it: steps use it as it is now, scratch cells as it "
        "was, until `importlib.reload(beside_kept)`"
    )
    assert (outcome.values, outcome.report.notes, mine.N) == ({"x": 100}, (note,), 1)
    assert run_step(session, "a").report.notes == ()
    assert sys.modules["beside_kept"] is mine
    assert importlib.reload(mine).N == 100


SEES = {
    "a traceback": "import traceback, {0}\ntry:\n    {0}.f()\nexcept ValueError:\n    x = traceback.format_exc()",
    "the source": "import inspect, {0}\nx = inspect.getsource({0})",
    "the file": "import {0}\nfrom pathlib import Path\nx = Path({0}.__file__).read_text()",
    "an exception that is kept": "@catch(var='e', print_exception=False)\nimport {0}\n{0}.f()\nx = 1",
    "a module that sees it": "import lines_of, {0}\nx = lines_of.source({0})",
    "nothing": "import {0}\nx = {0}.__name__",
}


@pytest.mark.parametrize("sees", SEES)
@pytest.mark.parametrize("mode", ["cells", "run"])
def test_comments_of_a_module(make_session: MakeSession, write: Write, sees: str, mode: str) -> None:
    """A comment in a module makes those steps stale whose code, or whose modules, can see lines or texts of modules."""
    name = f"commented_{list(SEES).index(sees)}_{mode}"
    write(f"{name}.py", "def f(): raise ValueError\n")
    write("lines_of.py", "import inspect\ndef source(module): return inspect.getsource(module)\n")
    session = make_session(f"%%step a -> x\n{SEES[sees].format(name)}")
    if mode == "cells":
        run_step(session, "a")
    else:
        run_flow(session, RunOptions())
    assert state(session, "a") == ("fresh", ())
    write(f"{name}.py", "# why\n\ndef f(): raise ValueError\n")
    expected = ("fresh", ()) if sees == "nothing" else ("stale", (f"module `{name}` changed",))
    assert state(session, "a") == expected


def test_values_whose_code_fails_when_it_is_looked_at(make_session: MakeSession, write: Write) -> None:
    """A value that raises from `__class__` or `__getattr__` does not take the step's other values with it."""
    write("beside_odd.py", "N = 1\n")
    importlib.import_module("beside_odd")  # so that the step has another copy
    odd = "class Odd:\n    @property\n    def __class__(self): raise RuntimeError('no')"
    odd += "\n    def __reduce__(self): return int, ()"
    session = make_session(f"%%shared\n{odd}", "%%step a -> x, n\nimport beside_odd\nx, n = [Odd()], beside_odd.N")
    assert run_step(session, "a").values["n"] == 1


LOADED = (
    "%%step make -> m\nimport behind\nm = behind.Model()",
    "%%step use -> p\np = self.m.predict()",
)


@pytest.mark.parametrize("mode", ["cells", "run"])
def test_code_behind_a_loaded_value(make_session: MakeSession, write: Write, mode: str) -> None:
    """A step that calls a method of a loaded object is stale when the object's class changed, or what that imports."""
    write("behind.py", "from behind_rates import RATE\nclass Model:\n    def predict(self): return RATE\n")
    write("behind_rates.py", "RATE = 1\n")
    session = make_session(*LOADED)
    if mode == "cells":
        run_step(session, "make")
        assert run_step(session, "use").values["p"] == 1
        assert state(session, "use") == ("fresh", ())
    else:
        assert in_a_run(session, "use", "p") == 1
    session = make_session(*LOADED)
    write("behind_rates.py", "RATE = 2\n")
    assert "module `behind_rates` changed" in state(session, "use")[1]


DYNAMIC = {
    "import_module": "import importlib\nx = importlib.import_module('dyn_' + 'one').N",
    "__import__": "x = __import__('dyn_' + 'one').N",
    "in a function": "def f():\n    import dyn_one\n    return dyn_one.N\nx = f()",
    "run_module": "import runpy\nx = runpy.run_module('dyn_' + 'one')['N']",
    "run_path": "import runpy\nx = runpy.run_path('dyn_' + 'one.py')['N']",
    "plugin": (
        "import importlib.util as u\nspec = u.spec_from_file_location('a plugin', 'dyn_' + 'one.py')\n"
        "m = u.module_from_spec(spec)\nspec.loader.exec_module(m)\nx = m.N"
    ),
    "two plugins of one name": (
        "import importlib.util as u\nfound = []\nfor place in ('dyn_' + 'one.py', 'dyn_' + 'two.py'):\n"
        "    spec = u.spec_from_file_location('plugin', place)\n    m = u.module_from_spec(spec)\n"
        "    spec.loader.exec_module(m)\n    found.append(m.N)\nx = found[0]"
    ),
    "pickle": "import pickle\nx = pickle.loads(b'cdyn_' + b'one\\nN\\n.')",
}


# A worker begins with nothing imported, and notes imports by the same function.
CASES = [(how, imported, "cells") for how in DYNAMIC for imported in (False, True)]
CASES += [("import_module", False, "run"), ("plugin", False, "run")]


@pytest.mark.parametrize(("how", "imported", "mode"), CASES)
def test_imports_that_no_text_names(
    make_session: MakeSession, write: Write, how: str, imported: bool, mode: str
) -> None:
    """A module counts however a step comes to it, also if the kernel had imported it before."""
    write("dyn_one.py", "N = 1\n")
    write("dyn_two.py", "N = 1\n")
    if imported:
        importlib.import_module("dyn_one")
    cell = f"%%step a -> x\n{DYNAMIC[how]}"
    session = make_session(cell)
    if mode == "cells":
        assert run_step(session, "a").values == {"x": 1}
    else:
        assert in_a_run(session, "a", "x") == 1
    assert state(make_session(cell), "a") == ("fresh", ())
    write("dyn_one.py", "N = 2\n")
    name = "dyn_one" if "plugin" not in how and how != "run_path" else "./dyn_one.py"
    assert state(make_session(cell), "a") == ("stale", (f"module `{name}` changed",))
    assert run_step(make_session(cell), "a").values == {"x": 2}


@pytest.mark.parametrize("how", ["rewritten", "none"])
def test_compiled_code_of_another_text(make_session: MakeSession, write: Write, how: str) -> None:
    """A step runs on what the file contains and is recorded with it, whatever compiled code there is of it."""
    path = write("beside_pyc.py", "N = 1\n")
    os.utime(path, (1_000_000, 1_000_000))
    importlib.import_module("beside_pyc")
    if how == "rewritten":
        py_compile.compile(str(path))
    write("beside_pyc.py", "N = 2\n")  # as long, and said to be as old
    os.utime(path, (1_000_000, 1_000_000))
    session = make_session("%%step a -> x\nimport beside_pyc\nx = beside_pyc.N")
    assert run_step(session, "a").values == {"x": 2}
    assert in_a_run(session, "a", "x") == 2
    write("beside_pyc.py", "N = 3\n")
    os.utime(path, (1_000_000, 1_000_000))
    assert state(session, "a") == ("stale", ("module `beside_pyc` changed",))


def test_an_edit_while_the_step_runs(make_session: MakeSession, write: Write) -> None:
    """What a step imported counts, not what the file contains when the step ends."""
    write("beside_late.py", "N = 1\n")
    session = make_session(
        "%%step a -> x\nimport beside_late\nfrom pathlib import Path\n"
        "Path('beside_late.py').write_text('N = 200')\nx = beside_late.N"
    )
    assert run_step(session, "a").values == {"x": 1}
    assert state(session, "a") == ("stale", ("module `beside_late` changed",))


def test_a_parameter_that_a_module_decides(make_session: MakeSession, write: Write) -> None:
    """Defaults and constants of the flow come from the files as they are, and not from what the kernel imported."""
    write("own_k.py", "K = 1\nclass Limits:\n    top = K\n")
    mine = importlib.import_module("own_k")
    mine.K = 7
    flow = '%%flow F\nimport own_k\nk = Parameter("k", default=own_k.K)\nlimits = own_k.Limits()'
    session = make_session(flow, "%%step a -> x\nx = self.k + self.limits.top")
    assert run_step(session, "a").values == {"x": 2}
    assert in_a_run(session, "a", "x") == 2
    write("own_k.py", "K = 10\nclass Limits:\n    top = K\n")
    assert state(session, "a")[0] == "stale"
    assert run_step(session, "a").values == {"x": 20}
    assert in_a_run(session, "a", "x") == 20


# -- state that modules collect

STATE = {
    "a list": ("SEEN = []\ndef add(n):\n    SEEN.append(n)\n    return sum(SEEN)\n", "add"),
    "a cached list": (
        "import functools\n@functools.lru_cache\ndef rows(): return []\n"
        "def add(n):\n    rows().append(n)\n    return sum(rows())\n",
        "add",
    ),
    "a counter": ("import itertools\nC = itertools.count()\ndef add(n): return n + 100 * next(C)\n", "add"),
    "a global": ("T = 0\ndef add(n):\n    global T\n    T += n\n    return T\n", "add"),
    "an attribute of a class": ("class A:\n    t = 0\ndef add(n):\n    A.t += n\n    return A.t\n", "add"),
    "an attribute of a function": ("def add(n):\n    add.t = getattr(add, 't', 0) + n\n    return add.t\n", "add"),
    "a default": ("def add(n, seen=[]):\n    seen.append(n)\n    return sum(seen)\n", "add"),
    "a generator": ("import random\nR = random.Random(0)\ndef add(n): return n + R.randrange(100)\n", "add"),
    "an object in the module's place": (
        "import sys\nclass Own:\n    t = 0\n    def add(self, n):\n        self.t += n\n        return self.t\n"
        "sys.modules[__name__] = Own()\n",
        "add",
    ),
    "a closure": (
        "def make():\n    all = []\n    def add(n):\n        all.append(n)\n        return sum(all)\n    return add\n"
        "add = make()\n",
        "add",
    ),
}


@pytest.mark.parametrize("kind", STATE)
def test_state_does_not_go_from_step_to_step(make_session: MakeSession, write: Write, kind: str) -> None:
    """Cells that are run again and again, and spins, give what a run gives."""
    write("beside_state.py", STATE[kind][0])
    session = make_session(
        "%%step one -> x\nimport beside_state\nx = beside_state.add(5)",
        "%%step two -> y\nfrom beside_state import add\ny = add(6)",
    )
    mine = importlib.import_module("beside_state")
    mine.add(100)
    run_step(session, "one")
    run_step(session, "one")
    cells = [run_step(session, "one").values["x"], run_step(session, "two").values["y"]]
    spun = [spin_step(session, SpinOptions("one"))["x"], spin_step(session, SpinOptions("two"))["y"]]
    assert cells == [in_a_run(session, "one", "x"), in_a_run(session, "two", "y")]
    assert spun == cells
    assert state(session, "two") == ("fresh", ())


def test_steps_in_several_threads(make_session: MakeSession, write: Write) -> None:
    """A run in the background and a cell may run steps in one process: each has modules of its own."""
    write("beside_threads.py", STATE["a list"][0])
    cell = "%%step one -> x\nimport beside_threads\nx = [beside_threads.add(5), beside_threads.add(5)]"

    def spin(number: int) -> object:
        return spin_step(make_session(cell), SpinOptions("one"))["x"]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(spin, range(12))) == [[5, 10]] * 12


def test_names_that_a_scratch_cell_sets(make_session: MakeSession, write: Write) -> None:
    """What a scratch cell sets in a module is for scratch cells; steps have what the file says."""
    write("beside_set.py", "SCALE = 1\ndef scaled(x): return x * SCALE\n")
    mine = importlib.import_module("beside_set")
    mine.SCALE = 5
    session = make_session("%%step a -> x\nfrom beside_set import scaled\nx = scaled(2)")
    assert (run_step(session, "a").values, mine.scaled(2)) == ({"x": 2}, 10)


def test_values_have_the_notebooks_classes(make_session: MakeSession, write: Write) -> None:
    """A captured value is an object of the class that scratch cells import, so they can compare and pickle it."""
    write("beside_class.py", "class Model:\n    seen = []\n")
    mine = importlib.import_module("beside_class")
    session = make_session("%%step a -> m, many\nimport beside_class\nm = beside_class.Model()\nmany = {'a': [m]}")
    for values in (
        run_step(session, "a").values,
        run_step(session, "a").values,
        spin_step(session, SpinOptions("a")).values,
    ):
        assert [isinstance(one, mine.Model) for one in (values["m"], values["many"]["a"][0])] == [True, True]


def test_values_given_to_a_spin_have_the_steps_classes(make_session: MakeSession, write: Write) -> None:
    """An object that replaces an artifact is of the class that the step imports."""
    write("beside_given.py", "class Model:\n    n = 1\n")
    module = write("given.py", "import beside_given\nm = beside_given.Model()\nm.n = 5\nARTIFACTS = {'m': m}\n")
    session = make_session(
        "%%step a -> m\nimport beside_given\nm = beside_given.Model()",
        "%%step b -> n\nimport beside_given\nn = (self.m.n, isinstance(self.m, beside_given.Model))",
    )
    run_step(session, "a")
    assert spin_step(session, SpinOptions("b", artifacts_module=module))["n"] == (5, True)


def test_a_module_that_cannot_be_imported_twice(make_session: MakeSession, write: Write) -> None:
    """It is used as it was left; that is said, and the result does not count as fresh."""
    write("beside_once.py", "import json\nassert not hasattr(json, 'beside_once')\njson.beside_once = 1\nN = 1\n")
    session = make_session("%%step a -> x\nimport beside_once\nx = beside_once.N")
    try:
        assert ((outcome := run_step(session, "a")).values, outcome.report.notes) == ({"x": 1}, ())
        assert state(session, "a") == ("fresh", ())
        run_step(session, "a")
        outcome = run_step(session, "a")
    finally:
        importlib.import_module("json").__dict__.pop("beside_once", None)
    note = (
        "module beside_once cannot be imported twice in one process (AssertionError: ), so the step used it as earlier "
        "cells left it; its result counts as stale, because a run may give another"
    )
    assert (outcome.values, outcome.report.notes) == ({"x": 1}, (note,))
    assert state(session, "a") == ("stale", ("the version of module `beside_once` is not known",))


def test_an_error_of_an_edited_module_is_raised(make_session: MakeSession, write: Write) -> None:
    """A module that worked before and fails since its edit fails in the step."""
    write("beside_broken.py", "N = 1\n")
    session = make_session("%%step a -> x\nimport beside_broken\nx = beside_broken.N")
    run_step(session, "a")
    write("beside_broken.py", "raise KeyError('edited')\n")
    with pytest.raises(KeyError, match="edited"):
        run_step(session, "a")


def test_a_module_that_no_file_has(make_session: MakeSession, write: Write) -> None:
    """A module that a scratch cell made cannot be known to be the same: the step is stale."""
    sys.modules["made_up"] = made = type(sys)("made_up")
    del made.__spec__, made.__loader__
    made.N = 1  # type: ignore[attr-defined]  # a module has what is put into it
    session = make_session("%%step a -> x\nimport made_up\nx = made_up.N")
    run_step(session, "a")
    assert state(session, "a") == ("stale", ("the version of module `made_up` is not known",))


# -- where modules are


def places(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> Callable[[str], object]:
    """Make a module `placed` with a text somewhere; gives what writes another text there."""
    if kind == "package on the path":
        monkeypatch.syspath_prepend(str(tmp_path / "lib"))
        return lambda text: write("lib/placed/__init__.py", text)
    if kind == "namespace":
        return lambda text: (write("spaced/part.py", text), write("placed.py", "from spaced.part import N"))
    if kind == "link":
        site = tmp_path / "venv/lib/site-packages"
        site.mkdir(parents=True)
        (tmp_path / "project/placed").mkdir(parents=True)
        (site / "placed").symlink_to(tmp_path / "project/placed")
        monkeypatch.syspath_prepend(str(site))
        return lambda text: write("project/placed/__init__.py", text)
    if kind == "zip":
        monkeypatch.syspath_prepend(str(tmp_path / "mods.zip"))

        def zipped(text: str) -> None:
            with zipfile.ZipFile(tmp_path / "mods.zip", "w") as archive:
                archive.writestr("placed.py", text)

        return zipped
    if kind == "import hook":  # what `pip install -e` of setuptools makes: a finder in sys.meta_path
        write(
            "hook/__editable___placed_finder.py",
            "import sys\nfrom importlib.util import spec_from_file_location\nclass Finder:\n    @classmethod\n"
            "    def find_spec(cls, name, path=None, target=None):\n        if name == 'placed':\n"
            f"            return spec_from_file_location(name, {str(tmp_path / 'src/placed/__init__.py')!r},\n"
            f"                submodule_search_locations=[{str(tmp_path / 'src/placed')!r}])\n",
        )
        monkeypatch.syspath_prepend(str(tmp_path / "hook"))
        finder = importlib.import_module("__editable___placed_finder").Finder
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
        return lambda text: write("src/placed/__init__.py", text)
    if kind == "compiled only":

        def compiled(text: str) -> None:
            py_compile.compile(str(write("sources/placed.py", text)), cfile=str(tmp_path / "placed.pyc"))

        return compiled
    assert kind == "a name of Python's library"
    return lambda text: (write("sched.py", text), write("placed.py", "from sched import N"))


PLACES = (
    "package on the path",
    "namespace",
    "link",
    "zip",
    "import hook",
    "compiled only",
    "a name of Python's library",
)


@pytest.mark.parametrize("kind", PLACES)
def test_wherever_a_module_is(
    make_session: MakeSession, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What no installer put where it is counts as the user's own."""
    put = places(write, tmp_path, monkeypatch, kind)
    if kind.startswith("a name"):
        monkeypatch.delitem(sys.modules, "sched", raising=False)
    put("N = 1\n")
    session = make_session("%%step a -> x\nimport placed\nx = placed.N")
    assert run_step(session, "a").values == {"x": 1}
    assert state(session, "a") == ("fresh", ())
    put("# longer\nN = 2\n")
    assert state(session, "a")[0] == "stale"
    assert run_step(session, "a").values == {"x": 2}


EXTENSION = """
#include <Python.h>
static int calls = 0;
static PyObject *build(PyObject *self, PyObject *args) {{ return PyLong_FromLong({n}); }}
static PyObject *count(PyObject *self, PyObject *args) {{ return PyLong_FromLong(++calls); }}
static PyMethodDef methods[] = {{
  {{"build", build, METH_NOARGS, ""}}, {{"count", count, METH_NOARGS, ""}}, {{NULL, NULL, 0, NULL}}
}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{name}", NULL, -1, methods}};
PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&module); }}
"""


def build(tmp_path: Path, name: str, n: int) -> None:
    """Build an extension module in place, or skip the test where that cannot be done."""
    import sysconfig

    source = tmp_path / f"{name}.c"
    source.write_text(EXTENSION.format(name=name, n=n))
    made = tmp_path / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = sysconfig.get_path("include")
    try:
        command = ["cc", "-shared", "-fPIC", f"-I{include}", str(source), "-o", f"{made}.new"]
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no C compiler, or no header of Python")
    os.replace(f"{made}.new", made)


def test_a_compiled_module_beside_the_notebook(make_session: MakeSession, write: Write, tmp_path: Path) -> None:
    """It stays loaded, which is said once; a new build makes the step stale, also after it ran on the old one."""
    build(tmp_path, "beside_c", 1)
    session = make_session("%%step a -> x, y\nimport beside_c\nx, y = beside_c.build(), beside_c.count()")
    assert run_step(session, "a").values == {"x": 1, "y": 1}
    assert state(session, "a") == ("fresh", ())
    kept = "module beside_c is compiled, and keeps its state from step to step; a run starts with a new one"
    assert [run_step(session, "a").report.notes, run_step(session, "a").report.notes] == [(kept,), ()]
    build(tmp_path, "beside_c", 2)
    assert state(session, "a") == ("stale", ("module `beside_c` changed",))
    outcome = run_step(session, "a")
    note = "module beside_c was changed since this kernel imported it; restart the kernel"
    assert (outcome.values, outcome.report.notes) == ({"x": 1, "y": 4}, (note,))
    assert state(session, "a") == ("stale", ("module `beside_c` changed",))
    assert in_a_run(session, "a", "x") == 2


def test_a_file_that_comes_to_hide_an_installed_package(make_session: MakeSession, write: Write) -> None:
    """A new file with the name of an installed package makes steps stale that import it."""
    cell = "%%step a -> x\nimport wcwidth\nx = getattr(wcwidth, 'N', 1)"
    session = make_session(cell)
    run_step(session, "a")
    assert state(session, "a") == ("fresh", ())
    write("wcwidth.py", "N = 2\n")
    assert state(session, "a") == ("stale", ("module `wcwidth` changed",))


def test_a_module_that_comes_later(make_session: MakeSession, write: Write) -> None:
    """A step that did without a module is stale when there is one."""
    session = make_session("%%step a -> x\ntry:\n    from optional_part import x\nexcept ImportError:\n    x = 1")
    run_step(session, "a")
    assert state(session, "a") == ("fresh", ())
    write("optional_part.py", "x = 2\n")
    assert state(session, "a") == ("stale", ("module `optional_part` changed",))


def test_a_module_of_another_loader(make_session: MakeSession, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written in another language and imported by a hook is known by its file."""
    hook = (
        "import sys\nfrom importlib.util import spec_from_loader\nfrom pathlib import Path\nclass Loader:\n"
        "    def create_module(self, spec): return None\n    def exec_module(self, module):\n"
        "        module.__file__ = 'other.lang'\n"
        "        module.N = int(Path('other.lang').read_text())\nclass Finder:\n    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n        if name == 'other':\n"
        "            return spec_from_loader(name, Loader(), origin='other.lang')\n"
    )
    write("other_hook.py", hook)
    finder = importlib.import_module("other_hook").Finder
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    write("other.lang", "1")
    session = make_session("%%step a -> x\nimport other\nx = other.N")
    assert run_step(session, "a").values == {"x": 1}
    assert state(session, "a") == ("fresh", ())
    write("other.lang", "2")
    assert state(session, "a") == ("stale", ("module `./other.lang` changed",))
    assert run_step(session, "a").values == {"x": 2}


# -- what is not seen


UNSEEN = {
    "state of an installed package": "import json\nx = json.__dict__.setdefault('beside_unseen', []).append(1)\n"
    "x = len(json.beside_unseen)",
    "a process that imports": "import subprocess, sys\n"
    "x = int(subprocess.run([sys.executable, '-c', 'import unseen; print(unseen.N)'], stdout=-1).stdout)",
    "a file that is executed": "import pathlib\nn = {}\nexec(pathlib.Path('data.txt').read_text(), n)\nx = n['N']",
}


@pytest.mark.parametrize("kind", UNSEEN)
def test_what_is_not_seen(make_session: MakeSession, write: Write, kind: str) -> None:
    """These are in the list of what freshness does not see: the step stays fresh."""
    write("data.txt", "N = 1")
    write("unseen.py", "N = 1")
    session = make_session(f"%%step a -> x\n{UNSEEN[kind]}")
    assert run_step(session, "a").values == {"x": 1}
    write("data.txt", "N = 2")
    write("unseen.py", "N = 2")
    assert state(session, "a") == ("fresh", ())
    importlib.import_module("json").__dict__.pop("beside_unseen", None)


# -- the table of the documentation

# Which tests show a row of "What freshness sees and does not see", by its first words.
ROWS: dict[str, tuple[Callable[..., None], ...]] = {
    "a module beside the notebook is edited": (test_a_step_runs_on_the_files_as_they_are,),
    "the class of a loaded object is edited": (test_code_behind_a_loaded_value,),
    "a module is imported by `importlib`": (test_imports_that_no_text_names,),
    "a module is edited, and its size": (test_compiled_code_of_another_text,),
    "a module is edited while": (test_an_edit_while_the_step_runs,),
    "an editable install, a package": (test_wherever_a_module_is,),
    "a module with the name of": (test_wherever_a_module_is, test_a_file_that_comes_to_hide_an_installed_package),
    "a module that a step did without": (test_a_module_that_comes_later,),
    "an extension module beside": (test_a_compiled_module_beside_the_notebook,),
    "a file written in another language": (test_a_module_of_another_loader,),
    "what earlier steps left": (test_state_does_not_go_from_step_to_step,),
    "a scratch cell sets": (test_names_that_a_scratch_cell_sets, test_the_notebook_keeps_its_own_copy),
    "a parameter's default": (test_a_parameter_that_a_module_decides,),
    "a module cannot be imported twice": (test_a_module_that_cannot_be_imported_twice, test_a_module_that_no_file_has),
    "the state of an extension module": (test_a_compiled_module_beside_the_notebook,),
    "the state of installed packages": (test_what_is_not_seen,),
    "a file that a step reads or executes": (test_what_is_not_seen,),
    "modules that only a process imports": (test_what_is_not_seen,),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_documentation_says_so(row: str) -> None:
    """Each row that is shown here is in the documentation's table."""
    text = (Path(__file__).parents[2] / "docs" / "running.md").read_text(encoding="utf-8")
    assert text.count(f"\n| {row}") == 1
