"""Splits and joins: which splits are open at each step, and where they do not balance.

Takes a `FlowGraph`; gives the open splits of each step and the problems, by the rules of Metaflow's linter
(``metaflow/lint.py``, check_split_join_balance, 2.19.39).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flownb.flow.node import Frame, GraphProblem, Node

if TYPE_CHECKING:
    from flownb.flow.graph import FlowGraph

__all__ = ["follow_splits", "leaving"]

Stack = tuple[Frame, ...]


def follow_splits(graph: FlowGraph) -> tuple[dict[str, Stack], tuple[GraphProblem, ...]]:
    """Follow splits down the graph.

    Parameters
    ----------
    graph : FlowGraph
        On a graph with a cycle nothing is known: all stacks are empty and there are no problems.

    Returns
    -------
    tuple of (dict of str to tuple of Frame, tuple of GraphProblem)
        The splits open at each step, outermost first, and what does not balance.
    """
    frames: dict[str, Stack] = {}
    problems: list[GraphProblem] = []
    if graph.cycle:
        return dict.fromkeys(graph.nodes, ()), ()
    for name in graph.order:
        node = graph[name]
        above = [parent for parent in node.parents if parent in graph and parent != name]
        arriving = [leaving(graph, parent, name, frames) for parent in above]
        if node.is_join:
            problems += _join_problems(graph, node, arriving)
            frames[name] = arriving[0][:-1] if arriving else ()
        else:
            problems += _meeting_problems(graph, node, arriving)
            frames[name] = arriving[0] if arriving else _above_the_first(node)
    return frames, tuple(problems or _open_ends(graph, frames))


def leaving(graph: FlowGraph, parent: str, name: str, frames: dict[str, Stack]) -> Stack:
    """The splits that are open on the way from `parent` to `name`."""
    above = frames.get(parent, ())
    transition = graph[parent].transition
    if transition is not None and (transition.kind == "split" or transition.kind == "foreach"):
        return (*above, Frame(parent, transition.kind, name))
    return above


def _above_the_first(node: Node) -> Stack:
    """A first step that is a foreach runs below the ``start`` that `complete_graph` adds."""
    foreach = node.step is not None and node.step.header.foreach
    return (Frame("start", "foreach", node.name),) if foreach else ()


def _problem(
    name: str,
    what: str,
    why: str,
    fix: str,
    *,
    whole: bool = False,
    ends: tuple[str, ...] = (),
    joins: tuple[str, ...] = (),
) -> GraphProblem:
    """A problem of balance."""
    return GraphProblem("unbalanced", name, what, why, fix, whole=whole, ends=ends, joins=joins)


def _meeting_problems(graph: FlowGraph, node: Node, arriving: list[Stack]) -> list[GraphProblem]:
    """What is wrong with several ways that meet in a step which is no join."""
    if len(arriving) < 2:
        return []
    if len(set(arriving)) == 1 and all(parent in graph.behind_switch for parent in node.parents):
        return []
    names = ", ".join(node.parents)
    what = f"Step {node.name} comes after {names}, but is no join."
    why = "Only the cases of one switch may meet without a join."
    if _join_problems(graph, node, arriving):
        fix = f"Let one split lead to all of them, or let only one of them lead to {node.name}."
        return [_problem(node.name, what, why, fix)]
    return [
        _problem(
            node.name,
            what,
            why,
            f"Write `%%step {node.name} --after {','.join(node.parents)} --join`, and read `inputs` in its body.",
            joins=node.parents,
        )
    ]


def _join_problems(graph: FlowGraph, node: Node, arriving: list[Stack]) -> list[GraphProblem]:
    """What is wrong with the ways that come into a join."""
    name = node.name
    if not arriving or not all(arriving):
        if node.step is None or node.step.header.join:
            what = f"Step {name} is a join, but no split or foreach is open above it."
            fix = "Remove --join, or start a split (two steps with the same --after) or a --foreach above it."
        else:
            what = f"Step {name} reads `inputs`, as a join does, but no split or foreach is open above it."
            fix = "Read the artifacts of the step above by their names, or start a split or a --foreach above it."
        return [_problem(name, what, "A join ends the branches of a split or the tasks of a foreach.", fix)]
    tops = {(stack[:-1], stack[-1].split) for stack in arriving}
    if len(tops) > 1:
        splits = ", ".join(sorted({split for _, split in tops}))
        return [
            _problem(
                name,
                f"Step {name} joins branches of different splits ({splits}).",
                "A join ends one split; inner splits are joined first.",
                "Join the inner split in a step of its own.",
            )
        ]
    top = arriving[0][-1]
    branches = {stack[-1].branch for stack in arriving}
    targets = graph[top.split].targets if top.kind == "split" else ()
    missing = [target for target in targets if target not in branches]
    if missing:
        return [
            _problem(
                name,
                f"Step {name} joins the split of {top.split} without its branch {', '.join(missing)}.",
                "A join waits for all branches of a split.",
                f"Add the last step of that branch to --after in the header of {name}.",
            )
        ]
    return []


def _open_ends(graph: FlowGraph, frames: dict[str, Stack]) -> list[GraphProblem]:
    """Splits and foreachs that no join ends, each reported at the last step that is inside it."""
    ends: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}
    for name, node in graph.nodes.items():
        stack = frames.get(name, ())
        if not node.targets and stack and name in graph.reachable:
            ends.setdefault(stack[-1].split, []).append(name)
            kinds[stack[-1].split] = stack[-1].kind
    return [
        _problem(
            names[-1],
            f"The {kinds[split]} of {split} is never joined; its last {'steps are' if len(names) > 1 else 'step is'} "
            f"{' and '.join(names)}.",
            "Metaflow needs a join for every split and foreach.",
            f"Add a cell `%%step collect --after {','.join(names)} --join` that reads `inputs`.",
            whole=True,
            ends=tuple(names),
        )
        for split, names in ends.items()
    ]
