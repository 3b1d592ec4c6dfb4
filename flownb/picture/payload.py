"""The picture of a flow as plain values, for views that draw and update it themselves.

They are the content of the MIME type ``application/vnd.flownb.dag+json``. Layout is done here, so that a view only
draws; the same flow always has the same values. ``labextension/src/picture.ts`` mirrors the classes
(`scripts/mirror_events.py` writes it).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from flownb.picture.layout import (
    CARD,
    EdgePath,
    NodeBox,
    card_detail,
    edge_sentence,
    flow_description,
    flow_summary,
    layout_dag,
    node_sentence,
)
from flownb.picture.model import Dag, DagNode, NodeKind, NodeState
from flownb.picture.svg import path_data, strands

__all__ = ["DAG_MIME", "DagPayload", "PayloadEdge", "PayloadNode", "dag_payload", "node_detail"]

DAG_MIME = "application/vnd.flownb.dag+json"


@dataclass(frozen=True)
class PayloadNode:
    """One step's card.

    Attributes
    ----------
    name, title : str
        The step's name; a sentence with its state.
    label : str
        The name, cut to fit.
    detail : list of tuple of (str, bool)
        Pieces of the second line, and whether each is code.
    x, y, width, height : float
        Place of its top left corner, and size, in pixels.
    """

    name: str
    label: str
    kind: NodeKind
    state: NodeState
    detail: list[tuple[str, bool]]
    title: str
    in_foreach: bool
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class PayloadEdge:
    """One arrow; strands are the thin lines beside it where it carries the tasks of a foreach.

    Attributes
    ----------
    path, strands : str
        SVG path data; no strands are empty.
    head : tuple of float
        Where its head's tip is.
    label_at : tuple of float or None
        Centre and width of the label; None without one.
    """

    source: str
    target: str
    title: str
    path: str
    strands: str
    head: tuple[float, float]
    label: str
    label_at: tuple[float, float, float] | None


@dataclass(frozen=True)
class DagPayload:
    """A flow's picture, laid out; sizes are pixels."""

    version: Literal[1]
    flow: str
    summary: str
    description: str
    width: float
    height: float
    nodes: list[PayloadNode]
    edges: list[PayloadEdge]


def dag_payload(dag: Dag, *, max_width: float = 1000.0) -> dict[str, Any]:
    """Lay a flow out for a view.

    Parameters
    ----------
    dag : Dag
    max_width : float
        Pixels after which the picture continues in a new row.

    Returns
    -------
    dict
        ``version``; ``flow``, ``summary`` and ``description`` in words; ``width`` and ``height`` in pixels; ``nodes``
        with their place, state and cut text; ``edges`` as SVG path data.

    Examples
    --------
    >>> from flownb.picture.model import Dag, DagNode
    >>> payload = dag_payload(Dag("F", (DagNode("load", state="fresh"),)))
    >>> payload["summary"], payload["nodes"][0]["state"]
    ('1 step · 1 fresh', 'fresh')
    """
    layout = layout_dag(dag, max_width=max_width)
    nodes = {node.name: node for node in dag.nodes}
    return asdict(
        DagPayload(
            version=1,
            flow=dag.name,
            summary=flow_summary(dag),
            description=flow_description(dag),
            width=layout.width,
            height=layout.height,
            nodes=[_node(box) for box in layout.boxes],
            edges=[_edge(path, nodes) for path in layout.paths],
        )
    )


def node_detail(node: DagNode, width: float) -> tuple[tuple[str, bool], ...]:
    """The second line of a card that is so many pixels wide: pieces of text, and whether each is code."""
    return card_detail(node, width - CARD.text_left - CARD.text_right)[0]


def _node(box: NodeBox) -> PayloadNode:
    return PayloadNode(
        name=box.node.name,
        label=box.name,
        kind=box.node.kind,
        state=box.node.state,
        detail=list(box.detail),
        title=node_sentence(box.node),
        in_foreach=box.node.in_foreach,
        x=box.x,
        y=box.y,
        width=box.width,
        height=box.height,
    )


def _edge(path: EdgePath, nodes: dict[str, DagNode]) -> PayloadEdge:
    return PayloadEdge(
        source=path.source,
        target=path.target,
        title=edge_sentence(path),
        path=path_data(path),
        strands=strands(path, nodes),
        head=path.points[-1],
        label=path.label,
        label_at=(*path.label_at, path.label_width) if path.label_at else None,
    )
