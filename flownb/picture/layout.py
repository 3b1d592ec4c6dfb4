"""Where every step and arrow of a picture is, and what the picture says in words.

The layout has boxes and curves in pixels, from left to right, in as many rows as the width requires. The words are
shared by the SVG and the text.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import ceil

from flownb.picture.measure import code_spans, fit, fit_spans
from flownb.picture.model import Dag, DagNode, NodeState
from flownb.picture.order import Layered, layered_graph
from flownb.picture.place import Column, break_rows, centre_lines
from flownb.picture.route import Point, Surface, route

__all__ = [
    "BY_URGENCY",
    "CARD",
    "INTERRUPTED",
    "STATE_WORDS",
    "CardStyle",
    "DagLayout",
    "EdgePath",
    "NodeBox",
    "card_detail",
    "edge_sentence",
    "flow_description",
    "flow_summary",
    "layout_dag",
    "node_sentence",
    "state_counts",
    "state_word",
    "step_count",
    "step_words",
]

STATE_WORDS: dict[NodeState, str] = {
    "never": "never run",
    "running": "running",
    "fresh": "fresh",
    "stale": "stale",
    "failed": "failed",
    "untaken": "not taken",
}

# The detail of a failed step that was only stopped; nothing more is shown of it.
INTERRUPTED = "interrupted"

BY_URGENCY: tuple[NodeState, ...] = ("failed", "running", "stale", "fresh", "untaken", "never")


def step_count(dag: Dag) -> str:
    """Say how many steps a flow has, such as ``"1 step"``."""
    return f"{len(dag.nodes)} step{'' if len(dag.nodes) == 1 else 's'}"


def state_counts(dag: Dag) -> tuple[tuple[NodeState, str], ...]:
    """Count a flow's steps by state.

    Parameters
    ----------
    dag
        The flow.

    Returns
    -------
    tuple of (str, str)
        The states that occur, the most urgent first, each with words such as ``"2 stale"``; interrupted steps are
        counted apart from those that failed by themselves.
    """
    counts = Counter((node.state, step_words(node)[0]) for node in dag.nodes)
    return tuple(
        (state, f"{counts[state, word]} {word}")
        for state in BY_URGENCY
        for word in (STATE_WORDS[state], *([INTERRUPTED] if state == "failed" else []))
        if counts[state, word]
    )


def step_words(node: DagNode) -> tuple[str, str]:
    """A step's state in a word, and the detail that is shown after it."""
    word = state_word(node.state, node.detail)
    return word, "" if word == INTERRUPTED else node.detail


def state_word(state: NodeState, detail: str) -> str:
    """A state in a word; a step that was only stopped is not called failed."""
    return INTERRUPTED if state == "failed" and detail == INTERRUPTED else STATE_WORDS[state]


def node_sentence(node: DagNode) -> str:
    """Say in one phrase what a step is and in which state.

    Parameters
    ----------
    node
        The step.

    Returns
    -------
    str
        Such as ``"train: stale, `clean` changed; foreach"``.
    """
    kind = "" if node.kind == "linear" else f"; {node.kind}"
    inside = "; once for each item of a foreach" if node.in_foreach else ""
    word, detail = step_words(node)
    return f"{node.name}: {word}{', ' if detail else ''}{detail}{kind}{inside}"


def edge_sentence(path: EdgePath) -> str:
    """Say in one phrase which steps an arrow connects."""
    return f"{path.source} → {path.target}" + (f": {path.label}" if path.label else "")


def flow_description(dag: Dag) -> str:
    """Say the whole picture in words."""
    following: dict[str, list[str]] = {}
    for edge in dag.edges:
        following.setdefault(edge.source, []).append(edge.target)
    sentences = [f"A flow of {step_count(dag)}."]
    for node in dag.nodes:
        leads = ", ".join(following.get(node.name, ()))
        sentences.append(node_sentence(node) + (f"; leads to {leads}." if leads else "."))
    return " ".join(sentences)


def flow_summary(dag: Dag) -> str:
    """Say how many steps are in which state."""
    return " · ".join([step_count(dag), *(words for _, words in state_counts(dag))])


@dataclass(frozen=True)
class CardStyle:
    """The measures of a step's card, in pixels."""

    height: float = 46.0
    least_width: float = 104.0
    text_left: float = 36.0
    text_right: float = 14.0
    name_size: float = 13.0
    name_limit: float = 168.0
    detail_size: float = 11.0
    detail_limit: float = 176.0
    label_size: float = 10.5
    label_limit: float = 150.0
    gap: float = 17.0
    pass_height: float = 14.0
    stack: float = 3.0


CARD = CardStyle()

# Bold letters are wider than regular ones, by up to a tenth (DejaVu Sans).
_BOLD = 1.09


@dataclass(frozen=True)
class NodeBox:
    """One step's card: its place, and its text cut to fit.

    `x`, `y` are the top left corner, `layer` counts columns from the flow's first step, `row` the
    rows of columns. `detail` holds pieces of the second line and whether each is code.
    """

    node: DagNode
    layer: int
    row: int
    x: float
    y: float
    width: float
    height: float
    name: str
    detail: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class EdgePath:
    """One arrow: a start point, then three points for each cubic curve.

    `way` says how it runs: ``"forward"``, ``"back"`` against the flow (it closes a cycle), or
    ``"wrap"`` onto the next row. `label` is cut to fit, `label_at` is its middle.
    """

    source: str
    target: str
    way: str
    points: tuple[Point, ...]
    label: str = ""
    label_width: float = 0.0
    label_at: Point | None = None


@dataclass(frozen=True)
class DagLayout:
    """The whole picture: its size in pixels, its boxes in document order, and its arrows."""

    width: float
    height: float
    boxes: tuple[NodeBox, ...]
    paths: tuple[EdgePath, ...]


def layout_dag(dag: Dag, *, max_width: float = 1000.0) -> DagLayout:
    """Place a flow's steps and arrows.

    Parameters
    ----------
    dag
        The flow.
    max_width
        Pixels after which the picture continues in a new row. A row may be wider: it is not broken
        where many arrows run side by side.

    Returns
    -------
    DagLayout
        Boxes in document order and arrows in the order of their first mention, all coordinates
        rounded to a tenth of a pixel. The same flow always gives the same layout.

    Notes
    -----
    Every arrow leaves its step at the right and enters at the left; only the arrows that close a
    cycle run leftwards.

    Examples
    --------
    >>> from flownb.picture.model import Dag, DagEdge, DagNode
    >>> flow = Dag("F", (DagNode("load"), DagNode("train")), (DagEdge("load", "train"),))
    >>> [(box.node.name, box.layer) for box in layout_dag(flow).boxes]
    [('load', 0), ('train', 1)]
    """
    graph = layered_graph(dag)
    texts = [_card_text(node) for node in dag.nodes]
    labels = [
        fit(chain.label, CARD.label_size, CARD.label_limit) if chain.label else ("", 0.0) for chain in graph.chains
    ]
    extents = _extents(dag, graph)
    lines = centre_lines(graph, extents, gap=CARD.gap)
    columns = _columns(dag, graph, lines, [width for _, _, width in texts], labels)
    rows = break_rows(graph, columns, lines, extents, max_width=max_width)
    surface = Surface(
        graph=graph,
        columns=columns,
        rows=rows,
        y=[line + rows.shift[graph.layer[vertex]] for vertex, line in enumerate(lines)],
        is_join=[node.kind == "join" for node in dag.nodes],
        is_switch=[node.kind == "switch" for node in dag.nodes],
    )
    boxes = tuple(
        NodeBox(
            node=node,
            layer=graph.layer[index],
            row=rows.row[graph.layer[index]],
            x=round(rows.x[graph.layer[index]], 1),
            y=round(surface.y[index] - CARD.height / 2, 1),
            width=round(columns[graph.layer[index]].width, 1),
            height=CARD.height,
            name=name,
            detail=detail,
        )
        for index, (node, (name, detail, _)) in enumerate(zip(dag.nodes, texts, strict=True))
    )
    paths = []
    for number, (chain, (label, width)) in enumerate(zip(graph.chains, labels, strict=True)):
        way, points, middle = route(surface, number)
        paths.append(
            EdgePath(
                source=dag.nodes[chain.vertices[0]].name,
                target=dag.nodes[chain.vertices[-1]].name,
                way=way,
                points=points,
                label=label,
                label_width=round(width, 1),
                label_at=middle if label else None,
            )
        )
    return DagLayout(round(rows.width, 1), round(rows.height, 1), boxes, tuple(paths))


def _card_text(node: DagNode) -> tuple[str, tuple[tuple[str, bool], ...], float]:
    """Cut a card's two lines to fit and say how wide the card must be."""
    name, name_width = fit(node.name, CARD.name_size * _BOLD, CARD.name_limit)
    detail, detail_width = card_detail(node, CARD.detail_limit)
    width = CARD.text_left + max(name_width, detail_width) + CARD.text_right
    return name, detail, max(CARD.least_width, width)


def card_detail(node: DagNode, limit: float) -> tuple[tuple[tuple[str, bool], ...], float]:
    """Cut a card's second line, the state and its detail, to `limit` pixels.

    Returns
    -------
    tuple
        Pieces of text and whether each is code, and their width in pixels.
    """
    state, more = step_words(node)
    spans: tuple[tuple[str, bool], ...] = ((state, False),)
    if more:
        spans = ((f"{state} · ", False), *code_spans(more))
    return fit_spans(spans, CARD.detail_size, limit)


def _extents(dag: Dag, graph: Layered) -> list[float]:
    """The height of each vertex."""
    extents = [CARD.height + (4 * CARD.stack if node.in_foreach else 0.0) for node in dag.nodes]
    extents += [CARD.pass_height] * (len(graph.layer) - graph.steps)
    return extents


def _columns(
    dag: Dag,
    graph: Layered,
    lines: list[float],
    widths: list[float],
    labels: list[tuple[str, float]],
) -> list[Column]:
    """Measure every column and the gap after it, in whole pixels so that outlines are crisp."""
    count = len(graph.layers)
    label_room = [0.0] * count
    spread = [0.0] * count
    turns_before = [False] * count
    turns_after = [False] * count
    for chain, (_, width) in zip(graph.chains, labels, strict=True):
        first = graph.layer[chain.vertices[0]]
        if chain.back:
            turns_after[first] = True
            turns_before[graph.layer[chain.vertices[-1]]] = True
        elif width:
            label_room[first] = max(label_room[first], width + 26.0)
    for vertex, targets in enumerate(graph.down):
        column = graph.layer[vertex]
        for target in targets:
            spread[column] = max(spread[column], abs(lines[target] - lines[vertex]))
    inside = {graph.layer[index] for index, node in enumerate(dag.nodes) if node.in_foreach}
    joins = {graph.layer[index] for index, node in enumerate(dag.nodes) if node.kind == "join"}
    return [
        Column(
            width=ceil(max((widths[v] for v in graph.layers[index] if v < graph.steps), default=0)),
            bend=ceil(44.0 + min(44.0, spread[index] * 0.12))
            + (8.0 if index + 1 in joins else 0.0)
            + (18.0 if turns_after[index] else 0.0),
            label_room=ceil(label_room[index]),
            turns_before=turns_before[index],
            turns_after=turns_after[index],
            bar_before=index in joins,
            holds=index in inside and index + 1 in inside,
        )
        for index in range(count)
    ]
