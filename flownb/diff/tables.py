"""What differs between two tables or arrays: rows, columns, types, and how many cells.

A table is a data frame or series of pandas or polars, or a table of pyarrow. Columns are compared as numpy arrays, one
at a time. Rows of pandas are paired by their labels if these are unique, all others by position.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flownb.diff.shown import pair_texts, shown

__all__ = ["Table", "array_changes", "as_array", "as_table", "table_changes"]

# Cells and columns that are shown.
SHOWN = 3
MOST_COLUMNS = 6


@dataclass(frozen=True)
class Table:
    """A table of any of the libraries.

    Attributes
    ----------
    rows : int
    columns : dict of str to str
        The type of each column.
    column : callable
        Given a column's name, its values as a numpy array.
    labels : object or None
        The index of pandas, if its labels are unique.
    index : str
        Names and types of pandas' index.
    """

    rows: int
    columns: dict[str, str]
    column: Callable[[str], Any]
    labels: Any = None
    index: str = ""


def as_table(value: Any) -> Table | None:
    """A value as a table; None if it is not one, or two of its columns have one name."""
    library = type(value).__module__.partition(".")[0]
    kind = type(value).__name__
    if library == "pandas" and kind in ("DataFrame", "Series"):
        frame = value if kind == "DataFrame" else value.to_frame(name=value.name or "values")
        names = {str(name): name for name in frame.columns}
        if len(names) < len(frame.columns):
            return None
        types = {text: str(frame[name].dtype) for text, name in names.items()}
        labels = frame.index if frame.index.is_unique else None
        levels = [str(getattr(level, "dtype", "")) for level in getattr(frame.index, "levels", [frame.index])]
        titles = [name or "unnamed" for name in frame.index.names]
        index = ", ".join(f"{title} ({level})" for title, level in zip(titles, levels, strict=True))
        return Table(len(frame), types, lambda text: frame[names[text]].to_numpy(), labels, index)
    if library == "polars" and kind in ("DataFrame", "Series"):
        frame = value if kind == "DataFrame" else value.to_frame()
        types = {name: str(dtype) for name, dtype in frame.schema.items()}
        return Table(frame.height, types, lambda name: _of_polars(frame[name]))
    if library == "pyarrow" and kind == "Table" and len(set(value.column_names)) == value.num_columns:
        types = {field.name: str(field.type) for field in value.schema}
        return Table(value.num_rows, types, lambda name: value[name].to_numpy())
    return None


def _of_polars(series: Any) -> Any:
    """A column of polars; missing numbers stay distinct from those that are not a number."""
    return series.to_numpy() if not series.null_count() else _objects(series.to_list())


def _objects(items: Sequence[Any]) -> Any:
    """Any objects as a numpy array of one dimension."""
    import numpy as np

    found = np.empty(len(items), dtype=object)
    found[:] = items
    return found


def as_array(value: Any) -> Any:
    """A value as a numpy array; None if it is not an array, a tensor, an index or the like."""
    np = sys.modules.get("numpy")
    if np is None:
        return None
    if isinstance(value, np.ndarray):
        return value
    if not (hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__array__")):
        return None
    try:
        return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except Exception:  # a type of numbers that numpy does not have
        return None


def table_changes(before: Table, after: Table) -> list[str]:
    """What differs between two tables, a line for each kind of change."""
    found = []
    if before.rows != after.rows:
        found.append(f"{before.rows} → {after.rows} rows")
    if before.index != after.index:
        found.append(f"index: {before.index} → {after.index}")
    for sign, one, other in (("-", before, after), ("+", after, before)):
        if names := [name for name in one.columns if name not in other.columns]:
            more = f", … ({len(names)})" if len(names) > MOST_COLUMNS else ""
            listed = ", ".join(f"`{name}` ({one.columns[name]})" for name in names[:MOST_COLUMNS])
            found.append(f"{sign} column{'s' if len(names) > 1 else ''} {listed}{more}")
    common = [name for name in before.columns if name in after.columns]
    if common != [name for name in after.columns if name in before.columns]:
        found.append("the columns are in another order")
    found += [
        f"column `{name}`: {before.columns[name]} → {after.columns[name]}"
        for name in common
        if before.columns[name] != after.columns[name]
    ]
    rows, said = _paired_rows(before, after)
    return found + said + _cell_changes(before, after, common, rows)


def _paired_rows(before: Table, after: Table) -> tuple[tuple[Any, Any, Any], list[str]]:
    """Positions of the rows that are compared in both tables, their labels, and what is said of the others."""
    import numpy as np

    if before.labels is None or after.labels is None or before.labels.equals(after.labels):
        places = np.arange(min(before.rows, after.rows))
        return (places, places, before.labels if before.labels is not None else places), []
    common = before.labels[before.labels.isin(after.labels)]
    gone, new = before.rows - len(common), after.rows - len(common)
    said = []
    if gone and new:
        said.append(f"index: {gone} labels removed, {new} added")
    elif not (gone or new):
        said.append("the rows are in another order")
    return (before.labels.get_indexer(common), after.labels.get_indexer(common), common), said


def _cell_changes(before: Table, after: Table, names: Sequence[str], rows: tuple[Any, Any, Any]) -> list[str]:
    """How many cells of each column differ, with the first of them."""
    found = []
    here, there, labels = rows
    for name in names:
        one, other = before.column(name)[here], after.column(name)[there]
        differs = _unequal(one, other)
        count = int(differs.sum())
        if count:
            first = differs.nonzero()[0][:SHOWN]
            examples = [f"[{shown(labels[place])}] {_pair(one[place], other[place])}" for place in first]
            more = ", …" if count > SHOWN else ""
            largest = _largest(one[differs], other[differs])
            found.append(f"{count} of {len(one)} cells of `{name}` differ{largest}: {', '.join(examples)}{more}")
    if len(found) > MOST_COLUMNS:
        found[MOST_COLUMNS:] = [f"cells of {len(found) - MOST_COLUMNS} more columns differ"]
    return found


def array_changes(before: Any, after: Any) -> list[str]:
    """What differs between two numpy arrays."""
    found = []
    if before.dtype != after.dtype:
        found.append(f"{before.dtype} → {after.dtype}")
    if before.shape != after.shape:
        return [*found, f"shape {_shape(before)} → {_shape(after)}"]
    one, other = before.ravel(), after.ravel()
    differs = _unequal(one, other)
    count = int(differs.sum())
    if count and one.dtype.names is not None:
        found.append(f"{count} of {one.size} records differ")
    elif count and one.size == 1:
        found.append(_pair(one[0], other[0]))
    elif count:
        examples = [_pair(one[place], other[place]) for place in differs.nonzero()[0][:SHOWN]]
        more = ", …" if count > SHOWN else ""
        largest = _largest(one[differs], other[differs])
        found.append(f"{count} of {one.size} values differ{largest}: {', '.join(examples)}{more}")
    return found


def _unequal(one: Any, other: Any) -> Any:
    """Where two numpy arrays of one length differ; values that are not a number are equal to each other."""
    import numpy as np

    try:
        with np.errstate(all="ignore"):
            differs = np.asarray(one != other, dtype=bool)
            if differs.shape == one.shape:
                return differs & ~np.asarray((one != one) & (other != other), dtype=bool)
    except Exception:  # objects that cannot be compared this way, such as arrays in cells, or pandas.NA
        differs = None
    return np.fromiter((not _same(*both) for both in zip(one, other, strict=True)), dtype=bool, count=len(one))


def _same(one: Any, other: Any) -> bool:
    """Whether two cells are equal."""
    if one is other:
        return True
    try:
        return bool(one == other) or (bool(one != one) and bool(other != other))
    except Exception:  # neither yes nor no, as for arrays
        return repr(one) == repr(other)


def _largest(one: Any, other: Any) -> str:
    """The largest difference of numbers, in words; empty for others."""
    import numpy as np

    if one.dtype.kind not in "iuf" or other.dtype.kind not in "iuf":
        return ""
    with np.errstate(all="ignore"):
        apart = np.abs(one.astype(float) - other.astype(float))
        apart = apart[np.isfinite(apart)]
    return f" by up to {apart.max():.3g}" if apart.size else ""


def _pair(before: Any, after: Any) -> str:
    """Two cells that differ."""
    return " → ".join(pair_texts(before, after))


def _shape(array: Any) -> str:
    return "×".join(map(str, array.shape)) or "()"
