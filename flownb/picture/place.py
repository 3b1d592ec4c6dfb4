"""How high each vertex stands in its column.

Takes a layered graph and the vertices' heights; gives the height of every centre line. Method:
Brandes and Köpf, "Fast and Simple Horizontal Coordinate Assignment", 2001, turned by 90 degrees:
four packings that keep chains straight, each vertex at the mean of the middle two.
"""

from __future__ import annotations

from itertools import pairwise

from flownb.picture.order import Layered

__all__ = ["centre_lines"]


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
    """Find the links that cross a link between two stand-ins, which shall stay straight."""
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
