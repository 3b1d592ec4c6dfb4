"""What the SVG picture of a flow contains."""

from __future__ import annotations

import re
from typing import get_args
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flownb.picture.model import Dag, DagEdge, DagNode, NodeKind, NodeState
from flownb.picture.svg import dag_svg

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    """List the lines of text a reader sees."""
    root = ElementTree.fromstring(svg)
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


@given(st.from_type(Dag))
def test_svg_is_xml_whatever_the_names(dag: Dag) -> None:
    """Any text in names, details and labels leaves the picture well-formed."""
    assert ElementTree.fromstring(dag_svg(dag)).tag == f"{SVG}svg"


@given(st.from_type(Dag))
def test_svg_is_deterministic(dag: Dag) -> None:
    """The same flow gives the same text."""
    assert dag_svg(dag) == dag_svg(Dag(dag.name, dag.nodes, dag.edges))


@given(st.from_type(Dag))
def test_svg_leaks_nothing_into_its_page(dag: Dag) -> None:
    """Inlined, the picture has no ids, and every class and style rule carries its own prefix."""
    svg = dag_svg(dag)
    root = ElementTree.fromstring(svg)
    classes = {name for element in root.iter() for name in element.get("class", "").split() if name}
    style = root.find(f"{SVG}style")
    assert style is not None
    selectors = re.findall(r"([^{}]+)\{[^{}]*\}", style.text or "")
    assert [element for element in root.iter() if element.get("id")] == []
    assert [name for name in classes if not name.startswith("flownb-")] == []
    assert [selector for selector in selectors if ".flownb-dag" not in selector] == []


def test_size_is_natural_and_shrinks() -> None:
    """The picture states its natural size and shrinks in a narrower place."""
    root = ElementTree.fromstring(dag_svg(Dag("F", (DagNode("load"),))))
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    assert root.get("style") == "max-width:100%;height:auto"


def test_picture_is_described() -> None:
    """A screen reader gets one image with a title and a sentence for each step."""
    dag = Dag(
        "TrainingFlow",
        (DagNode("load", "foreach", "fresh"), DagNode("train", detail="3 tasks", in_foreach=True)),
        (DagEdge("load", "train"),),
    )
    root = ElementTree.fromstring(dag_svg(dag))
    assert (
        root.get("role"),
        root.get("aria-label"),
        root.findtext(f"{SVG}title"),
    ) == ("img", "TrainingFlow", "TrainingFlow")
    assert root.findtext(f"{SVG}desc") == (
        "A flow of 2 steps. load: fresh; foreach; leads to train. "
        "train: never run, 3 tasks; once for each item of a foreach."
    )


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("never", "never run"),
        ("running", "running"),
        ("fresh", "fresh"),
        ("stale", "stale"),
        ("failed", "failed"),
    ],
)
def test_state_is_said_in_words(state: NodeState, word: str) -> None:
    """A card names its step and says its state in a word, not by colour alone."""
    svg = dag_svg(Dag("F", (DagNode("load", state=state),)), caption=False)
    assert texts(svg) == ["load", word]


def test_states_differ_without_colour() -> None:
    """With all colours taken away, the six states' cards still differ from each other."""
    drawings = set()
    for state in get_args(NodeState):
        svg = dag_svg(Dag("F", (DagNode("load", state=state),)), caption=False)
        body = svg[svg.index("</style>") :]
        shapes = re.sub(r'(class|fill|stroke)="[^"]*"', "", body)
        drawings.add(re.sub(r"<(title|text|tspan)[ >].*?</\1>", "", shapes))
    assert len(drawings) == 6


def test_text_is_escaped() -> None:
    """Markup in a name, a detail or a label is shown, not obeyed."""
    dag = Dag(
        "<F>",
        (DagNode("a<b"), DagNode("c&d", detail='"x" > 1')),
        (DagEdge("a<b", "c&d", "k=<1>"),),
    )
    assert texts(dag_svg(dag, caption=False)) == [
        "a<b",
        "never run",
        "c&d",
        'never run · "x" > 1',
        "k=<1>",
    ]


def test_detail_sets_code() -> None:
    """What is between backticks is set in the monospace font, without the backticks."""
    svg = dag_svg(Dag("F", (DagNode("fit", state="stale", detail="`clean` changed"),)))
    assert "stale · clean changed" in texts(svg)
    assert re.search(r'<tspan font-family="ui-monospace[^>]*>clean</tspan> changed', svg)


def test_long_name_has_its_full_form_as_tooltip() -> None:
    """A name that is cut in the picture is in full in the card's tooltip."""
    name = "a_name_that_goes_on_" * 4
    root = ElementTree.fromstring(dag_svg(Dag("F", (DagNode(name),))))
    tips = [element.text for element in root.iter(f"{SVG}title")]
    assert f"{name}: never run" in tips


def test_foreach_step_is_a_stack_of_cards() -> None:
    """A step inside a foreach is drawn as three cards, any other as one."""
    counts = [
        dag_svg(Dag("F", (DagNode("fit", in_foreach=inside),)), caption=False).count("<rect")
        for inside in (False, True)
    ]
    assert counts == [1, 3]


def test_kinds_look_different() -> None:
    """A join and a switch are drawn unlike a plain step and unlike each other."""
    kinds: tuple[NodeKind, ...] = ("linear", "join", "switch")
    drawings = {re.sub(r"<(title|desc)>.*?</\1>", "", dag_svg(Dag("F", (DagNode("a", kind=kind),)))) for kind in kinds}
    assert len(drawings) == 3


def test_caption_counts_steps_by_state() -> None:
    """The caption names the flow and counts its steps by state, the most urgent first."""
    nodes = (DagNode("a"), DagNode("b", state="fresh"), DagNode("c", state="failed"))
    assert texts(dag_svg(Dag("TuneFlow", nodes)))[0] == "TuneFlow3 steps · 1 failed · 1 fresh · 1 never run"


def test_empty_flow_says_so() -> None:
    """A flow without steps has a picture that says there are none."""
    assert texts(dag_svg(Dag("F"))) == ["F0 steps"]
