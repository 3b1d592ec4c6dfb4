"""The default encoding."""

from __future__ import annotations

import mmap

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flownb.store.encodings.pickle5 import ALIGNMENT, ENTRY, HEAD, Pickle5

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=20,
)


def encoded(value: object) -> bytes:
    """The whole blob of a value."""
    return b"".join(Pickle5().encode(value))


def decoded(blob: bytes) -> object:
    """The value of a blob, over a private map as in the store."""
    memory = mmap.mmap(-1, max(len(blob), 1))
    memory[: len(blob)] = blob
    return Pickle5().decode(memoryview(memory)[: len(blob)])


@given(PLAIN)
def test_plain_values_come_back_equal(value: object) -> None:
    """Any nest of plain Python values survives the round trip."""
    assert decoded(encoded(value)) == value


@given(st.integers(0, 5000), st.sampled_from(["f8", "i2", ">i4", "c16", "?", "U3", "M8[s]"]), st.booleans())
def test_arrays_come_back_exact_and_writable(size: int, dtype: str, fortran: bool) -> None:
    """Arrays keep dtype, byte order and content, whatever their size, and can be changed in place."""
    array = np.arange(size).astype("i8").astype(dtype) if dtype != "?" else np.arange(size) % 2 == 0
    array = np.asarray(array.reshape(size, 1), order="F" if fortran else "C")
    back = decoded(encoded(array))
    assert isinstance(back, np.ndarray)
    assert back.dtype == array.dtype
    assert np.array_equal(array, back)
    assert back.flags.writeable


def test_read_only_arrays_stay_read_only() -> None:
    """A large array that could not be written cannot be written after loading."""
    array = np.zeros(10_000)
    array.flags.writeable = False
    back = decoded(encoded(array))
    assert isinstance(back, np.ndarray)
    assert not back.flags.writeable


def test_large_buffers_stand_aligned_outside_the_stream() -> None:
    """A 1 MB array is one buffer at a multiple of 64 bytes, and its bytes are not in the pickle stream."""
    blob = encoded(np.arange(125_000, dtype="f8"))
    _, count, _, length = HEAD.unpack_from(blob)
    offset, size = ENTRY.unpack_from(blob, HEAD.size)
    assert (count, offset % ALIGNMENT, size) == (1, 0, 1_000_000)
    assert length < 1000


def test_encoding_copies_no_large_buffer() -> None:
    """The parts of an array's blob are views of the array's own memory."""
    array = np.arange(100_000.0)
    parts = Pickle5().encode(array)
    array[0] = 7.0
    assert np.frombuffer(parts[-1], dtype="f8")[0] == 7.0


def test_strided_arrays_are_copied_into_the_stream() -> None:
    """An array without contiguous memory is still exact."""
    array = np.arange(40_000).reshape(200, 200)[::3, ::2]
    assert np.array_equal(array, decoded(encoded(array)))  # type: ignore[arg-type]  # an array, as asserted


def test_frames_come_back_exact() -> None:
    """A pandas frame keeps labels, dtypes, attrs and missing values."""
    frame = pd.DataFrame(
        {"a": range(500), "b": [None, 1.5] * 250, "c": pd.Categorical(["x", "y"] * 250), "d": ["t", None] * 250},
        index=pd.date_range("2020", periods=500, tz="UTC"),
    )
    frame.attrs["source"] = "made"
    back = decoded(encoded(frame))
    assert isinstance(back, pd.DataFrame)
    pd.testing.assert_frame_equal(frame, back)
    assert back.attrs == frame.attrs


def test_reading_a_frame_changes_no_byte() -> None:
    """What pandas caches while a frame is read is not part of its content."""
    frame = pd.DataFrame({"day": pd.date_range("2020", periods=300), "c": pd.Categorical(["x", "y", "z"] * 100)})
    before = encoded(frame)
    assert frame["day"].array.unit == "us"  # type: ignore[attr-defined]  # of a DatetimeArray
    assert len(frame["day"].unique()) == 300
    assert int(frame["day"].isin(frame["day"][:100]).sum()) == 100
    assert frame["c"].nunique() == 3
    assert encoded(frame) == before


def test_other_bytes_are_refused() -> None:
    """A blob that is not of this layout is an error, not a wrong value."""
    with pytest.raises(ValueError, match="not a flownb pickle blob"):
        Pickle5().decode(memoryview(bytes(64)))
