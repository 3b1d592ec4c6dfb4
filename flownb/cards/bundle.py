"""A card as the output of a notebook's cell: ``text/html`` in a sandboxed frame, and ``text/plain``.

The same card always has the same output. The text is also what terminals show; Markdown stays in it as it was written.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from flownb.cards.content import CardContent, Plain, clean
from flownb.cards.default import size_text
from flownb.cards.page import card_page, number_text

__all__ = ["card_bundle", "card_text"]


# Cells are cut at this many characters.
WIDTH = 40


def card_text(cards: Sequence[CardContent], *, heading: str = "", note: str = "") -> str:
    """One or more cards as text.

    Parameters
    ----------
    cards : sequence of CardContent
    heading, note : str, optional
        As for `flownb.cards.page.card_page`.
    """
    first = f"{heading} ({note})" if note else heading
    blocks = [first] if first else []
    for card in cards:
        if len(cards) > 1:
            blocks.append(f"── {card.id or card.type}")
        if card.title:
            blocks.append(card.title)
        found = [block for part in card.parts if (block := "\n".join(_part(part)))]
        blocks += found or ([] if card.title else ["(nothing was appended to this card)"])
    return clean("\n\n".join(blocks))


def _part(part: Any) -> list[str]:
    """A component's lines."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "markdown":
        return str(part.get("source", "")).strip("\n").rstrip().split("\n") if part.get("source") else []
    if kind == "table":
        return _table(part)
    if kind == "facts":
        rows = [[row["name"], row["kind"], size_text(row["size"]), row["preview"]] for row in part.get("rows", ())]
        return [str(part.get("title", "")), *_aligned(rows, right={2}, cut=False, indent="  ")]
    return [_line(part) if isinstance(part, dict) else ""]


def _line(part: Plain) -> str:
    """A component that is shown in one line."""
    kind = part.get("type")
    if kind == "image":
        label = f": {part['label']}" if part.get("label") else ""
        return f"[image{label}]"
    if kind == "error":
        return f"! {part.get('headline', '')} {part.get('detail', '')}".rstrip()
    if kind == "note":
        return str(part.get("text", ""))
    return f"({kind}: not known to this version of flownb)"


def _table(part: Plain) -> list[str]:
    headers = [str(header) for header in part.get("headers", ())]
    rows = [[_cell(cell) for cell in row] for row in part.get("rows", ())]
    numbers = {
        place
        for place in range(max((len(row) for row in rows), default=0))
        if all(
            isinstance(row[place], int | float) and not isinstance(row[place], bool)
            for row in part["rows"]
            if place < len(row) and row[place] not in (None, "null")
        )
    }
    shown = [*([headers] if headers else []), *(row for row in rows if row)]
    lines = _aligned(shown, right=numbers, cut=True, indent="")
    if headers and lines:
        lines.insert(1, "─" * max(len(line) for line in lines))
    return [*lines, *([part["left_out"]] if part.get("left_out") else [])]


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(_part(value))
    if isinstance(value, float):
        return number_text(value)
    return "" if value is None else " ".join(str(value).split())


def _aligned(rows: list[list[str]], *, right: set[int], cut: bool, indent: str) -> list[str]:
    """Rows as lines of text, with aligned columns."""
    if cut:
        rows = [[cell if len(cell) <= WIDTH else f"{cell[: WIDTH - 1]}…" for cell in row] for row in rows]
    widths: dict[int, int] = {}
    for row in rows:
        for place, cell in enumerate(row):
            widths[place] = max(widths.get(place, 0), len(cell))
    return [
        indent
        + "  ".join(
            cell.rjust(widths[place]) if place in right else cell.ljust(widths[place]) for place, cell in enumerate(row)
        ).rstrip()
        for row in rows
    ]


# The page runs no script; `allow-same-origin` lets the notebook's page measure it, the others let links open a tab.
SANDBOX = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
# Runs in the notebook's page, not in the card: the frame gets the height of its page, again when its width changes.
FIT = (
    "var f=this,w=-1,r=function(){var d=f.contentDocument,b=d&&d.body;if(!b||w===f.clientWidth)return;w=f.clientWidth;"
    "var h=Math.ceil(b.getBoundingClientRect().height);if(h>0)f.style.height=h+'px'};r();"
    "if(window.ResizeObserver)new ResizeObserver(r).observe(f)"
)
# What is shown instead of the frame where a notebook is not trusted.
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
    """The approximate height of a card, in pixels."""
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
    """A PNG's height on a page, from its own header; the height of other formats is guessed."""
    if isinstance(content, bytes) and content.startswith(b"\x89PNG") and len(content) > 24:
        width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
        return round(height * min(1.0, 900 / max(width, 1)))
    return 360
