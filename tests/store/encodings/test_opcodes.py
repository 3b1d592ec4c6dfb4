"""Sets are found in a pickle stream, and other bytes are not taken for sets."""

from __future__ import annotations

import pickle
import pickletools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flownb.store.encodings import opcodes
from flownb.store.encodings.opcodes import SETS, makes_sets
from flownb.store.encodings.pickle5 import HEAD, Pickle5

# Values whose pickles have the bytes of the opcodes in their arguments.
BYTES = st.sampled_from([b"\x91\x94", b"\x8f\x94(", bytes(300) + b"\x91\x94", b"\x91\x94" * 40_000])
LOOKALIKES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([0x91, 0x9491, 0x28948F, 0x9491 << 16, 0x9491 << 80, -1.0, "ё", "摔" * 30_000, "a", (), [], {}]),
    BYTES,
    BYTES.map(bytearray),
    st.floats(),
    st.text(max_size=3),
)
VALUES = st.recursive(
    LOOKALIKES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=30,
)
MADE = st.sampled_from([set(), frozenset(), {1, 2}, frozenset("ab"), {"x"}])


def made(stream: bytes) -> bool:
    """Whether a stream makes a set with items, or a frozenset, by Python's own reading."""
    names = [opcode.name for opcode, _, _ in pickletools.genops(stream) if opcode.name != "FRAME"]
    return "FROZENSET" in names or any(
        names[number : number + 3] == ["EMPTY_SET", "MEMOIZE", "MARK"] for number in range(len(names))
    )


@settings(deadline=None)
@given(VALUES, st.lists(MADE, max_size=2))
def test_only_opcodes_count(value: Any, sets: list[Any]) -> None:
    """A stream is read as Python reads it, whatever its texts, bytes and numbers look like."""
    stream = pickle.dumps([value, *sets, value], 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opcodes, "SMALLEST", 0)
        assert makes_sets(stream) == made(stream)


def test_sets_are_found_behind_many_bytes_that_begin_like_theirs() -> None:
    """The search by one byte gives up where that is frequent, and nothing is overlooked."""
    dense = [b"\x91" * 2_000_000, b"\x8f" * 2_000_000, b"\x91\x94"]
    assert not makes_sets(pickle.dumps(dense, 5))
    for one in ({1, 2}, frozenset("ab")):
        assert makes_sets(pickle.dumps([*dense, one], 5))


def test_short_streams_are_not_read() -> None:
    """Bytes that may make a set are enough in a short stream, which is pickled once more without delay."""
    assert makes_sets(pickle.dumps(0x9491, 5))
    assert not makes_sets(pickle.dumps(0x9492, 5))


def test_numbers_and_texts_are_not_taken_for_sets() -> None:
    """A long stream with such bytes, but without a set, is pickled in one go."""
    values = [{"id": number, "name": f"ё {number}"} for number in range(100_000)]
    blob = b"".join(Pickle5().encode(values))
    assert any(mark in blob for mark in SETS)
    assert HEAD.unpack_from(blob)[2] == 0
    assert HEAD.unpack_from(b"".join(Pickle5().encode([values, {1, 2}])))[2] == 1


def test_a_stream_that_is_not_understood_counts() -> None:
    """An opcode that is not known may make a set."""
    stream = pickle.dumps([1.5, 0x9491], 5).replace(b"G", b"\x82", 1)
    assert makes_sets(stream + bytes(opcodes.SMALLEST))
