"""From headers, self.next and the order of cells to parents and transitions."""

from __future__ import annotations

import pytest

from flownb.cells.body import Transition
from flownb.flow.graph import FlowGraph
from tests.flow.flows import built


def edges(graph: FlowGraph) -> dict[str, tuple[str, ...]]:
    """Each step's parents."""
    return {name: node.parents for name, node in graph.nodes.items()}


PARENTS = {
    ("%%step a", "%%step b", "%%step c"): {"a": (), "b": ("a",), "c": ("b",)},
    ("%%step a", "x = 1", "%%shared\n", "%%step b"): {"a": (), "b": ("a",)},
    ("%%step a", "%%step b", "%%step c --after a"): {"a": (), "b": ("a",), "c": ("a",)},
    ("%%step c --after a,b --join", "%%step a", "%%step b"): {"c": ("a", "b"), "a": ("c",), "b": ("a",)},
    ("%%step a\nself.next(self.c)", "%%step b", "%%step c"): {"a": (), "b": (), "c": ("a",)},
    ("%%step a", "%%step b\nself.next(self.d)", "%%step c", "%%step d"): {"a": (), "b": ("a",), "c": (), "d": ("b",)},
    ("%%step a", "%%step start", "%%step b"): {"a": (), "start": (), "b": ("start",)},
    ("%%step a\nself.next(self.b)", "%%step b --after a"): {"a": (), "b": ("a",)},
    ("%%step a --after a",): {"a": ("a",)},
    ("%%step b --after zz",): {"b": ()},
}


@pytest.mark.parametrize("cells", PARENTS)
def test_parents_come_from_after_then_self_next_then_the_cell_above(cells: tuple[str, ...]) -> None:
    """A header's --after counts first, then who names the step, then the step cell above; start has none."""
    assert edges(built(*cells)) == PARENTS[cells]


TRANSITIONS = {
    ("%%step a", "%%step b"): Transition("linear", ("b",)),
    ("%%step a", "%%step b --after a", "%%step c --after a"): Transition("split", ("b", "c")),
    ("%%step a -> xs", "%%step b --foreach xs"): Transition("foreach", ("b",), foreach="xs"),
    ("%%step a", "%%step b --when k=x", "%%step c --after a --when k=2"): Transition(
        "switch", ("b", "c"), condition="k", cases=(("x", "b"), (2, "c"))
    ),
    ("%%step a",): None,
    ("%%step a\nx = 1\nself.next(self.b)", "%%step b"): Transition("linear", ("b",), line=2, end_line=2),
}


@pytest.mark.parametrize("cells", TRANSITIONS)
def test_transitions_come_from_self_next_or_the_headers_below(cells: tuple[str, ...]) -> None:
    """A body's own self.next is its transition; else what the headers of its children ask for."""
    assert built(*cells)["a"].transition == TRANSITIONS[cells]


@pytest.mark.parametrize(
    ("cells", "join"),
    [
        (("%%step a", "%%step b --join"), True),
        (("%%step a", "%%step b\nx = [i.y for i in inputs]"), True),
        (("%%step a", "%%step b\ninputs = [1]\nx = inputs"), False),
        (("%%shared\ninputs = 1", "%%step a", "%%step b\nx = inputs"), False),
        (("%%step a", "%%step b\nf = lambda inputs: inputs"), False),
        (("%%step a", "%%step b\nx = 1"), False),
    ],
)
def test_a_join_says_so_or_reads_inputs(cells: tuple[str, ...], join: bool) -> None:
    """A pasted join method needs no --join; a local or shared name `inputs` makes no join."""
    assert built(*cells)["b"].is_join == join


PROBLEMS = {
    ("%%step a", "%%step b --after aa"): [
        (
            "unknown parent",
            "b",
            "Step b comes after `aa`, which is not a step. Did you mean `a`?",
            "The steps so far are a, b.",
            "Correct --after, or run the cell that defines that step first.",
        )
    ],
    ("%%step a\nself.next(self.c)", "%%step b --after a", "%%step c"): [
        (
            "conflict",
            "b",
            "Step b says `--after a`, but a's self.next does not name it.",
            "If a body ends in self.next, only that line decides where the flow goes next.",
            "Add self.b to a's self.next, or remove that self.next.",
        )
    ],
    ("%%step a\nself.next(self.b, foreach='xs')", "%%step b --foreach ys --after a"): [
        (
            "conflict",
            "b",
            "Step b says `--foreach ys`, but a's self.next says something else.",
            "If a body ends in self.next, only that line decides where the flow goes next.",
            "Remove `--foreach ys` from b's header, or change a's self.next.",
        )
    ],
    ("%%step a\nself.next({'x': self.b, 'y': self.c}, condition='k')", "%%step b --when k=y", "%%step c"): [
        (
            "conflict",
            "b",
            "Step b says `--when k=y`, but a's self.next says something else.",
            "If a body ends in self.next, only that line decides where the flow goes next.",
            "Remove `--when k=y` from b's header, or change a's self.next.",
        )
    ],
    ("%%step a", "%%step b --foreach xs", "%%step c --after a"): [
        (
            "conflict",
            "b",
            "Step a goes to b as a foreach and also to c.",
            "A foreach leads to exactly one step.",
            "Put a step between a and b, or move c after it.",
        )
    ],
    ("%%step a", "%%step b --when k=x", "%%step c --after a", "%%step d --after a --when k=y"): [
        (
            "switch",
            "c",
            "Step c is not a case of a's switch on `k`.",
            "All steps after a switch are cases of the same artifact.",
            "Write `--when k=VALUE` in the header of c.",
        )
    ],
    ("%%step a", "%%step b --when k=1", "%%step c --after a --when k=True", "%%step d --after a --when k=2"): [
        (
            "switch",
            "c",
            "Two steps after a are for `k=True`.",
            "Each value of a switch leads to one step.",
            "Give c another value.",
        )
    ],
    ("%%step a", "%%step b --when k=x"): [
        (
            "switch",
            "b",
            "The switch of a on `k` has only one case.",
            "Metaflow's switch needs at least two.",
            "Add a step with `--after a --when k=OTHER`.",
        )
    ],
}


@pytest.mark.parametrize("cells", PROBLEMS)
def test_what_contradicts_itself_is_a_problem(cells: tuple[str, ...]) -> None:
    """Headers and self.next that do not fit are told in three sentences, at the step that has to change."""
    found = [(p.kind, p.step, p.message.what, p.message.why, p.message.fix) for p in built(*cells).problems]
    assert found == PROBLEMS[cells]
