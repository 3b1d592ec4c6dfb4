"""What differs between the graphs of two flows: steps that come and go, and where each step leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from flownb.diff.code import StepPairs
from flownb.flow.graph import FlowGraph, Node

__all__ = ["GraphChange", "graph_changes"]


@dataclass(frozen=True)
class GraphChange:
    """What differs at one step.

    Attributes
    ----------
    step : str
    change : {"added", "removed", "renamed", "changed"}
    before, after : str
        The step's place in words, such as ``"foreach over `xs` to train"``; of a renamed step its names.
    """

    step: str
    change: Literal["added", "removed", "renamed", "changed"]
    before: str = ""
    after: str = ""


def graph_changes(before: FlowGraph, after: FlowGraph, pairs: StepPairs) -> list[GraphChange]:
    """What differs between two graphs.

    Parameters
    ----------
    before, after : FlowGraph
        Of the user's own steps.
    pairs : StepPairs
    """
    found = [GraphChange(name, "removed", before=_place(before[name])) for name in pairs.removed]
    found += [GraphChange(name, "added", after=_place(after[name])) for name in pairs.added]
    found += [GraphChange(new, "renamed", old, new) for old, new in pairs.renamed.items()]
    for old, new in pairs.same.items():
        texts = _leads_to(before[old], pairs.same), _leads_to(after[new], {})
        if texts[0] != texts[1]:
            found.append(GraphChange(new, "changed", *texts))
    return found


def _place(node: Node) -> str:
    """Where a step is: what is before it, and where it leads."""
    above = f"after {', '.join(node.parents)}" if node.parents else ""
    return ", ".join(part for part in (above, _leads_to(node, {})) if part)


def _leads_to(node: Node, names: Mapping[str, str]) -> str:
    """Where a step leads, and whether it is a join; steps are called as in `names`."""
    way = node.transition
    words = ["join"] if node.is_join else []
    if way is None:
        words.append("the last step")
    else:
        targets = ", ".join(sorted(names.get(one, one) for one in way.targets))
        if way.kind == "foreach":
            words.append(f"foreach over `{way.foreach or ('num_parallel' if way.parallel else '…')}` to {targets}")
        elif way.kind == "switch":
            cases = ", ".join(f"{value} → {names.get(one, one)}" for value, one in way.cases)
            words.append(f"switch on `{way.condition}`: {cases or targets}")
        else:
            words.append(f"→ {targets}")
    return ", ".join(words)
