"""How messages about hidden state name cells and names."""

from __future__ import annotations

from collections.abc import Iterable, Sized

from flownb.convert.proposal import Finding, FindingKind, Place
from flownb.errors import Message

__all__ = ["at", "finding", "listed", "numbered", "verb"]


def finding(
    kind: FindingKind, code: str, places: Iterable[Place], what: str, why: str, fix: str, *, harmless: bool = False
) -> Finding:
    """A finding, with its places in order."""
    ordered = sorted(dict.fromkeys(places), key=lambda one: (one.cell, one.line))
    return Finding(kind, code, tuple(ordered), Message(what, why, fix), harmless)


def at(number: int, line: int = 0) -> str:
    """``cell 4, line 2``."""
    return f"cell {number}, line {line}" if line else f"cell {number}"


def numbered(numbers: Iterable[int]) -> str:
    """``cell 4``; ``cells 4, 5 and 7``; a long list ends in its number."""
    found = sorted(set(numbers))
    if len(found) == 1:
        return f"cell {found[0]}"
    if len(found) > 8:
        return f"cells {', '.join(map(str, found[:6]))} and {len(found) - 6} more"
    return f"cells {', '.join(map(str, found[:-1]))} and {found[-1]}"


def listed(names: Iterable[str], most: int = 6) -> str:
    """```a`, `b` and `c```; a long list ends in its number."""
    found = [f"`{name}`" for name in dict.fromkeys(names)]
    if len(found) > most:
        return f"{', '.join(found[: most - 1])} and {len(found) - most + 1} more"
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"


def verb(subject: Sized, one: str, several: str) -> str:
    """The form of a verb, or of another word, that fits how many there are."""
    return one if len(subject) == 1 else several
