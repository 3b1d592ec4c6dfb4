"""Small named files in a bucket; see `flownb.store.storage.Storage`."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext

from flownb.store.s3.bucket import PROBE, Bucket, require_conditions
from flownb.store.storage import Entry

__all__ = ["S3Appender", "S3Storage"]

# Seconds after which an unfinished upload or a probe belongs to no living writer.
ABANDONED = 7 * 24 * 3600.0
# Seconds between two writes of a file that grows.
REWRITTEN = 10.0


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
        # In a thread, so that an interrupt of the main thread is heard while a server is silent.
        return self.bucket.submit(self.bucket.get, self._name(name)).result()

    def read_many(self, names: Sequence[str]) -> list[bytes | None]:
        """`read` for each name, many at once."""
        return self.bucket.map(self.bucket.get, [self._name(name) for name in names])

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file or nothing, over one that is there."""
        self.bucket.submit(self.bucket.put, self._name(name), content).result()

    def create(self, name: str, content: bytes) -> bool:
        """Write a whole file unless the name is taken; of all processes that try, one is told True."""
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
        """Remove files; those that are not there are passed over."""
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
        """Keep nobody apart: see `has_locks`."""
        return nullcontext()

    def create_held(self, name: str, content: bytes) -> Callable[[], None] | None:
        """Like `create`: a bucket has no marks that vanish with a process."""
        return (lambda: None) if self.create(name, content) else None

    def is_held(self, name: str) -> None:
        """Nobody knows."""
        return

    def ages(self, names: Sequence[str]) -> list[float | None]:
        """Seconds since files were last written, by the server's clock."""
        return self.bucket.map(self.bucket.age, [self._name(name) for name in names])

    def clear_temporary(self) -> int:
        """Give up multipart uploads that a killed process left unfinished; their parts are stored and billed.

        Probes of such processes go too, see `flownb.store.s3.bucket`.
        """
        before = time.time() - ABANDONED
        old = [entry.name for entry in self.bucket.children("")[1] if entry.modified < before]
        self.bucket.delete(name for name in old if name.startswith(PROBE))
        self.bucket.submit(self.bucket.abort_uploads, self._name(""), ABANDONED).result()
        return 0  # S3 does not tell

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

    An object cannot be added to, so it is written anew every `REWRITTEN` seconds and at the end, in threads. Whoever
    adds never waits for a server, and a write that failed is made up for by the next one.
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
        with self._turn:  # one at a time, so that no older content comes to lie over a newer one
            with self._lock:
                self._content.seek(0)
                content = self._content.read()
                if last:
                    self._content.close()
            if len(content) > self._written:
                self._bucket.put(self._name, content)
                self._written = len(content)
