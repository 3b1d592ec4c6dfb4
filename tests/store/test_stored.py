"""What earlier builds stored, and the names outside of the code that lead to flownb."""

from __future__ import annotations

import importlib
import pickle
import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flownb import errors
from flownb.client import Run, get_cards
from flownb.errors import StoreError
from flownb.picture.payload import DAG_MIME
from flownb.runtime.failure import WORKER_DIED
from flownb.runtime.parameters.config_value import ConfigValue
from flownb.runtime.program import module_name
from flownb.store.datastore import Datastore
from flownb.store.encoding import _own, decode, encode
from flownb.store.encodings import moved, rebuild
from flownb.store.encodings.moved import MOVED, Gone, place_now
from flownb.store.encodings.plain import PlainData
from flownb.widgets.channel import DOCUMENT_TARGET, EVENTS_TARGET
from tests.store.stored.cases import BYTECODE, CASES, STAND_INS

ROOT = Path(__file__).parents[2]
# The bytecode of Python 3.11, which wrote the file.
WROTE = 3495


def documented() -> Iterator[tuple[str, str]]:
    """Every module and name of the tables in docs/compatibility.md."""
    for line in (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8").splitlines():
        row = re.match(r"\| `(flownb[\w.]*)`(?: \*)? \|(.*?)\|", line)
        if row is not None:
            yield from ((row[1], name) for name in re.findall(r"`([^`]+)`", row[2]) or [""])


NAMES = sorted(set(documented()))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Datastore:
    """The datastore that the first build wrote."""
    folder = tmp_path_factory.mktemp("stored")
    with zipfile.ZipFile(Path(__file__).parent / "stored" / "datastore.zip") as packed:
        packed.extractall(folder)
    return Datastore(folder)


@pytest.fixture
def run(stored: Datastore) -> Run:
    """The run in it."""
    return Run("Stored/1", datastore=stored)


@pytest.mark.parametrize(("step", "name"), [(step, name) for step, row in CASES.items() for name in row])
def test_artifacts_of_the_first_build_are_loaded(run: Run, step: str, name: str) -> None:
    """A value of every kind that names something of flownb's comes back as it was."""
    artifact = run[step].task[name]
    if name in BYTECODE and rebuild.BYTECODE != WROTE:
        with pytest.raises(StoreError, match=f"was stored as bytecode {WROTE} by another version of Python"):
            _ = artifact.data
        return
    assert eval(CASES[step][name][1], {"value": artifact.data, "errors": errors, "STAND_INS": STAND_INS})


def test_a_run_of_the_first_build_is_read(run: Run) -> None:
    """Records, logs, cards, texts of cells and parameters are what they were."""
    assert (run.successful, run.finished) == (True, True)
    assert sum(1 for step in run for _ in step) == 15
    assert run["start"].task.stdout == "written by the first build\n"
    assert sorted(task.data.got for task in run["each"]) == [10, 20]
    assert run["gather"].task.data.total == 30
    assert [card.type for card in get_cards(run["shown"].task)] == ["default"]
    assert "Title" in get_cards(run["shown"].task)[0].get()
    data = run["start"].task.data
    assert (data.size, data.words, data.limits, data.CONSTANT) == (3, "one\ntwo", {"low": 1}, (1, "two"))
    assert data.settings["model"]["depth"] == 6
    assert run["finish"].task.data.kind == "builtins.ZeroDivisionError"
    assert "flownb" in run.environment


def test_an_object_of_the_client_is_kept_with_its_place(stored: Datastore, run: Run) -> None:
    """A run that was stored as an artifact is read from where it was recorded, by this build and by the first."""
    kept = decode(*_encoded(run))
    assert (kept["gather"].task.data.total, kept._datastore.location) == (30, stored.location)
    of_first = run["client"].task["run"].data
    assert of_first._datastore.location.endswith("flownb-stored/.flownb")
    assert type(of_first._datastore.storage) is type(stored.storage)


def test_a_datastore_is_pickled_as_its_place(tmp_path: Path) -> None:
    """Neither what it remembers nor the process it is in makes the bytes of an artifact."""
    one, other = Datastore(tmp_path), Datastore(tmp_path)
    one.artifacts.save(list(range(10_000)), name="x")
    assert pickle.dumps(one, 5) == pickle.dumps(other, 5)
    spins = pickle.loads(pickle.dumps(one.spins()))
    assert (spins.location, spins.outer) == (one.spins().location, one.location)


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_names_that_live_outside_of_the_code_are_found(module: str, name: str) -> None:
    """Each name in docs/compatibility.md is there, or a row says where it is now."""
    module, name = place_now(module, name) if name else (module, name)
    found: Any = importlib.import_module(module)
    for part in name.split(".") if name else ():
        found = getattr(found, part)
    assert found is not None


def test_names_in_stored_pickles_are_documented(run: Run) -> None:
    """docs/compatibility.md lists every name of flownb's that the values of the first build refer to."""
    assert {place for place in _pickled(run) if place[0].split(".")[0] == "flownb"} - set(NAMES) == set()


def test_what_has_moved_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of one name, or of a whole module, leads from where a class was to where it is, through later moves too."""
    name, blob = _encoded({"config": ConfigValue({"depth": 6}), "set": "x"})
    here = ConfigValue.__module__
    old = "flownb.no_such_module." + "x" * (len(here) - len("flownb.no_such_module."))
    blob = memoryview(bytearray(bytes(blob).replace(here.encode(), old.encode())))
    with pytest.raises(ModuleNotFoundError, match=r"flownb\.no_such_module"):
        decode(name, blob)
    monkeypatch.setitem(MOVED, old, "flownb.between")
    monkeypatch.setitem(MOVED, "flownb.between:ConfigValue", f"{here}:ConfigValue")
    assert decode(name, blob)["config"].depth == 6


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({}, ("a.b", "C")),
        ({"a.b": "d"}, ("d", "C")),
        ({"a.b": "d", "a.b:C": "e:F"}, ("e", "F")),
        ({"a.b:C": "d:E", "d": "f"}, ("f", "E")),
        ({"a.b:D": "e:D"}, ("a.b", "C")),
    ],
)
def test_rows_say_where_something_is_now(rows: dict[str, str], expected: tuple[str, str]) -> None:
    """The row of a name goes before that of its module; rows are followed to the end."""
    assert place_now("a.b", "C", rows) == expected


def test_rows_lead_to_what_is_there() -> None:
    """No row is a dead end, and no earlier place means something else by now."""
    for old, new in MOVED.items():
        module, _, name = old.partition(":")
        target, found = place_now(module, name)
        here = importlib.import_module(target)
        assert not name or hasattr(here, found), new


def test_what_is_gone_keeps_its_attributes() -> None:
    """An object whose class no longer exists does not keep the rest of a value from being loaded."""
    made = Gone.__new__(Gone)
    made.__setstate__({"location": "there"})
    assert vars(made) == {"location": "there"}
    assert moved.Gone is Gone


def test_code_that_the_extension_executes_names_what_is_there() -> None:
    """Every import in a text that TypeScript sends to the kernel works."""
    found = set()
    for file in (ROOT / "labextension" / "src").rglob("*.ts"):
        text = file.read_text(encoding="utf-8")
        found |= set(re.findall(r"from (flownb[\w.]*) import (\w+)", text))
        found |= {(name, "load_ipython_extension") for name in re.findall(r'load_extension\("(\w+)"\)', text)}
    assert found == {
        ("flownb", "load_ipython_extension"),
        ("flownb.magics.shortcuts", "convert_notebook"),
        ("flownb.magics.shortcuts", "run_flow"),
        ("flownb.magics.shortcuts", "spin_cell"),
    }
    for module, name in found:
        assert callable(getattr(importlib.import_module(module), name))


def test_names_of_data_are_what_is_documented(run: Run) -> None:
    """Names in records, documents and messages are those in docs/compatibility.md."""
    text = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    names = {*(one.name for one in _own()), DAG_MIME, DOCUMENT_TARGET, EVENTS_TARGET, WORKER_DIED}
    assert {name for name in names if f"`{name}`" not in text} == set()
    assert module_name("Stored") == "flownb_flow_Stored"
    data = run["libraries"].task.data
    assert bytes(_encoded(data.array)[1][:8]) == b"FNBPKL5\n"
    assert bytes(_encoded(PlainData({}))[1][:8]) == b"FNBPLAIN"
    assert b"flownb.kind" in bytes(_encoded(data.arrow)[1])
    assert b"flownb.polars" in bytes(_encoded(data.polars)[1])


def _encoded(value: Any) -> tuple[str, memoryview]:
    """A value as it is stored."""
    name, parts = encode(value)
    return name, memoryview(bytearray(b"".join(parts)))


def _pickled(run: Run) -> set[tuple[str, str]]:
    """All names that the pickles of a run have."""
    found: set[tuple[str, str]] = set()
    for step in run:
        for artifact in step.task:
            if artifact._ref.encoding == "pickle5":
                content = artifact._datastore.artifacts._content(artifact._ref)
                _, count, _, length = struct.unpack_from("<8sIIQ", content)
                start = 24 + 16 * count
                found |= set(_globals(bytes(content[start : start + length])))
    return found


def _globals(stream: bytes) -> Iterator[tuple[str, str]]:
    """The module and name of each class and function in a pickle."""
    import pickletools

    memo: dict[int, Any] = {}
    stack: list[Any] = []
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "MEMOIZE":
            memo[len(memo)] = stack[-1] if stack else None
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            stack.append(memo.get(int(argument)))
        elif opcode.name == "STACK_GLOBAL":
            yield stack[-2], stack[-1]
            stack.append(None)
        elif opcode.name != "FRAME":
            stack.append(argument if isinstance(argument, str) else None)
