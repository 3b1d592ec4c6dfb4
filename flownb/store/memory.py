"""Whether a loaded value still has the content it was loaded with, found without reading what nobody wrote to.

A blob is mapped privately: a page of the map that is written to becomes a copy of the process's own, and the kernel
knows which pages those are (docs/adr/0014-page-map.md). Memory that was perhaps written to is compared byte by byte
with the stored blob. With ``FLOWNB_PAGE_MAP=off``, and where the kernel cannot say, all of it is compared: slower, with
the same result.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import struct
import sys
from collections.abc import Sequence
from typing import Any

from flownb.settings import is_off
from flownb.store.hashing import part_size
from flownb.store.storage import Part

__all__ = [
    "Region",
    "address_of",
    "begins_with",
    "equals_blob",
    "equals_parts",
    "private_memory",
    "same_memory",
    "was_written",
]

PAGE = mmap.PAGESIZE
# From here on a part of a changed map is worth asking the kernel whether that part was written to.
ASKED_FROM = 64 << 10
# <linux/fs.h>: struct pm_scan_arg, PAGEMAP_SCAN and the categories of pages (Linux 6.7).
SCAN_ARGUMENT = struct.Struct("<12Q")
PAGEMAP_SCAN = 0xC0000000 | SCAN_ARGUMENT.size << 16 | ord("f") << 8 | 16
IS_FILE, IS_PRESENT, IS_SWAPPED = 1 << 2, 1 << 3, 1 << 4
# The same in an entry of /proc/self/pagemap, in its highest byte: present, swapped, of a file.
ENTRY_PRESENT, ENTRY_SWAPPED, ENTRY_FILE = 0x80, 0x40, 0x20
WRITTEN_ENTRIES = frozenset(
    byte for byte in range(256) if byte & ENTRY_SWAPPED or (byte & ENTRY_PRESENT and not byte & ENTRY_FILE)
)


class _Buffer(ctypes.Structure):
    """The head of CPython's ``Py_buffer``, and room for the rest."""

    _fields_ = [("buf", ctypes.c_void_p), ("rest", ctypes.c_char * 256)]  # ctypes wants a list


def address_of(part: Part) -> int:
    """Where the memory of a contiguous buffer begins."""
    buffer = _Buffer()
    if ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(part), ctypes.byref(buffer), 0) != 0:
        raise BufferError("no contiguous buffer")  # CPython has set an error of its own, which ctypes raises
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))
    return int(buffer.buf or 0)


def same_memory(one: int, other: int, size: int) -> bool:
    """Whether `size` bytes at two addresses are equal; other threads run meanwhile."""
    return one == other or not size or _memcmp()(one, other, size) == 0


def private_memory(size: int) -> mmap.mmap:
    """Empty memory of this process alone.

    Python's own default is shared with forked processes, and the kernel reports its pages as a file's.
    """
    if hasattr(mmap, "MAP_ANONYMOUS"):
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return mmap.mmap(-1, size)


class Region:
    """The memory of a loaded blob.

    Parameters
    ----------
    view : memoryview
        The map or copy that the value's memory is in; kept alive.
    """

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.start = address_of(view)
        self.end = self.start + view.nbytes
        self._is_map = isinstance(view.obj, mmap.mmap)

    def offset(self, part: Part, address: int) -> int | None:
        """Where a buffer is in the region; None if it is elsewhere."""
        size = len(part) if isinstance(part, bytes) else part.nbytes
        return address - self.start if self.start <= address and address + size <= self.end else None

    def is_untouched(self, offset: int, size: int) -> bool:
        """Whether nobody can have written to `size` bytes at `offset` since the blob was mapped."""
        if not self._is_map:
            return False
        start = (self.start + offset) // PAGE * PAGE
        end = -(-(self.start + offset + size) // PAGE) * PAGE
        return not was_written(start, end)


def equals_blob(parts: Sequence[Part], region: Region | None, stored: Region) -> bool:
    """Whether `parts` make the content of a stored blob; what is untouched in its map is not read."""
    if part_size(parts) != stored.view.nbytes:
        return False
    is_clean = _cleanness(region)
    position = 0
    for part in parts:
        size, address = len(memoryview(part).cast("B")), address_of(part)
        in_place = region is not None and region.offset(part, address) == position and is_clean(position, size)
        if not in_place and not same_memory(address, stored.start + position, size):
            return False
        position += size
    return True


def equals_parts(parts: Sequence[Part], region: Region | None, again: Sequence[Part], stored: Region) -> bool:
    """Whether a value's parts equal those of the stored value, which was loaded and encoded again."""
    if len(parts) != len(again):
        return False
    is_clean = _cleanness(region)
    for one, other in zip(parts, again, strict=True):
        size = part_size([one])
        if size != part_size([other]):
            return False
        here, there = address_of(one), address_of(other)
        offset = region.offset(one, here) if region is not None else None
        in_place = offset is not None and offset == stored.offset(other, there) and is_clean(offset, size)
        if not in_place and not same_memory(here, there, size):
            return False
    return True


def _cleanness(region: Region | None) -> Any:
    """A function that says whether a part of a region was never written to."""
    if region is None or region.is_untouched(0, region.view.nbytes):
        return lambda offset, size: region is not None
    return lambda offset, size: size >= ASKED_FROM and region.is_untouched(offset, size)


def begins_with(heads: Sequence[Part], stored: Region) -> bool:
    """Whether a blob begins with `heads`, the parts that hold all but the large buffers."""
    if part_size(heads) > stored.view.nbytes:
        return False
    position = stored.start
    for head in heads:
        size = part_size([head])
        if not same_memory(address_of(head), position, size):
            return False
        position += size
    return True


def was_written(start: int, end: int) -> bool:
    """Whether a page of a private map of a file was written to.

    Parameters
    ----------
    start, end : int
        Addresses, multiples of the page size.

    Returns
    -------
    bool
        Also true when this system cannot say, and with ``FLOWNB_PAGE_MAP=off``.
    """
    if start == end:
        return False
    if is_off("FLOWNB_PAGE_MAP"):
        return True
    try:
        return _scan(start, end)
    except OSError:  # Linux before 6.7, or none
        return _read_pagemap(start, end)


def _scan(start: int, end: int) -> bool:
    """Ask the kernel for the first page that is there (or swapped out) and not the file's."""
    if sys.platform != "linux":
        raise OSError("PAGEMAP_SCAN is Linux's")
    import fcntl

    region = (ctypes.c_uint64 * 3)()
    argument = SCAN_ARGUMENT.pack(
        SCAN_ARGUMENT.size,
        0,
        start,
        end,
        0,
        ctypes.addressof(region),
        1,  # length of `region`
        1,  # one page is enough
        IS_FILE,  # inverted: pages that are not the file's …
        IS_FILE,
        IS_PRESENT | IS_SWAPPED,  # … and are either
        IS_PRESENT,
    )
    with open("/proc/self/pagemap", "rb", buffering=0) as file:  # noqa: PTH123 # no path object in a hot loop
        return int(fcntl.ioctl(file, PAGEMAP_SCAN, bytearray(argument), True)) > 0


def _read_pagemap(start: int, end: int) -> bool:
    """The same from the table of all pages, which Linux has had for longer; on other systems nothing is known."""
    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as file:  # noqa: PTH123
            position, last = start // PAGE * 8, end // PAGE * 8
            file.seek(position)
            while position < last:
                entries = file.read(min(last - position, 1 << 20))
                if not entries or not WRITTEN_ENTRIES.isdisjoint(entries[7::8]):
                    return True
                position += len(entries)
    except OSError:
        return True
    return False


@functools.cache
def _memcmp() -> Any:
    function = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).memcmp
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    return function
