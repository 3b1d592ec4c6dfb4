"""Requests to one bucket: concurrent, retried, and the same in a process forked from one that made some.

Names are below the datastore's prefix. Every failure becomes a `StoreError` that says what to do. obstore retries what
breaks within one request; what it cannot retry (a write whose answer was lost, credentials that were renewed meanwhile)
is tried again here, for `Options.patience` seconds.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar

from flownb.errors import FlownbError, StoreError
from flownb.store.s3.connection import Access, Options, S3Address, abandon_store, load_obstore, open_access
from flownb.store.s3.failure import Failure, classify
from flownb.store.storage import Entry

__all__ = ["WORKERS", "Bucket", "Head"]

# Requests at once. Threads of obstore's blocking calls did twice the small objects a second that its coroutines did.
WORKERS = 16
# Retries inside obstore: until its time is over, each after up to this many seconds.
BACKOFF = 4.0
# Bytes of a range that are handed on at once.
PIECE = 256 << 10
Result = TypeVar("Result")
Item = TypeVar("Item")
# Small requests must be answered soon; a download or upload may take long while it makes progress.
Way = Literal["quick", "down", "up"]


# How servers and object_store say that a range begins beyond the end.
_BEYOND = re.compile(r"InvalidRange|status code: 416|Wanted range starting at")


@dataclass(frozen=True)
class Head:
    """An object's length in bytes, its time in seconds since the epoch, and its MD5 if one request wrote it."""

    size: int
    modified: float
    tag: str


@dataclass
class _Connection:
    """What one process holds open."""

    pid: int
    access: Access
    stores: dict[Way, Any]
    workers: ThreadPoolExecutor


class Bucket:
    """The objects below one prefix of a bucket.

    Parameters
    ----------
    address : S3Address
    options : Options
    """

    def __init__(self, address: S3Address, options: Options) -> None:
        self.address = address
        self.options = options
        self.location = str(address)
        self._open: _Connection | None = None

    # -- objects

    def get(self, name: str) -> bytes | None:
        """An object's content, None if there is none."""
        found = self.view(name)
        return None if found is None else bytes(found)

    def view(self, name: str) -> memoryview | None:
        """`get` without a copy, read-only."""
        found = self._try(lambda obs, store, key: obs.get(store, key).bytes(), name, way="down", missing=None)
        return None if found is None else memoryview(found)

    def get_into(self, name: str, start: int, stop: int, take: Callable[[int, memoryview], object]) -> int:
        """Pass a range of an object to `take` piece by piece, each with its offset; on a retry from the start again.

        Returns
        -------
        int
            Length of the whole object; -1 if there is none, or if it ends before the range does.
        """

        def fetch(obs: Any, store: Any, key: str) -> int:
            try:
                result = obs.get(store, key, options={"range": (start, stop)})
            except Exception as error:
                if _BEYOND.search(str(error)):
                    return -1
                raise
            length, offset = int(result.meta["size"]), start
            for piece in result.stream(min_chunk_size=PIECE):
                view = memoryview(piece)
                take(offset, view)
                offset += view.nbytes
            if offset < min(stop, length):
                raise ConnectionError("connection closed early")
            return length if offset == stop else -1

        return int(self._try(fetch, name, way="down", missing=-1))

    def tail(self, name: str, length: int) -> bytes | None:
        """The last `length` bytes, None if there is no such object."""
        found = self._try(
            lambda obs, store, key: obs.get(store, key, options={"range": {"suffix": length}}).bytes(),
            name,
            way="down",
            missing=None,
        )
        return None if found is None else bytes(found)

    def head(self, name: str) -> Head | None:
        """What is known of an object, None if there is none."""

        def ask(obs: Any, store: Any, key: str) -> Head:
            try:
                meta = obs.head(store, key)
            except FileNotFoundError:
                raise
            except Exception:
                # An answer to HEAD has no body and so does not say what is wrong; one to GET does.
                meta = obs.get(store, key, options={"range": (0, 1)}).meta
            return Head(int(meta["size"]), meta["last_modified"].timestamp(), (meta["e_tag"] or "").strip('"'))

        found: Head | None = self._try(ask, name, missing=None)
        return found

    def age(self, name: str) -> float | None:
        """Seconds since an object was last written, None if there is none; by the server's clock, ours may be wrong."""
        access = self._connection().access
        try:
            return access.age(self.address.bucket, self.address.key(name))
        except Exception as error:
            failure = classify(error, access.secrets())
        raise self._explain(failure, access) from failure

    def put(self, name: str, content: bytes | memoryview) -> None:
        """Write an object over one that is there."""
        way: Way = "quick" if len(content) < 1 << 16 else "up"
        self._try(lambda obs, store, key: obs.put(store, key, content, use_multipart=False), name, way=way)

    def create(self, name: str, content: bytes | memoryview) -> bool:
        """Write an object unless the name is taken; False may also follow a success whose answer was lost."""
        way: Way = "quick" if len(content) < 1 << 16 else "up"

        def place(obs: Any, store: Any, key: str) -> bool:
            try:
                obs.put(store, key, content, mode="create", use_multipart=False)
            except Exception as error:
                if type(error).__name__ != "AlreadyExistsError":
                    raise
                return False
            return True

        return bool(self._try(place, name, way=way))

    def upload(self, name: str, pieces: Callable[[], Iterator[bytes | memoryview]], part: int) -> None:
        """Write an object of any length, several parts at once; `pieces` is called again on a retry."""
        self._try(
            lambda obs, store, key: obs.put(
                store, key, pieces(), use_multipart=True, chunk_size=part, max_concurrency=WORKERS // 2
            ),
            name,
            way="up",
        )

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects; missing ones are ignored."""
        gone = list(names)
        for first in range(0, len(gone), 1000):
            keys = [self.address.key(name) for name in gone[first : first + 1000]]

            def remove(obs: Any, store: Any, _: str, keys: list[str] = keys) -> None:
                obs.delete(store, keys)

            self._try(remove, "", missing=None)

    def abort_uploads(self, prefix: str, age: float) -> None:
        """Remove the parts of uploads that were begun more than `age` seconds ago and never completed."""
        access = self._connection().access
        try:
            for upload in access.unfinished(self.address.bucket, self.address.key(prefix)):
                if time.time() - upload["Initiated"].timestamp() > age:
                    access.abort(self.address.bucket, upload)
            return
        except Exception as error:
            failure = classify(error, access.secrets())
        raise self._explain(failure, access) from failure

    # -- listings

    def children(self, prefix: str) -> tuple[list[str], list[Entry]]:
        """Names of the folders, and the objects, directly below a prefix."""

        def ask(obs: Any, store: Any, key: str) -> tuple[list[str], list[Entry]]:
            found = obs.list_with_delimiter(store, key or None)
            folders = [path.rstrip("/").rpartition("/")[2] for path in found["common_prefixes"]]
            return folders, [self._entry(meta) for meta in found["objects"]]

        found: tuple[list[str], list[Entry]] = self._try(ask, prefix)
        return found

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All objects below a prefix."""
        # One request a page: a listing of millions is neither held in memory nor restarted as a whole.
        last = ""
        while True:

            def page(obs: Any, store: Any, key: str, last: str = last) -> list[Any]:
                stream = obs.list(store, key or None, offset=last or None, chunk_size=1000)
                return next(iter(stream), [])

            found: list[Any] = self._try(page, prefix)
            if not found:
                return
            yield from (self._entry(meta) for meta in found)
            last = found[-1]["path"]

    def _entry(self, meta: Any) -> Entry:
        name = meta["path"].removeprefix(self.address.prefix).lstrip("/")
        return Entry(name, int(meta["size"]), meta["last_modified"].timestamp())

    # -- threads

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Call a function in one of the threads for requests; it must not wait for another one of them."""
        return self._connection().workers.submit(function, *arguments)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Call a function for each item, `WORKERS` at once; results in the order of the items."""
        futures = [self.submit(function, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise

    # -- connection

    @property
    def endpoint(self) -> str:
        """URL of the server."""
        return self._connection().access.endpoint

    def _connection(self) -> _Connection:
        """What this process holds open; opened if need be."""
        found = self._open
        if found is None or found.pid != os.getpid():
            with _lock:
                found = self._open
                if found is None or found.pid != os.getpid():
                    found = self._open = self._connect(found)
        return found

    def _connect(self, before: _Connection | None) -> _Connection:
        """Open; after a fork with what the parent knew."""
        if before is not None:
            before.access.after_fork()
            for store in before.stores.values():
                abandon_store(store)
        access = before.access if before is not None else self._access()
        return _Connection(os.getpid(), access, {}, ThreadPoolExecutor(WORKERS, "flownb-s3"))

    def _access(self) -> Access:
        try:
            return open_access(self.address.bucket)
        except FlownbError:
            raise
        except Exception as error:
            failure = classify(error)
        raise self._explain(failure, None) from failure

    def _store(self, connection: _Connection, way: Way) -> Any:
        """An obstore client; one for each way, since their timeouts differ."""
        store = connection.stores.get(way)
        if store is None:
            with _lock:
                store = connection.stores.get(way)
                if store is None:
                    store = connection.stores[way] = self._make_store(connection.access, way)
        return store

    def _make_store(self, access: Access, way: Way) -> Any:
        patience = self.options.patience
        secure = access.endpoint.startswith("https:")
        client: dict[str, Any] = {
            "connect_timeout": timedelta(seconds=min(5.0, patience)),
            "allow_http": not secure,
            "pool_max_idle_per_host": str(WORKERS * 2),
            "user_agent": "flownb",
        }
        if way == "quick":
            client["timeout"] = timedelta(seconds=max(1.0, patience / 2))
        elif way == "down":
            client |= {"read_timeout": timedelta(seconds=max(1.0, patience / 2)), "timeout": timedelta(hours=6)}
        else:
            client["timeout"] = timedelta(seconds=max(300.0, patience))
        if access.certificates:
            client["root_certificate"] = access.certificates
        return load_obstore()._store.S3Store(
            self.address.bucket,
            endpoint=access.endpoint,
            region=access.region,
            virtual_hosted_style_request=access.virtual_host,
            # TLS protects the body already; hashing it a second time would halve the throughput.
            unsigned_payload=secure,
            client_options=client,
            retry_config={
                "max_retries": 1000,
                "retry_timeout": timedelta(seconds=patience),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=BACKOFF),
                    "base": 2,
                },
            },
            credential_provider=access,
        )

    def _try(
        self, call: Callable[[Any, Any, str], Result], name: str, *, way: Way = "quick", missing: Any = ...
    ) -> Any:
        """Make a request until it succeeds, cannot succeed, or the time is over; for 404 `missing` is returned."""
        key = self.address.key(name)
        started, pause, renewed = time.monotonic(), 0.1, False
        while True:
            connection = self._connection()
            try:
                return call(load_obstore(), self._store(connection, way), key)
            except FileNotFoundError as error:
                if missing is not ... and "NoSuchBucket" not in str(error):
                    return missing
                failure = classify(error, connection.access.secrets())
            except FlownbError:
                raise
            except Exception as error:
                failure = classify(error, connection.access.secrets())
            if failure.kind == "expired" and not renewed:
                renewed = True
                if self._renew(connection):
                    continue
            if not failure.transient or time.monotonic() - started + pause > self.options.patience:
                break
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, BACKOFF)
        raise self._explain(failure, connection.access) from failure

    def _renew(self, connection: _Connection) -> bool:
        """Open again with the present credentials; False if they are the ones that expired."""
        try:
            access = open_access(self.address.bucket)
            fresh = access.secrets() != connection.access.secrets()
        except Exception:
            return False
        if fresh:
            with _lock:
                if self._open is connection:
                    self._open = _Connection(connection.pid, access, {}, connection.workers)
        return fresh

    def _explain(self, failure: Failure, access: Access | None) -> StoreError:
        return failure.explain(
            location=self.location,
            bucket=self.address.bucket,
            endpoint=access.endpoint if access else "S3",
            region=access.region if access else "",
            patience=self.options.patience,
        )


_lock = threading.Lock()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


with contextlib.suppress(AttributeError):
    os.register_at_fork(after_in_child=_after_fork)
