"""How wide text is in a font that is not known yet, and where to cut it.

Widths are in pixels, and hold for the usual system fonts.
"""

from __future__ import annotations

__all__ = ["code_spans", "fit", "fit_spans", "text_width"]

_GROUPS = {
    "iljI.,:;'|!`": 0.30,
    "ft()[]/\\ r-": 0.38,
    'csvxyzkJ"*': 0.54,
    "mwM": 0.90,
    "W%@": 0.98,
    "ABCDEGHKNOPQRSTUVXYZ&": 0.70,
    "+=<>~_#$": 0.62,
    "·": 0.32,
}
_ADVANCE = {char: width for chars, width in _GROUPS.items() for char in chars}
_OTHER_NARROW = 0.60
_OTHER_WIDE = 1.05
_MONO = 0.61


def text_width(text: str, size: float, *, mono: bool = False) -> float:
    """Estimate a line's width.

    Parameters
    ----------
    text
        One line.
    size
        Font size in pixels.
    mono
        Whether it is set in the monospace font.

    Returns
    -------
    float
        Pixels, on the generous side: between those of Helvetica and of DejaVu Sans.
    """
    if mono:
        return size * sum(_OTHER_WIDE if ord(char) > 0x2E7F else _MONO for char in text)
    total = 0.0
    for char in text:
        width = _ADVANCE.get(char)
        if width is None:
            width = _OTHER_WIDE if ord(char) > 0x2E7F else _OTHER_NARROW
        total += width
    return size * total


def code_spans(text: str) -> tuple[tuple[str, bool], ...]:
    """Split text at its backticks.

    Parameters
    ----------
    text
        Text such as ``"`clean` changed"``.

    Returns
    -------
    tuple of (str, bool)
        The non-empty pieces without backticks, and whether each is code. A backtick without its
        partner stays as it is.
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:
        last = parts.pop()
        parts[-1] += "`" + last
    return tuple((part, index % 2 == 1) for index, part in enumerate(parts) if part)


def fit_spans(
    spans: tuple[tuple[str, bool], ...], size: float, limit: float
) -> tuple[tuple[tuple[str, bool], ...], float]:
    """Cut pieces of text so that together they fit.

    Parameters
    ----------
    spans
        Pieces as `code_spans` gives them.
    size
        Font size in pixels.
    limit
        The pixels that are available.

    Returns
    -------
    tuple
        The pieces, the last of them ending in an ellipsis if something was cut, and their width in
        pixels.
    """
    width = sum(text_width(text, size, mono=mono) for text, mono in spans)
    if width <= limit:
        return spans, width
    room = limit - text_width("…", size)
    kept: list[tuple[str, bool]] = []
    used = 0.0
    for text, mono in spans:
        end = 0
        while end < len(text):
            step = text_width(text[end], size, mono=mono)
            if used + step > room:
                break
            used += step
            end += 1
        if end < len(text):
            kept.append((text[:end].rstrip() + "…", mono))
            break
        kept.append((text, mono))
    return tuple(kept), limit


def fit(text: str, size: float, limit: float) -> tuple[str, float]:
    """Cut one line so that it fits.

    Parameters
    ----------
    text
        One line.
    size
        Font size in pixels.
    limit
        The pixels that are available.

    Returns
    -------
    tuple of (str, float)
        The text, ending in an ellipsis if it was cut, and its width in pixels.
    """
    spans, width = fit_spans(((text, False),), size, limit)
    return "".join(piece for piece, _ in spans), width
