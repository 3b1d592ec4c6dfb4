"""Whatever is edited: a result that is called fresh is what running everything again gives."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.session.forked_sessions import STEPS, Sessions, forked_sessions

# Worlds that are tried for each way of running; set FLOWNB_ROUNDS to try more.
ROUNDS = int(os.environ.get("FLOWNB_ROUNDS", "4"))
ALL = frozenset(STEPS)
NONE: frozenset[str] = frozenset()

CELLS = {
    "flow": '%%flow NotebookFlow\ncfg = Config("cfg", default="cfg.json")\nk = Parameter("k", default=3)\nBASE = 10',
    "shared": "%%shared\nimport os\nMODE = os.environ.get('MODE', 'a')\ndef scale(n):\n    return n * 2",
    "load": "%%step load -> xs, v\nimport fakedist\nxs = [1, 2]\nv = fakedist.value()",
    "train": "%%step train --foreach xs -> m\nimport helper\nm = scale(self.input), helper.factor(), os.getenv('RATE')",
    "pick": "%%step pick --join -> best, made\nbest = max(i.m[0] for i in inputs) + self.cfg.plus\nmade = inputs[0].v",
    "report": "%%step report -> text\ntext = f'{self.best} {self.k} {MODE} ' + made.shown()",
}
FILES = {
    "helper.py": "import os, inner\nLEVEL = os.environ.get('LEVEL')\ndef factor():\n    return [2, LEVEL, inner.N]\n",
    "inner.py": "import fakelow\nN = fakelow.N\n",
    "cfg.json": '{"plus": 1}',
}
VALUE = """
class Value:
    def __init__(self, n):
        self.n = n
    def __repr__(self):
        return f"V{self.n}"
    def shown(self):
        return 'n'
"""
# A module of each distribution, and what it requires. `fakedist` makes an object that only later steps use.
PACKAGES = {
    "fakedist": ("from fakedep import Value\ndef value():\n    return Value(1)\n", ["fakedep>=1", "absent"]),
    "fakedep": (VALUE, []),
    "fakelow": ("N = 1\n", []),
    "fakeother": ("", []),
}


class World(NamedTuple):
    """All that a result may depend on."""

    cells: dict[str, str]
    files: dict[str, str]
    packages: dict[str, tuple[str, str, str]]  # version, text, where from
    environment: dict[str, str]


class Edit(NamedTuple):
    """An edit of a world, and the steps whose code, packages or variables it changes."""

    name: str
    make: Callable[[World, int], Any]
    dirty: frozenset[str]


def cell(name: str, old: str, new: str) -> Callable[[World, int], Any]:
    """Replace a piece of a cell; ``{}`` becomes a number that differs each time."""
    return lambda world, n: world.cells.update({name: world.cells[name].replace(old, new.replace("{}", str(n)))})


def file(name: str, old: str, new: str) -> Callable[[World, int], Any]:
    """Replace a piece of a file."""
    return lambda world, n: world.files.update({name: world.files[name].replace(old, new.replace("{}", str(n)))})


def variable(name: str) -> Callable[[World, int], Any]:
    """Give an environment variable another value."""
    return lambda world, n: world.environment.update({name: str(n)})


def release(name: str, old: str = "", new: str = "", *, renamed: bool = True) -> Callable[[World, int], Any]:
    """Install another version of a distribution, or the same one again from a folder, with another text."""

    def make(world: World, n: int) -> None:
        version, text, _ = world.packages[name]
        text = text.replace(old, new.replace("{}", str(n))) + f"# {n}\n"
        world.packages[name] = (f"1.{n}" if renamed else version, text, "" if renamed else "file:///wheels")

    return make


COSMETIC = [
    Edit("comment in the header", cell("flow", "BASE", "# why {}\nBASE"), NONE),
    Edit("blank lines in the header", cell("flow", "\nk =", "\n\n\nk ="), NONE),
    Edit("comment in shared code", cell("shared", "    return", "    # {}\n    return"), NONE),
    Edit("quotes in shared code", cell("shared", "'MODE', 'a'", '"MODE",\n    "a",\n'), NONE),
    Edit("comment in load", cell("load", "xs = [", "# {}\nxs = ["), NONE),
    Edit("formatting in load", cell("load", "[1, 2]", "[\n    1,  # one\n    2,\n]"), NONE),
    Edit("comment in train", cell("train", "m = scale", "# {}\nm = scale"), NONE),
    Edit("blank line in pick", cell("pick", "\nmade", "\n\n\nmade"), NONE),
    Edit("comment in report", cell("report", "text = f", "# {}\ntext = f"), NONE),
    Edit("comment in a module", file("helper.py", "def factor", "# {}\ndef factor"), NONE),
    Edit("formatting in a module", file("inner.py", "N = fakelow.N", "N = (\n    fakelow.N\n)"), NONE),
    Edit("blanks in a config", file("cfg.json", '{"plus"', '{\n  "plus"'), NONE),
    Edit("package that nothing imports", release("fakeother"), NONE),
    Edit("variable of the terminal", variable("TERM_SESSION"), NONE),
    Edit("variable of the kernel", variable("JPY_SESSION_NAME"), NONE),
    Edit("variable that nothing reads", variable("UNRELATED"), NONE),
]
SEMANTIC = [
    Edit("constant", cell("flow", "BASE = 10", "BASE = 1{}"), ALL),
    Edit("function in shared code", cell("shared", "n * 2", "n * 2 + {}"), ALL),
    Edit("shared code to the same effect", cell("shared", "n * 2", "2 * n"), ALL),
    Edit("docstring", cell("shared", "(n):\n", "(n):\n    'text {}'\n"), ALL),
    Edit("body of load", cell("load", "[1, 2]", "[1, {}]"), frozenset({"load"})),
    Edit("body of load to the same effect", cell("load", "v = fakedist", "v = None or fakedist"), frozenset({"load"})),
    Edit("body of train", cell("train", "m = scale", "m = {} + scale"), frozenset({"train"})),
    Edit("body of pick", cell("pick", "self.cfg.plus", "self.cfg.plus + {}"), frozenset({"pick"})),
    Edit("body of report", cell("report", "{MODE} ", "{MODE} {} "), frozenset({"report"})),
    Edit("function in a module", file("helper.py", "[2,", "[{},"), frozenset({"train"})),
    Edit("module behind a module", file("inner.py", "N = fakelow.N", "N = fakelow.N + {}"), frozenset({"train"})),
    Edit("config", file("cfg.json", '"plus": 1', '"plus": 1{}'), NONE),
    Edit("default of a parameter", cell("flow", "default=3", "default=3{}"), NONE),
    Edit("package that a cell imports", release("fakedist", "Value(1)", "Value({})"), frozenset({"load"})),
    Edit("package behind a package", release("fakedep", "self.n = n", "self.n = n + {}"), frozenset({"load"})),
    Edit("package behind a value", release("fakedep", "return 'n'", "return 'n{}'"), frozenset({"load", "report"})),
    Edit("package to the same effect", release("fakedist"), frozenset({"load"})),
    Edit("package behind a module", release("fakelow", "N = 1", "N = 1{}"), frozenset({"train"})),
    Edit("package built again", release("fakelow", "N = 1", "N = 1{}", renamed=False), frozenset({"train"})),
    Edit("variable that shared code reads", variable("MODE"), ALL),
    Edit("variable that a step reads", variable("RATE"), frozenset({"train"})),
    Edit("variable that a module reads", variable("LEVEL"), frozenset({"train"})),
]
EDITS = st.lists(st.sampled_from(COSMETIC + SEMANTIC), min_size=1, max_size=3)
tried: Counter[str] = Counter()


@pytest.fixture(scope="module")
def sessions() -> Iterator[Sessions]:
    """What makes sessions in new processes."""
    with forked_sessions() as made:
        yield made


def first_world() -> World:
    """A world in which nothing was edited."""
    packages = {name: ("1.0", text, "") for name, (text, _) in PACKAGES.items()}
    return World(dict(CELLS), dict(FILES), packages, {"MODE": "a", "TERM_SESSION": "0"})


def build(world: World, folder: Path) -> dict[str, Any]:
    """Write the files of a world, and install its distributions, as far as they changed."""
    site = folder / "site-packages"
    site.mkdir(exist_ok=True)
    for name, text in world.files.items():
        if not (folder / name).exists() or (folder / name).read_text() != text:
            (folder / name).write_text(text)
    for name, (version, text, url) in world.packages.items():
        module = site / f"{name}.py"
        if module.exists() and module.read_text() == text:
            continue
        for old in site.glob(f"{name}-*.dist-info"):
            shutil.rmtree(old)
        module.write_text(text)
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        required = "".join(f"Requires-Dist: {one}\n" for one in PACKAGES[name][1])
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}\n")
        (info / "RECORD").write_text(f"{name}.py,sha256={hash(text):x},{len(text)}\n{info.name}/METADATA,,\n")
        if url:
            (info / "direct_url.json").write_text(json.dumps({"url": url, "archive_info": {}}))
    cells = [world.cells[name] for name in CELLS]
    return {"cells": cells, "folder": str(folder), "path": str(site), "environment": world.environment}


def dirty(edits: list[Edit], before: World, after: World) -> frozenset[str]:
    """The steps that the edits change; one that found nothing to replace changes nothing."""
    if before == after:
        return NONE
    return frozenset(step for edit in edits for step in edit.dirty)


@pytest.fixture(scope="module")
def base(sessions: Sessions, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """Results of the world in which nothing was edited, made when they are first asked for."""
    return Base(sessions, tmp_path_factory.mktemp("world"))


class Base:
    """The first results, by how they were made."""

    def __init__(self, sessions: Sessions, folder: Path) -> None:
        self.sessions, self.folder = sessions, folder
        self._made: dict[str, Any] = {}

    def results(self, how: str, store: Path) -> Any:
        """Put them into a store, and give what they are."""
        kept = self.folder / how
        if how not in self._made:
            self._made[how] = self.sessions.ask(how, kept, build(first_world(), self.folder))
        shutil.copytree(kept, store)
        return self._made[how]


def check(base: Base, how: str, edits: list[Edit]) -> None:
    """Make results, edit, judge; then compare with what a run from the start leaves."""
    sessions, place = base.sessions, base.folder
    with tempfile.TemporaryDirectory() as one:
        folder = Path(one)
        before = base.results(how, folder / "store")
        edited = first_world()
        changed: set[str] = set()
        for number, edit in enumerate(edits, 5):
            last = deepcopy(edited)
            edit.make(edited, number)
            changed |= dirty([edit], last, edited)
        now = build(edited, place)
        judged = sessions.ask("judge", folder / "store", now)
        after = sessions.ask("inline", folder / "other", now)
        names = [edit.name for edit in edits]
        for step in STEPS:
            state = judged[step][0]
            same = before[step] == after[step] and step not in changed
            tried[f"{state}, {'the same' if same else 'differs'}"] += 1
            assert state in ("fresh", "stale"), (names, judged)
            if not same:
                assert state == "stale", (names, step, judged, before[step], after[step])
            elif all(edit in COSMETIC for edit in edits):
                assert state == "fresh", (names, step, judged)
        if how != "steps":
            resumed = sessions.ask("resume", folder / "store", now)
            only_default = {"default of a parameter", "config"} & set(names)  # a resume keeps its origin's
            if not only_default:
                assert after == resumed, (names, judged)
        tried["edits"] += len(edits)
        tried["worlds"] += 1


def test_no_edit_of_looks_counts(base: Base) -> None:
    """Edits of how code looks, and of what nothing reads, leave all steps fresh, all at once."""
    check(base, "steps", COSMETIC)


@pytest.mark.parametrize("edit", [one for one in SEMANTIC if one.dirty != ALL], ids=lambda edit: edit.name)
def test_each_edit_is_judged(edit: Edit, base: Base) -> None:
    """One edit alone makes stale what it changes."""
    check(base, "steps", [edit])


@pytest.mark.parametrize("how", ["steps", "inline", "workers"])
def test_what_is_fresh_is_what_a_run_gives(how: str, base: Base) -> None:
    """After any edits a step is stale if its code or its result differs, and fresh if only the looks of code do."""

    @settings(max_examples=ROUNDS if how != "workers" else max(1, ROUNDS // 4), deadline=None, database=None)
    @given(EDITS)
    def judge(edits: list[Edit]) -> None:
        check(base, how, edits)

    judge()


def test_it_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """How many edits were tried, and how they were judged, is shown on demand."""
    print(dict(tried))
    assert tried["fresh, differs"] == 0
