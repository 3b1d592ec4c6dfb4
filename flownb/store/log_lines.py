"""One line of a log: a piece of what an attempt showed, as JSON.

Takes and gives fields; ``t`` is the time in seconds since the epoch, ``k`` the kind. A line can be read with any tool.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from flownb.store.validation import is_moment

__all__ = ["from_line", "to_line"]


def to_line(fields: Mapping[str, Any]) -> bytes:
    """A line with its end; half a character that a program wrote stays half a character.

    Raises
    ------
    ValueError, TypeError, RecursionError
        If a value holds itself, or has keys that are no texts.
    """
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def from_line(line: bytes) -> dict[str, Any] | None:
    """A line's fields, None for one that is damaged or empty."""
    try:
        fields = json.loads(line.decode("utf-8", "surrogatepass"))
        return fields if isinstance(fields["k"], str) and is_moment(fields["t"]) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _plain(value: object) -> Any:
    """What JSON cannot hold: bytes of an image in base64, as Jupyter sends them; else a text."""
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    item: Callable[[], Any] | None = getattr(value, "item", None)  # a number of NumPy's
    return item() if item is not None and getattr(value, "shape", None) == () else str(value)
