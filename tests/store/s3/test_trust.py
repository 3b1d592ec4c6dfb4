"""When a writer trusts a blob that is there, and when it writes it again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from flownb.store.s3 import TRUSTED_AGE, S3Blobs, open_s3
from flownb.store.s3 import blobs as module
from flownb.store.s3.cache import BlobCache

SMALL = b"small" * 100
LARGE = bytes(9 << 20)


@pytest.fixture
def open_blobs(s3_url: str, tmp_path: Path) -> Callable[[], S3Blobs]:
    """Open the same place again, as another process would."""
    return lambda: open_s3(s3_url, cache=BlobCache(tmp_path / "unused", 0))[1]


def put(blobs: S3Blobs, content: bytes) -> str:
    """Put and settle; give the key."""
    key = blake3(content).hexdigest()
    blobs.put([content], key, len(content))
    blobs.settle()
    return key


def requests(proxy: Any) -> list[str]:
    """Methods of the requests since the last call."""
    found = [asked.method for asked in proxy.asked]
    proxy.asked.clear()
    return found


def test_what_is_there_and_young_is_not_sent(proxy: Any, open_blobs: Any) -> None:
    """A large blob costs a HEAD; a small one the request that would have written it, and a HEAD."""
    blobs = open_blobs()
    put(blobs, SMALL)
    assert requests(proxy) == ["PUT"]
    put(blobs, SMALL)
    assert requests(proxy) == []
    put(open_blobs(), SMALL)
    assert requests(proxy) == ["PUT", "HEAD"]
    put(blobs, LARGE)
    assert requests(proxy)[:2] == ["HEAD", "POST"]
    put(open_blobs(), LARGE)
    assert requests(proxy) == ["HEAD"]


@pytest.mark.parametrize("content", [SMALL, LARGE])
def test_what_is_old_is_written_again(
    proxy: Any, open_blobs: Any, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """A blob older than the age of trust starts its life again, also for the process that wrote it."""
    import time

    first = open_blobs()
    put(first, content)

    class Later:
        @staticmethod
        def time() -> float:
            return time.time() + TRUSTED_AGE + 10

    monkeypatch.setattr(module, "time", Later)
    for blobs in (first, open_blobs()):
        requests(proxy)
        put(blobs, content)
        assert requests(proxy)[-1] == "PUT" or len(content) > 1000
        assert blobs.shortest_life == 2 * TRUSTED_AGE


@pytest.mark.parametrize("content", [SMALL, LARGE])
def test_a_damaged_blob_heals_when_it_is_put_again(open_blobs: Any, content: bytes) -> None:
    """Other content under the key: a small one is noticed by whoever puts it, a large one by who read it before."""
    key = put(open_blobs(), content)
    damaged = bytes([content[0] ^ 1]) + content[1:]
    blobs = open_blobs()
    blobs.bucket.put(f"blobs/{key[:2]}/{key}", damaged)
    if content is LARGE:
        with pytest.raises(Exception, match=key):
            blobs.get(key, len(content))
    put(blobs, content)
    assert open_blobs().get(key, len(content)) == content
