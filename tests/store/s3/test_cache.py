"""The local cache: never wrong, never larger than it may be, never in the way."""

from __future__ import annotations

import os
import random
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from flownb.errors import CorruptBlob, StoreError
from flownb.store.s3 import S3Blobs, open_s3
from flownb.store.s3.cache import BlobCache, cache_folder, cache_limit


def make(size: int, seed: int = 0) -> tuple[str, bytes]:
    """Random content and its key."""
    content = random.Random(seed * 1000003 + size).randbytes(size)
    return blake3(content).hexdigest(), content


@pytest.fixture
def open_blobs(s3_url: str, tmp_path: Path) -> Callable[..., S3Blobs]:
    """Open the same place again, with the same cache folder."""

    def opened(limit: int = 1 << 30) -> S3Blobs:
        return open_s3(s3_url, cache=BlobCache(tmp_path / "blobs", limit))[1]

    return opened


@pytest.mark.parametrize("size", [100, 9 << 20])
def test_what_was_read_or_written_is_read_without_the_server(
    open_blobs: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int
) -> None:
    """The second reader asks nobody, whether the first one read or wrote."""
    key, content = make(size)
    blobs = open_blobs()
    blobs.put([content], key, size)
    blobs.settle()
    for emptied in (False, True):
        if emptied:
            BlobCache(tmp_path / "blobs", 1 << 30).delete([key])
            assert open_blobs().get(key, size) == content
        with monkeypatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
            again = open_blobs()
            view = again.get(key, size)
            again.verify([key])
            assert view == content


def test_many_small_ones_come_at_once(open_blobs: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After `fetch` they are there; what is missing is reported by `get` alone."""
    made = [make(1000, seed) for seed in range(30)]
    writer = open_blobs(0)
    for key, content in made:
        writer.put([content], key, len(content))
    writer.settle()
    reader = open_blobs()
    reader.fetch([*((key, len(content)) for key, content in made), ("0" * 64, 5)])
    monkeypatch.setattr(reader.bucket, "view", lambda name: None)
    for key, content in made:
        assert reader.get(key, len(content)) == content
    with pytest.raises(CorruptBlob):
        reader.get("0" * 64, 5)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_copy_is_read_again(open_blobs: Any, tmp_path: Path, damage: str) -> None:
    """A copy that does not match its key is replaced by what the server has."""
    key, content = make(5000)
    blobs = open_blobs()
    blobs.put([content], key, len(content))
    blobs.settle()
    (path,) = (path for path in (tmp_path / "blobs").rglob("*") if path.name == key)
    path.write_bytes({"flip": bytes([content[0] ^ 1]) + content[1:], "cut": content[:-1], "empty": b""}[damage])
    assert open_blobs().get(key, len(content)) == content
    assert path.read_bytes() == content


def test_a_large_damaged_copy_is_reported_and_removed(open_blobs: Any, tmp_path: Path) -> None:
    """It is verified while the step runs, so `settle` says that the step has to run again; then it is whole."""
    key, content = make((16 << 20) + 1)
    blobs = open_blobs()
    blobs.put([content], key, len(content))
    blobs.settle()
    (path,) = (path for path in (tmp_path / "blobs").rglob("*") if path.name == key)
    with path.open("r+b") as file:
        file.write(bytes([content[0] ^ 1]))
    reader = open_blobs()
    reader.get(key, len(content))
    with pytest.raises(CorruptBlob, match="It was removed; run the step again"):
        reader.verify([key])
    assert reader.get(key, len(content)) == content
    reader.verify([key])


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    """The folder stays below its limit; what was read last stays; a map of what went stays good."""
    cache = BlobCache(tmp_path / "c", 100_000)
    made = [make(10_000, seed) for seed in range(20)]
    kept_key, kept = made[0]
    cache.put([kept], kept_key, len(kept))
    first_key, first = made[1]
    cache.put([first], first_key, len(first))
    mapped = cache.get(first_key, len(first))
    for number, (key, content) in enumerate(made[2:]):
        path = cache.folder / kept_key[:2] / kept_key
        os.utime(path, ns=(time.time_ns() + number * 10**9, path.stat().st_mtime_ns))
        cache.put([content], key, len(content))
        assert cache.size() <= 100_000
    assert cache.holds(kept_key, len(kept))
    assert not cache.holds(first_key, len(first))
    assert mapped == first


def test_a_blob_larger_than_the_cache_passes_by(open_blobs: Any, tmp_path: Path) -> None:
    """It is read into memory, and nothing is left in the folder."""
    key, content = make(9 << 20)
    blobs = open_blobs(1 << 20)
    blobs.put([content], key, len(content))
    blobs.settle()
    assert blobs.get(key, len(content)) == content
    assert blobs.cache.size() == 0


def _fill(arguments: tuple[Path, int]) -> bool:
    """Put and get many blobs; True if all that was given was right."""
    folder, seed = arguments
    cache = BlobCache(folder, 200_000)
    chance = random.Random(seed)
    for _ in range(120):
        key, content = make(5000, chance.randrange(100))
        found = cache.get(key, len(content))
        if found is None:
            cache.put([content], key, len(content))
        elif found != content:
            return False
    return True


def test_several_processes_share_a_folder(tmp_path: Path) -> None:
    """Eight processes that fill and evict read nothing wrong, and the folder ends near its limit."""
    pids = []
    for seed in range(8):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if _fill((tmp_path / "c", seed)) else 1)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 8
    assert BlobCache(tmp_path / "c", 1).size() <= 200_000 * 1.5


def test_a_cache_that_cannot_be_written_is_done_without(open_blobs: Any, tmp_path: Path) -> None:
    """A file is where the folder should be: one warning, and everything is read from the server."""
    (tmp_path / "blobs").write_text("in the way")
    small, large = make(1000), make(9 << 20)
    blobs = open_blobs()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for key, content in (small, large):
            blobs.put([content], key, len(content))
        blobs.settle()
        for key, content in (small, large, small):
            assert blobs.get(key, len(content)) == content
        blobs.settle()
    assert len(told) == 1
    assert "is no longer written" in str(told[0].message)


def test_a_full_disk_is_done_without(open_blobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space left for a large blob: one warning, and it comes into memory."""
    key, content = make(9 << 20)
    writer = open_blobs(0)
    writer.put([content], key, len(content))
    writer.settle()

    def full(file: int, start: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    blobs = open_blobs()
    with pytest.warns(UserWarning, match="No space left on device"):
        assert blobs.get(key, len(content)) == content
    assert blobs.get(key, len(content)) == content
    assert blobs.cache.size() == 0


def test_readers_at_once_share_what_comes(open_blobs: Any) -> None:
    """Threads that want the same large blob all get it."""
    key, content = make(9 << 20)
    writer = open_blobs(0)
    writer.put([content], key, len(content))
    writer.settle()
    reader = open_blobs()
    with ThreadPoolExecutor(4) as pool:
        assert all(view == content for view in pool.map(lambda _: reader.get(key, len(content)), range(4)))


def test_where_and_how_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Folder and limit come from the environment; each datastore has a folder of its own."""
    monkeypatch.setenv("FLOWNB_CACHE", str(tmp_path))
    assert cache_folder("s3://b/one").parent == tmp_path
    assert cache_folder("s3://b/one") != cache_folder("s3://b/two")
    monkeypatch.delenv("FLOWNB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("s3://b/one").parent == tmp_path / "xdg" / "flownb"
    for text, expected in (("500M", 500 << 20), ("1.5 GiB", 3 << 29), ("20gb", 20 << 30), ("0", 0), ("123", 123)):
        monkeypatch.setenv("FLOWNB_CACHE_SIZE", text)
        assert cache_limit() == expected
    monkeypatch.delenv("FLOWNB_CACHE_SIZE")
    assert cache_limit() == 20 << 30
    monkeypatch.setenv("FLOWNB_CACHE_SIZE", "much")
    with pytest.raises(StoreError, match="FLOWNB_CACHE_SIZE is `much`"):
        cache_limit()
