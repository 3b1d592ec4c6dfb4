"""The cubic curves of each arrow between its two steps.

Arrows leave at the right and enter at the left, always level, so that arrowheads are never turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from flownb.picture.order import Chain, Layered
from flownb.picture.place import TURN, Column, Rows

__all__ = ["JOIN_BAR", "SWITCH_PORT", "Point", "Surface", "route"]

Point = tuple[float, float]

JOIN_BAR = 9.0
SWITCH_PORT = 7.0


@dataclass(frozen=True)
class Surface:
    """All that is placed.

    Columns, rows, the y of each vertex's centre line, and which steps have a bar before them or a
    diamond after them.
    """

    graph: Layered
    columns: list[Column]
    rows: Rows
    y: list[float]
    is_join: list[bool]
    is_switch: list[bool]

    def entry(self, vertex: int) -> float:
        """Say at which x arrows reach a vertex from its left."""
        x = self.rows.x[self.graph.layer[vertex]]
        return x - JOIN_BAR if vertex < self.graph.steps and self.is_join[vertex] else x

    def exit(self, vertex: int) -> float:
        """Say at which x arrows leave a vertex at its right."""
        layer = self.graph.layer[vertex]
        x = self.rows.x[layer] + self.columns[layer].width
        return x + SWITCH_PORT if vertex < self.graph.steps and self.is_switch[vertex] else x


class _Pen:
    """Draws a curve: keeps the points and where it is."""

    def __init__(self, start: Point) -> None:
        self.points = [start]

    def level(self, x: float) -> None:
        """Go straight to the left or right."""
        here, y = self.points[-1]
        if abs(x - here) > 0.05:
            third = (x - here) / 3
            self.points += [(here + third, y), (x - third, y), (x, y)]

    def bend(self, x: float, y: float) -> None:
        """Go to a point so that the curve is level at both ends."""
        here, above = self.points[-1]
        if abs(y - above) < 0.05:
            self.level(x)
            return
        middle = (here + x) / 2
        self.points += [(middle, above), (middle, y), (x, y)]

    def turn(self, y: float, reach: float) -> None:
        """Turn round: come back to the same x at another y, reaching out this far."""
        here, above = self.points[-1]
        self.points += [(here + reach, above), (here + reach, y), (here, y)]

    def rounded(self) -> tuple[Point, ...]:
        """The points in tenths of a pixel."""
        return tuple((round(x, 1) + 0.0, round(y, 1) + 0.0) for x, y in self.points)


def route(surface: Surface, number: int) -> tuple[str, tuple[Point, ...], Point]:
    """Draw one arrow.

    Parameters
    ----------
    surface
        All that is placed.
    number
        Which of the graph's chains to draw.

    Returns
    -------
    way : str
        ``"forward"``, ``"back"`` or ``"wrap"``.
    points : tuple of (float, float)
        The start, then three points for each cubic curve, in tenths of a pixel.
    label_at : (float, float)
        Where the middle of a label goes.
    """
    chain = surface.graph.chains[number]
    return _route_back(surface, chain) if chain.back else _route_forward(surface, chain)


def _route_forward(surface: Surface, chain: Chain) -> tuple[str, tuple[Point, ...], Point]:
    """Draw an arrow that leads on, over as many rows as its ends are apart."""
    vertices = chain.vertices
    layer = surface.graph.layer
    rows = surface.rows
    pen = _Pen((surface.exit(vertices[0]), surface.y[vertices[0]]))
    way = "forward"
    label_at: Point | None = None
    for near, far in pairwise(vertices):
        here = rows.row[layer[near]]
        column = surface.columns[layer[near]]
        right = rows.x[layer[near]] + column.width
        pen.level(max(right, pen.points[-1][0]))
        if rows.row[layer[far]] == here:
            pen.bend(min(right + column.bend, surface.entry(far)), surface.y[far])
            if label_at is None:
                label_at = (
                    right + column.bend + column.label_room / 2 - 6.0,
                    surface.y[far],
                )
        else:
            way = "wrap"
            label_at = label_at or (right + column.label_room / 2, surface.y[near])
            pen.level(max(right + column.label_room, pen.points[-1][0]))
            _return(pen, surface, near, far)
        pen.level(surface.entry(far))
    return way, pen.rounded(), label_at or pen.points[0]


def _return(pen: _Pen, surface: Surface, near: int, far: int) -> None:
    """Go on at the start of the next row."""
    layer = surface.graph.layer
    row = surface.rows.row[layer[near]]
    lane = surface.rows.lane_y(row, (near, far))
    extra = 3.0 * surface.rows.wraps[row].index((near, far))
    pen.turn(lane, TURN - 8.0 + extra)
    pen.level(surface.entry(far) - 12.0)
    pen.turn(surface.y[far], -(TURN - 12.0 + extra))


def _route_back(surface: Surface, chain: Chain) -> tuple[str, tuple[Point, ...], Point]:
    """Draw an arrow that closes a cycle."""
    source, *inner, target = chain.vertices
    layer = surface.graph.layer
    pen = _Pen((surface.exit(source), surface.y[source]))
    rise = abs(surface.y[inner[0]] - surface.y[source])
    pen.turn(surface.y[inner[0]], min(TURN + 6.0, max(18.0, rise * 0.8)))
    for near, far in pairwise(inner):
        left = surface.rows.x[layer[near]]
        pen.level(left)
        column = surface.columns[layer[far]]
        pen.bend(surface.rows.x[layer[far]] + column.width, surface.y[far])
    pen.level(surface.entry(target))
    fall = abs(surface.y[inner[-1]] - surface.y[target])
    pen.turn(surface.y[target], -min(TURN + 6.0, max(18.0, fall * 0.8)))
    middle = inner[len(inner) // 2]
    column = surface.columns[layer[middle]]
    label_at = (surface.rows.x[layer[middle]] + column.width / 2, surface.y[middle])
    return "back", pen.rounded(), label_at
