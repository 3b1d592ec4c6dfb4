"""Questions to a graph: order, cycles, reach."""

from __future__ import annotations

import pytest

from flownb.flow.graph import OpenSplit
from tests.flow.flows import built

DIAMOND = ("%%step a", "%%step b --after a", "%%step c --after a", "%%step d --after b,c --join", "%%step e")


def test_parents_come_first_and_cells_keep_their_order() -> None:
    """The order is topological, and that of the notebook where the graph leaves it free."""
    assert built(*DIAMOND).order == ("a", "b", "c", "d", "e")


def test_a_cell_may_stand_above_its_parent() -> None:
    """Order follows --after, whatever the order of the cells."""
    graph = built("%%step last --after mid", "%%step start", "%%step mid --after start")
    assert (graph.order, graph.entry) == (("start", "mid", "last"), "start")


@pytest.mark.parametrize(
    ("cells", "cycle"),
    [
        (DIAMOND, ()),
        (("%%step a --after b", "%%step b --after a"), ("a", "b", "a")),
        (("%%step a --after a",), ("a", "a")),
        (("%%step a\nself.next({'x': self.a, 'y': self.b}, condition='k')", "%%step b"), ()),
        (("%%step s", "%%step a\nself.next(self.b)", "%%step b\nself.next(self.a)"), ("a", "b", "a")),
    ],
)
def test_a_cycle_is_found(cells: tuple[str, ...], cycle: tuple[str, ...]) -> None:
    """Only a switch may lead back, and only to itself."""
    graph = built(*cells)
    assert graph.cycle == cycle
    assert set(graph.nodes) == set(graph.order)


def test_reach_and_ancestors_follow_the_transitions() -> None:
    """What the entry leads to, and all from which a step can be reached."""
    graph = built("%%step a\nself.next(self.c)", "%%step b\nself.next(self.c)", "%%step c", "%%step d")
    assert graph.reachable == {"a", "c", "d"}
    assert graph.ancestors("d") == {"a", "b", "c"}
    assert graph.ancestors("nowhere") == frozenset()


def test_the_ancestry_of_all_steps_is_what_each_is_asked_for() -> None:
    """Also where parents form a cycle, which the transitions may not do in a flow with errors."""
    wrong = ("%%step a\nself.next(self.end)", "%%step b --after a", "%%step c\nself.next(self.d, self.a)", "%%step d")
    for cells in (DIAMOND, ("%%step a --after b", "%%step b --after a", "%%step c"), wrong):
        graph = built(*cells)
        above = {name: frozenset(graph.ancestry.names(graph.ancestry.above[name])) for name in graph.nodes}
        assert above == {name: graph.ancestors(name) for name in graph.nodes}


def test_open_splits_are_known_step_by_step() -> None:
    """Each step knows the splits open above it, outermost first, and a join each branch's."""
    graph = built(
        "%%step a -> xs",
        "%%step b --foreach xs",
        "%%step l --after b",
        "%%step r --after b",
        "%%step j --after l,r --join",
        "%%step k --join",
    )
    each = OpenSplit("a", "foreach", "b")
    assert graph.open_splits == {
        "a": (),
        "b": (each,),
        "l": (each, OpenSplit("b", "split", "l")),
        "r": (each, OpenSplit("b", "split", "r")),
        "j": (each,),
        "k": (),
    }
    assert graph.arriving("j") == {"l": (each, OpenSplit("b", "split", "l")), "r": (each, OpenSplit("b", "split", "r"))}
    assert graph.balance_problems == ()


def test_an_empty_notebook_has_an_empty_graph() -> None:
    """No question fails on a graph without steps."""
    graph = built("x = 1")
    assert (
        (None, frozenset(), (), (), ())
        == (
            graph.entry,
            graph.reachable,
            graph.cycle,
            graph.order,
            graph.balance_problems,
        )
        == (None, frozenset(), (), (), ())
    )


@pytest.mark.parametrize(
    ("cells", "kinds"),
    [
        (DIAMOND, ["split", "linear", "linear", "join", "linear"]),
        (("%%step a", "%%step b --foreach xs", "%%step c --join"), ["foreach", "linear", "join"]),
        (("%%step a", "%%step b --when k=x", "%%step c --after a --when k=y"), ["switch", "linear", "linear"]),
    ],
)
def test_each_node_has_metaflows_type(cells: tuple[str, ...], kinds: list[str]) -> None:
    """A node is what Metaflow's graph calls it."""
    assert [node.kind for node in built(*cells).nodes.values()] == kinds


def test_steps_that_run_whichever_cases_are_taken() -> None:
    """A step is unavoidable if no choice of cases leads around it; both branches of a split always run."""
    cells = (
        "%%step a -> k\nk = 1",
        "%%step b --when k=1",
        "%%step c --after a --when k=2",
        "%%step d --after b,c",
        "%%step e --after d",
        "%%step f --after d",
        "%%step g --after e,f --join",
    )
    assert built(*cells).unavoidable == {"a", "d", "e", "f", "g"}
    loop = ("%%step a -> k\nk = 1\nself.next({1: self.a, 2: self.b}, condition='k')", "%%step b")
    assert built(*loop).unavoidable == {"a", "b"}
