"""Metaflow's own attributes of ``self`` that some flows read: the graph and the open foreachs.

They have the attributes of Metaflow's objects (``metaflow/graph.py``, ``metaflow/task.py``, 2.19.39) that have a
meaning here, and are made from the plain data of ``current.graph``.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flownb.store.records import ForeachFrame as Frame

__all__ = ["ForeachFrame", "GraphView", "NodeView", "foreach_frames"]

# As much of an item as Metaflow keeps in a frame.
LONGEST_VALUE = 30


class ForeachFrame(NamedTuple):
    """One open foreach: the step that runs for each item, and the item as a short text."""

    step: str
    var: str
    num_splits: int
    index: int  # type: ignore[assignment]  # Metaflow's own name for it
    value: str


@dataclass(frozen=True)
class NodeView:
    """One step of the graph."""

    name: str
    type: str
    in_funcs: list[str]
    out_funcs: list[str]
    matching_join: str | None
    foreach_param: str | None
    doc: str


class GraphView:
    """``self._graph``: steps by name.

    Parameters
    ----------
    info : mapping
        ``current.graph``.
    """

    def __init__(self, info: Mapping[str, Any]) -> None:
        steps: Mapping[str, Mapping[str, Any]] = info["steps"]
        self.nodes = {
            name: NodeView(
                name,
                step["type"].removeprefix("split-") if step["type"] == "split-foreach" else step["type"],
                sorted(other for other, one in steps.items() if name in one["next"]),
                list(step["next"]),
                step.get("matching_join"),
                step.get("foreach_artifact"),
                step["doc"],
            )
            for name, step in sorted(steps.items())
        }

    def __getitem__(self, name: str) -> NodeView:
        return self.nodes[name]

    def __contains__(self, name: str) -> bool:
        return name in self.nodes

    def __iter__(self) -> Iterator[NodeView]:
        return iter(self.nodes.values())


def foreach_frames(frames: Sequence[Frame], items: Sequence[Any], info: Mapping[str, Any]) -> list[ForeachFrame]:
    """``self._foreach_stack``: the open foreachs, the outermost first."""
    return [
        ForeachFrame(info["steps"][one.step]["next"][0], one.var, one.num_splits, one.index, _text(item))
        for one, item in zip(frames, items, strict=True)
    ]


def _text(item: Any) -> str:
    """An item as a short text."""
    return str(item if isinstance(item, str | int | float) else reprlib.Repr().repr(item))[:LONGEST_VALUE]
