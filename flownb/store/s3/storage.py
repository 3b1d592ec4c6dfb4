"""Small named files in a bucket; see `flownb.store.storage.Storage`.

Run ids and task ids are taken by conditional writes (``If-None-Match: *``). Some servers do not know that header and
ignore it (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html), and two processes could get
one run id. So before the first such write of a process a probe checks that the server refuses to create an object
twice.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext

from flownb.errors import StoreError
from flownb.store.s3.bucket import Bucket
from flownb.store.storage import Entry

__all__ = ["S3Appender", "S3Storage", "require_conditions"]

# Seconds after which an unfinished upload or a probe belongs to no living writer.
ABANDONED = 7 * 24 * 3600.0
# Seconds between two writes of a file that grows.
REWRITTEN = 10.0
# What the names of probes begin with, directly below the datastore's prefix.
PROBE = "probe-"
# Endpoints and buckets that passed.
_passed: set[tuple[str, str]] = set()


class S3Storage:
    """Files as objects below a prefix; folders are what names have in common.

    Parameters
    ----------
    bucket : Bucket
    folder : str
        All names are below it.
    """

    # Age keeps writers and `flownb gc` apart instead; see `flownb.store.s3.blobs`.
    has_locks = False

    def __init__(self, bucket: Bucket, folder: str = "") -> None:
        self.bucket = bucket
        self.folder = folder
        self.location = f"{bucket.location}/{folder}" if folder else bucket.location

    def read(self, name: str) -> bytes | None:
        """The whole content, None if there is no such file."""
        # In a thread, so that an interrupt of the main thread takes effect while a server does not answer.
        return self.bucket.submit(self.bucket.get, self._name(name)).result()

    def read_many(self, names: Sequence[str]) -> list[bytes | None]:
        """`read` for each name, many at once."""
        return self.bucket.map(self.bucket.get, [self._name(name) for name in names])

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file or nothing, over one that is there."""
        self.bucket.submit(self.bucket.put, self._name(name), content).result()

    def create(self, name: str, content: bytes) -> bool:
        """Write a whole file unless the name is taken; of all processes that try, one gets True."""
        return self.bucket.submit(self._create, self._name(name), content).result()

    def _create(self, name: str, content: bytes) -> bool:
        require_conditions(self.bucket)
        while not self.bucket.create(name, content):
            found = self.bucket.get(name)
            if found is not None:
                # Ours if the answer to an earlier try was lost.
                return found == content
            # The server refused because of another's try that then failed, or the file is gone again.
        return True

    def appender(self, name: str) -> S3Appender:
        """What writes a new file piece by piece."""
        return S3Appender(self.bucket, self._name(name))

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return self.bucket.submit(self.bucket.head, self._name(name)).result() is not None

    def delete(self, names: Iterable[str]) -> None:
        """Remove files; missing ones are ignored."""
        self.bucket.submit(self.bucket.delete, [self._name(name) for name in names]).result()

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below `prefix`, sorted."""
        return sorted(self.bucket.submit(self.bucket.children, self._name(prefix)).result()[0])

    def files(self, prefix: str) -> list[str]:
        """Names of the files directly below `prefix`, sorted."""
        return sorted(entry.name.rpartition("/")[2] for entry in self._files(prefix))

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All files below `prefix` at any depth."""
        start = len(self._name("")) + 1 if self.folder else 0
        for entry in self.bucket.entries(self._name(prefix)):
            yield Entry(entry.name[start:], entry.size, entry.modified)

    def stamp(self, prefix: str) -> object:
        """How many files are directly below `prefix`, and which of them is newest: one request a thousand files."""
        files = self._files(prefix)
        return len(files), max(((entry.modified, entry.name) for entry in files), default=None)

    def lock(self, *, exclusive: bool) -> AbstractContextManager[None]:
        """Do nothing: see `has_locks`."""
        return nullcontext()

    def create_held(self, name: str, content: bytes) -> Callable[[], None] | None:
        """Like `create`: a bucket has no marks that vanish with a process."""
        return (lambda: None) if self.create(name, content) else None

    def is_held(self, name: str) -> None:
        """Unknown: a bucket has no such marks."""
        return

    def ages(self, names: Sequence[str]) -> list[float | None]:
        """Seconds since files were last written, by the server's clock."""
        return self.bucket.map(self.bucket.age, [self._name(name) for name in names])

    def clear_temporary(self) -> int:
        """Abort multipart uploads that a killed process left unfinished; their parts are stored and billed.

        Probes of such processes are removed too, see `require_conditions`.
        """
        before = time.time() - ABANDONED
        old = [entry.name for entry in self.bucket.children("")[1] if entry.modified < before]
        self.bucket.delete(name for name in old if name.startswith(PROBE))
        self.bucket.submit(self.bucket.abort_uploads, self._name(""), ABANDONED).result()
        return 0  # S3 does not say

    def below(self, name: str) -> S3Storage:
        """The same bucket, one folder further down."""
        return S3Storage(self.bucket, self._name(name))

    def sync(self) -> None:
        """Do nothing: S3 answers a write only once it is kept."""

    def _name(self, name: str) -> str:
        """A name below the bucket's prefix."""
        return f"{self.folder}/{name}".strip("/") if self.folder else name

    def _files(self, prefix: str) -> list[Entry]:
        return self.bucket.submit(self.bucket.children, self._name(prefix)).result()[1]


class S3Appender:
    """Writes one file that grows; see `flownb.store.storage.Appender`.

    An object cannot be added to, so it is written again every `REWRITTEN` seconds and at the end, in threads. A
    caller of `add` never waits for a server, and the next write makes up for one that failed.
    """

    def __init__(self, bucket: Bucket, name: str) -> None:
        self._bucket = bucket
        self._name = name
        # What is large waits on disk instead of in memory.
        self._content = tempfile.SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115 # closed with the last write
        self._added = self._written = 0
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._at = time.monotonic()
        self._future: Future[None] | None = None

    def add(self, content: bytes) -> None:
        """Add to the end; it is written when it is time."""
        with self._lock:
            self._content.seek(0, 2)
            self._added += self._content.write(content)
        self.flush()

    def flush(self) -> None:
        """Write what was added if the last write was long enough ago."""
        if self._added > self._written and time.monotonic() - self._at >= REWRITTEN:
            self._begin(last=False)

    def close(self) -> None:
        """Begin the last write."""
        self._begin(last=True)

    def is_settled(self) -> bool:
        """Whether no write is under way."""
        return self._future is None or self._future.done()

    def settle(self) -> None:
        """Wait for the last write."""
        if self._future is not None:
            self._future.result()

    def _begin(self, *, last: bool) -> None:
        """Have a thread write all there is; not while another does, but for the last time."""
        if last or self._future is None or self._future.done():
            self._at = time.monotonic()
            self._future = self._bucket.submit(self._write, last)

    def _write(self, last: bool) -> None:
        with self._turn:  # one at a time, so that older content never replaces newer
            with self._lock:
                self._content.seek(0)
                content = self._content.read()
                if last:
                    self._content.close()
            if len(content) > self._written:
                self._bucket.put(self._name, content)
                self._written = len(content)


def require_conditions(bucket: Bucket) -> None:
    """Refuse a server that would create an object twice; checked once for each process and bucket.

    Threads and processes that ask at once each use an object of their own.

    Raises
    ------
    StoreError
        If the server has no conditional writes, or cannot be used.
    """
    place = bucket.endpoint, bucket.address.bucket
    if place in _passed:
        return
    # In the name and in the content, so that no other process's try is taken for ours.
    name = f"{PROBE}{secrets.token_hex(8)}"
    try:
        # A first try that is refused was preceded by one whose answer was lost, and which may have failed since.
        while not bucket.create(name, name.encode()) and bucket.head(name) is None:
            continue
        refused = not bucket.create(name, name.encode())
    finally:
        # A process that may write but not delete leaves it to `flownb gc`.
        with contextlib.suppress(StoreError):
            bucket.delete([name])
    if not refused:
        raise StoreError(
            f"The datastore `{bucket.location}` cannot be written to: the server at {bucket.endpoint} has no "
            "conditional writes.",
            "It wrote an object again that was to be created only once (`If-None-Match: *`), so two processes could "
            "get one run id.",
            "Use a server that has them: Amazon S3, Ceph RGW, MinIO, Cloudflare R2.",
        )
    _passed.add(place)
