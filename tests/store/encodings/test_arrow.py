"""Tables of pyarrow as Arrow IPC files."""

from __future__ import annotations

import datetime
import io
import subprocess
import sys
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flownb.store.encoding import decode, encode
from flownb.store.encodings.arrow import Arrow

pa = pytest.importorskip("pyarrow")

WORDS = pa.array(["a", "b", None]).dictionary_encode()
OTHER_WORDS = pa.array(["c", "b", None]).dictionary_encode()


def column(values: Any, **field: Any) -> Any:
    """A table of one column."""
    values = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    return pa.Table.from_arrays([values], schema=pa.schema([pa.field("x", values.type, **field)]))


EXACT = {
    "integers": column(pa.array([1, None, 3])),
    "not_null_with_metadata": column(pa.array([1]), nullable=False, metadata={b"k\xff": b"\xff\0v", b"a": b"b"}),
    "schema_metadata": column(pa.array([1])).replace_schema_metadata({b"z": b"\xff", b"a": b"1"}),
    "empty_metadata": column(pa.array([1])).replace_schema_metadata({}),
    "repeated_metadata": column(pa.array([1])).replace_schema_metadata(pa.KeyValueMetadata([("a", "1"), ("a", "2")])),
    "dictionary": column(WORDS),
    "ordered_dictionary": column(pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int8()), ["a", "b"], ordered=True)),
    "null_in_dictionary": column(pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", None]))),
    "one_dictionary_in_chunks": column(pa.chunked_array([WORDS, WORDS.take(pa.array([1, 1]))])),
    "list_of_dictionary": column(pa.ListArray.from_arrays([0, 2, 3], WORDS)),
    "decimal128": column(pa.array([Decimal("1.5"), None], pa.decimal128(10, 3))),
    "decimal256": column(pa.array([Decimal("1.5"), None], pa.decimal256(60, 3))),
    "null": column(pa.nulls(3)),
    "string_view": column(pa.array(["a", "b" * 50, None], pa.string_view())),
    "binary_view": column(pa.array([b"a", b"b" * 50, None], pa.binary_view())),
    "list": column(pa.array([[1], None, []])),
    "large_list": column(pa.array([[1], None, []], pa.large_list(pa.int8()))),
    "list_view": column(pa.array([[1], None, []], pa.list_view(pa.int8()))),
    "named_items": column(pa.array([[1]], pa.list_(pa.field("i", pa.int8(), nullable=False, metadata={"a": "b"})))),
    "fixed_list": column(pa.array([[1, 2], None], pa.list_(pa.int8(), 2))),
    "fixed_list_of_none": column(pa.array([[], None], pa.list_(pa.int8(), 0))),
    "map": column(pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int8(), keys_sorted=True))),
    "struct": column(pa.array([{"a": 1}, None])),
    "struct_of_none": column(pa.array([{}, None], pa.struct([]))),
    "struct_with_repeated_names": column(pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])),
    "sparse_union": column(
        pa.UnionArray.from_sparse(pa.array([5, 7], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])], None, [5, 7])
    ),
    "dense_union": column(
        pa.UnionArray.from_dense(
            pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["a"])]
        )
    ),
    "run_end_encoded": column(pa.RunEndEncodedArray.from_arrays([2, 5], ["a", "b"])).slice(1, 3),
    "float16": column(pa.array(np.array([1, 2], "f2"))),
    "interval": column(pa.array([(1, 2, 3), None], pa.month_day_nano_interval())),
    "duration": column(pa.array([1, None], pa.duration("s"))),
    "timestamp_with_zone": column(pa.array([1, None], pa.timestamp("ns", "Europe/Berlin"))),
    "date64": column(pa.array([datetime.date(2020, 1, 1)], pa.date64())),
    "fixed_binary": column(pa.array([b"ab", None], pa.binary(2))),
    "uuid": column(pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16], pa.binary(16)))),
    "tensor": column(pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((2, 3)))),
    "repeated_names": pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]),
    "no_name": pa.Table.from_arrays([pa.array([1])], [""]),
    "no_columns_but_rows": pa.table({"a": [1, 2, 3]}).select([]),
    "nothing": pa.table({}),
    "no_rows": column(pa.array([], pa.string())),
    "no_chunks": column(pa.chunked_array([], pa.string())),
    "chunks": column(pa.chunked_array([[1, 2], [], [3]])),
    "slice_of_bits": column(pa.array([True, None, False] * 100)).slice(3, 9),
    "slice_of_structs": column(pa.array([{"a": "a" * i} for i in range(100)])).slice(5, 3),
    "batch": pa.record_batch({"a": [1, 2], "b": WORDS[:2]}),
    "batch_without_columns": pa.record_batch({"a": [1, 2]}).select([]),
    "slice_of_a_batch": pa.record_batch({"a": range(1000)}).slice(4, 2),
}
PICKLED = {
    "two_dictionaries": column(pa.chunked_array([WORDS, OTHER_WORDS])),
    "dictionaries_in_chunked_lists": column(pa.chunked_array([pa.ListArray.from_arrays([0, 2, 3], WORDS)] * 2)),
    "plain_field_named_as_extension": column(pa.array([1]), metadata={"ARROW:extension:name": "arrow.json"}),
    "named_map_fields": column(
        pa.array([[("a", 1)]], pa.map_(pa.field("k", pa.string(), nullable=False), pa.field("v", pa.int8())))
    ),
    "array": pa.array([1, 2]),
}


def again(value: Any) -> Any:
    """A value after it was stored and loaded."""
    name, parts = encode(value)
    return decode(name, memoryview(bytearray(b"".join(parts))))


def described(table: Any) -> str:
    """All that a schema says."""
    return str(table.schema.to_string(truncate_metadata=False))


@pytest.mark.parametrize("name", EXACT)
def test_tables_come_back_exact(name: str) -> None:
    """Values, schema, nullability and metadata are those that were stored; the file's parts are pyarrow's own."""
    table = EXACT[name]
    assert Arrow().accepts(table)
    back = again(table)
    back.validate(full=True)
    assert type(back) is type(table)
    assert described(back) == described(table)
    assert (back.shape, table.equals(back, check_metadata=True)) == (table.shape, True)


@pytest.mark.parametrize("name", PICKLED)
def test_what_a_file_does_not_hold_is_pickled(name: str) -> None:
    """A value that Arrow IPC would change is left to pickle, which does not."""
    value = PICKLED[name]
    assert not Arrow().accepts(value)
    assert encode(value)[0] == "pickle5"
    assert value.equals(again(value))


@given(
    st.lists(st.none() | st.floats() | st.just(float("nan")), max_size=20),
    st.lists(st.none() | st.text(max_size=15), min_size=20, max_size=20),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_slices_and_chunks_keep_their_values(
    numbers: list[float | None], words: list[str | None], start: int, length: int
) -> None:
    """Any rows of any chunks come back with their values, NaN included."""
    chunks = pa.chunked_array([pa.array(numbers, pa.float64()), pa.array([0.5] * (20 - len(numbers)), pa.float64())])
    table = pa.table({"n": chunks, "w": pa.array(words, pa.string())}).slice(start, length)
    assert repr(again(table).to_pydict()) == repr(table.to_pydict())


def test_nothing_is_copied_on_the_way() -> None:
    """The parts of a large table are views of its buffers, and the loaded one lies inside the blob."""
    table = pa.table({"n": np.arange(100_000), "w": [f"w{i}" for i in range(100_000)]})
    parts = [pa.py_buffer(part) for part in Arrow().encode(table) if isinstance(part, memoryview)]
    own = {buffer.address for chunk in table.columns for one in chunk.chunks for buffer in one.buffers() if buffer}
    assert {part.address for part in parts} == own
    blob = pa.py_buffer(bytearray(b"".join(Arrow().encode(table))))
    back = Arrow().decode(memoryview(blob))
    for chunk in back.columns:
        for buffer in chunk.chunk(0).buffers()[1:]:
            assert blob.address <= buffer.address < blob.address + blob.size


def test_a_slice_leaves_its_parent_behind() -> None:
    """Three rows of a million are stored as three rows."""
    assert sum(len(part) for part in Arrow().encode(pa.table({"x": range(1_000_000)}).slice(5, 3))) < 2000


def test_any_arrow_tool_reads_the_file() -> None:
    """A blob is an Arrow file from its first byte to its last."""
    table = EXACT["chunks"]
    reader = pa.ipc.open_file(io.BytesIO(b"".join(encode(table)[1])))
    assert table.equals(reader.read_all())


def test_pyarrow_is_never_imported_for_other_values() -> None:
    """Encoding a list in a fresh process leaves pyarrow and polars alone."""
    code = "import sys; from flownb.store.encoding import encode; encode([1]); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"pyarrow", "polars"} & set(done.stdout.split()) == set()
