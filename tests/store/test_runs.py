"""Tags of runs that are changed after they began."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flownb.client import Flow, Run
from flownb.errors import NotFound, ParameterError
from flownb.store.datastore import Datastore
from flownb.store.garbage import remove_run
from flownb.store.records import RunEnd, RunRecord


def begin(store: Datastore, *tags: str) -> Run:
    """A run that has ended."""
    run = store.runs.new_run(RunRecord("F", "", "run", tags=tags, started=time.time())).run
    store.runs.end_run("F", run, RunEnd("done", time.time()))
    return Run(f"F/{run}", datastore=store)


def found(store: Datastore, tag: str) -> list[str]:
    """Ids of runs that have a tag."""
    return [run.id for run in Flow("F", datastore=store).runs(tag)]


def test_tags_are_changed(datastore_location: str) -> None:
    """As with Metaflow's client: removed first, then added; every reader sees them, and runs are found by them."""
    store, other = Datastore(datastore_location), Datastore(datastore_location)
    other.index._file.folder = other.index._file.folder.with_name("other-index")  # of another machine
    run = begin(store, "a", "b")
    begin(store, "a")
    assert found(other, "a") == ["2", "1"]
    run.add_tag("c")
    run.remove_tag("a")
    assert run.tags == run.user_tags == Run("F/1", datastore=other).tags == {"b", "c"}
    run.replace_tags(["b", "c"], ["c", "d"])
    run.add_tags(["e", "f"])
    run.remove_tags(["e", "nothing"])
    run.replace_tag("f", "g")
    for reader in (store, other):
        assert Run("F/1", datastore=reader).tags == {"c", "d", "g"}
        assert {tag: found(reader, tag) for tag in "abdg"} == {"a": ["2"], "b": [], "d": ["1"], "g": ["1"]}
        assert reader.index.runs("F")[1].tags == ("c", "d", "g")
    other.index.rebuild()
    assert (found(other, "d"), found(other, "b")) == (["1"], [])
    assert store.runs.run("F", "1").tags == ("a", "b")  # as it was begun


def test_what_changes_nothing_is_not_written(tmp_path: Path) -> None:
    """A tag that is there is not added, and one that is not there not removed."""
    store = Datastore(tmp_path)
    run = begin(store, "a")
    run.add_tag("a")
    run.remove_tag("b")
    assert not (tmp_path / "flows/F/1/tags").exists()


def test_no_change_is_lost(tmp_path: Path) -> None:
    """Many that tag one run at the same time all succeed."""
    begin(Datastore(tmp_path))

    def tag(number: int) -> None:
        Run("F/1", datastore=Datastore(tmp_path)).add_tag(str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tag, range(40)))
    store = Datastore(tmp_path)
    assert Run("F/1", datastore=store).tags == {str(number) for number in range(40)}
    assert all(found(store, str(number)) == ["1"] for number in range(40))


def test_a_damaged_change_is_passed_over(tmp_path: Path) -> None:
    """The others count."""
    run = begin(Datastore(tmp_path))
    run.add_tag("a")
    run.add_tag("b")
    (tmp_path / "flows/F/1/tags/1.json").write_text("{")
    assert run.tags == {"b"}


def test_a_removed_run_has_no_tags(tmp_path: Path) -> None:
    """It cannot be found by a tag, and none can be added."""
    store = Datastore(tmp_path)
    run = begin(store)
    begin(store)
    run.add_tag("a")
    remove_run(store, "F", "1")
    assert found(store, "a") == []
    with pytest.raises(NotFound, match="Run F/1 was removed"):
        run.add_tag("b")
    assert [path.name for path in (tmp_path / "flows/F/1").iterdir()] == ["run.json"]


@pytest.mark.parametrize("tag", ["", 3, None])
def test_what_is_not_a_tag(tag: object, tmp_path: Path) -> None:
    """A tag is a text."""
    with pytest.raises(ParameterError, match="is not a tag"):
        begin(Datastore(tmp_path)).add_tag(tag)  # type: ignore[arg-type]  # that is what is tested
