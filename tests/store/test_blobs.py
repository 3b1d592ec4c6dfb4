"""Content-addressed blobs."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from blake3 import blake3

from flownb.errors import CorruptBlob, StoreError
from flownb.store.blobs import LocalBlobs

CONTENT = b"0123456789" * 1000


def test_key_is_the_content_hash(tmp_path: Path) -> None:
    """However it is cut into parts, the same content has the same key: its blake3."""
    blobs = LocalBlobs(tmp_path)
    assert blake3(CONTENT).hexdigest() == blobs.put([CONTENT[:17], memoryview(CONTENT)[17:]])


def test_same_content_is_written_once(tmp_path: Path) -> None:
    """Putting what is there leaves the file alone."""
    blobs = LocalBlobs(tmp_path)
    key = blobs.put([CONTENT])
    before = blobs.path(key).stat().st_mtime_ns
    assert key == LocalBlobs(tmp_path).put([CONTENT])
    assert before == blobs.path(key).stat().st_mtime_ns


def test_a_map_is_private(tmp_path: Path) -> None:
    """Writing to what was read changes neither the file nor another reader's map."""
    blobs = LocalBlobs(tmp_path)
    key = blobs.put([CONTENT])
    one, other = blobs.get(key, len(CONTENT)), blobs.get(key, len(CONTENT))
    one[0] = 255
    assert CONTENT == bytes(other)
    assert CONTENT == blobs.path(key).read_bytes()


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "swap"])
def test_damage_is_noticed_on_first_read(tmp_path: Path, damage: str) -> None:
    """A flipped bit, a shorter file, a missing file and other content of the same length are errors."""
    key = LocalBlobs(tmp_path).put([CONTENT])
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
    key = blobs.put([CONTENT])
    blobs.get(key, len(CONTENT))
    blobs.path(key).write_bytes(CONTENT[::-1])
    with pytest.raises(CorruptBlob, match="does not match its key"):
        blobs.get(key, len(CONTENT))


def test_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fills up in the middle of a blob, the error says so and no part of the blob stays."""
    blobs = LocalBlobs(tmp_path)
    kept = blobs.put([CONTENT])
    write = os.write

    def fill(file: int, data: memoryview) -> int:
        if data.nbytes > 100:
            return write(file, data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(StoreError, match="is full"):
        blobs.put([CONTENT + b"more"])
    monkeypatch.undo()
    assert CONTENT == bytes(blobs.get(kept, len(CONTENT)))
    assert [kept] == [path.name for path in tmp_path.rglob("*") if path.is_file()]
