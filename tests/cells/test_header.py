"""The header of a marked cell: its grammar, its messages, and the tags that mean the same."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flownb.cells.header import (
    FlowHeader,
    StepHeader,
    header_from_tags,
    header_tags,
    parse_flow_line,
    parse_step_line,
    split_names,
)
from flownb.errors import CellError

NO_FOREACH = "A foreach names one artifact of the parent."
USAGE = (
    "Write %%step NAME [--after A,B] [--foreach ARTIFACT] [--join [PARAMETER]] [--when ARTIFACT=VALUE] [-> name, name]."
)

LINES = {
    "train": StepHeader("train"),
    "train -> model": StepHeader("train", captures=("model",)),
    "train->model,score": StepHeader("train", captures=("model", "score")),
    "train -> model, score, model": StepHeader("train", captures=("model", "score")),
    "train --after clean": StepHeader("train", after=("clean",)),
    "train --after=clean": StepHeader("train", after=("clean",)),
    "train --after a,b --join": StepHeader("train", after=("a", "b"), join=True),
    "train --after a, b , c --join": StepHeader("train", after=("a", "b", "c"), join=True),
    "--join train": StepHeader("train", join=True),
    "train\t--foreach   xs": StepHeader("train", foreach="xs"),
    "big --when size=big": StepHeader("big", when=("size", "big")),
    "big --when size=3 -> y": StepHeader("big", when=("size", 3), captures=("y",)),
    "big --when size=0.5": StepHeader("big", when=("size", 0.5)),
    "big --when ok=True": StepHeader("big", when=("ok", True)),
    "big --when size='3'": StepHeader("big", when=("size", "3")),
    'big --when size="very big -> huge" -> y': StepHeader("big", when=("size", "very big -> huge"), captures=("y",)),
    "big --when size=None": StepHeader("big", when=("size", "None")),
    "big --when size=1e999": StepHeader("big", when=("size", "1e999")),
    "t -> \u00b5, \ufb01n": StepHeader("t", captures=("\u03bc", "fin")),
}


@pytest.mark.parametrize("line", LINES)
def test_each_form_of_the_line_is_read(line: str) -> None:
    """Options may be in any order, with blanks around commas, quotes around texts and names in Python's spelling."""
    assert parse_step_line(line) == LINES[line]


REFUSED = {
    "": ("`%%step` has no step name.", "Every step cell names its step.", USAGE),
    "--join": ("`%%step` has no step name.", "Every step cell names its step.", USAGE),
    "a b": ("`%%step a b` names two steps, `a` and `b`.", "A cell is one step.", USAGE),
    "a ->": ("`%%step a ->` captures nothing.", "No name follows `->`.", USAGE),
    "a -> x.y": ("Step `a` captures `x.y`.", "Only plain names can be captured.", USAGE),
    "a -> class": ("Step `a` captures `class`.", "Only plain names can be captured.", USAGE),
    "a -> b -> c": ("Step `a` captures `->`.", "Only plain names can be captured.", USAGE),
    "a --afer b": (
        "`%%step` has no option `--afer`. Did you mean `--after`?",
        "It takes --after, --foreach, --join, --signature, --when.",
        USAGE,
    ),
    "a --x": ("`%%step` has no option `--x`.", "It takes --after, --foreach, --join, --signature, --when.", USAGE),
    "a --after b --after c": ("`--after` is given twice.", "Each option is given once.", USAGE),
    "a --join 1": (
        "`--join 1` does not name a parameter.",
        "After --join comes the name that the step's body has for its inputs.",
        USAGE,
    ),
    "a --after": ("`--after` has no value.", "It needs a value.", USAGE),
    "a --after --join": ("`--after` has no value.", "It needs a value.", USAGE),
    "a --after -> x": ("`--after` has no value.", "It needs a value.", USAGE),
    "a --when kind='x": ("`%%step a --when kind='x` cannot be split into words.", "A quotation is not closed.", USAGE),
    "a --when kind": ("`--when kind` has no condition.", "A switch compares one artifact with one value.", USAGE),
    "a --when kind=": ("`--when kind=` has no condition.", "A switch compares one artifact with one value.", USAGE),
    "a --when if=x": ("`--when if=x` has no condition.", "A switch compares one artifact with one value.", USAGE),
    "a --when n=-1": (
        "`--when n=-1` has a negative number.",
        "The cases of Metaflow's switch are strings, numbers that are not negative, True and False.",
        'Let the step above set `n` to a word, for example "low", and write --when n=low.',
    ),
    "a --foreach x.y": (
        "`--foreach x.y` is not an artifact's name.",
        "A foreach names one artifact of the parent.",
        USAGE,
    ),
    "a --join --foreach xs": (
        "Step `a` has both --join and --foreach.",
        "A join ends parallel tasks and a foreach starts them.",
        "Write two steps: first the join, then the foreach.",
    ),
    "a --when k=v --foreach xs": (
        "Step `a` has both --when and --foreach.",
        "One transition is either a switch or a foreach.",
        "Write two steps: first the branch of the switch, then the foreach.",
    ),
}


@pytest.mark.parametrize("line", REFUSED)
def test_a_line_outside_the_grammar_is_refused(line: str) -> None:
    """Each mistake says what is wrong, why, and how the line is written."""
    with pytest.raises(CellError) as caught:
        parse_step_line(line)
    assert (caught.value.what, caught.value.why, caught.value.fix) == REFUSED[line]


NAMES = st.from_regex(r"[a-zé_][a-z0-9_]{0,6}", fullmatch=True).filter(lambda name: not keyword.iskeyword(name))
VALUES = (
    st.text(max_size=8)
    | st.integers(min_value=0)
    | st.booleans()
    | st.floats(min_value=0, allow_nan=False, allow_infinity=False).map(abs)
)
HEADERS = st.builds(
    StepHeader,
    name=NAMES,
    after=st.lists(NAMES, max_size=3, unique=True).map(tuple),
    when=st.none() | st.tuples(NAMES, VALUES),
    join=st.booleans(),
    captures=st.lists(NAMES, max_size=3, unique=True).map(tuple),
) | st.builds(StepHeader, name=NAMES, foreach=NAMES)


@given(HEADERS)
def test_a_header_is_written_as_it_is_read(header: StepHeader) -> None:
    """`StepHeader.line` gives a line that means the same header, whatever the value of --when."""
    assert parse_step_line(header.line) == header


def test_the_line_has_one_spelling() -> None:
    """Options are written in one order, the captures last."""
    assert parse_step_line('--when kind="3" train->b,a').line == "train --when kind='3' -> b, a"
    assert parse_step_line("--join --after=a, b j").line == "j --after a,b --join"


def test_names_are_split_at_commas_and_blanks() -> None:
    """A repeated name counts once, in its first place."""
    assert split_names("b, a,b ,,a") == ("b", "a")


TAGS = {
    ("step:train",): StepHeader("train"),
    ("slow", "step:train", "after:a", "after:b"): StepHeader("train", after=("a", "b")),
    ("step:train", "prev:a", "prev:b"): StepHeader("train", after=("a", "b")),
    ("step:train", "after:a,b", "join"): StepHeader("train", after=("a", "b"), join=True),
    ("step:train", "foreach:xs", "out:y", "out:z,y"): StepHeader("train", foreach="xs", captures=("y", "z")),
    ("step:train", "when:kind=big"): StepHeader("train", when=("kind", "big")),
    ("step: train ",): StepHeader("train"),
    ("after:a",): None,
    (): None,
}


TAG_USAGE = "Write tags such as step:train, after:clean, foreach:xs, join, when:kind=big, out:model,score."


@pytest.mark.parametrize("line", LINES)
def test_a_header_can_be_written_as_tags(line: str) -> None:
    """What a line says can be said by tags, and means the same."""
    header = parse_step_line(line)
    assert header_from_tags(header_tags(header)) == header


@pytest.mark.parametrize("tags", TAGS)
def test_tags_mean_what_the_line_means(tags: tuple[str, ...]) -> None:
    """Cell tags, Kale's prev: among them, give the same header; without step: they give none."""
    assert header_from_tags(tags) == TAGS[tags]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (["step:"], "The tag `step:` has no step name. Every step cell names its step. Write the tag step:train."),
        (["step:a", "out:x-y"], f"Step `a` captures `x-y`. Only plain names can be captured. {TAG_USAGE}"),
        (
            ["step:a", "foreach:"],
            f"`--foreach ` is not an artifact's name. {NO_FOREACH} {TAG_USAGE}",
        ),
    ],
)
def test_tags_outside_the_grammar_are_refused(tags: list[str], message: str) -> None:
    """A tag that cannot be read is refused with the same care as the line."""
    with pytest.raises(CellError) as caught:
        header_from_tags(tags)
    assert str(caught.value) == message


def test_the_flow_line_gives_the_class_name() -> None:
    """Blanks around the name do not matter."""
    assert parse_flow_line("  TrainingFlow ") == FlowHeader("TrainingFlow")


def test_the_flow_line_names_base_classes() -> None:
    """They are in parentheses as in a class statement, with blanks, a comma at the end or a colon after them."""
    expected = FlowHeader("Train", ("BaseFlow", "settings.Mixin"))
    lines = [
        "Train(BaseFlow, settings.Mixin)",
        " Train ( BaseFlow,settings.Mixin, ) ",
        "Train(BaseFlow, settings.Mixin):",
    ]
    assert [parse_flow_line(line) for line in lines] == [expected] * 3
    assert parse_flow_line("Train()") == FlowHeader("Train")


@pytest.mark.parametrize("line", ["Train(metaclass=Meta)", "Train(make())", "Train(A, , B)", "Train(class)"])
def test_a_base_class_is_a_name(line: str) -> None:
    """Anything else in the parentheses is refused."""
    with pytest.raises(CellError):
        parse_flow_line(line)


def test_a_join_can_name_its_inputs() -> None:
    """The name follows --join or its `=`, on the line and in a tag; the header writes it again."""
    headers = [
        parse_step_line("pick --join models -> best"),
        parse_step_line("pick --join=models -> best"),
        header_from_tags(["step:pick", "join:models", "out:best"]),
    ]
    assert headers == [StepHeader("pick", join=True, inputs="models", captures=("best",))] * 3
    assert headers[0] is not None
    assert headers[0].line == "pick --join models -> best"
    assert parse_step_line("--join pick").inputs == "inputs"


@pytest.mark.parametrize("line", ["", "A B", "1A", "Flöw", "class"])
def test_a_flow_line_without_one_class_name_is_refused(line: str) -> None:
    """Metaflow's flow names are one ASCII identifier and no keyword."""
    with pytest.raises(CellError) as caught:
        parse_flow_line(line)
    assert (caught.value.what, caught.value.why, caught.value.fix) == (
        f"`%%flow {line}` does not name a flow.",
        "The name becomes the name of the flow's class.",
        "Write %%flow TrainingFlow.",
    )


def test_a_signature_is_read_and_written() -> None:
    """The annotations of a method survive a header line and tags."""
    for text in ("(self, ins: 'list[int]') -> None", '(self, ins: "A", *, b=1) -> "B"', "(self, ins: 'A' = \"B\")"):
        header = StepHeader("j", join=True, inputs="ins", signature=text)
        assert parse_step_line(header.line) == header
        assert header_from_tags(header_tags(header)) == header


@pytest.mark.parametrize("line", ["a --signature (self,x)", "a --signature '(self'", "a --join --signature '(self)'"])
def test_a_signature_that_does_not_fit_is_refused(line: str) -> None:
    """It is Python, and has the parameters of the step's method."""
    with pytest.raises(CellError, match="--signature"):
        parse_step_line(line)
