"""In which column each step is, and in which order within it.

The result is a layered graph in which every link joins neighbouring columns. Method: Sugiyama,
Tagawa, Toda 1981 (longest-path layering, barycentre sweeps).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from flownb.picture.model import Dag

__all__ = ["Chain", "Layered", "forward_successors", "layered_graph"]

_SWEEPS = 6


@dataclass(frozen=True)
class Chain:
    """One arrow as the vertices it passes, from its source to its target.

    A forward chain has one vertex in each column. A back chain turns round in its source's column,
    runs leftwards through added vertices, and turns again in its target's column.
    """

    vertices: tuple[int, ...]
    label: str
    back: bool


@dataclass
class Layered:
    """Columns of vertices.

    Vertices below `steps` are the steps, by index; the others are added where an arrow passes a column.
    """

    steps: int
    layer: list[int]
    layers: list[list[int]] = field(default_factory=list)
    up: list[list[int]] = field(default_factory=list)
    down: list[list[int]] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)
    anchor: dict[int, int] = field(default_factory=dict)

    def add_vertex(self, layer: int) -> int:
        """Add a vertex to a column and return it."""
        vertex = len(self.layer)
        self.layer.append(layer)
        self.layers[layer].append(vertex)
        self.up.append([])
        self.down.append([])
        return vertex

    def link(self, left: int, right: int) -> None:
        """Join a vertex with one in the next column."""
        self.down[left].append(right)
        self.up[right].append(left)


def forward_successors(
    dag: Dag,
) -> tuple[dict[tuple[int, int], list[str]], list[list[int]], set[tuple[int, int]]]:
    """Separate forward arrows from arrows that lead back.

    Parameters
    ----------
    dag
        The flow.

    Returns
    -------
    labels : dict
        For each pair of steps with an arrow, by index, the labels of its arrows.
    successors : list of list of int
        For each step, the steps its forward arrows lead to.
    back : set
        The pairs whose arrows close a cycle.
    """
    index = {node.name: position for position, node in enumerate(dag.nodes)}
    labels: dict[tuple[int, int], list[str]] = {}
    every: list[list[int]] = [[] for _ in dag.nodes]
    entered = [False] * len(dag.nodes)
    for edge in dag.edges:
        pair = (index[edge.source], index[edge.target])
        if pair not in labels:
            labels[pair] = []
            every[pair[0]].append(pair[1])
            entered[pair[1]] = entered[pair[1]] or pair[0] != pair[1]
        if edge.label and edge.label not in labels[pair]:
            labels[pair].append(edge.label)
    back = _closing_arrows(every, entered)
    successors = [
        [target for target in targets if (source, target) not in back] for source, targets in enumerate(every)
    ]
    return labels, successors, back


def layered_graph(dag: Dag) -> Layered:
    """Put every step in a column and order the columns.

    Parameters
    ----------
    dag
        The flow.

    Returns
    -------
    Layered
        Columns in order, with few crossings; document order decides between equals.
    """
    labels, successors, back = forward_successors(dag)
    layer = _longest_path(successors)
    graph = Layered(steps=len(dag.nodes), layer=layer)
    graph.layers = [[] for _ in range(max(layer, default=-1) + 1)]
    graph.up = [[] for _ in dag.nodes]
    graph.down = [[] for _ in dag.nodes]
    for vertex, column in enumerate(layer):
        graph.layers[column].append(vertex)
    for (source, target), texts in labels.items():
        label = ", ".join(texts)
        if (source, target) in back:
            _add_back_chain(graph, source, target, label)
        else:
            _add_forward_chain(graph, source, target, label)
    _reduce_crossings(graph)
    return graph


def _closing_arrows(every: list[list[int]], entered: list[bool]) -> set[tuple[int, int]]:
    """Find the arrows that lead back onto the path they came by, walking in document order."""
    unseen, open_, done = 0, 1, 2
    colour = [unseen] * len(every)
    back: set[tuple[int, int]] = set()
    roots = [vertex for vertex, is_entered in enumerate(entered) if not is_entered]
    for root in [*roots, *range(len(every))]:
        if colour[root] != unseen:
            continue
        colour[root] = open_
        stack = [(root, iter(every[root]))]
        while stack:
            vertex, targets = stack[-1]
            for target in targets:
                if colour[target] == open_:
                    back.add((vertex, target))
                elif colour[target] == unseen:
                    colour[target] = open_
                    stack.append((target, iter(every[target])))
                    break
            else:
                colour[vertex] = done
                stack.pop()
    return back


def _longest_path(successors: list[list[int]]) -> list[int]:
    """The length of the longest path to each step; a source moves next to its target."""
    count = len(successors)
    waiting = [0] * count
    for targets in successors:
        for target in targets:
            waiting[target] += 1
    sources = [vertex for vertex in range(count) if not waiting[vertex]]
    layer = [0] * count
    ready = list(sources)
    for vertex in ready:
        for target in successors[vertex]:
            layer[target] = max(layer[target], layer[vertex] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    for vertex in sources:
        if successors[vertex]:
            layer[vertex] = min(layer[target] for target in successors[vertex]) - 1
    return layer


def _add_forward_chain(graph: Layered, source: int, target: int, label: str) -> None:
    """Lead an arrow through every column between its ends."""
    between = range(graph.layer[source] + 1, graph.layer[target])
    vertices = (source, *(graph.add_vertex(column) for column in between), target)
    for left, right in pairwise(vertices):
        graph.link(left, right)
    graph.chains.append(Chain(vertices, label, back=False))


def _add_back_chain(graph: Layered, source: int, target: int, label: str) -> None:
    """Lead an arrow back through every column from its source's to its target's, both included."""
    columns = range(graph.layer[source], graph.layer[target] - 1, -1)
    inner = [graph.add_vertex(column) for column in columns]
    for right, left in pairwise(inner):
        graph.link(left, right)
    graph.anchor[inner[0]] = source
    graph.anchor.setdefault(inner[-1], target)
    graph.chains.append(Chain((source, *inner, target), label, back=True))


def _reduce_crossings(graph: Layered) -> None:
    """Order columns by barycentre sweeps, and keep the best order."""
    _start_depth_first(graph)
    position = [0] * len(graph.layer)
    for column in graph.layers:
        for place, vertex in enumerate(column):
            position[vertex] = place
    best = [list(column) for column in graph.layers]
    fewest = _crossings(graph, position)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        downwards = sweep % 2 == 0
        neighbours = graph.up if downwards else graph.down
        for column in graph.layers if downwards else reversed(graph.layers):
            _sort_column(column, neighbours, position, graph.anchor)
        crossings = _crossings(graph, position)
        if crossings < fewest:
            fewest = crossings
            best = [list(column) for column in graph.layers]
    graph.layers = best
    _place_loops(graph)


def _start_depth_first(graph: Layered) -> None:
    """Order columns as a depth-first traversal meets them, which draws trees without a crossing."""
    met: dict[int, int] = {}
    starts = [vertex for column in graph.layers for vertex in sorted(column)]
    for start in starts:
        stack = [start]
        while stack:
            vertex = stack.pop()
            if vertex not in met:
                met[vertex] = len(met)
                stack.extend(reversed(graph.down[vertex]))
    for column in graph.layers:
        column.sort(key=met.__getitem__)


def _sort_column(column: list[int], neighbours: list[list[int]], position: list[int], anchor: dict[int, int]) -> None:
    """Sort a column by the mean place of each vertex's neighbours."""
    weight: dict[int, float] = {}
    for vertex in column:
        near = neighbours[vertex]
        weight[vertex] = sum(position[other] for other in near) / len(near) if near else float(position[vertex])
    for vertex in column:
        if vertex in anchor and not neighbours[vertex]:
            weight[vertex] = weight[anchor[vertex]] + 0.01
    column.sort(key=weight.__getitem__)
    for place, vertex in enumerate(column):
        position[vertex] = place


def _crossings(graph: Layered, position: list[int]) -> int:
    """Count the pairs of links that cross."""
    total = 0
    for column in graph.layers:
        seen: list[int] = []
        for vertex in column:
            places = sorted(position[target] for target in graph.down[vertex])
            for place in places:
                total += len(seen) - bisect_right(seen, place)
            _insert_all(seen, places)
    return total


def _insert_all(seen: list[int], places: Iterable[int]) -> None:
    """Insert each place into a sorted list."""
    for place in places:
        insort(seen, place)


def _place_loops(graph: Layered) -> None:
    """Put an added vertex without links, the loop of a step onto itself, directly after its step."""
    loops = {vertex: step for vertex, step in graph.anchor.items() if not graph.up[vertex] and not graph.down[vertex]}
    for index, column in enumerate(graph.layers):
        if any(vertex in loops for vertex in column):
            following = {step: vertex for vertex, step in loops.items()}
            graph.layers[index] = [
                placed
                for vertex in column
                if vertex not in loops
                for placed in ((vertex, following[vertex]) if vertex in following else (vertex,))
            ]
