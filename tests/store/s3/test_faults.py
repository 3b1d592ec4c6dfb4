"""Networks that break and servers that are busy: nothing is lost, nothing wrong is read, errors say what to do."""

from __future__ import annotations

import os
import random
import secrets
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from blake3 import blake3

from flownb.errors import CorruptBlob, StoreError
from flownb.store.s3 import S3Blobs, S3Storage, open_s3
from flownb.store.s3.cache import BlobCache
from flownb.store.s3.connection import Options

ROUNDS = 150
FAULTS = ("cut before", "cut request", "lost answer", "cut answer", "slow", "503", "500")


@pytest.fixture
def open_store(s3_url: str, tmp_path: Any) -> Callable[..., tuple[S3Storage, S3Blobs]]:
    """Open the same place again, as another process would."""

    def opened(patience: float = 20.0, compression: Any = "none") -> tuple[S3Storage, S3Blobs]:
        return open_s3(s3_url, options=Options(patience, compression), cache=BlobCache(tmp_path / "unused", 0))

    return opened


def sometimes(seed: int, share: float = 0.25, faults: tuple[str, ...] = FAULTS) -> Callable[[Any], str | None]:
    """A plan that breaks a share of the requests."""
    chance = random.Random(seed)
    return lambda asked: chance.choice(faults) if chance.random() < share else None


def test_files_survive_broken_requests(proxy: Any, open_store: Any) -> None:
    """Over hundreds of broken requests every write is there, every read right and every deletion done."""
    proxy.plan = sometimes(1)
    storage, _ = open_store()
    expected = {f"f/{number % 7}/{number}": secrets.token_bytes(50 + number * 7) for number in range(ROUNDS)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: storage.write(*item), expected.items()))
    assert storage.read_many(list(expected)) == list(expected.values())
    assert {entry.name for entry in storage.entries("")} == set(expected)
    storage.delete(list(expected)[::2])
    assert {entry.name for entry in storage.entries("")} == set(list(expected)[1::2])
    assert sum(proxy.done[fault] for fault in FAULTS) > 50


def test_names_are_taken_once_over_broken_requests(proxy: Any, open_store: Any) -> None:
    """Eight stores that want the same names get each once, though answers are lost and conflicts injected."""
    faults = (*FAULTS, "lost answer", "lost answer", "409 ConditionalRequestConflict")
    chance = random.Random(2)
    proxy.plan = lambda asked: chance.choice(faults) if chance.random() < 0.3 else None
    names = [f"ids/{number}" for number in range(ROUNDS // 6)]

    def take(who: int) -> list[str]:
        storage, _ = open_store()
        return [name for name in names if storage.create(name, f"{who} {secrets.token_hex(8)}".encode())]

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(take, range(8)))
    assert sorted((name for taken in won for name in taken), key=names.index) == names
    proxy.plan = lambda asked: None
    contents = dict(zip(names, open_store()[0].read_many(names), strict=True))
    for who, taken in enumerate(won):
        assert {str(who)} >= {contents[name].split()[0].decode() for name in taken}
    assert proxy.done["lost answer"] > 5


def test_a_lost_answer_to_create_is_a_success(proxy: Any, open_store: Any) -> None:
    """The creator of a file gets True even if the server's answer was lost, and the next one False."""
    storage, _ = open_store()
    for number in range(10):
        lost = []

        def lose_first(asked: Any, lost: list[Any] = lost) -> str | None:
            if asked.conditional and not lost:
                lost.append(asked)
                return "lost answer"
            return None

        proxy.plan = lose_first
        assert storage.create(f"n/{number}", b"ours" + secrets.token_bytes(8))
        assert lost
        assert not storage.create(f"n/{number}", b"theirs" + secrets.token_bytes(8))


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_blobs_survive_broken_requests(proxy: Any, open_store: Any, compression: str) -> None:
    """Small and large blobs come back byte for byte while a quarter of the requests break."""
    proxy.plan = sometimes(3)
    chance = random.Random(4)
    contents = [chance.randbytes(size) for size in [500 + 997 * number for number in range(ROUNDS // 3)]]
    contents += [(chance.randbytes(1 << 19) + bytes(1 << 19)) * 21 + b"end" for _ in range(2)]
    made = {blake3(content).hexdigest(): content for content in contents}
    _, blobs = open_store(compression=compression)
    for key, content in made.items():
        blobs.put([content[:100], memoryview(content)[100:]], key, len(content))
    blobs.settle()
    _, reader = open_store()
    with ThreadPoolExecutor(8) as pool:
        for view, content in zip(
            pool.map(lambda item: reader.get(item[0], len(item[1])), made.items()), made.values(), strict=True
        ):
            assert view == content
    assert {entry.name for entry in reader.entries()} == set(made)
    assert sum(proxy.done[fault] for fault in FAULTS) > 25


def test_content_changed_on_the_way_is_asked_for_again(open_store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A blob that arrives wrong once is read a second time; one that stays wrong is an error."""
    content = random.Random(5).randbytes(9 << 20)
    for size in (5000, 9 << 20):
        key = blake3(content[:size]).hexdigest()
        _, blobs = open_store()
        blobs.put([content[:size]], key, size)
        blobs.settle()
        wrong, bucket = [1], blobs.bucket
        view, get_into = bucket.view, bucket.get_into

        def spoiled(data: Any, wrong: list[int] = wrong) -> memoryview:
            if wrong:
                wrong.pop()
                return memoryview(bytes([data[0] ^ 1]) + bytes(data[1:]))
            return memoryview(data)

        monkeypatch.setattr(bucket, "view", lambda name, view=view: spoiled(view(name)))
        monkeypatch.setattr(
            bucket,
            "get_into",
            lambda name, start, stop, take, get_into=get_into: get_into(
                name, start, stop, lambda offset, piece: take(offset, spoiled(piece))
            ),
        )
        assert blobs.get(key, size) == content[:size]
        assert not wrong
        wrong.extend([1] * 100)
        with pytest.raises(CorruptBlob, match=key):
            blobs.get(key, size)


def test_a_busy_server_is_an_error_in_bounded_time(proxy: Any, open_store: Any) -> None:
    """A server that only answers SlowDown is given up after the time that was set, with a clear text."""
    proxy.plan = lambda asked: "503"
    storage, blobs = open_store(patience=1.0)
    with pytest.raises(StoreError) as caught:
        storage.read("a")
    assert caught.value.what == f"The datastore `{storage.location}` did not accept a request within 1 s."
    assert caught.value.why.endswith("answered SlowDown: As the test says.")
    blobs.put([b"x"], blake3(b"x").hexdigest(), 1)
    with pytest.raises(StoreError, match="did not accept a request"):
        blobs.settle()
    proxy.plan = lambda asked: None
    blobs.put([b"x"], blake3(b"x").hexdigest(), 1)
    blobs.settle()
    assert bytes(blobs.get(blake3(b"x").hexdigest(), 1)) == b"x"


@pytest.mark.parametrize("fault", ["silent", "cut before"])
def test_a_server_without_answers_is_an_error_in_bounded_time(proxy: Any, open_store: Any, fault: str) -> None:
    """A server that takes requests and says nothing, or hangs up, is given up after the time that was set."""
    proxy.plan = lambda asked: fault
    storage, _ = open_store(patience=1.0)
    with pytest.raises(StoreError, match="cannot be reached"):
        storage.write("a", b"x")


def test_a_place_where_nobody_listens(open_store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the endpoint and how to wait longer."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    storage, _ = open_store(patience=1.0)
    with pytest.raises(StoreError) as caught:
        storage.read("a")
    assert str(caught.value) == (
        f"The datastore `{storage.location}` cannot be reached. http://127.0.0.1:9: no connection for 1 s. "
        "Check the network and AWS_ENDPOINT_URL; FLOWNB_S3_TIMEOUT sets for how many seconds it is tried."
    )


ANSWERS = {
    "404 NoSuchBucket": "The bucket `flownb-test` does not exist.",
    "403 AccessDenied": "may not be used with these credentials.",
    "403 InvalidAccessKeyId": "are not accepted.",
    "403 SignatureDoesNotMatch": "are not accepted.",
    "400 ExpiredToken": "have expired.",
    "403 RequestTimeTooSkewed": "because this machine's clock is wrong.",
    "301 PermanentRedirect": "is not in region us-east-1.",
    "400 AuthorizationHeaderMalformed": "is not in region us-east-1.",
    "400 SomethingNew": "cannot be used.",
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_a_server_refuses_is_explained(proxy: Any, open_store: Any, answer: str) -> None:
    """Every call says the same of a refusal, without a second try, in three sentences, without a credential in it or
    its causes.
    """
    proxy.plan = lambda asked: answer
    storage, blobs = open_store()
    key = blake3(b"x").hexdigest()
    big = bytes(9 << 20)
    calls: list[Callable[[], object]] = [
        lambda: storage.read("a"),
        lambda: storage.write("a", b"x"),
        lambda: storage.create("a", b"x"),
        lambda: storage.exists("a"),
        lambda: storage.delete(["a"]),
        lambda: storage.folders("a"),
        lambda: list(storage.entries("a")),
        lambda: blobs.get(key, 1),
        lambda: blobs.get(blake3(big).hexdigest(), len(big)),
        lambda: (blobs.put([b"x"], key, 1), blobs.settle()),
        lambda: (blobs.put([big], blake3(big).hexdigest(), len(big)), blobs.settle()),
    ]
    for number, call in enumerate(calls):
        if "Redirect" not in answer and number == 3 and answer[:3] == "404":
            continue  # an answer 404 to HEAD cannot be distinguished from a missing object
        proxy.asked.clear()
        with pytest.raises(StoreError) as caught:
            call()
        again = Counter((asked.method, asked.path, asked.conditional) for asked in proxy.asked)
        assert set(again.values()) <= {1}, (number, again)
        assert caught.value.what.endswith(ANSWERS[answer]), (number, str(caught.value))
        assert caught.value.why
        assert caught.value.fix
        error: BaseException | None = caught.value
        while error is not None:
            assert "AKIAFLOWNBTESTKEY001" not in f"{error} {error!r}"
            assert "test-secret" not in f"{error} {error!r}"
            error = error.__cause__


def test_new_credentials_are_taken_without_a_restart(
    proxy: Any, open_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After keys have expired, new ones in the environment are used by the store that is open."""
    if "FLOWNB_TEST_S3_ENDPOINT" in os.environ:
        pytest.skip("the given server knows one key")
    storage, _ = open_store()
    storage.write("a", b"1")
    proxy.plan = lambda asked: "expired"
    with pytest.raises(StoreError, match="have expired"):
        storage.read("a")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFLOWNBTESTKEY002")
    used: list[int] = []

    def old_ones_expired(asked: Any) -> str | None:
        used.append(asked.number)
        return "expired" if len(used) == 1 else None

    proxy.plan = old_ones_expired
    assert storage.read("a") == b"1"
    assert len(used) == 2


def test_an_interrupt_is_heard_while_a_server_is_silent(proxy: Any, open_store: Any) -> None:
    """Ctrl-C during a read from a server that does not answer takes effect while it is still silent."""
    storage, _ = open_store(patience=60.0)
    storage.exists("warm")
    asked: list[Any] = []

    def interrupt(request: Any) -> str:
        if not asked:
            os.kill(os.getpid(), signal.SIGINT)
        asked.append(request)
        return "silent"

    proxy.plan = interrupt
    with pytest.raises(KeyboardInterrupt):
        storage.read("a")
    assert asked  # and none of them was answered
    proxy.plan = lambda asked: None
    proxy.closing.set()
    storage.bucket._connection().workers.shutdown()
