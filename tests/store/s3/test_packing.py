"""Compressed blobs: what is packed is unpacked, in chunks that are independent."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flownb.store.s3 import packing


@given(st.lists(st.binary(max_size=50), max_size=12), st.integers(1, 40))
@settings(max_examples=150, deadline=None)
def test_cutting_keeps_the_content(parts: list[bytes], length: int) -> None:
    """However content is parted, it is cut into pieces of one length, the last one shorter."""
    pieces = [bytes(piece) for piece in packing.cut([memoryview(part) for part in parts], length)]
    assert b"".join(pieces) == b"".join(parts)
    assert all(len(piece) == length for piece in pieces[:-1])
    assert all(0 < len(piece) <= length for piece in pieces)


def test_a_piece_within_one_part_is_not_copied() -> None:
    """Gigabytes are sent from where they are."""
    part = bytearray(100)
    pieces = list(packing.cut([part[:0], memoryview(part)], 40))
    part[0], part[99] = 7, 8
    assert [pieces[0][0], pieces[-1][-1]] == [7, 8]


@pytest.mark.parametrize("suffix", [".lz4", ".zst"])
def test_each_chunk_is_read_alone(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table at the end says where each chunk is."""
    monkeypatch.setattr(packing, "CHUNK", 1000)
    content = b"abc" * 1500 + b"end"
    packed = b"".join(packing.pack([content[:10], content[10:]], suffix))
    table = packing.table_size(len(content))
    ends = packing.ends(packed[-table:], len(content))
    assert ends is not None
    assert ends[-1] == len(packed) - table
    start, found = 0, b""
    for number, end in enumerate(ends):
        chunk = packing.unpack(packed[start:end], min(1000, len(content) - number * 1000), suffix)
        assert chunk is not None
        found += chunk
        start = end
    assert found == content


def test_damage_is_noticed() -> None:
    """A damaged table and a chunk that cannot be unpacked give None."""
    size = packing.CHUNK + 1
    assert packing.ends(bytes(16), size) is None
    assert packing.ends(bytes(8), size) is None
    assert packing.unpack(b"nothing of the kind", 100, ".zst") is None
    assert packing.unpack(b"nothing of the kind", 100, ".lz4") is None


def test_what_cannot_be_compressed_is_left_as_it_is() -> None:
    """Random bytes do not pay, text does."""
    import random

    assert not packing.pays(random.Random(0).randbytes(100_000), ".zst")
    assert packing.pays(b"some text " * 10_000, ".lz4")
