"""``Config`` with Metaflow's meaning: settings that are known before a run starts, also to decorators.

Each config's value is that of an option, of the environment, or its default (`choose_configs`). The rules follow
``metaflow/user_configs/config_parameters.py`` and ``config_options.py`` of 2.19.39.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from flownb.errors import ParameterError, nearest
from flownb.flow.definition import CONFIG_ATTRIBUTES
from flownb.runtime.parameters.config_expr import ConfigExpression, configs_read
from flownb.runtime.parameters.config_value import ConfigValue
from flownb.runtime.parameters.parameter import (
    Parameter,
    ParameterContext,
    Parser,
    RunInputs,
    call_default,
    call_parser,
)
from flownb.runtime.process import own_event_loops
from flownb.settings import user_name

__all__ = [
    "Config",
    "ConfigParameter",
    "choose_configs",
    "config_environment",
    "default_configs",
    "plain_configs",
    "resolved_parameters",
    "seen_configs",
]

FILES_VARIABLE = "METAFLOW_FLOW_CONFIG"
VALUES_VARIABLE = "METAFLOW_FLOW_CONFIG_VALUE"


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
                    f"{what} is not valid JSON.",
                    f"{error}.",
                    'Correct it, or name a parser, such as parser="tomllib.loads" or "yaml.safe_load".',
                ) from error
        if found is None:
            return None
        if not self.plain and not isinstance(found, Mapping):
            raise ParameterError(
                f"{what} is not a table of names and values.",
                f"Its value is a {type(found).__name__}: {_short(found)}.",
                "Put it under a name, or declare the config with plain=True.",
            )
        if not self.plain:
            found = ConfigValue(found).to_dict()
        self._require_json(found)
        return found

    def _require_json(self, value: Any) -> None:
        """Refuse values that Metaflow cannot pass to its tasks."""
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"Config `{self.name}` has a value that JSON cannot hold.",
                f"Metaflow passes configs to its tasks as JSON ({error}).",
                "Write dates and the like as text, and convert them in steps.",
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
            reason = error.strerror if isinstance(error, OSError) else f"It is not UTF-8 text: {error}"
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

    In the class body, in decorators and in parameters, ``cfg.a.b`` and ``cfg["a"]`` are placeholders of values that are
    known when the run starts, and ``**cfg.a`` unpacks one. In steps ``self.cfg`` is a `ConfigValue`.

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
    """The configs that have a value, by name, as steps see them.

    Parameters
    ----------
    declared : iterable of Parameter
        Other parameters are ignored.
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
            f"It is not a JSON object ({error}).",
            """Set it to something like '{"cfg": "config.json"}', or unset it.""",
        ) from error
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in items}


def _unknown(option: str, name: str, known: list[str], flow: str) -> ParameterError:
    """The error of a name that no config of the flow has."""
    return ParameterError(
        f"Flow {flow} has no config `{name}`.{nearest(name, known)}",
        f"It has {', '.join(f'`{one}`' for one in known)}." if known else "It has no configs.",
        f"Correct {option}, or leave it out; a parameter of the name `config` is given as --config=VALUE.",
    )
