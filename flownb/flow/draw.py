"""From headers, ``self.next`` and the order of cells to a graph.

Takes a `FlowDefinition`; gives the `FlowGraph` of the user's own steps, with every problem met on the way in it.
"""

from __future__ import annotations

from flownb.cells.body import Transition
from flownb.cells.header import INPUTS
from flownb.errors import nearest
from flownb.flow.definition import FlowDefinition, Step
from flownb.flow.graph import FlowGraph
from flownb.flow.node import GraphProblem, Node

__all__ = ["draw_graph"]


def draw_graph(flow: FlowDefinition) -> FlowGraph:
    """Work out parents and transitions of the user's own steps.

    Parameters
    ----------
    flow : FlowDefinition

    Returns
    -------
    FlowGraph
        Always; what is wrong is in `FlowGraph.problems`.
    """
    steps = {step.name: step for step in reversed(flow.all_steps)}
    steps = {step.name: steps[step.name] for step in flow.all_steps}
    problems: list[GraphProblem] = []
    parents = _parents(flow, steps, problems)
    children_of: dict[str, list[Step]] = {}
    for child in steps.values():
        for parent in parents[child.name]:
            children_of.setdefault(parent, []).append(child)
    nodes = {}
    for name, step in steps.items():
        children = children_of.get(name, [])
        explicit = step.body.transition
        transition = explicit if explicit is not None else _derived(name, children, problems)
        if explicit is not None:
            _compare(step, explicit, children, problems)
        joins = step.header.join or (INPUTS in step.names.reads and INPUTS not in flow.shared_names)
        nodes[name] = Node(name, step, parents[name], transition, joins)
    return FlowGraph(nodes, tuple(problems))


def _parents(flow: FlowDefinition, steps: dict[str, Step], problems: list[GraphProblem]) -> dict[str, tuple[str, ...]]:
    """Parents of each step: ``--after``, else who names it in ``self.next``, else the step cell above."""
    named_by: dict[str, list[str]] = {}
    for step in steps.values():
        if step.body.transition is not None:
            for target in step.body.transition.targets:
                named_by.setdefault(target, []).append(step.name)
    parents: dict[str, tuple[str, ...]] = {}
    first = next((step.name for step in steps.values() if step.body.is_start), "start")
    above: Step | None = None
    for step in steps.values():
        name, header = step.name, step.header
        explicit = named_by.get(name, [])
        if header.after:
            for parent in header.after:
                if parent not in steps:
                    problems.append(
                        GraphProblem(
                            "unknown parent",
                            name,
                            f"Step {name} comes after `{parent}`, which is no step.{nearest(parent, steps)}",
                            f"The steps so far are {', '.join(steps)}.",
                            "Correct --after, or run the cell that defines that step first.",
                        )
                    )
                elif steps[parent].body.transition is not None and parent not in explicit:
                    problems.append(
                        GraphProblem(
                            "conflict",
                            name,
                            f"Step {name} says `--after {parent}`, but {parent}'s self.next does not name it.",
                            "A body that ends in self.next decides alone where the flow goes next.",
                            f"Add self.{name} to {parent}'s self.next, or remove that line.",
                        )
                    )
            parents[name] = tuple(p for p in dict.fromkeys([*header.after, *explicit]) if p in steps)
        elif set(explicit) - {name}:
            parents[name] = tuple(explicit)
        elif (
            above is not None
            and above.body.transition is None
            and name != first
            and (name not in flow.inherited or step.is_last)
        ):
            # What remains in `explicit` is a switch that leads back to its own step.
            parents[name] = (above.name, *explicit)
        else:
            parents[name] = tuple(explicit)
        # A step of a base class has no place in the notebook.
        above = step if name not in flow.inherited else above
    return parents


def _derived(name: str, children: list[Step], problems: list[GraphProblem]) -> Transition | None:
    """The transition that the children's headers ask for."""
    if not children:
        return None
    targets = tuple(child.name for child in children)
    foreach = [child for child in children if child.header.foreach]
    when = [child for child in children if child.header.when]
    if foreach:
        if len(children) > 1:
            others = ", ".join(child.name for child in children if child is not foreach[0])
            problems.append(
                GraphProblem(
                    "conflict",
                    foreach[0].name,
                    f"Step {name} goes to {foreach[0].name} as a foreach and also to {others}.",
                    "A foreach leads to exactly one step.",
                    f"Put a step between {name} and {foreach[0].name}, or move {others} behind it.",
                )
            )
        return Transition("foreach", (foreach[0].name,), foreach=foreach[0].header.foreach)
    if when:
        return _switch(name, children, problems)
    return Transition("linear" if len(targets) == 1 else "split", targets)


def _switch(name: str, children: list[Step], problems: list[GraphProblem]) -> Transition:
    """The switch that ``--when`` headers ask for."""
    first = next(child for child in children if child.header.when)
    assert first.header.when is not None
    artifact = first.header.when[0]
    cases: list[tuple[str | int | float, str]] = []
    for child in children:
        condition = child.header.when
        if condition is None or condition[0] != artifact:
            problems.append(
                GraphProblem(
                    "switch",
                    child.name,
                    f"Step {child.name} is no case of {name}'s switch on `{artifact}`.",
                    "All steps after a switch are cases of the same artifact.",
                    f"Write `--when {artifact}=VALUE` in the header of {child.name}.",
                )
            )
            continue
        if any(value == condition[1] for value, _ in cases):
            problems.append(
                GraphProblem(
                    "switch",
                    child.name,
                    f"Two steps after {name} are for `{artifact}={condition[1]}`.",
                    "Each value of a switch leads to one step.",
                    f"Give {child.name} another value.",
                )
            )
            continue
        cases.append((condition[1], child.name))
    if len(cases) < 2:
        problems.append(
            GraphProblem(
                "switch",
                first.name,
                f"{name}'s switch on `{artifact}` has one case.",
                "Metaflow's switch needs at least two.",
                f"Add a step with `--after {name} --when {artifact}=OTHER`.",
                whole=True,
            )
        )
    return Transition("switch", tuple(step for _, step in cases), condition=artifact, cases=tuple(cases))


def _compare(step: Step, explicit: Transition, children: list[Step], problems: list[GraphProblem]) -> None:
    """Report headers of children that contradict the parent's ``self.next``."""
    for child in children:
        header = child.header
        if child.name not in explicit.targets:
            continue  # reported where `--after` was read
        wants = None
        if header.foreach and explicit.foreach != header.foreach:
            wants = f"--foreach {header.foreach}"
        if header.when and (explicit.condition != header.when[0] or (header.when[1], child.name) not in explicit.cases):
            wants = f"--when {header.when[0]}={header.when[1]}"
        if wants:
            problems.append(
                GraphProblem(
                    "conflict",
                    child.name,
                    f"Step {child.name} says `{wants}`, but {step.name}'s self.next says otherwise.",
                    "A body that ends in self.next decides alone where the flow goes next.",
                    f"Remove `{wants}` from {child.name}'s header, or change {step.name}'s self.next.",
                )
            )
