"""Parameters of a flow."""

from __future__ import annotations

import pytest

from flownb.errors import ParameterError
from flownb.runtime.parameters import JSONType, Parameter, resolve_parameters


@pytest.mark.parametrize(
    ("parameter", "given", "expected"),
    [
        (Parameter("a", default=1), "2", 2),
        (Parameter("a", default=1.5), "2", 2.0),
        (Parameter("a", default=True), "false", False),
        (Parameter("a", default=False), "yes", True),
        (Parameter("a", default="x"), "2", "2"),
        (Parameter("a"), "2", "2"),
        (Parameter("a", type=int), "2", 2),
        (Parameter("a", type=JSONType, default="{}"), '{"k": [1]}', {"k": [1]}),
        (Parameter("a", default={"k": 1}), '{"k": 2}', {"k": 2}),
        (Parameter("a", separator=","), "x,y", ["x", "y"]),
        (Parameter("a", default=3), 4, 4),
    ],
)
def test_texts_become_values(parameter: Parameter, given: object, expected: object) -> None:
    """A text from a command line becomes a value of the declared type, or of the default's."""
    assert expected == parameter.value("F", {"a": given})


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (Parameter("a", default=1), 1),
        (Parameter("a"), None),
        (Parameter("a", type=JSONType, default="[1]"), [1]),
        (Parameter("a", default="x,y", separator=","), ["x", "y"]),
        (Parameter("a", default=lambda context: f"{context.flow_name}-{context.parameter_name}"), "F-a"),
        (Parameter("a", type=int, default=lambda context: "7"), 7),
    ],
)
def test_defaults(parameter: Parameter, expected: object) -> None:
    """Without a value the default counts, converted like a given one; a callable is called with a context."""
    assert expected == parameter.value("F", {})


def test_both_spellings_are_known() -> None:
    """A parameter is set by its own name or its attribute's, with dashes or underscores."""
    parameters = {"rate": Parameter("learning-rate", default=0.1)}
    for name in ("learning-rate", "learning_rate", "rate"):
        assert {"rate": 0.5} == resolve_parameters(parameters, "F", {name: "0.5"})


@pytest.mark.parametrize(
    ("parameter", "given", "message"),
    [
        (Parameter("a", type=int), "x", "Parameter `a` cannot be 'x'. Its type is int"),
        (Parameter("a", default=1), 1.5, "Parameter `a` cannot be 1.5. Its type is int (it has decimals)"),
        (Parameter("a", default=True), "maybe", "Its type is bool (accepted are true and false)."),
        (Parameter("a", type=JSONType), "{", "Its type is JSON"),
    ],
)
def test_values_that_do_not_fit(parameter: Parameter, given: object, message: str) -> None:
    """A value of another type is refused with the type and the reason."""
    with pytest.raises(ParameterError) as caught:
        parameter.convert(given)
    assert message in str(caught.value)


def test_wrong_declarations() -> None:
    """An option that Parameter does not have, and a separator for numbers, are refused where they are written."""
    with pytest.raises(ParameterError, match="Parameter `a` has no option defualt"):
        Parameter("a", defualt=1)
    with pytest.raises(ParameterError, match="Only strings are split"):
        Parameter("a", type=int, separator=",")
