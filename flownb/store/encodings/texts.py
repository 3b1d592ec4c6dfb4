"""Object arrays of many different strings, written as a few long texts.

pickle remembers every object that it writes, so that an object which occurs again is one object after loading. With
millions of strings that takes most of the time. Here strings are written without being remembered, those alone that
need not be: each occurs once in its array, and nowhere else in the value. The second is known only when everything has
been pickled, from what the pickler then remembers; if it is not so, the value is pickled again. All decisions depend on
the value alone, so equal values have equal bytes.
"""

from __future__ import annotations

import ctypes
import io
import pickle
import sys
from collections.abc import Iterator
from typing import Any, Literal

__all__ = ["Stream", "TooMuchElseError", "fill_texts", "text_array"]

# Arrays with fewer cells gain nothing: what pickle remembers is still in the processor's cache.
SMALLEST = 100_000
# How many cells of a column are looked at to see whether most are different objects.
SAMPLE = 1 << 16
# How many cells one text holds.
CHUNK = 8192
# Objects that may be remembered for each string that was taken out: to compare them takes time, too.
REMEMBERED = 1 / 4
MEMOIZE = b"\x94"
# Is put before each string of a text: the first of these that none of the strings contains.
SEPARATORS = "\0\x1e\x1f\x01\x02"


class TooMuchElseError(Exception):
    """The value contains so much besides these strings that it is pickled sooner in the usual way."""


class Stream(io.BytesIO):
    """What a pickler writes to, and the strings that are written beside it.

    Attributes
    ----------
    elsewhere : numpy array of int, or None
        Sorted ids of strings that stay in the stream.
    """

    elsewhere: Any = None
    # The ids of the strings of each array, sorted, and the number of all.
    _ids: tuple[Any, ...] = ()
    _count = 0
    # How many objects are remembered, and how much of the stream was read for that.
    _remembered = _seen = 0

    def write(self, content: Any) -> int:
        """Add a frame.

        Raises
        ------
        TooMuchElseError
            If too much else is remembered.
        """
        written = io.BytesIO.write(self, content)
        if self._count:
            self._check()
        return written

    def reduce(self, array: Any) -> Any:
        """The reduction of an array, or NotImplemented to leave it to numpy."""
        if array.dtype.char != "O" or array.size < SMALLEST or array.dtype.metadata is not None:
            return NotImplemented
        if self._too_much(self._count + array.size):
            return NotImplemented
        np = sys.modules["numpy"]
        order = "F" if array.flags.fnc else "C"
        cells = array.ravel(order)
        ids = _ids(cells)
        columns = len(array) if order == "C" else array.shape[-1]
        taken = _differ(ids.reshape(columns if cells.size >= columns * SMALLEST else 1, -1))
        if taken.any():
            _only_texts(cells, taken)
        own = np.sort(ids[taken], kind="stable")  # quick if objects are in memory in the order of the cells
        excluded = own[1:][own[1:] == own[:-1]]
        if self.elsewhere is not None:
            excluded = np.sort(np.concatenate([excluded, self.elsewhere]))
        if len(excluded) and len(own):
            taken &= ~_contains(excluded, ids)
            own = np.sort(ids[taken], kind="stable")
        if len(own) < SMALLEST or self._too_much(self._count + len(own)):
            return NotImplemented
        texts = [_text(chunk) for chunk in _chunks(cells[taken])]
        if not all(texts):
            return NotImplemented
        self._ids += (own,)
        self._count += len(own)
        places, others = b"", []
        if len(own) < cells.size:
            places, others = np.packbits(taken).tobytes(), cells[~taken].tolist()
        buffers = [pickle.PickleBuffer(text) for text in texts]
        return text_array, (array.shape, order), (pickle.PickleBuffer(places), buffers, others), None, None, fill_texts

    def found_elsewhere(self, pickler: pickle.Pickler) -> Any:
        """The sorted ids of strings that the value contains in another place, too; None if there are none.

        Raises
        ------
        TooMuchElseError
            If too much else is remembered.
        """
        if not self._count:
            return None
        from flownb.collector import collector_paused

        self._check()
        np = sys.modules["numpy"]
        with collector_paused():  # all these tuples would have it look through everything several times
            memo = pickler.memo.copy()
            ids = np.fromiter(memo, np.intp, len(memo))
            del memo
        everything = np.sort(np.concatenate([*self._ids, ids]), kind="stable")
        found = everything[1:][everything[1:] == everything[:-1]]
        return found if len(found) else None

    def _check(self) -> None:
        if self._too_much(self._count):
            raise TooMuchElseError

    def _too_much(self, count: int) -> bool:
        """Whether more objects are remembered than `count` strings are worth."""
        self._remembered += bytes(self.getbuffer()[self._seen :]).count(MEMOIZE)
        self._seen = self.tell()
        return self._remembered > count * REMEMBERED


def _ids(cells: Any) -> Any:
    """`id` of each object in an array, whose memory has nothing else in it."""
    np = sys.modules["numpy"]
    memory = (ctypes.c_char * cells.nbytes).from_address(cells.__array_interface__["data"][0])
    return np.frombuffer(memory, np.intp)


def _differ(columns: Any) -> Any:
    """Which cells are in columns where most objects seem to occur once."""
    np = sys.modules["numpy"]
    taken = np.empty(columns.shape, bool)
    for column, own in zip(columns, taken, strict=True):
        sample = np.sort(column[:: max(1, len(column) // SAMPLE)])
        own[:] = np.count_nonzero(sample[1:] != sample[:-1]) * 2 >= len(sample)
    return taken.reshape(-1)


def _only_texts(cells: Any, taken: Any) -> None:
    """Leave out cells that are not exactly strings."""
    position = 0
    for chunk in _chunks(cells):
        kinds = set(map(type, chunk))
        if kinds != {str}:
            taken[position : position + len(chunk)] &= [kind is str for kind in map(type, chunk)]
        position += len(chunk)


def _contains(ids: Any, sought: Any) -> Any:
    """Which of `sought` are in sorted `ids`."""
    np = sys.modules["numpy"]
    places = np.searchsorted(ids, sought)
    places[places == len(ids)] = 0
    return ids[places] == sought


def _chunks(cells: Any) -> Iterator[list[Any]]:
    for start in range(0, len(cells), CHUNK):
        yield cells[start : start + CHUNK].tolist()


def _text(strings: list[str]) -> bytes:
    """Strings as one, each behind a character that none of them contains; empty if they contain all that were tried."""
    for separator in SEPARATORS:
        joined = separator + separator.join(strings)
        if joined.count(separator) == len(strings):
            return joined.encode("utf-8", "surrogatepass")
    return b""


# What pickles name: part of the store's format.


def text_array(shape: tuple[int, ...], order: Literal["C", "F"]) -> Any:
    """Make an array of objects that is filled later: it may contain itself."""
    import numpy as np

    return np.empty(shape, object, order)


def fill_texts(array: Any, state: tuple[Any, Any, list[Any]]) -> None:
    """Fill an array with the strings of texts and, where a bit is not set, with other objects."""
    import numpy as np

    bits, texts, others = state
    cells = array.reshape(-1, order="F" if array.flags.fnc else "C")
    places: Any = None
    if others:
        taken = np.unpackbits(np.frombuffer(bits, np.uint8), count=cells.size).view(bool)
        places = np.flatnonzero(taken)
        cells[~taken] = np.fromiter(others, object, len(others))
    position = 0
    for text in texts:
        joined = str(text, "utf-8", "surrogatepass")
        strings = joined.split(joined[0])
        del strings[0]
        end = position + len(strings)
        cells[slice(position, end) if places is None else places[position:end]] = np.fromiter(
            strings, object, len(strings)
        )
        position = end
