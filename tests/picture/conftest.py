"""Random flows for the property tests: any arrows between any steps, cycles and loops included."""

from __future__ import annotations

from hypothesis import strategies as st

from flownb.picture.model import KINDS, STATES, Dag, DagEdge, DagNode


@st.composite
def flows(draw: st.DrawFn) -> Dag:
    """Draw a flow of up to twelve steps whose texts hold any character."""
    names = draw(st.lists(st.text(min_size=1, max_size=40), max_size=12, unique=True))
    nodes = tuple(
        DagNode(
            name,
            kind=draw(st.sampled_from(KINDS)),
            state=draw(st.sampled_from(STATES)),
            detail=draw(st.text(max_size=20)),
            in_foreach=draw(st.booleans()),
        )
        for name in names
    )
    if not names:
        return Dag(draw(st.text()))
    ends = st.sampled_from(names)
    edges = draw(st.lists(st.builds(DagEdge, ends, ends, st.text(max_size=12)), max_size=24))
    return Dag(draw(st.text(max_size=10)), nodes, tuple(edges))


st.register_type_strategy(Dag, flows())
