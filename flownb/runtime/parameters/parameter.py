"""``Parameter``, ``JSONType`` and ``IncludeFile`` with Metaflow's meaning, and what the user chose for a run.

The rules for values follow ``metaflow/parameters.py`` of 2.19.39 and the click 7.1.2 that it brings, those of files
``metaflow/includefile.py``. A file is read when the run starts.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from flownb.errors import ParameterError, nearest
from flownb.runtime.parameters.config_expr import configs_read, resolve_settings

__all__ = [
    "IncludeFile",
    "JSONType",
    "Parameter",
    "ParameterContext",
    "Parser",
    "RunInputs",
    "call_default",
    "call_parser",
]

Parser = str | Callable[[Any], Any]
TRUE = ("true", "t", "1", "yes", "y")
FALSE = ("false", "f", "0", "no", "n")
CONTAINERS = (list, tuple, set, frozenset, dict)
# Types whose callable default must return exactly that type (`DeployTimeField._check_type`).
STRICT = (bool, int, float, list, dict)
OPTIONS = ("default", "type", "help", "required", "show_default", "separator")


class ParameterContext(NamedTuple):
    """What a function that computes a default gets, with Metaflow's field names.

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


def call_parser(parser: Parser, content: Any, *, what: str) -> Any:
    """Parse a text.

    Parameters
    ----------
    parser : callable or str
        ``"tomllib.loads"``; a name that begins with a dot is one of Metaflow's own package.
    content : str or bytes
    what : str
        Whose content it is, for messages: ``"Config `cfg`"``.

    Raises
    ------
    ParameterError
        If there is no such parser, or if it raises.
    """
    function = _find(parser, what) if isinstance(parser, str) else parser
    try:
        return function(content)
    except Exception as error:
        name = parser if isinstance(parser, str) else getattr(parser, "__name__", repr(parser))
        raise ParameterError(
            f"{what} cannot be parsed.",
            f"Its parser {name} raised {type(error).__name__}: {str(error).rstrip('.')}.",
            "Correct the text, or name another parser.",
        ) from error


def _find(name: str, what: str) -> Callable[[Any], Any]:
    """The function of a dotted name."""
    module, _, function = (f"metaflow{name}" if name.startswith(".") else name).rpartition(".")
    try:
        found = getattr(importlib.import_module(module), function, None) if module else None
    except ImportError as error:
        raise ParameterError(
            f"{what} has the parser {name!r}, which cannot be imported.",
            f"{type(error).__name__}: {error}.",
            "Install its package, correct the name, or pass the function itself.",
        ) from error
    if not callable(found):
        raise ParameterError(
            f"{what} has the parser {name!r}, which is not a function.",
            f"`{module}` has no function `{function}`." if module else "A parser's name has a module in front.",
            'Write it with its module, as in "tomllib.loads", or pass the function itself.',
        )
    parse: Callable[[Any], Any] = found
    return parse


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
        # A setting that is written out counts more than one that is unpacked from a config.
        self._settings = {**options, **{key: value for key, value in given.items() if value is not None}}
        self.reads = configs_read(self._settings)
        self._settle({} if self.reads else self._settings)

    def _settle(self, settings: Mapping[str, Any]) -> None:
        """Use settings whose expressions are resolved."""
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
                "That is not a type.",
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
        """The value as steps see it, made from the artifact."""
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
    """A truth value from one of click's words."""
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in TRUE + FALSE:
        return text in TRUE
    raise ValueError("accepted are true and false")


class IncludeFile(Parameter):
    """A file that a run is started with; every step can read its content.

    Parameters
    ----------
    name : str
        Name on the command line, where it takes a path.
    required : bool, default False
    is_text : bool, default True
        Whether the content is a ``str``; else it is ``bytes``.
    encoding : str, default "utf-8"
    help : str, optional
    parser : callable or str, optional
        What makes a value of the content, each time a task reads it; a dotted name is imported. The artifact is the
        content itself.
    default : str or callable, optional
        Path of the file, from the notebook's folder; a callable is called with a `ParameterContext`.
    show_default : bool, default True
    """

    kind_name = "IncludeFile"
    accepted = tuple(option for option in OPTIONS if option not in ("type", "separator"))

    def __init__(
        self,
        name: str,
        required: bool | None = None,
        is_text: bool | None = None,
        encoding: str | None = None,
        help: str | None = None,  # noqa: A002  # Metaflow's own name for it
        parser: Parser | None = None,
        **options: Any,
    ) -> None:
        if configs_read([is_text, encoding, parser]):
            raise ParameterError(
                f"IncludeFile `{name}` takes is_text, encoding or parser from a config.",
                "Metaflow needs them before it knows the configs.",
                "Write their values out.",
            )
        self.is_text = True if is_text is None else bool(is_text)
        self.encoding = encoding or "utf-8"
        self.parser = parser
        super().__init__(name, required=required, help=help, **options)

    @property
    def kind(self) -> Any:
        """Paths are given as texts."""
        return str

    def load(self, raw: Any) -> Any:
        """The content, parsed if there is a parser."""
        if raw is None or self.parser is None:
            return raw
        return call_parser(self.parser, raw, what=f"IncludeFile `{self.name}`")

    def convert(self, value: Any, *, folder: Path | None = None) -> Any:
        """Read the file of a path.

        Raises
        ------
        ParameterError
            If it cannot be read, or is not text of the encoding.
        """
        if not isinstance(value, str | Path):
            raise ParameterError(
                f"IncludeFile `{self.name}` cannot be {value!r}.", "Its value is a path.", "Give the path of a file."
            )
        if "://" in str(value):
            raise ParameterError(
                f"IncludeFile `{self.name}` cannot be {value!r}.",
                "Metaflow includes local files only.",
                "Download the file first, or read it in a step.",
            )
        try:
            path = (folder or Path()) / Path(value).expanduser()
            return path.read_text(self.encoding) if self.is_text else path.read_bytes()
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ParameterError(
                f"IncludeFile `{self.name}`: `{value}` cannot be read.",
                f"{str(reason).rstrip('.')}.",
                f"Give the path of a file, for example --{self.name} PATH.",
            ) from error
        except (UnicodeDecodeError, LookupError) as error:
            raise ParameterError(
                f"IncludeFile `{self.name}`: `{value}` is not text in the encoding {self.encoding}.",
                f"{error}.",
                "Name its encoding, or use is_text=False.",
            ) from error
