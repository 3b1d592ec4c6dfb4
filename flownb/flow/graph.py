"""The graph of a flow: who comes after whom, from headers, ``self.next`` and the order of cells.

Takes a `FlowDefinition`; gives a `FlowGraph`. `draw_graph` gives the graph of the user's own steps with every problem
it met, `complete_graph` the graph that runs and ships: with ``start``, ``end`` and bridge steps added.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from flownb.cells.body import Transition
from flownb.errors import nearest
from flownb.flow.definition import FlowDefinition, Step

__all__ = ["FlowGraph", "Frame", "GraphProblem", "Node", "complete_graph", "draw_graph"]

ProblemKind = Literal["unknown parent", "conflict", "unbalanced", "switch"]


@dataclass(frozen=True)
class GraphProblem:
    """Something wrong with the transitions, to be reported by a check.

    `line` is 1-based in the step's cell. A problem of the `whole` flow may go away when further cells are run, so it
    is not held against a single step.
    """

    kind: ProblemKind
    step: str
    what: str
    why: str
    fix: str
    line: int = 1
    whole: bool = False


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
            return self.transition.kind  # type: ignore[return-value]  # one of the three just tested
        return "linear"


@dataclass(frozen=True)
class Frame:
    """An open split above a step: the splitting step, its kind, and the branch taken."""

    split: str
    kind: Literal["split", "foreach"]
    branch: str


@dataclass(frozen=True)
class FlowGraph:
    """Steps and transitions.

    Attributes
    ----------
    nodes : dict of str to Node
        In document order.
    problems : tuple of GraphProblem
        What could not be resolved.
    """

    nodes: dict[str, Node]
    problems: tuple[GraphProblem, ...] = ()

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def __contains__(self, name: str) -> bool:
        return name in self.nodes

    @cached_property
    def entry(self) -> str | None:
        """The step that runs first: ``start``, else the first without parents."""
        if "start" in self.nodes:
            return "start"
        return next((node.name for node in self.nodes.values() if not node.parents), next(iter(self.nodes), None))

    @cached_property
    def reachable(self) -> frozenset[str]:
        """Steps that transitions lead to from the entry."""
        seen: set[str] = set()
        ahead = [self.entry] if self.entry else []
        while ahead:
            name = ahead.pop()
            if name not in seen and name in self.nodes:
                seen.add(name)
                ahead.extend(self.nodes[name].targets)
        return frozenset(seen)

    @cached_property
    def cycle(self) -> tuple[str, ...]:
        """One cycle as ``(a, b, a)``, empty when there is none; a switch may lead to itself."""
        done: set[str] = set()
        for first in self.nodes:
            path: list[str] = []
            on_path: set[str] = set()
            stack: list[tuple[str, bool]] = [(first, True)]
            while stack:
                name, enter = stack.pop()
                if not enter:
                    on_path.discard(path.pop())
                    done.add(name)
                    continue
                if name in done or name in on_path:
                    continue
                path.append(name)
                on_path.add(name)
                stack.append((name, False))
                node = self.nodes[name]
                for target in node.targets:
                    if target == name and node.kind == "switch":
                        continue
                    if target in on_path:
                        return (*path[path.index(target) :], target)
                    if target in self.nodes:
                        stack.append((target, True))
        return ()

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Steps so that parents come first (document order where free); steps on a cycle come last."""
        waiting = {
            name: {p for p in node.parents if p in self.nodes and p != name} for name, node in self.nodes.items()
        }
        done: list[str] = []
        while True:
            ready = next((name for name, parents in waiting.items() if not parents), None)
            if ready is None:
                return (*done, *waiting)
            del waiting[ready]
            done.append(ready)
            for parents in waiting.values():
                parents.discard(ready)

    @cached_property
    def frames(self) -> dict[str, tuple[Frame, ...]]:
        """For each step the splits that are open when it runs, outermost first."""
        return _frames(self)[0]

    @cached_property
    def balance_problems(self) -> tuple[GraphProblem, ...]:
        """Splits without joins, joins without splits, joins of unrelated branches."""
        return _frames(self)[1]

    def arriving(self, name: str) -> dict[str, tuple[Frame, ...]]:
        """For each parent of a step the splits that are open on the way from it, outermost first."""
        return {parent: _leaving(self, parent, name, self.frames) for parent in self.nodes[name].parents}

    def ancestors(self, name: str) -> frozenset[str]:
        """All steps from which `name` can be reached."""
        seen: set[str] = set()
        ahead = list(self.nodes[name].parents) if name in self.nodes else []
        while ahead:
            parent = ahead.pop()
            if parent not in seen and parent in self.nodes:
                seen.add(parent)
                ahead.extend(self.nodes[parent].parents)
        return frozenset(seen)


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
    steps = {step.name: step for step in reversed(flow.steps)}
    steps = {step.name: steps[step.name] for step in flow.steps}
    problems: list[GraphProblem] = []
    parents = _parents(flow, steps, problems)
    nodes = {}
    for name, step in steps.items():
        children = [child for child in steps.values() if name in parents[child.name]]
        explicit = step.body.transition
        transition = explicit if explicit is not None else _derived(name, children, problems)
        if explicit is not None:
            _compare(step, explicit, children, problems)
        joins = step.header.join or ("inputs" in step.names.reads and "inputs" not in flow.shared_names)
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
        elif explicit:
            parents[name] = tuple(explicit)
        elif above is not None and above.body.transition is None and name != "start":
            parents[name] = (above.name,)
        else:
            parents[name] = ()
        above = step
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


def _frames(graph: FlowGraph) -> tuple[dict[str, tuple[Frame, ...]], tuple[GraphProblem, ...]]:
    """Follow splits down the graph as Metaflow's linter does (``metaflow/lint.py``, check_split_join_balance)."""
    frames: dict[str, tuple[Frame, ...]] = {}
    problems: list[GraphProblem] = []
    if graph.cycle:
        return dict.fromkeys(graph.nodes, ()), ()

    def report(name: str, what: str, why: str, fix: str, *, whole: bool = False) -> None:
        problems.append(GraphProblem("unbalanced", name, what, why, fix, whole=whole))

    for name in graph.order:
        node = graph[name]
        arriving = [
            _leaving(graph, parent, name, frames) for parent in node.parents if parent in graph and parent != name
        ]
        if not node.is_join:
            if len(set(arriving)) > 1 or (
                len(arriving) > 1 and not all(_behind_switch(graph, parent) for parent in node.parents)
            ):
                names = ", ".join(node.parents)
                report(
                    name,
                    f"Step {name} comes after {names}, but is no join.",
                    "Only the cases of one switch may meet without a join.",
                    f"Write `%%step {name} --after {names} --join`, and read `inputs` in its body.",
                )
            frames[name] = arriving[0] if arriving else ()
            continue
        if not arriving or not all(arriving):
            report(
                name,
                f"Step {name} is a join, but no split or foreach is open above it.",
                "A join ends the branches of a split or the tasks of a foreach.",
                "Remove --join, or start a split (two steps with the same --after) or a --foreach above it.",
            )
            frames[name] = ()
            continue
        tops = {(stack[:-1], stack[-1].split) for stack in arriving}
        if len(tops) > 1:
            report(
                name,
                f"Step {name} joins branches of different splits ({', '.join(sorted(s for _, s in tops))}).",
                "A join ends one split; inner splits are joined first.",
                "Join the inner split in a step of its own.",
            )
        else:
            top = arriving[0][-1]
            if top.kind == "split":
                missing = [t for t in graph[top.split].targets if t not in {stack[-1].branch for stack in arriving}]
                if missing:
                    report(
                        name,
                        f"Step {name} joins the split of {top.split} without its branch {', '.join(missing)}.",
                        "A join waits for all branches of a split.",
                        f"Add the last step of that branch to --after in the header of {name}.",
                    )
        frames[name] = arriving[0][:-1]
    for name, node in graph.nodes.items():
        stack = frames.get(name, ())
        if not node.targets and stack and name in graph.reachable:
            frame = stack[-1]
            kind = "foreach" if frame.kind == "foreach" else "split"
            report(
                name,
                f"The {kind} of {frame.split} is never joined: step {name} ends inside it.",
                "Metaflow needs a join for every split and foreach.",
                f"Add a cell `%%step collect --after {name} --join` that reads `inputs`."
                if kind == "foreach"
                else "Add a step with `--after` all last steps of the branches and `--join`.",
                whole=True,
            )
    return frames, tuple(problems)


def _leaving(graph: FlowGraph, parent: str, name: str, frames: dict[str, tuple[Frame, ...]]) -> tuple[Frame, ...]:
    """The splits that are open on the way from `parent` to `name`."""
    above = frames.get(parent, ())
    transition = graph[parent].transition
    if transition is not None and (transition.kind == "split" or transition.kind == "foreach"):
        return (*above, Frame(parent, transition.kind, name))
    return above


def _behind_switch(graph: FlowGraph, name: str) -> bool:
    """Whether a switch leads to `name`, directly or not."""
    return any(graph[above].kind == "switch" for above in (*graph.ancestors(name), name))


def complete_graph(graph: FlowGraph) -> FlowGraph:
    """Add ``start``, ``end`` and the bridge steps that Metaflow's rules ask for.

    Parameters
    ----------
    graph : FlowGraph
        A graph without problems.

    Returns
    -------
    FlowGraph
        A graph that Metaflow's linter accepts; the added nodes have ``step is None``.
    """
    nodes = dict(graph.nodes)
    if not nodes:
        return graph
    entry = graph.entry
    assert entry is not None
    if "start" not in nodes:
        step = nodes[entry].step
        foreach = step.header.foreach if step else None
        transition = Transition("foreach" if foreach else "linear", (entry,), foreach=foreach)
        nodes = {"start": Node("start", None, (), transition), **nodes}
        nodes[entry] = replace(nodes[entry], parents=("start",))
    leaves = [name for name, node in nodes.items() if not node.targets and name != "end"]
    if leaves:
        end = nodes.pop("end", Node("end", None, (), None))
        nodes["end"] = replace(end, parents=(*end.parents, *leaves))
        for name in leaves:
            nodes[name] = replace(nodes[name], transition=Transition("linear", ("end",)))
    for name in list(nodes):
        transition = nodes[name].transition
        if transition is None or transition.line:
            continue
        if nodes[name].is_join and transition.kind != "linear":
            name = _bridge(nodes, name)
        if transition.kind in ("split", "switch"):
            for target in transition.targets:
                if nodes[target].is_join:
                    _pass_through(nodes, name, target)
    return FlowGraph(nodes)


def _free_name(nodes: dict[str, Node], name: str) -> str:
    """`name`, or `name` with the first number that makes it new."""
    number = 2
    free = name
    while free in nodes:
        free, number = f"{name}_{number}", number + 1
    return free


def _insert(nodes: dict[str, Node], after: str, node: Node) -> None:
    """Put a node right behind another in document order."""
    items = list(nodes.items())
    place = list(nodes).index(after) + 1
    nodes.clear()
    nodes.update([*items[:place], (node.name, node), *items[place:]])


def _reparent(nodes: dict[str, Node], child: str, old: str, new: str) -> None:
    """Replace one parent of a node."""
    nodes[child] = replace(nodes[child], parents=tuple(new if p == old else p for p in nodes[child].parents))


def _bridge(nodes: dict[str, Node], join: str) -> str:
    """Move a join's split, foreach or switch to a step of its own, whose name is returned."""
    node = nodes[join]
    bridge = _free_name(nodes, f"{join}_split")
    _insert(nodes, join, Node(bridge, None, (join,), node.transition))
    nodes[join] = replace(node, transition=Transition("linear", (bridge,)))
    for child in node.targets:
        _reparent(nodes, child, join, bridge)
    return bridge


def _pass_through(nodes: dict[str, Node], split: str, join: str) -> None:
    """Put a step on an edge that leads from a split straight into a join."""
    name = _free_name(nodes, f"{split}_to_{join}")
    _insert(nodes, split, Node(name, None, (split,), Transition("linear", (join,))))
    transition = nodes[split].transition
    assert transition is not None
    nodes[split] = replace(nodes[split], transition=redirect(transition, join, name))
    _reparent(nodes, join, split, name)


def redirect(transition: Transition, old: str, new: str) -> Transition:
    """The same transition with one target replaced."""

    def swap(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(new if name == old else name for name in names)

    cases = tuple((value, new if step == old else step) for value, step in transition.cases)
    return replace(transition, targets=swap(transition.targets), cases=cases)
