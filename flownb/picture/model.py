"""What a picture of a flow shows: its steps, their states, and the arrows between them.

Layout, SVG and text read these frozen values, and know nothing else of the flow.
"""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["KINDS", "STATES", "Dag", "DagEdge", "DagNode", "NodeKind", "NodeState"]

NodeKind = Literal["linear", "split", "foreach", "join", "switch"]
NodeState = Literal["never", "running", "fresh", "stale", "failed", "untaken"]

KINDS: tuple[NodeKind, ...] = get_args(NodeKind)
STATES: tuple[NodeState, ...] = get_args(NodeState)


@dataclass(frozen=True)
class DagNode:
    """One step.

    Parameters
    ----------
    name
        The step's name, unique in its flow.
    kind
        How the step hands on to the next ones, or ``"join"`` if it gathers several tasks.
    state
        What is known of its latest tasks.
    detail
        Short text beside the state, such as ``"3 tasks"`` or ``"`clean` changed"``. Text between
        backticks is set as code.
    in_foreach
        Whether the step runs once for each item of a foreach; drawn as a stack of cards.

    Raises
    ------
    ValueError
        If the name is empty, or the kind or the state is none of the known ones.
    """

    name: str
    kind: NodeKind = "linear"
    state: NodeState = "never"
    detail: str = ""
    in_foreach: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError(
                "A step of the picture has no name. Its name is what its arrows refer to. "
                "Pass the step's name as `name`."
            )
        _check_choice(self.name, "kind", self.kind, KINDS)
        _check_choice(self.name, "state", self.state, STATES)


@dataclass(frozen=True)
class DagEdge:
    """One arrow, from a step to a step that may follow it.

    Parameters
    ----------
    source
        Name of the step the arrow leaves.
    target
        Name of the step the arrow enters; may be the source itself, or a step above it.
    label
        Short text on the arrow, such as ``"foreach carrier"`` or ``"kind=big"``.
    """

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True)
class Dag:
    """A flow's steps in document order, and the arrows between them.

    Parameters
    ----------
    name
        The flow's name.
    nodes
        The steps. Their order breaks every tie in the picture.
    edges
        The arrows. Two arrows between the same two steps are drawn as one with both labels.

    Raises
    ------
    ValueError
        If two steps share a name, or an arrow names a step that is not among `nodes`.
    """

    name: str
    nodes: tuple[DagNode, ...] = ()
    edges: tuple[DagEdge, ...] = ()

    def __post_init__(self) -> None:
        counts = Counter(node.name for node in self.nodes)
        for name, count in counts.items():
            if count > 1:
                raise ValueError(
                    f"The picture of {self.name} has {count} steps named `{name}`. "
                    "Arrows find their steps by name, so names must differ. "
                    "Rename all but one of them."
                )
        for edge in self.edges:
            for end in (edge.source, edge.target):
                if end not in counts:
                    raise ValueError(
                        f"The arrow {edge.source} -> {edge.target} of {self.name} "
                        f"names `{end}`, which is not a step. "
                        f"{_known_names(tuple(counts))} {_advice(end, tuple(counts))}"
                    )


def _check_choice(name: str, field: str, value: str, accepted: tuple[str, ...]) -> None:
    """Raise unless `value` is one of `accepted`."""
    if value not in accepted:
        raise ValueError(
            f"Step `{name}` has the {field} {value!r}. "
            f"The picture knows {', '.join(accepted)}. {_advice(value, accepted)}"
        )


def _known_names(names: tuple[str, ...]) -> str:
    """Say which steps exist, at most eight of them by name."""
    if not names:
        return "It has no steps."
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"Its steps are {', '.join(names[:8])}{more}."


def _advice(value: str, accepted: tuple[str, ...]) -> str:
    """Say what to write instead, naming the nearest match."""
    near = difflib.get_close_matches(value, accepted, n=1)
    return f"Write `{near[0]}`." if near else "Write one of these."
