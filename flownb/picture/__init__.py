"""A picture of a flow: steps, arrows and states, as SVG and as text.

A `Dag` of plain values is all that it needs; it imports nothing else of flownb.
"""

from __future__ import annotations

from flownb.picture.layout import DagLayout, EdgePath, NodeBox, layout_dag
from flownb.picture.model import Dag, DagEdge, DagNode, NodeKind, NodeState
from flownb.picture.payload import DAG_MIME, dag_payload, node_detail
from flownb.picture.svg import dag_svg
from flownb.picture.text import dag_text

__all__ = [
    "DAG_MIME",
    "Dag",
    "DagEdge",
    "DagLayout",
    "DagNode",
    "EdgePath",
    "NodeBox",
    "NodeKind",
    "NodeState",
    "dag_payload",
    "dag_svg",
    "dag_text",
    "layout_dag",
    "node_detail",
]
