"""Tables of pyarrow, and frames and series of polars, as Arrow IPC files, which any Arrow tool reads.

The parts of the blob are views of the value's own buffers. What a file cannot hold exactly (foreign extension types, a
dictionary that changes between chunks, objects and 128-bit integers of polars) is not accepted, and pickled instead.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

__all__ = ["Arrow", "Polars", "file_parts", "open_file"]


# Says in the file's footer what the file was made from; Arrow tools ignore keys they do not know.
KIND = b"flownb.kind"
# Makes a field an extension type (Arrow columnar format, "Extension Types").
EXTENSION = b"ARROW:extension:name"


class Arrow:
    """Arrow IPC file, uncompressed; decoding makes no copy, and its time does not grow with the rows."""

    name = "arrow"

    def accepts(self, value: Any) -> bool:
        """Tables and record batches that a file holds exactly; never imports pyarrow."""
        pa = sys.modules.get("pyarrow")
        if pa is None or type(value) not in (getattr(pa, "Table", None), getattr(pa, "RecordBatch", None)):
            return False
        return all(_is_exact(field) for field in value.schema) and all(
            _has_one_dictionary(column) for column in value.columns
        )

    def encode(self, value: Any) -> Sequence[memoryview | bytes]:
        """The file's parts; a slice keeps its own rows only."""
        return file_parts(value, {KIND: type(value).__name__.encode()})

    def decode(self, blob: memoryview) -> Any:
        """Rebuild the table over `blob`."""
        reader = open_file(blob)
        if reader.metadata[KIND] == b"RecordBatch":
            return reader.get_batch(0)
        return reader.read_all()


class _Parts:
    """A file that only remembers what was written to it; pyarrow hands buffers over without copying them."""

    closed = False

    def __init__(self) -> None:
        self.parts: list[memoryview | bytes] = []
        self._small: list[bytes] = []

    def write(self, data: Any) -> int:
        """Keep bytes as they are and buffers as views."""
        if isinstance(data, bytes):
            self._small.append(data)
        else:
            self.flush()
            self.parts.append(memoryview(data).cast("B"))
        return len(data)

    def flush(self) -> None:
        """Join what came in small pieces."""
        if self._small:
            self.parts.append(b"".join(self._small))
            self._small = []

    def close(self) -> None:
        """Note that all was written."""
        self.flush()
        self.closed = True


def file_parts(table: Any, metadata: Mapping[bytes, bytes]) -> Sequence[memoryview | bytes]:
    """The parts of the Arrow IPC file of a table or record batch, with `metadata` in its footer."""
    import pyarrow as pa

    file = _Parts()
    sink = pa.PythonFile(file, mode="w")
    # The default would follow ARROW_PRE_* variables of the environment.
    options = pa.ipc.IpcWriteOptions(metadata_version=pa.ipc.MetadataVersion.V5, compression=None)
    with pa.ipc.new_file(sink, table.schema, options=options, metadata=dict(metadata)) as writer:
        writer.write(table)
    file.flush()
    return file.parts


def open_file(blob: memoryview) -> Any:
    """Open the Arrow IPC file in `blob` without a copy.

    Raises
    ------
    ImportError
        If pyarrow is not installed here.
    ValueError
        If `blob` is not such a file.
    """
    import pyarrow as pa

    return pa.ipc.open_file(pa.py_buffer(blob))


def _is_exact(field: Any) -> bool:
    """Whether a field comes back from a file as it was, whatever is registered in the process that reads it."""
    import pyarrow as pa

    kind = field.type
    if isinstance(kind, pa.BaseExtensionType):
        # A Python class may not be registered where the file is read; the storage type would silently come back.
        return str(kind.extension_name).startswith("arrow.")
    if EXTENSION in (field.metadata or {}):  # a plain type that a file would turn into an extension type
        return False
    if pa.types.is_map(kind) and (kind.key_field.name, kind.item_field.name) != ("key", "value"):
        return False
    return all(_is_exact(child) for child in _children(kind))


def _has_one_dictionary(column: Any) -> bool:
    """Whether a column fits a file, which holds one dictionary for each field."""
    chunks = getattr(column, "chunks", [column])
    if len(chunks) < 2 or not _holds_dictionary(column.type):
        return True
    first = chunks[0]
    return hasattr(first, "dictionary") and all(chunk.dictionary.equals(first.dictionary) for chunk in chunks)


def _holds_dictionary(kind: Any) -> bool:
    """Whether a type has a dictionary at any depth."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return _holds_dictionary(kind.storage_type)
    return bool(pa.types.is_dictionary(kind)) or any(_holds_dictionary(child.type) for child in _children(kind))


def _children(kind: Any) -> Iterable[Any]:
    """Fields that a type is made of."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return [pa.field("", kind.value_type)]
    return [kind.field(number) for number in range(kind.num_fields)]


# What Arrow's schema does not say, as JSON in the file's footer.
EXTRAS = b"flownb.polars"
# Types that Arrow's schema and polars' own field metadata hold exactly; tests/store/encodings has each of them.
EXACT = frozenset(
    {
        "Int8",
        "Int16",
        "Int32",
        "Int64",
        "UInt8",
        "UInt16",
        "UInt32",
        "UInt64",
        "Float16",
        "Float32",
        "Float64",
        "Boolean",
        "String",
        "Binary",
        "Date",
        "Time",
        "Datetime",
        "Duration",
        "Decimal",
        "Categorical",
        "Enum",
        "Null",
    }
)
# A string column that shows less than half of its buffers is copied, so that a slice does not keep its whole parent.
WASTE = 2
SMALL = 1 << 16


class Polars:
    """Arrow IPC file, uncompressed; decoding makes no copy, and its time does not grow with the rows."""

    name = "polars"

    def accepts(self, value: Any) -> bool:
        """Frames and series of exact types; imports nothing."""
        pl = sys.modules.get("polars")
        if pl is None or type(value) not in (getattr(pl, "DataFrame", None), getattr(pl, "Series", None)):
            return False
        dtypes = value.dtypes if type(value) is pl.DataFrame else [value.dtype]
        return all(_polars_is_exact(dtype) for dtype in dtypes) and find_spec("pyarrow") is not None

    def encode(self, value: Any) -> Sequence[memoryview | bytes]:
        """The file's parts; a slice keeps its own rows only."""
        import polars as pl
        import pyarrow as pa

        frame = value.to_frame() if isinstance(value, pl.Series) else value
        table = frame.to_arrow(compat_level=pl.CompatLevel.newest())
        for number, column in enumerate(table.columns):
            if _drags(frame.to_series(number), column):
                whole = frame.to_series(number).to_arrow(compat_level=pl.CompatLevel.oldest())
                table = table.set_column(number, pa.field(table.field(number).name, whole.type), whole)
        extras = {"kind": type(value).__name__, "sorted": [_order(series) for series in frame.get_columns()]}
        return file_parts(table, {EXTRAS: json.dumps(extras).encode()})

    def decode(self, blob: memoryview) -> Any:
        """Rebuild the frame over `blob`."""
        import polars as pl

        reader = open_file(blob)
        extras = json.loads(reader.metadata[EXTRAS])
        table = reader.read_all()
        frame: Any = pl.from_arrow(table)
        if table.num_columns:
            frame.columns = table.column_names  # from_arrow names columns that have no name
        for number, order in enumerate(extras["sorted"]):
            if order is not None:
                frame.replace_column(number, frame.to_series(number).set_sorted(descending=order))
        return frame.to_series() if extras["kind"] == "Series" else frame


def _polars_is_exact(dtype: Any) -> bool:
    """Whether a column of this type comes back as it was."""
    name = type(dtype).__name__
    if name == "List":
        return _polars_is_exact(dtype.inner)
    if name == "Array":
        return dtype.size > 0 and _polars_is_exact(dtype.inner)
    if name == "Struct":
        return all(_polars_is_exact(field.dtype) for field in dtype.fields)
    return name in EXACT


def _drags(series: Any, column: Any) -> bool:
    """Whether a column of strings or bytes holds much more memory than it shows."""
    name = type(series.dtype).__name__
    if name not in ("String", "Binary"):
        return False
    held = sum(buffer.size for chunk in column.chunks for buffer in chunk.buffers()[2:] if buffer is not None)
    if held <= SMALL:
        return False
    lengths = series.str.len_bytes() if name == "String" else series.bin.size()
    # Up to 12 bytes are in the view itself (Arrow's columnar format, "Variable-size Binary View Layout").
    return bool(held > WASTE * int(lengths.filter(lengths > 12).sum()))


def _order(series: Any) -> bool | None:
    """Whether a series is known to be sorted: False for ascending, True for descending, None for not known."""
    flags = series.flags
    return False if flags.get("SORTED_ASC") else True if flags.get("SORTED_DESC") else None
