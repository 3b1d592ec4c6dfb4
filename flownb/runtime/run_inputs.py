"""What a run starts with: the values of its configs and parameters.

Takes a `Program` and what the user chose; gives the program with its configs settled, and the parameters' artifacts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flownb.runtime.config import ConfigParameter, choose_configs, resolved_parameters, seen_configs
from flownb.runtime.config_value import ConfigValue
from flownb.runtime.parameters import ParameterContext, RunInputs, check_names, resolve_parameters
from flownb.runtime.program import Program
from flownb.settings import user_name

__all__ = ["start_values"]


def start_values(
    program: Program,
    inputs: RunInputs,
    *,
    ds_type: str = "local",
    complete: bool = True,
    settled: Mapping[str, Any] | None = None,
) -> tuple[Program, dict[str, Any]]:
    """Settle configs, then parameters, whose defaults may use them.

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
    declared = program.declared
    check_names(declared)
    configs = {name: one for name, one in declared.items() if isinstance(one, ConfigParameter)}
    context = ParameterContext(program.flow.name, user_name(), "", ds_type=ds_type)
    known = dict(settled or {})
    open_configs = [one for name, one in configs.items() if name not in known]
    chosen = choose_configs(open_configs, inputs, context, complete=complete)
    chosen.update({configs[name].name: value for name, value in known.items() if name in configs})
    context = context._replace(configs=ConfigValue(seen_configs(configs.values(), chosen)))
    parameters = {
        name: one
        for name, one in resolved_parameters(declared, chosen).items()
        if name not in known and not isinstance(one, ConfigParameter) and (complete or one.has_default)
    }
    values = resolve_parameters(parameters, inputs, context)
    found = {
        name: values[name] if name in values else chosen[one.name]
        for name, one in declared.items()
        if name in values or (name in configs and name not in known and one.name in chosen)
    }
    return (program.with_configs(chosen) if configs else program), found
