"""Which value each config has: of an option, of the environment, or its default.

Takes declared configs and what the user chose; gives their artifacts. Rules follow
``metaflow/user_configs/config_options.py`` of 2.19.39.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flownb.errors import ParameterError, nearest
from flownb.runtime.event_loop import own_event_loops
from flownb.runtime.parameters.config import ConfigParameter
from flownb.runtime.parameters.context import ParameterContext, RunInputs
from flownb.runtime.parameters.parameter import Parameter
from flownb.settings import user_name

__all__ = ["choose_configs", "config_environment", "default_configs"]

FILES_VARIABLE = "METAFLOW_FLOW_CONFIG"
VALUES_VARIABLE = "METAFLOW_FLOW_CONFIG_VALUE"


@own_event_loops()
def choose_configs(
    declared: Iterable[ConfigParameter], inputs: RunInputs, context: ParameterContext, *, complete: bool = True
) -> dict[str, Any]:
    """Each config's value, as its artifact.

    Parameters
    ----------
    declared : iterable of ConfigParameter
    inputs : RunInputs
        An option that the user gave hides its environment variable altogether, as in Metaflow.
    context : ParameterContext
        For defaults that are computed.
    complete : bool, default True
        Whether required configs must have a value; else they are left out without one.

    Returns
    -------
    dict of str to object
        By name; None where there is none.

    Raises
    ------
    ParameterError
        If a name is unknown, a file cannot be read, a text cannot be parsed, or a required config is missing.
    """
    by_name = {config.name: config for config in declared}
    files = {name: _at_home(path) for name, path in inputs.files.items()} or (
        _from_variable(FILES_VARIABLE, inputs.environment) if by_name else {}
    )
    values = dict(inputs.values) or (_from_variable(VALUES_VARIABLE, inputs.environment) if by_name else {})
    for option, name in (*(("--config", name) for name in files), *(("--config-value", name) for name in values)):
        if name not in by_name:
            raise _unknown(option, name, list(by_name), context.flow_name)
    for name in files.keys() & values.keys():
        raise ParameterError(
            f"Config `{name}` is given a file and a value.", "It can have one of them.", "Leave one out."
        )
    found: dict[str, Any] = {}
    for name, config in by_name.items():
        if name in files:
            found[name] = config.read(files[name], inputs.folder)
        elif name in values:
            found[name] = config.convert(values[name])
        elif config.default is not None:
            found[name] = config.default_value(context)
        elif not config.required:
            found[name] = None
        if found.get(name) is None and config.required and name not in files and name not in values:
            found.pop(name, None)
            if complete:
                raise ParameterError(
                    f"Config `{name}` has no value.",
                    "It is required and has no default.",
                    f"Give one with --config {name} FILE, or --config-value {name} JSON.",
                )
    return found


def config_environment() -> dict[str, str]:
    """The environment variables that choose configs, also of steps that run alone."""
    return {name: os.environ[name] for name in (FILES_VARIABLE, VALUES_VARIABLE) if os.environ.get(name)}


def default_configs(declared: Iterable[Parameter], flow: str) -> dict[str, Any]:
    """The values that configs have when a run does not choose any, as artifacts by name.

    Required ones without a default are left out. Parameters and errors are those of `choose_configs`.
    """
    configs = [one for one in declared if isinstance(one, ConfigParameter)]
    context = ParameterContext(flow, user_name(), "")
    return choose_configs(configs, RunInputs(environment=config_environment()), context, complete=False)


def _at_home(path: str) -> str:
    """A path of an option with its ``~`` replaced, as a shell does; a magic's line has none."""
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        return path


def _from_variable(variable: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What an environment variable chooses: JSON, from a config's name to its file or value."""
    text = environment.get(variable, "")
    if not text:
        return {}
    try:
        loaded = json.loads(text)
        items = loaded.items()
    except (json.JSONDecodeError, AttributeError) as error:
        raise ParameterError(
            f"The environment variable {variable} cannot be read.",
            f"It is no JSON object ({error}).",
            """Set it to something like '{"cfg": "config.json"}', or unset it.""",
        ) from error
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in items}


def _unknown(option: str, name: str, known: list[str], flow: str) -> ParameterError:
    """That a flow has no config of a name."""
    return ParameterError(
        f"Flow {flow} has no config `{name}`.{nearest(name, known)}",
        f"It has {', '.join(f'`{one}`' for one in known)}." if known else "It has no configs.",
        f"Correct {option}, or leave it out; a parameter of the name `config` is given as --config=VALUE.",
    )
