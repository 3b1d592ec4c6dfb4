"""A datastore in a folder: what only folders can do, or suffer."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3

from flownb.errors import CorruptBlob, StoreError
from flownb.store.datastore import Datastore
from flownb.store.hashing import hash_parts, part_size
from flownb.store.local import LocalBlobs, LocalStorage
from flownb.store.local.blobs import DEFERRED_FROM, MAPPED_FROM
from flownb.store.storage import Part

CONTENT = b"0123456789" * 1000


def put(blobs: LocalBlobs, parts: list[Part]) -> str:
    """Keep a blob and give its key."""
    key, size = hash_parts(parts, part_size(parts)), part_size(parts)
    blobs.put(parts, key, size)
    return key


def test_key_is_the_content_hash(tmp_path: Path) -> None:
    """However it is cut into parts, the same content has the same key: its blake3."""
    blobs = LocalBlobs(tmp_path)
    assert put(blobs, [CONTENT[:17], memoryview(CONTENT)[17:]]) == blake3(CONTENT).hexdigest()


def test_same_content_is_written_once(tmp_path: Path) -> None:
    """Putting what is there leaves the file alone."""
    blobs = LocalBlobs(tmp_path)
    key = put(blobs, [CONTENT])
    before = blobs.path(key).stat().st_mtime_ns
    assert put(LocalBlobs(tmp_path), [CONTENT]) == key
    assert blobs.path(key).stat().st_mtime_ns == before


def test_a_blob_of_many_parts_is_whole(tmp_path: Path) -> None:
    """More parts than the kernel takes at once, empty ones among them, are written in their order."""
    blobs = LocalBlobs(tmp_path)
    parts = [bytes([number % 251]) * (number % 7) for number in range(5000)]
    content = b"".join(parts)
    blobs.put([b"", *parts], key := hash_parts(parts, len(content)), len(content))
    assert bytes(blobs.get(key, len(content))) == content


def test_a_map_is_private(tmp_path: Path) -> None:
    """Writing to what was read changes neither the file nor another reader's map."""
    blobs = LocalBlobs(tmp_path)
    key = put(blobs, [CONTENT])
    one, other = blobs.get(key, len(CONTENT)), blobs.get(key, len(CONTENT))
    one[0] = 255
    assert bytes(other) == CONTENT
    assert blobs.path(key).read_bytes() == CONTENT


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "swap"])
def test_damage_is_noticed_on_first_read(tmp_path: Path, damage: str) -> None:
    """A flipped bit, a shorter file, a missing file and other content of the same length are errors."""
    key = put(LocalBlobs(tmp_path), [CONTENT])
    path = LocalBlobs(tmp_path).path(key)
    if damage == "flip":
        path.write_bytes(bytes([CONTENT[0] ^ 1]) + CONTENT[1:])
    elif damage == "cut":
        path.write_bytes(CONTENT[:-1])
    elif damage == "remove":
        path.unlink()
    else:
        path.write_bytes(CONTENT[::-1])
    with pytest.raises(CorruptBlob, match=key):
        LocalBlobs(tmp_path).get(key, len(CONTENT))


def test_damage_after_a_good_read_is_noticed(tmp_path: Path) -> None:
    """A blob that a process has verified is verified again when its file changes."""
    blobs = LocalBlobs(tmp_path)
    key = put(blobs, [CONTENT])
    blobs.get(key, len(CONTENT))
    blobs.path(key).write_bytes(CONTENT[::-1])
    with pytest.raises(CorruptBlob, match="does not match its key"):
        blobs.get(key, len(CONTENT))


def test_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fills up in the middle of a blob, the error says so and no part of the blob stays."""
    blobs = LocalBlobs(tmp_path)
    kept = put(blobs, [CONTENT])
    write = os.write

    def fill(file: int, data: memoryview) -> int:
        if data.nbytes > 100:
            return write(file, data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(StoreError, match="is full"):
        put(blobs, [CONTENT + b"more"])
    monkeypatch.undo()
    assert bytes(blobs.get(kept, len(CONTENT))) == CONTENT
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [kept]


def test_a_large_blob_is_verified_while_it_is_used(tmp_path: Path) -> None:
    """A large damaged blob is given at once, and the damage is an error before anything can be recorded."""
    content = bytes(DEFERRED_FROM)
    key = put(LocalBlobs(tmp_path), [content])
    LocalBlobs(tmp_path).path(key).write_bytes(content[:-1] + b"x")
    blobs = LocalBlobs(tmp_path)
    assert blobs.get(key, len(content))[0] == 0
    for _ in range(2):  # whoever asks
        with pytest.raises(CorruptBlob, match=f"Blob {key} does not match its key"):
            blobs.verify([key])
    blobs.verify([])
    put(blobs, [content])
    blobs.verify([key])


def test_writing_to_a_large_blob_does_not_spoil_its_verification(tmp_path: Path) -> None:
    """What a step does to its own map is not taken for damage."""
    content = bytes(DEFERRED_FROM)
    key = put(LocalBlobs(tmp_path), [content])
    blobs = LocalBlobs(tmp_path)
    view = blobs.get(key, len(content))
    view[:] = b"x" * len(content)
    blobs.verify([key])
    assert blobs.get(key, len(content))[0] == 0


def test_blobs_beyond_the_limit_of_open_files_are_read(tmp_path: Path) -> None:
    """More blobs than the process may have files open are loaded all the same, and each is writable."""
    keys = [put(LocalBlobs(tmp_path), [number.to_bytes(4, "little") + bytes(MAPPED_FROM)]) for number in range(40)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 20, hard))
    try:
        views = [LocalBlobs(tmp_path).get(key, MAPPED_FROM + 4) for key in keys]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    views[-1][4] = 1
    assert [int.from_bytes(view[:4], "little") for view in views] == list(range(40))


def test_the_root_is_private_and_files_follow_the_umask(tmp_path: Path) -> None:
    """Nobody else can look into the root; files have the permissions that the user's umask leaves them."""
    before = os.umask(0o027)
    try:
        storage = LocalStorage(tmp_path / "store")
        storage.write("flows/F/1/run.json", b"{}")
    finally:
        os.umask(before)
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "store/flows/F/1/run.json").stat().st_mode & 0o777 == 0o640


def test_a_file_system_without_links_still_gives_a_name_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where hard links are not to be had, creating a file that is there is still refused."""

    def refuse(source: Path, target: Path, **options: int) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    storage = LocalStorage(tmp_path)
    assert [storage.create("ids/1.json", content) for content in (b"first", b"second")] == [True, False]
    assert storage.read("ids/1.json") == b"first"


def test_folders_that_vanish_while_a_file_is_written_are_made_again(tmp_path: Path) -> None:
    """Clearing up empty folders never fails another thread's write."""
    storage = LocalStorage(tmp_path)

    def write(number: int) -> None:
        for _ in range(100):
            storage.write(f"a/b/{number}.json", b"{}")
            storage.delete([f"a/b/{number}.json"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert not (tmp_path / "a").exists()


def test_a_writer_waits_for_the_clearing_up(tmp_path: Path) -> None:
    """While one process holds the folder alone, another cannot record; two that record do not wait for each other."""
    storage = LocalStorage(tmp_path)
    order: list[str] = []

    def record() -> None:
        with LocalStorage(tmp_path).lock(exclusive=False):
            order.append("recorded")

    with storage.lock(exclusive=False), storage.lock(exclusive=False):
        pass
    with storage.lock(exclusive=True):
        thread = threading.Thread(target=record)
        thread.start()
        thread.join(0.1)
        order.append("cleared up")
    thread.join()
    assert order == ["cleared up", "recorded"]


def test_without_locks_nothing_is_cleared_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without locks writers record all the same, and clearing up says why it cannot be done."""

    def refuse(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with LocalStorage(tmp_path).lock(exclusive=False):
        pass
    with pytest.raises(StoreError, match="its file system has no locks"), LocalStorage(tmp_path).lock(exclusive=True):
        pass


def test_changes_are_noticed_beyond_the_limit_of_open_files(tmp_path: Path) -> None:
    """A value that was copied because too many files were open is compared like any other; a fork shares none of it."""
    store = Datastore(tmp_path)
    refs = {f"x{number}": store.artifacts.save(np.full(60_000, float(number)), name="x") for number in range(40)}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 20, hard))
    try:
        loaded = {name: store.artifacts.read(ref, name=name) for name, ref in refs.items()}
        loaded["x39"].value[5] = 7.0
        saved = store.artifacts.save_all({name: one.value for name, one in loaded.items()}, before=loaded)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [name for name, ref in saved.refs.items() if ref != refs[name]] == ["x39"]
    pid = os.fork()
    if pid == 0:
        loaded["x38"].value[0] = -1.0
        os._exit(0)
    os.waitpid(pid, 0)
    assert loaded["x38"].value[0] == 38.0


def test_maps_leave_descriptors_to_the_user(tmp_path: Path) -> None:
    """However many values are loaded, the step can still open files."""
    store = Datastore(tmp_path)
    refs = [store.artifacts.save(np.full(60_000, float(number)), name="x") for number in range(60)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 30, hard))
    try:
        loaded = [store.artifacts.read(ref) for ref in refs]
        with (tmp_path / "own").open("w") as file:
            file.write("x")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [one.value[0] for one in loaded] == [float(number) for number in range(60)]


def test_each_reader_hears_of_damage(tmp_path: Path) -> None:
    """Reading another value, or the same damaged one again, takes the news away from nobody."""
    store = Datastore(tmp_path)
    good, bad = (
        store.artifacts.save(np.ones(3_000_000), name="good"),
        store.artifacts.save(np.zeros(3_000_000), name="bad"),
    )
    path = LocalBlobs(tmp_path / "blobs").path(bad.key)
    path.write_bytes(path.read_bytes()[:-8] + bytes([1] * 8))
    fresh = Datastore(tmp_path)
    read = fresh.artifacts.read(bad, name="bad", where="F/1/a/1")
    assert fresh.artifacts.load(good, name="good")[0] == 1.0
    for _ in range(2):
        with pytest.raises(CorruptBlob, match="Artifact `bad` of F/1/a/1 cannot be read"):
            fresh.artifacts.verify([read])


def test_equal_small_values_are_stored_once(tmp_path: Path) -> None:
    """Values that share a blob are found again by the process that saved them."""
    store = Datastore(tmp_path)
    first = store.artifacts.save_all({"x": "a" * 5000, "y": "b" * 300}, before={})
    second = store.artifacts.save_all({"x": "a" * 5000, "y": "c" * 300}, before={})
    assert second.refs["x"] == first.refs["x"]
    assert sum(entry.size for entry in store.blobs.entries()) < 6_000


def test_what_grows_is_not_made_again(tmp_path: Path) -> None:
    """A file that was removed while it grew stays removed, and adding to it is an error."""
    storage = LocalStorage(tmp_path / "store")
    appender = storage.appender("logs/1.jsonl")
    appender.add(b"1")
    storage.delete(["logs/1.jsonl"])
    with pytest.raises(StoreError):
        appender.add(b"2")
    assert list(storage.entries("")) == []
