"""Frames and series of polars as Arrow IPC files, which any Arrow tool reads.

Takes a `polars.DataFrame` or `polars.Series`; gives parts that are views of its own buffers. What has columns that
Arrow does not hold exactly (objects, 128-bit integers) is pickled.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from flownb.store.encodings.arrow import file_parts, open_file

__all__ = ["Polars"]

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
# A string column that shows less than half of its buffers is copied, so that a slice does not drag its parent along.
WASTE = 2
SMALL = 1 << 16


class Polars:
    """Arrow IPC file, uncompressed; decoding takes no copy and a time that does not grow with the rows."""

    name = "polars"

    def accepts(self, value: Any) -> bool:
        """Frames and series of exact types; imports nothing."""
        pl = sys.modules.get("polars")
        if pl is None or type(value) not in (getattr(pl, "DataFrame", None), getattr(pl, "Series", None)):
            return False
        dtypes = value.dtypes if type(value) is pl.DataFrame else [value.dtype]
        return all(_is_exact(dtype) for dtype in dtypes) and find_spec("pyarrow") is not None

    def encode(self, value: Any) -> Sequence[memoryview | bytes]:
        """Give the file's parts; a slice keeps its own rows only."""
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
            frame.columns = table.column_names  # a column without a name was given one
        for number, order in enumerate(extras["sorted"]):
            if order is not None:
                frame.replace_column(number, frame.to_series(number).set_sorted(descending=order))
        return frame.to_series() if extras["kind"] == "Series" else frame


def _is_exact(dtype: Any) -> bool:
    """Whether a column of this type comes back as it was."""
    name = type(dtype).__name__
    if name == "List":
        return _is_exact(dtype.inner)
    if name == "Array":
        return dtype.size > 0 and _is_exact(dtype.inner)
    if name == "Struct":
        return all(_is_exact(field.dtype) for field in dtype.fields)
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
    # Up to 12 bytes stand in the view itself (Arrow's columnar format, "Variable-size Binary View Layout").
    return bool(held > WASTE * int(lengths.filter(lengths > 12).sum()))


def _order(series: Any) -> bool | None:
    """Whether a series is known to be sorted: False for ascending, True for descending, None for not known."""
    flags = series.flags
    return False if flags.get("SORTED_ASC") else True if flags.get("SORTED_DESC") else None
