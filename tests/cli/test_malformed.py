"""Manifests that say anything at all: each command and each attribute of the client ends, without a traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flownb.cli.main import main
from flownb.errors import FlownbError, StoreError
from flownb.store.datastore import Datastore
from flownb.store.encodings.plain import Plain, PlainData
from flownb.store.manifests import seal
from flownb.store.records import RunRecord, TaskRecord, to_json
from tests.cli.malformed import VALUES, Changed, changed, looks, places, recorded, within


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a notebook and a datastore in which its flow ran in every way."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("METAFLOW_USER", "tester")
        recorded(folder)
    return folder


def look_at(folder: Path, place: Changed, value: object, removed: bool) -> None:
    """Change one value in a copy of a datastore and look at it in every way."""
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    changed(copy / ".flownb", place, value, removed=removed and bool(place[1]))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(copy)
        for _, look in looks(copy):
            try:
                within(look)
            except FlownbError:
                continue


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],  # what fails is named as it is; making it smaller takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_value_may_be_of_any_type(folder: Path, data: st.DataObject) -> None:
    """Whatever one value of one manifest is replaced by, all that looks at it ends well or with an error of ours."""
    place = data.draw(st.sampled_from(places(folder / ".flownb")))
    look_at(folder, place, data.draw(st.sampled_from(VALUES)), data.draw(st.booleans()))


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("flows/F/1/steps/load/2/0.json", ("started",), float("nan")),
        ("flows/F/1/steps/load/2/0.json", ("task",), {"x": 1}),
        ("flows/F/1/steps/load/2/0.json", ("parents",), ["1/load/2"]),
        ("flows/F/1/steps/load/2/0.json", ("origin",), "1/load/2"),
        ("flows/F/1/run.json", ("tags",), 5),
        ("flows/F/1/run.json", ("started",), 1e300),
        ("flows/F/1/run.json", ("user",), "\ud800"),
        ("flows/F/1/steps/each/2/0.json", ("foreach",), []),
        ("flows/F/4/steps/each/2/0.json", ("foreach",), []),
        ("flows/F/3/run.json", ("origin",), "3"),
        ("flows/F/1/end.json", ("status",), ["done"]),
        ("flows/F/changes/1.json", ("runs",), [{}, 7, "x", "1"]),
    ],
)
def test_values_that_stopped_a_command(folder: Path, name: str, path: tuple[str, ...], value: object) -> None:
    """Moments without a date, dicts as names, tasks that are their own parents, halves of characters."""
    store = folder / ".flownb"
    found = store / name
    if not found.exists():  # ids differ with the steps that a run adds
        found = next(iter(sorted(store.glob(str(Path(name).parents[1] / "*" / found.name)))))
    look_at(folder, Changed((str(found.relative_to(store)), path)), value, removed=False)


def test_a_damaged_manifest_is_named_and_the_rest_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lists continue without it; what would remove things says which file is to blame."""
    store = Datastore(tmp_path)
    for _ in range(2):
        run = store.runs.new_run(RunRecord("F", "", "run", started=1.0, user="me")).run
        store.tasks.write_task(TaskRecord("F", run, "a", "1", 0, "done", finished=2.0))
    place = tmp_path / "flows/F/1/steps/a/1/0.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "parents": 7, "sum": None}))
    capsys.readouterr()
    assert main(["runs", "F", "--datastore", str(tmp_path)]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["F/2", "F/1"]
    shutil.rmtree(tmp_path / "index")
    for words in (["timeline", "F/1"], ["du"]):
        assert main([*words, "--datastore", str(tmp_path)]) == 0
        note = "note: the manifest `flows/F/1/steps/a/1/0.json` cannot be read and is left out\n"
        assert capsys.readouterr().err == note
    assert main(["gc", "--datastore", str(tmp_path)]) == 1
    assert "the manifest `flows/F/1/steps/a/1/0.json` cannot be read" in capsys.readouterr().err
    with pytest.raises(StoreError) as caught:
        store.tasks.last_attempts("F", "1", "a")
    assert "`parents` has the wrong type, or is out of range." in str(caught.value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"run": "2"}, "it is the record of F/2/a/1/0"),
        ({"attempt": 1 << 62}, "it is attempt 4611686018427387904 of a task"),
        ({"parents": ["../../x"]}, "a task it names is not RUN/STEP/TASK"),
        ({"foreach": [{"step": "a", "var": "x", "num_splits": "2", "index": 0}]}, "`foreach` has the wrong type"),
        ({"status": "fine"}, "`status` has the wrong type"),
        ({"fingerprint": {"code": 1}}, "`fingerprint` has the wrong type"),
        ({"finished": True}, "`finished` has the wrong type"),
    ],
)
def test_a_record_says_what_is_wrong_with_it(change: dict[str, object], why: str, tmp_path: Path) -> None:
    """The error names the file and the field, also of a record whose checksum is right."""
    store, name = Datastore(tmp_path), "flows/F/1/steps/a/1/0.json"
    raw = {**json.loads(to_json(TaskRecord("F", "1", "a", "1", 0, "done"))), **change}
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(seal(json.dumps(raw, separators=(",", ":")).encode(), name))
    with pytest.raises(StoreError) as caught:
        store.tasks.last_attempt("F", "1", "a", "1")
    assert f"The manifest `{name}` in `{tmp_path}` cannot be read." in str(caught.value)
    assert why in str(caught.value)


def test_an_error_of_a_step_may_say_half_a_character(tmp_path: Path) -> None:
    """What a step raised is its own; the record is as whole as any."""
    store = Datastore(tmp_path)
    run = store.runs.new_run(RunRecord("F", "", "run", started=1.0)).run
    record = TaskRecord("F", run, "a", "1", 0, "failed", exception={"message": "\ud800"})
    store.tasks.write_task(record)
    assert Datastore(tmp_path).tasks.last_attempt("F", run, "a", "1") == record


def test_plain_data_comes_back_without_pickle() -> None:
    """Texts, numbers, lists, dicts and bytes; a tuple is a list, and what is none of these its text."""
    value = {"a": [1, 2.5, None, True, "é\ud800"], "png": [b"\x89PNG", b""], "t": (1, b"x" * 5000), "p": Path("a")}
    blob = b"".join(bytes(part) for part in Plain().encode(PlainData(value)))
    assert Plain().decode(memoryview(blob)) == {**value, "t": [1, b"x" * 5000], "p": "a"}
    for damaged in (b"", blob[:20], b"x" * 40):
        with pytest.raises(ValueError, match=r"plain data|delimiter|Expecting|column"):
            Plain().decode(memoryview(damaged))


def test_a_card_that_is_a_pickle_is_not_shown(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Cards of older versions, and planted ones, run nothing; the message says how to get the card again."""
    copy, ran = tmp_path / "copy", tmp_path / "ran"
    shutil.copytree(folder, copy)

    class Planted:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (ran,)

    store = Datastore(copy / ".flownb")
    ref = store.artifacts.save(Planted(), name="card")
    for number in ("1", "4"):
        for task in store.tasks.last_attempts("F", number, "each"):
            (card,) = task.cards
            name = f"flows/F/{number}/steps/each/{task.task}/{task.attempt}.json"
            raw = json.loads((copy / ".flownb" / name).read_bytes())
            plain = json.loads(to_json(TaskRecord("F", "1", "a", "1", 0, "done", artifacts={"x": ref})))
            raw["cards"] = [{"type": card.type, "content": plain["artifacts"]["x"]}]
            raw.pop("sum")
            (copy / ".flownb" / name).write_text(json.dumps(raw))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(copy)
        capsys.readouterr()
        assert main(["card", "nb.ipynb", "each", "--from", "1"]) == 1
    error = capsys.readouterr().err
    assert "The card of F/1/each/" in error
    assert "Run step each again: its new card can be shown." in error
    assert not ran.exists()
