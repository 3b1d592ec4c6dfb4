"""The first rows of a data frame as a table's headers and cells.

Takes a pandas or polars frame; gives texts and numbers. How a column of each type is written follows Metaflow
(``metaflow/plugins/cards/card_modules/convert_to_native_type.py``, 2.19.39, `_parse_pandas_column`), but the frame
itself is left alone, a missing value is ``null`` in columns of any type, and only texts that were cut end in dots.
"""

from __future__ import annotations

from typing import Any

from flownb.cards.content import clean

__all__ = ["frame_cells", "frame_kind"]

# As many rows as pandas' own `head` gives, which is what Metaflow shows.
ROWS = 5
# Longer texts in a column are cut.
WIDTH = 30
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%Z"


def frame_kind(value: Any) -> str | None:
    """``"pandas"`` or ``"polars"`` for a data frame of theirs, else None."""
    for base in type(value).__mro__:
        if base.__name__ == "DataFrame" and base.__module__.split(".")[0] in ("pandas", "polars"):
            return base.__module__.split(".")[0]
    return None


def frame_cells(frame: Any, *, truncate: bool) -> tuple[list[str], list[list[Any]], str]:
    """Headers, rows and a line that says what was left out.

    Parameters
    ----------
    frame : pandas.DataFrame or polars.DataFrame
    truncate : bool
        Whether to give the first five rows only.

    Returns
    -------
    (list of str, list of list, str)
        The first column of a pandas frame is its index, without a header; the line is empty if nothing was left out.
    """
    total = len(frame)
    shown = frame.head(ROWS) if truncate else frame
    if frame_kind(frame) == "polars":
        headers = [clean(name) for name in shown.columns]
        columns = [[_native(value) for value in shown.get_column(name)] for name in shown.columns]
    else:
        headers = ["", *(clean(name) for name in shown.columns)]
        columns = [_index(shown.index), *(_column(shown.iloc[:, place]) for place in range(shown.shape[1]))]
    rows = [list(row) for row in zip(*columns, strict=True)]
    left_out = f"first {ROWS} of {total:,} rows" if truncate and total > ROWS else ""
    return headers, rows, left_out


def _index(index: Any) -> list[Any]:
    """A pandas index as cells; the levels of a MultiIndex stand in one cell."""
    if index.nlevels == 1:
        return _column(index.to_series())
    levels = [_column(index.get_level_values(level).to_series()) for level in range(index.nlevels)]
    return [", ".join(str(part) for part in parts) for parts in zip(*levels, strict=True)]


def _column(series: Any) -> list[Any]:
    """A pandas column as cells."""
    kind = str(series.dtype)
    missing = series.isna().tolist()
    if kind in ("int64", "float64", "bool"):
        values = series.tolist()
    elif kind.startswith("datetime64"):
        values = series.dt.strftime(TIME_FORMAT).tolist()
    elif kind.startswith("timedelta"):
        values = series.dt.total_seconds().tolist()
    else:
        values = [_cut(str(value)) for value in series.tolist()]
    return ["null" if gone else value for value, gone in zip(values, missing, strict=True)]


def _native(value: Any) -> Any:
    """A polars cell: numbers as they are, all else as text."""
    if value is None:
        return "null"
    return value if type(value) in (bool, int, float) else _cut(str(value))


def _cut(text: str) -> str:
    """A text of a column, cut if it is long."""
    return clean(text if len(text) <= WIDTH else f"{text[:WIDTH]}...")
