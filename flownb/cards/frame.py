"""A card inside a notebook: a MIME bundle with a sandboxed frame.

Takes plain data; gives ``text/html`` and ``text/plain``, both the same each time for the same card.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from flownb.cards.content import CardContent
from flownb.cards.page import card_page
from flownb.cards.text import card_text

__all__ = ["card_bundle"]

# The page runs no script; `allow-same-origin` lets the notebook's page measure it, the others let links open a tab.
SANDBOX = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
# Runs in the notebook's page, not in the card: the frame gets the height of its page, again when its width changes.
FIT = (
    "var f=this,w=-1,r=function(){var d=f.contentDocument,b=d&&d.body;if(!b||w===f.clientWidth)return;w=f.clientWidth;"
    "var h=Math.ceil(b.getBoundingClientRect().height);if(h>0)f.style.height=h+'px'};r();"
    "if(window.ResizeObserver)new ResizeObserver(r).observe(f)"
)
# What is left where a notebook is not trusted and JupyterLab takes the frame away.
UNTRUSTED = "A card is shown in a trusted notebook only: run the cell again, or trust the notebook."
# Pixels, for the estimate before the page is measured.
LINE, CHARACTERS, ROW, LIMIT = 25, 95, 32, 20_000


def card_bundle(cards: Sequence[CardContent], *, heading: str = "", note: str = "") -> dict[str, str]:
    """``text/html`` and ``text/plain`` of one or more cards; parameters as for `flownb.cards.page.card_page`."""
    page = card_page(cards, heading=heading, note=note)
    height = min(40 + (30 if heading or note else 0) + sum(_height(card) for card in cards), LIMIT)
    title = html.escape(heading or "Card", quote=True)
    frame = (
        f'<iframe sandbox="{SANDBOX}" title="{title}" srcdoc="{html.escape(page, quote=True)}" '
        f'onload="{html.escape(FIT, quote=True)}" '
        f'style="display:block;width:100%;height:{height}px;border:0;color-scheme:light dark">{UNTRUSTED}</iframe>'
    )
    return {"text/html": frame, "text/plain": card_text(cards, heading=heading, note=note)}


def _height(card: CardContent) -> int:
    """About how high a card is, in pixels."""
    return (50 if card.title else 0) + sum(_part_height(part) for part in card.parts)


def _part_height(part: Any) -> int:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "markdown":
        lines = str(part.get("source", "")).split("\n")
        return 18 + LINE * sum(math.ceil(len(line) / CHARACTERS) for line in lines if line.strip())
    if kind in ("table", "facts"):
        rows = part.get("rows", ())
        cells = [cell for row in rows if kind == "table" for cell in row if isinstance(cell, dict)]
        return 70 + ROW * len(rows) + sum(min(_part_height(cell), 230) for cell in cells)
    if kind == "image":
        return 60 + _picture_height(part.get("content", b""))
    return 60


def _picture_height(content: Any) -> int:
    """A PNG's height as it says itself, at most as it is wide on a page; others are guessed."""
    if isinstance(content, bytes) and content.startswith(b"\x89PNG") and len(content) > 24:
        width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
        return round(height * min(1.0, 900 / max(width, 1)))
    return 360
