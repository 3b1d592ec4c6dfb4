"""The parts of a flow's graph: nodes, open splits, and what can be wrong with them.

Takes nothing; gives `Node`, `Frame` and `GraphProblem`, the values that drawing, balancing and completing share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flownb.cells.body import Transition
from flownb.flow.definition import Step

__all__ = ["Frame", "GraphProblem", "Node"]

ProblemKind = Literal["unknown parent", "conflict", "unbalanced", "switch"]


@dataclass(frozen=True)
class GraphProblem:
    """Something wrong with the transitions, to be reported by a check.

    `line` is 1-based in the step's cell. A problem of the `whole` flow may go away when further cells are run, so it
    is not held against a single step. `ends` are the steps that a new join would end, `joins` those that the step
    itself would.
    """

    kind: ProblemKind
    step: str
    what: str
    why: str
    fix: str
    line: int = 1
    whole: bool = False
    ends: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """A step's place in the graph.

    Attributes
    ----------
    name : str
    step : Step or None
        None for steps the exporter adds (``start``, ``end``, bridges).
    parents : tuple of str
        In the order of the header, or of the document.
    transition : Transition or None
        None when nothing follows.
    is_join : bool
        Whether the method takes ``inputs``.
    """

    name: str
    step: Step | None
    parents: tuple[str, ...]
    transition: Transition | None
    is_join: bool = False

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the next steps."""
        return self.transition.targets if self.transition else ()

    @property
    def kind(self) -> Literal["linear", "split", "foreach", "switch", "join"]:
        """Metaflow's type of the step."""
        if self.is_join:
            return "join"
        if self.transition and self.transition.kind in ("split", "foreach", "switch"):
            return self.transition.kind
        return "linear"


@dataclass(frozen=True)
class Frame:
    """An open split above a step: the splitting step, its kind, and the branch taken."""

    split: str
    kind: Literal["split", "foreach"]
    branch: str
