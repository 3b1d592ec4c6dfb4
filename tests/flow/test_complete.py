"""The graph that ships: start, end, bridges and steps between a split and its join."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flownb.flow.build_graph import complete_graph
from flownb.flow.graph import FlowGraph
from tests.flow.flows import built, shipped


def picture(graph: FlowGraph) -> dict[str, tuple[str, ...]]:
    """Each step's targets, added steps marked with a plus."""
    return {("+" if node.step is None else "") + name: node.targets for name, node in graph.nodes.items()}


SHIPPED = {
    ("%%step start", "%%step end"): {"start": ("end",), "end": ()},
    ("%%step a",): {"a": ()},
    ("%%step start",): {"start": ()},
    ("%%step end",): {"end": ()},
    ("%%step a", "%%step b"): {"+start": ("a",), "a": ("b",), "b": ("end",), "+end": ()},
    ("%%step a\n@step(start=True)", "%%step b\n@step(end=True)"): {"a": ("b",), "b": ()},
    ("%%step a\n@step(start=True)", "%%step start"): {"a": ("start",), "start": ("end",), "+end": ()},
    ("%%step a --foreach xs", "%%step j --join\n@step(end=True)"): {"+start": ("a",), "a": ("j",), "j": ()},
    ("%%step s", "%%step a --when k=1", "%%step b --after s --when k=2"): {
        "+start": ("s",),
        "s": ("a", "b"),
        "a": ("end",),
        "b": ("end",),
        "+end": (),
    },
    ("%%step start", "%%step a --after start", "%%step j --after start,a --join"): {
        "start": ("a", "start_to_j"),
        "+start_to_j": ("j",),
        "a": ("j",),
        "j": ("end",),
        "+end": (),
    },
    (
        "%%step start -> xs",
        "%%step a --foreach xs",
        "%%step j --join -> ys",
        "%%step b --foreach ys",
        "%%step k --join",
        "%%step end",
    ): {
        "start": ("a",),
        "a": ("j",),
        "j": ("j_split",),
        "+j_split": ("b",),
        "b": ("k",),
        "k": ("end",),
        "end": (),
    },
    ("%%step only --foreach xs -> y", "%%step j --join"): {
        "+start": ("only",),
        "only": ("j",),
        "j": ("end",),
        "+end": (),
    },
}


@pytest.mark.parametrize("cells", SHIPPED)
def test_what_metaflow_asks_for_is_added(cells: tuple[str, ...]) -> None:
    """Missing start and end, a bridge behind a join that splits, a step on an edge from a split into a join."""
    assert picture(shipped(*cells)) == SHIPPED[cells]


def test_a_bridge_carries_the_transition() -> None:
    """The step behind a join takes over its foreach, and the parents of its targets."""
    graph = shipped(
        "%%step start -> xs", "%%step a --foreach xs", "%%step j --join", "%%step b --foreach ys", "%%step k --join"
    )
    assert (
        graph["j"].transition.kind if graph["j"].transition else "",
        graph["j_split"].transition.kind if graph["j_split"].transition else "",
        graph["j_split"].transition.foreach if graph["j_split"].transition else "",
    ) == ("linear", "foreach", "ys")
    assert (graph["j_split"].parents, graph["b"].parents) == (("j",), ("j_split",))


def test_added_steps_take_free_names() -> None:
    """A bridge is called like no step and no artifact."""
    graph = shipped(
        "%%step start -> j_split",
        "%%step a --foreach j_split",
        "%%step j --join",
        "%%step j_split_2 --foreach ys",
        "%%step k --join",
    )
    assert graph["j"].targets == ("j_split_3",)


def test_a_first_step_that_is_a_foreach_gets_a_start_that_splits() -> None:
    """A flow may begin with a foreach over a parameter."""
    start = shipped("%%step work --foreach xs", "%%step j --join")["start"]
    assert ((start.transition.kind, start.transition.foreach) if start.transition else None) == ("foreach", "xs")


def test_the_users_own_graph_stays() -> None:
    """Completing gives a new graph; an empty one stays empty."""
    graph = built("%%step a")
    complete_graph(graph)
    assert picture(graph) == {"a": ()}
    assert picture(shipped()) == {}


class Maker:
    """Writes cells of nested blocks, each a chain of steps with an entry and an exit."""

    def __init__(self) -> None:
        self.cells: list[str] = []

    def step(self, parent: str, options: str = "", *, after: str = "") -> str:
        """Add one step and give its name."""
        name = f"s{len(self.cells)}"
        place = f" --after {after or parent}" if parent else ""
        self.cells.append(f"%%step {name}{place}{options} -> xs\nxs = [1]")
        return name

    def block(self, parent: str, shape: object, options: str = "") -> str:
        """Add a block below `parent` and give its last step."""
        if not isinstance(shape, tuple):
            return self.step(parent, options)
        kind, inner = shape
        first = self.step(parent, options)
        if kind == "chain":
            for one in inner:
                first = self.block(first, one)
            return first
        if kind == "foreach":
            last = self.block(first, inner[0], " --foreach xs")
            return self.step(last, " --join")
        ends = [self.block(first, one) for one in inner]
        if kind == "skip":
            ends.append(first)
        return self.step(first, " --join", after=",".join(ends))


SHAPES = st.recursive(
    st.just("step"),
    lambda inner: (
        st.tuples(st.sampled_from(["chain", "foreach"]), st.lists(inner, min_size=1, max_size=2))
        | st.tuples(st.just("split"), st.lists(inner, min_size=2, max_size=3))
        | st.tuples(st.just("skip"), st.lists(inner, min_size=1, max_size=2))
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(SHAPES)
def test_nested_blocks_complete_to_a_balanced_graph(shape: object) -> None:
    """Any nesting of splits, foreachs and skip edges gives a graph in Metaflow's form, parents first."""
    maker = Maker()
    maker.block("", shape)
    graph = shipped(*maker.cells)
    assert (graph.problems, graph.balance_problems, graph.cycle) == ((), (), ())
    place = {name: number for number, name in enumerate(graph.order)}
    ends = ("start", "end") if len(maker.cells) > 1 else (graph.order[0], graph.order[0])
    assert (graph.order[0], graph.order[-1]) == ends
    assert set(graph.nodes) == graph.reachable == set(place)
    for name, node in graph.nodes.items():
        assert all(place[name] < place[target] for target in node.targets)
        assert all(name in graph[target].parents for target in node.targets)
        assert all(name in graph[parent].targets for parent in node.parents)
        kind = node.transition.kind if node.transition else "linear"
        assert kind == "linear" or not (node.is_join or any(graph[target].is_join for target in node.targets))
