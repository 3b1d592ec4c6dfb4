"""``Parameter`` and ``JSONType`` with Metaflow's meaning.

Takes what a ``%%flow`` cell declares and what a user typed; gives the value each parameter has in a run. Rules follow
``metaflow/parameters.py`` of 2.19.39 and the click 7.1.2 that it brings.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flownb.errors import ParameterError, nearest
from flownb.runtime.parameters.config_expr import configs_read, resolve_settings
from flownb.runtime.parameters.context import ParameterContext, RunInputs, call_default

__all__ = ["JSONType", "Parameter"]

TRUE = ("true", "t", "1", "yes", "y")
FALSE = ("false", "f", "0", "no", "n")
CONTAINERS = (list, tuple, set, frozenset, dict)
# Types whose callable default must return exactly that type (`DeployTimeField._check_type`).
STRICT = (bool, int, float, list, dict)
OPTIONS = ("default", "type", "help", "required", "show_default", "separator")


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
        Value when none is given. A callable is called with a `ParameterContext`.
    type : type, optional
        ``str``, ``int``, ``float``, ``bool`` or `JSONType`; without it, the default's own type, else ``str``.
    help : str, optional
    required : bool, default False
        Whether a run must be given a value; a default makes it optional all the same.
    show_default : bool, default True
    separator : str, optional
        Splits a string into a list.

    Notes
    -----
    Any of them but the name may be an expression over configs, ``cfg.a.b`` or ``config_expr("cfg.a + 1")``, and
    ``**cfg.options`` gives several. `resolved` puts the values in their place.
    """

    kind_name = "Parameter"
    accepted: tuple[str, ...] = OPTIONS

    def __init__(
        self,
        name: str,
        default: Any = None,
        type: Any = None,  # noqa: A002  # Metaflow's own name for it
        help: str | None = None,  # noqa: A002  # Metaflow's own name for it
        required: bool | None = None,
        show_default: bool | None = None,
        **options: Any,
    ) -> None:
        self.name = name
        self.attribute = name
        given = {"default": default, "type": type, "help": help, "required": required, "show_default": show_default}
        # What is unpacked from a config counts less than what is written out.
        self._settings = {**options, **{key: value for key, value in given.items() if value is not None}}
        self.reads = configs_read(self._settings)
        self._settle({} if self.reads else self._settings)

    def _settle(self, settings: Mapping[str, Any]) -> None:
        """Take over settings whose expressions are resolved."""
        unknown = sorted(set(settings) - set(self.accepted))
        if unknown:
            raise ParameterError(
                f"{self.kind_name} `{self.name}` has no option {', '.join(unknown)}."
                f"{nearest(unknown[0], self.accepted)}",
                f"It takes {', '.join(self.accepted)}.",
                "Remove it.",
            )
        self.default: Any = settings.get("default")
        self.type: Any = settings.get("type")
        self.help: str | None = settings.get("help")
        self.required = bool(settings.get("required"))
        self.show_default: bool | None = settings.get("show_default")
        self.separator: str | None = settings.get("separator")
        kind = self.kind
        if not callable(kind) and not isinstance(kind, JSONType):
            raise ParameterError(
                f"{self.kind_name} `{self.name}` has the type {kind!r}.",
                "That is no type.",
                "Use str, int, float, bool or JSONType.",
            )
        if self.separator and (kind is not str or not isinstance(settings.get("default", ""), str)):
            raise ParameterError(
                f"{self.kind_name} `{self.name}` has a separator and a type.",
                "Only strings are split.",
                "Remove one of the two.",
            )

    def resolved(self, configs: Mapping[str, Any]) -> Parameter:
        """The parameter with the configs' values in place of expressions.

        Parameters
        ----------
        configs : mapping of str to object
            By name, as steps see them.

        Raises
        ------
        ParameterError
            If an expression cannot be evaluated, or what it gives is not accepted.
        """
        if not self.reads:
            return self
        found = copy.copy(self)
        found._settle(resolve_settings(self._settings, configs))
        return found

    def unresolved(self) -> Parameter:
        """The parameter as one that must be given, while a config that it reads has no value."""
        found = copy.copy(self)
        found._settle({"required": True})
        return found

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """The parameter itself on the class, its value in this task on an instance."""
        if instance is None:
            return self
        known = vars(instance)
        seen = known.setdefault("_flownb_seen", {})
        if self.attribute not in seen:
            if self.attribute in known:  # a spin replaced it
                instance._flownb_state.read[self.attribute] = None
            raw = known[self.attribute] if self.attribute in known else instance.__getattr__(self.attribute)
            seen[self.attribute] = self.load(raw)
        return seen[self.attribute]

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
        return str if default is None or callable(default) else type(default)

    @property
    def has_default(self) -> bool:
        """Whether a run may be started without giving it."""
        return self.default is not None or not self.required

    def load(self, raw: Any) -> Any:
        """The value as steps see it, made of the artifact."""
        return raw

    def value(self, inputs: RunInputs, context: ParameterContext) -> Any:
        """The value in a run, as its artifact.

        Parameters
        ----------
        inputs : RunInputs
            Its `parameters` are by the name of the parameter here.
        context : ParameterContext

        Raises
        ------
        ParameterError
            If it is required and missing, or does not fit the type.
        """
        given = inputs.parameters.get(self.name)
        if given is None:
            given = inputs.environment.get(f"METAFLOW_RUN_{self.name.replace('-', '_').upper()}")
        if given is not None:
            value = self.convert(given, folder=inputs.folder)
            if value is not None:  # JSON's null means the default, as click takes it
                return value
        default = self.default
        if callable(default):
            default = self._typed(call_default(default, context._replace(parameter_name=self.name), self.kind_name))
        if default is None:
            if self.required:
                raise ParameterError(
                    f"{self.kind_name} `{self.name}` has no value.",
                    "It is required and has no default.",
                    f"Give one, for example --{self.name} VALUE.",
                )
            return None
        return self.convert(default)

    def _typed(self, value: Any) -> Any:
        """What a callable default returned, if it has the type that Metaflow asks for."""
        kind = self.kind
        wanted = kind if kind in STRICT else str
        if type(value) is wanted or (wanted is str and isinstance(value, str)):
            return value
        raise ParameterError(
            f"The default of {self.kind_name} `{self.name}` cannot be {value!r}.",
            f"Its function must return {'a text' if wanted is str else wanted.__name__}, for its type is "
            f"{_name_of(kind)}.",
            "Correct the function, or its type; JSON is returned as a text."
            if isinstance(kind, JSONType) or kind is JSONType
            else "Correct the function, or add type=… to the parameter.",
        )

    def convert(self, value: Any, *, folder: Path | None = None) -> Any:
        """Turn a text (or an already typed value) into the parameter's value, as its artifact.

        Parameters
        ----------
        value : object
        folder : Path, optional
            What a relative path starts from, for parameters that are files.

        Raises
        ------
        ParameterError
            If it does not fit the type.
        """
        kind = self.kind
        try:
            if kind is str:
                return value.split(self.separator) if self.separator and value and isinstance(value, str) else value
            if kind is JSONType or isinstance(kind, JSONType):
                return json.loads(value) if isinstance(value, str) else value
            if kind is bool:
                return _boolean(value)
            if kind is int and isinstance(value, float) and not value.is_integer():
                raise ValueError("it has decimals")
            if kind in CONTAINERS and isinstance(value, str):
                raise ValueError("Metaflow would take a text apart letter by letter")
            return kind(value)
        except (TypeError, ValueError) as error:
            container = kind in CONTAINERS
            raise ParameterError(
                f"{self.kind_name} `{self.name}` cannot be {value!r}.",
                f"Its type is {_name_of(kind)} ({error}).",
                f"Declare it with type=JSONType, and give it as JSON: --{self.name} '[1, 2]'."
                if container
                else f"Give a value of type {_name_of(kind)}.",
            ) from error


def _name_of(kind: Any) -> str:
    return str(getattr(kind, "name", getattr(kind, "__name__", kind)))


def _boolean(value: Any) -> bool:
    """A truth value from one of the words that click knows."""
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in TRUE + FALSE:
        return text in TRUE
    raise ValueError("accepted are true and false")
