"""Links in a datastore, planted or forgotten: nothing outside its folder is read, written or removed through one."""

from __future__ import annotations

import contextlib
import gc
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from flownb.errors import FlownbError, StoreError
from flownb.runtime.task import Output
from flownb.store.datastore import Datastore
from flownb.store.garbage import collect, remove_runs, remove_spins
from flownb.store.local import LocalStorage, place
from flownb.store.records import Execution, RunEnd, RunRecord, TaskRecord
from flownb.store.s3.cache import BlobCache
from flownb.store.usage import measure

OLD = 1_000_000.0


@pytest.fixture(params=["one call", "folder by folder", "by paths"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the system opens a file without following links: as new Linux, as older systems, as Windows."""
    way: str = request.param
    if way != "one call":
        monkeypatch.setattr(place, "_openat2", None)
    if way == "by paths":
        monkeypatch.setattr(place, "BY_DESCRIPTOR", False)
    return way


def record(store: Datastore, value: int) -> None:
    """Record a run and a working run, each of one task with an artifact, a log and tags."""
    refs = store.artifacts.save_given({"x": np.arange(3000) + value})
    for kind in ("run", "work"):
        run = store.runs.new_run(RunRecord("F", "", kind, started=OLD)).run  # type: ignore[arg-type]  # of the two
        store.runs.beat("F", run)
        task = store.tasks.new_task("F", run, "a")
        logs = store.logs.book("F", run)
        logs.add("a", task, 0, Output("stdout", "text\n"))
        logs.close()
        store.tasks.write_task(TaskRecord("F", run, "a", task, 0, "done", artifacts=refs, finished=OLD))
        store.runs.change_tags("F", run, add=["t"])
        if kind == "work":
            store.tasks.add_execution("F", run, Execution("a", (task,), "done"))
        else:
            store.runs.end_run("F", run, RunEnd("done", OLD))


def all_commands(root: Path) -> Iterator[Callable[[], object]]:
    """What can be done with a datastore, each by a process that has just opened it."""
    yield lambda: record(Datastore(root), 7)
    yield lambda: record(Datastore(root).spins(), 8)
    yield lambda: Datastore(root).index.runs("F")
    yield lambda: Datastore(root).index.timeline("F", "1")
    yield lambda: Datastore(root).index.rebuild()
    yield lambda: Datastore(root).runs.change_tags("F", "1", add=["more"])
    yield lambda: measure(Datastore(root))
    yield lambda: collect(Datastore(root), dry_run=True)
    yield lambda: collect(Datastore(root), keep_last=0, older_than=0)
    yield lambda: remove_spins(Datastore(root))
    yield lambda: remove_runs(Datastore(root), [("F", "1")], force=True)


def content(folder: Path) -> dict[str, bytes | str]:
    """All that is in a folder, with when it was written."""
    return {
        str(path.relative_to(folder)): f"{path.lstat().st_mtime_ns} {path.read_bytes() if path.is_file() else ''}"
        for path in sorted(folder.rglob("*"))
    }


def replaced(path: Path, outside: Path) -> None:
    """Move something out of the datastore, and put a link to it in its place."""
    target = outside / path.name
    path.rename(target)
    path.symlink_to(target, target_is_directory=target.is_dir())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give a datastore in which something was recorded in the current way: made once a way, for tests to copy."""
    folder = tmp_path_factory.mktemp("recorded")

    def make(way: str) -> Path:
        root = folder / way
        if not root.exists():
            record(Datastore(root), 1)
            record(Datastore(root), 2)
            record(Datastore(root).spins(), 3)
            with Datastore(root).recording():
                Datastore(root).index.runs("F")
            gc.collect()  # an index is written to when it is closed
        return root

    return make


@pytest.fixture
def root(recorded: Callable[[str], Path], way: str, tmp_path: Path) -> Path:
    """A datastore in which something was recorded, for this test alone."""
    return Path(shutil.copytree(recorded(way), tmp_path / "store"))


PLACES = (
    *("flows", "flows/F", "flows/F/1", "flows/F/1/steps", "flows/F/1/steps/a", "flows/F/1/steps/a/1", "flows/F/1/logs"),
    *("flows/F/1/logs/a", "flows/F/2/ids", "flows/F/2/executions", "flows/F/1/tags", "flows/F/changes", "blobs"),
    *("blobs/*", "spin", "spin/flows", "spin/flows/F/1", "index", ".lock", "store.json", "flows/F/1/run.json"),
    *("flows/F/1/end.json", "flows/F/1/heartbeat.json", "flows/F/1/steps/a/1/0.json", "flows/F/1/logs/a/1/0.jsonl"),
    *("flows/F/2/ids/1.json", "blobs/*/*", "index/*.sqlite", "index/current.*", "spin/flows/F/1/run.json"),
)


@pytest.mark.parametrize("linked", PLACES)
def test_nothing_outside_is_changed(linked: str, root: Path, tmp_path: Path) -> None:
    """Whatever part is a link, no command changes what it leads to; one that cannot do without it says so."""
    outside = tmp_path / "outside"
    outside.mkdir()
    path = next(iter(sorted(root.glob(linked))))
    replaced(path, outside)
    before = content(outside)
    said = []
    for command in all_commands(root):
        try:
            command()
        except FlownbError as error:
            said.append(str(error))
        assert content(outside) == before
    refused = [text for text in said if f"`{path}` is a link." in text]
    if not linked.startswith("index"):  # for which a temporary one is used
        assert refused, said


@pytest.mark.parametrize("linked", ["flows", "flows/F/3", "blobs", "spin", "index", ".lock"])
def test_a_link_that_leads_nowhere_is_not_filled(linked: str, tmp_path: Path) -> None:
    """Nothing is made where a dangling link leads."""
    root, outside = tmp_path / "store", tmp_path / "outside"
    record(Datastore(root), 1)
    outside.mkdir()
    path = root / linked
    if path.is_dir():
        path.rename(tmp_path / "moved")
    path.unlink(missing_ok=True)
    path.symlink_to(outside / "nowhere")
    for command in all_commands(root):
        with contextlib.suppress(FlownbError):
            command()
        assert content(outside) == {}


def test_the_message_names_the_link(root: Path, tmp_path: Path) -> None:
    """It says why, and how to keep a datastore elsewhere."""
    outside = tmp_path / "outside"
    outside.mkdir()
    replaced(root / "spin", outside)
    with pytest.raises(StoreError) as caught:
        remove_spins(Datastore(root))
    assert str(caught.value) == (
        f"`{root}/spin` is a link. No link below `{root}` is followed: its target could be overwritten or removed. "
        "Replace the link with its target. To keep everything elsewhere, move the whole folder and make "
        "that the link."
    )


def test_a_folder_that_becomes_a_link_while_a_process_works(root: Path, tmp_path: Path) -> None:
    """A store that was opened before is not an exception: its next write is refused."""
    store, outside = Datastore(root), tmp_path / "outside"
    outside.mkdir()
    run = store.runs.new_run(RunRecord("F", "", "run", started=OLD)).run
    logs = store.logs.book("F", run)
    logs.add("a", "1", 0, Output("stdout", "text\n"))
    logs.flush()
    store.tasks.write_task(TaskRecord("F", run, "a", "1", 0, "done"))
    replaced(root / f"flows/F/{run}", outside)
    before = content(outside)
    for act in (
        lambda: store.tasks.write_task(TaskRecord("F", run, "a", "2", 0, "done")),
        lambda: store.runs.end_run("F", run, RunEnd("done", OLD)),
    ):
        with pytest.raises(StoreError, match="is a link"):
            act()
    store.runs.beat("F", run)
    logs.add("a", "1", 0, Output("stdout", "more\n"))
    logs.close()
    assert content(outside) == before


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    """To a folder that is there, to one that is not yet, and to another one later."""
    root = tmp_path / "linked"
    root.symlink_to(tmp_path / "first")
    (tmp_path / "above").symlink_to(tmp_path)
    for command in all_commands(root):
        command()
    record(Datastore(tmp_path / "above" / "linked"), 4)
    collect(Datastore(tmp_path / "above" / "linked"), keep_last=1)
    assert (tmp_path / "first/flows").is_dir()
    record(Datastore(root), 5)
    assert [row.kind for row in Datastore(root).index.runs("F", kind=None)][:2] == ["work", "run"]
    storage = LocalStorage(root)
    storage.write("a/b.json", b"1")
    (tmp_path / "first").rename(tmp_path / "second")
    (tmp_path / "first").symlink_to(tmp_path / "second")
    storage.write("a/c.json", b"2")
    assert storage.read_many(["a/b.json", "a/c.json"]) == [b"1", b"2"]


@pytest.mark.parametrize("linked", ["", "ab", "ab/blob", ".evict"])
def test_the_cache_of_a_bucket_follows_no_link(linked: str, tmp_path: Path) -> None:
    """It is given up with a warning, or does without what is behind the link."""
    folder, outside = tmp_path / "cache" / "0123", tmp_path / "outside"
    outside.mkdir()
    key = "ab" + "0" * 62
    cache = BlobCache(folder, 1 << 20)
    cache.put([b"content"], key, 7)
    cache.put([b"x" * 900_000], "cd" + "0" * 62, 900_000)
    path = folder / linked.replace("blob", key) if linked else folder
    if not path.exists():
        path.touch()
    replaced(path, outside)
    before = content(outside)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is not written any more
        for opened in (cache, BlobCache(folder, 1 << 20)):
            opened.get(key, 7)
            opened.put([b"content"], key, 7)
            opened.put([b"y" * 900_000], "ef" + "0" * 62, 900_000)
            with opened.incoming("ab1" + "0" * 61, 3) as incoming:
                if incoming is not None:
                    incoming.write(0, memoryview(b"abc"))
                    incoming.keep()
            opened.delete([key])
    assert content(outside) == before
