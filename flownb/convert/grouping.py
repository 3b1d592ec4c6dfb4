"""Which cells become one step.

A step begins at a tag that names one, else at a heading of the highest level that gives at least three steps, else
where few names are needed from above. What has to be in one step, because no artifact carries it, is never cut. Without
headings there are about as many steps as the square root of twice the number of cells: the cuts with the fewest names
are chosen one after the other, each side keeps at least two statements, and a cut before code of another kind (reading
files, fitting, writing files) counts as if it needed two names fewer.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from flownb.convert.known import SAVING
from flownb.convert.pieces import Piece
from flownb.convert.together import Join, Ordered

__all__ = ["Group", "group_cells", "headings_of", "prevented_cuts"]

HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*$")
SETEXT = re.compile(r"^ {0,3}(=+|-+)[ \t]*$")
NAMING_TAG = re.compile(r"(?:step|block):(.+)")
FEWEST, MOST = 3, 15


@dataclass
class Group:
    """The pieces of one step, and the heading or tag that it has its name from."""

    pieces: list[Piece]
    first: int
    last: int
    title: str = ""


@dataclass(frozen=True)
class Heading:
    """A heading of a markdown cell: the position of the cell among all cells, its level and its text."""

    position: int
    level: int
    text: str


def headings_of(document: dict[str, Any]) -> list[Heading]:
    """The headings of a notebook, in order; text in code blocks is not a heading."""
    found: list[Heading] = []
    for position, cell in enumerate(document["cells"]):
        if cell.get("cell_type") != "markdown":
            continue
        fenced, before = False, ""
        for line in cell["source"].split("\n"):
            if line.lstrip().startswith(("```", "~~~")):
                fenced = not fenced
            elif not fenced:
                if match := HEADING.match(line):
                    found.append(Heading(position, len(match[1]), match[2]))
                elif (
                    before.strip()
                    and (match := SETEXT.match(line))
                    and not before.lstrip().startswith(("|", "-", "*", ">"))
                ):
                    found.append(Heading(position, 1 if match[1][0] == "=" else 2, before.strip()))
            before = line
    return found


def group_cells(ordered: Ordered, document: dict[str, Any], live: Sequence[frozenset[str]]) -> list[Group]:
    """Put pieces into steps.

    Parameters
    ----------
    ordered : Ordered
    document : dict
        The notebook, for its headings.
    live : sequence of frozenset of str
        For each place between two pieces the names that are needed across it: ``live[i]`` before piece ``i``.

    Returns
    -------
    list of Group
    """
    pieces, cells = ordered.pieces, ordered.cells
    if not pieces:
        return []
    begins = [place for place in range(len(pieces)) if not place or cells[place] != cells[place - 1]]
    titles: dict[int, str] = {}
    cuts = _cuts(ordered, document, live, begins, titles)
    edges = [0, *sorted(cuts - {0}), len(pieces)]
    groups: list[Group] = []
    for first, last in pairwise(edges):
        title = next((titles[place] for place in range(first, last) if titles.get(place)), "")
        groups.append(Group(pieces[first:last], first, last - 1, title))
    return groups


def _cuts(
    ordered: Ordered,
    document: dict[str, Any],
    live: Sequence[frozenset[str]],
    begins: list[int],
    titles: dict[int, str],
) -> set[int]:
    """The places before which steps begin; fills the titles of those that have one."""
    free = _free_places(ordered)
    cuts = _cuts_at_tags(ordered, begins, titles)
    if cuts is None:
        cuts = _cuts_at_headings(ordered, begins, headings_of(document), titles)
    cuts = {place for place in cuts if place in free} if cuts is not None else None
    return cuts or _cuts_by_names(ordered.pieces, [place for place in begins if place in free], live)


def prevented_cuts(
    ordered: Ordered, document: dict[str, Any], live: Sequence[frozenset[str]], groups: Sequence[Group]
) -> list[Join]:
    """What keeps code in one step that would be several without it, the widest first.

    Parameters
    ----------
    ordered, document, live
        As for `group_cells`.
    groups : sequence of Group
        What it returned.
    """
    if not ordered.together:
        return []
    cells = ordered.cells
    begins = [place for place in range(len(cells)) if not place or cells[place] != cells[place - 1]]
    wanted = _cuts(replace(ordered, together=[]), document, live, begins, {}) - {group.first for group in groups}
    found: list[Join] = []
    for join in sorted(ordered.together, key=lambda one: (one.first - one.last, not one.why)):
        kept = {place for place in wanted if join.first < place <= join.last}
        if kept:
            wanted -= kept
            found += [join] if join.why else []
    return found


def _free_places(ordered: Ordered) -> set[int]:
    """The places before which a step may begin."""
    delta = [0] * (len(ordered.pieces) + 1)
    for join in ordered.together:
        delta[join.first + 1] += 1
        delta[join.last + 1] -= 1
    found: set[int] = set()
    open_ones = 0
    for place in range(len(ordered.pieces)):
        open_ones += delta[place]
        if not open_ones:
            found.add(place)
    return found


def _cuts_at_tags(ordered: Ordered, begins: list[int], titles: dict[int, str]) -> set[int] | None:
    """Where tags such as ``block:train`` begin steps; None if there are none."""
    found: set[int] = set()
    for place in begins:
        for tag in ordered.pieces[place].cell.tags:
            if match := NAMING_TAG.fullmatch(tag):
                found.add(place)
                titles[place] = match[1]
    return found or None


def _cuts_at_headings(
    ordered: Ordered, begins: list[int], headings: list[Heading], titles: dict[int, str]
) -> set[int] | None:
    """Where headings of the level that gives a sensible number of steps begin them; None if no level does."""
    if not headings:
        return None
    positions = [heading.position for heading in headings]
    by_cell = {}
    for place in begins:
        piece = ordered.pieces[place]
        position = next(
            (one.cell.position for one in ordered.pieces[place:] if one.cell.number == ordered.cells[place]),
            piece.cell.position,
        )
        by_cell[place] = bisect_left(positions, position)  # how many headings are above the cell
    best: tuple[int, dict[int, str]] | None = None
    for level in sorted({heading.level for heading in headings}):
        # For each place the last heading above it, of this level or a higher one.
        above = [-1] * (len(headings) + 1)
        for count, heading in enumerate(headings, 1):
            above[count] = count - 1 if heading.level <= level else above[count - 1]
        found: dict[int, str] = {}
        last: int | None = None
        for place in begins:
            section = above[by_cell[place]]
            if section != last:
                found[place] = headings[section].text if section >= 0 else ""
                last = section
        if len(found) > MOST and best is not None:
            break
        if best is None or len(found) > best[0]:
            best = (len(found), found)
        if len(found) >= FEWEST:
            break
    if best is None or best[0] < 2:
        return None
    titles.update({place: text for place, text in best[1].items() if text})
    return set(best[1])


def _cuts_by_names(pieces: list[Piece], places: list[int], live: Sequence[frozenset[str]]) -> set[int]:
    """Where to cut if neither tags nor headings say it."""
    wanted = max(1, round(math.sqrt(2 * len({piece.cell.number for piece in pieces})))) - 1
    kinds = [_kind(piece) for piece in pieces]
    weights = [0]
    for piece, kind in zip(pieces, kinds, strict=True):
        weights.append(weights[-1] + len(piece.statements) + 5 * bool(kind))

    def cost(place: int) -> tuple[float, int]:
        after = next((kind for kind in kinds[place : place + 3] if kind), "")
        before = next((kind for kind in reversed(kinds[max(place - 3, 0) : place]) if kind), "")
        changes = after != before and bool(after or before)
        return len(live[place]) - 2 * changes, place

    chosen: list[int] = [0, len(pieces)]
    for place in sorted((place for place in places if place), key=cost):
        if wanted <= 0:
            break
        at = bisect_left(chosen, place)
        if min(weights[place] - weights[chosen[at - 1]], weights[chosen[at]] - weights[place]) >= 2:
            chosen.insert(at, place)
            wanted -= 1
    return set(chosen) - {len(pieces)}


def _kind(piece: Piece) -> str:
    """What a piece does that a step is often made for: ``"load"``, ``"fit"``, ``"save"``, or an empty text."""
    for name in piece.calls:
        if name.startswith(("read_", "load_", "fetch_")) or name in ("load", "loadtxt", "genfromtxt"):
            return "load"
        if name in ("fit", "fit_transform", "fit_predict", "train", "partial_fit"):
            return "fit"
        if name in SAVING and name not in ("print", "makedirs", "mkdir"):
            return "save"
    return ""
