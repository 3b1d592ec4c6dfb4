"""What a run starts with: the values of its configs and parameters, from the user's choices and from defaults."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from flownb.errors import ParameterError, nearest
from flownb.runtime.current import current
from flownb.runtime.description import describe_start
from flownb.runtime.parameters.config import ConfigParameter, choose_configs, resolved_parameters, seen_configs
from flownb.runtime.parameters.config_value import ConfigValue
from flownb.runtime.parameters.parameter import Parameter, ParameterContext, RunInputs
from flownb.runtime.process import own_event_loops
from flownb.runtime.program import Program
from flownb.settings import user_name

__all__ = ["check_names", "given_names", "known_defaults", "resolve_parameters", "start_values"]

# Names that Metaflow's own options have (`Parameter.init`).
RESERVED = frozenset(
    [
        "params",
        "with",
        "tag",
        "namespace",
        "obj",
        "tags",
        "decospecs",
        "run_id_file",
        "max_num_splits",
        "max_workers",
        "max_log_size",
        "user_namespace",
        "run_id",
        "task_id",
        "runner_attribute_file",
    ]
)


@own_event_loops()
def start_values(
    program: Program,
    inputs: RunInputs,
    *,
    ds_type: str = "local",
    complete: bool = True,
    settled: Mapping[str, Any] | None = None,
) -> tuple[Program, dict[str, Any]]:
    """Determine the configs, then the parameters, whose defaults may use them.

    Parameters
    ----------
    program : Program
    inputs : RunInputs
    ds_type : str, default "local"
        ``"local"`` or ``"s3"``, for functions that compute defaults.
    complete : bool, default True
        Whether everything required must have a value; else what has none is left out.
    settled : mapping of str to object, optional
        Artifacts by attribute name that need no choice, for they are those of a run that is resumed.

    Returns
    -------
    (Program, dict of str to object)
        The program for this run, and its other parameters' and configs' artifacts by attribute name.

    Raises
    ------
    ParameterError
        If a name is unknown or refused, a file cannot be read, a value does not fit, or one is missing.
    """
    declared = program.written_parameters
    check_names(declared)
    configs = {name: one for name, one in declared.items() if isinstance(one, ConfigParameter)}
    context = ParameterContext(program.flow.name, user_name(), "", ds_type=ds_type)
    known = dict(settled or {})
    open_configs = [one for name, one in configs.items() if name not in known]
    chosen = choose_configs(open_configs, inputs, context, complete=complete)
    chosen.update({configs[name].name: value for name, value in known.items() if name in configs})
    context = context._replace(configs=ConfigValue(seen_configs(configs.values(), chosen)))
    program = program.with_configs(chosen) if configs else program
    if program.has_custom:
        declared = program.declared
        check_names(declared)
    parameters = {
        name: one
        for name, one in resolved_parameters(declared, chosen).items()
        if name not in known and not isinstance(one, ConfigParameter) and (complete or one.has_default)
    }
    with current._starting(*describe_start(program)):
        values = resolve_parameters(parameters, inputs, context)
    found = {
        name: values[name] if name in values else chosen[one.name]
        for name, one in declared.items()
        if name in values or (name in configs and name not in known and one.name in chosen)
    }
    program = program.settled()
    if complete:
        _ = program.flow_decorators  # which have no effect here, but must have values all the same
    return program, found


def given_names(declared: Mapping[str, Parameter], inputs: RunInputs) -> tuple[str, ...]:
    """Attribute names of the parameters and configs whose values a user gave, as an option or in METAFLOW_RUN_NAME."""
    options = {name.replace("-", "_") for name in inputs.parameters}
    configs = {*inputs.files, *inputs.values}
    found = []
    for attribute, one in declared.items():
        spelled = one.name.replace("-", "_")
        if isinstance(one, ConfigParameter):
            given = one.name in configs
        else:
            in_environment = f"METAFLOW_RUN_{spelled.upper()}" in inputs.environment
            given = spelled in options or attribute.replace("-", "_") in options or in_environment
        if given:
            found.append(attribute)
    return tuple(found)


def known_defaults(declared: Mapping[str, Parameter], names: Iterable[str]) -> dict[str, Any]:
    """The defaults of parameters, by attribute name, where neither a file nor a function computes them."""
    found: dict[str, Any] = {}
    for name in names:
        one = declared[name]
        plain = one.kind_name == "Parameter" and not one.reads and not callable(one.default)
        if plain and one.default is not None:
            with contextlib.suppress(ParameterError):  # it does not fit, and was not needed
                found[name] = one.convert(one.default)
    return found


def check_names(parameters: Mapping[str, Parameter]) -> None:
    """Refuse names that Metaflow refuses, given all parameters and configs by attribute name.

    Raises
    ------
    ParameterError
        If a name is reserved, or two parameters or two configs have the same one.
    """
    known: dict[tuple[bool, str], str] = {}
    for attribute, parameter in parameters.items():
        is_config = parameter.kind_name == "Config"
        if parameter.name.replace("-", "_") in RESERVED and not is_config:
            raise ParameterError(
                f"{parameter.kind_name} `{parameter.name}` has a name that is taken.",
                "Metaflow has an option of that name.",
                "Give it another name.",
            )
        # Names of configs must match exactly, those of parameters without regard to case.
        spelled = (is_config, parameter.name if is_config else parameter.name.lower())
        other = known.setdefault(spelled, attribute)
        if other != attribute:
            raise ParameterError(
                f"`{other}` and `{attribute}` have the same name `{parameter.name}`.",
                "An option of the command line sets one of them."
                + ("" if is_config else " Upper and lower case make no difference."),
                "Give one of them another name.",
            )


def resolve_parameters(
    parameters: Mapping[str, Parameter],
    inputs: RunInputs,
    context: ParameterContext,
) -> dict[str, Any]:
    """Values of all parameters, by attribute name.

    Parameters
    ----------
    parameters : mapping of str to Parameter
        By attribute name, none of them a config.
    inputs : RunInputs
        What the user set, by parameter name (``-`` and ``_`` mean the same) or attribute name.
    context : ParameterContext
        For defaults that are computed.

    Raises
    ------
    ParameterError
        If a name is unknown, a required value is missing, or a value does not fit.
    """
    by_spelling: dict[str, str] = {}
    for attribute, parameter in parameters.items():
        by_spelling.setdefault(attribute.replace("-", "_"), parameter.name)
    by_spelling.update({parameter.name.replace("-", "_"): parameter.name for parameter in parameters.values()})
    chosen: dict[str, Any] = {}
    for name, value in inputs.parameters.items():
        known = by_spelling.get(name.replace("-", "_"))
        if known is None:
            raise _unknown(name, parameters, context)
        chosen[known] = value
    named = RunInputs(chosen, inputs.files, inputs.values, inputs.environment, inputs.folder)
    return {attribute: parameter.value(named, context) for attribute, parameter in parameters.items()}


def _unknown(name: str, parameters: Mapping[str, Parameter], context: ParameterContext) -> ParameterError:
    """The error of a name that no parameter of the flow has."""
    if name in (context.configs or {}):
        return ParameterError(
            f"Flow {context.flow_name} has no parameter `{name}`, but a config.",
            "Configs have options of their own.",
            f"Write --config {name} FILE, or --config-value {name} JSON.",
        )
    names = sorted(parameter.name for parameter in parameters.values())
    return ParameterError(
        f"Flow {context.flow_name} has no parameter `{name}`.{nearest(name, names)}",
        f"It has {', '.join(f'`{n}`' for n in names)}." if names else "It has no parameters.",
        f'Add `{name.replace("-", "_")} = Parameter("{name}", default=…)` to the %%flow cell, or leave the option out.',
    )
