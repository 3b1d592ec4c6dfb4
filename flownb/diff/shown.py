"""A value of an artifact as text on one short line, the same in every process."""

from __future__ import annotations

import numbers
import reprlib
from typing import Any

from flownb.cards.default import ADDRESS, describe

__all__ = ["ATOMS", "WIDTH", "pair_texts", "shown"]

# Characters of a value.
WIDTH = 60
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = WIDTH
SHORT.maxlist = SHORT.maxtuple = SHORT.maxdict = SHORT.maxset = 6
# Values without parts.
ATOMS = (str, bytes, bytearray, numbers.Number, type(None))


def shown(value: Any) -> str:
    """A value on one line; no address in memory is part of it."""
    if isinstance(value, numbers.Number):
        text = str(value)
    else:
        try:
            text = SHORT.repr(value)
        except Exception:  # a class of the user's may fail at anything
            text = describe(value)[0]
    text = ADDRESS.sub("", " ".join(text.split()))
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def pair_texts(before: Any, after: Any) -> tuple[str, str]:
    """Two values that differ, with as many digits as show it.

    Examples
    --------
    >>> pair_texts(0.9123456789, 0.93), pair_texts(0.1, 0.1000000001)
    (('0.912346', '0.93'), ('0.1', '0.1000000001'))
    """
    texts = _rounded(before), _rounded(after)
    return texts if texts[0] != texts[1] else (shown(before), shown(after))


def _rounded(value: Any) -> str:
    """A value with at most six digits."""
    is_long = isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral) and len(str(value)) > 8
    return f"{float(value):.6g}" if is_long else shown(value)
