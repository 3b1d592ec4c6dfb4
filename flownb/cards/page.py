"""One self-contained HTML page of cards.

Takes plain data; gives a page without scripts and without anything from outside, in light and dark, for screen and
paper. Every text is escaped here, at the one place where it becomes HTML; a policy in the page forbids the browser
whatever should get past that.
"""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from flownb.cards.content import CardContent, Plain, clean
from flownb.cards.default import size_text
from flownb.cards.markdown import markdown_html
from flownb.cards.style import STYLE

__all__ = ["card_page", "number_text"]

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
MIME = re.compile(r"image/[a-z0-9.+-]+\Z")


def card_page(cards: Sequence[CardContent], *, heading: str = "", note: str = "") -> str:
    """The page of one or more cards.

    Parameters
    ----------
    cards : sequence of CardContent
    heading : str, optional
        Whose card it is, in small letters above.
    note : str, optional
        What should be known of it, beside the heading, such as ``spin, not recorded``.

    Returns
    -------
    str
        A whole document; the same cards give the same text.
    """
    body = "".join(_card(card, several=len(cards) > 1) for card in cards)
    top = ""
    if heading or note:
        mark = f'<span class="mark">{_escape(note)}</span>' if note else ""
        top = f'<header><span class="of">{_escape(heading)}</span>{mark}</header>'
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{_escape(heading or 'Card')}</title><style>{STYLE}</style></head>"
        f"<body>{top}{body}</body></html>"
    )


def _card(card: CardContent, *, several: bool) -> str:
    """One card of a page."""
    name = f'<p class="id">{_escape(card.id or card.type)}</p>' if several else ""
    title = f"<h1>{_escape(card.title)}</h1>" if card.title else ""
    parts = "".join(_part(part) for part in card.parts)
    empty = "" if parts or title else '<p class="note">Nothing was appended to this card.</p>'
    return f"<article>{name}{title}{parts}{empty}</article>"


def _part(part: Any) -> str:
    """A component as HTML; one of a type this version does not know is said to be so."""
    kind = str(part.get("type", "")) if isinstance(part, dict) else ""
    draw = PARTS.get(kind)
    if draw is None:
        return f'<p class="note">{_escape(kind or "This component")}: not known to this version of flownb.</p>'
    return draw(part)


def _markdown(part: Plain) -> str:
    return f'<section class="markdown">{markdown_html(str(part.get("source", "")))}</section>'


def _table(part: Plain) -> str:
    headers = [_escape(header) for header in part.get("headers", ())]
    rows = [list(row) for row in part.get("rows", ())]
    width = max([len(headers), *(len(row) for row in rows)], default=0)
    if not width:
        return ""
    right = [_is_numeric(row[place] for row in rows if place < len(row)) for place in range(width)]
    marks = [' class="n"' if number else "" for number in right]
    head = "".join(f'<th scope="col"{mark}>{cell}</th>' for cell, mark in zip(headers, marks, strict=False))
    lines = ["".join(f"<td{mark}>{_cell(cell)}</td>" for cell, mark in zip(row, marks, strict=False)) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines if line)
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    left_out = _escape(part.get("left_out", ""))
    below = f"<figcaption>{left_out}</figcaption>" if left_out else ""
    return f'<figure class="table"><div class="wide"><table>{top}<tbody>{body}</tbody></table></div>{below}</figure>'


def _cell(value: Any) -> str:
    """What a cell shows: a text, a number, or a component."""
    if isinstance(value, dict):
        return _part(value)
    if isinstance(value, float):
        short = number_text(value)
        return _escape(short) if short == repr(value) else f'<span title="{value!r}">{_escape(short)}</span>'
    return _escape("" if value is None else value)


def _is_numeric(values: Any) -> bool:
    """Whether a column is one of numbers, as far as it has values."""
    found = [value for value in values if value not in (None, "", "null")]
    return bool(found) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in found)


def number_text(value: float) -> str:
    """A number short enough for a table.

    Examples
    --------
    >>> number_text(0.1 + 0.2), number_text(2.5), number_text(1e-9 / 3)
    ('0.3', '2.5', '3.33333e-10')
    """
    text = repr(value)
    if len(text) <= 9 or not math.isfinite(value):
        return text
    if 1e-3 <= abs(value) < 1e12:
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return f"{value:.6g}"


def _image(part: Plain) -> str:
    mime, content = str(part.get("mime", "")), part.get("content", b"")
    if not MIME.match(mime) or not isinstance(content, bytes):
        return _error({"headline": "Image: it cannot be drawn."})
    label = _escape(part.get("label", ""))
    source = f"data:{mime};base64,{base64.b64encode(content).decode()}"
    below = f"<figcaption>{label}</figcaption>" if label else ""
    return f'<figure><img src="{source}" alt="{label}">{below}</figure>'


def _facts(part: Plain) -> str:
    rows = "".join(
        f'<tr><th scope="row"><code>{_escape(row["name"])}</code></th><td class="kind">{_escape(row["kind"])}</td>'
        f'<td class="n">{_escape(size_text(row["size"]))}</td><td class="preview">{_escape(row["preview"])}</td></tr>'
        for row in part.get("rows", ())
    )
    return (
        f'<section class="facts"><h2>{_escape(part.get("title", ""))}</h2>'
        f'<div class="wide"><table><tbody>{rows}</tbody></table></div></section>'
    )


def _error(part: Plain) -> str:
    detail = _escape(part.get("detail", ""))
    below = f"<span>{detail}</span>" if detail else ""
    return f'<p class="error" role="note"><strong>{_escape(part.get("headline", ""))}</strong>{below}</p>'


def _note(part: Plain) -> str:
    return f'<p class="note">{_escape(part.get("text", ""))}</p>'


def _escape(text: object) -> str:
    """A text as it may stand in an element or a quoted attribute."""
    return html.escape(clean(text), quote=True)


PARTS: dict[str, Callable[[Plain], str]] = {
    "markdown": _markdown,
    "table": _table,
    "image": _image,
    "facts": _facts,
    "error": _error,
    "note": _note,
}
