"""Damaged files of every kind: what is read is right, or an error that says what is damaged; all else stays readable.

A store with every kind of file is made once; each round damages one file of a copy and reads everything there is.
`FLOWNB_ROUNDS` sets the rounds. A blob cut short while it is mapped ends the process (SIGBUS) and is left out.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flownb.store.local.blobs
import flownb.store.local.storage
from flownb.client import Flow, Run, Task
from flownb.errors import CorruptBlob, FlownbError, StoreError
from flownb.session.step import run_step
from flownb.store.datastore import Datastore
from flownb.store.hashing import hash_parts
from flownb.store.records import Execution, RunEnd, RunRecord, TaskRecord
from tests.conftest import MakeSession

ROUNDS = int(os.environ.get("FLOWNB_ROUNDS", "100"))
VALUES = {
    "inline": {"a": 1},
    "packed": list(range(400)),
    "also_packed": np.arange(900.0),
    "large": np.arange(10_000.0),
    "deferred": {"a": np.arange(40_000.0), "b": "text"},
}
OTHER_JSON = (
    b"null",
    b"1",
    b"[]",
    b"{}",
    b'"text"',
    b"[[1]]",
    b'{"format":true}',
    b'{"format":2.0}',
    b"[" * 3000 + b"]" * 3000,
)
# Kinds of manifests that are skipped when they are damaged, by design: a list without one of its items is right.
SKIPPED = ("executions", "ids")
Outcome = dict[tuple[str, ...], Any]


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat blobs of some KiB as those that are mapped and verified in the background."""
    monkeypatch.setattr(flownb.store.local.blobs, "MAPPED_FROM", 64 << 10)
    monkeypatch.setattr(flownb.store.local.blobs, "DEFERRED_FROM", 256 << 10)
    monkeypatch.setattr(flownb.store.local.storage, "_syncfs", lambda file: 0)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """Make a store with every kind of file."""
    root = tmp_path / "whole"
    store = Datastore(root)
    for kind in ("work", "run"):
        given = store.artifacts.save_given({"parameter": "p" * 2000})
        run = store.runs.new_run(RunRecord("F", "", kind, parameters=given, tags=("t",))).run  # type: ignore[arg-type]
        for step in ("a", "b"):
            task = store.tasks.new_task("F", run, step)
            store.tasks.write_task(TaskRecord("F", run, step, task, 0, "failed"))
            values = {name: (ord(step), value) for name, value in VALUES.items()}
            refs = store.artifacts.save_all(values, before={}).refs
            store.tasks.write_task(TaskRecord("F", run, step, task, 1, "done", ("1/a/1",), (), refs, tuple(refs)))
            if kind == "work":
                store.tasks.add_execution("F", run, Execution(step, (task,), "done"))
        if kind == "run":
            store.runs.end_run("F", run, RunEnd("done", 5.0))
    return root


def attempt(read: Callable[[], Any]) -> Any:
    """What a reader gives, or the error it raises on purpose; any other error is a failure."""
    try:
        return read()
    except FlownbError as error:
        return error


def read_all(root: Path) -> Outcome:
    """Everything in a store, as a fresh process sees it."""
    store = Datastore(root)
    found: Outcome = {}
    found["flow",] = attempt(lambda: [run.id for run in Flow("F", datastore=store)])
    found["ids",] = attempt(lambda: list(store.runs.run_ids("F")))
    for run in ("1", "2"):
        found["run", run] = attempt(lambda run=run: store.runs.run("F", run))
        found["listed", run] = attempt(lambda run=run: store.runs.run_records("F", [run]))
        found["end", run] = attempt(lambda run=run: store.runs.run_end("F", run))
        found["ends", run] = attempt(lambda run=run: store.runs.run_ends("F", [run]))
        found["client", run] = attempt(
            lambda run=run: sorted(step.pathspec for step in Run(f"F/{run}", datastore=store))
        )
        found["executions", run] = attempt(lambda run=run: list(store.tasks.executions("F", run)))
        found["ids", run] = attempt(
            lambda run=run: {task: claim for task, claim in store.tasks.claims("F", run).items() if claim is not None}
        )
        for number, step in enumerate("ab", 1):
            found["tasks", run, step] = attempt(lambda run=run, step=step: store.tasks.last_attempts("F", run, step))
            where = f"F/{run}/{step}/{number}"
            for name in VALUES:
                found["artifact", run, step, name] = attempt(
                    lambda where=where, name=name: Task(where, datastore=store)[name].data
                )
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two outcomes are equal."""
    try:
        np.testing.assert_equal(one, other)
    except AssertionError:
        return False
    return True


def files(root: Path) -> list[str]:
    """Every file of a store that holds something, by name."""
    return sorted(
        path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() and path.name[0] != "."
    )


def damage(path: Path, how: str, numbers: random.Random, others: list[bytes]) -> None:
    """Damage a file."""
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: numbers.randrange(len(content))])
    elif how == "grow":
        path.write_bytes(content + numbers.randbytes(numbers.choice((1, 64, 5000))))
    elif how == "flip":
        changed = bytearray(content)
        changed[numbers.randrange(len(changed))] ^= 1 << numbers.randrange(8)
        path.write_bytes(changed)
    elif how == "zeros":  # what some file systems leave after a power failure
        start = numbers.randrange(len(content))
        path.write_bytes(content[:start] + bytes(len(content) - start))
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "json":
        path.write_bytes(numbers.choice([*OTHER_JSON, *others]))
    else:
        path.unlink()
    if how == "folder":
        path.mkdir()


BLOB_DAMAGE = ("cut", "grow", "flip", "zeros", "empty", "json", "remove", "folder")
# A manifest that still reads as one is another matter, see the last tests.
MANIFEST_DAMAGE = ("cut", "zeros", "empty", "remove", "folder", "other")


def rounds(
    whole: Path, kinds: Callable[[str], bool], hows: tuple[str, ...], count: int
) -> Iterator[tuple[Path, str, str]]:
    """Copies of a store with one damaged file each: its root, the file's name, and how it was damaged."""
    numbers = random.Random(count)
    names = [name for name in files(whole) if kinds(name)]
    others = [(whole / name).read_bytes() for name in files(whole) if name.endswith(".json")]
    for number in range(max(count, len(names))):
        name, how = names[number % len(names)], numbers.choice(hows)
        root = whole.parent / "damaged"
        shutil.copytree(whole, root)
        if how == "other":
            (root / name).write_bytes(numbers.choice(OTHER_JSON))
        else:
            damage(root / name, how, numbers, others)
        yield root, name, how
        shutil.rmtree(root)


def test_damaged_blobs_are_named_and_spare_the_rest(whole: Path) -> None:
    """Whatever happens to a blob's file, its artifacts are right or an error naming artifact, task and key."""
    right = read_all(whole)
    damaged = 0
    for root, name, how in rounds(whole, lambda name: name.startswith("blobs/"), BLOB_DAMAGE, ROUNDS):
        key = name.rpartition("/")[2]
        for what, outcome in read_all(root).items():
            if same(right[what], outcome):
                continue
            assert isinstance(outcome, CorruptBlob), (name, how, what, outcome)
            assert what[0] == "artifact"
            _, run, step, artifact = what
            task = {"a": 1, "b": 2}[step]
            assert outcome.what == f"Artifact `{artifact}` of F/{run}/{step}/{task} cannot be read."
            record = Datastore(root).tasks.last_attempt("F", run, step, str(task))
            assert record is not None
            ref = record.artifacts[artifact]
            assert ref.blob is not None
            assert (ref.blob[0], True) == (key, outcome.key in (key, ref.key))
            assert outcome.key in outcome.why
            damaged += 1
    assert damaged > ROUNDS // 2


def test_saving_again_heals_a_damaged_blob(whole: Path) -> None:
    """Persisting the same content again, as the error advises, makes every artifact readable."""
    right = read_all(whole)
    hows = tuple(how for how in BLOB_DAMAGE if how != "folder")
    for root, name, how in rounds(whole, lambda name: name.startswith("blobs/"), hows, ROUNDS // 2):
        store = Datastore(root)
        store.artifacts.save_given({"parameter": "p" * 2000})
        for step in "ab":
            store.artifacts.save_all({name: (ord(step), value) for name, value in VALUES.items()}, before={})
        healed = read_all(root)
        assert [what for what in right if not same(right[what], healed[what])] == [], (name, how)


def test_damaged_manifests_are_named_and_spare_the_rest(whole: Path) -> None:
    """A manifest that cannot be understood is named in the error, or skipped in a list; nothing else suffers."""
    right = read_all(whole)
    for root, name, how in rounds(whole, lambda name: name.startswith("flows/"), MANIFEST_DAMAGE, ROUNDS * 2):
        for what, outcome in read_all(root).items():
            if same(right[what], outcome):
                continue
            assert_excusable(right, name, how, what, outcome)
        assert_still_usable(root, name)


def assert_excusable(right: Outcome, name: str, how: str, what: tuple[str, ...], outcome: Any) -> None:
    """Whether an outcome that is not right may come of that damage."""
    facts = (name, how, what, outcome)
    _, _, run, kind, *rest = name.split("/")
    assert what[1:2] in ((run,), ()), facts
    if kind == "run.json":
        assert what[0] in ("flow", "ids", "run", "listed", "client"), facts
    elif kind == "end.json":
        assert what[0] in ("end", "ends"), facts
    elif kind in SKIPPED:
        assert what[0] == kind, facts
    else:
        assert what[0] in ("tasks", "artifact", "client"), facts
        assert what[0] == "client" or rest[0] == what[2], facts
    if isinstance(outcome, FlownbError):
        if how not in ("remove", "folder"):
            assert isinstance(outcome, StoreError), facts
            assert f"The manifest `{name}`" in str(outcome), facts
    elif isinstance(outcome, list | dict):
        # Without the damaged one; a last attempt that is gone leaves the one before.
        earlier = how in ("remove", "folder") and kind == "steps" and outcome[0].attempt == 0
        assert earlier or len(outcome) < len(right[what]) or outcome in ([None], []), facts
    else:
        assert outcome is None, facts
        assert how in ("remove", "folder"), facts


def assert_still_usable(root: Path, name: str) -> None:
    """Whether a new run, task and execution can be recorded beside the damage, with ids nobody had."""
    store = Datastore(root)
    run = store.runs.new_run(RunRecord("F", "", "run")).run
    assert int(run) > 2 or name == f"flows/F/{run}/run.json"
    old = "2" if name == "flows/F/1/run.json" else "1"
    task = store.tasks.new_task("F", old, "c")
    assert int(task) > 2
    store.tasks.write_task(TaskRecord("F", old, "c", task, 0, "done"))
    store.tasks.add_execution("F", old, Execution("c", (task,), "done"))
    assert list(Datastore(root).tasks.executions("F", old))[-1].step == "c"


def test_a_damaged_mark_of_the_format_is_named(whole: Path) -> None:
    """With an unreadable `store.json` nothing is read wrong and nothing is written."""
    right = read_all(whole)
    for root, name, how in rounds(whole, lambda name: name == "store.json", ("cut", "empty", "other", "folder"), 20):
        before = files(root)
        for what, outcome in read_all(root).items():
            if not same(right[what], outcome):
                assert isinstance(outcome, StoreError), (how, what, outcome)
        failure = attempt(lambda root=root: Datastore(root).runs.new_run(RunRecord("F", "", "run")))
        assert isinstance(failure, StoreError), (how, (root / name).read_bytes())
        assert files(root) == before


def test_files_that_are_not_ours_do_no_harm(whole: Path) -> None:
    """What other programs leave in the folders is not a run, step, task, attempt or execution, and breaks nothing."""
    right = read_all(whole)
    folders = [path for path in (whole / "flows").rglob("*") if path.is_dir()]
    for folder in [whole / "flows", *folders]:
        for name in ("²", ".DS_Store", "Thumbs.db", "²,.json", "notes.json", "-1.json"):
            if "." in name:
                (folder / name).write_text("{}")
            elif "steps" not in folder.parts:
                (folder / name).mkdir()
    found = read_all(whole)
    assert [what for what in right if not same(right[what], found[what])] == []
    assert_still_usable(whole, "")


def test_a_flipped_bit_in_a_manifest_never_gives_another_value(whole: Path) -> None:
    """A manifest that still reads as one, but is not what was written, is noticed."""
    right = read_all(whole)
    for root, name, _ in rounds(whole, lambda name: name.startswith("flows/"), ("flip",), ROUNDS):
        for what, outcome in read_all(root).items():
            if not same(right[what], outcome) and not isinstance(outcome, FlownbError):
                assert outcome in ([], [None], {}) or len(outcome) < len(right[what]), (name, what, outcome)


@pytest.mark.parametrize("size", ["large", "deferred"])
@pytest.mark.parametrize("how", ["flip", "zeros", "json", "cut"])
def test_nothing_that_came_of_a_damaged_artifact_is_kept(
    make_session: MakeSession, tmp_path: Path, size: str, how: str
) -> None:
    """A step that read a damaged artifact is recorded as failed for that reason, with none of its own artifacts."""
    count = {"large": 20_000, "deferred": 50_000}[size]
    cells = (
        f"%%step load -> big\nimport numpy as np\nbig = np.arange({count}.0)",
        "%%step reads -> derived, copied\nbig[0] = 5.0\nderived = big.sum()\ncopied = big * 2",
    )
    numbers = random.Random(how)
    for _ in range(max(ROUNDS // 25, 1)):
        run_step(make_session(*cells), "load")
        (blob,) = (path for path in (tmp_path / ".flownb/blobs").rglob("*") if path.is_file() and path.name[0] != ".")
        content = blob.read_bytes()
        damage(blob, how, numbers, [b"[" + b"1," * (len(content) // 2 - 1) + b"1]"])
        if how == "flip":  # in the numbers, so that nothing but the key can tell
            blob.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
        session = make_session(*cells)
        with pytest.raises(CorruptBlob) as caught:
            run_step(session, "reads")
        assert blob.name in str(caught.value)
        store = Datastore(tmp_path / ".flownb")
        record = store.tasks.last_attempts(
            "NbFlow" if "NbFlow" in store.runs.flows() else store.runs.flows()[0], "1", "reads"
        )[-1]
        assert (record.status, record.captured) == ("failed", ())
        assert set(record.artifacts) == {"big"}
        assert record.exception is not None
        assert record.exception["type"] == CorruptBlob.headline
        shutil.rmtree(tmp_path / ".flownb")


def test_references_that_make_no_sense_are_errors(tmp_path: Path) -> None:
    """Whatever is in the place of a reference in a manifest of valid JSON, reading it raises no foreign error."""
    numbers = random.Random(ROUNDS)
    root = tmp_path / "store"
    store = Datastore(root)
    run = store.runs.new_run(RunRecord("F", "", "run")).run
    refs = store.artifacts.save_all({name: VALUES[name] for name in VALUES}, before={}).refs
    store.tasks.write_task(TaskRecord("F", run, "a", "1", 0, "done", artifacts=refs, captured=tuple(refs)))
    path = root / "flows/F" / run / "steps/a/1/0.json"
    manifest = path.read_text()
    strange: list[Any] = [
        None,
        True,
        -1,
        0,
        1 << 62,
        1.5,
        "",
        "..",
        "../../../x",
        "é" * 64,
        [],
        {},
        [1],
        {"a": 1},
        "0" * 64,
    ]
    for _ in range(ROUNDS * 5):
        raw = json.loads(manifest)
        holder: Any = raw
        while True:
            key = numbers.choice(list(holder))
            if not isinstance(holder[key], dict) or not holder[key] or numbers.random() < 0.2:
                break
            holder = holder[key]
        holder[key] = numbers.choice(strange)
        path.write_text(json.dumps(raw))
        fresh = Datastore(root)
        record = attempt(lambda fresh=fresh: fresh.tasks.last_attempt("F", run, "a", "1"))
        if isinstance(record, FlownbError):
            continue
        for name in VALUES:
            if name in record.artifacts:
                value = attempt(
                    lambda fresh=fresh, name=name, record=record: fresh.artifacts.load(
                        record.artifacts[name], name=name
                    )
                )
                assert isinstance(value, StoreError) or same(VALUES[name], value), (key, holder[key], value)


def test_a_key_never_leads_out_of_the_folder_of_blobs(tmp_path: Path) -> None:
    """A manifest from elsewhere cannot have another file read as a blob, not even looked for."""
    secret = b"secret" * 100
    (tmp_path / "secret").write_bytes(secret)
    store = Datastore(tmp_path / "store")
    store.artifacts.save(np.zeros(20_000), name="x")
    for key in ("../secret", "../../secret", "./../../secret", str(tmp_path / "secret")):
        with pytest.raises(StoreError):
            store.blobs.get(key, len(secret))
        with pytest.raises(StoreError):
            store.blobs.get_part(key, len(secret), 0, 6)
    assert hash_parts([secret], len(secret)) not in {entry.name for entry in store.blobs.entries()}
