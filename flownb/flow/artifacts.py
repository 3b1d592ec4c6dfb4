"""Which artifacts each step can read, worked out from the source alone.

The source of a method takes from an `ArtifactTrace` which artifacts it loads, and the checks which reads fail.
"""

from __future__ import annotations

from dataclasses import dataclass

from flownb.flow.decorators import catches, catches_unnamed, caught_name, decorator_call, written_names
from flownb.flow.definition import FlowDefinition, Step
from flownb.flow.graph import FlowGraph
from flownb.metaflow_decorators import STEP_DECORATORS

__all__ = ["ArtifactTrace", "trace_artifacts"]


@dataclass(frozen=True)
class ArtifactTrace:
    """Which artifacts can be read where.

    Attributes
    ----------
    certain : dict of str to frozenset of str
        For each step the names that it inherits on every path to it.
    possible : dict of str to frozenset of str
        For each step the names that it inherits on at least one path to it.
    joined : dict of str to frozenset of str
        For each join the names that at least one of its ``inputs`` has.
    leaving : dict of str to frozenset of str
        For each step the names that it passes on, on at least one path.
    unknown : frozenset of str
        Steps that may have more artifacts than the source shows: there or above, ``self`` is passed to other code, or
        a decorator that is not Metaflow's may set some; or the flow's class may have names that its source does not.
    caught : dict of str to frozenset of str
        For each step the names that are missing if ``@catch`` caught the exception of a step above before it set them.
    """

    certain: dict[str, frozenset[str]]
    possible: dict[str, frozenset[str]]
    joined: dict[str, frozenset[str]]
    leaving: dict[str, frozenset[str]]
    unknown: frozenset[str]
    caught: dict[str, frozenset[str]]

    def may_lack(self, step: str, name: str) -> bool:
        """Whether `step` may not have a name that it inherits on at least one path to it."""
        return name not in self.certain.get(step, ()) or name in self.caught.get(step, ())

    def loads(self, step: Step, flow: FlowDefinition) -> tuple[str, ...]:
        """Plain names of `step` that are shorthand for artifacts, in the order of their first read."""
        available = self.possible.get(step.name, frozenset())
        reads = {**step.names.mentions, **step.names.reads}
        declared = step.names.globals_declared
        return tuple(
            name
            for name in sorted(reads, key=lambda name: (reads[name], name))
            if name in available and name not in flow.shared_names and name not in declared and name != "self"
        )


def trace_artifacts(flow: FlowDefinition, graph: FlowGraph) -> ArtifactTrace:
    """Follow artifacts down the graph.

    Parameters
    ----------
    flow : FlowDefinition
    graph : FlowGraph
        Complete or not; steps on a cycle see what steps before them captured.

    Returns
    -------
    ArtifactTrace
    """
    base = flow.class_artifacts
    certain: dict[str, frozenset[str]] = {}
    possible: dict[str, frozenset[str]] = {}
    joined: dict[str, frozenset[str]] = {}
    leaving: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    unknown: set[str] = set(graph.nodes) if flow.is_open else set()
    known_decorators = STEP_DECORATORS - flow.redefined | {"step"}
    caught: dict[str, frozenset[str]] = {}
    lacking: dict[str, frozenset[str]] = {}
    for name in graph.order:
        node = graph[name]
        above = [leaving[parent] for parent in node.parents if parent in leaving]
        if any(parent in unknown for parent in node.parents):
            unknown.add(name)
        merged: frozenset[str] = frozenset()
        if node.is_join:
            joined[name] = base.union(*(both for _, both in above))
            sure = maybe = base
            if node.step is not None and node.step.names.merges:
                merged = joined[name]
        elif len(above) == 1:
            sure, maybe = above[0]  # the same sets: copies of all names at all steps would cost the square of a flow
        elif above:
            sure = base | frozenset.intersection(*(one for one, _ in above))
            maybe = base.union(*(both for _, both in above))
        else:
            sure = maybe = base
        certain[name], possible[name] = sure, maybe
        above_lack = frozenset[str]().union(*(lacking.get(parent, ()) for parent in node.parents))
        caught[name], lacking[name] = above_lack & maybe, above_lack & (maybe | merged)
        added = merged
        if node.step is not None:
            written = frozenset(written_names(node.step))
            added = merged | written
            if (
                node.step.names.self_escapes
                or catches_unnamed(node.step)
                or any(
                    (call := decorator_call(one)) is None or call.name not in known_decorators
                    for one in node.step.body.decorators
                )
            ):
                unknown.add(name)
            if catches(node.step) is not None:
                lacking[name] |= added - sure - {caught_name(node.step)}
            else:
                lacking[name] -= written
        passed = maybe if added <= maybe else maybe | added
        leaving[name] = (passed if sure is maybe else sure if added <= sure else sure | added, passed)
    passed_on = {name: maybe for name, (_, maybe) in leaving.items()}
    return ArtifactTrace(certain, possible, joined, passed_on, frozenset(unknown), caught)
