"""Parameters of a flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flownb.errors import ParameterError
from flownb.runtime.parameters.parameter import JSONType, Parameter, ParameterContext, RunInputs
from flownb.runtime.parameters.start import check_names, resolve_parameters

CONTEXT = ParameterContext("F", "tester", "", configs={"cfg": {}})


def value(parameter: Parameter, **given: object) -> Any:
    """The parameter's value in a run that was started with `given`."""
    return parameter.value(RunInputs(given), CONTEXT)


@pytest.mark.parametrize(
    ("parameter", "given", "expected"),
    [
        (Parameter("a", default=1), "2", 2),
        (Parameter("a", default=1), " 1_0 ", 10),
        (Parameter("a", default=1.5), "2", 2.0),
        (Parameter("a", default=True), "false", False),
        (Parameter("a", default=False), "Yes", True),
        (Parameter("a", default="x"), "2", "2"),
        (Parameter("a"), "2", "2"),
        (Parameter("a", type=int), "2", 2),
        (Parameter("a", type=JSONType, default="{}"), '{"k": [1]}', {"k": [1]}),
        (Parameter("a", type=JSONType, default="[1]"), "null", [1]),
        (Parameter("a", type=JSONType), {"k": 2}, {"k": 2}),
        (Parameter("a", separator=","), "x,y", ["x", "y"]),
        (Parameter("a", separator=","), "", ""),
        (Parameter("a", default=3), 4, 4),
        (Parameter("a", default=[1]), [2], [2]),
        (Parameter("a", default=lambda context: "late"), "2", "2"),
    ],
)
def test_texts_become_values(parameter: Parameter, given: object, expected: object) -> None:
    """A text from a command line becomes a value of the declared type, or of the default's."""
    found = value(parameter, a=given)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (Parameter("a", default=1), 1),
        (Parameter("a"), None),
        (Parameter("a", default=3, required=True), 3),
        (Parameter("a", default=3, type=str), 3),
        (Parameter("a", default=1, type=float), 1.0),
        (Parameter("a", default="5", type=int), 5),
        (Parameter("a", default="yes", type=bool), True),
        (Parameter("a", default=(1, 2)), (1, 2)),
        (Parameter("a", type=JSONType, default="[1]"), [1]),
        (Parameter("a", default={"k": 1}), {"k": 1}),
        (Parameter("a", default="x,y", separator=","), ["x", "y"]),
        (Parameter("a", default=lambda context: f"{context.flow_name}-{context.parameter_name}"), "F-a"),
        (Parameter("a", default=lambda context, deploy_time: f"{deploy_time}-{context.ds_type}"), "False-local"),
        (Parameter("a", type=int, default=lambda context: 7), 7),
        (Parameter("a", type=JSONType, default=lambda context: "[1]"), [1]),
    ],
)
def test_defaults(parameter: Parameter, expected: object) -> None:
    """Without a value the default counts, converted as Metaflow converts it; a callable is called with a context."""
    found = value(parameter)
    assert (found, type(found)) == (expected, type(expected))


def test_both_spellings_are_known() -> None:
    """A parameter is set by its own name or its attribute's, with dashes or underscores."""
    parameters = {"rate": Parameter("learning-rate", default=0.1)}
    for name in ("learning-rate", "learning_rate", "rate"):
        assert resolve_parameters(parameters, RunInputs({name: "0.5"}), CONTEXT) == {"rate": 0.5}


def test_the_environment_counts_after_the_command_line_and_before_the_default() -> None:
    """``METAFLOW_RUN_LEARNING_RATE`` sets the parameter learning-rate, unless an option does."""
    parameters = {"rate": Parameter("learning-rate", default=0.1)}
    environment = {"METAFLOW_RUN_LEARNING_RATE": "0.2"}
    assert resolve_parameters(parameters, RunInputs(environment=environment), CONTEXT) == {"rate": 0.2}
    both = RunInputs({"learning-rate": "0.3"}, environment=environment)
    assert resolve_parameters(parameters, both, CONTEXT) == {"rate": 0.3}


@pytest.mark.parametrize(
    ("parameter", "given", "message"),
    [
        (Parameter("a", type=int), "x", "Parameter `a` cannot be 'x'. Its type is int"),
        (Parameter("a", type=int), "1.0", "Parameter `a` cannot be '1.0'. Its type is int"),
        (Parameter("a", default=1), 1.5, "Parameter `a` cannot be 1.5. Its type is int (it has decimals)"),
        (Parameter("a", default=True), "on", "Its type is bool (accepted are true and false)."),
        (Parameter("a", default=True), " true", "Its type is bool (accepted are true and false)."),
        (Parameter("a", type=JSONType), "{", "Its type is JSON"),
        (Parameter("a", default=[1]), "[2]", "Declare it with type=JSONType"),
        (Parameter("a", default={"k": 1}), '{"k": 2}', "Declare it with type=JSONType"),
    ],
)
def test_values_that_do_not_fit(parameter: Parameter, given: object, message: str) -> None:
    """What Metaflow would refuse, or take for something that was not meant, is refused with the type and the reason."""
    with pytest.raises(ParameterError) as caught:
        parameter.convert(given)
    assert message in str(caught.value)


def _raises(context: ParameterContext) -> str:
    raise LookupError("no table")


@pytest.mark.parametrize(
    ("type_", "function", "message"),
    [
        (int, lambda context: "7", "cannot be '7'. Its function must return int"),
        (float, lambda context: 7, "cannot be 7. Its function must return float"),
        (None, lambda context: None, "cannot be None. Its function must return a text"),
        (JSONType, lambda context: [1], "cannot be [1]. Its function must return a text"),
        (None, _raises, "The default of Parameter `a` cannot be computed. Its function raised LookupError: no table."),
    ],
)
def test_computed_defaults_of_another_type(type_: Any, function: Callable[..., Any], message: str) -> None:
    """What a default's function returns must have the type that Metaflow asks for."""
    with pytest.raises(ParameterError) as caught:
        value(Parameter("a", type=type_, default=function))
    assert message in str(caught.value)


def test_wrong_declarations() -> None:
    """An option that Parameter does not have, and a separator for numbers, are refused where they are written."""
    with pytest.raises(ParameterError, match=r"Parameter `a` has no option defualt\. Did you mean `default`\?"):
        Parameter("a", defualt=1)
    for settings in ({"type": int}, {"default": 1}, {"default": lambda context: "x,y"}):
        with pytest.raises(ParameterError, match="Only strings are split"):
            Parameter("a", separator=",", **settings)
    with pytest.raises(ParameterError, match="That is not a type"):
        Parameter("a", type="int")


def test_names_that_metaflow_refuses() -> None:
    """A name of Metaflow's own options, and two names that differ only in case, are refused."""
    with pytest.raises(ParameterError, match="Parameter `run-id` has a name that is taken"):
        check_names({"r": Parameter("run-id")})
    with pytest.raises(ParameterError, match="`a` and `b` have the same name `Alpha`"):
        check_names({"a": Parameter("alpha"), "b": Parameter("Alpha")})


def test_unknown_names() -> None:
    """An option that names no parameter is refused with the nearest one; a config's name with the option it has."""
    with pytest.raises(ParameterError, match=r"Flow F has no parameter `alhpa`\. Did you mean `alpha`\?"):
        resolve_parameters({"alpha": Parameter("alpha")}, RunInputs({"alhpa": 1}), CONTEXT)
    with pytest.raises(ParameterError, match=r"no parameter `cfg`, but a config\..*--config cfg FILE"):
        resolve_parameters({}, RunInputs({"cfg": "x.json"}), CONTEXT)


def test_missing_values() -> None:
    """A required parameter without a default must be given."""
    with pytest.raises(ParameterError, match=r"Parameter `a` has no value\. .* for example --a VALUE\."):
        value(Parameter("a", required=True))
