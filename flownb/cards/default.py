"""What the default card shows below the appended components: the flow's parameters and the step's artifacts.

The texts are the same in every run of the same code: they have no addresses, no times and no order that depends on
hashing, so a notebook's saved output changes only when a result does.
"""

from __future__ import annotations

import dataclasses
import re
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

from flownb.cards.content import Plain, clean

__all__ = ["Fact", "default_sections", "describe", "fact", "size_text"]

ADDRESS = re.compile(r"(?: at)? 0x[0-9a-fA-F]{4,}")
WIDTH = 120
# A repr longer than this is not searched for addresses.
SEARCHED = 10_000

Fact = dict[str, Any]
"""One row: ``name``, ``kind``, ``size`` (bytes as stored, None if it was not) and ``preview``."""


def default_sections(parameters: Iterable[Fact], here: Iterable[Fact], inherited: Iterable[Fact]) -> tuple[Plain, ...]:
    """The sections of the default card, without those that are empty.

    Parameters
    ----------
    parameters : iterable of Fact
        The flow's parameters and constants.
    here : iterable of Fact
        Artifacts the step set or changed.
    inherited : iterable of Fact
        Artifacts it has from its parents.
    """
    groups = (("Artifacts", here), ("Inherited", inherited), ("Parameters", parameters))
    found = [(title, list(facts)) for title, facts in groups]
    sections = tuple({"type": "facts", "title": title, "rows": rows} for title, rows in found if rows)
    return sections or ({"type": "note", "text": "This step has no artifacts."},)


def fact(name: str, value: Any, size: int | None = None) -> Fact:
    """The row of a value in memory."""
    kind, preview = describe(value)
    return {"name": name, "kind": kind, "size": size, "preview": preview}


def describe(value: Any) -> tuple[str, str]:
    """A value's type with its shape or length, and a short preview on one line.

    Examples
    --------
    >>> describe([1, 2, 3])
    ('list of 3', '[1, 2, 3]')
    """
    try:
        return _kind(value), _preview(value)
    except Exception:  # a class of the user's may fail at anything
        return type(value).__qualname__, ""


def size_text(size: int | None) -> str:
    """A number of bytes for people.

    Examples
    --------
    >>> size_text(1536)
    '1.5 kB'
    """
    if size is None:
        return ""
    amount, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{size} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def _kind(value: Any) -> str:
    name = type(value).__qualname__
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape and all(isinstance(side, int) for side in shape):
        return f"{name} {'×'.join(map(str, shape))}"
    if isinstance(value, Mapping | list | tuple | set | frozenset) and not hasattr(value, "_fields"):
        return f"{name} of {len(value)}"
    return name


def _preview(value: Any) -> str:
    columns = getattr(value, "columns", None)
    dtypes = getattr(value, "dtypes", None)
    shape = getattr(value, "shape", ())
    if columns is not None and dtypes is not None:  # pandas and polars frames
        text = ", ".join(f"{name}: {kind}" for name, kind in list(zip(columns, list(dtypes), strict=False))[:20])
    elif isinstance(shape, tuple) and shape and hasattr(value, "dtype"):  # arrays, series, tensors
        first = value.ravel()[:6] if hasattr(value, "ravel") and len(shape) > 1 else value[:6]
        more = ", …" if sum(1 for _ in first) < _count(shape) else ""
        text = f"{value.dtype}: {', '.join(SHORT.repr(_item(one)) for one in first)}{more}"
    else:
        text = SHORT.repr(value)
    text = " ".join(clean(ADDRESS.sub("", text)).split())
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total


def _item(value: Any) -> Any:
    """A scalar of an array as Python's own."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "shape", ()) == () else value


class _Short(reprlib.Repr):
    """Short texts of values, in an order that does not depend on hashing."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = self.maxarray = 8
        self.maxdict = 6
        self.maxlevel = 3
        self.maxstring = self.maxother = WIDTH - 2
        self.maxlong = 40

    def repr_set(self, x: Any, level: int) -> str:
        """A set, in the order of its items' texts."""
        return f"{{{self._sorted(x, level)}}}" if x else "set()"

    def repr_frozenset(self, x: Any, level: int) -> str:
        """A frozen set, in the order of its items' texts."""
        return f"frozenset({{{self._sorted(x, level)}}})" if x else "frozenset()"

    def _sorted(self, items: Any, level: int) -> str:
        if level <= 0:
            return "..."
        texts = sorted(self.repr1(item, level - 1) for item in items)
        return ", ".join([*texts[:8], *(["..."] if len(texts) > 8 else [])])

    def repr_instance(self, x: Any, level: int) -> str:
        """Any other object: a data class by its fields, all else as it shows itself, without addresses."""
        if dataclasses.is_dataclass(x) and "__repr__" in vars(type(x)) and level > 0:
            shown = [field.name for field in dataclasses.fields(x) if field.repr][:8]
            inner = ", ".join(f"{name}={self.repr1(getattr(x, name), level - 1)}" for name in shown)
            return f"{type(x).__qualname__}({inner})"
        if frame_like(x):
            return _kind(x)
        text = repr(x)
        text = ADDRESS.sub("", text[:SEARCHED])
        return text if len(text) <= self.maxother else f"{text[: self.maxother - 1]}…"


def frame_like(value: Any) -> bool:
    """Whether a value is an array or a frame, of which the shape is shown when it is inside another value."""
    return hasattr(value, "shape") and bool(value.shape)


SHORT = _Short()
