"""What a picture of a flow says in words, shared by its SVG and its text.

Takes a `Dag` or a step of one; gives short phrases.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flownb.picture.model import Dag, DagNode, NodeState

if TYPE_CHECKING:
    from flownb.picture.layout import EdgePath

__all__ = [
    "BY_URGENCY",
    "INTERRUPTED",
    "STATE_WORDS",
    "edge_sentence",
    "flow_description",
    "flow_summary",
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

# The detail of a failed step that did nothing wrong: it was stopped, and that is all that is said of it.
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
    """A step's state in a word, and what else is said of it."""
    word = state_word(node.state, node.detail)
    return word, "" if word == INTERRUPTED else node.detail


def state_word(state: NodeState, detail: str) -> str:
    """A state in a word; a step that was only stopped is not said to have failed."""
    return INTERRUPTED if state == "failed" and detail == INTERRUPTED else STATE_WORDS[state]


def node_sentence(node: DagNode) -> str:
    """Say in one phrase what a step is and how it stands.

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
    """Say in one phrase from where to where an arrow leads."""
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
