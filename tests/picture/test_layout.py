"""Where the picture puts steps and arrows."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from flownb.picture.layout import EdgePath, NodeBox, layout_dag
from flownb.picture.model import Dag, DagEdge, DagNode

WIDTHS = st.sampled_from([200.0, 600.0, 1e9])


def chain(*names: str) -> tuple[DagEdge, ...]:
    """Lead an arrow from each name to the next."""
    return tuple(DagEdge(source, target) for source, target in pairwise(names))


def flow(*edges: DagEdge) -> Dag:
    """Make a flow of plain steps, in the order its arrows mention them."""
    names = dict.fromkeys(end for edge in edges for end in (edge.source, edge.target))
    return Dag("F", tuple(DagNode(name) for name in names), edges)


def onward(dag: Dag) -> Dag:
    """Keep only the arrows that follow document order, so that there is no cycle."""
    place = {node.name: index for index, node in enumerate(dag.nodes)}
    edges = tuple(edge for edge in dag.edges if place[edge.source] < place[edge.target])
    return Dag(dag.name, dag.nodes, edges)


def middle(box: NodeBox) -> float:
    """Say at which y a card's middle is."""
    return box.y + box.height / 2


def samples(path: EdgePath) -> list[tuple[float, float]]:
    """List points along an arrow."""
    points = []
    for first in range(0, len(path.points) - 1, 3):
        curve = path.points[first : first + 4]
        for step in range(21):
            t = step / 20
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            x, y = (sum(w * point[axis] for w, point in zip(weights, curve, strict=True)) for axis in (0, 1))
            points.append((x, y))
    return points


@given(st.from_type(Dag), WIDTHS)
def test_cards_never_overlap(dag: Dag, max_width: float) -> None:
    """No two cards touch, in any flow at any width."""
    touching = [
        (one.node.name, other.node.name)
        for one, other in combinations(layout_dag(dag, max_width=max_width).boxes, 2)
        if abs(middle(one) - middle(other)) < one.height
        and one.x < other.x + other.width
        and other.x < one.x + one.width
    ]
    assert touching == []


@given(st.from_type(Dag), WIDTHS)
def test_everything_is_inside_the_picture(dag: Dag, max_width: float) -> None:
    """Every card and every point of every arrow lies within the picture's size."""
    layout = layout_dag(dag, max_width=max_width)
    corners = [(box.x + dx, box.y + dy) for box in layout.boxes for dx in (0, box.width) for dy in (0, 46)]
    points = corners + [point for path in layout.paths for point in samples(path)]
    outside = [(x, y) for x, y in points if not (0 <= x <= layout.width and 0 <= y <= layout.height)]
    assert outside == []


@given(st.from_type(Dag), WIDTHS)
def test_arrows_go_rightwards_unless_they_close_a_cycle(dag: Dag, max_width: float) -> None:
    """A forward arrow ends right of its start, a wrapped one in a lower row, others run back."""
    layout = layout_dag(dag, max_width=max_width)
    boxes = {box.node.name: box for box in layout.boxes}
    for path in layout.paths:
        source, target = boxes[path.source], boxes[path.target]
        goes_on = target.layer > source.layer
        assert (path.way != "back") == goes_on
        assert (target.row > source.row) == (path.way == "wrap")
        if path.way == "forward":
            steps = [here[0] <= there[0] for here, there in pairwise(path.points)]
            assert steps == [True] * len(steps)


@given(st.from_type(Dag), WIDTHS)
def test_arrows_join_their_own_steps(dag: Dag, max_width: float) -> None:
    """An arrow starts at its source's right side and ends at its target's left, at mid-height."""
    layout = layout_dag(dag, max_width=max_width)
    boxes = {box.node.name: box for box in layout.boxes}
    for path in layout.paths:
        source, target = boxes[path.source], boxes[path.target]
        start, end = path.points[0], path.points[-1]
        assert 0 <= round(start[0] - source.x - source.width, 1) <= 7.0
        assert 0 <= round(target.x - end[0], 1) <= 9.0
        assert (
            abs(middle(source) - start[1]) < 0.2,
            abs(middle(target) - end[1]) < 0.2,
        ) == (True, True)


@given(st.from_type(Dag), WIDTHS)
def test_arrows_pass_beside_cards(dag: Dag, max_width: float) -> None:
    """No arrow runs through a card."""
    layout = layout_dag(dag, max_width=max_width)
    hits = [
        (path.source, path.target, box.node.name)
        for path in layout.paths
        for box in layout.boxes
        for x, y in samples(path)
        if box.x + 0.5 < x < box.x + box.width - 0.5 and abs(y - middle(box)) < box.height / 2
    ]
    assert hits == []


@given(st.from_type(Dag))
def test_flow_without_cycle_has_no_arrow_back(dag: Dag) -> None:
    """Where every arrow follows document order, none is drawn as running back."""
    ways = {path.way for path in layout_dag(onward(dag)).paths}
    assert ways - {"forward", "wrap"} == set()


@given(st.from_type(Dag))
def test_layout_is_deterministic(dag: Dag) -> None:
    """The same flow gives the same layout."""
    assert layout_dag(dag) == layout_dag(Dag(dag.name, dag.nodes, dag.edges))


@given(st.from_type(Dag))
def test_each_pair_of_steps_has_one_arrow(dag: Dag) -> None:
    """Arrows between the same two steps are drawn once, in the order of their first mention."""
    pairs = list(dict.fromkeys((edge.source, edge.target) for edge in dag.edges))
    assert [(path.source, path.target) for path in layout_dag(dag).paths] == pairs


def test_chain_is_straight() -> None:
    """Steps in a chain have one height in a single row."""
    layout = layout_dag(flow(*chain("a", "b", "c", "d")))
    assert (
        {middle(box) for box in layout.boxes},
        {box.row for box in layout.boxes},
    ) == ({33.0}, {0})


def test_split_and_join_are_centred() -> None:
    """A split is at the middle of its branches, and so does their join."""
    edges = (
        *(DagEdge("start", name) for name in "abcd"),
        *(DagEdge(name, "merge") for name in "abcd"),
    )
    start, *branches, merge = layout_dag(flow(*edges)).boxes[:1] + tuple(
        sorted(layout_dag(flow(*edges)).boxes[1:], key=lambda box: box.layer)
    )
    centre = sum(middle(box) for box in branches) / 4
    assert (middle(start), middle(merge)) == (centre, centre)


def test_branches_keep_document_order() -> None:
    """Branches are drawn from top to bottom in document order."""
    boxes = layout_dag(flow(*(DagEdge("start", name) for name in "zay"))).boxes
    branches = sorted(boxes[1:], key=lambda box: box.y)
    assert [box.node.name for box in branches] == ["z", "a", "y"]


def test_long_flow_is_broken_into_even_rows() -> None:
    """A chain of thirty steps continues in new rows that keep within the width."""
    layout = layout_dag(flow(*chain(*(f"s{index}" for index in range(30)))))
    rows = [box.row for box in layout.boxes]
    assert [rows.count(row) for row in range(5)] == [6, 6, 6, 6, 6]
    assert layout.width <= 1000


def test_cycle_holds_its_row_together() -> None:
    """Steps between the two ends of an arrow that runs back share a row, however wide."""
    layout = layout_dag(flow(*chain("a", "b", "c", "a")), max_width=100)
    assert {box.row for box in layout.boxes} == {0}


def test_labels_of_parallel_arrows_are_joined() -> None:
    """Two cases of a switch that lead to the same step are written on one arrow."""
    layout = layout_dag(flow(DagEdge("a", "b", "k=1"), DagEdge("a", "b", "k=2")))
    assert [path.label for path in layout.paths] == ["k=1, k=2"]


def test_a_label_is_on_its_arrow_between_the_cards() -> None:
    """A label lies level with the arrow's end, clear of both cards."""
    layout = layout_dag(flow(DagEdge("a", "b", "foreach carriers")))
    source, target = layout.boxes
    (path,) = layout.paths
    assert path.label_at is not None
    x, y = path.label_at
    assert middle(target) == y
    assert source.x + source.width < x - path.label_width / 2
    assert x + path.label_width / 2 < target.x


def test_long_name_is_cut() -> None:
    """A name that would make a card unwieldy ends in an ellipsis."""
    (box,) = layout_dag(Dag("F", (DagNode("n" * 100),))).boxes
    assert (box.name.endswith("n…"), box.width < 260) == (True, True)


def test_empty_flow_has_a_size() -> None:
    """A flow without steps still has a picture, an empty one."""
    layout = layout_dag(Dag("F"))
    assert (layout.boxes, layout.paths, layout.width > 0) == ((), (), True)
