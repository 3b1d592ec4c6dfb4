"""Lines of the picture as SVG path data, shared by the static SVG and the payload of the live view.

Takes an arrow's points; gives text.
"""

from __future__ import annotations

from collections.abc import Mapping

from flownb.picture.layout import EdgePath
from flownb.picture.model import DagNode

__all__ = ["number", "path_data", "strands"]

_STRAND = 5.0


def number(value: float) -> str:
    """Write a number of pixels with at most one decimal."""
    tenths = round(value * 10)
    whole, rest = divmod(abs(tenths), 10)
    sign = "-" if tenths < 0 else ""
    return f"{sign}{whole}.{rest}" if rest else f"{sign}{whole}"


def strands(path: EdgePath, nodes: Mapping[str, DagNode]) -> str:
    """Write the two outer strands of an arrow that carries the tasks of a foreach, empty for any other."""
    source, target = nodes[path.source], nodes[path.target]
    start = _STRAND if source.in_foreach and source.kind != "foreach" else 0.0
    end = _STRAND if target.in_foreach and target.kind != "join" else 0.0
    if path.way != "forward" or not (start or end):
        return ""
    return "".join(path_data(path, start * side, end * side) for side in (-1.0, 1.0))


def path_data(path: EdgePath, start: float = 0.0, end: float = 0.0) -> str:
    """Write an arrow's line, so many pixels below its middle at its start and at its end."""
    points = path.points
    last = len(points) - 1
    between = start if abs(start) >= abs(end) else end
    moved = []
    for place, (x, y) in enumerate(points):
        if place <= 1:
            offset = start
        elif place >= last - 1:
            offset = end
        else:
            offset = between
        moved.append((x, y + offset))
    data = [f"M{number(moved[0][0])} {number(moved[0][1])}"]
    for first in range(1, last, 3):
        group = moved[first : first + 3]
        if all(y == moved[first - 1][1] for _, y in group):
            data.append(f"H{number(group[2][0])}")
        else:
            data.append("C" + " ".join(f"{number(x)} {number(y)}" for x, y in group))
    return "".join(data)
