"""The components a step puts into its card: text, tables and pictures.

Names, parameters, defaults and what may be updated are those of Metaflow's components
(``metaflow/plugins/cards/card_modules/components.py``, 2.19.39). A component is rendered to plain data when the step
ends or asks for a refresh. If it cannot be drawn, or its data does not have the shape that `flownb.cards.content`
describes, the card shows an error line; no error is raised.

A data frame's columns are written as Metaflow writes them
(``metaflow/plugins/cards/card_modules/convert_to_native_type.py``, 2.19.39, `_parse_pandas_column`), with three
differences: the frame itself is not changed, a missing value is ``null`` in columns of any type, and only strings that
were cut end in dots. A picture may be bytes, a data URL, or an object of matplotlib or PIL. Nothing is ever fetched,
and a picture is only drawn in an ``<img>``, where an SVG cannot run scripts.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import sys
import textwrap
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from flownb.cards.content import Plain, clean, failure, flaw

__all__ = [
    "CardComponent",
    "Image",
    "Markdown",
    "Picture",
    "Table",
    "Warned",
    "frame_cells",
    "frame_kind",
    "from_bytes",
    "from_figure",
    "from_pil",
    "from_url",
    "is_component",
    "is_figure",
    "render",
]

# As many rows as pandas' `head` returns, which is what Metaflow shows.
ROWS = 5
# Longer texts in a column are cut.
WIDTH = 30
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%Z"


def frame_kind(value: Any) -> str | None:
    """The library of a data frame, ``"pandas"`` or ``"polars"``; None for any other value."""
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
        Whether to return the first five rows only.

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
    """A pandas index as cells; the levels of a MultiIndex share a cell."""
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


# MIME type and bytes.
Picture = tuple[str, bytes]

DATA_URL = re.compile(r"\s*data:(image/[a-z0-9.+-]{1,40})((?:;[^,;]{0,60})*),(.*)\Z", re.DOTALL | re.IGNORECASE)
NO_SOURCE = "Image: the source is neither bytes of a picture nor a data URL."


def from_bytes(content: Any) -> Picture | Plain:
    """A PNG, JPEG, GIF or WebP."""
    if type(content) is not bytes:
        return failure(NO_SOURCE, f"It is of type {type(content).__qualname__}.")
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png", content
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg", content
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif", content
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp", content
    return failure("Image: the bytes are no picture.", "PNG, JPEG, GIF and WebP can be shown.")


def from_url(text: str) -> Picture | Plain:
    """A ``data:image/…`` URL."""
    found = DATA_URL.match(text)
    if found is None:
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        return failure(NO_SOURCE, f"It is the text `{clean(shown)}`. A card loads nothing from outside.")
    kind, options, rest = found.groups()
    content = unquote_to_bytes(rest)
    if ";base64" in options.lower():
        try:
            content = base64.b64decode(content, validate=False)
        except binascii.Error as error:
            return failure("Image: the data URL cannot be decoded.", f"{error}.")
    return kind.lower(), content


def is_figure(value: Any) -> bool:
    """Whether a value is a matplotlib figure."""
    return any(base.__module__ == "matplotlib.figure" and base.__name__ == "Figure" for base in type(value).__mro__)


def from_figure(plot: Any) -> Picture | Plain:
    """A matplotlib figure, or the figure of axes; the figure is closed afterwards, as in Metaflow.

    The same figure always has the same bytes: the version of matplotlib is not written into them.
    """
    figure = plot
    if not is_figure(plot):
        if getattr(plot, "get_figure", None) is None:
            return failure("Image: no matplotlib figure or axes.", f"It is of type {type(plot).__qualname__}.")
        figure = plot.get_figure()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)
    return "image/png", buffer.getvalue()


def from_pil(image: Any) -> Picture | Plain:
    """A PIL image."""
    if not any(base.__module__ == "PIL.Image" and base.__name__ == "Image" for base in type(image).__mro__):
        return failure("Image: no PIL image.", f"It is of type {type(image).__qualname__}.")
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return "image/png", buffer.getvalue()


Warned = Callable[[str], None]
NATIVE = (str, bool, int, float, type(None))


class CardComponent:
    """What can be appended to a card.

    Attributes
    ----------
    component_id : str or None
        Its id in the card, given when it is appended.
    """

    REALTIME_UPDATABLE = False
    component_id: str | None = None
    _warn: Warned | None = None
    _warned = False

    def render(self) -> Plain:
        """Its plain data."""
        raise NotImplementedError

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Change what it shows; a component that cannot be changed warns once."""
        self._say(f"{type(self).__name__} cannot be updated: append another one, or clear the card first.")

    def _say(self, message: str) -> None:
        """Warn, once for each component, if it is part of a card."""
        if self._warn is not None and not self._warned:
            self._warned = True
            self._warn(message)


class Markdown(CardComponent):
    """A text in Markdown.

    Parameters
    ----------
    text : str, optional
        CommonMark with tables; indentation that all its lines have is removed. HTML in it is shown as text.
    """

    REALTIME_UPDATABLE = True

    def __init__(self, text: str | None = None) -> None:
        self.update(text)

    def update(self, text: str | None = None) -> None:
        """Replace the text."""
        self._text = textwrap.dedent(text) if text is not None else ""

    def render(self) -> Plain:
        """Its plain data: ``source``."""
        return {"type": "markdown", "source": clean(self._text)}


class Table(CardComponent):
    """A table.

    Parameters
    ----------
    data : list of list, optional
        Rows of cells: strings, numbers, or other components. Anything but a list of lists is ignored, as in Metaflow.
    headers : list of str, optional
        The row above.
    disable_updates : bool, default False
        Kept for Metaflow; a table itself cannot be updated, the components in it can.
    """

    REALTIME_UPDATABLE = True

    def __init__(
        self,
        data: list[list[Any]] | None = None,
        headers: list[str] | None = None,
        disable_updates: bool = False,
    ) -> None:
        rows = isinstance(data, list) and bool(data) and isinstance(data[0], list)
        self._data: list[list[Any]] = data if rows and data is not None else [[]]
        self._headers: list[Any] = headers if isinstance(headers, list) else []
        self._left_out = ""
        if disable_updates:
            self.REALTIME_UPDATABLE = False

    @classmethod
    def from_dataframe(cls, dataframe: Any = None, truncate: bool = True) -> Table:
        """Make a table of a data frame.

        Parameters
        ----------
        dataframe : pandas.DataFrame or polars.DataFrame
            Metaflow draws pandas frames only; with another it shows a line that says so.
        truncate : bool, default True
            Show the first five rows only.
        """
        kind = frame_kind(dataframe)
        if kind is None:
            name = f"{type(dataframe).__module__}.{type(dataframe).__qualname__}".removeprefix("builtins.")
            return cls(headers=[f"Object type {name} not supported"], disable_updates=True)
        try:
            headers, rows, left_out = frame_cells(dataframe, truncate=truncate)
        except Exception as error:  # of a type of column that is not foreseen
            table = cls(disable_updates=True)
            table._failed = failure("Table: the data frame cannot be drawn.", _error_text(error))
            return table
        table = cls(rows, headers, disable_updates=True)
        table._left_out = left_out
        table._polars = kind == "polars"
        return table

    _polars = False
    _failed: Plain | None = None

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Warn that only the components in a table can be updated."""
        self._say("A Table cannot be updated: keep the components in its cells and update these.")

    def render(self) -> Plain:
        """Its plain data: ``headers``, ``rows``, ``left_out``."""
        if self._polars:
            self._say("Metaflow draws pandas frames only: give Table.from_dataframe a frame.to_pandas().")
        if self._failed is not None:
            return self._failed
        rows = [[self._cell(value) for value in row] for row in self._data]
        headers = [clean(header) for header in self._headers]
        return {"type": "table", "headers": headers, "rows": rows, "left_out": self._left_out}

    def _cell(self, value: Any) -> Any:
        """A cell's plain data; a value that Metaflow cannot show is ``<object>`` there and here."""
        if is_component(value):
            return render(value)
        if type(value) is str:
            return clean(value)
        if type(value) in NATIVE:
            return value
        if type(value) in (dict, list, tuple):
            return clean(json.dumps(value, ensure_ascii=False, default=lambda _: "<object>"))
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        self._say(f"A table cell of type {name} is shown as <object>, as in Metaflow: give str() or float() of it.")
        return "<object>"


class Image(CardComponent):
    """A picture, which becomes part of the card.

    Parameters
    ----------
    src : bytes or str, optional
        A PNG, JPEG, GIF or WebP, or a ``data:image/…`` URL.
    label : str, optional
        The line below.
    disable_updates : bool, default True
        Whether `update` only warns.
    """

    REALTIME_UPDATABLE = True

    def __init__(self, src: bytes | str | None = None, label: str | None = None, disable_updates: bool = True) -> None:
        if disable_updates:
            self.REALTIME_UPDATABLE = False
        self._label = label
        self._picture: Picture | Plain = _read_safely(from_url if isinstance(src, str) else from_bytes, src)

    @classmethod
    def from_matplotlib(cls, plot: Any, label: str | None = None, disable_updates: bool = False) -> Image:
        """Make an image of a matplotlib figure, or of the figure of axes; the figure is closed."""
        return cls._of(from_figure, plot, label, disable_updates)

    @classmethod
    def from_pil_image(cls, pilimage: Any, label: str | None = None, disable_updates: bool = False) -> Image:
        """Make an image of a PIL image."""
        return cls._of(from_pil, pilimage, label, disable_updates)

    @classmethod
    def _of(cls, read: Callable[[Any], Picture | Plain], value: Any, label: str | None, disable: bool) -> Image:
        image = cls(None, label, disable)
        image._picture = _read_safely(read, value)
        return image

    def update(self, image: Any, label: str | None = None) -> None:
        """Show another picture: bytes, a data URL, a PIL image or a matplotlib figure."""
        if not self.REALTIME_UPDATABLE:
            self._say("This Image was made with disable_updates=True, so it cannot be updated.")
            return
        if label is not None:
            self._label = label
        if isinstance(image, str):
            self._picture = _read_safely(from_url, image)
        elif type(image).__module__.startswith("PIL"):
            self._picture = _read_safely(from_pil, image)
        elif is_figure(image):
            self._picture = _read_safely(from_figure, image)
        else:
            self._picture = from_bytes(image)

    def render(self) -> Plain:
        """Its plain data: ``mime``, ``content`` (bytes) and ``label``, or those of an error."""
        if isinstance(self._picture, dict):
            return self._picture
        kind, content = self._picture
        label = clean(self._label) if self._label is not None else ""
        return {"type": "image", "mime": kind, "content": content, "label": label}


def _read_safely(read: Callable[[Any], Picture | Plain], value: Any) -> Picture | Plain:
    """Read a picture; if that fails, the card shows why."""
    try:
        return read(value)
    except Exception as error:
        return failure("Image: it cannot be drawn.", _error_text(error))


def is_component(value: Any) -> bool:
    """Whether a value can be part of a card: a component of flownb's or of Metaflow's."""
    return isinstance(value, CardComponent) or any(
        base.__name__ == "MetaflowCardComponent" and base.__module__.startswith("metaflow.")
        for base in type(value).__mro__
    )


def render(component: Any) -> Plain:
    """A component's plain data; a component of Metaflow's, or one that cannot be drawn, becomes a line that says so."""
    name = type(component).__name__
    if not isinstance(component, CardComponent):
        return {"type": "note", "text": f"{name}: this component is drawn by Metaflow only."}
    try:
        plain = component.render()
        bad = flaw(plain)
        detail = f"What render() gave is no component: {bad}." if bad else ""
    except (Exception, SystemExit) as error:  # a class of the user's own may raise anything
        detail = _error_text(error)
    if not detail:
        return plain
    component._say(f"{name} cannot be drawn, so the card says this in its place: {detail}")
    return failure(f"{name}: it cannot be drawn.", detail)


def _error_text(error: BaseException) -> str:
    """An error's type and text."""
    return f"{type(error).__name__}: {clean(error)}"
