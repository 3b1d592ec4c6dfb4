"""Which names each step has to capture, and what the run's results are.

A step captures a name if it binds it, or may change its object in place, and a later step needs the value, or a scratch
cell below looks at it. It also captures its results: variables whose last value is only displayed or printed, or not
used at all, and which no later step binds again.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from flownb.convert.grouping import Group
from flownb.convert.pieces import Piece, exposed_reads
from flownb.convert.together import Ordered, is_illegal

__all__ = ["captures_of", "loads_of", "needed_before"]


def needed_before(ordered: Ordered, scratch: Iterable[Piece], values: frozenset[str]) -> list[frozenset[str]]:
    """For each place the names whose values are needed there or below, with one more place at the end.

    Parameters
    ----------
    ordered : Ordered
    scratch : iterable of Piece
        Code of scratch cells, which looks at values where it is.
    values : frozenset of str
        Names that steps bind; others are not passed on.
    """
    count = len(ordered.pieces)
    looked: list[set[str]] = [set() for _ in range(count + 1)]
    numbers: list[int] = []
    highest = -1
    for piece in ordered.pieces:
        highest = max(highest, piece.number)
        numbers.append(highest)
    for piece in scratch:
        looked[bisect_left(numbers, piece.number)].update(values & piece.reads.keys())
    found = [frozenset(looked[count])] * (count + 1)
    for place in range(count - 1, -1, -1):
        piece = ordered.pieces[place]
        needed = found[place + 1]
        own = {name for name in piece.reads if name in values}
        if own - needed or looked[place] - needed or not needed.isdisjoint(piece.definite):
            needed = frozenset((needed - piece.definite) | own | looked[place])
        found[place] = needed
    return found


def captures_of(
    group: Group,
    ordered: Ordered,
    needed: Sequence[frozenset[str]],
    *,
    inherited: frozenset[str],
    required: Iterable[tuple[int, str]] = (),
    local: Iterable[tuple[int, str]] = (),
    later: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """The names that a step captures, in the order in which its code binds or changes them.

    Parameters
    ----------
    group : Group
    ordered : Ordered
    needed : sequence of frozenset of str
        As `needed_before` returns it.
    inherited : frozenset of str
        Names that earlier steps pass on.
    required : iterable of (int, str)
        Names that the step with a cell captures in any case.
    local : iterable of (int, str)
        Names that the step with a cell cannot capture.
    later : frozenset of str
        Names that later steps bind again, so that they are not results.
    """
    places: dict[str, int] = {}
    certain: set[str] = set()
    for place in range(group.first, group.last + 1):
        for name in _in_order(ordered.pieces[place], ordered.changed[place]):
            places.setdefault(name, place)
        certain = (certain | ordered.pieces[place].definite) - ordered.pieces[place].deletes
    after = needed[group.last + 1]
    results = _results(group) - later
    cells = {piece.cell.number for piece in group.pieces}
    asked = {name for cell, name in required if cell in cells}
    left_out = {name for cell, name in local if cell in cells}
    definitions = _definitions(group.pieces)
    found = []
    for name in [*places, *sorted(asked - places.keys())]:
        if is_illegal(name) or name in ordered.unstorable or name in left_out or name in definitions:
            continue
        read = ordered.last_reads.get(name, -1) > group.last
        has_value = name in inherited or name in certain or (read and name in _bound(group))
        if has_value and (name in after or name in asked or name in results):
            found.append(name)
    return tuple(found)


def _bound(group: Group) -> set[str]:
    """Names that the code of a step binds, perhaps."""
    return {name for piece in group.pieces for name in piece.binds} - group.pieces[-1].deletes


def _in_order(piece: Piece, names: set[str]) -> list[str]:
    """Names in the order of the lines that bind or change them."""
    lines = {**piece.mutated, **piece.binds}
    return sorted(names, key=lambda name: (lines.get(name, piece.last), _column(piece, name), name))


def _column(piece: Piece, name: str) -> int:
    """The column in which a piece first binds a name."""
    columns = [
        (one.lineno, one.col_offset)
        for one in piece.inside
        if isinstance(one, ast.Name) and one.id == name and isinstance(one.ctx, ast.Store)
    ]
    return min(columns, default=(0, 0))[1]


def _definitions(pieces: Sequence[Piece]) -> set[str]:
    """Names whose last binding is a function, class or module."""
    found: set[str] = set()
    for piece in pieces:
        for statement in piece.statements:
            found -= statement.names.assigned.keys()
            found |= statement.names.definitions.keys()
    return found


def _results(group: Group) -> frozenset[str]:
    """Variables of a step whose last value is only displayed or printed, or not used at all."""
    found: set[str] = set()
    for piece in group.pieces:
        for statement in piece.statements:
            if not isinstance(statement.node, ast.Expr | ast.Assert):
                found -= statement.reads.keys() - statement.names.bound_at_end
            if isinstance(statement.node, ast.Assign | ast.AnnAssign | ast.AugAssign):
                found |= statement.names.variables.keys() & statement.names.bound_at_end
            found -= statement.deletes
    return frozenset(name for name in found if not name.startswith("_"))


def loads_of(pieces: Iterable[Piece], inherited: Mapping[str, object] | frozenset[str]) -> tuple[str, ...]:
    """Names that the code of a step takes from the step before it, in the order of their first read."""
    reads = exposed_reads(statement for piece in pieces for statement in piece.statements)
    return tuple(name for name in reads if name in inherited)
