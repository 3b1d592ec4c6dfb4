"""The behaviour suite for stores of blobs: whoever implements `flownb.store.storage.Blobs` runs it."""

from __future__ import annotations

import itertools
import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from blake3 import blake3

from flownb.errors import CorruptBlob
from flownb.store.storage import Blobs

__all__ = ["BlobsSuite"]

# Around every length at which something is done in another way.
SIZES = (0, 1, 1000, (64 << 10) - 1, 64 << 10, 200_000, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, (16 << 20) + 12345)


def _made(size: int, *, seed: int = 0) -> tuple[str, bytes]:
    """Content of which about half can be compressed away, with its key."""
    block = random.Random(seed + size).randbytes(5000) + bytes(5000)
    content = (block * (size // len(block) + 1))[:size]
    return blake3(content).hexdigest(), content


def _read(blobs: Blobs, key: str, size: int) -> memoryview:
    """Get a blob and wait until it is verified."""
    content = blobs.get(key, size)
    blobs.verify([key])
    return content


class BlobsSuite:
    """What every store of blobs promises: content by its key, in a folder, a bucket, or a place of your own.

    Derive a class whose name begins with `Test`, and give it the fixture `blobs`: an empty store for each test.

    Examples
    --------
    >>> from flownb.store.local import LocalBlobs
    >>> class TestMine(BlobsSuite):
    ...     @pytest.fixture
    ...     def blobs(self, tmp_path):
    ...         return LocalBlobs(tmp_path / "blobs")
    """

    def test_what_was_put_comes_back(self, blobs: Blobs) -> None:
        """A blob of any length comes back byte for byte, however it was cut into parts."""
        for size in SIZES:
            key, content = _made(size)
            view = memoryview(content)
            cuts = sorted({0, min(size, 17), size // 3, size // 2 + 1 if size else 0, size})
            blobs.put([view[a:b] for a, b in itertools.pairwise(cuts)] or [b""], key, size)
            blobs.settle()
            assert blobs.get(key, size) == content
        blobs.settle()

    def test_what_is_read_is_private(self, blobs: Blobs) -> None:
        """Writing to what was read changes nothing that others read."""
        for size in (5000, (8 << 20) + 5):
            key, content = _made(size)
            blobs.put([content], key, size)
            blobs.settle()
            one = blobs.get(key, size)
            one[:3] = b"new"
            assert blobs.get(key, size) == content
        blobs.settle()

    def test_a_blob_is_there_for_its_writer_at_once(self, blobs: Blobs) -> None:
        """Who puts and gets without settling in between reads what was put."""
        key, content = _made(300_000)
        blobs.put([content], key, len(content))
        assert blobs.get(key, len(content)) == content
        blobs.settle()

    def test_a_missing_blob_is_reported(self, blobs: Blobs) -> None:
        """The error names the key, small or large; others stay readable."""
        key, content = _made(2000)
        blobs.put([content], key, len(content))
        for size in (10, 20 << 20):
            missing = blake3(str(size).encode()).hexdigest()
            with pytest.raises(CorruptBlob, match=missing) as caught:
                blobs.get(missing, size)
            assert caught.value.key == missing
        assert blobs.get(key, len(content)) == content

    def test_another_length_is_reported(self, blobs: Blobs) -> None:
        """A blob of another length than the manifest says is damaged."""
        for size in (3000, (16 << 20) + 1):
            key, content = _made(size)
            blobs.put([content], key, size)
            blobs.settle()
            for wrong in (size - 1, size + 1):
                with pytest.raises(CorruptBlob, match=key):
                    _read(blobs, key, wrong)

    def test_content_that_does_not_match_its_key_is_reported(self, blobs: Blobs) -> None:
        """Other content under a key is an error at `get` or, of large ones, at `verify`."""
        for size in (3000, 70_000, (16 << 20) + 1):
            _, content = _made(size)
            key = blake3(b"something else" + bytes(size % 7)).hexdigest()
            # What this process wrote is trusted, so another one reads.
            pid = os.fork()
            if pid == 0:
                blobs.put([content], key, size)
                blobs.settle()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            with pytest.raises(CorruptBlob, match=key):
                _read(blobs, key, size)

    def test_entries_and_deletion(self, blobs: Blobs) -> None:
        """All keys are listed; deleted ones are gone, missing ones passed over."""
        made = [_made(size) for size in (0, 10, 100_000, (8 << 20) + 1)]
        for key, content in made:
            blobs.put([content], key, len(content))
        blobs.settle()
        assert {entry.name for entry in blobs.entries()} == {key for key, _ in made}
        blobs.delete([made[1][0], made[3][0], "0" * 64])
        assert {entry.name for entry in blobs.entries()} == {made[0][0], made[2][0]}
        with pytest.raises(CorruptBlob):
            blobs.get(made[1][0], 10)
        blobs.put([made[1][1]], made[1][0], 10)
        blobs.settle()
        assert blobs.get(made[1][0], 10) == made[1][1]

    def test_a_part_can_be_read(self, blobs: Blobs) -> None:
        """Any piece of a blob can be read alone, also across chunks; a missing blob is reported."""
        for size in (3000, 100_000, (16 << 20) + 12345):
            key, content = _made(size)
            blobs.put([content], key, size)
            for start, stop in (
                (0, 1),
                (0, 0),
                (17, 1000),
                (size // 2 - 5, size // 2 + 5),
                (size - 3, size),
                (0, size),
            ):
                assert blobs.get_part(key, size, start, stop - start) == content[start:stop]
            blobs.settle()
            missing = blake3(b"missing").hexdigest()
            with pytest.raises(CorruptBlob, match=missing):
                blobs.get_part(missing, size, 0, 10)
            for offset, length in ((size - 5, 10), (size + 5, 10), (0, 1 << 60), (1 << 60, 10)):
                with pytest.raises(CorruptBlob, match=key):
                    blobs.get_part(key, size if length < 100 else 1 << 61, offset, length)

    @pytest.mark.parametrize("key", ["../../etc/passwd", "ab/../../x", "", "a" * 10 + "/"])
    def test_an_invalid_key_names_nothing(self, blobs: Blobs, key: str) -> None:
        """A key in a manifest from elsewhere leads to no other file, however long the blob is said to be."""
        for size in (10, 1 << 60):
            with pytest.raises(CorruptBlob):
                blobs.get(key, size)
            with pytest.raises(CorruptBlob):
                blobs.get_part(key, size, 0, 5)

    def test_a_length_that_lies_takes_no_memory(self, blobs: Blobs) -> None:
        """A blob of a few bytes that is said to have exabytes is damaged."""
        for size in (100, 200_000):
            key, content = _made(size)
            blobs.put([content], key, size)
            blobs.settle()
            with pytest.raises(CorruptBlob, match=key):
                blobs.get(key, 1 << 60)

    def test_missing_blobs_are_named(self, blobs: Blobs) -> None:
        """Of some blobs, exactly those that are missing are named."""
        made = [_made(size) for size in (10, 100_000, (8 << 20) + 1)]
        for key, content in made[:-1]:
            blobs.put([content], key, len(content))
        blobs.settle()
        assert blobs.missing([(key, len(content)) for key, content in made]) == [made[-1][0]]
        assert blobs.missing([]) == []

    def test_many_at_once(self, blobs: Blobs) -> None:
        """Threads that put and get the same and other blobs all read what belongs to the key."""
        made = [_made(size, seed=seed) for seed in range(4) for size in (100, 70_000, 300_000)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda blob: blobs.put([blob[1]], blob[0], len(blob[1])), made * 3))
            blobs.settle()
            for view, (_, content) in zip(
                pool.map(lambda blob: blobs.get(blob[0], len(blob[1])), made * 3), made * 3, strict=True
            ):
                assert view == content

    def test_a_forked_process_reads_and_writes(self, blobs: Blobs) -> None:
        """A child of a process that used the store can use it too, and the parent continues."""
        made = [_made(200_000), _made((17 << 20) + 1)]
        other, more = _made(150_000, seed=1)
        for key, content in made:
            blobs.put([content], key, len(content))
        blobs.settle()
        for _ in range(2):
            pid = os.fork()
            if pid == 0:
                good = all(_read(blobs, key, len(content)) == content for key, content in made)
                blobs.put([more], other, len(more))
                blobs.settle()
                os._exit(0 if good else 1)
            assert os.waitpid(pid, 0)[1] == 0
        assert blobs.get(other, len(more)) == more
