"""Where the vertices and columns of a layered graph are, in pixels.

The height of each vertex's centre line follows Brandes and Köpf, "Fast and Simple Horizontal
Coordinate Assignment", 2001, turned by 90 degrees: four packings that keep chains straight, each
vertex at the mean of the middle two. Columns are broken into rows like the words of a paragraph into
lines, where few arrows cross.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from flownb.picture.order import Layered

__all__ = ["Column", "Rows", "break_rows", "centre_lines"]

MARGIN = 10.0
TURN = 34.0
_ROW_GAP = 30.0
_LANE = 12.0
_MOST_WRAPS = 3


@dataclass(frozen=True)
class Column:
    """One column's measures, in pixels: its cards' width and the gap to the next column.

    The gap is `bend`, where arrows curve, then `label_room`, where they run level under their
    labels. Turns are arrows that run back: they need room beside the column. A column that `holds`
    is in a foreach together with the next one.
    """

    width: float
    bend: float
    label_room: float
    turns_before: bool
    turns_after: bool
    bar_before: bool
    holds: bool


@dataclass(frozen=True)
class Rows:
    """Where columns are, in pixels.

    Each column's row, left edge and shift downwards; each row's y of the first lane beneath it and
    its links to the next row, the outermost lane's last; the picture's size.
    """

    row: list[int]
    x: list[float]
    shift: list[float]
    lane: list[float]
    wraps: list[list[tuple[int, int]]]
    width: float
    height: float

    def lane_y(self, row: int, link: tuple[int, int]) -> float:
        """Say at which y a link to the next row runs back to the left."""
        return self.lane[row] + _LANE * self.wraps[row].index(link)


def break_rows(
    graph: Layered,
    columns: list[Column],
    lines: list[float],
    extents: list[float],
    *,
    max_width: float,
) -> Rows:
    """Share the columns out to rows.

    Parameters
    ----------
    graph
        Ordered columns.
    columns
        Their measures.
    lines
        The y of every vertex's centre line before rows are formed, in pixels.
    extents
        The height of every vertex, in pixels.
    max_width
        Pixels a row should keep within. A row may be somewhat wider rather than break where arrows
        run side by side.

    Returns
    -------
    Rows
        Rows of about equal width. One row if no gap may be broken: an arrow that runs back, and
        more than three arrows side by side, hold their columns together.
    """
    starts = _row_starts(graph, columns, max_width)
    row = [0] * len(columns)
    x = [0.0] * len(columns)
    shift = [0.0] * len(columns)
    right: list[float] = []
    lane: list[float] = []
    wraps: list[list[tuple[int, int]]] = []
    top = MARGIN
    for number, start in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else len(columns)
        edge = MARGIN + _room_before(columns[start], wrapped=len(starts) > 1)
        vertices = [vertex for index in range(start, end) for vertex in graph.layers[index]]
        highest = min(lines[vertex] - extents[vertex] / 2 for vertex in vertices)
        lowest = max(lines[vertex] + extents[vertex] / 2 for vertex in vertices)
        for index in range(start, end):
            row[index] = number
            x[index] = edge
            shift[index] = top - highest
            edge += columns[index].width
            if index + 1 < end:
                edge += columns[index].bend + columns[index].label_room
        right.append(edge)
        lane.append(top + lowest - highest + _ROW_GAP / 2)
        crossing = _links_after(graph, end - 1) if end < len(columns) else []
        wraps.append(sorted(crossing, key=lambda link: -lines[link[0]]))
        top += lowest - highest + _ROW_GAP + _LANE * max(0, len(crossing) - 1)
    ends = [*(start - 1 for start in starts[1:]), len(columns) - 1] if starts else []
    width = max(
        (
            edge + _room_after(columns[end], wrapped=end + 1 < len(columns))
            for edge, end in zip(right, ends, strict=True)
        ),
        default=0.0,
    )
    height = top - _ROW_GAP if starts else MARGIN
    return Rows(row, x, shift, lane, wraps, width + MARGIN, height + MARGIN)


def _room_before(column: Column, *, wrapped: bool) -> float:
    """Say how much room a row's first column needs at its left."""
    room = TURN if column.turns_before or wrapped else 0.0
    return room + (10.0 if column.bar_before else 0.0)


def _room_after(column: Column, *, wrapped: bool) -> float:
    """Say how much room a row's last column needs at its right."""
    room = TURN if column.turns_after or wrapped else 8.0
    return room + (column.label_room if wrapped else 0.0)


def _links_after(graph: Layered, index: int) -> list[tuple[int, int]]:
    """List the links between a column and the next."""
    return [(vertex, target) for vertex in graph.layers[index] for target in graph.down[vertex]]


def _row_starts(graph: Layered, columns: list[Column], max_width: float) -> list[int]:
    """Choose each row's first column so that rows fill evenly (as TeX breaks a paragraph)."""
    count = len(columns)
    if not count:
        return []
    before = [0.0]
    for column in columns:
        before.append(before[-1] + column.width + column.bend + column.label_room)
    total = before[count] - columns[-1].bend - columns[-1].label_room
    if total + 2 * MARGIN + 8.0 <= max_width:
        return [0]
    room = max_width - 2 * MARGIN - 2 * TURN
    allowed = _breakable(graph, count)
    strain = {0: 0.0}
    for index in allowed[1:]:
        beside = len(_links_after(graph, index - 1)) - 1
        strain[index] = 25.0 * beside + 6.0 * columns[index - 1].holds
    cost = {0: 0.0}
    previous: dict[int, int] = {}
    for place, end in enumerate([*allowed[1:], count], start=1):
        for start in reversed(allowed[:place]):
            slack = room - (before[end] - before[start] - columns[end - 1].bend)
            badness = (slack / (100.0 if slack >= 0 else 30.0)) ** 2 + 2.0
            if slack < 0 and end in cost and badness > cost[end]:
                break
            price = cost[start] + strain[start] + badness
            if end not in cost or price < cost[end]:
                cost[end] = price
                previous[end] = start
    starts = []
    end = count
    while end:
        end = previous[end]
        starts.append(end)
    return starts[::-1]


def _breakable(graph: Layered, count: int) -> list[int]:
    """List the columns that may start a row: no arrow runs back, and few run on, before them."""
    held = [False] * count
    for chain in graph.chains:
        if chain.back:
            for index in range(graph.layer[chain.vertices[-1]], graph.layer[chain.vertices[0]]):
                held[index + 1] = True
    return [
        index
        for index in range(count)
        if index == 0 or (not held[index] and len(_links_after(graph, index - 1)) <= _MOST_WRAPS)
    ]


def centre_lines(graph: Layered, extents: list[float], *, gap: float) -> list[float]:
    """Place every vertex.

    Parameters
    ----------
    graph
        Ordered columns.
    extents
        Height of each vertex, in pixels.
    gap
        Least distance between two vertices of a column, in pixels.

    Returns
    -------
    list of float
        For each vertex the y of its centre line, in pixels, growing downwards; the least top edge
        is at 0.
    """
    if not graph.layer:
        return []
    position = [0] * len(graph.layer)
    for column in graph.layers:
        for place, vertex in enumerate(column):
            position[vertex] = place
    refused = _refused_links(graph, position)
    packings = [
        _packing(graph, position, refused, extents, gap=gap, rightwards=rightwards, downwards=downwards)
        for rightwards in (True, False)
        for downwards in (True, False)
    ]
    _line_up(packings, extents)
    lines = [(ys[1] + ys[2]) / 2 for ys in map(sorted, zip(*packings, strict=True))]
    _pull_loops(graph, lines, extents, gap)
    top = min(line - extent / 2 for line, extent in zip(lines, extents, strict=True))
    return [line - top for line in lines]


def _refused_links(graph: Layered, position: list[int]) -> set[tuple[int, int]]:
    """Find the links that cross a link between two added vertices, which has to stay straight."""
    refused: set[tuple[int, int]] = set()
    steps = graph.steps
    for left, right in pairwise(graph.layers):
        low = 0
        scanned = 0
        for place, vertex in enumerate(right):
            inner = next((other for other in graph.up[vertex] if other >= steps), None) if vertex >= steps else None
            if inner is None and place < len(right) - 1:
                continue
            high = len(left) if inner is None else position[inner]
            for other in right[scanned : place + 1]:
                for near in graph.up[other]:
                    if (position[near] < low or position[near] > high) and not (near >= steps and other >= steps):
                        refused.add((near, other))
            scanned = place + 1
            low = high
    return refused


def _packing(
    graph: Layered,
    position: list[int],
    refused: set[tuple[int, int]],
    extents: list[float],
    *,
    gap: float,
    rightwards: bool,
    downwards: bool,
) -> list[float]:
    """Pack the columns against one side, lining up each vertex with one neighbour's median."""
    columns = graph.layers if rightwards else graph.layers[::-1]
    if not downwards:
        columns = [column[::-1] for column in columns]
    sign = 1 if downwards else -1
    neighbours = graph.up if rightwards else graph.down
    root = list(range(len(position)))
    align = list(range(len(position)))
    for column in columns:
        last = -1.0e9
        for vertex in column:
            near = sorted((sign * position[other], other) for other in neighbours[vertex])
            if not near:
                continue
            middle = len(near) - 1
            for place in (middle // 2, (middle + 1) // 2):
                seat, other = near[place]
                link = (other, vertex) if rightwards else (vertex, other)
                if align[vertex] == vertex and last < seat and link not in refused:
                    align[other] = vertex
                    root[vertex] = root[other]
                    align[vertex] = root[vertex]
                    last = seat
    ys = _compact(columns, root, extents, gap)
    return ys if downwards else [-y for y in ys]


def _compact(columns: list[list[int]], root: list[int], extents: list[float], gap: float) -> list[float]:
    """Push every block as far up as its neighbours allow, then pull it down to close gaps."""
    after: dict[int, dict[int, float]] = {vertex: {} for vertex in root}
    waiting = dict.fromkeys(after, 0)
    for column in columns:
        for upper, lower in pairwise(column):
            distance = (extents[upper] + extents[lower]) / 2 + gap
            known = after[root[upper]]
            below = root[lower]
            if below not in known:
                waiting[below] += 1
                known[below] = distance
            elif known[below] < distance:
                known[below] = distance
    y = dict.fromkeys(after, 0.0)
    ready = [block for block, count in waiting.items() if not count]
    for block in ready:
        for below, distance in after[block].items():
            y[below] = max(y[below], y[block] + distance)
            waiting[below] -= 1
            if not waiting[below]:
                ready.append(below)
    for block in reversed(ready):
        if after[block]:
            room = min(y[below] - distance for below, distance in after[block].items())
            y[block] = max(y[block], room)
    return [y[block] for block in root]


def _line_up(packings: list[list[float]], extents: list[float]) -> None:
    """Shift the packings onto the narrowest: top to top, or bottom to bottom."""
    spans = []
    for ys in packings:
        top = min(y - extent / 2 for y, extent in zip(ys, extents, strict=True))
        bottom = max(y + extent / 2 for y, extent in zip(ys, extents, strict=True))
        spans.append((top, bottom))
    top, bottom = min(spans, key=lambda span: span[1] - span[0])
    for index, ys in enumerate(packings):
        packed_down = index % 2 == 0
        shift = top - spans[index][0] if packed_down else bottom - spans[index][1]
        packings[index] = [y + shift for y in ys]


def _pull_loops(graph: Layered, lines: list[float], extents: list[float], gap: float) -> None:
    """Draw the loop of a step onto itself close to its step, whatever room the packings left."""
    for vertex, step in graph.anchor.items():
        if not graph.up[vertex] and not graph.down[vertex]:
            lines[vertex] = lines[step] + (extents[step] + extents[vertex]) / 2 + gap
