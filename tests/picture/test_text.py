"""How a flow reads as plain text."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flownb.picture.model import Dag, DagEdge, DagNode
from flownb.picture.text import dag_text


def chain(*names: str) -> tuple[DagEdge, ...]:
    """Lead an arrow from each name to the next."""
    return tuple(DagEdge(source, target) for source, target in pairwise(names))


@given(st.from_type(Dag))
def test_every_step_has_one_line(dag: Dag) -> None:
    """There is one line for each step under the flow's name, in any flow."""
    lines = dag_text(dag).split("\n")
    assert (len(dag.nodes) + 2 if dag.nodes else 1) == len(lines)


@given(st.from_type(Dag))
def test_text_is_deterministic(dag: Dag) -> None:
    """The same flow gives the same text."""
    assert dag_text(dag) == dag_text(Dag(dag.name, dag.nodes, dag.edges))


@given(st.from_type(Dag))
def test_no_trailing_spaces(dag: Dag) -> None:
    """No line ends in a space."""
    lines = dag_text(dag).split("\n")
    assert lines == [line.rstrip() for line in lines]


def test_foreach_is_an_indented_branch() -> None:
    """A foreach's steps are indented below it; the join that gathers its tasks is not."""
    dag = Dag(
        "TrainingFlow",
        (
            DagNode("load", "foreach", "fresh"),
            DagNode("train", state="fresh", detail="3 tasks", in_foreach=True),
            DagNode("score", state="stale", detail="`train` changed", in_foreach=True),
            DagNode("pick", "join"),
            DagNode("end"),
        ),
        (DagEdge("load", "train", "foreach carrier"), *chain("train", "score", "pick", "end")),
    )
    assert dag_text(dag) == (
        "TrainingFlow · 5 steps · 1 stale · 2 fresh · 2 never run\n"
        "\n"
        "✓ load     fresh                   foreach  ⇉ train (foreach carrier)\n"
        "├─✓ train  fresh, 3 tasks                   → score\n"
        "│ ↻ score  stale, `train` changed           → pick\n"
        "○ pick     never run               join     → end\n"
        "○ end      never run"
    )


def test_branches_stand_between_split_and_join() -> None:
    """Each branch of a split starts with its own line and keeps its steps together."""
    dag = Dag(
        "F",
        tuple(DagNode(name) for name in ("s", "b", "a", "b2", "j")),
        (*chain("s", "b", "b2", "j"), *chain("s", "a", "j")),
    )
    assert dag_text(dag) == (
        "F · 5 steps · 5 never run\n"
        "\n"
        "○ s     never run  → b, a\n"
        "├─○ b   never run  → b2\n"
        "│ ○ b2  never run  → j\n"
        "├─○ a   never run  → j\n"
        "○ j     never run"
    )


def test_nested_foreach_closes_one_level_at_a_join() -> None:
    """A join inside a foreach ends the inner foreach only."""
    names = ("outer", "inner", "leaf", "gather", "end")
    kinds = {"outer": "foreach", "inner": "foreach", "gather": "join", "end": "join"}
    dag = Dag(
        "F",
        tuple(
            DagNode(name, kind=kinds.get(name, "linear"), in_foreach=name not in ("outer", "end"))  # type: ignore[arg-type]  # a dict of literals
            for name in names
        ),
        chain(*names),
    )
    heads = [line.split("  ")[0] for line in dag_text(dag).split("\n")[2:]]
    assert heads == ["○ outer", "├─○ inner", "│ ├─○ leaf", "│ ○ gather", "○ end"]


def test_branch_that_ends_is_closed() -> None:
    """The last branch of a split that is never joined ends its guide line."""
    dag = Dag("F", tuple(DagNode(n) for n in "sabc"), (*chain("s", "a"), *chain("s", "b", "c")))
    heads = [line.split("  never")[0].rstrip() for line in dag_text(dag).split("\n")[2:]]
    assert heads == ["○ s", "├─○ a", "╰─○ b", "  ○ c"]


def test_arrow_back_has_its_own_sign() -> None:
    """An arrow that closes a cycle is distinguished from those that lead on."""
    dag = Dag(
        "F",
        (DagNode("tune", "switch"), DagNode("end")),
        (DagEdge("tune", "tune", "k=again"), DagEdge("tune", "end", "k=done")),
    )
    assert dag_text(dag).split("\n")[2].endswith("→ end (k=done)  ↺ tune (k=again)")


def test_many_targets_are_counted() -> None:
    """Beyond eight, the steps that follow are counted instead of named."""
    names = [f"m{index}" for index in range(100)]
    dag = Dag(
        "F",
        (DagNode("s", "split"), *(DagNode(name) for name in names)),
        tuple(DagEdge("s", name) for name in names),
    )
    assert dag_text(dag).split("\n")[2].endswith("→ m0, m1, m2, m3, m4, m5, m6, 93 more")


def test_states_have_different_glyphs() -> None:
    """Each of the five states has a glyph of its own."""
    dag = Dag(
        "F",
        (
            DagNode("a"),
            DagNode("b", state="running"),
            DagNode("c", state="fresh"),
            DagNode("d", state="stale"),
            DagNode("e", state="failed"),
        ),
    )
    assert [line[0] for line in dag_text(dag).split("\n")[2:]] == ["○", "◐", "✓", "↻", "✗"]


def test_empty_flow_is_one_line() -> None:
    """A flow without steps is its name and that it has none."""
    assert dag_text(Dag("F")) == "F · 0 steps"
