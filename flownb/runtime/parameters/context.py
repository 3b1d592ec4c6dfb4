"""What parameters and configs are told when a run starts: what the user chose, and where.

Takes what a magic or a command line understood; gives it to `Parameter` and `Config`, and to functions that compute
their defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from flownb.errors import ParameterError

__all__ = ["ParameterContext", "RunInputs", "call_default"]


class ParameterContext(NamedTuple):
    """What a function that computes a default is told, with Metaflow's field names.

    Attributes
    ----------
    flow_name, user_name, parameter_name : str
    logger : callable
        Prints a line.
    ds_type : str
        ``"local"`` or ``"s3"``.
    configs : ConfigValue or None
        All configs by name; None while a config itself is computed.
    """

    flow_name: str
    user_name: str
    parameter_name: str
    logger: Callable[..., None] = print
    ds_type: str = "local"
    configs: Any = None


@dataclass(frozen=True)
class RunInputs:
    """What a run was started with, besides its flow.

    Attributes
    ----------
    parameters : mapping of str to object
        What the user set by name; a text is still to be converted.
    files, values : mapping of str to str
        ``--config`` and ``--config-value``, by the config's name.
    environment : mapping of str to str
        Where ``METAFLOW_RUN_ALPHA``, ``METAFLOW_FLOW_CONFIG`` and ``METAFLOW_FLOW_CONFIG_VALUE`` are looked up.
    folder : Path or None
        What relative paths that the user gave start from; None is the current folder, as for paths in the flow.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


def call_default(function: Callable[..., Any], context: ParameterContext, kind_name: str) -> Any:
    """Call a function that computes a default.

    Raises
    ------
    ParameterError
        If it raises.
    """
    try:
        try:
            inspect.signature(function).bind(context, False)  # ``deploy_time``, which a function may ask for
        except (TypeError, ValueError):
            return function(context)
        return function(context, False)
    except Exception as error:
        raise ParameterError(
            f"The default of {kind_name} `{context.parameter_name}` cannot be computed.",
            f"Its function raised {type(error).__name__}: {str(error).rstrip('.')}.",
            "Correct the function, or give a value.",
        ) from error
