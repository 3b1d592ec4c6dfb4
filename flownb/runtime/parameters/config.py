"""``Config`` with Metaflow's meaning: settings that are known before a run starts, also to decorators.

Takes what a ``%%flow`` cell declares; gives configs that read their texts, and expressions where they are used. Rules
follow ``metaflow/user_configs/config_parameters.py`` of 2.19.39.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from flownb.errors import ParameterError
from flownb.flow.definition import CONFIG_ATTRIBUTES
from flownb.runtime.parameters.config_expr import ConfigExpression, configs_read
from flownb.runtime.parameters.config_value import ConfigValue
from flownb.runtime.parameters.context import ParameterContext, call_default
from flownb.runtime.parameters.parameter import Parameter
from flownb.runtime.parameters.parsers import Parser, call_parser

__all__ = [
    "Config",
    "ConfigParameter",
    "plain_configs",
    "resolved_parameters",
    "seen_configs",
]


class ConfigParameter(Parameter):
    """A config as the flow declares it.

    Attributes
    ----------
    default : object
        A path, a value, or a function that computes one.
    is_file : bool
        Whether the default is a path.
    parser : callable, str or None
    plain : bool
        Whether steps see the parser's result as it is.
    """

    kind_name = "Config"

    def __init__(
        self,
        name: str,
        default: Any,
        *,
        is_file: bool,
        help: str | None,  # noqa: A002  # Metaflow's own name for it
        required: bool | None,
        parser: Parser | None,
        plain: bool,
    ) -> None:
        self.is_file = is_file
        self.parser = parser
        self.plain = plain
        super().__init__(name, default, help=help, required=required)

    @property
    def kind(self) -> Any:
        """Files and values are given as texts."""
        return str

    def load(self, raw: Any) -> Any:
        """The config as steps see it."""
        return raw if raw is None or self.plain else ConfigValue(raw)

    def convert(self, value: Any, *, folder: Path | None = None) -> Any:
        """Make the artifact of a text, as ``--config-value`` gives it, or of a dictionary.

        Raises
        ------
        ParameterError
            If it cannot be parsed, or JSON cannot hold it.
        """
        text = json.dumps(value) if isinstance(value, dict) else value
        if not isinstance(text, str):
            raise ParameterError(
                f"Config `{self.name}` cannot be {value!r}.",
                "Its value is a text or a dictionary.",
                "Give one of them.",
            )
        what = f"Config `{self.name}`"
        if self.parser is not None:
            found = call_parser(self.parser, text, what=what)
        elif self.plain:
            return text
        else:
            try:
                found = json.loads(text)
            except json.JSONDecodeError as error:
                raise ParameterError(
                    f"{what} is no valid JSON.",
                    f"{error}.",
                    'Correct it, or name a parser, such as parser="tomllib.loads" or "yaml.safe_load".',
                ) from error
        if found is None:
            return None
        if not self.plain and not isinstance(found, Mapping):
            raise ParameterError(
                f"{what} is no table of names and values.",
                f"Its value is a {type(found).__name__}: {_short(found)}.",
                "Put it under a name, or declare the config with plain=True.",
            )
        if not self.plain:
            found = ConfigValue(found).to_dict()
        self._require_json(found)
        return found

    def _require_json(self, value: Any) -> None:
        """Refuse what Metaflow cannot pass on to its tasks."""
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"Config `{self.name}` has a value that JSON cannot hold.",
                f"Metaflow passes configs to its tasks as JSON ({error}).",
                "Write dates and the like as texts, and let steps convert them.",
            ) from error

    def read(self, path: str, folder: Path | None = None) -> Any:
        """Make the artifact of a file.

        Raises
        ------
        ParameterError
            If it cannot be read or parsed.
        """
        try:
            text = ((folder or Path()) / path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else f"It is no UTF-8 text: {error}"
            raise ParameterError(
                f"Config `{self.name}`: the file `{path}` cannot be read.",
                f"{str(reason).rstrip('.')}.",
                f"Correct the path, or choose another with --config {self.name} FILE.",
            ) from error
        try:
            return self.convert(text)
        except ParameterError as error:
            error.add_note(f"The text is that of {path}.")
            raise

    def default_value(self, context: ParameterContext) -> Any:
        """The artifact of the default; None if there is none."""
        default = self.default
        if callable(default):
            default = call_default(default, context._replace(parameter_name=self.name, configs=None), "Config")
        if default is None:
            return None
        return self.read(str(default)) if self.is_file else self.convert(default)


class Config(Mapping[str, Any]):
    """Settings that a run is started with, from a file or a value.

    In the class body, in decorators and in parameters, ``cfg.a.b`` and ``cfg["a"]`` stand for values that are known
    when the run starts, and ``**cfg.a`` unpacks one. In steps ``self.cfg`` is a `ConfigValue`.

    Parameters
    ----------
    name : str
        Name for ``--config NAME FILE`` and ``--config-value NAME TEXT``.
    default : str or callable, optional
        Path of the file to read when none is chosen, from the notebook's folder; it must exist then.
    default_value : str, dict or callable, optional
        Value when none is chosen; `default` and `default_value` exclude each other.
    help : str, optional
    required : bool, default False
        Whether a run must choose one, if there is no default.
    parser : callable or str, optional
        Makes a dictionary of the text; a dotted name is imported. Without it the text is JSON.
    plain : bool, default False
        Whether steps see what the parser made (without a parser: the text) as it is, which need not be a dictionary.
    """

    # Only what Metaflow has too: every other name is a value of the config.
    __slots__ = ("_declared",)

    def __init__(
        self,
        name: str,
        default: Any = None,
        default_value: Any = None,
        help: str | None = None,  # noqa: A002  # Metaflow's own name for it
        required: bool | None = None,
        parser: Parser | None = None,
        plain: bool = False,
        **ignored: Any,  # as Metaflow does
    ) -> None:
        if default is not None and default_value is not None:
            raise ParameterError(
                f"Config `{name}` has a default and a default_value.",
                "The first is a file, the second a value.",
                "Keep one of them.",
            )
        if configs_read([default, default_value, help, required, parser, plain, ignored]):
            raise ParameterError(
                f"Config `{name}` is declared with the value of another config.",
                "Configs are known all at once.",
                "Write the value out.",
            )
        self._declared = ConfigParameter(
            name,
            default if default is not None else default_value,
            is_file=default is not None,
            help=help,
            required=required,
            parser=parser,
            plain=bool(plain),
        )

    @property
    def name(self) -> str:
        """The config's name."""
        return self._declared.name

    def __set_name__(self, owner: type, attribute: str) -> None:
        self._declared.attribute = attribute

    def __getattr__(self, name: str) -> Any:
        if name in CONFIG_ATTRIBUTES or name.startswith("__"):
            raise AttributeError(f"`{name}` is a name of Metaflow's own here; a value of the config is [{name!r}]")
        return getattr(ConfigExpression(self.name), name)

    def __getitem__(self, key: Any) -> Any:
        return ConfigExpression(self.name)[key]

    def __iter__(self) -> Iterator[str]:
        return iter(ConfigExpression(self.name))

    def __len__(self) -> int:
        return 1

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def seen_configs(declared: Iterable[Parameter], configs: Mapping[str, Any]) -> dict[str, Any]:
    """Those configs that have a value, by name, as steps see them.

    Parameters
    ----------
    declared : iterable of Parameter
        Other parameters are passed over.
    configs : mapping of str to object
        Their artifacts by name.
    """
    return {
        one.name: one.load(configs[one.name])
        for one in declared
        if isinstance(one, ConfigParameter) and one.name in configs
    }


def resolved_parameters(declared: Mapping[str, Parameter], configs: Mapping[str, Any]) -> dict[str, Parameter]:
    """All parameters and configs with values in place of expressions.

    A parameter that reads a config which has no value yet becomes one that must be given.

    Parameters
    ----------
    declared : mapping of str to Parameter
        By attribute name.
    configs : mapping of str to object
        The configs' artifacts by name.

    Raises
    ------
    ParameterError
        If an expression cannot be evaluated.
    """
    seen = seen_configs(declared.values(), configs)
    missing = {one.name for one in declared.values() if isinstance(one, ConfigParameter)} - seen.keys()
    return {
        attribute: one.unresolved() if one.reads & missing else one.resolved(seen)
        for attribute, one in declared.items()
    }


def plain_configs(configs: Mapping[str, Any]) -> dict[str, Any]:
    """The values as decorators see them in every process: as JSON gives them back."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(configs)))
    return plain


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
