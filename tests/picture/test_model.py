"""What a picture's values accept, and what they say when they refuse."""

from __future__ import annotations

import pytest

from flownb.picture.model import Dag, DagEdge, DagNode


def test_plain_node_has_never_run() -> None:
    """A step of which only the name is known is linear, outside any foreach, and has never run."""
    assert DagNode("load", "linear", "never", "", False) == DagNode("load")


def test_equal_flows_are_equal() -> None:
    """Two flows made of the same values are equal and hash alike, so that they can key a cache."""
    first = Dag("F", (DagNode("a"), DagNode("b")), (DagEdge("a", "b"),))
    second = Dag("F", (DagNode("a"), DagNode("b")), (DagEdge("a", "b"),))
    assert (first, hash(first)) == (second, hash(second))


def test_duplicate_name_is_refused() -> None:
    """Two steps of one name are refused with the name, the reason and the way out."""
    with pytest.raises(ValueError) as caught:
        Dag("F", (DagNode("load"), DagNode("load")))
    assert str(caught.value) == (
        "The picture of F has 2 steps named `load`. Arrows find their steps by name, so names must "
        "differ. Rename all but one of them."
    )


@pytest.mark.parametrize("edge", [DagEdge("load", "trian"), DagEdge("trian", "load")])
def test_unknown_step_is_refused(edge: DagEdge) -> None:
    """An arrow from or to a step that does not exist is refused with the nearest name."""
    with pytest.raises(ValueError) as caught:
        Dag("F", (DagNode("load"), DagNode("train")), (edge,))
    assert str(caught.value) == (
        f"The arrow {edge.source} -> {edge.target} of F names `trian`, which is not a step. "
        "Its steps are load, train. Write `train`."
    )


def test_unknown_state_is_refused() -> None:
    """A state that is none of the five is refused with the five and the nearest of them."""
    with pytest.raises(ValueError) as caught:
        DagNode("load", state="fresch")  # type: ignore[arg-type]  # the mistake under test
    assert str(caught.value) == (
        "Step `load` has the state 'fresch'. "
        "The picture knows never, running, fresh, stale, failed, untaken. Write `fresh`."
    )


def test_unknown_kind_is_refused() -> None:
    """A kind that is none of the five is refused with the five."""
    with pytest.raises(ValueError) as caught:
        DagNode("load", kind="xyz")  # type: ignore[arg-type]  # the mistake under test
    assert str(caught.value) == (
        "Step `load` has the kind 'xyz'. The picture knows linear, split, foreach, join, switch. Write one of these."
    )


def test_empty_name_is_refused() -> None:
    """A step without a name is refused."""
    with pytest.raises(ValueError, match="has no name"):
        DagNode("")
