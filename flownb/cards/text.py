"""A card as text, for terminals and for whoever reads a notebook's file.

Takes plain data; gives lines. Markdown stays as it was written, which was made for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flownb.cards.content import CardContent, Plain, clean
from flownb.cards.default import size_text
from flownb.cards.page import number_text

__all__ = ["card_text"]

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
    """A component that has only one line."""
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
    """Rows with their columns under each other."""
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
