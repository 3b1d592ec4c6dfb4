r"""The default encoding: pickle protocol 5 with large buffers out of band, in one aligned blob.

Layout, all numbers little-endian::

    8 bytes   magic "FNBPKL5\n"
    u32       number of buffers
    u32       flags: 1 if sets are persistent ids in the stream
    u64       length of the pickle stream
    n x (u64 offset, u64 length with the top bit set for a read-only buffer)
    stream
    buffers, each at a multiple of 64 bytes

Loading maps the blob and rebuilds arrays on top of the map, so it takes the same time whatever the size (1 GB in
0.1 ms, before its pages are read).

Strings of large object arrays are among the buffers, see `flownb.store.encodings.texts`.

Equal values give equal bytes as far as pickle can: sets are written in an order that depends on their content alone.
As always in pickle, equal strings are written once only if they are one object, so a value that was loaded may be
written differently once.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flownb.store.encodings.by_value import Definitions
from flownb.store.encodings.moved import place_now
from flownb.store.encodings.opcodes import makes_sets
from flownb.store.encodings.reducers import Reducer, library_reducer, ordered
from flownb.store.encodings.texts import Stream, TooMuchElseError

__all__ = ["Parts", "Pickle5", "StorePickler", "content_of", "modules_of_values"]

MAGIC = b"FNBPKL5\n"
HEAD = struct.Struct("<8sIIQ")
ENTRY = struct.Struct("<QQ")
READ_ONLY = 1 << 63
HAS_SETS = 1
ALIGNMENT = 64
# Below this a buffer costs less inside the stream than as an entry with padding of its own.
SMALLEST_BUFFER = 1024
# From here on the stream is a part of its own: to copy it behind the header takes longer than to write one part more.
LARGE_STREAM = 1 << 20


class StorePickler(pickle.Pickler):
    """Pickles what a flow defined inside of something by value, and values of some libraries better than they do.

    Parameters
    ----------
    file : BytesIO
        A `Stream` takes strings out of arrays.
    keep : callable, optional
        pickle's ``buffer_callback``.
    shares : bool, default True
        Whether classes pickled by value carry a hash of their definition, by which equal ones are one when loaded.
    """

    def __init__(
        self, file: io.BytesIO, keep: Callable[[pickle.PickleBuffer], bool] | None = None, *, shares: bool = True
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=keep)
        self._shares = shares
        self._definitions: Definitions | None = None  # most pickles need none
        self._stream = file if isinstance(file, Stream) else None
        self._storages: dict[int, Any] = {}
        self._reducers: dict[type, Reducer | None] = {}

    @property
    def first(self) -> str:
        """What was defined by value first, see `Definitions`."""
        return "" if self._definitions is None else self._definitions.first

    def reducer_override(self, value: Any) -> Any:
        """The reduction of a value that has a special one."""
        kind = type(value)
        try:
            reduce = self._reducers[kind]
        except KeyError:
            if Definitions.concern(kind):
                self._definitions = self._definitions or Definitions(_definition if self._shares else None)
                reduce = self._definitions.reduce
            else:
                reduce = library_reducer(kind, self._storages, content_of, self._stream)
            self._reducers[kind] = reduce
        return NotImplemented if reduce is None else reduce(value)


class _RecursiveSetError(Exception):
    """A set contains an object that contains the set: it can only be written in its own order."""


class _End:
    """Marks the end of a set's items."""

    def __init__(self, number: int) -> None:
        self.number = number


class _SetPickler(StorePickler):
    """Writes sets as persistent ids: with their items, in order, the first time, as a number from then on.

    pickle asks no one about exact sets but here, and it asks about every object here, so this runs only if needed.
    """

    def __init__(
        self, file: io.BytesIO, keep: Callable[[pickle.PickleBuffer], bool] | None = None, *, shares: bool = True
    ) -> None:
        super().__init__(file, keep, shares=shares)
        self._sets: dict[int, tuple[int, Any]] = {}
        self._open: set[int] = set()

    def persistent_id(self, value: Any) -> Any:
        """The id of a set; None for everything else."""
        kind = type(value)
        if kind is not set and kind is not frozenset:
            if kind is _End:
                self._open.discard(value.number)
                return -1
            return None
        if len(value) < 2:
            return None
        known = self._sets.get(id(value))
        if known is None:
            number = len(self._sets)
            self._sets[id(value)] = number, value
            self._open.add(number)
            return number, kind is frozenset, ordered(value, content_of), _End(number)
        if known[0] in self._open:
            raise _RecursiveSetError
        return known[0]


# Sets that collect the modules of the classes and functions that values refer to.
_listeners: list[set[str]] = []


@contextlib.contextmanager
def modules_of_values() -> Iterator[set[str]]:
    """Collect the names of modules that values which are loaded in the block refer to, at any depth."""
    found: set[str] = set()
    _listeners.append(found)
    try:
        yield found
    finally:
        _listeners.remove(found)


class _Unpickler(pickle.Unpickler):
    """Reports which modules a value needs, and finds what has moved since the value was written."""

    def find_class(self, module: str, name: str) -> Any:
        """Find a class or function."""
        module, name = place_now(module, name)
        for found in _listeners:
            found.add(module)
        return super().find_class(module, name)


class _SetUnpickler(_Unpickler):
    """Reads what `_SetPickler` wrote."""

    def __init__(self, file: io.BytesIO, buffers: Sequence[memoryview]) -> None:
        super().__init__(file, buffers=buffers)
        self._sets: dict[int, Any] = {-1: None}

    def persistent_load(self, pid: Any) -> Any:
        """The set of an id."""
        if type(pid) is tuple:
            number, frozen, items, _ = pid
            self._sets[number] = frozenset(items) if frozen else set(items)
            return self._sets[number]
        return self._sets[pid]


class Parts(list[memoryview | bytes]):
    """The parts of an encoded value.

    Attributes
    ----------
    by_value : str
        What it contains that only flownb can pickle, see `flownb.store.encodings.by_value.Definitions.first`.
    heads : int
        How many of the first parts hold all but the large buffers.
    """

    by_value = ""
    heads = 1


def _streams(value: Any, *, shares: bool = True, in_band: bool = False) -> tuple[bytes, list[memoryview], str, int]:
    """Pickle a value: the stream, the buffers outside of it, what it defines by value, and flags."""

    def pickled(make: type[StorePickler]) -> tuple[bytes, list[memoryview], str]:
        elsewhere: Any = None
        for _ in range(2):
            stream = Stream()
            stream.elsewhere = elsewhere
            try:
                pickler, found = pickled_to(stream, make)
                elsewhere = stream.found_elsewhere(pickler)
            except TooMuchElseError:
                break
            if elsewhere is None:
                return found
        return pickled_to(io.BytesIO(), make)[1]

    def pickled_to(
        file: io.BytesIO, make: type[StorePickler]
    ) -> tuple[StorePickler, tuple[bytes, list[memoryview], str]]:
        buffers: list[memoryview] = []

        def keep(buffer: pickle.PickleBuffer) -> bool:
            try:
                raw = buffer.raw()
            except BufferError:  # neither C nor Fortran contiguous: pickle copies it into the stream
                return True
            if raw.nbytes < SMALLEST_BUFFER:
                return True
            buffers.append(raw)
            return False

        pickler = make(file, None if in_band else keep, shares=shares)
        pickler.dump(value)
        return pickler, (file.getvalue(), buffers, pickler.first)

    plain = None if type(value) in (set, frozenset) else pickled(StorePickler)
    if plain is None or makes_sets(plain[0]):
        try:
            return *pickled(_SetPickler), HAS_SETS
        except _RecursiveSetError:
            plain = plain or pickled(StorePickler)
    return *plain, 0


def content_of(value: Any) -> bytes:
    """Bytes that depend on a value's content alone, to sort by."""
    try:
        stream = pickle.dumps(value, 5)
    except Exception:  # defined by value, or cannot be pickled at all
        return _streams(value, in_band=True)[0]
    if makes_sets(stream):
        return _streams(value, in_band=True)[0]
    return stream


def _definition(value: type) -> Sequence[memoryview | bytes]:
    """Everything that a class is made of."""
    stream, buffers, _, _ = _streams(value, shares=False)
    return [stream, *buffers]


class Pickle5:
    """Pickle protocol 5; exact for every value that can be pickled."""

    name = "pickle5"

    def accepts(self, value: Any) -> bool:
        """All values."""
        return True

    def encode(self, value: Any) -> Parts:
        """Pickle `value`; buffers of 1 KiB and more stay where they are in memory, and so does a long stream."""
        stream, buffers, by_value, flags = _streams(value)
        position = HEAD.size + ENTRY.size * len(buffers) + len(stream)
        entries: list[bytes] = []
        tail: list[memoryview | bytes] = []
        for raw in buffers:
            padding = -position % ALIGNMENT
            entries.append(ENTRY.pack(position + padding, raw.nbytes | (READ_ONLY if raw.readonly else 0)))
            tail += [bytes(padding), raw] if padding else [raw]
            position += padding + raw.nbytes
        head = HEAD.pack(MAGIC, len(buffers), flags, len(stream))
        if len(stream) < LARGE_STREAM:
            parts = Parts([b"".join([head, *entries, stream]), *tail])
        else:
            parts = Parts([b"".join([head, *entries]), stream, *tail])
            parts.heads = 2
        parts.by_value = by_value
        return parts

    def mentions(self, blob: memoryview, word: str) -> bool:
        """Whether a name is in the pickle stream: what is not cannot be imported by loading the value."""
        _, count, _, length = HEAD.unpack_from(blob)
        start = HEAD.size + count * ENTRY.size
        return word.encode() in bytes(blob[start : start + length])

    def decode(self, blob: memoryview) -> Any:
        """Unpickle over `blob`; arrays share its memory.

        Raises
        ------
        ValueError
            If `blob` is not of this layout.
        """
        magic, count, flags, length = HEAD.unpack_from(blob)
        if magic != MAGIC:
            raise ValueError("not a flownb pickle blob")
        buffers = []
        for number in range(count):
            offset, size = ENTRY.unpack_from(blob, HEAD.size + number * ENTRY.size)
            raw = blob[offset : offset + (size & ~READ_ONLY)]
            buffers.append(raw.toreadonly() if size & READ_ONLY else raw)
        start = HEAD.size + count * ENTRY.size
        stream = blob[start : start + length]
        if flags & HAS_SETS:
            return _SetUnpickler(io.BytesIO(stream), buffers).load()
        if not _listeners:
            try:
                return pickle.loads(stream, buffers=buffers)  # without a copy of the stream
            except (ImportError, AttributeError) as error:
                if "flownb." not in str(error):
                    raise
        return _Unpickler(io.BytesIO(stream), buffers=buffers).load()
