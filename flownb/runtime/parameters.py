"""``Parameter`` and ``JSONType`` with Metaflow's meaning.

Takes what a ``%%flow`` cell declares and what a user typed; gives the value each parameter has in a run. Rules follow
``metaflow/parameters.py`` of 2.19.39.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from flownb.errors import ParameterError, nearest
from flownb.settings import user_name

__all__ = ["JSONType", "Parameter", "resolve_parameters"]

TRUE = {"true", "t", "1", "yes", "y", "on"}
FALSE = {"false", "f", "0", "no", "n", "off"}


class JSONType:
    """Type of a parameter whose value is given as JSON."""

    name = "JSON"


class Parameter:
    """A value that a run is started with, and that every step can read.

    Parameters
    ----------
    name : str
        Name on the command line; the attribute it is assigned to names the artifact.
    default : object, optional
        Value when none is given. A callable is called with a context that has ``flow_name``, ``user_name`` and
        ``parameter_name``.
    type : type, optional
        ``str``, ``int``, ``float``, ``bool`` or `JSONType`; without it, the default's own type, else ``str``.
    required : bool, default False
        Whether a run must be given a value.
    help : str, optional
    show_default : bool, default True
    separator : str, optional
        Splits a string into a list.
    """

    def __init__(
        self,
        name: str,
        default: Any = None,
        type: Any = None,  # noqa: A002  # Metaflow's own name for it
        help: str | None = None,  # noqa: A002  # Metaflow's own name for it
        required: bool | None = None,
        show_default: bool | None = None,
        separator: str | None = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise ParameterError(
                f"Parameter `{name}` has no option {', '.join(sorted(unknown))}.",
                "It takes default, type, help, required, show_default and separator.",
                "Remove it.",
            )
        if separator is not None and type is not None and type is not str:
            raise ParameterError(
                f"Parameter `{name}` has a separator and a type.", "Only strings are split.", "Remove one of the two."
            )
        self.name = name
        self.default = default
        self.type = type
        self.help = help
        self.required = bool(required)
        self.show_default = show_default
        self.separator = separator
        self.attribute = name

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """The parameter itself on the class, its value in this task on an instance."""
        if instance is None:
            return self
        known = vars(instance)
        return known[self.attribute] if self.attribute in known else instance.__getattr__(self.attribute)

    def __set__(self, instance: Any, value: Any) -> None:
        raise AttributeError(
            f"`self.{self.attribute}` is a parameter, which a step cannot assign. Parameters stay as the run was "
            f"started with. Assign to another name, such as `self.{self.attribute}_used`."
        )

    @property
    def kind(self) -> Any:
        """The effective type."""
        if self.type is not None:
            return self.type
        default = self.default
        if default is None or callable(default) or self.separator is not None:
            return str
        if isinstance(default, list | dict):
            return JSONType
        return type(default)

    def value(self, flow_name: str, given: Mapping[str, Any]) -> Any:
        """The value in a run that was started with `given` (by `name`).

        Raises
        ------
        ParameterError
            If it is required and missing, or does not fit the type.
        """
        if self.name in given:
            return self.convert(given[self.name])
        default = self.default
        if callable(default):
            context = SimpleNamespace(flow_name=flow_name, user_name=user_name(), parameter_name=self.name)
            default = default(context)
        if default is None:
            if self.required:
                raise ParameterError(
                    f"Parameter `{self.name}` has no value.",
                    "It is required and has no default.",
                    f"Give one, for example --{self.name} VALUE.",
                )
            return None
        return self.convert(default)

    def convert(self, value: Any) -> Any:
        """Turn a text (or an already typed value) into the parameter's type."""
        kind = self.kind
        try:
            if self.separator is not None:
                return value.split(self.separator) if isinstance(value, str) else value
            if kind is JSONType or isinstance(kind, JSONType):
                return json.loads(value) if isinstance(value, str) else value
            if kind is bool:
                return _boolean(value)
            if kind is int and isinstance(value, float) and not value.is_integer():
                raise ValueError("it has decimals")
            return kind(value)
        except (TypeError, ValueError) as error:
            kind_name = getattr(kind, "name", getattr(kind, "__name__", str(kind)))
            raise ParameterError(
                f"Parameter `{self.name}` cannot be {value!r}.",
                f"Its type is {kind_name} ({error}).",
                f"Give a value of type {kind_name}.",
            ) from error


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in TRUE | FALSE:
        return text in TRUE
    raise ValueError("accepted are true and false")


def resolve_parameters(parameters: Mapping[str, Parameter], flow_name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Values of all parameters, by attribute name.

    Parameters
    ----------
    parameters : mapping of str to Parameter
        By attribute name.
    flow_name : str
    given : mapping of str to object
        What the user set, by parameter name (``-`` and ``_`` mean the same) or attribute name.

    Raises
    ------
    ParameterError
        If a name is unknown, a required value is missing, or a value does not fit.
    """
    by_spelling: dict[str, str] = {}
    for attribute, parameter in parameters.items():
        for spelling in (attribute, parameter.name):
            by_spelling[spelling.replace("-", "_")] = parameter.name
    chosen: dict[str, Any] = {}
    for name, value in given.items():
        known = by_spelling.get(name.replace("-", "_"))
        if known is None:
            names = sorted(parameter.name for parameter in parameters.values())
            raise ParameterError(
                f"Flow {flow_name} has no parameter `{name}`.{nearest(name, names)}",
                f"It has {', '.join(f'`{n}`' for n in names)}." if names else "It has no parameters.",
                f'Add `{name} = Parameter("{name}", default=…)` to the %%flow cell, or leave the option out.',
            )
        chosen[known] = value
    return {attribute: parameter.value(flow_name, chosen) for attribute, parameter in parameters.items()}
